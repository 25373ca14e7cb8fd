package geo

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A CRS is a coordinate reference system of the earth. It does not change and may be used by many goroutines.
//
// Whatever the authority says about the order of axes, it is one order here: lon, lat, h where Geographic, and
// easting, northing, h elsewhere, also in the Chinese and European grids that are northing first on paper.
// Heights are above the ellipsoid; a system of two dimensions hands them on as they are.
//
// ETRS89 and CGCS2000 are taken as WGS84, the null transformation that PROJ calls ballpark: they lie within a metre
// of each other, and drift apart with the continents. Their grids use their own ellipsoid, GRS80.
type CRS struct {
	name string
	kind crsKind
	tm   transverseMercator
}

type crsKind uint8

const (
	geographic crsKind = iota
	geocentric
	webMercator
	gaussKruger // any transverse Mercator
	gcj02
	bd09
)

const knownCRS = "OGC:CRS84, WGS84, EPSG:4326, EPSG:4979, EPSG:4978 (ECEF), EPSG:3857 (Web Mercator), " +
	"EPSG:32601 to 32660 and 32701 to 32760 (UTM north and south), EPSG:4258, EPSG:25828 to 25838 (ETRS89), " +
	"EPSG:4490, EPSG:4491 to 4554 (CGCS2000 and its Gauss-Kruger grids), GCJ02, BD09"

// LookupCRS finds a CRS by its name, such as EPSG:32650, OGC:CRS84 or GCJ02. Its error lists the known ones and
// is for whoever writes the file; it is no *Error.
func LookupCRS(name string) (*CRS, error) {
	if c, ok := lookupCRS(name); ok {
		return c, nil
	}
	text := "no CRS " + quote(name) + "; "
	if guess := guessCRS(name); guess != "" {
		text += "did you mean " + guess + "? "
	}
	return nil, errors.New(text + "known: " + knownCRS)
}

// guessCRS is the name that was likely meant: the same in another spelling, or a number without its authority.
func guessCRS(name string) string {
	if len(name) > 32 {
		return ""
	}
	bare := strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
	for _, guess := range []string{bare, "EPSG:" + bare, strings.Replace(bare, "EPSG", "EPSG:", 1), "OGC:" + bare} {
		if _, ok := lookupCRS(guess); ok {
			return guess
		}
	}
	return ""
}

func lookupCRS(name string) (*CRS, bool) {
	c := &CRS{name: name}
	switch name {
	case "OGC:CRS84", "WGS84", "EPSG:4326", "EPSG:4979", "EPSG:4258", "EPSG:4490":
		return c, true
	case "EPSG:4978":
		c.kind = geocentric
		return c, true
	case "EPSG:3857":
		c.kind = webMercator
		return c, true
	case "GCJ02":
		c.kind = gcj02
		return c, true
	case "BD09":
		c.kind = bd09
		return c, true
	}
	digits, ok := strings.CutPrefix(name, "EPSG:")
	code, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(code) != digits {
		return nil, false
	}
	c.kind = gaussKruger
	c.tm, ok = gridOf(code)
	return c, ok
}

// gridOf knows the transverse Mercator grids of EPSG. Chinese grids come twice: with the number of the zone before
// the easting (zone 38 begins at 38,000,000 m) and without.
func gridOf(code int) (transverseMercator, bool) {
	in := func(first, last int) bool { return first <= code && code <= last }
	utm := func(e *ellipsoid, zone int, north float64) transverseMercator {
		return transverseMercator{e, float64(6*zone - 183), 0.9996, 500_000, north}
	}
	chinese := func(meridian, zone int) transverseMercator {
		return transverseMercator{&grs80, float64(meridian), 1, 500_000 + float64(zone)*1_000_000, 0}
	}
	switch {
	case in(32601, 32660):
		return utm(&wgs84, code-32600, 0), true
	case in(32701, 32760):
		return utm(&wgs84, code-32700, 10_000_000), true
	case in(25828, 25838):
		return utm(&grs80, code-25800, 0), true
	case in(4491, 4501): // zones of 6 degrees, 13 to 23, zone in the easting
		zone := code - 4491 + 13
		return chinese(6*zone-3, zone), true
	case in(4502, 4512): // the same without
		return chinese(6*(code-4502)+75, 0), true
	case in(4513, 4533): // zones of 3 degrees, 25 to 45, zone in the easting
		zone := code - 4513 + 25
		return chinese(3*zone, zone), true
	case in(4534, 4554): // the same without
		return chinese(3*(code-4534)+75, 0), true
	}
	return transverseMercator{}, false
}

// Name is the name that the CRS was looked up by.
func (c *CRS) Name() string { return c.name }

// Geographic says that points are lon, lat in degrees, and a height in metres.
func (c *CRS) Geographic() bool {
	return c.kind == geographic || c.kind == gcj02 || c.kind == bd09
}

// Geocentric says that points are x, y, z in metres from the middle of the earth (ECEF).
func (c *CRS) Geocentric() bool { return c.kind == geocentric }

// ToGeodetic takes a point of this CRS to WGS84: degrees, and metres above the ellipsoid. The longitude is within
// -180..180. The error is an *Error of class latitude_out_of_range, not_finite or outside_domain.
func (c *CRS) ToGeodetic(x, y, z float64) (lon, lat, h float64, err error) {
	if (x-x)+(y-y)+(z-z) != 0 {
		return 0, 0, 0, c.notFinite(x, y, z)
	}
	switch c.kind {
	case geocentric:
		lon, lat, h = fromECEF(x, y, z)
		if !finite(h) {
			return 0, 0, 0, &Error{OutsideDomain, fmt.Sprintf("%s: (%g, %g, %g) is too far from the earth", c.name, x, y, z)}
		}
		return lon, lat, h, nil
	case webMercator:
		lon, lat, err = fromWebMercator(x, y)
	case gaussKruger:
		lon, lat, err = c.tm.toGeodetic(c.name, x, y)
	default:
		if lon, err = checkLonLat(x, y); err != nil {
			return 0, 0, 0, err
		}
		lat = y
		switch c.kind {
		case gcj02:
			lon, lat = fromGCJ02(lon, lat)
		case bd09:
			lon, lat = fromGCJ02(fromBD09(lon, lat))
		}
	}
	if err != nil {
		return 0, 0, 0, err
	}
	return lon, lat, z, nil
}

// FromGeodetic takes a point of WGS84, in degrees and metres above the ellipsoid, to this CRS. Longitudes up to
// -540 and 540 are wrapped. The error is an *Error of class latitude_out_of_range, not_finite or outside_domain.
func (c *CRS) FromGeodetic(lon, lat, h float64) (x, y, z float64, err error) {
	if lon, err = checkGeodetic(lon, lat, h); err != nil {
		return 0, 0, 0, err
	}
	switch c.kind {
	case geocentric:
		x, y, z = toECEF(lon, lat, h)
		if (x-x)+(y-y)+(z-z) != 0 {
			return 0, 0, 0, &Error{OutsideDomain, fmt.Sprintf("h %g is too far from the earth", h)}
		}
		return x, y, z, nil
	case webMercator:
		x, y, err = toWebMercator(lon, lat)
	case gaussKruger:
		x, y, err = c.tm.fromGeodetic(c.name, lon, lat)
	case gcj02:
		x, y = toGCJ02(lon, lat)
	case bd09:
		x, y = toBD09(toGCJ02(lon, lat))
	default:
		x, y = lon, lat
	}
	if err != nil {
		return 0, 0, 0, err
	}
	return x, y, h, nil
}

func (c *CRS) notFinite(x, y, z float64) error {
	names := [3]string{"x", "y", "z"}
	if c.Geographic() {
		names = [3]string{"lon", "lat", "h"}
	}
	return notFinite(names, x, y, z)
}

// notFinite names the first of three numbers that is NaN or infinite. One of them must be.
func notFinite(names [3]string, x, y, z float64) error {
	i, v := 2, z
	if !finite(x) {
		i, v = 0, x
	} else if !finite(y) {
		i, v = 1, y
	}
	return &Error{NotFinite, names[i] + " is " + nameOf(v)}
}

// checkGeodetic wraps a longitude, and refuses what is no place on the earth.
func checkGeodetic(lon, lat, h float64) (float64, error) {
	if !finite(h) {
		return 0, notFinite([3]string{"lon", "lat", "h"}, lon, lat, h)
	}
	return checkLonLat(lon, lat)
}

func checkLonLat(lon, lat float64) (float64, error) {
	if math.Abs(lon) <= 180 && math.Abs(lat) <= 90 {
		return lon, nil
	}
	switch a := math.Abs(lat); {
	case (lon-lon)+(lat-lat) != 0:
		return 0, notFinite([3]string{"lon", "lat", "h"}, lon, lat, 0)
	case a > 180:
		return 0, &Error{LatitudeOutOfRange, fmt.Sprintf("lat %g is outside -90..90", lat)}
	case a > 90:
		return 0, &Error{LatitudeOutOfRange, fmt.Sprintf("lat %g is outside -90..90 (lon and lat swapped?)", lat)}
	case math.Abs(lon) > 540:
		return 0, &Error{OutsideDomain, fmt.Sprintf("lon %g is outside -540..540", lon)}
	}
	return wrapLon(lon), nil
}

// wrapLon brings a longitude from -540..540 to -180..180. It loses no digit, as the numbers it subtracts are near.
func wrapLon(lon float64) float64 {
	if lon > 180 {
		return lon - 360
	}
	if lon < -180 {
		return lon + 360
	}
	return lon
}
