package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// A local is a name that an expression has given to a value.
type local struct {
	name string
	kind kindOf
}

const mostParts = 60

// expression writes an expression that is mostly of a type.
func (g *generator) expression(kind kindOf, depth int) string {
	g.scope, g.loops, g.spent = g.scope[:0], g.loops[:0], 0
	return g.of(kind, depth)
}

// of writes an expression. Now and then it is of another type than it should be.
func (g *generator) of(kind kindOf, depth int) string {
	g.spent++
	if g.rarely(40) {
		kind = g.kind()
	}
	if kind == anything {
		kind = g.kind()
	}
	if depth <= 0 || g.spent > mostParts {
		return g.leaf(kind)
	}
	if g.rarely(3) {
		return g.general(kind, depth-1)
	}
	switch kind {
	case aNumber:
		return g.aNumber(depth - 1)
	case aText:
		return g.aText(depth - 1)
	case aBoolean:
		return g.aBoolean(depth - 1)
	case aListOfNumbers, aListOfTexts, aListOfObjects:
		return g.aList(kind, depth-1)
	case anyObject:
		return g.anObject(depth - 1)
	case aTime:
		return g.pick("now()", fmt.Sprintf("date(%s)", g.of(aNumber, depth-1)), fmt.Sprintf("(%s %s %s)", g.of(aTime, depth-1), g.pick("+", "-"), g.of(aSpan, depth-1)))
	}
	return g.pick(`duration("90s")`, `duration("1h")`, fmt.Sprintf("(%s - %s)", g.of(aTime, depth-1), g.of(aTime, depth-1)),
		fmt.Sprintf("(%s %s %s)", g.of(aSpan, depth-1), g.pick("+", "-"), g.of(aSpan, depth-1)), "(-"+g.of(aSpan, depth-1)+")")
}

// general writes what any type can come from.
func (g *generator) general(kind kindOf, depth int) string {
	switch g.IntN(11) {
	case 0:
		return fmt.Sprintf("(%s ? %s : %s)", g.of(aBoolean, depth), g.of(kind, depth), g.of(kind, depth))
	case 1:
		return fmt.Sprintf("(if %s {%s} else {%s})", g.of(aBoolean, depth), g.of(kind, depth), g.of(kind, depth))
	case 2, 3:
		return fmt.Sprintf("(%s ?? %s)", g.of(kind, depth), g.of(kind, depth))
	case 4, 5:
		g.serial++
		name, bound := "v"+strconv.Itoa(g.serial), g.kind()
		value := g.of(bound, depth)
		g.scope = append(g.scope, local{name, bound})
		body := g.of(kind, depth)
		g.scope = g.scope[:len(g.scope)-1]
		return fmt.Sprintf("(let %s = %s; %s)", name, value, body)
	case 6:
		list := listOfKind(kind)
		if list == anything {
			return g.leaf(kind)
		}
		return g.call(g.pick("first", "last", "min", "max"), g.of(list, depth))
	case 7:
		list := listOfKind(kind)
		if list == anything {
			return g.leaf(kind)
		}
		if g.rarely(2) {
			return fmt.Sprintf("(%s)[%s]", g.of(list, depth), g.of(aNumber, depth))
		}
		return g.predicate(g.pick("find", "findLast"), list, aBoolean, depth)
	case 8:
		if list := listOfKind(kind); list != anything {
			return g.reduce(list, kind, depth)
		}
		return g.leaf(kind)
	case 9:
		if name := g.pick(append(namesOf(inner, kind), "any")...); g.rarely(2) {
			return fmt.Sprintf("(%s)%s", g.of(anyObject, depth), g.pick("."+name, "?."+name, "["+strconv.Quote(name)+"]"))
		}
		return fmt.Sprintf("get(%s, %s)", g.of(anyObject, depth), g.of(aText, depth))
	}
	if kind == aNumber || kind == aText || kind == aBoolean {
		return g.call("fromJSON", g.call("toJSON", g.of(kind, depth)))
	}
	return g.leaf(kind)
}

func listOfKind(kind kindOf) kindOf {
	switch kind {
	case aNumber:
		return aListOfNumbers
	case aText:
		return aListOfTexts
	case anyObject:
		return aListOfObjects
	}
	return anything
}

func elementOfKind(list kindOf) kindOf {
	switch list {
	case aListOfNumbers:
		return aNumber
	case aListOfTexts:
		return aText
	case aListOfObjects:
		return anyObject
	}
	return anything
}

// call writes a call, also as the end of a pipe.
func (g *generator) call(name string, args ...string) string {
	if len(args) > 0 && g.rarely(6) {
		return fmt.Sprintf("(%s | %s(%s))", args[0], name, strings.Join(args[1:], ", "))
	}
	return fmt.Sprintf("%s(%s)", name, strings.Join(args, ", "))
}

// predicate writes a call of a function that runs an expression over a list.
func (g *generator) predicate(name string, list, body kindOf, depth int, more ...string) string {
	from := g.of(list, depth)
	g.loops = append(g.loops, elementOfKind(list))
	each := g.of(body, depth)
	if strings.HasPrefix(each, "{") { // which would be the body, not an object
		each = "(" + each + ")"
	}
	g.loops = g.loops[:len(g.loops)-1]
	return g.call(name, append([]string{from, each}, more...)...)
}

func (g *generator) reduce(list, kind kindOf, depth int) string {
	from := g.of(list, depth)
	g.loops = append(g.loops, elementOfKind(list))
	each := fmt.Sprintf("(#acc %s %s)", map[kindOf]string{aNumber: "+", aText: "+", anyObject: "??"}[kind], g.of(kind, depth))
	g.loops = g.loops[:len(g.loops)-1]
	if g.rarely(2) {
		return g.call("reduce", from, each)
	}
	return g.call("reduce", from, each, g.of(kind, depth))
}

var literals = map[kindOf][]string{
	aNumber:        {"0", "1", "2", "-3", "20", "0.5", "2.0", "1e3", "0x1F", "1_000", "5000000000", "9223372036854775807", "-9007199254740993", "9007199254740992.0"},
	aText:          {`""`, `"a"`, `"ROBOT"`, `"F3"`, `'x'`, `"name"`, "`ä`", `"😀"`, `"\u00e9"`, `","`, `"asc"`, `"desc"`},
	aBoolean:       {"true", "false"},
	aListOfNumbers: {"[]", "[1, 2, 3]", "[2.5, 1]", "(1..4)", "[3, nil, 1]"},
	aListOfTexts:   {`["a", "b", "a"]`, `["ROBOT", "DOCK"]`, "[]", `["F3"]`},
	aListOfObjects: {`[{"x": 1, "name": "a"}, {"x": 2}]`, "[]"},
	anyObject:      {`{"x": 1, "y": 2.5, "name": "n"}`, "{}", `{"deep": {"x": 1}, "ok": true}`},
	aTime:          {"now()", `date("2024-02-29T12:00:00Z")`, "date(1700000000000)", "date(253402300799999)", "date(-62167219200000)"},
	aSpan:          {`duration("1h")`, `duration("90s")`, `duration("-250ms")`, `duration("2540400h")`, `duration("-2540400h")`},
	anything:       {"nil"},
}

// leaf writes a field, a name or a literal.
func (g *generator) leaf(kind kindOf) string {
	if len(g.loops) > 0 && g.rarely(2) {
		if element := g.loops[len(g.loops)-1]; element == kind {
			return "#"
		} else if kind == aNumber && g.rarely(4) {
			return "#index"
		} else if names := namesOf(inner, kind); element == anyObject && len(names) > 0 {
			return g.pick("", "#", "#?") + "." + g.pick(names...)
		}
	}
	for i := len(g.scope) - 1; i >= 0; i-- {
		if l := g.scope[i]; l.kind == kind && g.rarely(2) {
			return l.name
		}
	}
	names := namesOf(fields, kind)
	if g.rarely(3) || len(names) == 0 {
		return g.pick(literals[kind]...)
	}
	switch g.IntN(20) {
	case 0:
		return "payload.missing"
	case 1:
		return "payload." + g.pick(namesOf(fields, anything)...) + g.pick(".missing", ".x", "?.deep.x", "[0]", "[-1]", "[9]")
	case 2:
		if names := namesOf(inner, kind); len(names) > 0 {
			return "payload.coordinates" + g.pick("", "?", ".deep") + "." + g.pick(names...)
		}
	case 3:
		return "payload[" + strconv.Quote(g.pick(names...)) + "]"
	case 4:
		return g.pick("nil", "payload.any")
	}
	return "payload." + g.pick(names...)
}
