package rules

import (
	"math/bits"
	"slices"
	"time"
	"unicode/utf8"

	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// listFunctions work on lists and objects. They change none: what they give is new, or part of what there is.
var listFunctions = byName(
	&function{name: "len", min: 1, max: 1, call: length},
	&function{name: "type", min: 1, max: 1, nulls: true, call: typeOf},
	&function{name: "get", min: 2, max: 2, nulls: true, call: get},
	&function{name: "first", min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) { return elementOf("first", args[0], 0) }},
	&function{name: "last", min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) { return elementOf("last", args[0], -1) }},
	&function{name: "take", min: 2, max: 2, call: take},
	&function{name: "reverse", min: 1, max: 1, call: reverse},
	&function{name: "uniq", min: 1, max: 1, call: uniq},
	&function{name: "concat", min: 1, max: -1, call: concat},
	&function{name: "flatten", min: 1, max: 1, call: flatten},
	&function{name: "sort", min: 1, max: 2, call: sortList},
	&function{name: "keys", min: 1, max: 1, call: keys},
	&function{name: "values", min: 1, max: 1, call: values},
	&function{name: "toPairs", min: 1, max: 1, call: toPairs},
	&function{name: "fromPairs", min: 1, max: 1, call: fromPairs},
)

// eachOf calls f for the elements of a list, without building those of a list that is still as received.
func eachOf(c *scope, name string, list Value, f func(i int, v Value) error) error {
	switch list.kind {
	case Array:
		var err error
		jsonscan.Each(bytesOf(list.text), func(i int, s jsonscan.Value) bool {
			if err = c.budget.spend(1+reading(len(s.Raw)), 0); err == nil {
				err = f(i, scanned(&s))
			}
			return err == nil
		})
		return err
	case Boxed:
		if elements, ok := list.ref.([]any); ok {
			for i, element := range elements {
				v := unbox(element)
				if err := c.budget.spend(1+reading(len(v.text)), 0); err != nil {
					return err
				}
				if err := f(i, v); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return fail(WrongType, "%s takes a list, not %s", name, list.typeName())
}

// wrongElement says which element of a list a function cannot take.
func wrongElement(name, want string, i int, v Value) error {
	hint := ""
	if v.isNull() {
		hint = "; leave it out with filter(list, # != nil)"
	}
	return fail(WrongType, "%s takes a list of %s, its element %d is %s%s", name, want, i, v.typeName(), hint)
}

// listFrom gives the elements of a list and takes them from the budget.
func listFrom(c *scope, name string, v Value) ([]any, error) {
	if err := c.budget.spend(reading(len(v.text)), 0); err != nil {
		return nil, err
	}
	list, ok := v.list()
	if !ok {
		return nil, fail(WrongType, "%s takes a list, not %s", name, v.typeName())
	}
	return list, c.budget.spend(len(list), 0)
}

// length counts characters, elements or fields.
func length(c *scope, args []Value) (Value, error) {
	v := args[0]
	n := 0
	switch v.kind {
	case String, Escaped:
		s, err := textFrom(c, "len", v)
		if err != nil {
			return null, err
		}
		n = utf8.RuneCountInString(s)
	case Object, Array:
		if err := c.budget.spend(reading(len(v.text)), 0); err != nil {
			return null, err
		}
		n = jsonscan.Len(bytesOf(v.text))
	default:
		switch x := v.ref.(type) {
		case []any:
			n = len(x)
		case map[string]any:
			n = len(x)
		default:
			return null, fail(WrongType, "len takes text, a list or an object, not %s", v.typeName())
		}
	}
	return intValue(int64(n)), nil
}

// typeOf uses expr's names for types.
func typeOf(_ *scope, args []Value) (Value, error) {
	v := args[0]
	name := "map"
	switch v.kind {
	case Null:
		name = "nil"
	case Bool:
		name = "bool"
	case Int:
		name = "int"
	case Float:
		name = "float"
	case String, Escaped:
		name = "string"
	case Array:
		name = "array"
	case Boxed:
		switch v.ref.(type) {
		case []any:
			name = "array"
		case time.Time:
			name = "time.Time"
		case time.Duration:
			name = "time.Duration"
		case *time.Location:
			name = "time.Location"
		case geo.Point:
			name = "point"
		case geo.Pose:
			name = "pose"
		}
	}
	return stringValue(name), nil
}

// get is null where there is nothing. What can hold nothing of the kind is an error all the same.
func get(c *scope, args []Value) (Value, error) {
	from, key := args[0], args[1]
	if from.isNull() || key.isNull() {
		return null, nil
	}
	if err := c.budget.spend(reading(len(from.text)), 0); err != nil {
		return null, err
	}
	if key.isString() {
		switch from.ref.(type) {
		case geo.Point, geo.Pose:
			v, err := from.member(key.string())
			if err != nil {
				return null, nil
			}
			return v, nil
		case map[string]any:
			return from.member(key.string())
		}
		if from.kind == Object {
			return from.member(key.string())
		}
	}
	if _, isList := from.ref.([]any); isList || from.kind == Array {
		if i, ok := key.whole(); ok {
			return from.index(i)
		}
	}
	return null, fail(WrongType, "get takes an object and text, or a list and a whole number, not %s and %s", from.typeName(), key.typeName())
}

func elementOf(name string, v Value, i int64) (Value, error) {
	if _, ok := v.ref.([]any); !ok && v.kind != Array {
		return null, fail(WrongType, "%s takes a list, not %s", name, v.typeName())
	}
	return v.index(i)
}

func take(c *scope, args []Value) (Value, error) {
	n, err := wholeFrom("take", args[1])
	if err != nil {
		return null, err
	}
	if n < 0 {
		return null, fail(WrongType, "take takes a count of 0 or more, not %d", n)
	}
	list, err := listFrom(c, "take", args[0])
	if err != nil {
		return null, err
	}
	n = min(n, int64(len(list)))
	return boxed(list[:n:n]), nil
}

func reverse(c *scope, args []Value) (Value, error) {
	list, err := listFrom(c, "reverse", args[0])
	if err != nil {
		return null, err
	}
	list = slices.Clone(list)
	slices.Reverse(list)
	return boxed(list), nil
}

// uniq keeps the first of equal elements. Scalars are looked up; lists and objects are held against each
// other, which costs the square of their number.
func uniq(c *scope, args []Value) (Value, error) {
	type scalar struct {
		kind Kind
		bits uint64
		text string
	}
	kept, seen := []any{}, map[scalar]bool{}
	var others []Value
	err := eachOf(c, "uniq", args[0], func(_ int, v Value) error {
		key := scalar{kind: v.kind, bits: v.bits}
		switch v.kind {
		case Float:
			if i, ok := v.whole(); ok { // 1.0 is 1
				key = scalar{kind: Int, bits: uint64(i)}
			}
		case String, Escaped:
			s, err := textFrom(c, "uniq", v)
			if err != nil {
				return err
			}
			key = scalar{kind: String, text: s}
		case Object, Array, Boxed:
			v = boxed(v.box()) // here, or each comparison would decode it
			for _, other := range others {
				if err := c.budget.spend(1, 0); err != nil {
					return err
				}
				if same, err := equal(&c.budget, v, other); same || err != nil {
					return err
				}
			}
			others = append(others, v)
			kept = append(kept, v.ref)
			return nil
		}
		if !seen[key] {
			seen[key] = true
			kept = append(kept, v.box())
		}
		return nil
	})
	if err != nil {
		return null, err
	}
	return boxed(kept), nil
}

func concat(c *scope, args []Value) (Value, error) {
	all := []any{}
	for _, arg := range args {
		list, err := listFrom(c, "concat", arg)
		if err != nil {
			return null, err
		}
		all = append(all, list...)
	}
	return boxed(all), nil
}

func flatten(c *scope, args []Value) (Value, error) {
	list, err := listFrom(c, "flatten", args[0])
	if err != nil {
		return null, err
	}
	flat, err := appendFlat(c, []any{}, list, 0)
	if err != nil {
		return null, err
	}
	return boxed(flat), nil
}

// appendFlat pays for each element it comes by: a list that holds another twice, which holds another twice,
// and so on, is small and has no end.
func appendFlat(c *scope, flat, list []any, depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, fail(LimitReached, "flatten: the list is nested deeper than %d", maxDepth)
	}
	for _, element := range list {
		if err := c.budget.spend(1, 0); err != nil {
			return nil, err
		}
		inner, ok := unbox(element).list()
		if !ok {
			flat = append(flat, element)
			continue
		}
		var err error
		if flat, err = appendFlat(c, flat, inner, depth+1); err != nil {
			return nil, err
		}
	}
	return flat, nil
}

// spendSort takes the comparisons of sorting n elements from the budget, four a step.
func spendSort(c *scope, n int) error { return c.budget.spend(n*bits.Len(uint(n))/4, 0) }

func sortList(c *scope, args []Value) (Value, error) {
	descending := false
	if len(args) == 2 {
		order := args[1]
		descending = order.isString() && order.string() == "desc"
		if !descending && !(order.isString() && order.string() == "asc") {
			return null, fail(WrongType, `sort takes "asc" or "desc", not %s`, order.show())
		}
	}
	var list []Value
	err := eachOf(c, "sort", args[0], func(i int, v Value) error {
		if v.isNull() {
			return wrongElement("sort", "numbers, text or times", i, v)
		}
		if v.isString() {
			s, err := textFrom(c, "sort", v)
			if err != nil {
				return err
			}
			v = stringValue(s)
		}
		list = append(list, v)
		_, err := compare("sort", list[0], v) // an order of all needs one type in all
		return err
	})
	if err == nil {
		err = spendSort(c, len(list))
	}
	if err != nil {
		return null, err
	}
	slices.SortStableFunc(list, func(x, y Value) int {
		if err != nil {
			return 0
		}
		// Long texts may differ only at their ends.
		if err = c.budget.spend(reading(min(len(x.text), len(y.text))), 0); err != nil {
			return 0
		}
		order := 0
		order, err = compare("sort", x, y)
		if descending {
			return -order
		}
		return order
	})
	if err != nil {
		return null, err
	}
	sorted := make([]any, len(list))
	for i, v := range list {
		sorted[i] = v.box()
	}
	return boxed(sorted), nil
}
