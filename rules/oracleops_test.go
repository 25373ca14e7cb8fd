package rules

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The oracle's values are nil, bool, int64, float64, string, []any, map[string]any, time.Time, time.Duration and
// *time.Location, and what the generator of messages wrote in a form of its own:
type asWritten struct {
	text  string // as JSON
	value any
}

func plainOf(x any) any {
	switch x := x.(type) {
	case asWritten:
		return x.value
	case int:
		return int64(x)
	}
	return x
}

// normal makes what the VM and expr's functions build into the oracle's values.
func normal(x any) any {
	switch x := x.(type) {
	case int:
		return int64(x)
	case []string:
		list := make([]any, len(x))
		for i, s := range x {
			list[i] = s
		}
		return list
	case map[any][]any:
		object := map[string]any{}
		for name, list := range x {
			object[name.(string)] = list
		}
		return object
	}
	return x
}

func (o *oracle) absent(m mode) (any, error) {
	switch m {
	case strict:
		return refuse(MissingField)
	case lenient:
		o.missing++
	}
	return nil, nil
}

// functions are what the patch calls.
func (o *oracle) functions() map[string]func(args ...any) (any, error) {
	modeOf := func(x any) mode { return mode(x.(int64)) }
	return map[string]func(args ...any) (any, error){
		"isNull": func(args ...any) (any, error) { return args[0] == nil, nil },
		"isMany": func(args ...any) (any, error) { return args[0].(int64) > 1, nil },
		"isOne":  func(args ...any) (any, error) { return args[0].(int64) == 1, nil },
		"absent": func(args ...any) (any, error) { return o.absent(modeOf(args[0])) },
		"truth": func(args ...any) (any, error) {
			switch pass := args[1].(type) {
			case bool:
				return pass, nil
			case nil:
				_, err := o.absent(modeOf(args[0]))
				return false, err
			}
			return refuse(NotBoolean)
		},
		"unary": func(args ...any) (any, error) {
			if args[2] == nil {
				x, err := o.absent(modeOf(args[0]))
				if not := args[1] == "not" || args[1] == "!"; not && modeOf(args[0]) == lenient {
					return true, err
				}
				return x, err
			}
			return oracleUnary(args[1].(string), args[2])
		},
		"binary": func(args ...any) (any, error) {
			operator := args[1].(string)
			switch operator {
			case "==":
				return oracleEqual(args[2], args[3]), nil
			case "!=":
				return !oracleEqual(args[2], args[3]), nil
			}
			if args[2] == nil || args[3] == nil {
				x, err := o.absent(modeOf(args[0]))
				if comparison := !slices.Contains([]string{"+", "-", "*", "/", "%", "**", "^", ".."}, operator); comparison && modeOf(args[0]) == lenient {
					return false, err
				}
				return x, err
			}
			return oracleBinary(operator, plainOf(args[2]), plainOf(args[3]))
		},
		"plus": func(args ...any) (any, error) {
			if args[1] == nil {
				return refuse(WrongType)
			}
			return oracleBinary("+", plainOf(args[0]), plainOf(args[1]))
		},
		"member": func(args ...any) (any, error) { return oracleMember(args[0], plainOf(args[1])) },
		"slice": func(args ...any) (any, error) {
			return oracleSlice(plainOf(args[0]), plainOf(args[1]), plainOf(args[2]))
		},
		"list": func(args ...any) (any, error) {
			if list, ok := normal(args[0]).([]any); ok {
				return list, nil
			}
			return refuse(WrongType)
		},
		"notEmpty": func(args ...any) (any, error) {
			if len(args[0].([]any)) == 0 {
				return refuse(WrongType)
			}
			return args[0], nil
		},
		"backwards": func(args ...any) (any, error) {
			var pairs []any
			for i, element := range slices.Backward(args[0].([]any)) {
				pairs = append(pairs, []any{int64(i), element})
			}
			return pairs, nil
		},
		"part": func(args ...any) (any, error) {
			pair, ok := args[1].([]any)
			if !ok { // nothing was found
				return nil, nil
			}
			if args[0] == "index" {
				return pair[0], nil
			}
			return pair[1], nil
		},
		"fieldName": func(args ...any) (any, error) {
			if name, ok := plainOf(args[0]).(string); ok {
				return name, nil
			}
			return refuse(WrongType)
		},
		"groupName": func(args ...any) (any, error) { return oracleGroupName(plainOf(args[0])) },
		"grouped":   func(args ...any) (any, error) { return normal(args[0]), nil },
		"direction": func(args ...any) (any, error) { return oracleDirection(args[0]) },
		"sortBy": func(args ...any) (any, error) {
			return oracleSort(args[0].([]any), args[1].([]any), args[2] == "desc")
		},
		"function": func(args ...any) (any, error) { return oracleFunction(args[0].(string), args[1:]) },
		"method":   func(args ...any) (any, error) { return oracleMethod(args[0].(string), args[1], args[2:]) },
	}
}

// exact gives a number without loss.
func exact(x any) (*big.Rat, bool) {
	switch x := plainOf(x).(type) {
	case int64:
		return new(big.Rat).SetInt64(x), true
	case float64:
		return new(big.Rat).SetFloat64(x), true
	}
	return nil, false
}

// asFloat gives a number as a float64.
func asFloat(x any) (float64, bool) {
	switch x := plainOf(x).(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// asWhole gives a number without a fraction, within 64 bits.
func asWhole(x any) (int64, bool) {
	r, ok := exact(x)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

func inFloat(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return refuse(NotFinite)
	}
	return f, nil
}

func in64(i *big.Int) (any, error) {
	if !i.IsInt64() {
		return refuse(Overflow)
	}
	return i.Int64(), nil
}

func oracleUnary(operator string, x any) (any, error) {
	switch operator {
	case "not", "!":
		if b, ok := x.(bool); ok {
			return !b, nil
		}
		return refuse(NotBoolean)
	case "+":
		if _, ok := asFloat(x); ok {
			return x, nil
		}
		return refuse(WrongType)
	}
	switch x := plainOf(x).(type) {
	case int64:
		return in64(new(big.Int).Neg(big.NewInt(x)))
	case float64:
		return -x, nil
	case time.Duration:
		return inDuration(new(big.Int).Neg(big.NewInt(int64(x))))
	}
	return refuse(WrongType)
}

func oracleBinary(operator string, x, y any) (any, error) {
	switch operator {
	case "<", "<=", ">", ">=":
		order, ok := oracleCompare(x, y)
		if !ok {
			return refuse(WrongType)
		}
		return map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator], nil
	case "in":
		return oracleIn(x, y)
	case "..":
		return oracleNumbers(x, y)
	case "contains", "startsWith", "endsWith", "matches":
		s, ok := x.(string)
		t, ok2 := y.(string)
		if !ok || !ok2 {
			return refuse(WrongType)
		}
		switch operator {
		case "contains":
			return strings.Contains(s, t), nil
		case "startsWith":
			return strings.HasPrefix(s, t), nil
		case "endsWith":
			return strings.HasSuffix(s, t), nil
		}
		return regexp.MatchString(t, s)
	}
	if s, ok := x.(string); ok && operator == "+" {
		if t, ok := y.(string); ok {
			return s + t, nil
		}
	}
	if f, ok := asFloat(x); ok {
		if g, ok := asFloat(y); ok {
			return oracleArithmetic(operator, x, y, f, g)
		}
	}
	return oracleTimes(operator, x, y)
}

func oracleArithmetic(operator string, x, y any, f, g float64) (any, error) {
	i, ok := x.(int64)
	j, ok2 := y.(int64)
	a, b, whole := big.NewInt(i), big.NewInt(j), ok && ok2
	switch operator {
	case "+":
		if whole {
			return in64(a.Add(a, b))
		}
		return inFloat(f + g)
	case "-":
		if whole {
			return in64(a.Sub(a, b))
		}
		return inFloat(f - g)
	case "*":
		if whole {
			return in64(a.Mul(a, b))
		}
		return inFloat(f * g)
	case "/":
		if g == 0 {
			return refuse(DivisionByZero)
		}
		return inFloat(f / g)
	case "%":
		n, ok := asWhole(x)
		d, ok2 := asWhole(y)
		if !ok || !ok2 {
			return refuse(WrongType)
		}
		if d == 0 {
			return refuse(DivisionByZero)
		}
		return in64(new(big.Int).Rem(big.NewInt(n), big.NewInt(d)))
	}
	return inFloat(math.Pow(f, g))
}

func inDuration(nanos *big.Int) (any, error) {
	if !nanos.IsInt64() {
		return refuse(Overflow)
	}
	return time.Duration(nanos.Int64()), nil
}

func inYears(t time.Time) (any, error) {
	if t.Year() < 0 || t.Year() > 9999 {
		return refuse(Overflow)
	}
	return t, nil
}

// nanosOf counts from 1970, exactly.
func nanosOf(t time.Time) *big.Int {
	n := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1e9))
	return n.Add(n, big.NewInt(int64(t.Nanosecond())))
}

func oracleTimes(operator string, x, y any) (any, error) {
	t, isTime := x.(time.Time)
	u, isTime2 := y.(time.Time)
	d, isSpan := x.(time.Duration)
	e, isSpan2 := y.(time.Duration)
	switch {
	case operator == "+" && isTime && isSpan2:
		return inYears(t.Add(e))
	case operator == "+" && isSpan && isTime2:
		return inYears(u.Add(d))
	case operator == "-" && isTime && isSpan2:
		return inYears(t.Add(-e))
	case operator == "-" && isTime && isTime2:
		return inDuration(new(big.Int).Sub(nanosOf(t), nanosOf(u)))
	case operator == "+" && isSpan && isSpan2:
		return inDuration(new(big.Int).Add(big.NewInt(int64(d)), big.NewInt(int64(e))))
	case operator == "-" && isSpan && isSpan2:
		return inDuration(new(big.Int).Sub(big.NewInt(int64(d)), big.NewInt(int64(e))))
	}
	return refuse(WrongType)
}
