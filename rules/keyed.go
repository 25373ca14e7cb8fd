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
	first   map[string]int64
	order   []sighting // by time, so that what is over is found at the front
	bytes   int
	fresh   int // of the newest: those that appendGrowth has not written
	written int // bytes that appendGrowth has written since append was called; below 0: it never was
}

func newSightings() *sightings {
	return &sightings{first: map[string]int64{}, bytes: 96, written: -1}
}

type sighting struct {
	id string
	at int64
}

const perSighting = 80 // bytes that one takes beside its identity

func (s *sightings) size() int { return s.bytes }

// shed forgets the older half.
func (s *sightings) shed() {
	for range (len(s.order) + 1) / 2 {
		s.forget()
	}
}

// forget drops the oldest.
func (s *sightings) forget() {
	if s.first[s.order[0].id] == s.order[0].at { // else it was seen again since, and read from disk twice
		delete(s.first, s.order[0].id)
	}
	s.bytes -= perSighting + len(s.order[0].id)
	s.order[0].id = ""
	s.order = s.order[1:]
}

// seen says whether the message is to be suppressed, and notes it if it is not.
func (d *dedupe) seen(c *scope, m *memory) (bool, error) {
	v, err := c.run(d.by)
	if err != nil {
		return false, err
	}
	if v.isNull() {
		return false, nil
	}
	if c.seen, err = appendEqual(c.seen[:0], v); err != nil {
		return false, &failure{err: err, expression: d.by}
	}
	s, _ := c.kept.memo(d.slot).(*sightings)
	if s == nil {
		s = newSightings()
		c.kept.set(d.slot, s)
	} else {
		m.bytes -= s.bytes
	}
	defer func() { m.bytes += s.bytes }()
	now := nanos(c.now)
	for len(s.order) > 0 && now-s.order[0].at >= int64(d.within) {
		s.forget()
	}
	if _, known := s.first[string(c.seen)]; known {
		return true, nil
	}
	s.add(sighting{string(c.seen), now})
	s.fresh++
	m.changed(c.kept, d.slot)
	return false, nil
}

func (s *sightings) add(one sighting) {
	s.first[one.id] = one.at
	s.order = append(s.order, one)
	s.bytes += perSighting + len(one.id)
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

// recall gives the value, and drops it when its time is over.
func (s *stateRule) recall(c *scope, m *memory) Value {
	v, _ := c.kept.memo(s.slot).(*stateValue)
	if v == nil {
		return null
	}
	if s.ttl > 0 && nanos(c.now)-v.written >= int64(s.ttl) {
		m.empty(c.kept, s.slot)
		return null
	}
	return v.value
}

func (s *stateRule) write(c *scope, m *memory, v Value) {
	if v.isNull() {
		m.empty(c.kept, s.slot)
		return
	}
	old, _ := c.kept.memo(s.slot).(*stateValue)
	if old == nil {
		old = &stateValue{}
		c.kept.set(s.slot, old)
	} else {
		m.bytes -= old.size()
	}
	old.value, old.written = v.keep(), nanos(c.now)
	m.bytes += old.size()
	m.changed(c.kept, s.slot)
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

func (l *lastRule) recall(c *scope) {
	if last, _ := c.kept.memo(l.slot).(*lastMessage); last != nil {
		c.last = append(c.last, last.values...)
	}
}

func (l *lastRule) write(c *scope, m *memory) {
	now, _ := c.kept.memo(l.slot).(*lastMessage)
	if now == nil {
		now = &lastMessage{make([]Value, len(l.fields))}
		c.kept.set(l.slot, now)
	} else {
		m.bytes -= now.size()
	}
	for i, field := range l.fields {
		now.values[i] = scanned(&c.slots[field]).keep()
	}
	m.bytes += now.size()
	m.changed(c.kept, l.slot)
}
