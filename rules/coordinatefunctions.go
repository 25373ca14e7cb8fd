package rules

import (
	"math"

	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// coordinateFunctions are those that need neither frames nor zones. Longitudes and latitudes are in degrees on
// WGS 84, and a list is [lon, lat], as everywhere.
var coordinateFunctions = map[string]*function{
	"distance":    {name: "distance", min: 2, max: 3, call: distanceBetween},
	"bearing":     {name: "bearing", min: 2, max: 2, call: bearing},
	"destination": {name: "destination", min: 3, max: 3, call: destination},
	"heading":     {name: "heading", min: 1, max: 1, call: heading},
	"yaw":         {name: "yaw", min: 1, max: 1, call: yaw},
	"angle_diff":  {name: "angle_diff", min: 2, max: 2, call: angleDiff},
	"geohash":     {name: "geohash", min: 2, max: 2, call: geohash},
	"utm_zone":    {name: "utm_zone", min: 1, max: 1, call: utmZone},
	"mgrs":        {name: "mgrs", min: 1, max: 1, call: mgrs},
}

// lonLatOf reads a point on the earth. Its longitude is brought to -180..180.
func lonLatOf(name string, v Value) (geo.Point, error) {
	p, err := pointOf(v)
	if err == nil && (p.Shape == geo.XY || p.Shape == geo.XYZ) {
		err = fail(WrongType, "takes {lon, lat} or [lon, lat], not x and y")
	}
	if err == nil {
		p.X, err = geo.LonLatOf(p.X, p.Y)
	}
	return p, geoError(name, err)
}

// The methods of distance.
const (
	byGeodesic  = "geodesic"
	byHaversine = "haversine"
	euclidean   = "euclidean"
)

func distanceMethod(m string) bool { return m == byGeodesic || m == byHaversine || m == euclidean }

// distanceBetween is in metres on the earth, by geodesic or haversine, and in the unit of x and y in a frame.
func distanceBetween(_ *scope, args []Value) (Value, error) {
	const name = "distance"
	way := ""
	if len(args) == 3 {
		if way = args[2].string(); !args[2].isString() || !distanceMethod(way) {
			return null, fail(WrongType, `distance: the method is "geodesic", "haversine" or "euclidean", not %s`, args[2].show())
		}
	}
	a, err := pointOf(args[0])
	if err != nil {
		return null, geoError(name, err)
	}
	b, err := pointOf(args[1])
	if err != nil {
		return null, geoError(name, err)
	}
	planar := func(p geo.Point) bool { return p.Shape == geo.XY || p.Shape == geo.XYZ }
	named := func(p geo.Point) bool { return p.Shape == geo.LonLat || p.Shape == geo.LonLatH }
	flat := planar(a) || planar(b) || way == euclidean
	switch {
	case flat && (named(a) || named(b)):
		return null, fail(WrongType, "distance: lon and lat have no distance to x and y, nor an euclidean one; transform one of the points")
	case planar(a) != planar(b) && way != euclidean:
		return null, fail(WrongType, `distance: a list is [lon, lat], and has no distance to x and y; write {x, y}, or name the method "euclidean"`)
	case planar(a) && way != "" && way != euclidean:
		return null, fail(WrongType, "distance: %s is for lon and lat, not for x and y", way)
	case flat && a.Shape.Flat() != b.Shape.Flat():
		return null, fail(WrongType, "distance: one point has a z and the other has none; leave z out of both, or give both")
	case flat:
		return planarDistance(a, b)
	}
	if a.X, err = geo.LonLatOf(a.X, a.Y); err != nil {
		return null, geoError(name, err)
	}
	if b.X, err = geo.LonLatOf(b.X, b.Y); err != nil {
		return null, geoError(name, err)
	}
	if way == byHaversine {
		d, err := geo.Haversine(a.X, a.Y, b.X, b.Y)
		if err != nil {
			return null, geoError(name, err)
		}
		return floatValue(d)
	}
	d, _, _, err := geo.Inverse(a.X, a.Y, b.X, b.Y)
	if err != nil {
		return null, geoError(name, err)
	}
	return floatValue(d)
}

func planarDistance(a, b geo.Point) (Value, error) {
	d := math.Hypot(a.X-b.X, a.Y-b.Y)
	if !a.Shape.Flat() {
		d = math.Hypot(d, a.Z-b.Z)
	}
	if d-d != 0 {
		return null, fail(NotFinite, "distance: the points are too far apart, or not finite")
	}
	return floatValue(d)
}

// bearing is the direction in which the geodesic from one point to another begins.
func bearing(_ *scope, args []Value) (Value, error) {
	a, err := lonLatOf("bearing", args[0])
	if err != nil {
		return null, err
	}
	b, err := lonLatOf("bearing", args[1])
	if err != nil {
		return null, err
	}
	_, azimuth, _, err := geo.Inverse(a.X, a.Y, b.X, b.Y)
	if err != nil {
		return null, geoError("bearing", err)
	}
	return floatValue(compass(azimuth))
}

// destination follows a geodesic. What the point has beside lon and lat stays.
func destination(_ *scope, args []Value) (Value, error) {
	const name = "destination"
	p, err := lonLatOf(name, args[0])
	if err != nil {
		return null, err
	}
	azimuth, err := finiteNumber(name, "the bearing", args[1])
	if err != nil {
		return null, err
	}
	metres, err := finiteNumber(name, "the distance", args[2])
	if err != nil {
		return null, err
	}
	if p.X, p.Y, _, err = geo.Direct(p.X, p.Y, math.Mod(azimuth, 360), metres); err != nil {
		return null, geoError(name, err)
	}
	return boxed(p), nil
}

// finiteNumber reads an argument that must be a number.
func finiteNumber(name, what string, v Value) (float64, error) {
	f, ok := v.number()
	switch {
	case !ok:
		return 0, fail(WrongType, "%s: %s is %s, not a number", name, what, v.typeName())
	case f-f != 0:
		return 0, fail(NotFinite, "%s: %s is not finite", name, what)
	}
	return f, nil
}

// compass brings an angle in degrees to 0 <= angle < 360.
func compass(degrees float64) float64 {
	d := math.Mod(degrees, 360)
	if d < 0 {
		d += 360
	}
	if d >= 360 { // a tiny angle below 0 was rounded
		d = 0
	}
	return d + 0 // 0 and not -0
}

// heading is the compass heading, in degrees clockwise from north, of a yaw in radians counter-clockwise from east
// (REP 103).
func heading(_ *scope, args []Value) (Value, error) {
	yaw, err := finiteNumber("heading", "the yaw", args[0])
	if err != nil {
		return null, err
	}
	return floatValue(compass(90 - math.Mod(yaw, 2*math.Pi)*(180/math.Pi)))
}

// yaw is the yaw in degrees, counter-clockwise from +x, of a quaternion, of a pose with one, or of a compass heading
// in degrees. It is from -180 to 180.
func yaw(_ *scope, args []Value) (Value, error) {
	v := args[0]
	if v.isNumber() {
		h, err := finiteNumber("yaw", "the heading", v)
		if err != nil {
			return null, err
		}
		return floatValue(degreesFrom(compass(h), 90))
	}
	q, err := quaternionOf(v)
	if err != nil {
		return null, geoError("yaw", err)
	}
	n := math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2] + q[3]*q[3])
	switch {
	case n-n != 0:
		return null, fail(NotFinite, "yaw: the quaternion is not finite")
	case math.Abs(n-1) > 1e-3:
		return null, fail(Class(geo.OutsideDomain), "yaw: quaternion has length %.4g, a rotation has 1; normalise it", n)
	}
	return floatValue(geo.YawOf(q) * (180 / math.Pi))
}

// quaternionOf reads [x, y, z, w], {x, y, z, w}, or a pose with a quaternion or a yaw.
func quaternionOf(v Value) (q [4]float64, err error) {
	if p, ok := v.ref.(geo.Pose); ok && v.kind == Boxed {
		if !p.HasQuaternion {
			return q, fail(MissingField, "the pose has no quaternion")
		}
		return p.Quaternion, nil
	}
	var at [5]Value
	length := -1
	if list, ok := v.ref.([]any); ok && v.kind == Boxed {
		length = len(list)
	} else if v.kind == Array {
		length = jsonscan.Len(bytesOf(v.text))
	}
	switch {
	case length == 4:
		for i := range q {
			if at[i], err = v.index(int64(i)); err != nil {
				return q, err
			}
		}
	case length >= 0:
		return q, fail(WrongType, "a list of %d is no quaternion; one is [x, y, z, w]", length)
	case v.kind == Object || v.kind == Boxed:
		readMembers(v, []string{"x", "y", "z", "w", "quaternion"}, at[:])
		if !at[4].isNull() {
			return quaternionOf(at[4])
		}
	default:
		return q, fail(WrongType, "%s is neither a quaternion nor a heading in degrees", v.typeName())
	}
	for i := range q {
		if q[i], err = coordinate(at[i], "xyzw"[i:i+1]); err != nil {
			return q, err
		}
	}
	return q, nil
}

// degreesFrom is how far to turn from one angle to another, above -180 and up to 180.
func degreesFrom(from, to float64) float64 {
	d := math.Mod(math.Mod(to, 360)-math.Mod(from, 360), 360)
	switch {
	case d > 180:
		d -= 360
	case d <= -180:
		d += 360
	}
	return d + 0
}

// angleDiff is how far to turn from a to b, in degrees.
func angleDiff(_ *scope, args []Value) (Value, error) {
	a, err := finiteNumber("angle_diff", "the first angle", args[0])
	if err != nil {
		return null, err
	}
	b, err := finiteNumber("angle_diff", "the second angle", args[1])
	if err != nil {
		return null, err
	}
	return floatValue(degreesFrom(a, b))
}

func geohash(_ *scope, args []Value) (Value, error) {
	p, err := lonLatOf("geohash", args[0])
	if err != nil {
		return null, err
	}
	n, ok := args[1].whole()
	if !ok || n < 1 || n > 12 {
		return null, fail(WrongType, "geohash: the number of letters is a whole number from 1 to 12, not %s", args[1].show())
	}
	return stringValue(geo.Geohash(p.X, p.Y, int(n))), nil
}

func utmZone(_ *scope, args []Value) (Value, error) {
	p, err := lonLatOf("utm_zone", args[0])
	if err != nil {
		return null, err
	}
	zone, err := geo.UTMZone(p.X, p.Y)
	return stringValue(zone), geoError("utm_zone", err)
}

func mgrs(_ *scope, args []Value) (Value, error) {
	p, err := lonLatOf("mgrs", args[0])
	if err != nil {
		return null, err
	}
	square, err := geo.MGRS(p.X, p.Y)
	return stringValue(square), geoError("mgrs", err)
}

// pointElement reads p[0] of a point that is a list.
func pointElement(p geo.Point, i int64) (Value, error) {
	list := [...]float64{p.X, p.Y, p.Z}
	n := int64(3)
	if p.Shape.Flat() {
		n = 2
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return null, nil
	}
	return floatValue(list[i])
}
