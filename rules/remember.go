package rules

import (
	"context"
	"math"
	"time"

	"edge/engine"
	"edge/internal/jsonscan"
)

// unlimited is how many things of a schedule a lane fires before a message: all that are due.
const unlimited = math.MaxInt

// admit evaluates when and the key, where neither reads what the rule keeps, and so needs no lock. What does
// not pass is counted.
func (r *rule) admit(l *lane) (ok bool) {
	c := &l.scope
	r.judgeAdmission(l, &ok)
	return ok && c.key.err == nil
}

func (r *rule) judgeAdmission(l *lane, ok *bool) {
	c := &l.scope
	defer func() {
		if reason := recover(); reason != nil {
			*ok = false
			r.fail(l, fail(Panic, "%v", reason))
		}
	}()
	pass, err := c.passes(r)
	if pass && err == nil {
		_, err = c.keyValue()
	}
	if c.missing > 0 {
		r.book.missing.Add(c.missing)
		c.missing = 0
	}
	switch {
	case err != nil:
		r.fail(l, err)
	case !pass:
		r.book.filtered.Add(1)
	default:
		*ok = true
	}
}

// remembering runs do under the lock of the rule's memory. What do emits goes out when the lock is free, in the
// order in which lanes and Tick held it.
func (r *rule) remembering(l *lane, do func()) {
	m := r.memory
	ticket, made := r.locked(l, do)
	if !made {
		return
	}
	m.line.stepUp(ticket)
	defer m.line.leave()
	pending := l.pending
	l.pending = nil // emit may not come back to it, but a panic might
	for _, p := range pending {
		l.emit(p.sink, p.out)
	}
	clear(pending)
	l.pending = pending[:0]
}

// locked is the part of remembering under the lock, which is free after it even if do panics. It gives a ticket of
// the line when anything was made.
func (r *rule) locked(l *lane, do func()) (ticket uint64, made bool) {
	m := r.memory
	emit := l.emit
	l.emit = l.later
	earlier, full := false, false
	m.mu.Lock()
	defer func() {
		m.mu.Unlock()
		l.emit = emit
		if earlier {
			m.owner.Load().set.wake(m.due.Load())
		}
		if full {
			r.warnFull()
		}
	}()
	m.enter(l, r)
	do()
	full = m.settle(l)
	earlier = m.reckon()
	if made = len(l.pending) > 0; made {
		ticket = m.line.ticket()
	}
	return ticket, made
}

// remember is the way of a message through a rule that keeps something, up to its routes. The order is that of
// docs/rules.md: when, key, absent, dedupe, state, then window or map, on_change, throttle.
func (r *rule) remember(l *lane) (verdict, error) {
	c := &l.scope
	key, err := c.keyValue()
	if err != nil {
		return passes, err
	}
	c.id = appendIdentity(c.id[:0], key)
	c.kept = r.memory.find(c.id)
	r.recall(c)
	if r.isPatrolled(beforeWhen) {
		c.kept = r.memory.touch(c.id, r.maxKeys)
		r.patrol(c, beforeWhen)
	}
	if r.keyFirst {
		if pass, err := c.condition(r.when); !pass || err != nil {
			return filtered, err
		}
	}
	c.kept = r.memory.touch(c.id, r.maxKeys)
	back := r.absent != nil && r.absent.hear(c, r.memory)
	again := false
	r.patrol(c, beforeDedupe)
	if r.dedupe != nil {
		if again, err = r.dedupe.seen(c, r.memory); err != nil || again && !back {
			return suppressed, err
		}
	}
	if !again {
		r.patrol(c, afterDedupe)
		if err := r.note(c); err != nil {
			return passes, err
		}
	}
	if r.absent != nil && !back {
		return taken, nil
	}
	if r.window != nil {
		return r.take(l)
	}
	return r.finish(c)
}

// finish makes the result and asks on_change and throttle about it.
func (r *rule) finish(c *scope) (verdict, error) {
	if err := r.shapeResult(c); err != nil {
		return passes, err
	}
	return r.restrain(c)
}

// restrain asks on_change and throttle about a result. Those of windows and timers go through it too.
func (r *rule) restrain(c *scope) (verdict, error) {
	if r.onChange != nil {
		if changed, err := r.onChange.changed(c, r.memory); !changed || err != nil {
			return suppressed, err
		}
	}
	if r.throttle != nil && !r.throttle.newest && !r.throttle.take(c, r.memory) {
		return suppressed, nil
	}
	return passes, nil
}

// recall copies what expressions may read of what is kept, so that they see it as it was before this message.
func (r *rule) recall(c *scope) {
	c.states, c.last, c.lags = c.states[:0], c.last[:0], c.lags[:0]
	for _, s := range r.states {
		c.states = append(c.states, s.recall(c, r.memory))
	}
	if r.last != nil {
		r.last.recall(c)
	}
	for _, call := range r.lagCalls {
		c.lags = append(c.lags, call.recall(c))
	}
}

// note writes what a message leaves behind: it has passed when and dedupe. All of it is computed first, since
// each state sees the old values of all, and an error leaves everything as it was.
func (r *rule) note(c *scope) error {
	c.noted = c.noted[:0]
	for _, s := range r.states {
		v, err := c.run(s.value)
		if err != nil {
			return err
		}
		c.noted = append(c.noted, v)
	}
	for _, l := range r.lags {
		v, err := c.run(l.value)
		if err != nil {
			return err
		}
		c.noted = append(c.noted, v)
	}
	for i, s := range r.states {
		s.write(c, r.memory, c.noted[i])
	}
	for i, l := range r.lags {
		l.write(c, r.memory, c.noted[len(r.states)+i])
	}
	if r.last != nil {
		r.last.write(c, r.memory)
	}
	if r.absent != nil {
		r.absent.note(c, r.memory)
	}
	return nil
}

// result makes what a window or a timer of a key brings: a message without a cause. prepare puts into the scope
// what its expressions read. It is called under the lock, with l's emit being later.
func (r *rule) result(l *lane, k *kept, prepare func(c *scope) (verdict, error)) {
	now := l.scope.now
	l.scope, l.aside = l.aside, l.scope // what the message that is handled has computed so far stays
	defer func() { l.scope, l.aside = l.aside, l.scope }()
	c := &l.scope
	c.now, c.journal = now, l.aside.journal
	if c.idBase == "" {
		c.idBase = r.set.laneID()
	}
	if len(c.slots) < r.set.fields {
		c.slots = make([]jsonscan.Value, r.set.fields) // all missing: there is no payload
	}
	key := keyOf(k.id)
	text, _ := appendScalar(nil, key)
	m := &engine.Message{Key: string(text), Received: now}
	m.Receive(nil)
	c.message, c.params, c.item = m, nil, null
	c.begin(r)
	c.kept, c.fired = k, true
	c.key = lazy{state: known, value: key}
	r.book.results.Add(1)
	r.judge(l, func(*rule, *lane) (verdict, error) { return prepare(c) })
	r.memory.tidy(k)
	m.Done()
}

// fireBatch is how many things Tick fires under one lock, so that messages do not wait for all of them.
const fireBatch = 256

// Tick fires what is due.
func (p *Program) Tick(now time.Time, emit engine.Emit) time.Time {
	l := p.ticker
	l.begin(now, emit)
	if p.store != nil && !p.observed {
		p.observed = true
		p.store.observe(p)
	}
	for _, e := range p.inbox.empty() {
		l.await(e)
	}
	l.follow(now)
	for {
		var next int64
		for _, r := range p.timed {
			if r.memory.owner.Load() == nil || !r.stale() && r.memory.owner.Load() != r {
				r.remembering(l, func() {}) // what counts from the start of the rule counts from now
			}
			due := r.due()
			for due != 0 && due <= nanos(now) {
				r.remembering(l, func() { r.memory.fire(l, r, nanos(now), true, fireBatch) })
				l.follow(now)
				due = r.due()
			}
			if due != 0 && (next == 0 || due < next) {
				next = due
			}
		}
		p.due.Store(next)
		if p.unchanged(next) {
			l.sinks = nil
			if next == 0 {
				return time.Time{}
			}
			return now.Add(time.Duration(next - nanos(now)))
		}
	}
}

// unchanged says whether no lane has set an earlier deadline while Tick was looking.
func (p *Program) unchanged(next int64) bool {
	for _, r := range p.timed {
		if due := r.due(); due != 0 && (next == 0 || due < next) {
			return false
		}
	}
	return true
}

// Settle waits until what durable rules keep of the messages that are delivered is on disk, and these are settled.
func (p *Program) Settle(ctx context.Context) {
	if p.store != nil {
		p.store.Settle(ctx)
	}
}

// Wakes tells the engine that a lane has set a deadline earlier than the one Tick returned.
func (p *Program) Wakes() <-chan struct{} { return p.wakes }

func (p *Program) wake(due int64) {
	if was := p.due.Load(); was != 0 && was <= due {
		return
	}
	select {
	case p.wakes <- struct{}{}:
	default:
	}
}
