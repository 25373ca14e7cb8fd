package rules

import (
	"math"
	"strconv"
)

// round goes to the nearest, and half away from zero: to a whole number, or to some digits after the point,
// before it where they are negative.
func round(_ *scope, args []Value) (Value, error) {
	v, digits := args[0], int64(0)
	if len(args) == 2 {
		var err error
		if digits, err = wholeFrom("round", args[1]); err != nil {
			return null, err
		}
	}
	switch v.kind {
	case Int:
		return roundInt(v, digits)
	case Float:
		if digits == 0 {
			return wholeValue(math.Round(v.float()))
		}
		f := roundFloat(v.float(), digits)
		if digits < 0 || f == 0 { // no -0
			return wholeValue(f)
		}
		return floatValue(f)
	}
	return null, fail(WrongType, "round takes a number, not %s", v.typeName())
}

func roundInt(v Value, digits int64) (Value, error) {
	if digits >= 0 || v.int() == 0 {
		return intValue(v.int()), nil
	}
	if digits < -19 { // 10^20 is more than twice as far as any integer
		return intValue(0), nil
	}
	unit := uint64(1)
	for range -digits {
		unit *= 10
	}
	size := uint64(v.int())
	if v.int() < 0 {
		size = -size
	}
	rest := size % unit
	size -= rest
	if rest >= unit-rest {
		size += unit
	}
	if v.int() < 0 {
		if size > 1<<63 {
			return null, fail(Overflow, "round(%s, %d) does not fit 64 bits", v.show(), digits)
		}
		return intValue(-int64(size)), nil
	}
	if size > math.MaxInt64 {
		return null, fail(Overflow, "round(%s, %d) does not fit 64 bits", v.show(), digits)
	}
	return intValue(int64(size)), nil
}

// tens are the powers of ten that a float64 holds exactly.
var tens = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// roundFloat rounds the decimal number that f is printed as, not the binary one it is: 2.675 to two digits
// is 2.68 for everyone who does not know that it is 2.67499999999999982236431605997495353221893310546875.
func roundFloat(f float64, digits int64) float64 {
	// Most numbers are far enough from a half for plain arithmetic to settle which side they are on. With
	// both terms of the division exact its result is the float64 nearest to the decimal number. That takes 7 ns,
	// going by the printed number 160 ns.
	if digits >= 0 && digits < int64(len(tens)) {
		scaled := math.Abs(f) * tens[digits]
		whole := math.Floor(scaled)
		if scaled < 1<<52 && math.Abs(scaled-whole-0.5) > scaled*0x1p-50 {
			if scaled-whole > 0.5 {
				whole++
			}
			return math.Copysign(whole/tens[digits], f)
		}
	}
	return roundDecimal(f, digits)
}

func roundDecimal(f float64, digits int64) float64 {
	if digits > 400 || f == 0 { // no float64 has as many
		return f
	}
	if digits < -400 {
		return 0
	}
	var buffer [40]byte
	printed := strconv.AppendFloat(buffer[:0], math.Abs(f), 'e', -1, 64) // d.ddde±dd
	var decimal [24]byte
	number := decimal[:0]
	at := 0
	for ; printed[at] != 'e'; at++ {
		if printed[at] != '.' {
			number = append(number, printed[at])
		}
	}
	exponent, _ := strconv.Atoi(string(printed[at+1:]))
	keep := exponent + 1 + int(digits)
	switch {
	case keep >= len(number):
		return f
	case keep < 0:
		return 0
	}
	up := number[keep] >= '5'
	number = number[:keep]
	if up {
		i := keep - 1
		for ; i >= 0 && number[i] == '9'; i-- {
			number[i] = '0'
		}
		if i >= 0 {
			number[i]++
		} else { // 9.99 became 10.0
			number = append(number, '0')
			copy(number[1:], number)
			number[0] = '1'
		}
	}
	if len(number) == 0 {
		return 0
	}
	number = strconv.AppendInt(append(number, 'e'), -digits, 10)
	rounded, _ := strconv.ParseFloat(string(number), 64) // beyond the range it is an infinity, which the caller refuses
	return math.Copysign(rounded, f)
}
