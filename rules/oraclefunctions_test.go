package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/builtin"
)

// oracleNow is what now() gives.
var oracleNow = time.UnixMilli(1_700_000_000_123).UTC()

// natives are the functions that are expr's own, by the types they take: s is text, n a number, w a whole number.
// What stands behind the ? may be left out.
var natives = map[string]string{
	"upper": "s", "lower": "s", "trim": "s?s", "trimPrefix": "s?s", "trimSuffix": "s?s",
	"split": "ss?w", "splitAfter": "ss?w", "replace": "sss?w",
	"indexOf": "ss", "lastIndexOf": "ss", "hasPrefix": "ss", "hasSuffix": "ss", "toBase64": "s",
}

// reals are functions of float64.
var reals = map[string]func(x, y float64) float64{
	"sqrt": one(math.Sqrt), "exp": one(math.Exp), "log": one(math.Log), "log10": one(math.Log10),
	"sin": one(math.Sin), "cos": one(math.Cos), "tan": one(math.Tan), "asin": one(math.Asin), "acos": one(math.Acos), "atan": one(math.Atan),
	"radians": one(func(x float64) float64 { return x / 180 * math.Pi }), "degrees": one(func(x float64) float64 { return x / math.Pi * 180 }),
	"pow": math.Pow, "atan2": math.Atan2, "hypot": math.Hypot,
}

func one(f func(float64) float64) func(x, y float64) float64 {
	return func(x, _ float64) float64 { return f(x) }
}

func oracleFunction(name string, args []any) (any, error) {
	if types := natives[name]; types != "" {
		return oracleNative(name, strings.ReplaceAll(types, "?", ""), args)
	}
	if of := reals[name]; of != nil {
		var number [2]float64
		for i, arg := range args {
			var ok bool
			if number[i], ok = asFloat(arg); !ok {
				return refuse(WrongType)
			}
		}
		return inFloat(of(number[0], number[1]))
	}
	for _, library := range []map[string]func(args []any) (any, error){oracleScalars, oracleLists} {
		if f := library[name]; f != nil {
			x, err := f(args)
			return normal(x), err
		}
	}
	panic("the oracle has no function " + name)
}

// oracleNative runs expr's own function on arguments of the types it takes.
func oracleNative(name, types string, args []any) (any, error) {
	given := make([]any, len(args))
	for i, arg := range args {
		given[i] = plainOf(arg)
		_, isText := given[i].(string)
		whole, isWhole := asWhole(arg)
		if types[i] == 's' && !isText || types[i] == 'w' && !isWhole {
			return refuse(WrongType)
		}
		if isWhole {
			given[i] = int(max(-1, min(whole, math.MaxInt32))) // a count; expr has Go's int, which may have 32 bits
		}
	}
	f := builtin.Builtins[builtin.Index[name]]
	if f.Fast != nil {
		return normal(f.Fast(given[0])), nil
	}
	x, err := f.Func(given...)
	return normal(x), err
}

// oracleScalars are the functions of one text, number or time, where edge is not what expr is.
var oracleScalars = map[string]func(args []any) (any, error){
	"pi":  func([]any) (any, error) { return math.Pi, nil },
	"now": func([]any) (any, error) { return oracleNow, nil },
	"abs": func(args []any) (any, error) {
		if f, ok := plainOf(args[0]).(float64); ok {
			return math.Abs(f), nil
		}
		return ofInt(args, func(i *big.Int) (any, error) { return in64(i.Abs(i)) })
	},
	"ceil":  func(args []any) (any, error) { return toWhole(args, math.Ceil) },
	"floor": func(args []any) (any, error) { return toWhole(args, math.Floor) },
	"round": oracleRound,
	"int": func(args []any) (any, error) {
		switch x := plainOf(args[0]).(type) {
		case int64:
			return x, nil
		case float64:
			whole, _ := new(big.Float).SetFloat64(x).Int(nil)
			return in64(whole)
		case string:
			i, err := strconv.ParseInt(x, 10, 64)
			return parsedNumber(i, err)
		}
		return refuse(WrongType)
	},
	"float": func(args []any) (any, error) {
		if s, ok := plainOf(args[0]).(string); ok {
			if strings.Trim(s, "0123456789+-.eE") != "" {
				return refuse(WrongType)
			}
			f, err := strconv.ParseFloat(s, 64)
			return parsedNumber(f, err)
		}
		if f, ok := asFloat(args[0]); ok {
			return f, nil
		}
		return refuse(WrongType)
	},
	"bitand":  func(args []any) (any, error) { return onWhole(args, func(x, y int64) int64 { return x & y }) },
	"bitor":   func(args []any) (any, error) { return onWhole(args, func(x, y int64) int64 { return x | y }) },
	"bitxor":  func(args []any) (any, error) { return onWhole(args, func(x, y int64) int64 { return x ^ y }) },
	"bitnand": func(args []any) (any, error) { return onWhole(args, func(x, y int64) int64 { return x &^ y }) },
	"bitnot": func(args []any) (any, error) {
		return onWhole(append(args, args[0]), func(x, _ int64) int64 { return ^x })
	},
	"bitshl": func(args []any) (any, error) { return shifted(args, func(x int64, n uint64) int64 { return x << n }) },
	"bitshr": func(args []any) (any, error) { return shifted(args, func(x int64, n uint64) int64 { return x >> n }) },
	"bitushr": func(args []any) (any, error) {
		return shifted(args, func(x int64, n uint64) int64 { return int64(uint64(x) >> n) })
	},
	"repeat": func(args []any) (any, error) {
		s, ok := plainOf(args[0]).(string)
		n, ok2 := asWhole(args[1])
		if !ok || !ok2 || n < 0 {
			return refuse(WrongType)
		}
		if size := new(big.Int).Mul(big.NewInt(n), big.NewInt(int64(len(s)))); size.Cmp(big.NewInt(16<<20)) > 0 {
			return refuse(LimitReached)
		}
		return strings.Repeat(s, int(min(n, 16<<20))), nil
	},
	"string": func(args []any) (any, error) { return oracleText(args[0]) },
	"raw": func(args []any) (any, error) {
		switch plainOf(args[0]).(type) {
		case string, int64, float64, bool:
			return oracleText(args[0])
		}
		return refuse(WrongType)
	},
	"toJSON": func(args []any) (any, error) { return jsonOf(args[0]) },
	"fromJSON": func(args []any) (any, error) {
		s, ok := plainOf(args[0]).(string)
		if !ok || !json.Valid([]byte(s)) {
			return refuse(WrongType)
		}
		return valueOf([]byte(s)), nil
	},
	"fromBase64": func(args []any) (any, error) {
		s, ok := plainOf(args[0]).(string)
		out, err := base64.StdEncoding.DecodeString(s)
		if !ok || err != nil || !utf8.Valid(out) {
			return refuse(WrongType)
		}
		return string(out), nil
	},
	"type": func(args []any) (any, error) {
		switch plainOf(args[0]).(type) {
		case time.Time:
			return "time.Time", nil
		case time.Duration:
			return "time.Duration", nil
		}
		return builtin.Type(plainOf(args[0])), nil
	},
	"date": func(args []any) (any, error) {
		switch x := plainOf(args[0]).(type) {
		case string:
			t, err := time.Parse(time.RFC3339, x)
			if err != nil {
				return refuse(WrongType)
			}
			return t, nil
		case int64, float64:
			if ms, ok := asWhole(x); ok {
				return inYears(time.UnixMilli(ms).UTC())
			}
		}
		return refuse(WrongType)
	},
	"duration": func(args []any) (any, error) {
		s, _ := plainOf(args[0]).(string)
		d, err := time.ParseDuration(s)
		if err != nil {
			return refuse(WrongType)
		}
		return d, nil
	},
	"millis": func(args []any) (any, error) {
		if t, ok := args[0].(time.Time); ok {
			return t.UnixMilli(), nil
		}
		return refuse(WrongType)
	},
}

func parsedNumber(x any, err error) (any, error) {
	switch {
	case errors.Is(err, strconv.ErrRange):
		return refuse(Overflow)
	case err != nil:
		return refuse(WrongType)
	}
	return x, nil
}

func ofInt(args []any, of func(*big.Int) (any, error)) (any, error) {
	if i, ok := plainOf(args[0]).(int64); ok {
		return of(big.NewInt(i))
	}
	return refuse(WrongType)
}

// toWhole rounds a float in some way; what is whole already stays.
func toWhole(args []any, of func(float64) float64) (any, error) {
	if f, ok := plainOf(args[0]).(float64); ok {
		return wholeOr(of(f))
	}
	return ofInt(args, func(i *big.Int) (any, error) { return i.Int64(), nil })
}

// wholeOr makes an integer of a float where it fits.
func wholeOr(f float64) (any, error) {
	if i, ok := asWhole(f); ok {
		return i, nil
	}
	return inFloat(f)
}

// oracleRound rounds the decimal number that is printed, half away from zero.
func oracleRound(args []any) (any, error) {
	digits := int64(0)
	if len(args) == 2 {
		var ok bool
		if digits, ok = asWhole(args[1]); !ok {
			return refuse(WrongType)
		}
		digits = max(-400, min(digits, 400))
	}
	rounded := func(text string) *big.Rat {
		number, _ := new(big.Rat).SetString(text)
		unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(digits, -digits)), nil))
		if digits < 0 {
			unit.Inv(unit)
		}
		number.Mul(number, unit)
		half := big.NewRat(int64(number.Sign()), 2)
		number.Add(number, half)
		whole := new(big.Int).Quo(number.Num(), number.Denom()) // towards zero
		return number.Quo(new(big.Rat).SetInt(whole), unit)
	}
	switch x := plainOf(args[0]).(type) {
	case int64:
		return in64(rounded(strconv.FormatInt(x, 10)).Num())
	case float64:
		f, _ := rounded(strconv.FormatFloat(x, 'g', -1, 64)).Float64()
		if digits <= 0 || f == 0 {
			return wholeOr(f)
		}
		return inFloat(f)
	}
	return refuse(WrongType)
}

// onWhole is of two whole numbers.
func onWhole(args []any, of func(x, y int64) int64) (any, error) {
	x, ok := asWhole(args[0])
	y, ok2 := asWhole(args[1])
	if !ok || !ok2 {
		return refuse(WrongType)
	}
	return of(x, y), nil
}

func shifted(args []any, of func(x int64, n uint64) int64) (any, error) {
	x, ok := asWhole(args[0])
	n, ok2 := asWhole(args[1])
	if !ok || !ok2 || n < 0 {
		return refuse(WrongType)
	}
	return of(x, uint64(n)), nil
}

func oracleText(x any) (any, error) {
	if s, ok := plainOf(x).(string); ok {
		return s, nil
	}
	out, err := jsonOf(x)
	text, _ := out.(string)
	return strings.Trim(text, `"`), err // of a time or a duration
}

// jsonOf writes a value as JSON without white space, what came in as it came.
func jsonOf(x any) (any, error) {
	out, err := appendOracle(nil, x)
	return string(out), err
}

func appendOracle(dst []byte, x any) ([]byte, error) {
	switch x := normal(x).(type) {
	case asWritten:
		return append(dst, x.text...), nil
	case time.Time:
		return fmt.Appendf(dst, "%q", x.Format(time.RFC3339Nano)), nil
	case time.Duration:
		return fmt.Appendf(dst, "%q", x.String()), nil
	case []any:
		dst = append(dst, '[')
		for i, element := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendOracle(dst, element); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range sortedKeys(x) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst, _ = appendOracle(dst, name)
			var err error
			if dst, err = appendOracle(append(dst, ':'), x[name]); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case *time.Location:
		_, err := refuse(WrongType)
		return dst, err
	default:
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(x); err != nil {
			return dst, err
		}
		return append(dst, bytes.TrimSpace(buffer.Bytes())...), nil
	}
}

// valueOf reads JSON: whole numbers of 64 bits are int64, others float64.
func valueOf(text []byte) any {
	text = bytes.TrimSpace(text)
	switch text[0] {
	case '[':
		var elements []json.RawMessage
		_ = json.Unmarshal(text, &elements) // what is no JSON has been refused
		list := make([]any, len(elements))
		for i, element := range elements {
			list[i] = valueOf(element)
		}
		return list
	case '{':
		var members map[string]json.RawMessage
		_ = json.Unmarshal(text, &members)
		object := map[string]any{}
		for name, member := range members {
			object[name] = valueOf(member)
		}
		return object
	}
	var x any
	_ = json.Unmarshal(text, &x)
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		x = i
	}
	if usual, err := appendOracle(nil, x); err == nil && string(usual) != string(text) {
		return asWritten{string(text), x}
	}
	return x
}
