package geo

import "math"

// orient says on which side of the line from a to b the point c lies: above zero on the left, below zero on the
// right, zero exactly on it. The sign is that of
//
//	(ax-cx)(by-cy) - (ay-cy)(bx-cx)
//
// without rounding, as long as no product of two coordinates falls below 1e-290 or above 1e300. The fast way and
// its error bound, (3 + 16e)e with e = 2^-53, are of Shewchuk (1997), "Adaptive Precision Floating-Point Arithmetic
// and Fast Robust Geometric Predicates", section 4.3.
func orient(ax, ay, bx, by, cx, cy float64) float64 {
	left, right := float64((ax-cx)*(by-cy)), float64((ay-cy)*(bx-cx)) // not to be fused with what follows
	d := left - right
	if left > 0 && right <= 0 || left < 0 && right >= 0 || left == 0 {
		return d
	}
	if math.Abs(d) >= 3.3306690738754716e-16*(math.Abs(left)+math.Abs(right)) {
		return d
	}
	return orientExact(ax, ay, bx, by, cx, cy)
}

// orientExact adds up ax*by - ay*bx + bx*cy - by*cx + cx*ay - cy*ax as a sum of numbers that do not overlap, which
// holds all its digits. The last number has the sign of all.
func orientExact(ax, ay, bx, by, cx, cy float64) float64 {
	var sum expansion
	sum.addProduct(ax, by)
	sum.addProduct(-ay, bx)
	sum.addProduct(bx, cy)
	sum.addProduct(-by, cx)
	sum.addProduct(cx, ay)
	sum.addProduct(-cy, ax)
	if sum.n == 0 {
		return 0
	}
	return sum.parts[sum.n-1]
}

// An expansion is an exact sum of up to twelve numbers, from small to large.
type expansion struct {
	parts [12]float64
	n     int
}

func (e *expansion) addProduct(a, b float64) {
	p := float64(a * b)
	e.add(math.FMA(a, b, -p)) // what rounding took from p
	e.add(p)
}

// add is Shewchuk's grow-expansion (figure 6), of Knuth's two-sums, that leaves zeros out.
func (e *expansion) add(v float64) {
	k := 0
	for i := range e.n {
		part := e.parts[i]
		s := v + part
		b := s - v
		if lost := (v - (s - b)) + (part - b); lost != 0 {
			e.parts[k] = lost
			k++
		}
		v = s
	}
	if v != 0 {
		e.parts[k] = v
		k++
	}
	e.n = k
}
