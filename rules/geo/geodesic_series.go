package geo

import "math"

// The series of Karney (2013) to order 6, ported from GeographicLib: see geodesic.go for its licence.

// A geodesicEllipsoid is what the series need of the ellipsoid.
type geodesicEllipsoid struct {
	f, f1, n, ep2, b float64
	etol2            float64 // the spherical arc below which a line is "really short"
	a3               [6]float64
	c3               [15]float64
}

var geod = newGeodesicEllipsoid(1 / 298.257223563)

// tiny is the square root of the smallest normal number.
var tiny = math.Sqrt(math.SmallestNonzeroFloat64 / epsilon)

const (
	epsilon  = 1.0 / (1 << 52)
	tol0     = epsilon
	tol1     = 200 * tol0
	tol2     = 1.0 / (1 << 26) // square root of epsilon
	xThresh  = 1000 * tol2
	maxIt1   = 20
	maxIt2   = maxIt1 + 53 + 10
	wgs84SMA = 6378137.0
)

func newGeodesicEllipsoid(f float64) *geodesicEllipsoid {
	g := &geodesicEllipsoid{f: f, f1: 1 - f, n: f / (2 - f)}
	e2 := f * (2 - f)
	g.ep2 = e2 / (g.f1 * g.f1)
	g.b = wgs84SMA * g.f1
	// With the auxiliary sphere taken at the mean of the latitudes, the relative error in the azimuth consistency check
	// is sig12^2 |f| min(1, 1-f/2) / 2. Setting this equal to epsilon gives sig12 = etol2; 0.1 is for safety.
	g.etol2 = 0.1 * tol2 / math.Sqrt(max(0.001, f)*min(1, 1-f/2)/2)

	a3 := [6][]float64{ // of eps^5 to eps^0: a polynomial in n, and its divisor
		{-3, 128}, {-2, -3, 64}, {-1, -3, -1, 16}, {3, -1, -2, 8}, {1, -1, 2}, {1, 1},
	}
	for i, c := range a3 {
		g.a3[i] = polynomial(c[:len(c)-1], g.n) / c[len(c)-1]
	}
	c3 := [15][]float64{
		{3, 128}, {2, 5, 128}, {-1, 3, 3, 64}, {-1, 0, 1, 8}, {-1, 1, 4}, // C3[1] of eps^5 to eps^1
		{5, 256}, {1, 3, 128}, {-3, -2, 3, 64}, {1, -3, 2, 32}, // C3[2] of eps^5 to eps^2
		{7, 512}, {-10, 9, 384}, {5, -9, 5, 192}, // C3[3]
		{7, 512}, {-14, 7, 512}, // C3[4]
		{21, 2560}, // C3[5]
	}
	for i, c := range c3 {
		g.c3[i] = polynomial(c[:len(c)-1], g.n) / c[len(c)-1]
	}
	return g
}

// polynomial has its leading coefficient first.
func polynomial(c []float64, x float64) float64 {
	y := 0.0
	for _, v := range c {
		y = y*x + v
	}
	return y
}

// sineSeries sums c[i] sin(2 i x) for i from 1 by the recurrence of Clenshaw; c[0] is not used.
func sineSeries(sin, cos float64, c []float64) float64 {
	k := len(c)
	n := k - 1
	ar := 2 * (cos - sin) * (cos + sin) // 2 cos(2x)
	y0, y1 := 0.0, 0.0
	if n&1 == 1 {
		k--
		y0 = c[k]
	}
	for n /= 2; n > 0; n-- {
		k -= 2
		y1 = ar*y0 - y1 + c[k+1]
		y0 = ar*y1 - y0 + c[k]
	}
	return 2 * sin * cos * y0
}

// a1m1 is A1 - 1, the scale of the distance integral I1.
func a1m1(eps float64) float64 {
	e2 := eps * eps
	t := e2 * (e2*(e2+4) + 64) / 256
	return (t + eps) / (1 - eps)
}

// c1 has the coefficients of the Fourier series of I1.
func c1(eps float64) (c [7]float64) {
	e2 := eps * eps
	d := eps
	c[1] = d * ((6-e2)*e2 - 16) / 32
	d *= eps
	c[2] = d * ((64-9*e2)*e2 - 128) / 2048
	d *= eps
	c[3] = d * (9*e2 - 16) / 768
	d *= eps
	c[4] = d * (3*e2 - 5) / 512
	d *= eps
	c[5] = -7 * d / 1280
	d *= eps
	c[6] = -7 * d / 2048
	return c
}

// c1p has the coefficients of the reverted series of I1.
func c1p(eps float64) (c [7]float64) {
	e2 := eps * eps
	d := eps
	c[1] = d * (e2*(205*e2-432) + 768) / 1536
	d *= eps
	c[2] = d * (e2*(4005*e2-4736) + 3840) / 12288
	d *= eps
	c[3] = d * (116 - 225*e2) / 384
	d *= eps
	c[4] = d * (2695 - 7173*e2) / 7680
	d *= eps
	c[5] = 3467 * d / 7680
	d *= eps
	c[6] = 38081 * d / 61440
	return c
}

// a2m1 is A2 - 1, the scale of I2, which reduced lengths need.
func a2m1(eps float64) float64 {
	e2 := eps * eps
	t := e2 * (e2*(-11*e2-28) - 192) / 256
	return (t - eps) / (1 + eps)
}

// c2 has the coefficients of I2.
func c2(eps float64) (c [7]float64) {
	e2 := eps * eps
	d := eps
	c[1] = d * (e2*(e2+2) + 16) / 32
	d *= eps
	c[2] = d * (e2*(35*e2+64) + 384) / 2048
	d *= eps
	c[3] = d * (15*e2 + 80) / 768
	d *= eps
	c[4] = d * (7*e2 + 35) / 512
	d *= eps
	c[5] = 63 * d / 1280
	d *= eps
	c[6] = 77 * d / 2048
	return c
}

// scale3 is A3, the scale of the longitude integral I3.
func (g *geodesicEllipsoid) scale3(eps float64) float64 { return polynomial(g.a3[:], eps) }

// series3 has the coefficients of I3.
func (g *geodesicEllipsoid) series3(eps float64) (c [6]float64) {
	mult := 1.0
	rest := g.c3[:]
	for l := 1; l < 6; l++ {
		mult *= eps
		c[l] = mult * polynomial(rest[:6-l], eps)
		rest = rest[6-l:]
	}
	return c
}

// distanceB is the distance between two points of a geodesic, divided by b.
func distanceB(eps, sig12, ssig1, csig1, ssig2, csig2 float64) float64 {
	c := c1(eps)
	return (1 + a1m1(eps)) * (sig12 + (sineSeries(ssig2, csig2, c[:]) - sineSeries(ssig1, csig1, c[:])))
}

// reducedLengthB is the reduced length between two points of a geodesic, divided by b.
func reducedLengthB(eps, sig12, ssig1, csig1, dn1, ssig2, csig2, dn2 float64) float64 {
	a1, a2 := a1m1(eps), a2m1(eps)
	m0 := a1 - a2
	a1, a2 = 1+a1, 1+a2
	ca, cb := c1(eps), c2(eps)
	for i := 1; i < len(cb); i++ {
		cb[i] = a1*ca[i] - a2*cb[i]
	}
	j12 := m0*sig12 + (sineSeries(ssig2, csig2, cb[:]) - sineSeries(ssig1, csig1, cb[:]))
	// The conversions keep machines that fuse multiplication and addition from doing so: for coincident points the
	// terms must cancel.
	return float64(dn2*(csig1*ssig2)) - float64(dn1*(ssig1*csig2)) - csig1*csig2*j12
}

// epsOf is the expansion parameter of a geodesic for k^2.
func epsOf(k2 float64) float64 { return k2 / (2*(1+math.Sqrt(1+k2)) + k2) }
