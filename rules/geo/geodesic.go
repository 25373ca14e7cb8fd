package geo

// The geodesics in geodesic*.go are a port of GeographicLib's JavaScript package geographiclib-geodesic 2.2.0, cut
// down to the WGS84 ellipsoid, distances and azimuths. Its comments are kept where they say why. Its licence:
//
// The MIT License (MIT).
//
// Copyright (c) 2011-2022, Charles Karney
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation
// the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
// to permit persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of
// the Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
// THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
// AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
// CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
// IN THE SOFTWARE.

import (
	"fmt"
	"math"
)

// EarthRadius is the mean radius of WGS84, (2a + b)/3, in metres (IUGG).
const EarthRadius = 6371008.8

// Haversine is the distance in metres on a sphere of EarthRadius. It is fast, and up to 0.56 % from the truth.
// Its error is an *Error.
func Haversine(lon1, lat1, lon2, lat2 float64) (float64, error) {
	lon1, err := checkLonLat(lon1, lat1)
	if err != nil {
		return 0, err
	}
	if lon2, err = checkLonLat(lon2, lat2); err != nil {
		return 0, err
	}
	dLat, dLon := math.Sin((lat2-lat1)*radian/2), math.Sin((lon2-lon1)*radian/2)
	h := dLat*dLat + math.Cos(lat1*radian)*math.Cos(lat2*radian)*dLon*dLon
	return 2 * EarthRadius * math.Asin(math.Sqrt(min(1, h))), nil
}

// Inverse is the shortest way between two points of WGS84: its length in metres, and its azimuths at both ends, in
// degrees from -180 to 180 clockwise from north; the second is that of going on. Where there are several shortest
// ways it is one of them, and between coincident points the azimuths are 180 both (north of the equator) or 0. Any
// two points have an answer, good to 15 nanometres (Karney 2013, Algorithms for geodesics). Its error is an *Error.
func Inverse(lon1, lat1, lon2, lat2 float64) (metres, azimuth1, azimuth2 float64, err error) {
	if lon1, err = checkLonLat(lon1, lat1); err != nil {
		return 0, 0, 0, err
	}
	if lon2, err = checkLonLat(lon2, lat2); err != nil {
		return 0, 0, 0, err
	}
	metres, s1, c1, s2, c2 := inverse(lat1, lon1, lat2, lon2)
	return metres, atan2Deg(s1, c1), atan2Deg(s2, c2), nil
}

// farthest is how far Direct goes: 25 times around the earth. Farther out rounding takes the micrometre.
const farthest = 1e9

// Direct is the point some metres from another in the direction of an azimuth, in degrees clockwise from north, and
// the azimuth there. Negative metres go backwards. The longitude and the azimuth are from -180 to 180. It is good
// to 15 nanometres once around the earth (Karney 2013). Its error is an *Error.
func Direct(lon, lat, azimuth, metres float64) (lon2, lat2, azimuth2 float64, err error) {
	if lon, err = checkLonLat(lon, lat); err != nil {
		return 0, 0, 0, err
	}
	if !finite(azimuth) {
		return 0, 0, 0, &Error{NotFinite, "bearing is " + nameOf(azimuth)}
	}
	if !finite(metres) {
		return 0, 0, 0, &Error{NotFinite, "metres is " + nameOf(metres)}
	}
	if math.Abs(metres) > farthest {
		return 0, 0, 0, &Error{OutsideDomain, fmt.Sprintf("metres is %g, more than %g", metres, farthest)}
	}
	lon2, lat2, azimuth2 = direct(lat, lon, azimuth, metres)
	return lon2, lat2, azimuth2, nil
}

// roundAngle coarsens an angle near 0 to steps of 2^-57 degrees, which is 0.7 pm on the earth, so that tiny angles
// such as 1e-200 make no near singular cases.
func roundAngle(x float64) float64 {
	const z = 1.0 / 16
	y := math.Abs(x)
	if y < z {
		w := z - y
		y = z - w
	}
	return math.Copysign(y, x)
}

// normalizeAngle brings an angle to -180..180; 180 keeps the sign that x had.
func normalizeAngle(x float64) float64 {
	y := math.Remainder(x, 360)
	if math.Abs(y) == 180 {
		return math.Copysign(180, x)
	}
	return y
}

// exactSum is u + v, rounded, and what the rounding took.
func exactSum(u, v float64) (s, t float64) {
	s = u + v
	up := s - v
	vpp := s - up
	up -= u
	vpp -= v
	if s == 0 {
		return s, s
	}
	return s, 0 - (up + vpp)
}

// angleDiff is y - x within -180..180, and what its rounding took.
func angleDiff(x, y float64) (d, e float64) {
	d, e = exactSum(math.Remainder(-x, 360), math.Remainder(y, 360))
	d, e = exactSum(math.Remainder(d, 360), e)
	if d == 0 || math.Abs(d) == 180 {
		// If e is 0 take the sign from y - x, else d is 180 and the two have opposite signs.
		sign := -e
		if e == 0 {
			sign = y - x
		}
		d = math.Copysign(d, sign)
	}
	return d, e
}

// sincosDegPlus is the sine and cosine of x + t degrees, where t is a small correction. The argument is reduced
// before it becomes radians, so that multiples of 30 and 45 come out exact.
func sincosDegPlus(x, t float64) (sin, cos float64) {
	d := math.Mod(x, 360)
	q := math.Round(d / 90)
	d = roundAngle(d - 90*q + t)
	s, c := math.Sincos(d * radian)
	switch math.Abs(d) {
	case 45:
		c = math.Sqrt(0.5)
		s = math.Copysign(c, d)
	case 30:
		c = math.Sqrt(0.75)
		s = math.Copysign(0.5, d)
	}
	switch int(q) & 3 {
	case 0:
		sin, cos = s, c
	case 1:
		sin, cos = c, -s
	case 2:
		sin, cos = -s, -c
	default:
		sin, cos = -c, s
	}
	cos += 0 // no -0
	if sin == 0 {
		sin = math.Copysign(sin, x+t)
	}
	return sin, cos
}

// atan2Deg is atan2 in degrees, exact at multiples of 90. The arguments are swapped so that the arc tangent is taken
// of at most 1.
func atan2Deg(y, x float64) float64 {
	q := 0
	if math.Abs(y) > math.Abs(x) {
		y, x, q = x, y, 2
	}
	if math.Signbit(x) {
		x = -x
		q++
	}
	a := math.Atan2(y, x) / radian
	switch q {
	case 1:
		return math.Copysign(180, y) - a
	case 2:
		return 90 - a
	case 3:
		return -90 + a
	}
	return a
}

// normalize makes (x, y) a vector of length 1.
func normalize(x, y float64) (float64, float64) {
	r := math.Sqrt(x*x + y*y)
	return x / r, y / r
}
