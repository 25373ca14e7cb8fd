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
		s = &sightings{first: map[string]int64{}, written: -1}
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
	s.add(sighting{id, now})
	s.fresh++
	m.changed(c.kept, d.slot)
	return false, nil
}

func (s *sightings) add(one sighting) {
	s.first[one.id] = one.at
	s.order = append(s.order, one)
	s.bytes += perSighting + len(one.id)
}

func (s *sightings) append(dst []byte) []byte {
	s.fresh, s.written = 0, 0
	return appendSightings(dst, s.order)
}

func appendSightings(dst []byte, list []sighting) []byte {
	dst = appendUvarint(dst, uint64(len(list)))
	for _, one := range list {
		dst = appendText(appendTime(dst, one.at), one.id)
	}
	return dst
}

// appendGrowth wants all to be written when as much was written since as all takes: so what is on disk is never
// much longer than what is in memory, and each sighting is written about twice.
func (s *sightings) appendGrowth(dst []byte) ([]byte, bool) {
	if s.written < 0 || s.written > s.bytes {
		return dst, false
	}
	fresh := s.order[len(s.order)-min(s.fresh, len(s.order)):]
	s.fresh = 0
	for i := range fresh {
		s.written += perSighting + len(fresh[i].id)
	}
	return appendSightings(dst, fresh), true
}

func (s *sightings) grow(d *decoder) {
	for range d.count() {
		one := sighting{at: d.time(), id: d.text()}
		if _, known := s.first[one.id]; !known && !d.failed {
			s.add(one)
		}
	}
}

func (d *dedupe) load(src *decoder) memo {
	s := &sightings{first: map[string]int64{}, written: -1}
	s.grow(src)
	return s
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
		m.changed(c.kept, s.slot)
	}
	if v.isNull() {
		return
	}
	now := &stateValue{v.keep(), nanos(c.now)}
	m.bytes += now.size()
	c.kept.set(s.slot, now)
	m.changed(c.kept, s.slot)
}

func (s *stateValue) append(dst []byte) []byte {
	return appendValue(appendTime(dst, s.written), s.value)
}

func (s *stateRule) load(d *decoder) memo {
	v := &stateValue{written: d.time(), value: d.value()}
	if v.value.isNull() || s.ttl > 0 && d.now-v.written >= int64(s.ttl) {
		return nil
	}
	return v
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
	m.changed(c.kept, l.slot)
}

func (l *lastMessage) append(dst []byte) []byte {
	dst = appendUvarint(dst, uint64(len(l.values)))
	for _, v := range l.values {
		dst = appendValue(dst, v)
	}
	return dst
}

func (l *lastRule) load(d *decoder) memo {
	m := &lastMessage{make([]Value, d.count())}
	for i := range m.values {
		m.values[i] = d.value()
	}
	if len(m.values) != len(l.fields) {
		d.failed = true
	}
	return m
}
