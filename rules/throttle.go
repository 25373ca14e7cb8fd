package rules

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"edge/engine"
)

// A throttle bounds how often a key may bring something.
type throttle struct {
	n      int64         // results
	unit   time.Duration // in this time
	newest bool          // keep: last, the newest of a unit goes out at its end; else the first n go out at once
	slot   int
}

// A bucket is what a key may still send: n results' worth at most, and each costs unit. Whole numbers all the way:
// n a unit fills it by n every nanosecond.
type bucket struct {
	credit int64
	at     int64
}

func (b *bucket) size() int { return 16 }

// take says whether a result may go out, and counts it if it may.
func (t *throttle) take(c *scope, m *memory) bool {
	now, unit := nanos(m.at), int64(t.unit)
	b, _ := c.kept.memo(t.slot).(*bucket)
	if b == nil {
		b = &bucket{credit: t.n * unit}
		c.kept.set(t.slot, b)
		m.bytes += b.size()
	} else if passed := now - b.at; passed >= unit {
		b.credit = t.n * unit
	} else {
		b.credit = min(b.credit+passed*t.n, t.n*unit)
	}
	b.at = now
	m.changed(c.kept, t.slot)
	if b.credit < unit {
		return false
	}
	b.credit -= unit
	return true
}

// held is the newest result of a key in an interval, which began with its first. It is whole: nothing of it needs
// the message or the rule any more.
type held struct {
	turn
	topic, order string
	received     time.Time
	meta         *engine.Meta
	original     []byte // the payload of the message, for a dead letter
	drafts       []heldDraft
	counted      bool // as a result, since it comes from a window or a timer
	bytes        int
}

type heldDraft struct {
	sink, address, id string
	payload           []byte
	headers           []engine.Header
}

func (h *held) size() int { return h.bytes }

// leave: a key that is forgotten sends what it has, early rather than never.
func (h *held) leave(m *memory, slot int) {
	if s, ok := m.slots[slot].schedule.(*pace); ok {
		s.remove(&h.turn)
	}
	m.lately.gone = append(m.lately.gone, h)
}

// A pace has what is held for all keys, in the order in which the intervals began.
type pace struct {
	turns
	unit int64
	slot int
}

func (s *pace) next() int64 {
	if s.first == nil {
		return 0
	}
	return s.first.since + s.unit
}

func (s *pace) fire(l *lane, r *rule, _ int64) {
	h := s.first.key.memo(s.slot).(*held)
	s.remove(&h.turn)
	r.memory.bytes -= h.size()
	h.key.set(s.slot, nil)
	r.memory.changed(h.key, s.slot)
	r.memory.tidy(h.key)
	h.send(l, r)
}

// adopt makes the schedule follow the rule.
func (t *throttle) adopt(m *memory) {
	s, _ := m.slots[t.slot].schedule.(*pace)
	if s == nil {
		s = &pace{slot: t.slot}
		m.slots[t.slot].schedule = s
	}
	s.unit = int64(t.unit)
}

// hold keeps what the routes made of a message until its interval ends, in place of what was held before.
func (r *rule) hold(l *lane, failed bool) {
	c, m, slot := &l.scope, r.memory, r.throttle.slot
	s, _ := m.slots[slot].schedule.(*pace)
	if s == nil { // a newer rule, without this throttle, has the memory by now
		l.send(r, failed)
		return
	}
	h, _ := c.kept.memo(slot).(*held)
	if h == nil {
		h = &held{turn: turn{since: nanos(m.at), key: c.kept}}
		c.kept.set(slot, h)
		s.push(&h.turn)
	} else {
		m.bytes -= h.size()
	}
	h.fill(r, c, l.made)
	m.bytes += h.size()
	m.changed(c.kept, slot)
	if failed {
		c.count(&r.book.failed)
	} else {
		c.count(&r.book.kept)
	}
}

// fill copies what the routes made.
func (h *held) fill(r *rule, c *scope, made []draft) {
	m := c.message
	h.topic, h.order, h.received = strings.Clone(m.Topic), strings.Clone(made[0].out.Key), m.Received
	h.counted, h.meta, h.original = c.fired, nil, nil
	if len(r.onError) > 0 && !c.fired {
		h.meta, h.original = cloneMeta(m.Meta), bytes.Clone(m.Payload)
	}
	clear(h.drafts)
	h.drafts = h.drafts[:0]
	for i, d := range made {
		out := heldDraft{sink: d.sink, address: strings.Clone(d.out.Address), id: strings.Clone(d.out.ID), headers: cloneHeaders(d.out.Headers)}
		if i > 0 && sameBytes(d.out.Payload, made[i-1].out.Payload) {
			out.payload = h.drafts[i-1].payload
		} else {
			out.payload = bytes.Clone(d.out.Payload)
		}
		h.drafts = append(h.drafts, out)
	}
	h.measure()
}

// measure finds out how much it takes.
func (h *held) measure() {
	h.bytes = 160 + len(h.topic) + len(h.order)
	if h.meta != nil {
		h.bytes += len(h.original) + 128
	}
	for i, out := range h.drafts {
		if i == 0 || !sameBytes(out.payload, h.drafts[i-1].payload) {
			h.bytes += len(out.payload)
		}
		h.bytes += 120 + len(out.address) + len(out.id)
		for _, header := range out.headers {
			h.bytes += 32 + len(header.Name) + len(header.Value)
		}
	}
}

func sameBytes(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func cloneHeaders(headers []engine.Header) []engine.Header {
	headers = slices.Clone(headers)
	for i := range headers {
		headers[i].Value = strings.Clone(headers[i].Value)
	}
	return headers
}

func cloneMeta(meta *engine.Meta) *engine.Meta {
	if meta == nil {
		return nil
	}
	c := *meta
	c.CorrelationData, c.Properties = bytes.Clone(c.CorrelationData), slices.Clone(c.Properties)
	return &c
}

// send emits what is held, as a result.
func (h *held) send(l *lane, r *rule) {
	if !h.counted {
		r.book.results.Add(1)
	}
	if r.shadow {
		return
	}
	root := &engine.Message{Topic: h.topic, Key: h.order, Payload: h.original, Received: h.received, Meta: h.meta}
	root.Receive(nil)
	for i := range h.drafts {
		d := &h.drafts[i]
		out := l.message()
		out.Topic, out.Key, out.Address, out.ID = h.topic, h.order, d.address, d.id
		out.Payload, out.Headers, out.Received = d.payload, d.headers, h.received
		out.From(root, l.scope.resultOrigin(r))
		l.emit(d.sink, out)
	}
	root.Done()
}
