package rules

import (
	"slices"
	"strings"
	"time"
)

// An absence tells when a key falls silent, once, and when it is back.
type absence struct {
	after  time.Duration
	expect []Value // keys that are watched from the start of the rule
	slot   int
}

// A watch is what absent knows of a key. It waits in the queue until the key is away.
type watch struct {
	turn         // since its last message, or since it is expected
	topic string // of the last message
	seen  bool   // there was one
	away  bool
}

func (w *watch) size() int { return 96 + len(w.topic) }

func (w *watch) leave(m *memory, slot int) {
	if s, ok := m.slots[slot].schedule.(*vigil); ok {
		s.remove(&w.turn)
	}
}

// A vigil has the watches of all keys that are not away, in the order of their last messages.
type vigil struct {
	turns
	after int64
	slot  int
}

func (s *vigil) next() int64 {
	if s.first == nil {
		return 0
	}
	return s.first.since + s.after
}

func (s *vigil) fire(l *lane, r *rule, _ int64) {
	w := s.first.key.memo(s.slot).(*watch)
	s.remove(&w.turn)
	w.away = true
	r.memory.changed(w.key, s.slot)
	r.result(l, w.key, func(c *scope) (verdict, error) { return r.silent(c, w) })
}

// silent is the way of what absent makes of a silence.
func (r *rule) silent(c *scope, w *watch) (verdict, error) {
	c.absent = true
	if w.seen {
		c.message.Topic = w.topic
		c.params = r.paramsOf(c.message)
	}
	r.recall(c)
	return r.finish(c)
}

// hear notes that a key is heard, and says whether it was away.
func (a *absence) hear(c *scope, m *memory) (back bool) {
	s, _ := m.slots[a.slot].schedule.(*vigil)
	if s == nil {
		return false // a newer rule, without absent, has the memory by now
	}
	w, _ := c.kept.memo(a.slot).(*watch)
	if w == nil {
		w = s.begin(c.kept, m)
	}
	s.remove(&w.turn)
	w.since = nanos(m.at)
	s.push(&w.turn)
	back, w.away = w.away, false
	m.changed(c.kept, a.slot)
	if back {
		// What comes after a silence must not overtake what told of it, even when it comes on another topic.
		text, _ := appendScalar(nil, c.key.value)
		c.order = string(text)
	}
	return back
}

// note writes the topic of a message that last is of.
func (a *absence) note(c *scope, m *memory) {
	w, _ := c.kept.memo(a.slot).(*watch)
	if w == nil {
		return
	}
	w.seen = true
	if w.topic != c.message.Topic {
		m.bytes -= len(w.topic)
		if w.topic = strings.Clone(c.message.Topic); w.key.id == "s"+w.topic {
			w.topic = w.key.id[1:]
		}
		m.bytes += len(w.topic)
	}
	m.changed(c.kept, a.slot)
}

// begin watches a key.
func (s *vigil) begin(k *kept, m *memory) *watch {
	w := &watch{turn: turn{since: nanos(m.at), key: k}}
	k.set(s.slot, w)
	m.bytes += w.size()
	s.push(&w.turn)
	m.changed(k, s.slot)
	return w
}

// adopt makes the schedule follow the rule: how long a silence is, and which keys are expected.
func (a *absence) adopt(m *memory, maxKeys int) {
	s, _ := m.slots[a.slot].schedule.(*vigil)
	if s == nil {
		s = &vigil{slot: a.slot}
		m.slots[a.slot].schedule = s
	}
	s.after = int64(a.after)
	wanted := make([]string, len(a.expect))
	for i, key := range a.expect {
		wanted[i] = string(appendIdentity(nil, key))
	}
	var following *turn
	for t := s.first; t != nil; t = following {
		following = t.newer
		if w := t.key.memo(s.slot).(*watch); !w.seen && !slices.Contains(wanted, t.key.id) {
			m.empty(t.key, s.slot) // it is no longer expected
			m.tidy(t.key)
		}
	}
	for _, id := range wanted {
		k := m.keys[id]
		if k == nil {
			k = m.add(id, maxKeys)
		}
		if k.memo(s.slot) == nil {
			s.begin(k, m)
		}
	}
}
