package geo

import "math"

// The inverse problem, ported from GeographicLib: see geodesic.go for its licence.

// A leg is an inverse problem in canonical form: lon12 from 0 to 180, lat1 <= 0, lat1 <= lat2 <= -lat1. bet are
// reduced latitudes, lam the longitude difference, s and c stand for sine and cosine.
type leg struct {
	sbet1, cbet1, dn1     float64
	sbet2, cbet2, dn2     float64
	lam12, slam12, clam12 float64
}

// inverse solves the problem for points that were checked, with latitudes first as in the original. It gives the
// distance and the sines and cosines of both azimuths.
func inverse(lat1, lon1, lat2, lon2 float64) (s12, salp1, calp1, salp2, calp2 float64) {
	// The difference is in [-180, 180], but -180 only for west-going geodesics.
	lon12, lon12s := angleDiff(lon1, lon2)
	lat1, lat2 = roundAngle(lat1), roundAngle(lat2)
	lonsign := math.Copysign(1, lon12)
	lon12, lon12s = lon12*lonsign, lon12s*lonsign
	var p leg
	p.lam12 = lon12 * radian
	p.slam12, p.clam12 = sincosDegPlus(lon12, lon12s)
	lon12s = (180 - lon12) - lon12s // the supplementary longitude difference

	// The point with the higher latitude becomes point 1, and its latitude negative. swapp, lonsign and latsign
	// register what was done, and besides enforce some symmetries of the results.
	swapp := 1.0
	if math.Abs(lat1) < math.Abs(lat2) {
		swapp = -1
		lonsign = -lonsign
		lat1, lat2 = lat2, lat1
	}
	latsign := math.Copysign(1, -lat1)
	lat1, lat2 = lat1*latsign, lat2*latsign
	p.sbet1, p.cbet1 = reduced(lat1)
	p.sbet2, p.cbet2 = reduced(lat2)
	// If cbet1 < -sbet1, then cbet2 - cbet1 is a sensitive measure of |bet1| - |bet2|, else |sbet2| + sbet1 is. Where
	// it vanishes bet2 is made +-bet1 exactly; 48.522876735459 0 -48.52287673545898293 179.599720456223079643 needs it.
	if p.cbet1 < -p.sbet1 {
		if p.cbet2 == p.cbet1 {
			p.sbet2 = math.Copysign(p.sbet1, p.sbet2)
		}
	} else if math.Abs(p.sbet2) == -p.sbet1 {
		p.cbet2 = p.cbet1
	}
	p.dn1 = math.Sqrt(1 + geod.ep2*p.sbet1*p.sbet1)
	p.dn2 = math.Sqrt(1 + geod.ep2*p.sbet2*p.sbet2)

	var found bool
	if lat1 == -90 || p.slam12 == 0 {
		s12, salp1, calp1, salp2, calp2, found = p.meridian()
	}
	switch {
	case found:
	case p.sbet1 == 0 && lon12s >= geod.f*180: // the geodesic runs along the equator
		s12, salp1, calp1, salp2, calp2 = wgs84SMA*p.lam12, 1, 0, 1, 0
	default:
		s12, salp1, calp1, salp2, calp2 = p.general()
	}
	if swapp < 0 {
		salp1, calp1, salp2, calp2 = salp2, calp2, salp1, calp1
	}
	return s12 + 0, salp1 * swapp * lonsign, calp1 * swapp * latsign, salp2 * swapp * lonsign, calp2 * swapp * latsign
}

// reduced is the sine and cosine of the reduced latitude. At the poles the cosine is tiny rather than 0.
func reduced(lat float64) (sin, cos float64) {
	sin, cos = sincosDegPlus(lat, 0)
	sin, cos = normalize(geod.f1*sin, cos)
	return sin, max(tiny, cos)
}

// meridian solves the problem for endpoints on a single full meridian. It is false where the way along it is not
// the shortest.
func (p *leg) meridian() (s12, salp1, calp1, salp2, calp2 float64, ok bool) {
	calp1, salp1 = p.clam12, p.slam12 // head to the target longitude
	calp2, salp2 = 1, 0               // at the target we are heading north
	ssig1, csig1 := p.sbet1, calp1*p.cbet1
	ssig2, csig2 := p.sbet2, calp2*p.cbet2
	sig12 := math.Atan2(max(0, float64(csig1*ssig2)-float64(ssig1*csig2)), csig1*csig2+ssig1*ssig2)
	s12 = distanceB(geod.n, sig12, ssig1, csig1, ssig2, csig2)
	m12 := reducedLengthB(geod.n, sig12, ssig1, csig1, p.dn1, ssig2, csig2, p.dn2)
	// The check of sig12 is for lines of no length, which might yield m12 < 0: 20.001 0 20.001 0.
	if sig12 >= tol2 && m12 < 0 {
		return 0, 0, 0, 0, 0, false
	}
	// 3 tiny, not 1, to handle 90 0 90 180; and no negative s12 for short lines.
	if sig12 < 3*tiny || sig12 < tol0 && (s12 < 0 || m12 < 0) {
		s12 = 0
	}
	return s12 * geod.b, salp1, calp1, salp2, calp2, true
}

// general solves the problem for points within a hemisphere bounded by a meridian, whose geodesic is neither
// meridional nor equatorial.
//
// It is Newton's method on f(alp1) = lambda12(alp1) - lam12 = 0 with one wrinkle: f has exactly one root in (0, pi)
// and its derivative is positive there. So f is positive above the root and negative below it. A range (alp1a,
// alp1b) that brackets the root shrinks with each evaluation, and its middle is the next guess whenever the
// derivative is negative or the guess leaves (0, pi).
func (p *leg) general() (s12, salp1, calp1, salp2, calp2 float64) {
	sig12, dnm, salp1, calp1, salp2, calp2 := p.start()
	if sig12 >= 0 { // a short line
		return sig12 * geod.b * dnm, salp1, calp1, salp2, calp2
	}
	salp1a, calp1a, salp1b, calp1b := tiny, 1.0, tiny, -1.0
	var w guess
	tripn, tripb := false, false
	for it := 0; ; it++ {
		// On the WGS84 test set this takes 1.47 steps in the mean, 16 at most.
		w = p.lambda12(salp1, calp1, it < maxIt1)
		v, limit := w.lam12, tol0
		if tripn {
			limit = 8 * tol0
		}
		if tripb || !(math.Abs(v) >= limit) || it == maxIt2 {
			break
		}
		if v > 0 && (it < maxIt1 || calp1/salp1 > calp1b/salp1b) {
			salp1b, calp1b = salp1, calp1
		} else if v < 0 && (it < maxIt1 || calp1/salp1 < calp1a/salp1a) {
			salp1a, calp1a = salp1, calp1
		}
		if it < maxIt1 && w.dlam12 > 0 {
			if dalp1 := -v / w.dlam12; math.Abs(dalp1) < math.Pi {
				sd, cd := math.Sincos(dalp1)
				if next := salp1*cd + calp1*sd; next > 0 {
					salp1, calp1 = normalize(next, calp1*cd-salp1*sd)
					// In some regimes convergence is not quadratic, because slope -> 0: so the conditions are of epsilon,
					// not of its root.
					tripn = math.Abs(v) <= 16*tol0
					continue
				}
			}
		}
		salp1, calp1 = normalize((salp1a+salp1b)/2, (calp1a+calp1b)/2)
		tripn = false
		tripb = math.Abs(salp1a-salp1)+(calp1a-calp1) < tol0 || math.Abs(salp1-salp1b)+(calp1-calp1b) < tol0
	}
	return geod.b * distanceB(w.eps, w.sig12, w.ssig1, w.csig1, w.ssig2, w.csig2), salp1, calp1, w.salp2, w.calp2
}

// start is a first azimuth for Newton's method, and then sig12 is -1. For short lines it is the answer.
func (p *leg) start() (sig12, dnm, salp1, calp1, salp2, calp2 float64) {
	sig12 = -1
	// bet12 = bet2 - bet1 in [0, pi); bet12a = bet2 + bet1 in (-pi, 0]. The conversions forbid fusing: for opposite
	// latitudes the sum must be 0.
	sbet12 := float64(p.sbet2*p.cbet1) - float64(p.cbet2*p.sbet1)
	cbet12 := p.cbet2*p.cbet1 + p.sbet2*p.sbet1
	sbet12a := float64(p.sbet2*p.cbet1) + float64(p.cbet2*p.sbet1)

	short := cbet12 >= 0 && sbet12 < 0.5 && p.cbet2*p.lam12 < 0.5
	somg12, comg12 := p.slam12, p.clam12
	if short {
		// sin((bet1+bet2)/2)^2 = (sbet1 + sbet2)^2 / ((sbet1 + sbet2)^2 + (cbet1 + cbet2)^2)
		s, c := p.sbet1+p.sbet2, p.cbet1+p.cbet2
		dnm = math.Sqrt(1 + geod.ep2*(s*s/(s*s+c*c)))
		somg12, comg12 = math.Sincos(p.lam12 / (geod.f1 * dnm))
	}
	salp1 = p.cbet2 * somg12
	if comg12 >= 0 {
		calp1 = sbet12 + p.cbet2*p.sbet1*somg12*somg12/(1+comg12)
	} else {
		calp1 = sbet12a - p.cbet2*p.sbet1*somg12*somg12/(1-comg12)
	}
	ssig12 := math.Sqrt(salp1*salp1 + calp1*calp1)
	csig12 := p.sbet1*p.sbet2 + p.cbet1*p.cbet2*comg12

	switch {
	case short && ssig12 < geod.etol2: // really short lines
		salp2 = p.cbet1 * somg12
		t := 1 - comg12
		if comg12 >= 0 {
			t = somg12 * somg12 / (1 + comg12)
		}
		salp2, calp2 = normalize(salp2, sbet12-p.cbet1*p.sbet2*t)
		sig12 = math.Atan2(ssig12, csig12)
	case csig12 >= 0 || ssig12 >= 6*geod.n*math.Pi*p.cbet1*p.cbet1:
		// The spherical approximation is good enough.
	default:
		salp1, calp1 = p.nearlyAntipodal(sbet12a)
	}
	if !(salp1 <= 0) {
		salp1, calp1 = normalize(salp1, calp1)
	} else {
		salp1, calp1 = 1, 0
	}
	return sig12, dnm, salp1, calp1, salp2, calp2
}

// nearlyAntipodal improves the first azimuth: lam12 and bet2 are scaled to a plane where the antipodal point is the
// origin and the singular point is at y = 0, x = -1, and there the problem is one of the astroid.
func (p *leg) nearlyAntipodal(sbet12a float64) (salp1, calp1 float64) {
	lam12x := math.Atan2(-p.slam12, -p.clam12) // lam12 - pi
	lamscale := geod.f * p.cbet1 * geod.scale3(epsOf(p.sbet1*p.sbet1*geod.ep2)) * math.Pi
	betscale := lamscale * p.cbet1
	x, y := lam12x/lamscale, sbet12a/betscale
	if y > -tol1 && x > -1-xThresh { // strip near the cut
		salp1 = min(1, -x)
		return salp1, -math.Sqrt(1 - salp1*salp1)
	}
	// It is better to estimate omg12 from the astroid and use the spherical formula than to take alp1 from it.
	// Because omg12 is near pi, omg12a = pi - omg12 is estimated.
	k := astroid(x, y)
	somg12, comg12 := math.Sincos(lamscale * (-x * k / (1 + k)))
	comg12 = -comg12
	return p.cbet2 * somg12, sbet12a - p.cbet2*p.sbet1*somg12*somg12/(1-comg12)
}

// astroid is the positive root k of k^4 + 2k^3 - (x^2 + y^2 - 1)k^2 - 2y^2 k - y^2 = 0.
func astroid(x, y float64) float64 {
	p, q := x*x, y*y
	r := (p + q - 1) / 6
	if q == 0 && r <= 0 {
		return 0 // y = 0 with |x| <= 1; for small y the root is |y|/sqrt(1-x^2)
	}
	// Multiplying the equations for s and t by r^3 and r avoids a division by zero when r = 0.
	s := p * q / 4
	r2 := r * r
	r3 := r * r2
	// The discriminant is zero on the evolute p^(1/3) + q^(1/3) = 1.
	disc := s * (s + 2*r3)
	u := r
	if disc >= 0 {
		t3 := s + r3
		// The sign that makes |t3| large loses the fewest digits.
		t3 += math.Copysign(math.Sqrt(disc), t3)
		t := math.Cbrt(t3)
		u += t
		if t != 0 {
			u += r2 / t
		}
	} else {
		// t is complex, but u is real. Of the three roots this is the one without cancellation.
		u += 2 * r * math.Cos(math.Atan2(math.Sqrt(-disc), -(s+r3))/3)
	}
	v := math.Sqrt(u*u + q)
	uv := u + v
	if u < 0 {
		uv = q / (v - u)
	}
	w := (uv - q) / (2 * v)
	return uv / (math.Sqrt(uv+w*w) + w)
}

// A guess is what a first azimuth leads to.
type guess struct {
	lam12, dlam12                     float64 // how far from the wanted longitude, and its derivative
	salp2, calp2                      float64
	sig12, ssig1, csig1, ssig2, csig2 float64
	eps                               float64
}

func (p *leg) lambda12(salp1, calp1 float64, derivative bool) (w guess) {
	if p.sbet1 == 0 && calp1 == 0 {
		calp1 = -tiny // break the degeneracy of the equatorial line, which was handled before
	}
	salp0 := salp1 * p.cbet1
	calp0 := math.Sqrt(calp1*calp1 + salp1*p.sbet1*(salp1*p.sbet1)) // > 0
	somg1, comg1 := salp0*p.sbet1, calp1*p.cbet1
	w.ssig1, w.csig1 = normalize(p.sbet1, comg1)
	// Symmetries are enforced in the case |bet2| = -bet1, which can yield singularities in the iteration.
	w.salp2 = salp1
	if p.cbet2 != p.cbet1 {
		w.salp2 = salp0 / p.cbet2
	}
	if p.cbet2 != p.cbet1 || math.Abs(p.sbet2) != -p.sbet1 {
		d := (p.sbet1 - p.sbet2) * (p.sbet1 + p.sbet2)
		if p.cbet1 < -p.sbet1 {
			d = (p.cbet2 - p.cbet1) * (p.cbet1 + p.cbet2)
		}
		w.calp2 = math.Sqrt(calp1*p.cbet1*(calp1*p.cbet1)+d) / p.cbet2
	} else {
		w.calp2 = math.Abs(calp1)
	}
	somg2, comg2 := salp0*p.sbet2, w.calp2*p.cbet2
	w.ssig2, w.csig2 = normalize(p.sbet2, comg2)
	w.sig12 = math.Atan2(max(0, float64(w.csig1*w.ssig2)-float64(w.ssig1*w.csig2)), w.csig1*w.csig2+w.ssig1*w.ssig2)
	somg12 := max(0, float64(comg1*somg2)-float64(somg1*comg2))
	comg12 := comg1*comg2 + somg1*somg2
	eta := math.Atan2(float64(somg12*p.clam12)-float64(comg12*p.slam12), comg12*p.clam12+somg12*p.slam12)
	w.eps = epsOf(calp0 * calp0 * geod.ep2)
	c3 := geod.series3(w.eps)
	b312 := sineSeries(w.ssig2, w.csig2, c3[:]) - sineSeries(w.ssig1, w.csig1, c3[:])
	w.lam12 = eta - geod.f*geod.scale3(w.eps)*salp0*(w.sig12+b312)
	if derivative {
		if w.calp2 == 0 {
			w.dlam12 = -2 * geod.f1 * p.dn1 / p.sbet1
		} else {
			m12 := reducedLengthB(w.eps, w.sig12, w.ssig1, w.csig1, p.dn1, w.ssig2, w.csig2, p.dn2)
			w.dlam12 = m12 * geod.f1 / (w.calp2 * p.cbet2)
		}
	}
	return w
}
