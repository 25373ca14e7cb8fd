package geo

import (
	"fmt"
	"math"
)

// A bridge is a way over the earth, between frames of two trees, or one that begins or ends in lon and lat:
// an affine step to the root, from there to longitude, latitude and height on WGS 84, and the same down again.
type bridge struct {
	up       Affine // to the coordinates of from
	from, to *CRS
	down     Affine  // from the coordinates of to
	same     bool    // from is to: the way over the earth leads back to where it began
	rise     float64 // the z of points that have none
	in, out  bool    // the frame it begins or ends in is one of lon and lat

	// What moves vectors, which have no place and so are turned as at the origin of a frame that is tied by an
	// origin. Without such a frame there is only the reason.
	vector   Affine
	noVector error
}

// move takes a point all the way.
func (b *bridge) move(x, y, z float64) (float64, float64, float64, error) {
	x, y, z = b.up.Apply(x, y, z)
	x, y, z, err := b.cross(x, y, z)
	if err != nil {
		return 0, 0, 0, err
	}
	x, y, z = b.down.Apply(x, y, z)
	return x, y, z, nil
}

// cross goes from root to root.
func (b *bridge) cross(x, y, z float64) (float64, float64, float64, error) {
	lon, lat, h, err := b.from.ToGeodetic(x, y, z)
	if err != nil {
		return 0, 0, 0, err
	}
	if b.same { // there and back would only cost digits, but whether there is such a place is known now
		if b.from.Geographic() && math.Abs(x) > 180 {
			x = math.Remainder(x, 360)
		}
		return x, y, z, nil
	}
	return b.to.FromGeodetic(lon, lat, h)
}

// Steps of central differences: 30 m, in degrees where coordinates are. What a root's coordinates round off (1e-9 m)
// and what the earth's curvature adds (a third of (30 m / 6400 km)^2) then both stay below 1e-10.
const (
	stepMetres  = 30.0
	stepDegrees = 3e-4
)

// along is what a step from (x, y, z), in the coordinates of from, becomes in those of to, for each unit of step.
func (b *bridge) along(x, y, z, dx, dy, dz float64) (float64, float64, float64, error) {
	step := stepMetres / math.Sqrt(dx*dx+dy*dy+dz*dz)
	if b.from.Geographic() {
		step = stepDegrees / math.Sqrt(dx*dx+dy*dy+dz*dz*(stepDegrees*stepDegrees/stepMetres/stepMetres))
	}
	if !finite(step) {
		return 0, 0, 0, &Error{OutsideDomain, "the direction has no length; check the scales between the frames"}
	}
	x1, y1, z1, err := b.cross(x+step*dx, y+step*dy, z+step*dz)
	if err != nil {
		return 0, 0, 0, err
	}
	x0, y0, z0, err := b.cross(x-step*dx, y-step*dy, z-step*dz)
	if err != nil {
		return 0, 0, 0, err
	}
	x1 -= x0
	if b.to.Geographic() { // over the antimeridian too
		x1 = math.Remainder(x1, 360)
	}
	return x1 / (2 * step), (y1 - y0) / (2 * step), (z1 - z0) / (2 * step), nil
}

// turnAt is how the whole way turns and scales at a point, given in its first frame.
func (b *bridge) turnAt(x, y, z float64) (Affine, error) {
	x, y, z = b.up.Apply(x, y, z)
	var m Affine
	for c, d := range [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} {
		dx, dy, dz, err := b.along(x, y, z, d[0], d[1], d[2])
		if err != nil {
			return m, err
		}
		m[c], m[4+c], m[8+c] = dx, dy, dz
	}
	m = m.Mul(&b.up)
	m = b.down.Mul(&m)
	m[3], m[7], m[11] = 0, 0, 0
	return m, nil
}

// turnVectors finds how vectors turn: as they do at the frame's own origin at that end of the way where x, y, z are
// axes on the ground, of the plane that an origin: makes.
func (b *bridge) turnVectors(t *Transform, fromPlane, toPlane bool) {
	if b.in || b.out {
		return
	}
	x, y, z := 0.0, 0.0, 0.0
	switch {
	case fromPlane:
	case toPlane:
		back := bridge{from: b.to, to: b.from}
		up, _ := b.up.Inverse()
		down, _ := b.down.Inverse()
		back.up, back.down = down, up
		if x, y, z, b.noVector = back.move(0, 0, 0); b.noVector != nil {
			return
		}
	default:
		b.noVector = &Error{OutsideDomain, fmt.Sprintf("a vector has no place, and from %s to %s the turn is another in each; use transform_pose, or the difference of two points",
			quote(t.from), quote(t.to))}
		return
	}
	b.vector, b.noVector = b.turnAt(x, y, z)
}

// fits checks that a point has the coordinates that the way begins with.
func (t *Transform) fits(p Point) error {
	b := t.over
	if p.Shape.lonLat() && !b.in || p.Shape.named() && !p.Shape.lonLat() && b.in || t.upright && p.Shape.Flat() {
		return t.unfit(p)
	}
	if z := p.Z; (p.X-p.X)+(p.Y-p.Y) != 0 || !p.Shape.Flat() && z-z != 0 {
		return t.notFinite(p)
	}
	return nil
}

// pointOver moves a point over the earth.
func (t *Transform) pointOver(p Point) (Point, error) {
	if err := t.fits(p); err != nil {
		return Point{}, err
	}
	b := t.over
	if p.Shape.Flat() {
		p.Z = b.rise
	}
	x, y, z, err := b.move(p.X, p.Y, p.Z)
	if err != nil {
		return Point{}, err
	}
	if (x-x)+(y-y)+(z-z) != 0 {
		return Point{}, t.notFinite(p)
	}
	q := Point{x, y, z, p.Shape.as(b.out)}
	if q.Shape.Flat() {
		q.Z = 0
	}
	return q, nil
}

func (t *Transform) vectorOver(p Point) (Point, error) {
	b := t.over
	switch {
	case b.in || b.out:
		return Point{}, t.noTurn("a vector")
	case t.upright && p.Shape.Flat() || p.Shape.lonLat():
		return Point{}, t.unfit(p)
	case b.noVector != nil:
		return Point{}, b.noVector
	}
	if p.Shape.Flat() {
		p.Z = 0
	}
	x, y, z := b.vector.ApplyVector(p.X, p.Y, p.Z)
	if (x-x)+(y-y)+(z-z) != 0 {
		return Point{}, t.notFinite(p)
	}
	if p.Shape.Flat() {
		z = 0
	}
	return Point{x, y, z, p.Shape}, nil
}

// yawOver turns a yaw as the way turns a short line at the pose's place. Between a plane and a grid that is by the
// grid's convergence.
func (t *Transform) yawOver(at Point, yaw float64) (float64, error) {
	if !finite(yaw) {
		return 0, &Error{NotFinite, "yaw is " + nameOf(yaw)}
	}
	b := t.over
	if at.Shape.Flat() {
		at.Z = b.rise
	}
	sin, cos := math.Sincos(yaw)
	x, y, z := b.up.Apply(at.X, at.Y, at.Z)
	dx, dy, dz := b.up.ApplyVector(cos, sin, 0)
	dx, dy, dz, err := b.along(x, y, z, dx, dy, dz)
	if err != nil {
		return 0, err
	}
	dx, dy, dz = b.down.ApplyVector(dx, dy, dz)
	return t.yawAlong(yaw, dx, dy, dz)
}

func (t *Transform) quaternionOver(at Point, q [4]float64) ([4]float64, error) {
	if at.Shape.Flat() {
		at.Z = t.over.rise
	}
	way, err := t.over.turnAt(at.X, at.Y, at.Z)
	if err != nil {
		return q, err
	}
	turned := Transform{from: t.from, to: t.to}
	turned.turnOf(&way)
	return turned.turnQuaternion(q)
}

// noTurn says why there is no direction in lon and lat.
func (t *Transform) noTurn(what string) error {
	name := t.to
	if t.over.in {
		name = t.from
	}
	return &Error{WrongType, fmt.Sprintf("frame %s is in lon and lat, where %s has no axes to lie along; use a frame with origin:, whose x runs east and y north", quote(name), what)}
}
