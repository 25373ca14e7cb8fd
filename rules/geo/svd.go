package geo

import "math"

// A decomposition is the singular value decomposition of a matrix of n rows and 2 or 3 columns, A = U S V^T.
type decomposition struct {
	us [][3]float64  // U S, a row for each of A
	s  [3]float64    // the largest first
	v  [3][3]float64 // the columns of V
}

// decompose turns pairs of columns of A until all are at right angles (one-sided Jacobi: Hestenes 1958). Small
// singular values come out with as many digits as large ones (Demmel and Veselić 1992). A is left as it is.
func decompose(a [][3]float64, columns int) decomposition {
	d := decomposition{us: make([][3]float64, len(a)), v: [3][3]float64{{1}, {0, 1}, {0, 0, 1}}}
	copy(d.us, a)
	const most = 60 // sweeps; some six do
	for turned, sweep := true, 0; turned && sweep < most; sweep++ {
		turned = false
		for p := range columns {
			for q := p + 1; q < columns; q++ {
				turned = d.turn(p, q) || turned
			}
		}
	}
	for k := range columns {
		d.s[k] = d.norm(k)
	}
	for p := range columns { // sort
		for q := p + 1; q < columns; q++ {
			if d.s[q] > d.s[p] {
				d.s[p], d.s[q] = d.s[q], d.s[p]
				d.v[p], d.v[q] = d.v[q], d.v[p]
				for i := range d.us {
					d.us[i][p], d.us[i][q] = d.us[i][q], d.us[i][p]
				}
			}
		}
	}
	return d
}

// turn makes columns p and q orthogonal. It is false where they are.
func (d *decomposition) turn(p, q int) bool {
	pp, qq, pq := 0.0, 0.0, 0.0
	for _, r := range d.us {
		pp += r[p] * r[p]
		qq += r[q] * r[q]
		pq += r[p] * r[q]
	}
	if !(math.Abs(pq) > 1e-15*math.Sqrt(pp)*math.Sqrt(qq)) {
		return false
	}
	zeta := (qq - pp) / (2 * pq)
	t := math.Copysign(1/(math.Abs(zeta)+math.Hypot(1, zeta)), zeta)
	c := 1 / math.Hypot(1, t)
	s := c * t
	for i := range d.us {
		r := &d.us[i]
		r[p], r[q] = c*r[p]-s*r[q], s*r[p]+c*r[q]
	}
	for i := range 3 {
		d.v[p][i], d.v[q][i] = c*d.v[p][i]-s*d.v[q][i], s*d.v[p][i]+c*d.v[q][i]
	}
	return true
}

func (d *decomposition) norm(k int) float64 {
	n := 0.0
	for _, r := range d.us {
		n = math.Hypot(n, r[k])
	}
	return n
}

// column is one of U, of a matrix of three rows.
func (d *decomposition) column(k int) (u [3]float64) {
	for i := range u {
		u[i] = d.us[i][k] / d.s[k]
	}
	return u
}

func cross3(a, b [3]float64) [3]float64 {
	return [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

func det3(m [3][3]float64) float64 {
	c := cross3(m[1], m[2])
	return m[0][0]*c[0] + m[0][1]*c[1] + m[0][2]*c[2]
}
