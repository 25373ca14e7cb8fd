package rules

import (
	"encoding/binary"
	"math"
	"time"
)

// What a memo writes of itself, and its operator reads again, is made of these pieces. What is on disk may have
// been written by an older edge: the layout under one signature of a slot never changes.

func appendVarint(dst []byte, i int64) []byte   { return binary.AppendVarint(dst, i) }
func appendUvarint(dst []byte, i uint64) []byte { return binary.AppendUvarint(dst, i) }

func appendFloat64(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendTime writes a time of the engine's clock, which is read with decoder.time.
func appendTime(dst []byte, ns int64) []byte { return binary.AppendVarint(dst, ns) }

// kindTime and kindDuration stand for what is Boxed in memory.
const (
	kindTime Kind = 32 + iota
	kindDuration
)

// appendValue writes a value that was kept.
func appendValue(dst []byte, v Value) []byte {
	switch v.kind {
	case Null:
		return append(dst, byte(Null))
	case Bool:
		return append(dst, byte(Bool), byte(v.bits))
	case Int:
		return appendText(appendVarint(append(dst, byte(Int)), v.int()), v.text)
	case Float:
		return appendText(appendFloat64(append(dst, byte(Float)), v.float()), v.text)
	case String, Escaped, Object, Array:
		return appendText(append(dst, byte(v.kind)), v.text)
	}
	switch x := v.ref.(type) {
	case time.Time:
		if text, err := x.MarshalBinary(); err == nil {
			return appendText(append(dst, byte(kindTime)), textOf(text))
		}
	case time.Duration:
		return appendVarint(append(dst, byte(kindDuration)), int64(x))
	}
	// Points and poses become the objects and lists that they look like in a message.
	text, err := v.appendJSON(nil, nil)
	if err != nil {
		return append(dst, byte(Null)) // it could not have been sent either
	}
	return appendValue(dst, parsed(text))
}

// A decoder reads what memos wrote. What is not there is zero, and failed says so.
type decoder struct {
	src    []byte
	failed bool
	now    int64 // on the engine's clock
	shift  int64 // what is added to times, when the wall clock was set back since they were written; never above 0
}

func (d *decoder) take(n int) []byte {
	if d.failed || n < 0 || n > len(d.src) {
		d.failed = true
		return nil
	}
	b := d.src[:n]
	d.src = d.src[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) varint() int64 {
	i, n := binary.Varint(d.src)
	if d.failed || n <= 0 {
		d.failed = true
		return 0
	}
	d.src = d.src[n:]
	return i
}

func (d *decoder) uvarint() uint64 {
	i, n := binary.Uvarint(d.src)
	if d.failed || n <= 0 {
		d.failed = true
		return 0
	}
	d.src = d.src[n:]
	return i
}

// count reads how many things follow, each of which takes a byte at least: damage must not make a huge slice.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.src)) {
		d.failed = true
		return 0
	}
	return int(n)
}

func (d *decoder) float64() float64 {
	if b := d.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// text copies.
func (d *decoder) text() string { return string(d.take(d.count())) }

// time reads a time on the engine's clock. After a restart that clock is a new one, made of the wall clock. Where
// that was set back, ages are what they were when they were written: else a ttl would last until the old time is
// reached again. Nothing lies in the future.
func (d *decoder) time() int64 { return min(d.varint()+d.shift, d.now) }

// value reads what appendValue wrote.
func (d *decoder) value() Value {
	switch kind := Kind(d.byte()); kind {
	case Null:
	case Bool:
		return boolValue(d.byte() == 1)
	case Int:
		v := intValue(d.varint())
		v.text = d.text()
		return v
	case Float:
		f := d.float64()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			d.failed = true
			return null
		}
		return Value{kind: Float, bits: math.Float64bits(f), text: d.text()}
	case String, Escaped, Object, Array:
		return Value{kind: kind, text: d.text()}
	case kindTime:
		var t time.Time
		if err := t.UnmarshalBinary([]byte(d.text())); err != nil {
			d.failed = true
			return null
		}
		return boxed(t)
	case kindDuration:
		return boxed(time.Duration(d.varint()))
	default:
		d.failed = true
	}
	return null
}
