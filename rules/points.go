package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// What a message holds is read as a point here.

// coordinate reads one number of a point.
func coordinate(v Value, name string) (float64, error) {
	switch v.kind {
	case Int, Float:
		f, _ := v.number()
		return f, nil
	case Null:
		return 0, fail(MissingField, "there is no %q", name)
	}
	return 0, fail(WrongType, "%s is %s %s, not a number", name, v.typeName(), v.show())
}

// pointOf reads a point from {x, y[, z]}, {e, n[, u]}, {lon, lat[, h]} or [a, b[, c]].
func pointOf(v Value) (geo.Point, error) { return pointIn(v, false) }

// pointIn is pointOf for a frame. Where an object has both, lon and lat are what a frame of lon and lat takes, and x
// and y what others do.
func pointIn(v Value, lonLat bool) (geo.Point, error) {
	switch v.kind {
	case Object:
		if p, ok := plainPoint(v, lonLat); ok {
			return p, nil
		}
		return pointOfObject(v, lonLat)
	case Array:
		var at [3]jsonscan.Value
		n := jsonscan.Elements(bytesOf(v.text), at[:])
		if p, ok := pointOfNumbers(&at[0], &at[1], &at[2], geo.Array2); ok && n <= 3 && (n == 3) == (p.Shape == geo.Array3) {
			return p, nil
		}
		return pointOfList(v, n)
	case Boxed:
		switch p := v.ref.(type) {
		case geo.Point:
			return p, nil
		case geo.Pose:
			return p.Point, nil
		case []any:
			return pointOfList(v, len(p))
		case map[string]any:
			return pointOfObject(v, lonLat)
		}
	}
	return geo.Point{}, fail(WrongType, "%s is no point; a point is {x, y}, {x, y, z}, {lon, lat}, {lon, lat, h}, [a, b] or [a, b, c]", v.typeName())
}

// pointReader gives what reads a point of numbers out of the payload, nil where the node is no place in it. Its
// coordinates become fields that the scan of the payload finds on its way, which saves going through the object once more:
// 60 of 160 ns for a transform. It is false for all but numbers.
func (k *compiler) pointReader(n ast.Node, lonLat bool) func(c *scope) (geo.Point, bool) {
	root, path := pathOf(n)
	if root == nil || root.Value != "payload" || slices.Contains(k.locals, root.Value) {
		return nil
	}
	names, shape := groundNames[:3], geo.XY
	if lonLat {
		names, shape = lonLatNames[:], geo.LonLat
	}
	var slots [3]int
	for i, name := range names {
		slots[i] = k.set.field(append(slices.Clip(path), name))
	}
	return func(c *scope) (geo.Point, bool) {
		return pointOfNumbers(&c.slots[slots[0]], &c.slots[slots[1]], &c.slots[slots[2]], shape)
	}
}

// plainPoint reads the point that is there nearly always, of numbers under the names that the frame has for them. It
// takes half the time of pointOfObject, which sees all else and knows what is wrong.
func plainPoint(v Value, lonLat bool) (geo.Point, bool) {
	names, shape := groundNames[:3], geo.XY
	if lonLat {
		names, shape = lonLatNames[:], geo.LonLat
	}
	var at [3]jsonscan.Value
	jsonscan.Members(bytesOf(v.text), names, at[:])
	return pointOfNumbers(&at[0], &at[1], &at[2], shape)
}

// pointOfNumbers makes a point of two numbers, and a third where there is one.
func pointOfNumbers(x, y, z *jsonscan.Value, shape geo.Shape) (p geo.Point, ok bool) {
	if !isNumber(x) || !isNumber(y) {
		return p, false
	}
	p.X, p.Y, p.Shape = x.Float(), y.Float(), shape
	if z.Kind <= jsonscan.Null {
		return p, true
	}
	p.Z = z.Float()
	p.Shape++ // the same with a third coordinate
	return p, isNumber(z)
}

func isNumber(v *jsonscan.Value) bool { return v.Kind == jsonscan.Int || v.Kind == jsonscan.Float }

func pointOfList(v Value, n int) (geo.Point, error) {
	if n != 2 && n != 3 {
		return geo.Point{}, fail(WrongType, "a list of %d is no point; a point has 2 or 3 numbers", n)
	}
	p := geo.Point{Shape: geo.Array2}
	targets := [...]*float64{&p.X, &p.Y, &p.Z}
	for i := range n {
		element, err := v.index(int64(i))
		if err != nil {
			return p, err
		}
		if *targets[i], err = coordinate(element, [...]string{"[0]", "[1]", "[2]"}[i]); err != nil {
			return p, err
		}
	}
	if n == 3 {
		p.Shape = geo.Array3
	}
	return p, nil
}

// The names of coordinates, in each order of axes.
var (
	groundNames = [...]string{"x", "y", "z", "e", "n", "u"}
	lonLatNames = [...]string{"lon", "lat", "h"}
)

func pointOfObject(v Value, lonLat bool) (geo.Point, error) {
	if lonLat {
		p, found, err := pointOfLonLat(v)
		if found {
			return p, err
		}
		if p, found, err := pointOfGround(v); found {
			return p, err
		}
		return p, err
	}
	p, found, err := pointOfGround(v)
	if found {
		return p, err
	}
	if p, found, err := pointOfLonLat(v); found {
		return p, err
	}
	return p, err
}

func pointOfGround(v Value) (p geo.Point, found bool, err error) {
	var at [len(groundNames)]Value
	readMembers(v, groundNames[:], at[:])
	if at[0].isNull() && at[1].isNull() && !(at[3].isNull() && at[4].isNull()) {
		return pointOfMembers(at[3:], groundNames[3:], geo.XY)
	}
	return pointOfMembers(at[:3], groundNames[:3], geo.XY)
}

func pointOfLonLat(v Value) (p geo.Point, found bool, err error) {
	var at [len(lonLatNames)]Value
	readMembers(v, lonLatNames[:], at[:])
	return pointOfMembers(at[:], lonLatNames[:], geo.LonLat)
}

// pointOfMembers makes a point of three values, of which the last may be missing. It was found where either of the
// first two is there.
func pointOfMembers(at []Value, names []string, shape geo.Shape) (p geo.Point, found bool, err error) {
	p.Shape = shape
	found = !at[0].isNull() || !at[1].isNull()
	if p.X, err = coordinate(at[0], names[0]); err != nil {
		return p, found, err
	}
	if p.Y, err = coordinate(at[1], names[1]); err != nil {
		return p, found, err
	}
	if !at[2].isNull() {
		p.Shape++ // the same with a third coordinate
		p.Z, err = coordinate(at[2], names[2])
	}
	return p, found, err
}

// readMembers reads several members of an object in one pass.
func readMembers(v Value, names []string, into []Value) {
	if v.kind == Object {
		jsonscan.EachKey(bytesOf(v.text), func(key string, _ []byte, s jsonscan.Value) bool {
			if i := slices.Index(names, key); i >= 0 {
				into[i] = scanned(&s)
			}
			return true
		})
		return
	}
	for i, name := range names {
		into[i], _ = v.member(name)
	}
}

func poseIn(v Value, lonLat bool) (geo.Pose, error) {
	if v.kind == Boxed {
		switch p := v.ref.(type) {
		case geo.Pose:
			return p, nil
		case geo.Point:
			return geo.Pose{Point: p}, nil
		}
	}
	p, err := pointIn(v, lonLat)
	pose := geo.Pose{Point: p}
	if err != nil {
		return pose, err
	}
	if v.kind == Array {
		return pose, nil
	}
	if list, ok := v.ref.([]any); ok && list != nil {
		return pose, nil
	}
	var turn [2]Value
	readMembers(v, []string{"yaw", "quaternion"}, turn[:])
	if !turn[0].isNull() {
		pose.HasYaw = true
		if pose.Yaw, err = coordinate(turn[0], "yaw"); err != nil {
			return pose, err
		}
	}
	if !turn[1].isNull() {
		pose.HasQuaternion = true
		for i := range pose.Quaternion {
			element, err := turn[1].index(int64(i))
			if err == nil {
				pose.Quaternion[i], err = coordinate(element, "quaternion")
			}
			if err != nil {
				return pose, err
			}
		}
	}
	return pose, nil
}

// An axis is which coordinate of a point a name means: one of its names in a plane, or of those on the earth.
type axis struct {
	index      int // 0 for X, 1 for Y, 2 for Z; -1: it is no name of a coordinate
	geographic bool
}

func axisOf(name string) axis {
	switch name {
	case "x", "y", "z":
		return axis{index: int(name[0] - 'x')}
	case "lon", "lat", "h":
		return axis{slices.Index(lonLatNames[:], name), true}
	}
	return axis{index: -1}
}

// of reads p.x and its likes.
func (a axis) of(p *geo.Point) (Value, error) {
	if geographic := p.Shape == geo.LonLat || p.Shape == geo.LonLatH; a.geographic == geographic {
		switch {
		case a.index == 0:
			return floatValue(p.X)
		case a.index == 1:
			return floatValue(p.Y)
		case a.index == 2 && !p.Shape.Flat():
			return floatValue(p.Z)
		}
	}
	return null, nil
}

func pointMember(p geo.Point, name string) (Value, error) { return axisOf(name).of(&p) }

func poseMember(p geo.Pose, name string) (Value, error) {
	switch {
	case name == "yaw" && p.HasYaw:
		return floatValue(p.Yaw)
	case name == "quaternion" && p.HasQuaternion:
		return boxed([]any{p.Quaternion[0], p.Quaternion[1], p.Quaternion[2], p.Quaternion[3]}), nil
	}
	return pointMember(p.Point, name)
}
