package rules

import (
	"encoding/binary"
	"math"
	"time"

	"edge/engine"
)

// The forms on disk of what operators keep. What is there may have been written by an older edge: what is written
// under one signature of a slot never changes its form.

// appendTime writes a time of the engine's clock, for decoder.time or decoder.later.
func appendTime(dst []byte, ns int64) []byte { return binary.AppendVarint(dst, ns) }

// time reads a time on the engine's clock that has passed. After a restart that clock is a new one, made of the
// wall clock. Where that was set back, ages are what they were when they were written: else a ttl would last until
// the old time is reached again. Nothing of that lies in the future.
func (d *decoder) time() int64 { return min(d.later(), d.now) }

// later reads a time on the engine's clock that may be one to come.
func (d *decoder) later() int64 { return d.varint() + d.shift }

// any reads any number.
func (d *decoder) any() uint64 { return d.uvarint(math.MaxUint64) }

func (d *decoder) varint() int64 {
	i, n := binary.Varint(d.src)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.src = d.src[n:]
	return i
}

func (s *sightings) append(dst []byte) []byte {
	s.fresh, s.written = 0, 0
	return appendSightings(dst, s.order)
}

func appendSightings(dst []byte, list []sighting) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
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
	for range d.count(1) {
		one := sighting{at: d.time(), id: d.text()}
		if at, known := s.first[one.id]; (!known || one.at > at) && d.err == nil {
			s.add(one)
		}
	}
}

func (*dedupe) load(d *decoder) memo {
	s := newSightings()
	s.grow(d)
	return s
}

func (s *stateValue) append(dst []byte) []byte {
	return appendKept(appendTime(dst, s.written), s.value)
}

func (s *stateRule) load(d *decoder) memo {
	v := &stateValue{written: d.time(), value: d.value()}
	if v.value.isNull() || s.ttl > 0 && d.now-v.written >= int64(s.ttl) {
		return nil
	}
	return v
}

func appendValues(dst []byte, values []Value) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for _, v := range values {
		dst = appendKept(dst, v)
	}
	return dst
}

func (d *decoder) values() []Value {
	values := make([]Value, d.count(1))
	for i := range values {
		values[i] = d.value()
	}
	return values
}

func (l *lastMessage) append(dst []byte) []byte { return appendValues(dst, l.values) }

func (l *lastRule) load(d *decoder) memo {
	m := &lastMessage{d.values()}
	if len(m.values) != len(l.fields) {
		d.fail()
	}
	return m
}

// append writes the values in the order in which they came.
func (l *lagged) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.values)))
	for n := len(l.values); n > 0; n-- {
		dst = appendKept(dst, l.at(n))
	}
	return dst
}

func (*lagRule) load(d *decoder) memo {
	l := &lagged{values: d.values()}
	l.newest = len(l.values) - 1
	for _, v := range l.values {
		l.bytes += v.keptSize()
	}
	return l
}

func (p *passage) append(dst []byte) []byte { return appendValues(appendTime(dst, p.at), p.values) }

func (*onChange) load(d *decoder) memo { return &passage{at: d.time(), values: d.values()} }

func (b *bucket) append(dst []byte) []byte {
	return binary.AppendVarint(appendTime(dst, b.at), b.credit)
}

func (w *watch) append(dst []byte) []byte {
	dst = appendText(appendTime(dst, w.since), w.topic)
	return append(dst, flag(w.seen)|flag(w.away)<<1)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (*absence) load(d *decoder) memo {
	w := &watch{turn: turn{since: d.time()}, topic: d.text()}
	flags := d.byte()
	w.seen, w.away = flags&1 != 0, flags&2 != 0
	return w
}

// began is the same for all: what was missed while edge was away is nobody's silence, so it counts from now.
func (w *watch) began() int64 { return 0 }

func (w *watch) join(m *memory, k *kept, slot int, now int64) {
	s, _ := m.slots[slot].schedule.(*vigil)
	if s == nil {
		s = &vigil{slot: slot}
		m.slots[slot].schedule = s
	}
	w.key = k
	if !w.away {
		w.since = now
		s.push(&w.turn)
	}
}

func (h *held) append(dst []byte) []byte {
	dst = appendTime(dst, h.since)
	dst = append(dst, flag(h.counted))
	dst = appendText(appendText(dst, h.topic), h.order)
	dst = appendTime(dst, h.received.UnixNano())
	dst = appendMetaBinary(dst, h.meta)
	dst = appendText(dst, textOf(h.original))
	dst = binary.AppendUvarint(dst, uint64(len(h.drafts)))
	for i := range h.drafts {
		o := &h.drafts[i]
		dst = appendText(appendText(appendText(dst, o.sink), o.address), o.id)
		dst = appendHeaders(dst, o.headers)
		if i > 0 && sameBytes(o.payload, h.drafts[i-1].payload) {
			dst = append(dst, 1)
			continue
		}
		dst = appendText(append(dst, 0), textOf(o.payload))
	}
	return dst
}

func appendHeaders(dst []byte, headers []engine.Header) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(headers)))
	for _, h := range headers {
		dst = appendText(appendText(dst, h.Name), h.Value)
	}
	return dst
}

func (d *decoder) headers() []engine.Header {
	var headers []engine.Header
	for range d.count(1) {
		headers = append(headers, engine.Header{Name: d.text(), Value: d.text()})
	}
	return headers
}

func appendMetaBinary(dst []byte, m *engine.Meta) []byte {
	if m == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1, m.QoS, flag(m.Retain)|flag(m.Redelivered)<<1)
	dst = appendText(appendText(appendText(dst, m.Source), m.ContentType), m.ResponseTopic)
	return appendHeaders(appendText(dst, textOf(m.CorrelationData)), m.Properties)
}

func (d *decoder) meta() *engine.Meta {
	if d.byte() == 0 {
		return nil
	}
	m := &engine.Meta{QoS: d.byte()}
	flags := d.byte()
	m.Retain, m.Redelivered = flags&1 != 0, flags&2 != 0
	m.Source, m.ContentType, m.ResponseTopic = d.text(), d.text(), d.text()
	if data := d.text(); data != "" {
		m.CorrelationData = []byte(data)
	}
	m.Properties = d.headers()
	return m
}

// load of keep: first gives a bucket, of keep: last what is held.
func (t *throttle) load(d *decoder) memo {
	if !t.newest {
		return &bucket{at: d.time(), credit: d.varint()}
	}
	h := &held{turn: turn{since: d.time()}, counted: d.byte() == 1, topic: d.text(), order: d.text()}
	h.received, h.meta = time.Unix(0, d.time()), d.meta()
	if original := d.text(); original != "" {
		h.original = []byte(original)
	}
	for i := range d.count(1) {
		o := heldDraft{sink: d.text(), address: d.text(), id: d.text(), headers: d.headers()}
		if d.byte() == 1 && i > 0 {
			o.payload = h.drafts[i-1].payload
		} else {
			o.payload = []byte(d.text())
		}
		h.drafts = append(h.drafts, o)
	}
	h.measure()
	return h
}

func (h *held) began() int64 { return h.since }

func (h *held) join(m *memory, k *kept, slot int, _ int64) {
	s, _ := m.slots[slot].schedule.(*pace)
	if s == nil {
		s = &pace{slot: slot}
		m.slots[slot].schedule = s
	}
	h.key = k
	s.push(&h.turn)
}
