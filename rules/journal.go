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
// changed is on disk. So a message is held until both are done; and what is on disk of a rule is always what it
// kept after one of its messages, with the outputs of all those before it settled.

// A journal gathers, for the memory of a durable rule, what is to be written.
type journal struct {
	store  *Store
	memory *memory
	space  statelog.Space

	waiting atomic.Int64 // groups

	// Under the lock of the memory:
	queue  []*group           // in the order in which things happened
	tail   *group             // the last of them, while more can join it; else nil
	index  map[*kept]*change  // the changes of tail, where they are many
	gone   map[string]*change // in tail, of keys that are no more
	common *change            // in tail, of what schedules keep for all keys
	rule   *rule              // that is at work; nil: none is
	cause  *engine.Message    // the message it has in hand; nil: something is due
	held   bool               // the cause is in tail
	groups []*group           // to be used again
	spare  []*change          // likewise

	listed bool // by the store, under its lock
}

// A group is what one message did to a rule; or several in a row of which only the last has made outputs, so that
// a window that takes a thousand messages is written once. It is written when all outputs are settled, and the
// groups before it are.
type group struct {
	journal   *journal // for ever: who settles an output may look at it when the group is used again
	rule      *rule    // that made the outputs
	unsettled atomic.Int32
	outputs   int
	sealed    bool // what changed is written down, so that what changes later is of another group
	causes    []*engine.Message
	changes   []*change
}

// A change is what changed of a key.
type change struct {
	id    string // of the key; "": of all
	kept  *kept  // nil: the key is no more, or it is of all
	slots slots
	gone  bool // the key was forgotten, before what changed
	parts []byte
}

// slots are a set of them; those beyond 62 share one place.
type slots uint64

func (s *slots) add(slot int)     { *s |= 1 << min(slot, 63) }
func (s slots) has(slot int) bool { return s>>min(slot, 63)&1 == 1 }

// A commoner is a schedule that keeps something beside what it keeps for each key.
type commoner interface {
	appendCommon(dst []byte) []byte
	loadCommon(d *decoder)
}

// begin is called under the lock before a message is judged, or something that is due is fired. It is false when
// that is within another.
func (m *memory) begin(l *lane, r *rule, cause *engine.Message) bool {
	j := m.journal
	if j == nil || j.rule != nil {
		return false
	}
	j.rule, j.cause, j.held = r, cause, false
	l.scope.journal = j
	return true
}

// end is called when it is known what became of it.
func (m *memory) end(l *lane) {
	j := m.journal
	if j == nil || j.rule == nil {
		return
	}
	m.sendGone(l) // with the changes that made it so, which must wait for it
	j.rule, j.cause = nil, nil
	l.scope.journal = nil
	if g := j.tail; g != nil {
		if g.outputs > 0 {
			j.seal(g)
		} else {
			j.store.list(j)
		}
	}
}

// last is the group that what happens now belongs to.
func (j *journal) last() *group {
	if j.tail != nil {
		return j.tail
	}
	var g *group
	if n := len(j.groups); n > 0 {
		g, j.groups = j.groups[n-1], j.groups[:n-1]
	} else {
		g = &group{journal: j}
	}
	j.tail = g
	j.queue = append(j.queue, g)
	j.waiting.Add(1)
	return g
}

// add begins a change.
func (j *journal) add(id string, k *kept) *change {
	var c *change
	if n := len(j.spare); n > 0 {
		c, j.spare = j.spare[n-1], j.spare[:n-1]
	} else {
		c = &change{}
	}
	c.id, c.kept = id, k
	g := j.last()
	g.changes = append(g.changes, c)
	if k != nil && j.index != nil {
		j.index[k] = c
	}
	return c
}

// fewChanges is how many of them are looked through faster than a map is asked.
const fewChanges = 8

// find gives the change of a key in tail, nil if there is none.
func (j *journal) find(k *kept) *change {
	if j.tail == nil {
		return nil
	}
	if j.index != nil {
		return j.index[k]
	}
	for _, c := range j.tail.changes {
		if c.kept == k {
			return c
		}
	}
	if len(j.tail.changes) >= fewChanges {
		j.index = make(map[*kept]*change, 2*fewChanges)
		for _, c := range j.tail.changes {
			if c.kept != nil {
				j.index[c.kept] = c
			}
		}
	}
	return nil
}

// note holds the message that has changed something.
func (j *journal) note() {
	switch {
	case j.rule == nil:
		j.store.list(j) // nobody calls end
	case j.cause != nil && !j.held:
		j.held = true
		cause := j.rule.holds(j.cause)
		cause.Hold()
		g := j.last()
		g.causes = append(g.causes, cause)
	}
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

// changed notes that what is kept of k in a slot is not what it was.
func (m *memory) changed(k *kept, slot int) {
	j := m.journal
	if j == nil {
		return
	}
	c := j.find(k)
	if c == nil {
		c = j.add(k.id, k)
	}
	c.slots.add(slot)
	j.note()
}

// changedCommon notes the same of what the schedule of a slot keeps for all keys.
func (m *memory) changedCommon(slot int) {
	j := m.journal
	if j == nil {
		return
	}
	if j.common == nil {
		j.common = j.add("", nil)
	}
	j.common.slots.add(slot)
	j.note()
}

// forgotten notes that k is no longer there.
func (m *memory) forgotten(k *kept) {
	j := m.journal
	if j == nil {
		return
	}
	c := j.find(k)
	if c == nil {
		c = j.add(k.id, nil)
	}
	delete(j.index, k)
	c.kept, c.slots, c.gone = nil, 0, true
	if j.gone == nil {
		j.gone = map[string]*change{}
	}
	j.gone[k.id] = c
	j.note()
}

// returned finds the change of a key that was forgotten and is there again.
func (m *memory) returned(k *kept) {
	if j := m.journal; j != nil {
		if c := j.gone[k.id]; c != nil {
			delete(j.gone, k.id)
			c.kept = k
			if j.index != nil {
				j.index[k] = c
			}
		}
	}
}

// seal writes down what changed, since what comes now may change it again.
func (j *journal) seal(g *group) {
	g.sealed = true
	j.tail, j.common, j.index = nil, nil, nil
	clear(j.gone)
	for _, c := range g.changes {
		j.encode(c)
		c.kept = nil
	}
}

func (j *journal) encode(c *change) {
	for slot := range j.memory.slots {
		if !c.slots.has(slot) {
			continue
		}
		s := &j.memory.slots[slot]
		if c.id == "" {
			if of, ok := s.schedule.(commoner); ok {
				start := len(c.parts)
				c.parts = of.appendCommon(statelog.BeginPart(c.parts, s.number))
				c.parts, _ = statelog.EndPart(c.parts, start, statelog.Whole)
			}
			continue
		}
		if p := c.kept.memo(slot); p != nil || !c.gone {
			c.parts = s.appendPart(c.parts, p, c.gone)
		}
	}
}

// appendPart writes the memo of a slot. anew: nothing of it is on disk that could be added to.
func (s *memorySlot) appendPart(dst []byte, p memo, anew bool) []byte {
	start := len(dst)
	dst = statelog.BeginPart(dst, s.number)
	form, written := statelog.Whole, false
	switch g, grows := p.(grower); {
	case p == nil:
		form, written = statelog.Empty, true
	case grows && !anew:
		if dst, written = g.appendGrowth(dst); written {
			form = statelog.Growth
		}
	}
	if !written {
		dst = p.append(dst)
	}
	dst, ok := statelog.EndPart(dst, start, form)
	if !ok { // longer than any part may be: then it is not on disk
		dst, _ = statelog.EndPart(statelog.BeginPart(dst, s.number), start, statelog.Empty)
	}
	return dst
}

// mostBatch is how much is written at once, unless one message has changed more.
const mostBatch = 64 << 20

// take moves what can be written into a batch, and gives what is to be settled when it is on disk. It is called
// under the lock of the memory, and says whether there is more.
func (j *journal) take(b *statelog.Batch, causes []*engine.Message) (_ []*engine.Message, more bool) {
	n := 0
	for _, g := range j.queue {
		if g.unsettled.Load() != 0 {
			break
		}
		if b.Len() > mostBatch {
			more = true
			break
		}
		if !g.sealed {
			j.seal(g)
		}
		for _, c := range g.changes {
			j.write(b, c)
			*c = change{parts: c.parts[:0]}
			if cap(c.parts) < 1<<12 {
				j.spare = append(j.spare, c)
			}
		}
		causes = append(causes, g.causes...)
		clear(g.causes)
		clear(g.changes)
		g.causes, g.changes, g.outputs, g.sealed, g.rule = g.causes[:0], g.changes[:0], 0, false, nil
		j.groups = append(j.groups, g)
		n++
	}
	j.queue = slices.Delete(j.queue, 0, n)
	j.waiting.Add(-int64(n))
	j.groups, j.spare = j.groups[:min(len(j.groups), mostSpare)], j.spare[:min(len(j.spare), mostSpare)]
	return causes, more
}

const mostSpare = 1024 // as many as messages are in flight

func (j *journal) write(b *statelog.Batch, c *change) {
	switch {
	case b.Len()+len(c.parts) > statelog.MaxBatch-1<<20:
		j.store.tooLong(c.id, len(c.parts))
	case c.gone && len(c.parts) == 0:
		b.Gone(j.space, c.id)
	case c.gone:
		b.Anew(j.space, c.id, c.parts)
	case len(c.parts) > 0:
		b.Change(j.space, c.id, c.parts)
	}
}
