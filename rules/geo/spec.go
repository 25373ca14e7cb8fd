package geo

import (
	"slices"
	"sync/atomic"
)

// A FrameSpec defines a frame: as a root, with a name alone or tied to the earth, or in its parent. What is nil
// was not given.
//
// Without a matrix, p_parent = translation + rotation * scale * axes(p); each part may be left out, and a
// frame with none of them lies on its parent.
type FrameSpec struct {
	Name, Parent string
	Translation  []float64 // x, y[, z], in the parent's unit
	Rotation     *RotationSpec
	Scale        *float64 // parent units in one unit of this frame

	// Matrix replaces all of the above: 2x3 (the z of points stays as it is) or 3x4, row major. Direction is
	// to_parent, also when empty, or from_parent.
	Matrix    []float64
	Direction string

	// Axes says for each axis of the parent, x, y[, z], which axis of this frame it is: [x, -z] has the
	// parent's y run against this frame's z. Where the third is left out it is the remaining axis, with +:
	// [x, -z] is [x, -z, y], and [x, -y] is [x, -y, z], a mirror.
	Axes []string

	ControlPoints *ControlPointsSpec // the way that fits surveyed points, in place of all of the above
	MapServer     *MapServerSpec     // the pixels of a map's picture, in place of all of the above

	CRS    string      // a root: this coordinate reference system
	Origin *OriginSpec // a root: the plane that touches the earth there
}

// An OriginSpec ties a root to the earth: x runs east, y north, z up from this place, in metres (EPSG method
// 9837, topocentric). Lon and Lat are in degrees and must be given; H is metres above the ellipsoid of WGS 84.
type OriginSpec struct{ Lon, Lat, H *float64 }

// A MapServerSpec is what a map file of ROS's map_server says, and the height of its picture in pixels. The
// parent is the map, in metres. The frame counts pixels from the upper left corner of the picture, x to the
// right and y down: (0, 0) is that corner, and the middle of the first pixel is (0.5, 0.5).
type MapServerSpec struct {
	Resolution float64   // metres a pixel
	Origin     []float64 // x, y, yaw: where the lower left corner of the picture lies, and how it is turned
	Height     int
}

// A RotationSpec is one of a yaw in degrees or radians, roll, pitch and yaw in degrees about the fixed axes
// x, y, z (R = Rz Ry Rx, as tf2), or a quaternion x, y, z, w.
type RotationSpec struct {
	YawDeg, Yaw *float64
	RPYDeg      []float64
	Quaternion  []float64
}

// A Problem is one thing that is wrong with a frame. Key is the key of the frame's mapping that is to blame,
// with a dot where that is a mapping too (rotation.quaternion), or empty for the frame as a whole. Message
// says what is wrong and what to do, and reads after the frame's name.
type Problem struct{ Frame, Key, Message string }

// maxCondition is the condition number above which a matrix counts as singular: the way back would lose 12
// of 16 digits.
const maxCondition = 1e12

// quaternionSlack is how far the length of a quaternion may be from 1.
const quaternionSlack = 1e-3

// NewFrames checks frames and joins them to a forest; their order does not matter. It returns all problems of
// all frames, in their order, and then the cycles. Where there are any, Frames still knows all names, so that
// rules can be checked against them, but it must not move anything.
func NewFrames(specs []FrameSpec) (*Frames, []Problem) {
	f := &Frames{index: make(map[string]int, len(specs))}
	var problems []Problem
	var kept []*FrameSpec
	for i := range specs {
		s := &specs[i]
		if s.Name == "" {
			problems = append(problems, Problem{"", "", "a frame needs a name"})
			continue
		}
		if _, twice := f.index[s.Name]; twice {
			problems = append(problems, Problem{s.Name, "", "is defined twice; rename one or remove it"})
			continue
		}
		f.index[s.Name] = len(kept)
		kept = append(kept, s)
		f.nodes = append(f.nodes, node{name: s.Name, parent: -1})
	}
	for name := range f.index {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	for i, s := range kept {
		n := &f.nodes[i]
		c := check{frame: s.Name}
		n.toParent, n.fromParent = c.pose(s)
		n.tie = c.tie(s)
		if s.Parent != "" {
			if parent, ok := f.index[s.Parent]; ok {
				n.parent = parent
			} else {
				c.add("parent", "no frame %s to be its parent; %s", quote(s.Parent), f.suggest(s.Parent, s.Name))
			}
		}
		problems = append(problems, c.problems...)
	}
	problems = append(problems, f.plant()...)
	f.broken = len(problems) > 0
	few := min(len(f.nodes), manyFrames)
	f.recent = make([]atomic.Pointer[Transform], few*few)
	return f, problems
}

// plant finds the root and the depth of every frame, and the cycles, which have none.
func (f *Frames) plant() []Problem {
	var problems []Problem
	const unseen, onPath = -1, -2
	for i := range f.nodes {
		f.nodes[i].root = unseen
	}
	var path []int
	for i := range f.nodes {
		at := i
		for path = path[:0]; at >= 0 && f.nodes[at].root == unseen; at = f.nodes[at].parent {
			f.nodes[at].root = onPath
			path = append(path, at)
		}
		root, depth := at, 0
		switch {
		case at < 0:
			root, depth = path[len(path)-1], -1
		case f.nodes[at].root == onPath:
			problems = append(problems, f.cycle(path, at))
		default:
			root, depth = f.nodes[at].root, f.nodes[at].depth
		}
		for k := len(path) - 1; k >= 0; k-- {
			depth++
			f.nodes[path[k]].root, f.nodes[path[k]].depth = root, depth
		}
	}
	return problems
}

// cycle shows the part of path that leads from frame at back to it.
func (f *Frames) cycle(path []int, at int) Problem {
	text, on := "", false
	for _, i := range path {
		if on = on || i == at; on {
			text += f.nodes[i].name + " -> "
		}
	}
	name := f.nodes[at].name
	return Problem{name, "parent", "its parents go in a circle: " + text + name + "; take the parent from one of them"}
}
