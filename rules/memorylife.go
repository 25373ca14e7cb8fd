package rules

import (
	"time"

	"edge/internal/statelog"
)

// This file is about the life of what rules keep: how a memory goes from a rule to the one that a reload puts in
// its place, what bounds it, and what is dropped because its time is over.

// lately is what happened to a memory while one had its lock.
type lately struct {
	evicted int
	blind   bool    // a key was evicted that absent was watching
	gone    []*held // what throttle held for keys that are no more
}

// longRetired is after how many loads the place of an operator that no rule uses is given to another. A lane that
// is still busy with a set that old, in the middle of a message, is not seen.
const longRetired = 8

// slot finds or makes the place of a memo, for the rule that is loaded. Slots that the rule does not ask for are
// emptied once it runs.
func (m *memory) slot(signature string, o operator) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slots {
		if m.slots[i].signature == signature {
			m.slots[i].serial = m.serial
			return i
		}
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.retired && s.serial+longRetired < m.serial {
			m.clear(i) // what a lane with an old rule may have left
			*s = newSlot(signature, o, m.serial)
			return i
		}
	}
	m.slots = append(m.slots, newSlot(signature, o, m.serial))
	return len(m.slots) - 1
}

func newSlot(signature string, o operator, serial int) memorySlot {
	return memorySlot{signature: signature, number: statelog.SlotOf(signature), operator: o, serial: serial}
}

// enlist gives a rule that is loaded its place in the order of those that share the memory.
func (m *memory) enlist(r *rule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serial++
	r.serial = m.serial
}

// stale says whether a newer rule has taken over the memory.
func (r *rule) stale() bool {
	owner := r.memory.owner.Load()
	return owner != nil && owner.serial > r.serial
}

// due is when something of the rule's memory fires next. A rule that is stale leaves that to the newer one.
func (r *rule) due() int64 {
	if r.stale() {
		return 0
	}
	return r.memory.due.Load()
}

// enter is called with the lock just taken: by a lane, or by Tick.
func (m *memory) enter(l *lane, r *rule) {
	if c := &l.scope; c.now.Before(m.at) {
		c.now = m.at // another lane is ahead
	} else {
		m.at = c.now
	}
	gone := m.lately.gone[:0]
	m.lately = lately{gone: gone}
	if owner := m.owner.Load(); owner == nil || owner.serial < r.serial {
		m.adopt(r, owner)
		m.sendGone(l)
	}
}

// sendGone sends what has lost its key.
func (m *memory) sendGone(l *lane) {
	if len(m.lately.gone) == 0 {
		return
	}
	alone := m.begin(l, m.owner.Load(), nil)
	for _, h := range m.lately.gone {
		h.send(l, m.owner.Load())
	}
	clear(m.lately.gone)
	m.lately.gone = m.lately.gone[:0]
	if alone {
		m.end(l)
	}
}

// adopt makes r the rule whose memory this is, when it first runs: loading it has changed nothing that the rule
// before it needed, for a set that was loaded need not come to run.
func (m *memory) adopt(r, before *rule) {
	if before != nil {
		before.set.held.Add(-int64(m.charged))
		m.charged = 0
	}
	m.owner.Store(r)
	m.keepOnDisk(r)
	for i := range m.slots {
		if s := &m.slots[i]; s.serial < r.serial && !s.retired {
			s.retired = true
			m.clear(i)
			s.schedule = nil
		} else if s.serial >= r.serial {
			s.retired = false
		}
	}
	m.join()
	if r.absent != nil {
		r.absent.adopt(m, r.maxKeys)
	}
	if r.throttle != nil && r.throttle.newest {
		r.throttle.adopt(m)
	}
	if r.life > 0 {
		m.slots[r.sweep].schedule = &sweeper{memory: m, life: int64(r.life)}
	}
}

// clear drops what all keys have in a slot.
func (m *memory) clear(slot int) {
	var following *kept
	for k := m.oldest; k != nil; k = following {
		following = k.next
		if k.memo(slot) != nil {
			m.empty(k, slot)
			m.tidy(k)
		}
	}
}

// evict drops a key because there is no room.
func (m *memory) evict(k *kept) {
	if r := m.owner.Load(); r != nil && r.absent != nil {
		w, _ := k.memo(r.absent.slot).(*watch)
		m.lately.blind = m.lately.blind || w != nil && !w.away
	}
	m.lately.evicted++
	m.forget(k)
}

// settle is called before the lock is given back. It sends what has lost its key, and holds the memory to its
// bounds. It says whether keys were evicted and that is to be logged.
func (m *memory) settle(l *lane) (full bool) {
	r := m.owner.Load()
	m.charge(r)
	for m.bytes > r.set.reserve && r.set.held.Load() > int64(r.set.memoryLimit) && m.oldest != nil {
		if m.oldest != m.newest || !m.shed(m.oldest) {
			m.evict(m.oldest)
		}
		m.charge(r)
	}
	m.sendGone(l)
	m.shown.keys.Store(int64(len(m.keys)))
	m.shown.bytes.Store(int64(m.bytes))
	if m.lately.evicted == 0 {
		return false
	}
	m.shown.evicted.Add(int64(m.lately.evicted))
	if full = m.warned.IsZero() || m.at.Sub(m.warned) >= time.Minute; full {
		m.warned = m.at
	}
	return full
}

// charge tells the set what the memory takes.
func (m *memory) charge(r *rule) {
	if m.bytes != m.charged {
		r.set.held.Add(int64(m.bytes - m.charged))
		m.charged = m.bytes
	}
}

// A shedder is a memo of which the oldest part can be dropped.
type shedder interface{ shed() }

// shed makes a single key smaller that fills the memory by itself.
func (m *memory) shed(k *kept) bool {
	for slot := range k.slots() {
		p := k.memo(slot)
		if s, ok := p.(shedder); ok {
			before := p.size()
			s.shed()
			m.bytes += p.size() - before
			if p.size() < before {
				m.lately.evicted++
				return true
			}
		}
	}
	return false
}

func (r *rule) warnFull() {
	m := r.memory
	what := "what a rule keeps has no room left, the keys that were silent the longest are forgotten; this is logged once a minute"
	if r.absent != nil {
		what = "what a rule keeps has no room left, the keys that were silent the longest are forgotten, and absent no longer watches them; this is logged once a minute"
	}
	r.set.logger.Warn(what, "rule", r.name, "evicted", m.shown.evicted.Load(), "keys", m.shown.keys.Load(), "max_keys", r.maxKeys,
		"bytes", m.shown.bytes.Load(), "bytes_of_all_rules", r.set.held.Load(), "at", r.place())
}

// A sweeper forgets keys that nothing has touched for as long as anything of them lasts. Keys lie in the order
// in which they were touched, so those are the oldest.
type sweeper struct {
	memory *memory
	life   int64
}

// sweepStep is how exact sweeping is: what is over is not seen any more anyhow, and there is no hurry with it.
const sweepStep = int64(time.Second)

func (s *sweeper) next() int64 {
	if s.memory.oldest == nil {
		return 0
	}
	return ((s.memory.oldest.touched+s.life)/sweepStep + 1) * sweepStep
}

func (s *sweeper) fire(_ *lane, _ *rule, now int64) {
	for n := 0; n < fireBatch; n++ {
		k := s.memory.oldest
		if k == nil || k.touched+s.life > now {
			return
		}
		s.memory.forget(k)
	}
}

// lifetime is for how long anything of a key lasts after its last message, 0 if for ever.
func (r *rule) lifetime() time.Duration {
	if r.absent != nil || r.last != nil || len(r.lags) > 0 || len(r.fences) > 0 {
		return 0
	}
	var longest time.Duration
	if w := r.window; w != nil {
		if longest = w.lifetime(); longest == 0 {
			return 0
		}
	}
	for _, s := range r.states {
		if s.ttl == 0 {
			return 0
		}
		longest = max(longest, s.ttl)
	}
	if r.dedupe != nil {
		longest = max(longest, r.dedupe.within)
	}
	if o := r.onChange; o != nil {
		if o.every == 0 {
			return 0
		}
		longest = max(longest, o.every)
	}
	if t := r.throttle; t != nil {
		longest = max(longest, t.unit)
	}
	return longest
}

// setBounds says what the rules of a set may keep, all together. A quarter of it is divided among them, so that
// one rule that fills the rest does not leave the others with nothing.
func (p *Program) setBounds(limit int64) {
	if limit <= 0 {
		limit = defaultMemory
	}
	rules := int64(max(len(p.timed), 1))
	p.reserve = int(min(limit/4/rules, 1<<30))
	p.memoryLimit = limit - limit/4*(rules-1)/rules
}

const defaultMemory = 64 << 20

// A turn is the place of a memo in a queue where all wait equally long, so that who came first is due first.
type turn struct {
	since        int64
	key          *kept
	older, newer *turn
	waiting      bool
}

// turns is such a queue.
type turns struct{ first, last *turn }

func (q *turns) push(t *turn) {
	t.waiting, t.older, t.newer = true, q.last, nil
	if q.last != nil {
		q.last.newer = t
	} else {
		q.first = t
	}
	q.last = t
}

func (q *turns) remove(t *turn) {
	if !t.waiting {
		return
	}
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		q.first = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		q.last = t.older
	}
	t.waiting, t.older, t.newer = false, nil, nil
}
