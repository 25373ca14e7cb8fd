package jsonscan

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Strings are read eight bytes at a time: (x - ones) &^ x has the top bit of the lowest byte of x that is
// 0, and only bytes above that one can have theirs wrongly, so the first hit is always right.
const (
	ones  = 0x0101010101010101
	tops  = 0x80 * ones
	quote = '"' * ones
	slash = '\\' * ones
	blank = ' ' * ones
)

// str goes over the string at i, and says whether it has a backslash.
func (s *scanner) str(i int) (end int, escaped bool) {
	b, start := s.b, i+1
	i = start
	var seen uint64 // has a top bit if a byte is not ASCII; may look a few bytes too far
	for {
		if i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q, e := w^quote, w^slash
			seen |= w
			hit := ((q-ones)&^q | (e-ones)&^e | (w-blank)&^w) & tops
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) >> 3
		} else {
			for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
				seen |= uint64(b[i])
				i++
			}
			if i >= len(b) {
				return s.want(i, "'\"'"), false
			}
		}
		switch b[i] {
		case '"':
			if seen&tops != 0 && !utf8.Valid(b[start:i]) {
				return s.fail(start+badUTF8(b[start:i]), "invalid UTF-8"), false
			}
			return i + 1, escaped
		case '\\':
			escaped = true
			if i = s.escape(i); i < 0 {
				return i, false
			}
		default:
			return s.fail(i, "a control character in a string, write it as \\u00"+
				string([]byte{hex[b[i]>>4], hex[b[i]&15]})), false
		}
	}
}

// escape goes over the backslash at i and what belongs to it.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.b) {
		return s.want(i+1, "an escape")
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(s.b) || unhex(s.b[j]) > 15 {
				return s.want(j, "a hex digit")
			}
		}
		return i + 6
	}
	return s.want(i+1, "an escape")
}

func badUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// pow10 holds the powers of ten that a float64 has exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// digits goes over the digits at i and puts them behind those of m, which is meaningless beyond 19 of them.
func (s *scanner) digits(i int, m uint64) (end int, digits uint64) {
	for b := s.b; uint(i) < uint(len(b)); i++ {
		d := uint64(b[i]) - '0'
		if d > 9 {
			break
		}
		m = m*10 + d
	}
	return i, m
}

// skipNum goes over the number at i without its value, and leaves those to num that may be wrong or out of range.
func (s *scanner) skipNum(i int) int {
	const sure = 300 // digits before the point, of which a float64 has more
	b, start := s.b, i
	if b[i] == '-' {
		i++
	}
	whole := i
	for uint(i) < uint(len(b)) && b[i]-'0' <= 9 {
		i++
	}
	if digits := i - whole; digits != 1 && (digits == 0 || digits > sure || b[whole] == '0') {
		return s.number(start)
	}
	if uint(i) < uint(len(b)) && b[i] == '.' {
		i++
		from := i
		for uint(i) < uint(len(b)) && b[i]-'0' <= 9 {
			i++
		}
		if i == from {
			return s.number(start)
		}
	}
	if uint(i) < uint(len(b)) && b[i]|0x20 == 'e' {
		return s.number(start)
	}
	return i
}

func (s *scanner) number(i int) int {
	i, _, _ = s.num(i)
	return i
}

// num goes over the number at i.
func (s *scanner) num(i int) (end int, k Kind, bits uint64) {
	b, start := s.b, i
	neg := b[i] == '-'
	if neg {
		i++
	}
	whole := i
	i, m := s.digits(i, 0)
	digits := i - whole
	if digits == 0 {
		return s.want(i, "a digit"), 0, 0
	}
	if digits > 1 && b[whole] == '0' {
		return s.fail(whole, "a number with a leading 0"), 0, 0
	}
	exact := true // it has no exponent
	fraction := 0
	isInt := true
	if uint(i) < uint(len(b)) && b[i] == '.' {
		isInt = false
		i++
		from := i
		i, m = s.digits(i, m)
		if fraction = i - from; fraction == 0 {
			return s.want(i, "a digit"), 0, 0
		}
	}
	if uint(i) < uint(len(b)) && b[i]|0x20 == 'e' {
		isInt, exact = false, false
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		if i == from {
			return s.want(i, "a digit"), 0, 0
		}
	}
	if isInt && digits <= 19 {
		if m <= math.MaxInt64 {
			if neg {
				m = -m
			}
			return i, Int, m
		}
		if neg && m == 1<<63 {
			return i, Int, m
		}
	}
	// Both are exact, so their quotient is the nearest float64: 25 ns less than ParseFloat.
	if exact && m <= 1<<53 && digits+fraction <= 19 {
		f := float64(int64(m)) / pow10[fraction] // signed: the processor has no conversion of unsigned ones
		if neg {
			f = -f
		}
		return i, Float, math.Float64bits(f)
	}
	f, err := strconv.ParseFloat(unsafe.String(&b[start], i-start), 64)
	if err != nil {
		return s.fail(start, "a number beyond the range of a float64"), 0, 0
	}
	return i, Float, math.Float64bits(f)
}
