package rules

import (
	"slices"
	"sync/atomic"

	"edge/engine"
	"edge/internal/statelog"
)

// This file is about what a durable rule keeps that is not on disk yet. See docs/decisions/0004-durable-state.md.
//
// A message whose outputs are not settled comes again after a crash, so what it changed must not be on disk before
// they are: else it would be suppressed by its own first pass. And it must not be acknowledged before what it
// changed is on disk. So a message is held until both are done, and what is written of a key is always what it was
// after a message, with all those before it ready.

// A journal gathers, for the memory of a durable rule, what is to be written.
type journal struct {
	store  *Store
	memory *memory
	space  statelog.Space

	pending atomic.Int32 // keys with a trail

	// Under the lock of the memory:
	effect  *effect           // that is under way
	orphans map[string]*trail // of keys that were forgotten
	free    *effect           // to be used again: those that made no output
	scratch []byte            // of take
	parts   []statelog.Part   // likewise

	// Under the lock of the store:
	ready  []*trail // with something that can be written
	listed bool
}

// An effect is what one message does to a rule, or one thing that is due: the outputs that were made, and the
// changes of keys, which are written when all outputs are settled.
type effect struct {
	rule    *rule
	journal *journal
	cause   *engine.Message // nil: a window or a timer
	open    atomic.Int32    // outputs that are not settled, and one while they are being made
	outputs int
	steps   *step
	first   step // the one that most have
	next    *effect
}

// A trail is the steps of one key that are not on disk yet, in order. Steps of messages that made no output join
// the last one as long as that is not sealed, so that a window that takes a thousand messages is written once.
type trail struct {
	id          string
	kept        *kept // nil: the key is forgotten
	first, last *step
	listed      bool // under the lock of the store
}

// A step is what one message changed of one key, or several in a row that are written together.
type step struct {
	trail   *trail
	effect  *effect // whose outputs must be settled first; nil: nothing is waited for
	causes  []*engine.Message
	changed slots
	gone    bool   // the key was forgotten, before what changed
	sealed  bool   // parts is what changed; what changes later is of another step
	parts   []byte // for the log
	prev    *step
	next    *step
	sibling *step   // of the same effect
	home    *effect // whose first it is
}

// slots are a set of them; those beyond 62 share one place.
type slots uint64

func (s *slots) add(slot int)     { *s |= 1 << min(slot, 63) }
func (s slots) has(slot int) bool { return s>>min(slot, 63)&1 == 1 }

func (s *step) ready() bool { return s.effect == nil || s.effect.open.Load() == 0 }

// begin is called under the lock before a message is judged, or something that is due is fired.
func (m *memory) begin(l *lane, r *rule, cause *engine.Message) {
	j := m.journal
	if j == nil {
		return
	}
	e := j.free
	if e == nil {
		e = &effect{journal: j}
	} else {
		j.free, e.next = e.next, nil
	}
	e.rule, e.cause = r, cause
	e.open.Store(1)
	j.effect, l.scope.effect = e, e
}

// recycle takes back the effect whose first step s is, when that is no longer in its trail. Where there was an
// output, somebody may still look at it.
func (j *journal) recycle(s *step) {
	if e := s.home; e != nil && e.outputs == 0 {
		clear(s.causes)
		*s = step{causes: s.causes[:0], parts: s.parts[:0]}
		e.steps, e.cause, e.rule = nil, nil, nil
		j.free, e.next = e, j.free
	}
}

// resume goes on with the effect that made a key forget something, since that something is now sent: it is
// forgotten on disk when it has arrived.
func (m *memory) resume(l *lane, k *kept) {
	if m.journal == nil {
		return
	}
	if k.trail == nil || k.trail.last == nil {
		m.begin(l, m.owner.Load(), nil)
		return
	}
	s := k.trail.last
	if s.ready() {
		m.begin(l, m.owner.Load(), nil)
		e := l.scope.effect
		e.steps, s.effect, s.sibling, s.home = s, e, nil, nil
		return
	}
	s.effect.open.Add(1)
	m.journal.effect, l.scope.effect = s.effect, s.effect
}

// end is called when it is known what became of the message.
func (m *memory) end(l *lane) {
	j := m.journal
	if j == nil || j.effect == nil {
		return
	}
	e := j.effect
	j.effect, l.scope.effect = nil, nil
	for s := e.steps; s != nil; s = s.sibling {
		if s.sealed {
			continue
		}
		if before := s.prev; before != nil && !before.sealed {
			j.absorb(s, before) // what it changed has changed again, so that the two can only be written together
		}
		if e.outputs > 0 {
			j.seal(s)
		} else {
			s.effect = nil
		}
	}
	empty := e.steps == nil && e.outputs == 0
	e.done()
	if empty {
		j.free, e.next = e, j.free
	}
}

// absorb takes into s the step before it, which is not sealed.
func (j *journal) absorb(s, before *step) {
	s.causes, before.causes = append(before.causes, s.causes...), s.causes
	if !s.gone {
		s.gone = before.gone
		s.changed |= before.changed
	}
	if s.prev = before.prev; s.prev != nil {
		s.prev.next = s
	} else {
		s.trail.first = s
	}
	j.recycle(before)
}

// changed notes that what is kept of k in a slot is not what it was.
func (m *memory) changed(k *kept, slot int) {
	if m.journal != nil {
		m.journal.step(k).changed.add(slot)
	}
}

// forgotten notes that k is no longer there.
func (m *memory) forgotten(k *kept) {
	j := m.journal
	if j == nil {
		return
	}
	s := j.step(k)
	s.gone, s.changed = true, 0
	s.trail.kept = nil
	j.orphans[k.id] = s.trail
}

// returned finds what is not on disk yet of a key that was forgotten and is there again.
func (m *memory) returned(k *kept) {
	if j := m.journal; j != nil {
		if t := j.orphans[k.id]; t != nil {
			delete(j.orphans, k.id)
			k.trail, t.kept = t, k
		}
	}
}

// step finds or makes the step of a key that belongs to the effect that is under way.
func (j *journal) step(k *kept) *step {
	t := k.trail
	if t == nil {
		t = &trail{id: k.id, kept: k}
		k.trail = t
	}
	e := j.effect
	if s := t.last; s != nil && !s.sealed && (e == nil || s.effect == e) {
		if e == nil && s.ready() {
			j.store.list(j, t, nil)
		}
		return s
	}
	s := &step{}
	if e != nil && e.steps == nil {
		s = &e.first
		s.home = e
	}
	s.trail, s.effect, s.prev = t, e, t.last
	if t.last != nil {
		t.last.next = s
	} else {
		t.first = s
		j.pending.Add(1)
	}
	t.last = s
	if e == nil {
		if p := s.prev; p != nil && !p.sealed {
			j.absorb(s, p)
		}
		j.store.list(j, t, nil)
		return s
	}
	s.sibling, e.steps = e.steps, s
	if e.cause != nil {
		cause := e.rule.holds(e.cause)
		cause.Hold()
		s.causes = append(s.causes, cause)
	}
	return s
}

// holds is the message that is held for a change that m brought: m itself, so that what a rule sends to another
// through local is not settled before the other has written what it made of it. Where the two could feed each
// other that might be a circle of waiting, so there it is the message that came from outside.
func (r *rule) holds(m *engine.Message) *engine.Message {
	if r.circles {
		return m.Root()
	}
	return m
}

// seal writes down what changed, since the next message may change it again.
func (j *journal) seal(s *step) {
	s.sealed = true
	k := s.trail.kept
	if k == nil {
		return
	}
	for slot := range j.memory.slots {
		if !s.changed.has(slot) {
			continue
		}
		p := k.memo(slot)
		if p == nil && s.gone {
			continue
		}
		s.parts = j.memory.slots[slot].appendPart(s.parts, p, s.gone)
	}
	s.changed = 0
}

// appendPart writes the memo of a slot. anew: nothing of it is on disk that could be added to.
func (s *memorySlot) appendPart(dst []byte, p memo, anew bool) []byte {
	start := len(dst)
	dst = statelog.BeginPart(dst, s.number)
	form := statelog.Whole
	g, grows := p.(grower)
	if grows && !anew {
		if grown, ok := g.appendGrowth(dst); ok {
			dst, form = grown, statelog.Growth
		} else {
			grows = false
		}
	}
	switch {
	case p == nil:
		form = statelog.Empty
	case !grows || anew:
		dst = p.append(dst)
	}
	dst, _ = statelog.EndPart(dst, start, form)
	return dst
}

// origin stands behind what r makes of the message, or of a result, in hand.
func (c *scope) origin(r *rule) engine.Origin {
	if c.fired {
		return c.resultOrigin(r)
	}
	if e := c.effect; e != nil {
		e.output()
		return (*loudOutput)(e)
	}
	return r
}

func (c *scope) resultOrigin(r *rule) engine.Origin {
	if e := c.effect; e != nil {
		e.output()
		return (*quietOutput)(e)
	}
	return (*member)(r)
}

func (c *scope) letterOrigin(r *rule) engine.Origin {
	if e := c.effect; e != nil {
		e.output()
		return (*letterOutput)(e)
	}
	return &letterOrigin{r}
}

func (e *effect) output() {
	e.outputs++
	e.open.Add(1)
}

// done settles one output.
func (e *effect) done() {
	if e.open.Add(-1) == 0 && e.steps != nil {
		e.journal.store.list(e.journal, nil, e.steps)
	}
}

// A loudOutput is an origin that counts and settles.
type loudOutput effect

func (o *loudOutput) Settled(_ *engine.Message, outcome engine.Outcome) {
	o.rule.book.settle(outcome)
	(*effect)(o).done()
}

func (o *loudOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	o.rule.Rejected(out, sink, err, emit)
}

// A quietOutput is of a window or a timer, which no message is counted for.
type quietOutput effect

func (o *quietOutput) Settled(*engine.Message, engine.Outcome) { (*effect)(o).done() }

func (o *quietOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	o.rule.Rejected(out, sink, err, emit)
}

// A letterOutput is a dead letter.
type letterOutput effect

func (o *letterOutput) Settled(*engine.Message, engine.Outcome) { (*effect)(o).done() }

func (o *letterOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	(&letterOrigin{o.rule}).Rejected(out, sink, err, emit)
}

// take moves what can be written of a trail into a batch, and gives what is to be settled when it is on disk. It
// is called under the lock of the memory.
func (j *journal) take(t *trail, b *statelog.Batch, causes []*engine.Message) []*engine.Message {
	gone, steps := false, 0
	all := j.scratch[:0]
	for s := t.first; s != nil && s.ready(); s = t.first {
		if !s.sealed {
			j.seal(s)
		}
		if s.gone {
			gone, all = true, all[:0]
		}
		all = append(all, s.parts...)
		causes = append(causes, s.causes...)
		if t.first = s.next; t.first != nil {
			t.first.prev = nil
		} else {
			t.last = nil
		}
		steps++
		j.recycle(s)
	}
	j.scratch = all
	if steps > 1 {
		all = j.newest(all)
	}
	switch {
	case steps == 0:
		return causes
	case len(all) > statelog.MaxChange:
		j.store.tooLong(t.id, len(all))
	case gone && len(all) == 0:
		b.Gone(j.space, t.id)
	case gone:
		b.Anew(j.space, t.id, all)
	case len(all) > 0:
		b.Change(j.space, t.id, all)
	}
	if t.first == nil {
		j.pending.Add(-1)
		if t.kept != nil {
			t.kept.trail = nil
		} else {
			delete(j.orphans, t.id)
		}
	}
	return causes
}

// newest leaves out the parts that later ones replace.
func (j *journal) newest(all []byte) []byte {
	parts := j.parts[:0]
	for rest, ok := all, true; ok; {
		var p statelog.Part
		if p, rest, ok = statelog.NextPart(rest); ok {
			parts = append(parts, p)
		}
	}
	var replaced []uint64
	kept := len(parts)
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		if slices.Contains(replaced, p.Slot) {
			continue
		}
		if p.Form != statelog.Growth {
			replaced = append(replaced, p.Slot)
		}
		kept--
		parts[kept] = p
	}
	out := make([]byte, 0, len(all))
	for _, p := range parts[kept:] {
		start := len(out)
		out = append(statelog.BeginPart(out, p.Slot), p.Bytes...)
		out, _ = statelog.EndPart(out, start, p.Form)
	}
	clear(parts)
	j.parts = parts[:0]
	return out
}
