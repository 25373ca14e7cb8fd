package geo

import "math"

// An Affine takes a point to linear part * p + offset. It is a 3x4 matrix, row major:
//
//	x' = a[0]*x + a[1]*y + a[2]*z  + a[3]
//	y' = a[4]*x + a[5]*y + a[6]*z  + a[7]
//	z' = a[8]*x + a[9]*y + a[10]*z + a[11]
//
// PROJ's affine and EPSG's methods 9624 (affine parametric) and 9621 (similarity) are special cases.
type Affine [12]float64

var identity = Affine{0: 1, 5: 1, 10: 1}

// Apply moves a point.
func (a *Affine) Apply(x, y, z float64) (float64, float64, float64) {
	return a[0]*x + a[1]*y + a[2]*z + a[3],
		a[4]*x + a[5]*y + a[6]*z + a[7],
		a[8]*x + a[9]*y + a[10]*z + a[11]
}

// ApplyVector turns and scales a vector: the offset is left out, for a speed has no place.
func (a *Affine) ApplyVector(x, y, z float64) (float64, float64, float64) {
	return a[0]*x + a[1]*y + a[2]*z,
		a[4]*x + a[5]*y + a[6]*z,
		a[8]*x + a[9]*y + a[10]*z
}

// Mul is a after b: it takes p to a(b(p)).
func (a *Affine) Mul(b *Affine) Affine {
	var m Affine
	for r := 0; r < 12; r += 4 {
		for c := range 4 {
			m[r+c] = a[r]*b[c] + a[r+1]*b[4+c] + a[r+2]*b[8+c]
		}
		m[r+3] += a[r+3]
	}
	return m
}

// Inverse is the way back. It is false when there is none that float64 can hold.
func (a *Affine) Inverse() (Affine, bool) {
	// Divided by its largest entry, the matrix can be as small or large as it likes: its determinant neither
	// vanishes nor overflows.
	size := a.largest()
	if size == 0 || !finite(size) {
		return Affine{}, false
	}
	n := *a
	for i := range n {
		n[i] /= size
	}
	c0, c1, c2 := n[5]*n[10]-n[6]*n[9], n[6]*n[8]-n[4]*n[10], n[4]*n[9]-n[5]*n[8]
	det := (n[0]*c0 + n[1]*c1 + n[2]*c2) * size
	m := Affine{
		c0 / det, (n[2]*n[9] - n[1]*n[10]) / det, (n[1]*n[6] - n[2]*n[5]) / det, 0,
		c1 / det, (n[0]*n[10] - n[2]*n[8]) / det, (n[2]*n[4] - n[0]*n[6]) / det, 0,
		c2 / det, (n[1]*n[8] - n[0]*n[9]) / det, (n[0]*n[5] - n[1]*n[4]) / det, 0,
	}
	x, y, z := m.ApplyVector(a[3], a[7], a[11])
	m[3], m[7], m[11] = -x, -y, -z
	return m, m.finite()
}

// condition says how much the linear part can enlarge a relative error, on the way there and back: 1 for a
// rotation, infinite for a matrix that flattens space. It is measured in the largest row sum, which stays
// within a factor of 3 of the usual norm.
func (a *Affine) condition() float64 {
	b, ok := a.Inverse()
	if !ok {
		return math.Inf(1)
	}
	return a.norm() * b.norm()
}

func (a *Affine) norm() float64 {
	n := 0.0
	for r := 0; r < 12; r += 4 {
		n = max(n, math.Abs(a[r])+math.Abs(a[r+1])+math.Abs(a[r+2]))
	}
	return n
}

// largest is the largest entry of the linear part, without its sign.
func (a *Affine) largest() float64 {
	n := 0.0
	for r := 0; r < 12; r += 4 {
		n = max(n, math.Abs(a[r]), math.Abs(a[r+1]), math.Abs(a[r+2]))
	}
	return n
}

// mirrors says whether a makes left-handed what was right-handed.
func (a *Affine) mirrors() bool {
	n, size := *a, a.largest() // near 1, the products below neither vanish nor overflow
	for i := range n {
		n[i] /= size
	}
	return n[0]*(n[5]*n[10]-n[6]*n[9])+n[1]*(n[6]*n[8]-n[4]*n[10])+n[2]*(n[4]*n[9]-n[5]*n[8]) < 0
}

func (a *Affine) finite() bool {
	for _, v := range a {
		if !finite(v) {
			return false
		}
	}
	return true
}

// turn is the orthogonal matrix nearest to the linear part, by polar decomposition: Newton's iteration
// q <- (k q + q^-T / k) / 2 of Higham (1986), where k keeps q and its inverse at one size. For a rotation
// with a scale it is that rotation. It has determinant -1 when a mirrors, and is false when there is none.
func (a *Affine) turn() (Affine, bool) {
	size := a.largest()
	q := Affine{}
	for i := range q {
		if i%4 != 3 {
			q[i] = a[i] / size
		}
	}
	for range 100 {
		b, ok := q.Inverse()
		if !ok {
			return Affine{}, false
		}
		k := math.Sqrt(b.length() / q.length())
		next, moved := Affine{}, 0.0
		for r := range 3 {
			for c := range 3 {
				next[4*r+c] = (k*q[4*r+c] + b[4*c+r]/k) / 2
				moved = max(moved, math.Abs(next[4*r+c]-q[4*r+c]))
			}
		}
		q = next
		if moved < 1e-9 { // each step squares the error
			return q, true
		}
	}
	return Affine{}, false
}

// length is the square root of the sum of the linear part's squares. A matrix and its transpose share it.
func (a *Affine) length() float64 {
	n := 0.0
	for r := 0; r < 12; r += 4 {
		n += a[r]*a[r] + a[r+1]*a[r+1] + a[r+2]*a[r+2]
	}
	return math.Sqrt(n)
}
