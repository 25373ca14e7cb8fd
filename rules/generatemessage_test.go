package rules

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
)

// A generator writes random messages, and random expressions over them. The same seed gives the same.
type generator struct {
	*rand.Rand
	scope  []local
	loops  []kindOf
	spent  int // how many parts the expression has so far
	serial int
	tidy   bool // the message has what it should have
}

// A kindOf is the type that a generated value or expression is meant to have.
type kindOf uint8

const (
	aNumber kindOf = iota
	aText
	aBoolean
	aListOfNumbers
	aListOfTexts
	aListOfObjects
	anyObject
	aTime
	aSpan
	anything
)

// fields are those that a message has, of the types that they mostly have. Some names are longer than the eight
// bytes that the scanner takes at once, and share them.
var fields = map[string]kindOf{
	"i": aNumber, "j": aNumber, "battery": aNumber, "temperature": aNumber, "temperature_max": aNumber,
	"s": aText, "t": aText, "floorName": aText,
	"ok": aBoolean, "charging": aBoolean,
	"list": aListOfNumbers, "words": aListOfTexts, "readings": aListOfObjects, "coordinates": anyObject, "any": anything,
}

// inner are the fields of objects inside of a message.
var inner = map[string]kindOf{"x": aNumber, "y": aNumber, "name": aText, "ok": aBoolean, "deep": anyObject, "any": anything}

// usualKinds are what anything is, those that rules are mostly about more often.
var usualKinds = [...]kindOf{
	aNumber, aNumber, aNumber, aNumber, aText, aText, aText, aBoolean, aBoolean, aBoolean,
	aListOfNumbers, aListOfTexts, aListOfObjects, anyObject, aTime, aSpan,
}

func (g *generator) kind() kindOf { return usualKinds[g.IntN(len(usualKinds))] }

func namesOf(fields map[string]kindOf, kind kindOf) []string {
	var names []string
	for name, k := range fields {
		if k == kind || kind == anything {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// rarely is true once in n times.
func (g *generator) rarely(n int) bool { return g.IntN(n) == 0 }

// message makes a payload, as text and as the oracle's value. Fields stand in any order, may be missing, null or
// of another type.
func (g *generator) message() ([]byte, any) {
	if g.rarely(50) { // that is no object
		value := g.value(kindOf(g.IntN(5)), 1)
		return g.write(nil, value), value
	}
	g.tidy = g.rarely(2)
	object := map[string]any{}
	names := namesOf(fields, anything)
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	text := []byte("{")
	for _, name := range names {
		if g.rarely(8) && !g.tidy {
			continue
		}
		object[name] = g.member(fields[name], 2)
		if len(text) > 1 {
			text = append(text, ',')
		}
		if g.rarely(6) { // what no expression asks for
			text = g.write(append(strconv.AppendQuote(text, g.pick("z", "temperature_min", "batter", "batteries")), ':'), g.value(anything, 1))
			text = append(text, ',')
		}
		text = g.write(append(strconv.AppendQuote(text, name), ':'), object[name])
	}
	return append(text, '}'), object
}

func (g *generator) member(kind kindOf, depth int) any {
	switch {
	case g.tidy:
	case g.rarely(12):
		return nil
	case g.rarely(12):
		return g.value(anything, depth)
	}
	return g.value(kind, depth)
}

func (g *generator) value(kind kindOf, depth int) any {
	switch kind {
	case aNumber:
		return g.number()
	case aText:
		return g.text()
	case aBoolean:
		return g.rarely(2)
	case aListOfNumbers:
		return g.list(aNumber, depth)
	case aListOfTexts:
		return g.list(aText, depth)
	case aListOfObjects:
		return g.list(anyObject, depth)
	case anyObject:
		object := map[string]any{}
		for _, name := range namesOf(inner, anything) {
			if inner[name] == anyObject && depth <= 0 || g.rarely(3) && !g.tidy {
				continue
			}
			object[name] = g.member(inner[name], depth-1)
		}
		return object
	}
	if depth <= 0 {
		return g.value(kindOf(g.IntN(int(aListOfNumbers))), 0)
	}
	if g.rarely(8) {
		return g.list(anything, depth)
	}
	return g.value(kindOf(g.IntN(int(aTime))), depth-1)
}

func (g *generator) list(kind kindOf, depth int) any {
	n := g.IntN(5)
	if g.rarely(20) && (kind == aNumber || kind == aText) {
		n = 100
	}
	list := make([]any, n)
	for i := range list {
		list[i] = g.member(kind, depth-1)
	}
	return list
}

// trickyNumbers are those that arithmetic may get wrong, as they are written.
var trickyNumbers = []string{
	"0", "1", "-1", "2", "3", "7", "20", "100", "-0", "0.0", "-0.0", "1.0", "0.5", "2.5", "-2.5", "2.675", "1e2", "1E-7", "1e21", "0.1", "3.0000",
	"9223372036854775807", "-9223372036854775808", "9223372036854775806", "4611686018427387904", "-9223372036854775807",
	"9223372036854775808", "-9223372036854775809", "18446744073709551616", "9223372036854775807.0", "1e18", "9.3e18", "123456789012345678901234567890",
	"9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740992.0", "9007199254740994.0",
	"2147483647", "2147483648", "-2147483649", "4294967296", "1700000000000", "1e308", "-1.7976931348623157e308", "5e-324", "0.30000000000000004",
}

// closeNumbers and closeTexts are in messages and in expressions, often enough to be equal or next to each other.
var (
	closeNumbers = []string{
		"0", "1", "-1", "20", "2.0", "0.5", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
		"9007199254740992.0", "-9007199254740992.0", "9223372036854775807", "9223372036854775807.0",
	}
	closeTexts = []string{"", "a", "ab", "ROBOT", "F3", "é"}
)

func (g *generator) number() any {
	if g.rarely(3) {
		return valueOf([]byte(g.pick(closeNumbers...)))
	}
	if g.rarely(2) {
		return valueOf([]byte(g.pick(trickyNumbers...)))
	}
	if g.rarely(2) {
		return int64(g.IntN(200) - 100)
	}
	return valueOf([]byte(strconv.FormatFloat(float64(g.IntN(20000)-10000)/128, 'f', -1, 64)))
}

// trickyTexts are empty, equal, parts of each other, numbers, more than ASCII, and such that JSON can write in several ways.
var trickyTexts = []string{
	"", " ", "a", "b", "ab", "abc", "a,b", " a ", "A", "ROBOT", "DOCK", "F3", "r-1", "x", "name", "7", "1.5", "1e3", "-3", "ä", "日本", "😀", "é", "\u2028",
	"a\"b", "a\\b", "tab\there", "<&>", "aGVsbG8=", "[1,2]", `{"x":1}`, "2024-02-29T12:00:00Z", "90s", "ﬀ", "a very long text that is longer than sixty-four bytes, so that it costs a step to read",
}

func (g *generator) text() any {
	s := g.pick(trickyTexts...)
	if g.rarely(3) {
		s = g.pick(closeTexts...)
	}
	if !g.rarely(4) || len(s) > 20 {
		return s
	}
	escaped := []byte{'"'} // all of it as escapes
	for _, r := range s {
		if r > 0xffff {
			return s
		}
		escaped = append(escaped, `\u`...)
		for shift := 12; shift >= 0; shift -= 4 {
			escaped = append(escaped, "0123456789abcdef"[r>>shift&15])
		}
	}
	return asWritten{string(append(escaped, '"')), s}
}

// write writes a value with white space here and there. What has no form of its own gets that of the oracle, so
// that what is copied and what is built look the same.
func (g *generator) write(dst []byte, x any) []byte {
	space := func() {
		if g.rarely(10) {
			dst = append(dst, " \n"[g.IntN(2)])
		}
	}
	space()
	switch x := x.(type) {
	case []any:
		dst = append(dst, '[')
		for i, element := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = g.write(dst, element)
		}
		dst = append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range sortedKeys(x) {
			if i > 0 {
				dst = append(dst, ',')
			}
			key, _ := json.Marshal(name)
			dst = g.write(append(append(dst, key...), ':'), x[name])
		}
		dst = append(dst, '}')
	default:
		dst, _ = appendOracle(dst, x)
	}
	space()
	return dst
}
