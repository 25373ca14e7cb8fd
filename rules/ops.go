package rules

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// The operators, on whole 64-bit integers wherever both sides are integers. They see no null: what that
// means depends on where the expression stands, and the caller has dealt with it.

func add(b *budget, x, y Value) (Value, error) {
	switch {
	case x.kind == Int && y.kind == Int:
		sum := x.int() + y.int()
		if (sum > x.int()) != (y.int() > 0) {
			return null, overflow("+", x, y)
		}
		return intValue(sum), nil
	case x.isNumber() && y.isNumber():
		f, _ := x.number()
		g, _ := y.number()
		return floatValue(f + g)
	case x.isString() && y.isString():
		s, t := x.string(), y.string()
		if err := b.spend(0, len(s)+len(t)); err != nil {
			return null, err
		}
		return stringValue(s + t), nil
	}
	return addTimes(x, y)
}

func subtract(_ *budget, x, y Value) (Value, error) {
	switch {
	case x.kind == Int && y.kind == Int:
		difference := x.int() - y.int()
		if (difference < x.int()) != (y.int() > 0) {
			return null, overflow("-", x, y)
		}
		return intValue(difference), nil
	case x.isNumber() && y.isNumber():
		f, _ := x.number()
		g, _ := y.number()
		return floatValue(f - g)
	}
	return subtractTimes(x, y)
}

func multiply(_ *budget, x, y Value) (Value, error) {
	switch {
	case x.kind == Int && y.kind == Int:
		a, b := x.int(), y.int()
		if a == 0 || b == 0 {
			return intValue(0), nil
		}
		product := a * b
		if product/b != a || (a == -1 && b == math.MinInt64) || (b == -1 && a == math.MinInt64) {
			return null, overflow("*", x, y)
		}
		return intValue(product), nil
	case x.isNumber() && y.isNumber():
		f, _ := x.number()
		g, _ := y.number()
		return floatValue(f * g)
	}
	return null, wrongPair("*", x, y)
}

// divide gives a float, whatever it divides.
func divide(_ *budget, x, y Value) (Value, error) {
	f, ok := x.number()
	g, ok2 := y.number()
	if !ok || !ok2 {
		return null, wrongPair("/", x, y)
	}
	if g == 0 {
		return null, fail(DivisionByZero, "division by zero")
	}
	return floatValue(f / g)
}

// modulo has the sign of the dividend, and refuses fractions.
func modulo(_ *budget, x, y Value) (Value, error) {
	a, ok := x.whole()
	b, ok2 := y.whole()
	if !ok || !ok2 {
		if x.isNumber() && y.isNumber() {
			return null, fail(WrongType, "%% takes whole numbers, not %s %% %s", x.show(), y.show())
		}
		return null, wrongPair("%", x, y)
	}
	if b == 0 {
		return null, fail(DivisionByZero, "%% by zero")
	}
	if b == -1 {
		return intValue(0), nil
	}
	return intValue(a % b), nil
}

func power(_ *budget, x, y Value) (Value, error) {
	f, ok := x.number()
	g, ok2 := y.number()
	if !ok || !ok2 {
		return null, wrongPair("**", x, y)
	}
	return floatValue(math.Pow(f, g))
}

func negate(x Value) (Value, error) {
	switch x.kind {
	case Int:
		if x.int() == math.MinInt64 {
			return null, fail(Overflow, "-(%s) does not fit 64 bits", x.show())
		}
		return intValue(-x.int()), nil
	case Float:
		return floatValue(-x.float())
	case Boxed:
		if d, ok := x.ref.(time.Duration); ok {
			return subtractTimes(boxed(time.Duration(0)), boxed(d))
		}
	}
	return null, fail(WrongType, "- takes a number, not %s", x.typeName())
}

// whole gives an integer, also one that is written as 3.0.
func (v Value) whole() (int64, bool) {
	switch v.kind {
	case Int:
		return v.int(), true
	case Float:
		f := v.float()
		if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
			return int64(f), true
		}
	}
	return 0, false
}

// textStep is how many bytes of text cost a step to look through.
const textStep = 64

// compare orders two numbers, two strings, two times or two durations.
func compare(op string, x, y Value) (int, error) {
	switch {
	case x.kind == Int && y.kind == Int:
		return cmp(x.int(), y.int()), nil
	case x.isNumber() && y.isNumber():
		return compareNumbers(x, y), nil
	case x.isString() && y.isString():
		return strings.Compare(x.string(), y.string()), nil
	}
	if x.kind == Boxed && y.kind == Boxed {
		switch l := x.ref.(type) {
		case time.Time:
			if r, ok := y.ref.(time.Time); ok {
				return l.Compare(r), nil
			}
		case time.Duration:
			if r, ok := y.ref.(time.Duration); ok {
				return cmp(l, r), nil
			}
		}
	}
	return 0, wrongPair(op, x, y)
}

func cmp[T int64 | float64 | time.Duration](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// compareNumbers is exact also where an integer is beyond what a float64 can hold.
func compareNumbers(x, y Value) int {
	if x.kind == Int && y.kind == Int {
		return cmp(x.int(), y.int())
	}
	if x.kind == Float && y.kind == Float {
		return cmp(x.float(), y.float())
	}
	if x.kind == Float {
		return -compareNumbers(y, x)
	}
	i, f := x.int(), y.float()
	if exact := int64(1) << 53; i >= -exact && i <= exact {
		return cmp(float64(i), f)
	}
	return new(big.Float).SetInt64(i).Cmp(big.NewFloat(f))
}

// equal compares by value: 1 and 1.0 are equal, 7 and "7" are not, null equals null only.
func equal(b *budget, x, y Value) (bool, error) {
	switch {
	case x.kind == Int && y.kind == Int, x.kind == Bool && y.kind == Bool:
		return x.bits == y.bits, nil
	case x.kind == String && y.kind == String:
		return x.text == y.text, b.spend(len(x.text)/textStep, 0)
	case x.isString() && y.isString():
		return x.string() == y.string(), b.spend(len(x.text)/textStep, 0)
	case x.isNumber() && y.isNumber():
		return compareNumbers(x, y) == 0, nil
	case x.kind == Null || y.kind == Null:
		return x.kind == y.kind, nil
	case x.kind < Object || y.kind < Object:
		return false, nil
	}
	return equalBoxed(b, x.box(), y.box(), 0)
}

func equalBoxed(b *budget, x, y any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, fail(LimitReached, "a comparison goes deeper than %d", maxDepth)
	}
	if err := b.spend(1, 0); err != nil {
		return false, err
	}
	switch l := x.(type) {
	case []any:
		r, ok := y.([]any)
		if !ok || len(l) != len(r) {
			return false, nil
		}
		for i := range l {
			if same, err := equalBoxed(b, l[i], r[i], depth+1); !same {
				return false, err
			}
		}
		return true, nil
	case map[string]any:
		r, ok := y.(map[string]any)
		if !ok || len(l) != len(r) {
			return false, nil
		}
		for name, value := range l {
			other, ok := r[name]
			if !ok {
				return false, nil
			}
			if same, err := equalBoxed(b, value, other, depth+1); !same {
				return false, err
			}
		}
		return true, nil
	case time.Time:
		r, ok := y.(time.Time)
		return ok && l.Equal(r), nil
	case geo.Point, geo.Pose, time.Duration:
		return x == y, nil
	}
	v, w := unbox(x), unbox(y)
	if v.kind >= Object || w.kind >= Object {
		return false, nil
	}
	return equal(b, v, w)
}

// contained says whether x is an element of a list or a key of an object.
func contained(b *budget, x, in Value) (bool, error) {
	switch in.kind {
	case Array:
		found := false
		var err error
		jsonscan.Each(bytesOf(in.text), func(_ int, s jsonscan.Value) bool {
			if err = b.spend(1, 0); err == nil {
				found, err = equal(b, x, scanned(&s))
			}
			return err == nil && !found
		})
		return found, err
	case Object:
		if !x.isString() {
			return false, fail(WrongType, "the keys of an object are text, not %s", x.typeName())
		}
		return jsonscan.Get(bytesOf(in.text), x.string()).Kind != jsonscan.Missing, nil
	case Boxed:
		switch l := in.ref.(type) {
		case []any:
			for _, element := range l {
				if err := b.spend(1, 0); err != nil {
					return false, err
				}
				if same, err := equal(b, x, unbox(element)); same || err != nil {
					return same, err
				}
			}
			return false, nil
		case map[string]any:
			if !x.isString() {
				return false, fail(WrongType, "the keys of an object are text, not %s", x.typeName())
			}
			_, ok := l[x.string()]
			return ok, nil
		}
	}
	return false, fail(WrongType, "in takes a list or an object on its right, not %s", in.typeName())
}

func wrongPair(op string, x, y Value) error {
	return fail(WrongType, "%s cannot take %s and %s", op, x.typeName(), y.typeName())
}

func overflow(op string, x, y Value) error {
	return fail(Overflow, "%s %s %s does not fit 64 bits", x.show(), op, y.show())
}

// show gives v for the text of an error, in short.
func (v Value) show() string {
	out, err := v.appendJSON(nil, &budget{bytes: maxBytes - 1<<10})
	if err != nil {
		return v.typeName()
	}
	const most = 60
	if len(out) > most {
		return strings.ToValidUTF8(string(out[:most]), "") + "…"
	}
	return string(out)
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
