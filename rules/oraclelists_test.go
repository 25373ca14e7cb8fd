package rules

import (
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

func listOf(x any) []any {
	list, _ := normal(plainOf(x)).([]any)
	return list
}

// aList is a function whose first argument is a list.
func aList(of func(list []any, more []any) (any, error)) func(args []any) (any, error) {
	return func(args []any) (any, error) {
		if list, ok := normal(args[0]).([]any); ok {
			return of(list, args[1:])
		}
		return refuse(WrongType)
	}
}

// anObject is a function whose only argument is an object.
func anObject(of func(object map[string]any) any) func(args []any) (any, error) {
	return func(args []any) (any, error) {
		if object, ok := normal(args[0]).(map[string]any); ok {
			return of(object), nil
		}
		return refuse(WrongType)
	}
}

// someNumbers is a function of a list of numbers.
func someNumbers(of func(list []any) (any, error)) func(args []any) (any, error) {
	return aList(func(list, _ []any) (any, error) {
		for _, x := range list {
			if _, ok := asFloat(x); !ok {
				return refuse(WrongType)
			}
		}
		return of(list)
	})
}

// oracleLists are the functions of lists and objects.
var oracleLists = map[string]func(args []any) (any, error){
	"len": func(args []any) (any, error) {
		switch x := normal(plainOf(args[0])).(type) {
		case string:
			return int64(utf8.RuneCountInString(x)), nil
		case []any:
			return int64(len(x)), nil
		case map[string]any:
			return int64(len(x)), nil
		}
		return refuse(WrongType)
	},
	"get": func(args []any) (any, error) {
		key := plainOf(args[1])
		if args[0] == nil || key == nil {
			return nil, nil
		}
		switch x := normal(args[0]).(type) {
		case map[string]any:
			if name, ok := key.(string); ok {
				return x[name], nil
			}
		case []any:
			if i, ok := asWhole(key); ok {
				return oracleMember(x, i)
			}
		}
		return refuse(WrongType)
	},
	"first": aList(func(list, _ []any) (any, error) { return oracleMember(list, int64(0)) }),
	"last":  aList(func(list, _ []any) (any, error) { return oracleMember(list, int64(-1)) }),
	"take": aList(func(list, more []any) (any, error) {
		n, ok := asWhole(more[0])
		if !ok || n < 0 {
			return refuse(WrongType)
		}
		return list[:min(n, int64(len(list)))], nil
	}),
	"reverse": aList(func(list, _ []any) (any, error) {
		list = slices.Clone(list)
		slices.Reverse(list)
		return list, nil
	}),
	"uniq": aList(func(list, _ []any) (any, error) {
		kept := []any{}
		for _, x := range list {
			if !slices.ContainsFunc(kept, func(y any) bool { return oracleEqual(x, y) }) {
				kept = append(kept, x)
			}
		}
		return kept, nil
	}),
	"concat": func(args []any) (any, error) {
		all := []any{}
		for _, arg := range args {
			list, ok := normal(arg).([]any)
			if !ok {
				return refuse(WrongType)
			}
			all = append(all, list...)
		}
		return all, nil
	},
	"flatten": aList(func(list, _ []any) (any, error) { return flat(list), nil }),
	"sort": func(args []any) (any, error) {
		descending := false
		if len(args) == 2 {
			order, err := oracleDirection(args[1])
			if err != nil {
				return nil, err
			}
			descending = order == "desc"
		}
		list, ok := normal(args[0]).([]any)
		if !ok {
			return refuse(WrongType)
		}
		return oracleSort(list, list, descending)
	},
	"join": aList(func(list, more []any) (any, error) {
		texts := make([]string, len(list))
		for i, x := range list {
			var ok bool
			if texts[i], ok = plainOf(x).(string); !ok {
				return refuse(WrongType)
			}
		}
		between := ""
		if len(more) == 1 {
			var ok bool
			if between, ok = plainOf(more[0]).(string); !ok {
				return refuse(WrongType)
			}
		}
		return strings.Join(texts, between), nil
	}),
	"sum": aList(func(list, _ []any) (any, error) {
		var total any = int64(0)
		for _, x := range list {
			if _, ok := asFloat(x); !ok {
				return refuse(WrongType)
			}
			var err error
			if total, err = oracleBinary("+", total, plainOf(x)); err != nil {
				return nil, err
			}
		}
		return total, nil
	}),
	"mean": someNumbers(func(list []any) (any, error) {
		total := 0.0
		for _, x := range list {
			f, _ := asFloat(x)
			total += f
		}
		if len(list) == 0 {
			return nil, nil
		}
		return inFloat(total / float64(len(list)))
	}),
	"median": someNumbers(func(list []any) (any, error) {
		if len(list) == 0 {
			return nil, nil
		}
		sorted, err := oracleSort(list, list, false)
		if err != nil {
			return nil, err
		}
		list = sorted.([]any)
		if middle := len(list) / 2; len(list)%2 == 0 {
			f, _ := asFloat(list[middle-1])
			g, _ := asFloat(list[middle])
			return inFloat((f + g) / 2)
		}
		return list[len(list)/2], nil
	}),
	"min": func(args []any) (any, error) { return extremeOf(args, -1) },
	"max": func(args []any) (any, error) { return extremeOf(args, 1) },
	"keys": anObject(func(object map[string]any) any {
		return eachField(object, func(name string) any { return name })
	}),
	"values": anObject(func(object map[string]any) any {
		return eachField(object, func(name string) any { return object[name] })
	}),
	"toPairs": anObject(func(object map[string]any) any {
		return eachField(object, func(name string) any { return []any{name, object[name]} })
	}),
	"fromPairs": aList(func(list, _ []any) (any, error) {
		object := map[string]any{}
		for _, x := range list {
			pair := listOf(x)
			if len(pair) != 2 {
				return refuse(WrongType)
			}
			name, ok := plainOf(pair[0]).(string)
			if !ok {
				return refuse(WrongType)
			}
			object[name] = pair[1]
		}
		return object, nil
	}),
}

func eachField(object map[string]any, of func(name string) any) any {
	list := []any{}
	for _, name := range sortedKeys(object) {
		list = append(list, of(name))
	}
	return list
}

func flat(list []any) []any {
	out := []any{}
	for _, x := range list {
		if inner, ok := normal(x).([]any); ok {
			out = append(out, flat(inner)...)
		} else {
			out = append(out, x)
		}
	}
	return out
}

func extremeOf(args []any, sign int) (any, error) {
	if len(args) == 1 {
		list, ok := normal(args[0]).([]any)
		if !ok {
			return refuse(WrongType)
		}
		args = list
	}
	var best any
	for i, x := range args {
		if i == 0 {
			best = x
		}
		order, ok := oracleCompare(x, best)
		if !ok {
			return refuse(WrongType)
		}
		if order*sign > 0 {
			best = x
		}
	}
	return best, nil
}

// oracleSort sorts a list by values of its elements, which have an order among each other, and keeps that of equal ones.
func oracleSort(list, by []any, descending bool) (any, error) {
	type pair struct{ element, by any }
	pairs := make([]pair, len(list))
	for i := range list {
		pairs[i] = pair{list[i], by[i]}
		if _, ok := oracleCompare(by[i], by[0]); !ok {
			return refuse(WrongType)
		}
	}
	slices.SortStableFunc(pairs, func(x, y pair) int {
		order, _ := oracleCompare(x.by, y.by)
		if descending {
			order = -order
		}
		return order
	})
	sorted := make([]any, len(list))
	for i := range pairs {
		sorted[i] = pairs[i].element
	}
	return sorted, nil
}

// same holds what was read from a result against the value that the oracle gives: integers to the last digit, floats
// to the float64 nearest to what is written.
func same(got, want any) bool {
	switch x := normal(plainOf(want)).(type) {
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(list, x, same)
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || len(object) != len(x) {
			return false
		}
		for name := range x {
			if y, ok := object[name]; !ok || !same(y, x[name]) {
				return false
			}
		}
		return true
	case int64:
		r, ok := exact(got)
		return ok && r.Cmp(new(big.Rat).SetInt64(x)) == 0
	case float64:
		f, ok := asFloat(got)
		return ok && f == x
	case nil, bool, string:
		return plainOf(got) == x
	}
	text, err := oracleText(want) // of a time or a duration
	return err == nil && got == text
}
