// Package jsonscan reads the JSON of a message without building what nobody asked for, and writes JSON.
//
// A [Plan] names the fields that are wanted. Its Scan goes over a payload once, holds all of it against
// the grammar and fills one [Value] for each field, without an allocation. What a Value holds are bytes
// of the payload: who keeps one longer than the payload copies it. Whole objects and arrays are looked
// into later and only where needed, with Get, Index, Each, EachKey, Len and Decode.
//
// It is as strict as encoding/json and stricter in two things: strings must be valid UTF-8, and numbers
// must fit a float64. As there, the last of several equal keys counts.
package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// A Kind is what a Value is.
type Kind uint8

// Integers that fit an int64 are Int; all other numbers are Float.
const (
	Missing Kind = iota
	Null
	False
	True
	Int
	Float
	String
	Object
	Array
)

// A Value is one JSON value in a payload. The zero Value is Missing.
type Value struct {
	Kind    Kind
	Escaped bool   // a String with backslashes
	Raw     []byte // as written, quotes included; part of the payload, so not to be changed
	Bits    uint64 // of an Int those of its int64, of a Float those of its float64
}

// Int is the value of an Int, and 0 for all other kinds.
func (v Value) Int() int64 {
	if v.Kind != Int {
		return 0
	}
	return int64(v.Bits)
}

// Float is the value of a Float or an Int, and 0 for all other kinds.
func (v Value) Float() float64 {
	switch v.Kind {
	case Float:
		return math.Float64frombits(v.Bits)
	case Int:
		return float64(int64(v.Bits))
	}
	return 0
}

// Text is the text of a String, and "" for all other kinds. Unless the String is Escaped the text is part
// of the payload and lives only as long: clone it to keep it.
func (v Value) Text() string {
	if v.Kind != String || len(v.Raw) < 2 {
		return ""
	}
	return text(v.Raw, v.Escaped)
}

// text is what the string raw, in its quotes, says.
func text(raw []byte, escaped bool) string {
	inner := raw[1 : len(raw)-1]
	if escaped {
		inner = unescape(make([]byte, 0, len(inner)), inner)
	}
	return unsafe.String(unsafe.SliceData(inner), len(inner))
}

// ErrDepth is in the error for a payload that is nested deeper than allowed.
var ErrDepth = errors.New("nested too deep")

// A SyntaxError says where a payload stops being JSON that we accept.
type SyntaxError struct {
	Offset  int // of the first byte that is wrong, from 0
	Message string

	cause error
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Message)
}

func (e *SyntaxError) Unwrap() error { return e.cause }

// Depth is how deep a payload may be nested unless the caller says otherwise.
const Depth = 64

// maxDepth is what no caller can exceed. The scanner calls itself at each level, and the stack of a
// goroutine that outgrows its bound ends the process. encoding/json has the same limit.
const maxDepth = 10_000

func bound(depth int) int {
	if depth <= 0 {
		return Depth
	}
	return min(depth, maxDepth)
}

// Valid says what is wrong with payload: nil if it is one JSON value, nested at most depth deep (64 when
// depth is not positive) and with nothing but white space around.
func Valid(payload []byte, depth int) error {
	s := scanner{b: payload}
	return s.whole(bound(depth), nil)
}

// Parse is the Value of raw, which must be one valid JSON value. White space around it is left out.
func Parse(raw []byte) Value {
	raw = bytes.Trim(raw, " \t\r\n")
	if len(raw) == 0 {
		return Value{}
	}
	switch raw[0] {
	case '{':
		return Value{Kind: Object, Raw: raw}
	case '[':
		return Value{Kind: Array, Raw: raw}
	}
	s := scanner{b: raw}
	var v Value
	if s.value(0, maxDepth, &v) != len(raw) {
		return Value{}
	}
	return v
}
