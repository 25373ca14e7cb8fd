package geo

import "math"

// WGS84 as geodesics need it.
const (
	flattening    = 1 / 298.257223563
	minor         = earthA * (1 - flattening)                                             // b, metres
	eccentricity2 = flattening * (2 - flattening)                                         // e^2
	secondEcc2    = flattening * (2 - flattening) / ((1 - flattening) * (1 - flattening)) // e'^2
)

// A direction is an angle by its sine and cosine, which keep their digits where an angle near a quarter turn does not.
type direction struct{ sin, cos float64 }

// towards is the direction of the vector (cos, sin), of any length; that of none is 0.
func towards(sin, cos float64) direction {
	r := math.Hypot(sin, cos)
	if r == 0 {
		return direction{0, 1}
	}
	return direction{sin / r, cos / r}
}

func directionOf(degrees float64) direction {
	sin, cos := sincosDeg(degrees)
	return direction{sin, cos}
}

func (d direction) plus(e direction) direction {
	return direction{d.sin*e.cos + d.cos*e.sin, d.cos*e.cos - d.sin*e.sin}
}

// turn is the angle from d to e, between -pi and pi. Where it vanishes the products must cancel, so they are rounded
// apart: some machines would fuse them.
func (d direction) turn(e direction) float64 {
	return math.Atan2(float64(d.cos*e.sin)-float64(d.sin*e.cos), d.cos*e.cos+d.sin*e.sin)
}

// degrees is exact at multiples of 90.
func (d direction) degrees() float64 {
	switch {
	case math.Abs(d.sin) > math.Abs(d.cos):
		return math.Copysign(90, d.sin) - math.Atan(d.cos/d.sin)/radian
	case d.cos < 0:
		return math.Copysign(180, d.sin) + math.Atan(d.sin/d.cos)/radian
	}
	return math.Atan2(d.sin, d.cos) / radian
}

// atPole is the cosine of a pole's latitude: not 0, so that a meridian there still has a direction.
const atPole = 1e-100

// reducedLatitude is beta, where tan(beta) = (1 - f) tan(lat), and the length r of the vector it was: sin(beta) is
// (1 - f) sin(lat) / r.
func reducedLatitude(lat float64) (beta direction, r float64) {
	sin, cos := sincosDeg(lat)
	sin *= 1 - flattening
	r = math.Hypot(sin, cos)
	return direction{sin / r, max(cos/r, atPole)}, r
}

// An arc is a piece of the great circle that stands for a geodesic. Places on it are angles sigma from where it crosses
// the equator northwards, at azimuth alpha0.
type arc struct {
	alpha0    direction
	k2        float64 // e'^2 cos(alpha0)^2
	from, to  direction
	sigma     float64 // from the one to the other, within half a turn
	w, dl, dm float64 // means along it of the integrands of length (less 1), lag and reduced length
}

// measure does the integrals. Their functions hardly differ from constants, by k2 sin(sigma)^2 < 0.007, so few points
// are enough: 12 are right to 1e-17 over half a turn, 4 over 0.1 (637 km).
func (a *arc) measure() {
	points := gauss12[:]
	if math.Abs(a.sigma) < 0.1 {
		points = gauss4[:]
	}
	// Points are symmetrical about the middle: 2 sigma there is the sum of both ends.
	twice := a.from.plus(a.to)
	a.w, a.dl, a.dm = 0, 0, 0
	for _, p := range points {
		sin, cos := math.Sincos(p.at * a.sigma)
		for _, cos2 := range [2]float64{twice.cos*cos - twice.sin*sin, twice.cos*cos + twice.sin*sin} {
			s2 := a.k2 * (1 - cos2) / 2
			w := math.Sqrt(1 + s2)
			a.w += p.weight * s2 / (1 + w) // w - 1 with all its digits
			a.dl += p.weight * (2 - flattening) / (1 + (1-flattening)*w)
			a.dm += p.weight * s2 / w
		}
	}
}

// metres is the length: b times the integral of w = sqrt(1 + k2 sin(sigma)^2).
func (a *arc) metres() float64 { return math.FMA(minor*a.w, a.sigma, minor*a.sigma) }

// lag is by how much the longitude on the ellipsoid is less than that on the sphere, in radians.
func (a *arc) lag() float64 { return flattening * a.alpha0.sin * a.dl * a.sigma }

// reducedLength is how far apart two geodesics arrive that leave at nearly the same azimuth, in metres for each radian
// between them (section 3).
func (a *arc) reducedLength() float64 {
	return minor * (float64(a.stretch(a.to)*a.from.cos*a.to.sin) - float64(a.stretch(a.from)*a.from.sin*a.to.cos) - a.from.cos*a.to.cos*a.dm*a.sigma)
}

// stretch is w at a place: how many times b a radian is long there.
func (a *arc) stretch(d direction) float64 { return math.Sqrt(1 + a.k2*d.sin*d.sin) }

// A gaussPoint stands for the two of a rule at -at and at of -1..1; the weights of a rule sum to 1/2.
type gaussPoint struct{ at, weight float64 }

var (
	gauss4  = [2]gaussPoint(gauss(4))
	gauss12 = [6]gaussPoint(gauss(12))
)

// gauss is the rule of n points, n even: the roots of Legendre's polynomial by Newton's method.
func gauss(n int) (points []gaussPoint) {
	for i := range n / 2 {
		x, slope := math.Cos(math.Pi*(float64(i)+0.75)/(float64(n)+0.5)), 0.0
		for range 10 {
			p, before := 1.0, 0.0
			for k := range n {
				p, before = (float64(2*k+1)*x*p-float64(k)*before)/float64(k+1), p
			}
			slope = float64(n) * (x*p - before) / (x*x - 1)
			x -= p / slope
		}
		points = append(points, gaussPoint{x, 1 / ((1 - x*x) * slope * slope)})
	}
	return points
}
