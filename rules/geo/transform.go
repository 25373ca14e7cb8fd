package geo

import (
	"fmt"
	"math"
)

// A Transform moves what is in one frame to another. It is composed once, by Frames.Between, does not change
// and may be used by many goroutines.
type Transform struct {
	from, to string
	affine   Affine  // the whole way, folded into one
	over     *bridge // in place of affine, the way over the earth

	// What follows from affine, for points without z and for directions.
	upright    bool       // the plane z = 0 of from is seen from its edge in to, so points need a z
	solid      bool       // the same, because a frame counts from the middle of the earth
	level      bool       // seen from above it keeps its angles
	flipped    bool       // seen from above it lies upside down, by a mirror or half a turn
	yaw        float64    // where level: the direction of from's x axis
	mirror     bool       // what is right-handed becomes left-handed
	turned     bool       // there is a turn, which is
	quaternion [4]float64 // this, after y is negated where mirror
}

// near is how far, relative to its size, rounding may take a number from what it should be.
const near = 1e-12

func newTransform(from, to string, way Affine) *Transform {
	t := &Transform{from: from, to: to, affine: way}

	// The x and y axes of from as they lie in to, in the size they have seen from above, and the normal of
	// the plane between them.
	size := max(math.Abs(way[0]), math.Abs(way[1]), math.Abs(way[4]), math.Abs(way[5]))
	xx, xy, xz := way[0]/size, way[4]/size, way[8]/size
	yx, yy, yz := way[1]/size, way[5]/size, way[9]/size
	nx, ny, nz := xy*yz-xz*yy, xz*yx-xx*yz, xx*yy-xy*yx
	t.upright = !(math.Abs(nz) > near*math.Sqrt(nx*nx+ny*ny+nz*nz))
	t.flipped = nz < 0
	if t.flipped {
		yx, yy = -yx, -yy
	}
	t.level = !t.upright && math.Abs(xx-yy) <= near && math.Abs(xy+yx) <= near
	if t.level {
		t.yaw = math.Atan2(xy, xx)
	}

	t.turnOf(&way)
	return t
}

// turnOf finds the mirror and the turn nearest to way, for quaternions.
func (t *Transform) turnOf(way *Affine) {
	turn, ok := way.turn()
	t.mirror = way.mirrors()
	if ok && t.mirror {
		turn[1], turn[5], turn[9] = -turn[1], -turn[5], -turn[9]
	}
	if ok {
		t.quaternion, t.turned = quaternionOf(&turn), true
	}
}

// LonLat says that the way begins in lon and lat.
func (t *Transform) LonLat() bool { return t.over != nil && t.over.in }

// Point moves a point. It keeps its shape; without z it lies at z = 0, and what becomes of that is dropped.
//
// Between lon and lat and other frames the names of the coordinates change; arrays stay arrays. Without height a
// point of a CRS lies at h = 0, or at the height of the plane's origin where it goes to one.
func (t *Transform) Point(p Point) (Point, error) {
	if t.over != nil {
		return t.pointOver(p)
	}
	if p.Shape == XYZ || p.Shape == Array3 {
		x, y, z := t.affine.Apply(p.X, p.Y, p.Z)
		// An x that is not finite leaves none of the three finite (Inf*0 is NaN), so that looking at what
		// comes out is enough. v - v is 0 for finite numbers, else NaN.
		if (x-x)+(y-y)+(z-z) != 0 {
			return Point{}, t.notFinite(p)
		}
		return Point{x, y, z, p.Shape}, nil
	}
	if p.Shape.lonLat() || t.upright {
		return Point{}, t.unfit(p)
	}
	x, y, _ := t.affine.Apply(p.X, p.Y, 0)
	if (x-x)+(y-y) != 0 {
		return Point{}, t.notFinite(p)
	}
	return Point{x, y, 0, p.Shape}, nil
}

// Vector turns and scales a vector, such as a speed; it has no place, so translations do not touch it.
// Over the earth it turns as at the origin of the frame that stands in a plane.
func (t *Transform) Vector(p Point) (Point, error) {
	if t.over != nil {
		return t.vectorOver(p)
	}
	if p.Shape == XYZ || p.Shape == Array3 {
		x, y, z := t.affine.ApplyVector(p.X, p.Y, p.Z)
		if (x-x)+(y-y)+(z-z) != 0 {
			return Point{}, t.notFinite(p)
		}
		return Point{x, y, z, p.Shape}, nil
	}
	if p.Shape.lonLat() || t.upright {
		return Point{}, t.unfit(p)
	}
	x, y, _ := t.affine.ApplyVector(p.X, p.Y, 0)
	if (x-x)+(y-y) != 0 {
		return Point{}, t.notFinite(p)
	}
	return Point{x, y, 0, p.Shape}, nil
}

// Pose moves the place and turns the direction.
//
// The yaw of the result is that of the moved heading, from -pi to pi: a sheared or mirrored frame turns
// headings as it turns lines on the floor. A quaternion is turned by the frame's rotation, of a matrix by the
// orthogonal matrix nearest to it (polar decomposition). A mirror makes of a right-handed body a left-handed one;
// the body keeps its front and its top, and left and right change. Scale touches neither. Over the earth both turn as
// the way does at this place.
func (t *Transform) Pose(p Pose) (Pose, error) {
	at, err := t.Point(p.Point)
	if err != nil {
		return Pose{}, err
	}
	if t.over != nil && (t.over.in || t.over.out) && (p.HasYaw || p.HasQuaternion) {
		return Pose{}, t.noTurn("a yaw or quaternion")
	}
	out := Pose{Point: at, HasYaw: p.HasYaw, HasQuaternion: p.HasQuaternion}
	if p.HasYaw {
		if t.over != nil {
			out.Yaw, err = t.yawOver(p.Point, p.Yaw)
		} else {
			out.Yaw, err = t.turnYaw(p.Yaw)
		}
		if err != nil {
			return Pose{}, err
		}
	}
	if p.HasQuaternion {
		if t.over != nil {
			out.Quaternion, err = t.quaternionOver(p.Point, p.Quaternion)
		} else {
			out.Quaternion, err = t.turnQuaternion(p.Quaternion)
		}
		if err != nil {
			return Pose{}, err
		}
	}
	return out, nil
}

func (t *Transform) turnYaw(yaw float64) (float64, error) {
	if !finite(yaw) {
		return 0, &Error{NotFinite, "yaw is " + nameOf(yaw)}
	}
	if t.level {
		// Adding the angle keeps the digits of yaw where frames are not turned; sine and arc tangent lose some.
		if t.flipped {
			yaw = -yaw
		}
		return wrap(t.yaw + wrap(yaw)), nil
	}
	sin, cos := math.Sincos(yaw)
	x, y, z := t.affine.ApplyVector(cos, sin, 0)
	return t.yawAlong(yaw, x, y, z)
}

// yawAlong is the yaw of the direction that the heading yaw has become.
func (t *Transform) yawAlong(yaw, x, y, z float64) (float64, error) {
	if !(math.Hypot(x, y) > 1e-9*math.Abs(z)) {
		return 0, &Error{OutsideDomain, fmt.Sprintf("the heading at yaw %g in %s points along z in %s and has no yaw there; give a quaternion",
			yaw, quote(t.from), quote(t.to))}
	}
	return wrap(math.Atan2(y, x)), nil
}

func (t *Transform) turnQuaternion(q [4]float64) ([4]float64, error) {
	for i, c := range q {
		if !finite(c) {
			return q, &Error{NotFinite, "quaternion." + "xyzw"[i:i+1] + " is " + nameOf(c)}
		}
	}
	if n := quaternionLength(q); math.Abs(n-1) > quaternionSlack {
		return q, &Error{OutsideDomain, fmt.Sprintf("quaternion has length %.4g, a rotation has 1; normalise it", n)}
	}
	if !t.turned {
		return q, &Error{OutsideDomain, fmt.Sprintf("from %s to %s there is no rotation nearest to the matrix; check the frames between them", quote(t.from), quote(t.to))}
	}
	if t.mirror {
		q[0], q[2] = -q[0], -q[2] // the body seen in a mirror across its own y, which t.quaternion negates first
	}
	return quaternionMul(t.quaternion, q), nil
}

// unfit says why a point of this shape cannot take this way.
func (t *Transform) unfit(p Point) error {
	switch {
	case p.Shape.lonLat() && (t.over == nil || !t.over.in):
		return &Error{WrongType, fmt.Sprintf("frame %s takes x and y, not lon and lat", quote(t.from))}
	case t.over != nil && t.over.in && p.Shape.named() && !p.Shape.lonLat():
		return &Error{WrongType, fmt.Sprintf("frame %s takes lon and lat, not x and y", quote(t.from))}
	case t.solid && p.Shape.lonLat():
		return &Error{MissingField, fmt.Sprintf("there is no \"h\": from the middle of the earth, as %s counts, a place has three coordinates", quote(t.to))}
	case t.solid:
		return &Error{MissingField, fmt.Sprintf("there is no \"z\": from the middle of the earth, as %s or %s counts, a place has three coordinates", quote(t.from), quote(t.to))}
	}
	return &Error{MissingField, fmt.Sprintf("has no z: the x-y planes of %s and %s stand upright to each other, so a point without z would lose a coordinate; "+
		"give z, or write axes for points of two coordinates, such as [x, -y]", quote(t.from), quote(t.to))}
}

// notFinite names what was not finite: a coordinate that came in, or the result.
func (t *Transform) notFinite(p Point) error {
	if p.Shape.Flat() {
		p.Z = 0
	}
	for i, v := range [3]float64{p.X, p.Y, p.Z} {
		if !finite(v) {
			name := [...]string{"x", "y", "z"}[i]
			if t.over != nil && t.over.in {
				name = [...]string{"lon", "lat", "h"}[i]
			}
			return &Error{NotFinite, name + " is " + nameOf(v)}
		}
	}
	return &Error{NotFinite, fmt.Sprintf("(%g, %g, %g) is too large: in %s it is not a finite number", p.X, p.Y, p.Z, quote(t.to))}
}

func nameOf(v float64) string {
	if v != v {
		return "NaN"
	}
	if v > 0 {
		return "infinite"
	}
	return "minus infinite"
}
