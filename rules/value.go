package rules

import (
	"math"
	"strconv"
	"time"
	"unsafe"

	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// A Kind is the type of a Value.
type Kind uint8

// The kinds of values. Missing and null are one: see docs/expressions.md, "Values".
const (
	Null    Kind = iota
	Bool         // bits is 0 or 1
	Int          // bits is an int64; text, if any, its digits as received
	Float        // bits is a float64; text, if any, its digits as received
	String       // text is the string
	Escaped      // text is a JSON string as received, quotes and escapes included
	Object       // text is a JSON object as received
	Array        // text is a JSON array as received
	Boxed        // ref is a map[string]any, []any, geo.Point, geo.Pose, time.Time or time.Duration
)

// A Value is what an expression works on. It allocates nothing and may alias the payload: who keeps one
// longer than the message clones it.
type Value struct {
	kind Kind
	bits uint64
	text string
	ref  any
}

var (
	null       = Value{}
	trueValue  = Value{kind: Bool, bits: 1}
	falseValue = Value{kind: Bool}
)

func boolValue(b bool) Value {
	if b {
		return trueValue
	}
	return falseValue
}

func intValue(i int64) Value     { return Value{kind: Int, bits: uint64(i)} }
func stringValue(s string) Value { return Value{kind: String, text: s} }
func boxed(ref any) Value        { return Value{kind: Boxed, ref: ref} }

// floatValue refuses what JSON cannot say.
func floatValue(f float64) (Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return null, fail(NotFinite, "the result is not a finite number")
	}
	return Value{kind: Float, bits: math.Float64bits(f)}, nil
}

func (v Value) int() int64     { return int64(v.bits) }
func (v Value) float() float64 { return math.Float64frombits(v.bits) }
func (v Value) isNull() bool   { return v.kind == Null }
func (v Value) isNumber() bool { return v.kind == Int || v.kind == Float }
func (v Value) isString() bool { return v.kind == String || v.kind == Escaped }

// number gives a number as a float64.
func (v Value) number() (float64, bool) {
	switch v.kind {
	case Int:
		return float64(v.int()), true
	case Float:
		return v.float(), true
	}
	return 0, false
}

// string gives the text of a string.
func (v Value) string() string {
	if v.kind == Escaped {
		return jsonscan.Value{Kind: jsonscan.String, Escaped: true, Raw: bytesOf(v.text)}.Text()
	}
	return v.text
}

// typeName says what v is, in the words of JSON.
func (v Value) typeName() string {
	switch v.kind {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Int, Float:
		return "a number"
	case String, Escaped:
		return "text"
	case Object:
		return "an object"
	case Array:
		return "a list"
	}
	switch v.ref.(type) {
	case []any:
		return "a list"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case geo.Point, geo.Pose:
		return "a point"
	}
	return "an object"
}

// scanned turns what the scanner found into a Value.
func scanned(s *jsonscan.Value) Value {
	switch s.Kind {
	case jsonscan.True:
		return trueValue
	case jsonscan.Int:
		return Value{kind: Int, bits: s.Bits, text: textOf(s.Raw)}
	case jsonscan.Float:
		return Value{kind: Float, bits: s.Bits, text: textOf(s.Raw)}
	case jsonscan.String:
		if s.Escaped {
			return Value{kind: Escaped, text: textOf(s.Raw)}
		}
		return Value{kind: String, text: textOf(s.Raw[1 : len(s.Raw)-1])}
	case jsonscan.False:
		return falseValue
	case jsonscan.Object:
		return Value{kind: Object, text: textOf(s.Raw)}
	case jsonscan.Array:
		return Value{kind: Array, text: textOf(s.Raw)}
	}
	return null
}

// parsed gives the value of one JSON text that is known to be valid.
func parsed(raw []byte) Value {
	s := jsonscan.Parse(raw)
	return scanned(&s)
}

// box gives v as the lists and objects hold it that expressions build. What may be written in JSON in another way
// than it came in stays a Value, so that its digits and escapes are kept.
func (v Value) box() any {
	switch v.kind {
	case Bool:
		return v.bits == 1
	case Int:
		if v.text == "-0" { // of all whole numbers only -0 is not written as Go writes it
			return v
		}
		return v.int()
	case Float:
		if v.text != "" {
			return v
		}
		return v.float()
	case String:
		return v.text
	case Escaped:
		return v
	case Object, Array:
		return jsonscan.DecodeWith(bytesOf(v.text), func(leaf jsonscan.Value) any { return scanned(&leaf).box() })
	case Boxed:
		return v.ref
	}
	return nil
}

// unbox is the reverse of box; it takes all that expr's VM returns.
func unbox(x any) Value {
	switch x := x.(type) {
	case nil:
		return null
	case bool:
		return boolValue(x)
	case int64:
		return intValue(x)
	case int:
		return intValue(int64(x))
	case float64:
		return Value{kind: Float, bits: math.Float64bits(x)}
	case string:
		return stringValue(x)
	case Value:
		return x
	case []int:
		list := make([]any, len(x))
		for i, n := range x {
			list[i] = int64(n)
		}
		return boxed(list)
	case []string:
		list := make([]any, len(x))
		for i, s := range x {
			list[i] = s
		}
		return boxed(list)
	case map[any][]any: // groupBy
		object := make(map[string]any, len(x))
		for k, list := range x {
			object[unbox(k).asKey()] = list
		}
		return boxed(object)
	}
	return boxed(x)
}

// asKey gives a scalar as text, for keys of objects.
func (v Value) asKey() string {
	switch v.kind {
	case String, Escaped:
		return v.string()
	case Null:
		return "null"
	}
	v.text = "" // 1 and 1.0 are one key
	out, err := v.appendJSON(nil, nil)
	if err != nil {
		return ""
	}
	return string(out)
}

// member gives the field of an object, or null. What JSON has beside objects has no fields: they are missing.
func (v Value) member(name string) (Value, error) {
	switch v.kind {
	case Null:
		return null, nil
	case Object:
		s := jsonscan.Get(bytesOf(v.text), name)
		return scanned(&s), nil
	case Boxed:
		switch x := v.ref.(type) {
		case map[string]any:
			return unbox(x[name]), nil
		case geo.Point:
			return pointMember(x, name)
		case geo.Pose:
			return poseMember(x, name)
		case []any:
			return null, nil
		}
	default:
		return null, nil
	}
	return null, fail(WrongType, "%s has no field %q", v.typeName(), name)
}

// index gives the element of a list, null past its end; a negative index counts from the end.
func (v Value) index(i int64) (Value, error) {
	switch v.kind {
	case Null:
		return null, nil
	case Array:
		if i > math.MaxInt32 || i < math.MinInt32 {
			return null, nil
		}
		s := jsonscan.Index(bytesOf(v.text), int(i))
		return scanned(&s), nil
	case Boxed:
		if list, ok := v.ref.([]any); ok {
			if i < 0 {
				i += int64(len(list))
			}
			if i < 0 || i >= int64(len(list)) {
				return null, nil
			}
			return unbox(list[i]), nil
		}
		if p, ok := v.ref.(geo.Point); ok && (p.Shape == geo.Array2 || p.Shape == geo.Array3) {
			return pointElement(p, i)
		}
	}
	return null, fail(WrongType, "%s has no element %d", v.typeName(), i)
}

func (v Value) isList() bool {
	_, built := v.ref.([]any)
	return v.kind == Array || built
}

// list gives the elements of a list.
func (v Value) list() ([]any, bool) {
	switch v.kind {
	case Array:
		list, ok := v.box().([]any)
		return list, ok
	case Boxed:
		list, ok := v.ref.([]any)
		return list, ok
	}
	return nil, false
}

// appendJSON appends v as JSON. Numbers and strings that came in go out as they were written. The budget,
// if any, bounds what it may write.
func (v Value) appendJSON(dst []byte, budget *budget) ([]byte, error) {
	switch v.kind {
	case Null:
		return append(dst, "null"...), nil
	case Bool:
		return strconv.AppendBool(dst, v.bits == 1), nil
	case Int:
		if v.text != "" {
			return append(dst, v.text...), nil
		}
		return strconv.AppendInt(dst, v.int(), 10), nil
	case Float:
		if v.text != "" {
			return append(dst, v.text...), nil
		}
		out, ok := jsonscan.AppendFloat(dst, v.float())
		if !ok {
			return dst, fail(NotFinite, "the result is not a finite number")
		}
		return out, nil
	case String:
		return jsonscan.AppendString(dst, v.text), nil
	case Escaped, Object, Array:
		return append(dst, v.text...), nil
	}
	return appendBoxed(dst, v.ref, budget, 0)
}

const maxDepth = 64 // of values that expressions build

func appendBoxed(dst []byte, ref any, budget *budget, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, fail(LimitReached, "the result is nested deeper than %d", maxDepth)
	}
	switch x := ref.(type) {
	case geo.Point:
		return x.AppendJSON(dst), nil
	case geo.Pose:
		return x.AppendJSON(dst), nil
	case time.Time:
		return jsonscan.AppendString(dst, x.Format(time.RFC3339Nano)), nil
	case time.Duration:
		return jsonscan.AppendString(dst, x.String()), nil
	case []any:
		var err error
		dst = append(dst, '[')
		for i, element := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendElement(dst, element, budget, depth); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	case map[string]any:
		var err error
		dst = append(dst, '{')
		for i, name := range sortedKeys(x) {
			if i > 0 {
				dst = append(dst, ',')
			}
			if err = budget.spend(0, len(name)); err != nil {
				return dst, err
			}
			dst = append(jsonscan.AppendString(dst, name), ':')
			if dst, err = appendElement(dst, x[name], budget, depth); err != nil {
				return dst, err
			}
		}
		dst = append(dst, '}')
	default:
		return dst, fail(WrongType, "a result of type %T cannot be written as JSON", ref)
	}
	return dst, nil
}

// appendElement writes one element of a list or object, and pays for it: one text may stand in it many times.
func appendElement(dst []byte, element any, budget *budget, depth int) ([]byte, error) {
	v := unbox(element)
	if v.kind == Boxed {
		if err := budget.spend(0, 2); err != nil {
			return dst, err
		}
		return appendBoxed(dst, v.ref, budget, depth+1)
	}
	start := len(dst)
	dst, err := v.appendJSON(dst, budget)
	if err != nil {
		return dst, err
	}
	return dst, budget.spend(0, len(dst)-start+1)
}

// textOf and bytesOf change the type of what nobody changes any more.
func textOf(b []byte) string  { return unsafe.String(unsafe.SliceData(b), len(b)) }
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
