package rules

import (
	"time"
)

// A dedupe suppresses what a key has brought before, within a time of its first sighting.
type dedupe struct {
	by     *expression
	within time.Duration
	slot   int
}

// sightings are when a key brought a value first, by its identity.
type sightings struct {
	first map[string]int64
	order []sighting // by time, so that what is over is found at the front
	bytes int
}

type sighting struct {
	id string
	at int64
}

const perSighting = 80 // bytes that one takes beside its identity

func (s *sightings) size() int { return s.bytes }

// seen says whether the message is to be suppressed, and notes it if it is not.
func (d *dedupe) seen(c *scope, m *memory) (bool, error) {
	v, err := c.run(d.by)
	if err != nil {
		return false, err
	}
	if v.isNull() {
		return false, nil
	}
	id, err := identify(v)
	if err != nil {
		return false, &failure{err: err, expression: d.by}
	}
	s, _ := c.kept.memo(d.slot).(*sightings)
	if s == nil {
		s = &sightings{first: map[string]int64{}}
		c.kept.set(d.slot, s)
	}
	m.bytes -= s.bytes
	defer func() { m.bytes += s.bytes }()
	now := nanos(c.now)
	for len(s.order) > 0 && now-s.order[0].at >= int64(d.within) {
		delete(s.first, s.order[0].id)
		s.bytes -= perSighting + len(s.order[0].id)
		s.order = s.order[1:]
	}
	if _, known := s.first[id]; known {
		return true, nil
	}
	s.first[id] = now
	s.order = append(s.order, sighting{id, now})
	s.bytes += perSighting + len(id)
	return false, nil
}

// identify gives the identity of any value; of lists and objects it is their JSON.
func identify(v Value) (string, error) {
	if v.kind < Object {
		return string(appendIdentity(nil, v)), nil
	}
	text, err := v.appendJSON([]byte{'j'}, nil)
	return string(text), err
}

// A stateRule is a value that a rule keeps for each key.
type stateRule struct {
	name  string
	value *expression
	ttl   time.Duration // 0: for ever
	slot  int
}

type stateValue struct {
	value   Value
	written int64
}

func (s *stateValue) size() int { return 16 + s.value.keptSize() }

func (s *stateRule) recall(c *scope) Value {
	v, _ := c.kept.memo(s.slot).(*stateValue)
	if v == nil || s.ttl > 0 && nanos(c.now)-v.written >= int64(s.ttl) {
		return null
	}
	return v.value
}

func (s *stateRule) write(c *scope, m *memory, v Value) {
	if old := c.kept.memo(s.slot); old != nil {
		m.bytes -= old.size()
		c.kept.set(s.slot, nil)
	}
	if v.isNull() {
		return
	}
	now := &stateValue{v.keep(), nanos(c.now)}
	m.bytes += now.size()
	c.kept.set(s.slot, now)
}

// A lastRule keeps the fields of the last message that the rule reads.
type lastRule struct {
	signature string
	fields    []int // of the payload
	slot      int
}

type lastMessage struct{ values []Value }

func (l *lastMessage) size() int {
	n := 24
	for i := range l.values {
		n += l.values[i].keptSize()
	}
	return n
}

func (l *lastRule) recall(c *scope) []Value {
	if last, _ := c.kept.memo(l.slot).(*lastMessage); last != nil {
		return last.values
	}
	return nil
}

// write replaces the values and never changes them: the scope may still hold those before.
func (l *lastRule) write(c *scope, m *memory) {
	if old := c.kept.memo(l.slot); old != nil {
		m.bytes -= old.size()
	}
	now := &lastMessage{make([]Value, len(l.fields))}
	for i, field := range l.fields {
		now.values[i] = scanned(&c.slots[field]).keep()
	}
	m.bytes += now.size()
	c.kept.set(l.slot, now)
}
