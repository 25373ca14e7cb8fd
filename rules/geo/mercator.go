package geo

import (
	"fmt"
	"math"
)

const radian = math.Pi / 180 // one degree

// An ellipsoid is the shape of the earth, with what the formulas need of it.
type ellipsoid struct {
	a  float64 // semi-major axis, metres
	f  float64 // flattening
	e2 float64 // first eccentricity squared, f (2 - f)
	e  float64

	// Of the transverse Mercator projection.
	rectifying  float64    // radius of the sphere whose meridians are as long
	alpha, beta [6]float64 // Krueger's series, there and back
}

var (
	wgs84 = newEllipsoid(1 / 298.257223563)
	grs80 = newEllipsoid(1 / 298.257222101) // ETRS89 and CGCS2000, whose flattening is the same to 12 digits
)

// newEllipsoid has the semi-major axis that WGS84 and GRS80 share. The series are Krueger's (1912) as extended to
// n^6 by Karney (2011), Transverse Mercator with an accuracy of a few nanometers, equations 14, 35 and 36.
func newEllipsoid(f float64) ellipsoid {
	n := f / (2 - f)
	n2 := n * n
	e2 := f * (2 - f)
	// poly is n^k times the polynomial in n with these coefficients.
	poly := func(k int, c ...float64) float64 {
		sum := 0.0
		for i := len(c) - 1; i >= 0; i-- {
			sum = sum*n + c[i]
		}
		return sum * math.Pow(n, float64(k))
	}
	const a = 6378137
	return ellipsoid{
		a: a, f: f, e2: e2, e: math.Sqrt(e2),
		rectifying: a / (1 + n) * (1 + n2*(1.0/4+n2*(1.0/64+n2/256))),
		alpha: [6]float64{
			poly(1, 1.0/2, -2.0/3, 5.0/16, 41.0/180, -127.0/288, 7891.0/37800),
			poly(2, 13.0/48, -3.0/5, 557.0/1440, 281.0/630, -1983433.0/1935360),
			poly(3, 61.0/240, -103.0/140, 15061.0/26880, 167603.0/181440),
			poly(4, 49561.0/161280, -179.0/168, 6601661.0/7257600),
			poly(5, 34729.0/80640, -3418889.0/1995840),
			poly(6, 212378941.0/319334400),
		},
		beta: [6]float64{
			poly(1, 1.0/2, -2.0/3, 37.0/96, -1.0/360, -81.0/512, 96199.0/604800),
			poly(2, 1.0/48, 1.0/15, -437.0/1440, 46.0/105, -1118711.0/3870720),
			poly(3, 17.0/480, -37.0/840, -209.0/4480, 5569.0/90720),
			poly(4, 4397.0/161280, -11.0/504, -830251.0/7257600),
			poly(5, 4583.0/161280, -108847.0/3991680),
			poly(6, 20648693.0/638668800),
		},
	}
}

// A transverseMercator is a grid of EPSG method 9807: UTM, Gauss-Krueger. Eastings and northings are metres.
type transverseMercator struct {
	*ellipsoid
	meridian    float64 // central, degrees
	scale       float64 // on the central meridian
	east, north float64 // of the equator on the central meridian
}

// maxOff is how far from the central meridian a point may be, in degrees. The series holds to some nanometres up to
// 35 and then fails slowly; nobody who is 30 degrees off has the zone he thinks.
const maxOff = 30

// fromGeodetic projects by Karney (2011), equations 7 to 11. Within 6 degrees of the meridian it agrees with PROJ to
// 1e-8 m, up to 30 degrees to 2e-8 m. The longitude is within -180..180.
func (t *transverseMercator) fromGeodetic(name string, lon, lat float64) (e, n float64, err error) {
	off := wrapLon(lon - t.meridian)
	if math.Abs(off) > maxOff {
		return 0, 0, t.outside(name, lon, off)
	}
	sinLat, cosLat := math.Sincos(lat * radian)
	sinOff, cosOff := math.Sincos(off * radian)
	cosLat = max(cosLat, 1e-17) // at a pole the tangent is large, not infinite
	tau := sinLat / cosLat
	tau = t.conformal(tau, math.Sqrt(1+tau*tau))

	// xi and eta are the coordinates on the sphere of conformal latitudes. Of xi the sine and cosine are known
	// before xi is, of eta the hyperbolic ones.
	r := 1 / math.Sqrt(tau*tau+cosOff*cosOff)
	sinXi, cosXi := tau*r, cosOff*r
	sinhEta := sinOff * r
	coshEta := math.Sqrt(1 + sinhEta*sinhEta)
	xi, eta := math.Atan2(tau, cosOff), math.Asinh(sinhEta)
	dx, de := clenshaw(&t.alpha, 2*sinXi*cosXi, (cosXi-sinXi)*(cosXi+sinXi), 2*sinhEta*coshEta, 1+2*sinhEta*sinhEta)
	k := t.scale * t.rectifying
	return t.east + k*(eta+de), t.north + k*(xi+dx), nil
}

// toGeodetic is the inverse, by equations 11 to 13 and 19 to 21.
func (t *transverseMercator) toGeodetic(name string, e, n float64) (lon, lat float64, err error) {
	k := t.scale * t.rectifying
	xi, eta := (n-t.north)/k, (e-t.east)/k
	// Nothing within 30 degrees of the meridian is that far away; this also keeps the exponentials small.
	if !(math.Abs(xi) < math.Pi/2+1e-9) || !(math.Abs(eta) < 0.6) {
		return 0, 0, &Error{OutsideDomain, fmt.Sprintf("%s: easting %g, northing %g is no point within %d deg of the central meridian (%s)",
			name, e, n, maxOff, t.grid())}
	}
	sin2, cos2 := math.Sincos(2 * xi)
	up := math.Exp(2 * eta)
	down := 1 / up
	dx, de := clenshaw(&t.beta, sin2, cos2, (up-down)/2, (up+down)/2)
	xi, eta = xi-dx, eta-de
	sinXi, cosXi := math.Sincos(xi)
	sinhEta := math.Sinh(eta)
	r := math.Sqrt(sinhEta*sinhEta + cosXi*cosXi)
	if r < 1e-14 { // within a micrometre of the pole all meridians are one
		return t.meridian, math.Copysign(90, xi), nil
	}
	off := math.Atan2(sinhEta, cosXi) / radian
	lon = wrapLon(t.meridian + off)
	// What fromGeodetic took at the limit comes back: a micrometre is allowed, whatever that is in degrees.
	if (math.Abs(off)-maxOff)*radian*min(1, r) > 1e-13 {
		return 0, 0, t.outside(name, lon, off)
	}
	return lon, math.Atan(t.geodetic(sinXi/r)) / radian, nil
}

// conformal is the tangent of the conformal latitude for the tangent tau and the secant sec of a geodetic one:
// equations 7 to 9.
func (t *transverseMercator) conformal(tau, sec float64) float64 {
	sigma := math.Sinh(t.e * math.Atanh(t.e*tau/sec))
	return tau*math.Sqrt(1+sigma*sigma) - sigma*sec
}

// geodetic undoes conformal by Newton's method: equations 19 to 21. The error is squared at each step.
func (t *transverseMercator) geodetic(conformal float64) float64 {
	tau := conformal / (1 - t.e2)
	for range 5 {
		sec := math.Sqrt(1 + tau*tau)
		c := t.conformal(tau, sec)
		step := (conformal - c) / math.Sqrt(1+c*c) * (1 + (1-t.e2)*tau*tau) / ((1 - t.e2) * sec)
		tau += step
		if math.Abs(step) < 1e-9*max(1, math.Abs(tau)) {
			break
		}
	}
	return tau
}

// clenshaw sums c[j] sin(2(j+1)(xi + i eta)), of which the first result is the real part, and the second the
// imaginary one. It is given the sine and cosine of 2 xi and the hyperbolic ones of 2 eta (Karney 2011, after
// equation 36, by the recurrence of Clenshaw 1955).
func clenshaw(c *[6]float64, sin, cos, sinh, cosh float64) (re, im float64) {
	cr, ci := 2*cos*cosh, -2*sin*sinh // 2 cos(2 zeta)
	var r1, i1, r2, i2 float64
	for j := 5; j >= 0; j-- {
		r1, i1, r2, i2 = cr*r1-ci*i1-r2+c[j], cr*i1+ci*r1-i2, r1, i1
	}
	sr, si := sin*cosh, cos*sinh // sin(2 zeta)
	return sr*r1 - si*i1, sr*i1 + si*r1
}

func (t *transverseMercator) outside(name string, lon, off float64) error {
	return &Error{OutsideDomain, fmt.Sprintf("%s: lon %g is %.4g deg from the central meridian %g (limit %d)",
		name, lon, math.Abs(off), t.meridian, maxOff)}
}

// grid says where the grid's numbers begin.
func (t *transverseMercator) grid() string {
	return fmt.Sprintf("lon %g is at easting %.0f, the equator at northing %.0f", t.meridian, t.east, t.north)
}

// toWebMercator is EPSG method 1024: the formula of the sphere on latitudes of the ellipsoid. Lengths on it are too
// long by about 1/cos(lat). It agrees with PROJ to 1e-8 m.
func toWebMercator(lon, lat float64) (x, y float64, err error) {
	if math.Abs(lat) >= 90 {
		return 0, 0, &Error{OutsideDomain, fmt.Sprintf("EPSG:3857: lat %g is infinitely far away in a Mercator projection", lat)}
	}
	return wgs84.a * lon * radian, wgs84.a * math.Asinh(math.Tan(lat*radian)), nil
}

func fromWebMercator(x, y float64) (lon, lat float64, err error) {
	lon, lat = x/wgs84.a/radian, math.Atan(math.Sinh(y/wgs84.a))/radian
	if !(math.Abs(lat) < 90) {
		return 0, 0, &Error{OutsideDomain, fmt.Sprintf("EPSG:3857: y %g is too far, the world ends at 2.0e7 on most maps", y)}
	}
	if math.Abs(lon) > 540 {
		return 0, 0, &Error{OutsideDomain, fmt.Sprintf("EPSG:3857: x %g is lon %.6g, outside -540..540", x, lon)}
	}
	return wrapLon(lon), lat, nil
}
