// Package geo moves points, vectors and poses between frames.
//
// A frame is a coordinate system: a floor plan, a robot's map, a web page. It names its parent and where it
// lies in it, so frames make a forest, and any two in one tree have a way between them. These are pure
// functions: no message, no file, no clock.
//
// Lengths are in the unit of their frame (a scale joins two units), metres where nothing else is said.
// Axes are x, y, z in that order, right-handed as in REP 103; a point without z lies at z = 0. Angles are
// radians unless the name ends in deg. Yaw turns counter-clockwise from +x about +z. Quaternions are in the
// order x, y, z, w, as ROS writes them.
//
// A definition is the pose of the frame in its parent, as in tf2: it takes the frame's points to the parent,
//
//	p_parent = translation + rotation * scale * p
//
// A root may be tied to the earth, as a coordinate reference system or as the plane at an origin. All frames under
// roots that are have ways between them. In lon and lat a point is lon, lat in degrees, in this order, and a
// height in metres above the ellipsoid.
//
// Functions name the frames as PROJ and PostGIS do, from first and to second; tf2's lookupTransform has
// them the other way round.
package geo

import (
	"math"
	"strconv"
)

// An Error says why a point cannot be moved. Class is for counting, Message for people; the message does not
// name the function that was called.
type Error struct{ Class, Message string }

func (e *Error) Error() string { return e.Message }

// The classes of errors.
const (
	LatitudeOutOfRange = "latitude_out_of_range"
	NotFinite          = "not_finite"
	MissingField       = "missing_field"
	WrongType          = "wrong_type"
	UnknownFrame       = "unknown_frame"
	NotConnected       = "not_connected"
	OutsideDomain      = "outside_domain"
)

// A Shape is how a point was written. A moved point keeps it.
type Shape uint8

// The shapes of points. A longitude is in X, a latitude in Y, a height in Z.
const (
	XY      Shape = iota // {x, y}
	XYZ                  // {x, y, z}
	Array2               // [x, y]
	Array3               // [x, y, z]
	LonLat               // {lon, lat}
	LonLatH              // {lon, lat, h}
)

// Flat says that points of this shape have no third coordinate.
func (s Shape) Flat() bool { return s == XY || s == Array2 || s == LonLat }

// lonLat says that points of this shape are written with lon and lat.
func (s Shape) lonLat() bool { return s == LonLat || s == LonLatH }

// named says that the coordinates of points of this shape are written with their names.
func (s Shape) named() bool { return s != Array2 && s != Array3 }

// as is the shape of a point in a frame of lon and lat, or of another one: names change, arrays stay.
func (s Shape) as(lonLat bool) Shape {
	switch {
	case lonLat && s == XY:
		return LonLat
	case lonLat && s == XYZ:
		return LonLatH
	case !lonLat && s == LonLat:
		return XY
	case !lonLat && s == LonLatH:
		return XYZ
	}
	return s
}

// A Point is a place in a frame, or a vector. Z is ignored where the shape has none.
type Point struct {
	X     float64 `expr:"x"`
	Y     float64 `expr:"y"`
	Z     float64 `expr:"z"`
	Shape Shape   `expr:"-"`
}

// A Pose is a place and which way something there is turned. A place alone is a pose too.
type Pose struct {
	Point
	Yaw           float64    `expr:"yaw"` // radians, counter-clockwise from +x (REP 103)
	HasYaw        bool       `expr:"-"`
	Quaternion    [4]float64 `expr:"quaternion"` // x, y, z, w
	HasQuaternion bool       `expr:"-"`
}

// AppendJSON writes p in the shape it has. A coordinate that is no number is written as null, for JSON has no
// other word for it.
func (p Point) AppendJSON(dst []byte) []byte {
	switch p.Shape {
	case Array2, Array3:
		dst = appendNumber(append(dst, '['), p.X)
		dst = appendNumber(append(dst, ','), p.Y)
		if p.Shape == Array3 {
			dst = appendNumber(append(dst, ','), p.Z)
		}
		return append(dst, ']')
	}
	return append(p.appendFields(append(dst, '{')), '}')
}

// AppendJSON writes p as an object, also where its place was an array: an array has no room for a direction.
func (p Pose) AppendJSON(dst []byte) []byte {
	at := p.Point
	switch at.Shape {
	case Array2:
		at.Shape = XY
	case Array3:
		at.Shape = XYZ
	}
	dst = at.appendFields(append(dst, '{'))
	if p.HasYaw {
		dst = appendNumber(append(dst, `,"yaw":`...), p.Yaw)
	}
	if p.HasQuaternion {
		dst = append(dst, `,"quaternion":`...)
		for i, c := range p.Quaternion {
			dst = appendNumber(append(dst, "[,,,"[i]), c)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (p Point) appendFields(dst []byte) []byte {
	x, y, z := `"x":`, `,"y":`, `,"z":`
	if p.Shape >= LonLat {
		x, y, z = `"lon":`, `,"lat":`, `,"h":`
	}
	dst = appendNumber(append(dst, x...), p.X)
	dst = appendNumber(append(dst, y...), p.Y)
	if !p.Shape.Flat() {
		dst = appendNumber(append(dst, z...), p.Z)
	}
	return dst
}

// appendNumber writes the shortest text that reads back as v, as encoding/json does. A rotation often leaves
// -0, which nobody wants to see.
func appendNumber(dst []byte, v float64) []byte {
	if !finite(v) {
		return append(dst, "null"...)
	}
	if v == 0 {
		return append(dst, '0')
	}
	if a := math.Abs(v); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	if n := len(dst); dst[n-3] == '-' && dst[n-2] == '0' { // 1e-07 is 1e-7
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// finite is false for NaN and both infinities: v - v is NaN for these.
func finite(v float64) bool { return v-v == 0 }
