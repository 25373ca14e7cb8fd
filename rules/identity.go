package rules

import (
	"strconv"
	"time"

	"edge/internal/jsonscan"
)

// appendIdentity gives what makes a key itself: 7 and "7" are two keys, 1 and 1.0 are one.
func appendIdentity(dst []byte, key Value) []byte {
	if i, ok := key.whole(); ok {
		return strconv.AppendInt(append(dst, 'i'), i, 10)
	}
	switch key.kind {
	case String, Escaped:
		return append(append(dst, 's'), key.string()...)
	case Float:
		return strconv.AppendFloat(append(dst, 'f'), key.float(), 'g', -1, 64)
	case Bool:
		return append(dst, 'b', byte('0'+key.bits))
	}
	return append(dst, 'n')
}

// appendEqual appends the identity of any value, the same for those that are equal: 1 and 1.0 are one, 1 and "1" are
// two, in lists and objects too, whose keys have no order.
func appendEqual(dst []byte, v Value) ([]byte, error) {
	switch {
	case v.kind < Object:
		return appendIdentity(dst, v), nil
	case v.kind == Boxed:
		if t, ok := v.ref.(time.Time); ok { // one moment, in whatever zone it is told
			v.ref = t.UTC()
		}
	}
	text, err := v.appendJSON(nil, nil)
	if err != nil {
		return nil, err
	}
	v = unbox(jsonscan.Decode(text)) // so that the order of keys and the way numbers are written do not matter
	return v.appendJSON(append(dst, 'j'), nil)
}

// keyOf is the reverse of appendIdentity.
func keyOf(id string) Value {
	switch text := id[1:]; id[0] {
	case 'i':
		i, _ := strconv.ParseInt(text, 10, 64)
		return intValue(i)
	case 's':
		return stringValue(text)
	case 'f':
		f, _ := strconv.ParseFloat(text, 64)
		v, _ := floatValue(f)
		return v
	case 'b':
		return boolValue(text == "1")
	}
	return null
}
