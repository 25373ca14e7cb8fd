package rules

import (
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
)

// oracleCompare orders two values of a type that has an order.
func oracleCompare(x, y any) (int, bool) {
	x, y = plainOf(x), plainOf(y)
	if r, ok := exact(x); ok {
		if s, ok := exact(y); ok {
			return r.Cmp(s), true
		}
	}
	switch l := x.(type) {
	case string:
		if r, ok := y.(string); ok {
			return strings.Compare(l, r), true
		}
	case time.Time:
		if r, ok := y.(time.Time); ok {
			return l.Compare(r), true
		}
	case time.Duration:
		if r, ok := y.(time.Duration); ok {
			return big.NewInt(int64(l)).Cmp(big.NewInt(int64(r))), true
		}
	}
	return 0, false
}

func oracleEqual(x, y any) bool {
	x, y = plainOf(x), plainOf(y)
	if order, ok := oracleCompare(x, y); ok {
		return order == 0
	}
	switch l := x.(type) {
	case []any:
		r, ok := y.([]any)
		return ok && slices.EqualFunc(l, r, oracleEqual)
	case map[string]any:
		r, ok := y.(map[string]any)
		if !ok || len(l) != len(r) {
			return false
		}
		for name := range l {
			if _, ok := r[name]; !ok || !oracleEqual(l[name], r[name]) {
				return false
			}
		}
		return true
	}
	if x == nil || y == nil || reflect.TypeOf(x) != reflect.TypeOf(y) || !reflect.TypeOf(x).Comparable() {
		return x == nil && y == nil
	}
	return x == y
}

func oracleIn(x, y any) (any, error) {
	switch in := normal(y).(type) {
	case []any:
		return slices.ContainsFunc(in, func(element any) bool { return oracleEqual(x, element) }), nil
	case map[string]any:
		if name, ok := x.(string); ok {
			_, found := in[name]
			return found, nil
		}
	}
	return refuse(WrongType)
}

func oracleNumbers(x, y any) (any, error) {
	from, ok := asWhole(x)
	to, ok2 := asWhole(y)
	if !ok || !ok2 {
		return refuse(WrongType)
	}
	if span := new(big.Int).Sub(big.NewInt(to), big.NewInt(from)); span.Cmp(big.NewInt(oracleRange)) > 0 {
		return refuse(LimitReached)
	}
	list := []any{}
	for i := from; i <= to; i++ {
		list = append(list, i)
	}
	return list, nil
}

func oracleMember(x, property any) (any, error) {
	if x == nil || property == nil {
		return nil, nil
	}
	i, isIndex := asWhole(property)
	name, isName := property.(string)
	if !isIndex && !isName {
		return refuse(WrongType)
	}
	switch x := normal(plainOf(x)).(type) {
	case map[string]any:
		if isName {
			return x[name], nil
		}
	case []any:
		if isName {
			return nil, nil
		}
		if i < 0 {
			i += int64(len(x))
		}
		if i < 0 || i >= int64(len(x)) {
			return nil, nil
		}
		return x[i], nil
	case bool, int64, float64, string:
		if isName {
			return nil, nil
		}
	}
	return refuse(WrongType)
}

// oracleSlice takes the bytes of a text, as expr does, and leaves out what is no whole character.
func oracleSlice(x, from, to any) (any, error) {
	list, isList := normal(x).([]any)
	text, isText := x.(string)
	if !isList && !isText {
		return refuse(WrongType)
	}
	length := len(list) + len(text)
	ends := [2]int{0, length}
	for i, end := range [2]any{from, to} {
		if end == nil {
			continue
		}
		at, ok := asWhole(end)
		if !ok {
			return refuse(WrongType)
		}
		if at < 0 {
			at += int64(length)
		}
		ends[i] = int(max(0, min(at, int64(length))))
	}
	ends[1] = max(ends[0], ends[1])
	if isList {
		return list[ends[0]:ends[1]], nil
	}
	return strings.ToValidUTF8(text[ends[0]:ends[1]], ""), nil
}

// oracleMethod calls a method of a time or a duration.
func oracleMethod(name string, receiver any, args []any) (any, error) {
	methods := map[string]func(t time.Time) any{
		"Year": func(t time.Time) any { return int64(t.Year()) }, "Month": func(t time.Time) any { return int64(t.Month()) },
		"Hour": func(t time.Time) any { return int64(t.Hour()) }, "Weekday": func(t time.Time) any { return int64(t.Weekday()) },
		"Unix": func(t time.Time) any { return t.Unix() }, "UnixMilli": func(t time.Time) any { return t.UnixMilli() },
		"UTC": func(t time.Time) any { return t.UTC() },
	}
	spans := map[string]func(d time.Duration) any{
		"Hours": func(d time.Duration) any { return d.Hours() }, "Seconds": func(d time.Duration) any { return d.Seconds() },
		"Milliseconds": func(d time.Duration) any { return d.Milliseconds() }, "String": func(d time.Duration) any { return d.String() },
	}
	switch x := receiver.(type) {
	case time.Time:
		if of := methods[name]; of != nil && len(args) == 0 {
			return of(x), nil
		}
	case time.Duration:
		if of := spans[name]; of != nil && len(args) == 0 {
			return of(x), nil
		}
	}
	return refuse(WrongType)
}

func oracleGroupName(x any) (any, error) {
	switch x := x.(type) {
	case string:
		return x, nil
	case nil, bool, int64, float64:
		return jsonOf(x)
	}
	return refuse(WrongType)
}

func oracleDirection(x any) (any, error) {
	if order, ok := plainOf(x).(string); ok && slices.Contains([]string{"asc", "desc"}, order) {
		return order, nil
	}
	return refuse(WrongType)
}
