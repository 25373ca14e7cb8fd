package rules

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"edge/internal/jsonscan"
)

// Values in durable state: a byte that says what follows, and that.
const (
	codeNull byte = iota
	codeFalse
	codeTrue
	codeInt      // 8 bytes
	codeFloat    // 8 bytes
	codeNumber   // the digits as received
	codeString   // text
	codeJSON     // an escaped string, an object or a list, as JSON
	codeTime     // as of time.Time
	codeDuration // 8 bytes
)

// keptOf gives a value so that it outlives the message, and without the digits of an integer, which are no others
// than it would be written with.
func keptOf(v *Value) Value {
	k := *v
	switch {
	case k.kind == Int && k.bits != 0:
		k.text = ""
	case k.kind == Boxed:
		return k.keep()
	}
	k.text = strings.Clone(k.text)
	return k
}

// appendKept writes a value that was kept. What JSON cannot say is null.
func appendKept(dst []byte, v Value) []byte {
	switch v.kind {
	case Bool:
		return append(dst, codeFalse+byte(v.bits))
	case Int, Float:
		switch {
		case v.text != "":
			return appendText(append(dst, codeNumber), v.text)
		case v.kind == Int:
			return binary.LittleEndian.AppendUint64(append(dst, codeInt), v.bits)
		}
		return binary.LittleEndian.AppendUint64(append(dst, codeFloat), v.bits)
	case String:
		return appendText(append(dst, codeString), v.text)
	case Escaped, Object, Array:
		return appendText(append(dst, codeJSON), v.text)
	}
	switch x := v.ref.(type) {
	case time.Duration:
		return binary.LittleEndian.AppendUint64(append(dst, codeDuration), uint64(x))
	case time.Time:
		if text, err := x.MarshalBinary(); err == nil {
			return appendText(append(dst, codeTime), textOf(text))
		}
	}
	if text, err := v.appendJSON(nil, nil); err == nil && v.kind != Null { // a point comes back as an object
		return appendText(append(dst, codeJSON), textOf(text))
	}
	return append(dst, codeNull)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// errDamaged is of state that is not what was written.
var errDamaged = errors.New("the state is damaged")

// A decoder reads durable state. What is not as it was written sets err, and from then on all it reads is zero.
type decoder struct {
	src []byte
	err error

	now   int64 // of the engine's clock
	shift int64 // what is added to times, when the wall clock was set back since they were written; never above 0
}

func (d *decoder) fail() { d.src, d.err = nil, errDamaged }

func (d *decoder) byte() byte {
	if len(d.src) == 0 {
		d.fail()
		return 0
	}
	b := d.src[0]
	d.src = d.src[1:]
	return b
}

func (d *decoder) word() uint64 {
	if len(d.src) < 8 {
		d.fail()
		return 0
	}
	w := binary.LittleEndian.Uint64(d.src)
	d.src = d.src[8:]
	return w
}

// uvarint reads a number of at most most.
func (d *decoder) uvarint(most uint64) uint64 {
	u, n := binary.Uvarint(d.src)
	if n <= 0 || u > most {
		d.fail()
		return 0
	}
	d.src = d.src[n:]
	return u
}

// count reads how many things of at least so many bytes follow.
func (d *decoder) count(bytes int) int {
	n := d.uvarint(uint64(len(d.src)))
	if n > uint64(len(d.src)/bytes) {
		d.fail()
		return 0
	}
	return int(n)
}

// text reads a copy of bytes.
func (d *decoder) text() string {
	n := d.count(1)
	if d.err != nil {
		return ""
	}
	s := string(d.src[:n])
	d.src = d.src[n:]
	return s
}

// float reads a finite number.
func (d *decoder) float() float64 {
	f := math.Float64frombits(d.word())
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.fail()
		return 0
	}
	return f
}

// value reads what appendKept wrote.
func (d *decoder) value() Value {
	switch code := d.byte(); code {
	case codeNull:
		return null
	case codeFalse, codeTrue:
		return boolValue(code == codeTrue)
	case codeInt:
		return intValue(int64(d.word()))
	case codeFloat:
		return Value{kind: Float, bits: math.Float64bits(d.float())}
	case codeString:
		return stringValue(d.text())
	case codeDuration:
		return boxed(time.Duration(d.word()))
	case codeTime:
		var t time.Time
		if err := t.UnmarshalBinary([]byte(d.text())); err != nil {
			d.fail()
		}
		return boxed(t)
	case codeNumber, codeJSON:
		text := []byte(d.text())
		if jsonscan.Valid(text, math.MaxInt) != nil {
			d.fail()
			return null
		}
		return parsed(text)
	}
	d.fail()
	return null
}
