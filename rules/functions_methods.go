package rules

import (
	"math"
	"time"
)

// A methodOf is what x.Name(…) does where x is a T.
type methodOf[T any] struct {
	args int
	call func(x T, args []Value) (Value, error)
}

// Names that times and durations share take the same number of arguments in both.
var timeMethods = map[string]methodOf[time.Time]{
	"Year":       intOf(time.Time.Year),
	"Month":      intOf(func(t time.Time) int { return int(t.Month()) }),
	"Day":        intOf(time.Time.Day),
	"Hour":       intOf(time.Time.Hour),
	"Minute":     intOf(time.Time.Minute),
	"Second":     intOf(time.Time.Second),
	"Nanosecond": intOf(time.Time.Nanosecond),
	"Weekday":    intOf(func(t time.Time) int { return int(t.Weekday()) }), // Sunday is 0
	"YearDay":    intOf(time.Time.YearDay),
	"Unix":       intOf(time.Time.Unix),
	"UnixMilli":  intOf(time.Time.UnixMilli),
	"UnixMicro":  intOf(time.Time.UnixMicro),
	"UnixNano":   {0, unixNano},
	"IsZero":     {0, func(t time.Time, _ []Value) (Value, error) { return boolValue(t.IsZero()), nil }},
	"UTC":        {0, func(t time.Time, _ []Value) (Value, error) { return boxed(t.UTC()), nil }},
	"In": {1, func(t time.Time, args []Value) (Value, error) {
		zone, err := zoneFrom("In", args[0])
		if err != nil {
			return null, err
		}
		return boxed(t.In(zone)), nil
	}},
	"Format": {1, func(t time.Time, args []Value) (Value, error) {
		layout, err := shortText("Format", args[0])
		return stringValue(t.Format(layout)), err
	}},
	"Truncate": {1, func(t time.Time, args []Value) (Value, error) {
		d, err := durationFrom("Truncate", args[0])
		return boxed(t.Truncate(d)), err
	}},
	"Add": {1, func(t time.Time, args []Value) (Value, error) {
		d, err := durationFrom("Add", args[0])
		if err != nil {
			return null, err
		}
		return inCalendar(t.Add(d))
	}},
	"AddDate": {3, addDate},
	"Sub":     {1, timeSince},
	"Before":  moments("Before", time.Time.Before),
	"After":   moments("After", time.Time.After),
	"Equal":   moments("Equal", time.Time.Equal),
}

var durationMethods = map[string]methodOf[time.Duration]{
	"Hours":        floatOf(time.Duration.Hours),
	"Minutes":      floatOf(time.Duration.Minutes),
	"Seconds":      floatOf(time.Duration.Seconds),
	"Milliseconds": intOf(time.Duration.Milliseconds),
	"Microseconds": intOf(time.Duration.Microseconds),
	"Nanoseconds":  intOf(time.Duration.Nanoseconds),
	"String":       {0, func(d time.Duration, _ []Value) (Value, error) { return stringValue(d.String()), nil }},
	"Abs":          {0, func(d time.Duration, _ []Value) (Value, error) { return boxed(d.Abs()), nil }},
	"Round":        spans("Round", time.Duration.Round),
	"Truncate":     spans("Truncate", time.Duration.Truncate),
}

func knownMethod(name string) bool { return methodArguments(name) >= 0 }

// methodArguments says how many arguments a method takes, -1 if there is none of that name.
func methodArguments(name string) int {
	if m, ok := timeMethods[name]; ok {
		return m.args
	}
	if m, ok := durationMethods[name]; ok {
		return m.args
	}
	return -1
}

// method calls v.name(args…).
func method(v Value, name string, args []Value) (Value, error) {
	if n := methodArguments(name); n >= 0 && n != len(args) {
		return null, fail(WrongType, "%s takes %s, not %d", name, plural(n, "argument"), len(args))
	}
	switch x := v.ref.(type) {
	case time.Time:
		if m, ok := timeMethods[name]; ok {
			return m.call(x, args)
		}
	case time.Duration:
		if m, ok := durationMethods[name]; ok {
			return m.call(x, args)
		}
	}
	return null, fail(WrongType, "%s has no method %s", v.typeName(), name)
}

func intOf[T any, I int | int64](of func(T) I) methodOf[T] {
	return methodOf[T]{0, func(x T, _ []Value) (Value, error) { return intValue(int64(of(x))), nil }}
}

func floatOf[T any](of func(T) float64) methodOf[T] {
	return methodOf[T]{0, func(x T, _ []Value) (Value, error) { return floatValue(of(x)) }}
}

func moments(name string, holds func(t, u time.Time) bool) methodOf[time.Time] {
	return methodOf[time.Time]{1, func(t time.Time, args []Value) (Value, error) {
		u, err := timeFrom(name, args[0])
		return boolValue(holds(t, u)), err
	}}
}

func spans(name string, of func(d, unit time.Duration) time.Duration) methodOf[time.Duration] {
	return methodOf[time.Duration]{1, func(d time.Duration, args []Value) (Value, error) {
		unit, err := durationFrom(name, args[0])
		return boxed(of(d, unit)), err
	}}
}

func unixNano(t time.Time, _ []Value) (Value, error) {
	nanos := t.UnixNano() // wraps where an int64 of nanoseconds does not reach
	if !time.Unix(0, nanos).Equal(t) {
		return null, fail(Overflow, "UnixNano of %s does not fit 64 bits", t.Format(time.RFC3339))
	}
	return intValue(nanos), nil
}

func addDate(t time.Time, args []Value) (Value, error) {
	var n [3]int
	for i, arg := range args {
		whole, err := wholeFrom("AddDate", arg)
		if err != nil {
			return null, err
		}
		const most = 10_000 * 366 // days of all years there are
		if whole > most || whole < -most {
			return null, fail(Overflow, "AddDate cannot go as far as %d", whole)
		}
		n[i] = int(whole)
	}
	return inCalendar(t.AddDate(n[0], n[1], n[2]))
}

func timeSince(t time.Time, args []Value) (Value, error) {
	u, err := timeFrom("Sub", args[0])
	if err != nil {
		return null, err
	}
	return spanBetween(t, u)
}

// spanBetween is the span between two times; Go gives the longest there is where it is longer.
func spanBetween(t, u time.Time) (Value, error) {
	d := t.Sub(u)
	if !u.Add(d).Equal(t) {
		return null, fail(Overflow, "more than 292 years lie between %s and %s", t.Format(time.RFC3339), u.Format(time.RFC3339))
	}
	return boxed(d), nil
}

// addTimes is + of times and durations. What is beyond either is an error, as it is of whole numbers.
func addTimes(x, y Value) (Value, error) {
	t, isTime := x.ref.(time.Time)
	u, isTime2 := y.ref.(time.Time)
	d, isSpan := x.ref.(time.Duration)
	e, isSpan2 := y.ref.(time.Duration)
	switch {
	case isTime && isSpan2:
		return inCalendar(t.Add(e))
	case isSpan && isTime2:
		return inCalendar(u.Add(d))
	case isSpan && isSpan2:
		if sum := d + e; (sum > d) == (e > 0) {
			return boxed(sum), nil
		}
		return null, fail(Overflow, "%s + %s is more than 292 years", d, e)
	}
	return null, wrongPair("+", x, y)
}

// subtractTimes is - of times and durations.
func subtractTimes(x, y Value) (Value, error) {
	t, isTime := x.ref.(time.Time)
	u, isTime2 := y.ref.(time.Time)
	d, isSpan := x.ref.(time.Duration)
	e, isSpan2 := y.ref.(time.Duration)
	switch {
	case isTime && isTime2:
		return spanBetween(t, u)
	case isTime && isSpan2:
		if e == math.MinInt64 {
			return null, fail(Overflow, "- of %s does not fit 64 bits", e)
		}
		return inCalendar(t.Add(-e))
	case isSpan && isSpan2:
		if difference := d - e; (difference < d) == (e > 0) {
			return boxed(difference), nil
		}
		return null, fail(Overflow, "%s - %s is more than 292 years", d, e)
	}
	return null, wrongPair("-", x, y)
}
