package rules

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestNumberFunctions(t *testing.T) {
	check(t, []example{
		{"abs", `[-5]`, `5`},
		{"abs", `[-2.5]`, `2.5`},
		{"abs", `[-9223372036854775807]`, `9223372036854775807`},
		{"abs", `[-9223372036854775808]`, "!overflow"},
		{"abs", `["5"]`, "!wrong_type"},
		{"ceil", `[1.2]`, `2`},
		{"ceil", `[-0.5]`, `0`},
		{"floor", `[-1.2]`, `-2`},
		{"floor", `[1732270000123.9]`, `1732270000123`},
		{"floor", `[9007199254740993]`, `9007199254740993`},
		{"floor", `[1e300]`, `1e+300`},
		{"floor", `[true]`, "!wrong_type"},
		{"int", `[3.99]`, `3`},
		{"int", `[-3.99]`, `-3`},
		{"int", `["4294967296"]`, `4294967296`},
		{"int", `["-7"]`, `-7`},
		{"int", `["9223372036854775808"]`, "!overflow"},
		{"int", `[9223372036854775808]`, "!overflow"},
		{"int", `["1_000"]`, "!wrong_type"},
		{"int", `["0x10"]`, "!wrong_type"},
		{"int", `["3.7"]`, "!wrong_type"},
		{"int", `[" 3"]`, "!wrong_type"},
		{"int", `[""]`, "!wrong_type"},
		{"int", `[true]`, "!wrong_type"},
		{"float", `["2.5e3"]`, `2500`},
		{"float", `[7]`, `7`},
		{"float", `["1e999"]`, "!overflow"},
		{"float", `["inf"]`, "!wrong_type"},
		{"float", `["nan"]`, "!wrong_type"},
		{"float", `["0x1p-2"]`, "!wrong_type"},
		{"float", `["1e"]`, "!wrong_type"},
		{"float", `[[]]`, "!wrong_type"},
		{"bitand", `[4294967299,4294967297]`, `4294967297`},
		{"bitor", `[8,1]`, `9`},
		{"bitxor", `[6,3]`, `5`},
		{"bitnand", `[7,2]`, `5`},
		{"bitnot", `[0]`, `-1`},
		{"bitnot", `[0.5]`, "!wrong_type"},
		{"bitshl", `[1,40]`, `1099511627776`},
		{"bitshl", `[1,64]`, `0`},
		{"bitshr", `[-8,1]`, `-4`},
		{"bitshr", `[-8,9223372036854775807]`, `-1`},
		{"bitushr", `[-1,60]`, `15`},
		{"bitshl", `[1,-1]`, "!wrong_type"},
		{"bitand", `[1.5,1]`, "!wrong_type"},
		{"bitand", `[1,"1"]`, "!wrong_type"},
		{"sqrt", `[2.25]`, `1.5`},
		{"sqrt", `[-1]`, "!not_finite"},
		{"log", `[0]`, "!not_finite"},
		{"log10", `[1000]`, `3`},
		{"exp", `[1000]`, "!not_finite"},
		{"exp", `[0]`, `1`},
		{"sin", `[0]`, `0`},
		{"cos", `[0]`, `1`},
		{"tan", `[0]`, `0`},
		{"asin", `[2]`, "!not_finite"},
		{"acos", `[1]`, `0`},
		{"atan", `[0]`, `0`},
		{"atan2", `[0,1]`, `0`},
		{"hypot", `[3,4]`, `5`},
		{"pow", `[2,10]`, `1024`},
		{"pow", `[0,-1]`, "!not_finite"},
		{"radians", `[180]`, `3.141592653589793`},
		{"degrees", `[0]`, `0`},
		{"pi", `[]`, `3.141592653589793`},
		{"sin", `["0"]`, "!wrong_type"},
		{"atan2", `[1,"0"]`, "!wrong_type"},
	})
}

func TestNumberFunctionsOfLists(t *testing.T) {
	check(t, []example{
		{"sum", `[[1,2,3]]`, `6`},
		{"sum", `[[4294967296,4294967296]]`, `8589934592`},
		{"sum", `[[1,0.5]]`, `1.5`},
		{"sum", `[[]]`, `0`},
		{"sum", `[[9223372036854775807,1]]`, "!overflow"},
		{"sum", `[[1e308,1e308]]`, "!not_finite"},
		{"sum", `[[1,"2"]]`, "!wrong_type"},
		{"sum", `[["a","b"]]`, "!wrong_type"},
		{"sum", `[[1,null]]`, "!wrong_type"},
		{"sum", `[[[1]]]`, "!wrong_type"},
		{"sum", `[5]`, "!wrong_type"},
		{"mean", `[[1,2]]`, `1.5`},
		{"mean", `[[]]`, `null`},
		{"mean", `[[1,true]]`, "!wrong_type"},
		{"mean", `[3]`, "!wrong_type"},
		{"median", `[[5,1,3]]`, `3`},
		{"median", `[[4,1,3,2]]`, `2.5`},
		{"median", `[[9007199254740993,0,9223372036854775807]]`, `9007199254740993`},
		{"median", `[[]]`, `null`},
		{"median", `["a"]`, "!wrong_type"},
		{"min", `[[3,1.5,2]]`, `1.5`},
		{"min", `[3,-1,2]`, `-1`},
		{"max", `[[9007199254740992,9007199254740993]]`, `9007199254740993`},
		{"max", `[1,2.5]`, `2.5`},
		{"max", `[["a","b"]]`, `"b"`},
		{"max", `[[]]`, `null`},
		{"min", `[5]`, "!wrong_type"},
		{"min", `[[1,"a"]]`, "!wrong_type"},
		{"min", `[[true]]`, "!wrong_type"},
		{"min", `[[1,null]]`, "!wrong_type"},
		{"min", `[[1],2]`, "!wrong_type"},
	})
	limited(t, "sum", many(maxSteps+1, func(i int) any { return int64(1) }))
	limited(t, "median", many(300_000, func(i int) any { return int64(i) }))
	limited(t, "max", many(100_000, func(i int) any { return longText }))
}

func TestRound(t *testing.T) {
	check(t, []example{
		{"round", `[2.5]`, `3`},
		{"round", `[-2.5]`, `-3`},
		{"round", `[-0.4]`, `0`},
		{"round", `[7]`, `7`},
		{"round", `[4294967296.5]`, `4294967297`},
		{"round", `[1e300]`, `1e+300`},
		{"round", `[2.675,2]`, `2.68`},
		{"round", `[1.005,2]`, `1.01`},
		{"round", `[-1.005,2]`, `-1.01`},
		{"round", `[0.285,2]`, `0.29`},
		{"round", `[1.0049999999,2]`, `1`},
		{"round", `[9.995,2]`, `10`},
		{"round", `[0.05,1]`, `0.1`},
		{"round", `[0.04,1]`, `0`},
		{"round", `[-0.04,1]`, `0`},
		{"round", `[1.5,400]`, `1.5`},
		{"round", `[1.5,9223372036854775807]`, `1.5`},
		{"round", `[1.5,-9223372036854775808]`, `0`},
		{"round", `[0.1234567890123456,15]`, `0.123456789012346`},
		{"round", `[4e-320,319]`, `0`},
		{"round", `[1.5e-30,30]`, `2e-30`},
		{"round", `[1234.5,-2]`, `1200`},
		{"round", `[1250.0,-2]`, `1300`},
		{"round", `[600.5,-3]`, `1000`},
		{"round", `[400.5,-3]`, `0`},
		{"round", `[1.7e308,-308]`, "!not_finite"},
		{"round", `[1250,-2]`, `1300`},
		{"round", `[-1250,-2]`, `-1300`},
		{"round", `[1249,-2]`, `1200`},
		{"round", `[1249,2]`, `1249`},
		{"round", `[5,-1]`, `10`},
		{"round", `[4,-1]`, `0`},
		{"round", `[9223372036854775807,-1]`, "!overflow"},
		{"round", `[-9223372036854775808,-1]`, "!overflow"},
		{"round", `[-9223372036854775808,-3]`, "!overflow"},
		{"round", `[-9223372036854775808,-2]`, `-9223372036854775800`},
		{"round", `[4999999999999999999,-19]`, `0`},
		{"round", `[5000000000000000000,-19]`, "!overflow"},
		{"round", `[9223372036854775807,-20]`, `0`},
		{"round", `[1,1.5]`, "!wrong_type"},
		{"round", `[1,"2"]`, "!wrong_type"},
		{"round", `["1",2]`, "!wrong_type"},
		{"round", `[[1]]`, "!wrong_type"},
	})
}

// TestRoundIsDecimal holds both ways of rounding against exact arithmetic on the printed number.
func TestRoundIsDecimal(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		digits := int64(r.IntN(26) - 4)
		f := (r.Float64() - 0.5) * math.Pow10(r.IntN(18)-6)
		if r.IntN(2) == 0 { // halves, where it matters
			f = (math.Trunc(f*1000) + 0.5) / math.Pow10(r.IntN(8))
		}
		want := roundExactly(t, f, digits)
		if got := roundFloat(f, digits); got != want {
			t.Errorf("roundFloat(%v, %d) = %v, want %v", f, digits, got, want)
		}
		if got := roundDecimal(f, digits); got != want {
			t.Errorf("roundDecimal(%v, %d) = %v, want %v", f, digits, got, want)
		}
	}
}

func roundExactly(t *testing.T, f float64, digits int64) float64 {
	t.Helper()
	number, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		t.Fatalf("%v is no number", f)
	}
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(digits, -digits)), nil))
	if digits < 0 {
		unit.Inv(unit)
	}
	scaled := number.Mul(number, unit)
	half := big.NewRat(int64(scaled.Sign()), 2)
	scaled.Add(scaled, half)
	whole := new(big.Int).Quo(scaled.Num(), scaled.Denom()) // towards zero
	rounded, _ := new(big.Rat).Quo(new(big.Rat).SetInt(whole), unit).Float64()
	return rounded
}

// Measured on one core: 7 ns where arithmetic settles it, 160 ns where the printed number has to.
func BenchmarkRound(b *testing.B) {
	for name, f := range map[string]float64{"plain": 12.345678, "half": 12.3455} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				roundFloat(f, 3)
			}
		})
	}
}
