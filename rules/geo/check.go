package geo

import (
	"fmt"
	"math"
	"strings"
)

// A check gathers what is wrong with one frame.
type check struct {
	frame    string
	problems []Problem
}

func (c *check) add(key, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.frame, key, fmt.Sprintf(format, args...)})
}

// pose is where the frame lies in its parent, and the way back. It is of no use when it added problems.
func (c *check) pose(s *FrameSpec) (to, from Affine) {
	c.one(s)
	switch {
	case s.Matrix != nil:
		to = c.matrix(s.Matrix)
	case s.ControlPoints != nil:
		to = c.controlPoints(s.ControlPoints)
	case s.MapServer != nil:
		to = c.mapServer(s.MapServer)
	default:
		to = c.parts(s)
	}
	switch s.Direction {
	case "", "to_parent", "from_parent":
		if s.Direction != "" && s.Matrix == nil && s.Parent != "" {
			c.add("direction", "direction is that of a matrix, and there is none; remove it")
		}
	default:
		c.add("direction", "no direction %s; write to_parent (the matrix takes this frame's points to the parent) or from_parent", quote(s.Direction))
	}
	if len(c.problems) > 0 {
		return identity, identity
	}
	from, ok := to.Inverse()
	if !ok {
		c.add("", "there is no way back from the parent, the numbers are too large or too small; check translation, scale and matrix")
		return identity, identity
	}
	if s.Direction == "from_parent" {
		to, from = from, to
	}
	return to, from
}

// one checks that a frame has one way to get to where it lies: parts of a pose, which go together, or one of the
// others.
func (c *check) one(s *FrameSpec) {
	var parts, wholes []string
	for _, k := range []struct {
		list  *[]string
		name  string
		given bool
	}{
		{&parts, "translation", s.Translation != nil}, {&parts, "rotation", s.Rotation != nil}, {&parts, "scale", s.Scale != nil}, {&parts, "axes", s.Axes != nil},
		{&wholes, "matrix", s.Matrix != nil}, {&wholes, "control_points", s.ControlPoints != nil}, {&wholes, "map_server", s.MapServer != nil},
	} {
		if k.given {
			*k.list = append(*k.list, k.name)
		}
	}
	tie := ""
	switch {
	case s.CRS != "" && s.Origin != nil:
		c.add("origin", "origin stands beside crs; a root has one tie to the earth, remove one of the two")
		return
	case s.CRS != "":
		tie = "crs"
	case s.Origin != nil:
		tie = "origin"
	}
	keys := append(parts, wholes...)
	if s.Direction != "" {
		keys = append(keys, "direction")
	}
	switch {
	case tie != "" && s.Parent != "":
		c.add("parent", "a frame with %s is a root and has no parent; remove one of the two", tie)
	case tie != "":
		for _, k := range keys {
			c.add(k, "%s stands beside %s, which makes this a root; put it into a frame of its own, with this one as parent", k, tie)
		}
	case s.Parent == "":
		for _, k := range keys {
			c.add(k, "%s needs a parent that it leads to; add parent: NAME, or remove %s to make this a root", k, k)
		}
	case len(wholes) > 0:
		for _, k := range append(parts, wholes[1:]...) {
			c.add(k, "%s stands beside %s, which says it all; remove one of the two", k, wholes[0])
		}
	}
}

// parts is translation + rotation * scale * axes.
func (c *check) parts(s *FrameSpec) Affine {
	m := identity
	if s.Axes != nil {
		m = c.axes(s.Axes)
	}
	if s.Scale != nil {
		k := *s.Scale
		if !(k > 0) || !finite(k) {
			c.add("scale", "scale is %g and must be a number above 0; for a mirror use axes, such as [x, -y]", k)
		}
		for i := range m {
			m[i] *= k
		}
	}
	if s.Rotation != nil {
		r := c.rotation(s.Rotation)
		m = r.Mul(&m)
	}
	if s.Translation != nil && c.numbers("translation", s.Translation, "[x, y] or [x, y, z]", 2, 3) {
		for i, v := range s.Translation {
			m[4*i+3] = v
		}
	}
	return m
}

func (c *check) matrix(v []float64) Affine {
	if !c.numbers("matrix", v, "6 (2x3) or 12 (3x4) of them, row by row", 6, 12) {
		return identity
	}
	var m Affine
	if len(v) == 6 {
		m = Affine{v[0], v[1], 0, v[2], v[3], v[4], 0, v[5], 0, 0, 1, 0}
	} else {
		copy(m[:], v)
	}
	measured := m
	if len(v) == 6 { // the z that stays as it is says nothing about how good the matrix is
		measured[10] = 0
		measured[10] = measured.largest()
	}
	if k := measured.condition(); !(k <= maxCondition) {
		c.add("matrix", "matrix is singular (condition number %.2g): it flattens the frame, and there is no way back; check its rows", k)
	}
	return m
}

// mapServer is (u, v) to origin + turn * resolution * (u, height - v): rows of a picture are counted from above,
// and the origin of ROS's maps is the lower left corner.
func (c *check) mapServer(s *MapServerSpec) Affine {
	const key = "map_server"
	if !(s.Resolution > 0) || !finite(s.Resolution) {
		c.add(key, "the map's resolution is %g and must be a number above 0, in metres a pixel", s.Resolution)
	}
	if s.Height <= 0 {
		c.add("height", "height is %d and must be the number of rows in the picture", s.Height)
	}
	if !c.numbers(key+".origin", s.Origin, "[x, y, yaw]", 3) {
		return identity
	}
	m := yawMatrix(math.Sincos(s.Origin[2]))
	m[3], m[7] = s.Origin[0], s.Origin[1]
	picture := Affine{s.Resolution, 0, 0, 0, 0, -s.Resolution, 0, s.Resolution * float64(s.Height), 0, 0, 1, 0}
	return m.Mul(&picture)
}

func (c *check) rotation(r *RotationSpec) Affine {
	var given []string
	m := identity
	if r.YawDeg != nil {
		given = append(given, "yaw_deg")
		if c.numbers("rotation.yaw_deg", []float64{*r.YawDeg}, "", 1) {
			m = yawMatrix(sincosDeg(*r.YawDeg))
		}
	}
	if r.Yaw != nil {
		given = append(given, "yaw")
		if c.numbers("rotation.yaw", []float64{*r.Yaw}, "", 1) {
			m = yawMatrix(math.Sincos(*r.Yaw))
		}
	}
	if r.RPYDeg != nil {
		given = append(given, "rpy_deg")
		if c.numbers("rotation.rpy_deg", r.RPYDeg, "[roll, pitch, yaw]", 3) {
			m = rpyMatrix(r.RPYDeg[0], r.RPYDeg[1], r.RPYDeg[2])
		}
	}
	if r.Quaternion != nil {
		given = append(given, "quaternion")
		if c.numbers("rotation.quaternion", r.Quaternion, "[x, y, z, w]", 4) {
			m = c.quaternion([4]float64(r.Quaternion))
		}
	}
	if len(given) == 0 {
		c.add("rotation", "rotation is empty; give one of yaw_deg, yaw (radians), rpy_deg, quaternion")
	}
	for _, k := range given[min(1, len(given)):] {
		c.add("rotation."+k, "rotation is given twice, as %s and as %s; remove one", given[0], k)
	}
	return m
}

func (c *check) quaternion(q [4]float64) Affine {
	n := quaternionLength(q)
	if !(math.Abs(n-1) <= quaternionSlack) {
		c.add("rotation.quaternion", "quaternion has length %.6g and must have 1; is it in the order [x, y, z, w], with all its digits?", n)
		return identity
	}
	for i := range q {
		q[i] /= n
	}
	return quaternionMatrix(q)
}

func (c *check) axes(list []string) Affine {
	if len(list) != 2 && len(list) != 3 {
		c.add("axes", "axes has %d entries and must have 2 or 3, such as [x, -z] or [x, -z, y]", len(list))
		return identity
	}
	var m Affine
	taken := [3]bool{}
	for row, text := range list {
		letter, minus := strings.CutPrefix(text, "-")
		if !minus {
			letter = strings.TrimPrefix(letter, "+")
		}
		col := strings.Index("xyz", letter)
		if len(letter) != 1 || col < 0 {
			c.add("axes", "no axis %s; each entry is x, y or z, or one of them with a minus", quote(text))
			return identity
		}
		if taken[col] {
			c.add("axes", "axis %s is there twice; each may be taken once, or there is no way back", letter)
			return identity
		}
		taken[col] = true
		m[4*row+col] = 1
		if minus {
			m[4*row+col] = -1
		}
	}
	for col := range 3 {
		if !taken[col] {
			m[8+col] = 1
		}
	}
	return m
}

// numbers checks that v has as many numbers as one of counts, which form shows, and that all are finite.
func (c *check) numbers(key string, v []float64, form string, counts ...int) bool {
	name := key[strings.LastIndex(key, ".")+1:]
	fits := false
	for _, n := range counts {
		fits = fits || len(v) == n
	}
	if !fits {
		c.add(key, "%s has %d numbers; write %s", name, len(v), form)
		return false
	}
	for i, x := range v {
		if finite(x) {
			continue
		}
		if len(v) > 1 {
			name = fmt.Sprintf("number %d of %s", i+1, name)
		}
		c.add(key, "%s is %s; write a finite number", name, nameOf(x))
		return false
	}
	return true
}
