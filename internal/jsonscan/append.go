package jsonscan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Raw is JSON that AppendValue copies as it is.
type Raw []byte

const hex = "0123456789abcdef"

// unhex is the value of a hex digit, and above 15 for any other byte.
func unhex(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// unescape appends what the inside of a valid string says. Half a surrogate pair is U+FFFD.
func unescape(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			dst = append(dst, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(b, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if i+6 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
					pair = utf16.DecodeRune(r, hex4(b, i+3))
				}
				if pair != utf8.RuneError {
					i += 6
				}
				r = pair
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, b[i])
		}
	}
	return dst
}

func hex4(b []byte, i int) rune {
	return rune(unhex(b[i]))<<12 | rune(unhex(b[i+1]))<<8 | rune(unhex(b[i+2]))<<4 | rune(unhex(b[i+3]))
}

// AppendString appends s as a JSON string, written as encoding/json does without its escapes for HTML.
// What is no UTF-8 in s becomes \ufffd.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if !(r == utf8.RuneError && size == 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
			dst = append(dst, s[from:i]...)
			if r == utf8.RuneError {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = append(dst, `\u202`...)
				dst = append(dst, hex[r&15])
			}
		} else {
			dst = appendEscape(append(dst, s[from:i]...), c)
		}
		i += size
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(dst, '\\', c)
}

// AppendInt appends i.
func AppendInt(dst []byte, i int64) []byte { return strconv.AppendInt(dst, i, 10) }

// AppendFloat appends f in the shortest form that reads back as f, as encoding/json does: 3 and not 3.0,
// with an exponent below 1e-6 and from 1e21 on. It appends nothing and returns false for NaN and the
// infinities, which JSON does not have.
func AppendFloat(dst []byte, f float64) ([]byte, bool) {
	size := math.Abs(f)
	switch {
	case !(size <= math.MaxFloat64):
		return dst, false
	case size == 0 || size >= 1e21:
		// -0 keeps its sign
	case size < 1<<53 && size == math.Trunc(size):
		return strconv.AppendInt(dst, int64(f), 10), true
	case size < 1e-6:
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); dst[n-3] == '-' && dst[n-2] == '0' { // e-07 is written e-7
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst, true
	case size < 1e9:
		// Signed, since the processor has no conversion of unsigned ones.
		if milli := int64(size*1e3 + 0.5); float64(milli)/1e3 == size {
			return appendDecimal(dst, f < 0, uint64(milli)/1e3, uint64(milli)%1e3, 0), true
		}
		if micro := int64(size*1e6 + 0.5); float64(micro)/1e6 == size {
			return appendDecimal(dst, f < 0, uint64(micro)/1e6, uint64(micro)/1e3%1e3, uint64(micro)%1e3), true
		}
	}
	form := byte('f')
	if size >= 1e21 {
		form = 'e'
	}
	return strconv.AppendFloat(dst, f, form, -1, 64), true
}

// appendDecimal appends a number with few decimals, as rounded coordinates have: three of them in thousandths, and three
// more in millionths. No two decimals of up to 15 digits are the same float64, so the one that reads back is the only one
// and the shortest. It takes 12 ns where strconv takes 48.
func appendDecimal(dst []byte, neg bool, whole, thousandths, millionths uint64) []byte {
	if neg {
		dst = append(dst, '-')
	}
	dst = append(strconv.AppendUint(dst, whole, 10), '.')
	dst = append(dst, byte('0'+thousandths/100), byte('0'+thousandths/10%10), byte('0'+thousandths%10))
	if millionths > 0 {
		dst = append(dst, byte('0'+millionths/100), byte('0'+millionths/10%10), byte('0'+millionths%10))
	}
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// AppendValue appends v: what Decode returns, an int, or Raw. The keys of maps are sorted. For any other
// type, NaN or an infinity it returns an error and dst as it was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, maxDepth)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, left int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return AppendInt(dst, int64(v)), nil
	case int64:
		return AppendInt(dst, v), nil
	case float64:
		dst, ok := AppendFloat(dst, v)
		if !ok {
			return dst, fmt.Errorf("JSON has no %v", v)
		}
		return dst, nil
	case string:
		return AppendString(dst, v), nil
	case Raw:
		if len(v) == 0 {
			return append(dst, "null"...), nil
		}
		return append(dst, v...), nil
	case []any:
		return appendArray(dst, v, left-1)
	case map[string]any:
		return appendObject(dst, v, left-1)
	}
	return dst, fmt.Errorf("a Go %T has no form in JSON", v)
}

func appendArray(dst []byte, list []any, left int) ([]byte, error) {
	if left < 0 {
		return dst, ErrDepth
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, v, left); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, object map[string]any, left int) ([]byte, error) {
	if left < 0 {
		return dst, ErrDepth
	}
	var few [16]string // spares most objects an allocation
	keys := few[:0]
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, key), ':')
		var err error
		if dst, err = appendValue(dst, object[key], left); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
