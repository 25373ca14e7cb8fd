package geo

// Geodesics of WGS84, by the equations of C. F. F. Karney, Algorithms for geodesics, Journal of Geodesy 87 (2013),
// 43-55. A geodesic is a great circle on a sphere of reduced latitudes; lengths and longitudes on the ellipsoid are
// integrals along it. Karney expands them in series; here they are summed by Gauss's quadrature, which needs no table
// of coefficients and loses nothing on short ways (docs/decisions/0005).

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
	metres, from, to := inverse(lon1, lat1, lon2, lat2)
	return metres, from.degrees(), to.degrees(), nil
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
	lon2, lat2, azimuth2 = direct(lon, lat, azimuth, metres)
	return lon2, lat2, azimuth2, nil
}
