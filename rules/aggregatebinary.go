package rules

import (
	"encoding/binary"
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// tallyVersion is how a tally is written. Another one is not read.
const tallyVersion = 1

// What stands for an extra in durable state.
const (
	codeNoExtra byte = iota
	codeHeld
	codeFirstOrLast
	codeCollection
	codeExact
	codeSketch
	codeSeen
	codeDistinct
)

// append writes a tally for durable state. It is read by aggregates of the same signature only.
func (a *aggregates) append(dst []byte, t *tally) []byte {
	dst = append(dst, tallyVersion)
	for _, w := range a.layout.words(t) {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	for i := range a.layout.parts {
		dst = appendExtra(dst, t.extra(i))
	}
	return dst
}

func appendExtra(dst []byte, e extra) []byte {
	switch p := e.(type) {
	case *heldValue:
		return appendKept(append(dst, codeHeld), p.Value)
	case *firstOrLast:
		return appendPlaced(append(dst, codeFirstOrLast), p.place, p.value)
	case *collection:
		dst = binary.AppendUvarint(append(dst, codeCollection), p.left)
		dst = binary.AppendUvarint(dst, uint64(len(p.list)))
		for i := range p.list {
			dst = appendPlaced(dst, p.list[i].place, p.list[i].value)
		}
		return dst
	case *ranked:
		return p.append(dst)
	case *distinctValues:
		return p.append(dst)
	}
	return append(dst, codeNoExtra)
}

func appendPlaced(dst []byte, p place, v Value) []byte {
	dst = binary.AppendVarint(dst, p.at)
	dst = binary.AppendUvarint(dst, p.seq)
	return appendKept(dst, v)
}

func (r *ranked) append(dst []byte) []byte {
	if r.sketch != nil {
		dst = append(dst, codeSketch)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.low))
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.high))
		dst = binary.AppendUvarint(dst, uint64(r.sketch.GetZeroCount()))
		dst = appendBuckets(dst, r.sketch.GetNegativeValueStore())
		return appendBuckets(dst, r.sketch.GetPositiveValueStore())
	}
	floats := byte(0)
	if r.floats {
		floats = 1
	}
	dst = binary.AppendUvarint(append(dst, codeExact, floats), uint64(len(r.bits)))
	for _, b := range r.bits {
		dst = binary.LittleEndian.AppendUint64(dst, b)
	}
	return dst
}

func appendBuckets(dst []byte, s store.Store) []byte {
	n := 0
	s.ForEach(func(int, float64) bool { n++; return false })
	dst = binary.AppendUvarint(dst, uint64(n))
	s.ForEach(func(index int, count float64) bool {
		dst = binary.AppendUvarint(binary.AppendVarint(dst, int64(index)), uint64(count))
		return false
	})
	return dst
}

func (d *distinctValues) append(dst []byte) []byte {
	if d.sketch != nil {
		text, _ := d.sketch.MarshalBinary() // fails for a sketch that was never made only
		return appendText(append(dst, codeDistinct), textOf(text))
	}
	dst = binary.AppendUvarint(append(dst, codeSeen), uint64(len(d.seen)))
	for f := range d.seen {
		dst = append(dst, f[:]...)
	}
	return dst
}

// load reads a tally and gives what follows it. What was damaged is an error; what is read is never more than
// what aggregates of this kind could have gathered.
func (a *aggregates) load(src []byte) (*tally, []byte, error) {
	d := &decoder{src: src}
	if d.byte() != tallyVersion {
		d.fail()
	}
	t := a.start()
	words := a.layout.words(t)
	for i := range words {
		words[i] = d.word()
	}
	for i := range a.layout.parts {
		if e := d.extra(); e != nil {
			*a.layout.slot(t, i) = e
		}
	}
	for i := range a.cells {
		if d.err == nil && !a.cells[i].sound(t, words) {
			d.fail()
		}
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return t, d.src, nil
}

// sound says whether a cell can have come to what was loaded.
func (c *cell) sound(t *tally, words []uint64) bool {
	ok := true
	switch c.kind {
	case messages, truths, total, spread:
		return true
	case least, greatest:
		switch held := c.bits.get(words); {
		case held == isFloat:
			f := math.Float64frombits(words[c.word])
			return !math.IsNaN(f) && !math.IsInf(f, 0)
		case held < isDuration:
			return true
		case held > isPart || c.numeric:
			return false
		case held == isPart:
			p, ok := t.extra(c.part).(*heldValue)
			return ok && ordered(&p.Value)
		}
		return true
	}
	p := t.extra(c.part)
	if p == nil {
		return true
	}
	switch c.kind {
	case earliest, latest:
		_, ok = p.(*firstOrLast)
	case collected:
		l, isList := p.(*collection)
		ok = isList && len(l.list) <= c.limit
	case ranks:
		_, ok = p.(*ranked)
	case distinct:
		_, ok = p.(*distinctValues)
	}
	return ok
}

func (d *decoder) extra() extra {
	switch d.byte() {
	case codeHeld:
		return &heldValue{d.value()}
	case codeFirstOrLast:
		f := &firstOrLast{}
		f.place, f.value = d.placed()
		return f
	case codeCollection:
		l := &collection{left: d.uvarint(counterMask)}
		for range d.count(3) {
			var e collectedValue
			e.place, e.value = d.placed()
			l.list = append(l.list, e)
			l.bytes += len(e.value.text)
		}
		return l
	case codeExact:
		return d.exact()
	case codeSketch:
		r := &ranked{floats: true, low: d.float(), high: d.float()}
		r.sketch = d.sketch()
		return r
	case codeSeen:
		v := &distinctValues{seen: map[fingerprint]struct{}{}}
		n := d.count(len(fingerprint{}))
		if n > maxExact {
			d.fail()
			return nil
		}
		for range n {
			v.seen[fingerprint(d.src)] = struct{}{}
			d.src = d.src[len(fingerprint{}):]
		}
		return v
	case codeDistinct:
		v := &distinctValues{sketch: newDistinctSketch()}
		text := d.text()
		like, _ := v.sketch.MarshalBinary()
		if len(text) != len(like) || text[:8] != string(like[:8]) || v.sketch.UnmarshalBinary([]byte(text)) != nil {
			d.fail()
			return nil
		}
		return v
	case codeNoExtra:
		return nil
	}
	d.fail()
	return nil
}

func (d *decoder) placed() (place, Value) {
	at, n := binary.Varint(d.src)
	if n <= 0 {
		d.fail()
		return place{}, null
	}
	d.src = d.src[n:]
	return place{at, d.uvarint(math.MaxUint64)}, d.value()
}

func (d *decoder) exact() extra {
	r := &ranked{floats: d.byte() != 0}
	n := d.count(8)
	if n > maxExact {
		d.fail()
		return nil
	}
	for range n {
		if r.floats {
			r.bits = append(r.bits, math.Float64bits(d.float()))
		} else {
			r.bits = append(r.bits, d.word())
		}
	}
	return r
}

func (d *decoder) sketch() *ddsketch.DDSketch {
	s := newSketch()
	_ = s.AddWithCount(0, float64(d.uvarint(counterMask)))
	for _, buckets := range [...]store.Store{s.GetNegativeValueStore(), s.GetPositiveValueStore()} {
		lowest, highest := s.Index(s.MinIndexableValue()), s.Index(s.MaxIndexableValue())
		for range d.count(2) {
			index, n := binary.Varint(d.src)
			if n <= 0 || index < int64(lowest) || index > int64(highest) {
				d.fail()
				return s
			}
			d.src = d.src[n:]
			buckets.AddWithCount(int(index), float64(d.uvarint(counterMask)))
		}
	}
	if s.IsEmpty() {
		d.fail()
	}
	return s
}
