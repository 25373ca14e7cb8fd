package geo

import (
	"fmt"
	"math"
)

// toECEF is EPSG method 9602, from geodetic to geocentric.
func toECEF(lon, lat, h float64) (x, y, z float64) {
	sinLat, cosLat := math.Sincos(lat * radian)
	sinLon, cosLon := math.Sincos(lon * radian)
	n := wgs84.a / math.Sqrt(1-wgs84.e2*sinLat*sinLat)
	p := (n + h) * cosLat
	return p * cosLon, p * sinLon, (n*(1-wgs84.e2) + h) * sinLat
}

const (
	deep = 1e6   // metres from the middle of the earth, under which the iteration of Bowring does not settle fast
	far  = 1e140 // metres, above which squares overflow
)

// fromECEF is the inverse, by the formula of Bowring (1976), Transformation from spatial to geographical
// coordinates, iterated until it stands: two or three times from the ground to any satellite. On the axis the
// longitude is 0. It agrees with PROJ to 1e-8 m up to 36,000 km. Beyond far h is infinite.
func fromECEF(x, y, z float64) (lon, lat, h float64) {
	p := math.Sqrt(x*x + y*y)
	r := math.Sqrt(p*p + z*z)
	if !(r < far) {
		return 0, 0, math.Inf(1)
	}
	if p > 0 {
		lon = math.Atan2(y, x) / radian
	}
	if r < deep {
		lat, h = nearestOnMeridian(p, z)
		return lon, lat, h
	}
	// The tangent of the geodetic latitude is s/c, that of the reduced latitude tb/cb.
	b, ep2 := wgs84.a*(1-wgs84.f), wgs84.e2/(1-wgs84.e2)
	tb, cb := z*wgs84.a, p*b
	var s, c float64
	for range 10 {
		k := 1 / math.Sqrt(tb*tb+cb*cb)
		sinB, cosB := tb*k, cb*k
		s, c = z+ep2*b*sinB*sinB*sinB, p-wgs84.e2*wgs84.a*cosB*cosB*cosB
		tb, cb = (1-wgs84.f)*s, c
		if math.Abs(tb*cosB-cb*sinB) <= 1e-15*r { // the reduced latitude that follows is the one that was put in
			break
		}
	}
	k := 1 / math.Sqrt(s*s+c*c)
	s, c = s*k, c*k
	return lon, math.Atan2(s, c) / radian, p*c + z*s - wgs84.a*math.Sqrt(1-wgs84.e2*s*s)
}

// nearestOnMeridian is the latitude and height of the point of the ellipse nearest to (p, z), for points deep in the
// earth, where up to four points of the ellipse have (p, z) under them. The foot of the perpendicular is found
// from the root t of (a p / (t + a^2))^2 + (b z / (t + b^2))^2 = 1, which falls steadily for t > -b^2 (Eberly,
// Distance from a point to an ellipse, 2013). In the plane of the equator the northern one of two is taken.
func nearestOnMeridian(p, z float64) (lat, h float64) {
	// In units of a, with the ratio of the axes q.
	q := 1 - wgs84.f
	u, v := p/wgs84.a, math.Abs(z)/wgs84.a
	var fx, fy float64 // the foot
	if v > 0 {
		lo, hi := q*v, math.Hypot(u, q*v) // of t + b^2, which may be small
		for range 200 {
			t := (lo + hi) / 2
			if t <= lo || t >= hi {
				break
			}
			fx, fy = u/(t+1-q*q), q*v/t
			if fx*fx+fy*fy > 1 {
				lo = t
			} else {
				hi = t
			}
		}
		fx, fy = u/(hi+1-q*q), q*q*v/hi
	} else if fx = u / (1 - q*q); fx < 1 {
		fy = q * math.Sqrt(1-fx*fx)
	} else {
		fx, fy = 1, 0
	}
	lat = math.Atan2(fy, q*q*fx)
	s, c := math.Sincos(lat)
	h = p*c + math.Abs(z)*s - wgs84.a*math.Sqrt(1-wgs84.e2*s*s)
	if z < 0 {
		lat = -lat
	}
	return lat / radian, h
}

// An ENU is the plane that touches the earth at an origin: e to the east, n to the north, u up, in metres. It is
// the topocentric system of EPSG method 9837, exact at any distance: the earth falls away from the plane, by 2 m at
// 5 km, and that shows in u. It does not change and may be used by many goroutines.
type ENU struct {
	x, y, z                        float64 // the origin in ECEF
	sinLon, cosLon, sinLat, cosLat float64
}

// NewENU puts the plane at a point of WGS84: degrees, and metres above the ellipsoid.
func NewENU(lon, lat, h float64) (*ENU, error) {
	lon, err := checkGeodetic(lon, lat, h)
	if err != nil {
		return nil, err
	}
	o := &ENU{}
	if o.x, o.y, o.z = toECEF(lon, lat, h); (o.x-o.x)+(o.y-o.y)+(o.z-o.z) != 0 {
		return nil, &Error{OutsideDomain, fmt.Sprintf("h %g is too far from the earth", h)}
	}
	o.sinLon, o.cosLon = math.Sincos(lon * radian)
	o.sinLat, o.cosLat = math.Sincos(lat * radian)
	return o, nil
}

// FromGeodetic takes a point of WGS84 to the plane. Its error is an *Error.
func (o *ENU) FromGeodetic(lon, lat, h float64) (e, n, u float64, err error) {
	if lon, err = checkGeodetic(lon, lat, h); err != nil {
		return 0, 0, 0, err
	}
	x, y, z := toECEF(lon, lat, h)
	if e, n, u = o.FromECEF(x, y, z); (e-e)+(n-n)+(u-u) != 0 {
		return 0, 0, 0, &Error{OutsideDomain, fmt.Sprintf("h %g is too far from the earth", h)}
	}
	return e, n, u, nil
}

// ToGeodetic takes a point of the plane to WGS84. Its error is an *Error.
func (o *ENU) ToGeodetic(e, n, u float64) (lon, lat, h float64, err error) {
	if (e-e)+(n-n)+(u-u) != 0 {
		return 0, 0, 0, notFinite([3]string{"x", "y", "z"}, e, n, u)
	}
	lon, lat, h = fromECEF(o.ToECEF(e, n, u))
	if !finite(h) {
		return 0, 0, 0, &Error{OutsideDomain, fmt.Sprintf("(%g, %g, %g) is too far from the earth", e, n, u)}
	}
	return lon, lat, h, nil
}

// FromECEF turns a geocentric point into the plane; it is an affine map and checks nothing.
func (o *ENU) FromECEF(x, y, z float64) (e, n, u float64) {
	x, y, z = x-o.x, y-o.y, z-o.z
	out := o.cosLon*x + o.sinLon*y // away from the axis, in the meridian of the origin
	return o.cosLon*y - o.sinLon*x, o.cosLat*z - o.sinLat*out, o.cosLat*out + o.sinLat*z
}

// ToECEF is the inverse of FromECEF.
func (o *ENU) ToECEF(e, n, u float64) (x, y, z float64) {
	out := o.cosLat*u - o.sinLat*n
	return o.x + o.cosLon*out - o.sinLon*e, o.y + o.sinLon*out + o.cosLon*e, o.z + o.sinLat*u + o.cosLat*n
}
