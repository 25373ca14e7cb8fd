package geo

import "math"

// An earth metric measures from a point on the earth to edges that are straight in longitude and latitude (RFC 7946,
// 3.1.1), which is not along geodesics. Both are in degrees, distances in metres.
//
// Towards an edge it uses the ellipsoid's radii at the middle latitude between the point and the place on the edge
// (Gauss's mid-latitude formula). That finds the nearest edge and place; refine then measures by the geodesic. Over 10 km
// the right edge is found; farther away one that is nearly as near may be taken for it, see TestBoundaryIsGeodesic.
type earthMetric struct {
	lon, lat float64
	cos      float64
	seam     bool // edges along the antimeridian are cuts, not boundaries
}

const (
	earthA  = 6378137.0                                 // WGS84, metres
	earthE2 = (2 - 1/298.257223563) * 1 / 298.257223563 // f (2 - f)
	// leastRadius is below what a metre on the earth is on the unit sphere at its flattest, by the 0.56 % that a
	// sphere's distances may be off.
	leastRadius = EarthRadius * 0.993
)

func newEarthMetric(lon, lat float64, seam bool) *earthMetric {
	return &earthMetric{lon, lat, math.Cos(lat * radian), seam}
}

// radii are the metres in a degree of longitude and of latitude.
func radii(lat float64) (x, y float64) {
	sin, cos := math.Sincos(lat * radian)
	w := 1 - earthE2*sin*sin
	n := earthA / math.Sqrt(w)
	return n * cos * radian, n * (1 - earthE2) / w * radian
}

func (m *earthMetric) toEdge(e *edge) (distance, at float64) {
	if m.cut(e) {
		return math.Inf(1), 0
	}
	ax, ay := wrapLon(e.ax-m.lon), e.ay-m.lat
	dx, dy := e.bx-e.ax, e.by-e.ay
	if ax+dx > 180 {
		ax -= 360
	} else if ax+dx < -180 {
		ax += 360
	}
	rx, ry := radii(m.lat)
	for range 3 {
		px, py, qx, qy := ax*rx, ay*ry, dx*rx, dy*ry
		at = max(0, min(1, -(px*qx+py*qy)/(qx*qx+qy*qy)))
		rx, ry = radii(m.lat + (ay+at*dy)/2)
		distance = math.Hypot((ax+at*dx)*rx, (ay+at*dy)*ry)
	}
	return distance, at
}

// cut says whether an edge is no boundary on the earth: it lies along the antimeridian, where polygons are cut, or is
// a pole.
func (m *earthMetric) cut(e *edge) bool {
	return m.seam && math.Abs(e.ax) == 180 && e.ax == e.bx || math.Abs(e.ay) == 90 && e.ay == e.by
}

// toBox is by the haversine formula: with h(v) = sin(v/2)^2, h(d) = h(dlat) + cos(lat1) cos(lat2) h(dlon), where each
// part is at its least.
func (m *earthMetric) toBox(b *box) float64 {
	dLat := max(b.minY-m.lat, m.lat-b.maxY, 0) * radian
	dLon := math.Inf(1)
	for _, lon := range [...]float64{m.lon, m.lon - 360, m.lon + 360} {
		dLon = min(dLon, max(b.minX-lon, lon-b.maxX, 0))
	}
	dLon = min(dLon, 180) * radian
	least := min(math.Cos(b.minY*radian), math.Cos(b.maxY*radian))
	sinLat, sinLon := math.Sin(dLat/2), math.Sin(dLon/2)
	return 2 * leastRadius * math.Sqrt(sinLat*sinLat+max(m.cos*least, 0)*sinLon*sinLon)
}

// refine measures to the nearest place of an edge by the geodesic: from a place on the edge the geodesic to the point
// leaves at a right angle, or the place is an end.
func (m *earthMetric) refine(n *nearest) (float64, error) {
	dx, dy := n.edge.bx-n.edge.ax, n.edge.by-n.edge.ay
	at, distance := n.at, 0.0
	for range 6 {
		lon, lat := n.edge.ax+at*dx, n.edge.ay+at*dy
		s, azimuth, _, err := Inverse(lon, lat, m.lon, m.lat)
		if err != nil {
			return 0, err
		}
		distance = s
		rx, ry := radii(lat)
		ex, ey := dx*rx, dy*ry
		sin, cos := math.Sincos(azimuth * radian)
		next := max(0, min(1, at+s*(sin*ex+cos*ey)/(ex*ex+ey*ey)))
		moved := math.Abs(next-at) * math.Hypot(ex, ey)
		at = next
		if !(moved > 1e-4) || moved*moved < 1e-7*s { // a step sideways changes the distance by moved^2 / 2s
			break
		}
	}
	return distance, nil
}
