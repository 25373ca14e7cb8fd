package rules

import (
	"fmt"
)

func (g *generator) aNumber(depth int) string {
	number := func() string { return g.of(aNumber, depth) }
	switch g.IntN(17) {
	case 16:
		return fmt.Sprintf("(%s %s %s)", number(), g.pick("/", "%"), g.pick("0", "-1", "0.0", "payload.i"))
	case 0, 1, 2, 3:
		return fmt.Sprintf("(%s %s %s)", number(), g.pick("+", "-", "*", "/", "%", "**", "^"), number())
	case 4:
		return fmt.Sprintf("(%s %s)", g.pick("-", "+"), number())
	case 5:
		return g.call(g.pick("abs", "ceil", "floor", "round", "int", "float", "bitnot"), number())
	case 6:
		return g.call("round", number(), g.pick("0", "1", "3", "-1", "-2", "15", number()))
	case 7:
		return g.call(g.pick("sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "radians", "degrees"), number())
	case 8:
		return g.call(g.pick("pow", "atan2", "hypot", "min", "max"), number(), number())
	case 9:
		return g.call(g.pick("bitand", "bitor", "bitxor", "bitnand"), number(), number())
	case 10:
		return g.call(g.pick("bitshl", "bitshr", "bitushr"), number(), g.pick("0", "1", "63", "64", "-1", number()))
	case 11:
		return g.call(g.pick("sum", "mean", "median", "min", "max"), g.of(aListOfNumbers, depth))
	case 12:
		return g.call("len", g.of(kindOf(g.IntN(int(aTime))), depth))
	case 13:
		if g.rarely(2) {
			return g.call(g.pick("indexOf", "lastIndexOf"), g.of(aText, depth), g.of(aText, depth))
		}
		return g.call(g.pick("int", "float"), g.of(aText, depth))
	case 14:
		list := g.aListKind()
		if g.rarely(2) {
			return g.predicate(g.pick("findIndex", "findLastIndex"), list, aBoolean, depth)
		}
		return g.predicate("sum", list, aNumber, depth)
	}
	switch g.IntN(4) {
	case 0:
		return "pi()"
	case 1:
		return g.call("millis", g.of(aTime, depth))
	case 2:
		return "(" + g.of(aTime, depth) + ")." + g.pick("Year", "Month", "Hour", "Weekday", "Unix", "UnixMilli") + "()"
	}
	return "(" + g.of(aSpan, depth) + ")." + g.pick("Hours", "Seconds", "Milliseconds") + "()"
}

func (g *generator) aText(depth int) string {
	text := func() string { return g.of(aText, depth) }
	switch g.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("(%s + %s)", text(), text())
	case 2:
		return g.call(g.pick("upper", "lower", "trim", "trimPrefix", "trimSuffix", "toBase64"), text())
	case 3:
		return g.call(g.pick("trim", "trimPrefix", "trimSuffix"), text(), text())
	case 4:
		if g.rarely(2) {
			return g.call("replace", text(), text(), text())
		}
		return g.call("replace", text(), text(), text(), g.pick("1", "-1", "0", "2"))
	case 5:
		return g.call("repeat", text(), g.pick("0", "1", "3", "-1", "2.0"))
	case 6:
		if g.rarely(2) {
			return g.call("join", g.of(aListOfTexts, depth))
		}
		return g.call("join", g.of(aListOfTexts, depth), text())
	case 7:
		return g.call(g.pick("string", "toJSON", "type"), g.of(anything, depth))
	case 8:
		return g.call("raw", g.of(kindOf(g.IntN(int(aListOfNumbers))), depth))
	case 9:
		return g.call("fromBase64", g.pick(`"aGVsbG8="`, `"!"`, `"/w=="`, text()))
	case 10:
		return g.slice(text(), depth)
	}
	return "(" + g.of(aSpan, depth) + ").String()"
}

// slice cuts a list or a text.
func (g *generator) slice(of string, depth int) string {
	end := func() string {
		if g.rarely(3) {
			return ""
		}
		return g.pick("0", "1", "2", "-1", "-2", "9", "payload.i", g.of(aNumber, depth))
	}
	return fmt.Sprintf("(%s)[%s:%s]", of, end(), end())
}

func (g *generator) aListKind() kindOf {
	return [...]kindOf{aListOfNumbers, aListOfTexts, aListOfObjects}[g.IntN(3)]
}

func (g *generator) aBoolean(depth int) string {
	pair := func(kind kindOf, operators ...string) string {
		return fmt.Sprintf("(%s %s %s)", g.of(kind, depth), g.pick(operators...), g.of(kind, depth))
	}
	switch g.IntN(19) {
	case 0, 1:
		return pair(aBoolean, "and", "&&", "or", "||")
	case 2, 3:
		return pair(aNumber, "<", "<=", ">", ">=", "==", "!=")
	case 4:
		return pair(aText, "<", "<=", ">", ">=", "==", "!=")
	case 5:
		return pair(aText, "contains", "startsWith", "endsWith")
	case 6:
		return fmt.Sprintf("(%s %s %s)", g.of(anything, depth), g.pick("==", "!="), g.pick("nil", g.of(anything, depth)))
	case 7:
		return fmt.Sprintf("(%s %s)", g.pick("not", "!"), g.of(aBoolean, depth))
	case 8:
		kind := [...]kindOf{aNumber, aText}[g.IntN(2)]
		return fmt.Sprintf("(%s %s %s)", g.of(kind, depth), g.pick("in", "not in"), g.of(listOfKind(kind), depth))
	case 9:
		if g.rarely(4) {
			return fmt.Sprintf("(%s in payload)", g.of(aText, depth))
		}
		return fmt.Sprintf("(%s %s %s)", g.of(aText, depth), g.pick("in", "not in"), g.of(anyObject, depth))
	case 10:
		return fmt.Sprintf("(%s matches %s)", g.of(aText, depth), g.pick(`"^a"`, `"[0-9]+"`, `"^$"`, `"(?i)robot"`, "`é|ä`"))
	case 11:
		return g.predicate(g.pick("any", "all", "none", "one"), g.aListKind(), aBoolean, depth)
	case 12:
		return g.call(g.pick("hasPrefix", "hasSuffix"), g.of(aText, depth), g.of(aText, depth))
	case 13:
		return fmt.Sprintf("(%s < %s <= %s)", g.of(aNumber, depth), g.of(aNumber, depth), g.of(aNumber, depth))
	case 14:
		return fmt.Sprintf("(%s %s %s)", g.pick(append([]string{"payload.i", "payload.j", "payload.battery"}, closeNumbers...)...),
			g.pick("<", "<=", ">", ">=", "==", "!="), g.pick(closeNumbers...))
	case 15, 16, 17: // what is compiled by itself
		if g.rarely(2) {
			return fmt.Sprintf("(payload.%s %s %s)", g.pick("i", "j", "battery", "coordinates.x", "s", "any"), g.pick("<", "<=", ">", ">=", "==", "!="), g.pick(closeNumbers...))
		}
		return fmt.Sprintf("(payload.%s %s %q)", g.pick("s", "t", "floorName", "coordinates.name", "i", "any"), g.pick("==", "!=", "==", "<"), g.pick(closeTexts...))
	}
	return pair([...]kindOf{aTime, aSpan}[g.IntN(2)], "<", ">", "==", "!=")
}

func (g *generator) aList(kind kindOf, depth int) string {
	list := func() string { return g.of(kind, depth) }
	switch g.IntN(10) {
	case 0:
		return fmt.Sprintf("[%s, %s]", g.of(elementOfKind(kind), depth), g.of(elementOfKind(kind), depth))
	case 1:
		return g.predicate("filter", kind, aBoolean, depth)
	case 2:
		return g.predicate("map", g.aListKind(), elementOfKind(kind), depth)
	case 3:
		if g.rarely(2) {
			return g.predicate("sortBy", kind, [...]kindOf{aNumber, aText}[g.IntN(2)], depth)
		}
		return g.predicate("sortBy", kind, aNumber, depth, g.pick(`"asc"`, `"desc"`, g.of(aText, 0)))
	case 4:
		if g.rarely(2) {
			return g.call("sort", list(), g.pick(`"asc"`, `"desc"`, `"up"`))
		}
		return g.call(g.pick("reverse", "uniq", "sort"), list())
	case 5:
		return g.call("concat", list(), list())
	case 6:
		return g.call("take", list(), g.pick("0", "1", "2", "9", "-1", g.of(aNumber, depth)))
	case 7:
		return g.slice(list(), depth)
	case 8:
		return g.call("flatten", fmt.Sprintf("[%s, %s]", list(), list()))
	}
	switch kind {
	case aListOfTexts:
		if g.rarely(2) {
			return g.call("keys", g.of(anyObject, depth))
		}
		if g.rarely(2) {
			return g.call(g.pick("split", "splitAfter"), g.of(aText, depth), g.of(aText, depth), g.pick("0", "1", "2", "-1"))
		}
		return g.call(g.pick("split", "splitAfter"), g.of(aText, depth), g.of(aText, depth))
	case aListOfNumbers:
		return fmt.Sprintf("(%s..%s)", g.pick("0", "1", "-2", "payload.i"), g.pick("0", "3", "payload.j", g.of(aNumber, depth)))
	}
	return g.call(g.pick("values", "toPairs"), g.of(anyObject, depth))
}

func (g *generator) anObject(depth int) string {
	switch g.IntN(5) {
	case 0, 1:
		return fmt.Sprintf("{%q: %s, %q: %s}", g.pick("x", "y", "name"), g.of(anything, depth), g.pick("ok", "any"), g.of(anything, depth))
	case 2:
		return fmt.Sprintf("{(%s): %s}", g.of(aText, depth), g.of(anything, depth))
	case 3:
		return g.predicate("groupBy", g.aListKind(), [...]kindOf{aText, aNumber, aBoolean}[g.IntN(3)], depth)
	}
	if g.rarely(2) {
		return g.call("fromPairs", g.call("toPairs", g.of(anyObject, depth)))
	}
	return g.call("fromPairs", fmt.Sprintf("[[%s, %s]]", g.of(aText, depth), g.of(anything, depth)))
}
