package rules

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
)

// numberFunctions compute. Whole numbers stay whole 64-bit integers wherever the result is one.
var numberFunctions = byName(
	&function{name: "abs", min: 1, max: 1, call: abs},
	wholeNumber("ceil", math.Ceil),
	wholeNumber("floor", math.Floor),
	&function{name: "round", min: 1, max: 2, call: round},
	&function{name: "int", min: 1, max: 1, call: toInt},
	&function{name: "float", min: 1, max: 1, call: toFloat},

	&function{name: "sum", min: 1, max: 1, call: sum},
	&function{name: "mean", min: 1, max: 1, call: mean},
	&function{name: "median", min: 1, max: 1, call: median},
	extreme("min", -1),
	extreme("max", 1),

	onBits("bitand", func(x, y int64) int64 { return x & y }),
	onBits("bitor", func(x, y int64) int64 { return x | y }),
	onBits("bitxor", func(x, y int64) int64 { return x ^ y }),
	onBits("bitnand", func(x, y int64) int64 { return x &^ y }), // expr's name for and-not
	shift("bitshl", func(x int64, n uint64) int64 { return x << n }),
	shift("bitshr", func(x int64, n uint64) int64 { return x >> n }),
	shift("bitushr", func(x int64, n uint64) int64 { return int64(uint64(x) >> n) }),
	&function{name: "bitnot", min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) {
		i, err := wholeFrom("bitnot", args[0])
		return intValue(^i), err
	}},

	&function{name: "pi", call: func(*scope, []Value) (Value, error) { return floatValue(math.Pi) }},
	real1("sqrt", math.Sqrt),
	real1("exp", math.Exp),
	real1("log", math.Log),
	real1("log10", math.Log10),
	real1("sin", math.Sin),
	real1("cos", math.Cos),
	real1("tan", math.Tan),
	real1("asin", math.Asin),
	real1("acos", math.Acos),
	real1("atan", math.Atan),
	real1("radians", func(x float64) float64 { return x / 180 * math.Pi }),
	real1("degrees", func(x float64) float64 { return x / math.Pi * 180 }),
	real2("pow", math.Pow),
	real2("atan2", math.Atan2),
	real2("hypot", math.Hypot),
)

func numberFrom(name string, v Value) (float64, error) {
	f, ok := v.number()
	if !ok {
		return 0, fail(WrongType, "%s takes a number, not %s", name, v.typeName())
	}
	return f, nil
}

func real1(name string, of func(float64) float64) *function {
	return &function{name: name, min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) {
		x, err := numberFrom(name, args[0])
		if err != nil {
			return null, err
		}
		return finite(name, of(x), args)
	}}
}

func real2(name string, of func(x, y float64) float64) *function {
	return &function{name: name, min: 2, max: 2, call: func(_ *scope, args []Value) (Value, error) {
		x, err := numberFrom(name, args[0])
		if err != nil {
			return null, err
		}
		y, err := numberFrom(name, args[1])
		if err != nil {
			return null, err
		}
		return finite(name, of(x, y), args)
	}}
}

// finite refuses a result that is no number, and says what it came from.
func finite(name string, f float64, args []Value) (Value, error) {
	v, err := floatValue(f)
	if err == nil {
		return v, nil
	}
	shown := make([]string, len(args))
	for i, arg := range args {
		shown[i] = arg.show()
	}
	return null, fail(NotFinite, "%s(%s) is not a finite number", name, strings.Join(shown, ", "))
}

func onBits(name string, of func(x, y int64) int64) *function {
	return &function{name: name, min: 2, max: 2, call: func(_ *scope, args []Value) (Value, error) {
		x, err := wholeFrom(name, args[0])
		if err != nil {
			return null, err
		}
		y, err := wholeFrom(name, args[1])
		return intValue(of(x, y)), err
	}}
}

func shift(name string, of func(x int64, n uint64) int64) *function {
	return &function{name: name, min: 2, max: 2, call: func(_ *scope, args []Value) (Value, error) {
		x, err := wholeFrom(name, args[0])
		if err != nil {
			return null, err
		}
		n, err := wholeFrom(name, args[1])
		if err != nil {
			return null, err
		}
		if n < 0 {
			return null, fail(WrongType, "%s shifts by 0 bits or more, not by %d", name, n)
		}
		return intValue(of(x, uint64(n))), nil
	}}
}

func abs(_ *scope, args []Value) (Value, error) {
	v := args[0]
	switch v.kind {
	case Int:
		if v.int() >= 0 {
			return intValue(v.int()), nil // without its digits as received: -0 is 0
		}
		if v.int() == math.MinInt64 {
			return null, fail(Overflow, "abs(%s) does not fit 64 bits", v.show())
		}
		return intValue(-v.int()), nil
	case Float:
		return floatValue(math.Abs(v.float()))
	}
	return null, fail(WrongType, "abs takes a number, not %s", v.typeName())
}

func wholeNumber(name string, of func(float64) float64) *function {
	return &function{name: name, min: 1, max: 1, call: func(_ *scope, args []Value) (Value, error) {
		if args[0].kind == Int {
			return intValue(args[0].int()), nil
		}
		f, err := numberFrom(name, args[0])
		if err != nil {
			return null, err
		}
		return wholeValue(of(f))
	}}
}

// wholeValue makes an integer of a float without a fraction, where it fits.
func wholeValue(f float64) (Value, error) {
	if f >= -1<<63 && f < 1<<63 {
		return intValue(int64(f)), nil
	}
	return floatValue(f)
}

func toInt(c *scope, args []Value) (Value, error) {
	v := args[0]
	switch v.kind {
	case Int:
		return intValue(v.int()), nil
	case Float:
		f := math.Trunc(v.float())
		if f >= -1<<63 && f < 1<<63 {
			return intValue(int64(f)), nil
		}
		return null, fail(Overflow, "int(%s) does not fit 64 bits", v.show())
	case String, Escaped:
		s, err := textFrom(c, "int", v)
		if err != nil {
			return null, err
		}
		i, err := strconv.ParseInt(s, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return null, fail(Overflow, "int(%s) does not fit 64 bits", v.show())
		}
		if err != nil {
			return null, fail(WrongType, "int takes the text of a whole number, not %s", v.show())
		}
		return intValue(i), nil
	}
	return null, fail(WrongType, "int takes a number or text, not %s", v.typeName())
}

func toFloat(c *scope, args []Value) (Value, error) {
	v := args[0]
	switch v.kind {
	case Int, Float:
		f, _ := v.number()
		return floatValue(f)
	case String, Escaped:
		s, err := textFrom(c, "float", v)
		if err != nil {
			return null, err
		}
		f, err := strconv.ParseFloat(s, 64)
		// Go also reads inf, nan, 0x1p-2 and the like, which are no numbers of JSON.
		if strings.Trim(s, "0123456789+-.eE") != "" || err != nil && !errors.Is(err, strconv.ErrRange) {
			return null, fail(WrongType, "float takes the text of a number, not %s", v.show())
		}
		if err != nil {
			return null, fail(Overflow, "float(%s) does not fit a 64-bit float", v.show())
		}
		return floatValue(f)
	}
	return null, fail(WrongType, "float takes a number or text, not %s", v.typeName())
}

// numbersOf calls f for each element of a list of numbers.
func numbersOf(c *scope, name string, list Value, f func(v Value) error) error {
	return eachOf(c, name, list, func(i int, v Value) error {
		if !v.isNumber() {
			return wrongElement(name, "numbers", i, v)
		}
		return f(v)
	})
}

func sum(c *scope, args []Value) (Value, error) {
	total := intValue(0)
	err := numbersOf(c, "sum", args[0], func(v Value) error {
		var err error
		total, err = add(&c.budget, total, v)
		return err
	})
	return total, err
}

// mean is null over nothing, as avg is in aggregate: an average of 0 would be a measurement nobody made.
func mean(c *scope, args []Value) (Value, error) {
	total, n := 0.0, 0
	err := numbersOf(c, "mean", args[0], func(v Value) error {
		f, _ := v.number()
		total += f
		n++
		return nil
	})
	if err != nil || n == 0 {
		return null, err
	}
	return floatValue(total / float64(n))
}

// median is the mean of the two in the middle where the number of elements is even, and null over nothing.
func median(c *scope, args []Value) (Value, error) {
	var list []Value
	err := numbersOf(c, "median", args[0], func(v Value) error {
		list = append(list, v)
		return nil
	})
	if err == nil {
		err = spendSort(c, len(list))
	}
	if err != nil || len(list) == 0 {
		return null, err
	}
	slices.SortFunc(list, func(x, y Value) int {
		order, _ := compare("median", x, y) // numbers always have one
		return order
	})
	upper := list[len(list)/2]
	if len(list)%2 == 1 {
		return upper, nil
	}
	f, _ := list[len(list)/2-1].number()
	g, _ := upper.number()
	return floatValue((f + g) / 2)
}

// extreme is min or max: of a list, or of two or more values. It orders all that < orders. Of an empty list
// it is null.
func extreme(name string, sign int) *function {
	return &function{name: name, min: 1, max: -1, call: func(c *scope, args []Value) (Value, error) {
		best, found := null, false
		consider := func(i int, v Value) error {
			if v.isNull() {
				return wrongElement(name, "numbers, text or times", i, v)
			}
			if !found {
				// Holding the first against itself refuses what has no order.
				best, found = v, true
			}
			order, err := compare(name, v, best)
			if order*sign > 0 {
				best = v
			}
			return err
		}
		if len(args) == 1 {
			err := eachOf(c, name, args[0], consider)
			return best, err
		}
		for i, arg := range args {
			if err := c.budget.spend(1+reading(len(arg.text)), 0); err != nil {
				return null, err
			}
			if err := consider(i, arg); err != nil {
				return null, err
			}
		}
		return best, nil
	}}
}
