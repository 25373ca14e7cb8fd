package rules

import (
	"math"
	"math/bits"
)

// The total of integers is exact, in two words of 128 bits; with a float in it, it is a float and what rounding
// has lost (Neumaier's sum).

const isFloatTotal = 1

func (c *cell) addTotal(words []uint64, v *Value) error {
	w := words[c.word : c.word+3 : c.word+3]
	switch v.kind {
	case Int:
		if c.bits.get(words) != isFloatTotal {
			var carry uint64
			w[1], carry = bits.Add64(w[1], v.bits, 0)
			w[2] += uint64(v.int()>>63) + carry
		} else {
			addWhole(w, v.int(), 1)
		}
	case Float:
		if c.bits.get(words) != isFloatTotal {
			c.toFloat(words)
		}
		neumaier(w, v.float())
	default:
		return c.wrong(v)
	}
	w[0]++
	return nil
}

// neumaier adds f to the sum in w[1], and what gets lost by that to w[2].
func neumaier(w []uint64, f float64) {
	sum, lost := math.Float64frombits(w[1]), math.Float64frombits(w[2])
	next := sum + f
	if math.Abs(sum) >= math.Abs(f) {
		lost += (sum - next) + f
	} else {
		lost += (f - next) + sum
	}
	w[1], w[2] = math.Float64bits(next), math.Float64bits(lost)
}

// addWhole adds an integer times a power of two, of which a float64 would not hold all digits.
func addWhole(w []uint64, i int64, scale float64) {
	if i >= -1<<53 && i <= 1<<53 {
		neumaier(w, float64(i)*scale)
		return
	}
	neumaier(w, float64(i>>32)*(1<<32)*scale)
	neumaier(w, float64(i&(1<<32-1))*scale)
}

// toFloat turns a total of integers into one of floats.
func (c *cell) toFloat(words []uint64) {
	w := words[c.word : c.word+3]
	lo, hi := w[1], int64(w[2])
	w[1], w[2] = 0, 0
	addWhole(w, hi, 1<<64)
	addWhole(w, int64(lo>>32), 1<<32)
	addWhole(w, int64(lo&(1<<32-1)), 1)
	c.bits.set(words, isFloatTotal)
}

func (c *cell) mergeTotal(to, of []uint64) {
	w, from := to[c.word:c.word+3], of[c.word:c.word+3]
	var other [3]uint64
	copy(other[:], from)
	switch {
	case c.bits.get(to) != isFloatTotal && c.bits.get(of) != isFloatTotal:
		var carry uint64
		w[1], carry = bits.Add64(w[1], other[1], 0)
		w[2], _ = bits.Add64(w[2], other[2], carry)
	case c.bits.get(of) != isFloatTotal:
		addWhole(w, int64(other[2]), 1<<64)
		addWhole(w, int64(other[1]>>32), 1<<32)
		addWhole(w, int64(other[1]&(1<<32-1)), 1)
	default:
		if c.bits.get(to) != isFloatTotal {
			c.toFloat(to)
		}
		neumaier(w, math.Float64frombits(other[1]))
		neumaier(w, math.Float64frombits(other[2]))
	}
	w[0] += other[0] & counterMask
}

func (c *cell) totalResult(g *aggregation, words []uint64) (Value, error) {
	n := words[c.word] & counterMask
	if n == 0 {
		return null, nil
	}
	lo, hi := words[c.word+1], int64(words[c.word+2])
	var sum float64
	if c.bits.get(words) == isFloatTotal {
		sum = math.Float64frombits(lo) + math.Float64frombits(uint64(hi))
	} else {
		if g.name == "sum" && hi == int64(lo)>>63 {
			return intValue(int64(lo)), nil
		}
		w := [3]uint64{}
		addWhole(w[:], hi, 1<<64)
		addWhole(w[:], int64(lo>>32), 1<<32)
		addWhole(w[:], int64(lo&(1<<32-1)), 1)
		sum = math.Float64frombits(w[1]) + math.Float64frombits(w[2])
	}
	if g.name == "avg" {
		sum /= float64(n)
	}
	return floatValue(sum)
}

// addSpread is Welford's way to the variance: it does not subtract large numbers that are nearly the same.
func (c *cell) addSpread(words []uint64, f float64) {
	w := words[c.word : c.word+3 : c.word+3]
	w[0]++
	n := float64(w[0] & counterMask)
	mean := math.Float64frombits(w[1])
	delta := f - mean
	mean += delta / n
	w[1] = math.Float64bits(mean)
	w[2] = math.Float64bits(math.Float64frombits(w[2]) + delta*(f-mean))
}

// mergeSpread is Chan's way to join two of them.
func (c *cell) mergeSpread(to, of []uint64) {
	w, from := to[c.word:c.word+3], of[c.word:c.word+3]
	count := from[0] & counterMask
	if count == 0 {
		return
	}
	n, m := float64(w[0]&counterMask), float64(count)
	mean, other := math.Float64frombits(w[1]), math.Float64frombits(from[1])
	delta := other - mean
	w[2] = math.Float64bits(math.Float64frombits(w[2]) + math.Float64frombits(from[2]) + delta*delta*n*m/(n+m))
	w[1] = math.Float64bits(mean + delta*m/(n+m))
	w[0] += count
}

func (c *cell) spreadResult(g *aggregation, words []uint64) (Value, error) {
	n := words[c.word] & counterMask
	squares := math.Float64frombits(words[c.word+2])
	population := g.name == "variance_pop" || g.name == "stddev_pop"
	switch {
	case n == 0 || n == 1 && !population:
		return null, nil
	case population:
		squares /= float64(n)
	default:
		squares /= float64(n - 1)
	}
	if g.name == "stddev" || g.name == "stddev_pop" {
		squares = math.Sqrt(squares)
	}
	return floatValue(squares)
}
