package geo

import (
	"fmt"
	"math"
	"slices"
)

// A ZoneSpec defines a zone in a frame: either polygons or a circle. It is flat, heights do not count.
//
// With LonLat, positions are longitude and latitude in degrees and edges are straight in these (RFC 7946), a radius is
// in metres and distances are geodesics. Without, all is in the unit of the frame.
type ZoneSpec struct {
	Name, Frame string
	LonLat      bool
	Polygons    [][][][2]float64 // polygons, of which each has an outer ring and then its holes, closed
	Circle      *Circle
}

// A Circle is all that is not further than Radius from its centre.
type Circle struct{ X, Y, Radius float64 }

// A ZoneProblem is what is wrong with a zone, and where: the numbers of the polygon, of the ring and of the position,
// -1 where it is about the whole.
type ZoneProblem struct {
	Polygon, Ring, Position int
	Message                 string
}

// A Zone is a checked zone. It does not change and may be used by many goroutines.
type Zone struct {
	Name, Frame string
	LonLat      bool
	polygons    []polygon
	circle      *Circle
	bounds      []box
	seam        bool // polygons touch the antimeridian from both sides: they are cut there
}

// NewZone checks a zone. It is nil where there are problems.
func NewZone(spec ZoneSpec) (*Zone, []ZoneProblem) {
	z := &Zone{Name: spec.Name, Frame: spec.Frame, LonLat: spec.LonLat}
	if spec.Circle != nil {
		if wrong := z.addCircle(*spec.Circle); wrong != "" {
			return nil, []ZoneProblem{{-1, -1, -1, wrong}}
		}
		return z, nil
	}
	c := zoneCheck{lonLat: spec.LonLat}
	if len(spec.Polygons) == 0 {
		c.add(-1, -1, -1, "it is empty: there is no polygon")
	}
	east, west := false, false
	for i, rings := range spec.Polygons {
		c.polygon = i
		p, ok := c.check(rings)
		if !ok {
			continue
		}
		z.polygons = append(z.polygons, p)
		z.bounds = append(z.bounds, p.bounds)
		east, west = east || p.bounds.maxX == 180, west || p.bounds.minX == -180
	}
	z.seam = z.LonLat && east && west
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return z, nil
}

// addCircle gives what is wrong with a circle, "" if nothing is.
func (z *Zone) addCircle(c Circle) string {
	switch {
	case !finite(c.X) || !finite(c.Y):
		return "center is not a finite number"
	case z.LonLat && wrongPosition([2]float64{c.X, c.Y}) != "":
		return "center: " + wrongPosition([2]float64{c.X, c.Y})
	case !(c.Radius > 0) || !finite(c.Radius):
		return fmt.Sprintf("radius is %s and must be a number above 0", shown(c.Radius))
	case z.LonLat && c.Radius > 1e7:
		return fmt.Sprintf("radius is %g m, which is more than a quarter of the way around the earth", c.Radius)
	}
	z.circle = &c
	if !z.LonLat {
		r := c.Radius + c.slack()
		z.bounds = []box{{c.X - r, c.Y - r, c.X + r, c.Y + r}}
		return ""
	}
	// A degree of latitude has at least 110.57 km, and a sphere's circle of that size reaches at latitude lat
	// asin(sin(d)/cos(lat)) degrees east and west.
	d := c.Radius/110570 + 1e-9
	around := box{-180, c.Y - d, 180, c.Y + d}
	sin := math.Sin(d*radian) / math.Cos(c.Y*radian)
	if around.minY <= -90 || around.maxY >= 90 || sin >= 1 {
		z.bounds = []box{around}
		return ""
	}
	// The ellipsoid's degrees of longitude are up to 0.7 % off those of this sphere.
	east := math.Asin(sin)/radian*1.01 + 1e-9
	around.minX, around.maxX = c.X-east, c.X+east
	z.bounds = []box{around}
	switch { // the other side of the antimeridian
	case around.minX < -180:
		z.bounds = append(z.bounds, box{around.minX + 360, around.minY, 180, around.maxY})
	case around.maxX > 180:
		z.bounds = append(z.bounds, box{-180, around.minY, around.maxX - 360, around.maxY})
	}
	return ""
}

// slack is how far from the edge of a circle a point may be that is still on it: decimals such as 4.7 - 3.2 are not
// exact in binary.
func (c *Circle) slack() float64 {
	return 4e-16 * (math.Abs(c.X) + math.Abs(c.Y) + 4*c.Radius)
}

// BoxRings is a rectangle as polygons. In longitude and latitude one from 170 to -170 goes across the antimeridian, as
// in RFC 7946, section 5.2, and becomes two.
func BoxRings(minX, minY, maxX, maxY float64, lonLat bool) [][][][2]float64 {
	if lonLat && minX > maxX {
		return slices.Concat(BoxRings(minX, minY, 180, maxY, true), BoxRings(-180, minY, maxX, maxY, true))
	}
	return [][][][2]float64{{{{minX, minY}, {maxX, minY}, {maxX, maxY}, {minX, maxY}, {minX, minY}}}}
}

// Covers says whether a point is inside or on the boundary; on the edge of a hole it is in. Of a LonLat zone x must be
// a longitude from -180 to 180, as from LonLatOf.
func (z *Zone) Covers(x, y float64) bool {
	if z.circle != nil {
		return z.circleCovers(x, y)
	}
	if z.seam && (x == 180 || x == -180) && z.partCovers(-x, y) {
		return true
	}
	return z.partCovers(x, y)
}

func (z *Zone) partCovers(x, y float64) bool {
	for i := range z.polygons {
		if z.polygons[i].covers(x, y) {
			return true
		}
	}
	return false
}

func (z *Zone) circleCovers(x, y float64) bool {
	c := z.circle
	if !z.LonLat {
		return math.Hypot(x-c.X, y-c.Y) <= c.Radius+c.slack()
	}
	within := false
	for i := range z.bounds {
		within = within || z.bounds[i].has(x, y)
	}
	if !within {
		return false
	}
	// A sphere's distance is at most 0.56 % off.
	about, err := Haversine(c.X, c.Y, x, y)
	if err != nil || about > 1.01*c.Radius {
		return false
	}
	if about < 0.99*c.Radius {
		return true
	}
	d, _, _, err := Inverse(c.X, c.Y, x, y)
	return err == nil && d <= c.Radius+1e-9
}

// Boundary is the distance to the boundary: below zero inside, above zero outside, zero on it. In longitude and
// latitude it is in metres and measured by the geodesic, elsewhere in the unit of the frame. It may be infinite where a
// zone is all of the earth.
func (z *Zone) Boundary(x, y float64) (float64, error) {
	if c := z.circle; c != nil {
		if !z.LonLat {
			d := math.Hypot(x-c.X, y-c.Y) - c.Radius
			if math.Abs(d) <= c.slack() {
				d = 0
			}
			return d, nil
		}
		d, _, _, err := Inverse(c.X, c.Y, x, y)
		return d - c.Radius, err
	}
	var m metric = &flatMetric{x, y}
	if z.LonLat {
		m = newEarthMetric(x, y, z.seam)
	}
	n := nearest{distance: math.Inf(1)}
	for i := range z.polygons {
		p := &z.polygons[i]
		p.look(m, p.tree.top(), 0, 1, &n)
	}
	d := n.distance
	if n.edge == nil {
		return 0, &Error{OutsideDomain, "zone " + quote(z.Name) + " is the whole earth and has no boundary"}
	}
	if e, ok := m.(*earthMetric); ok {
		var err error
		if d, err = e.refine(&n); err != nil {
			return 0, err
		}
	}
	if z.Covers(x, y) {
		return min(-d, 0) + 0, nil // + 0 makes 0 of -0
	}
	return d, nil
}

// Distance is that to the zone: 0 inside and on the boundary.
func (z *Zone) Distance(x, y float64) (float64, error) {
	if z.Covers(x, y) {
		return 0, nil
	}
	d, err := z.Boundary(x, y)
	return max(d, 0), err
}

// LonLatOf checks a longitude and latitude in degrees, and gives the longitude from -180 to 180.
func LonLatOf(lon, lat float64) (float64, error) { return checkLonLat(lon, lat) }
