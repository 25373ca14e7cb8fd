package geo

import (
	"fmt"
	"math"
)

// A zoneCheck gathers what is wrong with the polygons of a zone.
type zoneCheck struct {
	lonLat   bool
	polygon  int
	problems []ZoneProblem
}

func (c *zoneCheck) add(polygon, ring, position int, format string, args ...any) {
	c.problems = append(c.problems, ZoneProblem{polygon, ring, position, fmt.Sprintf(format, args...)})
}

// A checkedEdge is an edge with its place in the file.
type checkedEdge struct {
	edge
	ring, position int // position of its beginning
	next, last     int // the edges that it may meet, since they follow it or it follows them
}

// check makes a polygon of rings.
func (c *zoneCheck) check(rings [][][2]float64) (polygon, bool) {
	before := len(c.problems)
	if len(rings) == 0 {
		c.add(c.polygon, -1, -1, "it is empty: the polygon has no ring")
	}
	var clean [][][2]float64
	var edges []checkedEdge
	for i, ring := range rings {
		kept, at := c.ring(i, ring)
		if kept == nil {
			continue
		}
		first := len(edges)
		for k := 1; k < len(kept); k++ {
			e := checkedEdge{edge{kept[k-1][0], kept[k-1][1], kept[k][0], kept[k][1]}, i, at[k-1], len(edges) + 1, len(edges) - 1}
			edges = append(edges, e)
		}
		edges[first].last, edges[len(edges)-1].next = len(edges)-1, first
		clean = append(clean, kept)
	}
	if len(c.problems) > before {
		return polygon{}, false
	}
	p := newPolygon(clean)
	if !c.crossings(&p, edges) {
		return polygon{}, false
	}
	outer := newPolygon(clean[:1])
	for i, hole := range clean[1:] {
		for k, at := range hole {
			if !outer.covers(at[0], at[1]) {
				c.add(c.polygon, i+1, k, "the hole leaves its polygon at %s", position(at))
				break
			}
		}
	}
	return p, len(c.problems) == before
}

// ring checks one ring and leaves out positions that repeat the one before. at are their numbers in the file. It is
// nil where there is a problem.
func (c *zoneCheck) ring(i int, ring [][2]float64) (kept [][2]float64, at []int) {
	before := len(c.problems)
	for k, p := range ring {
		switch wrong := wrongPosition(p); {
		case !finite(p[0]) || !finite(p[1]):
			c.add(c.polygon, i, k, "position %s is not a finite number", position(p))
		case c.lonLat && wrong != "":
			c.add(c.polygon, i, k, "%s", wrong)
		case math.Abs(p[0]) > 1e100 || math.Abs(p[1]) > 1e100:
			c.add(c.polygon, i, k, "position %s is too far away", position(p))
		}
		if c.lonLat && k > 0 && math.Abs(p[0]-ring[k-1][0]) > 180 && (math.Abs(p[0]) != 180 || math.Abs(ring[k-1][0]) != 180) {
			c.add(c.polygon, i, k, "the edge from %s to %s goes more than half around the earth; a polygon across the antimeridian is cut there into two (RFC 7946, 3.1.9)",
				position(ring[k-1]), position(p))
		}
		if len(kept) == 0 || kept[len(kept)-1] != p {
			kept, at = append(kept, p), append(at, k)
		}
	}
	switch {
	case len(c.problems) > before:
	case len(ring) == 0:
		c.add(c.polygon, i, -1, "it is empty: the ring has no positions")
	case len(ring) < 4:
		c.add(c.polygon, i, -1, "the ring has %d positions and needs at least 4, where the last repeats the first", len(ring))
	case ring[0] != ring[len(ring)-1]:
		c.add(c.polygon, i, len(ring)-1, "the ring is not closed: it begins at %s and ends at %s; repeat the first position at the end", position(ring[0]), position(ring[len(ring)-1]))
	case len(kept) < 4:
		c.add(c.polygon, i, -1, "the ring has no area: it has fewer than 3 different corners")
	default:
		return kept, at
	}
	return nil, nil
}

// maxCrossings is how many crossings of one polygon are told: whoever has mixed up the corners needs no thousand.
const maxCrossings = 3

// crossings finds edges that meet where they must not. It says whether there are none.
func (c *zoneCheck) crossings(p *polygon, edges []checkedEdge) bool {
	found := 0
	for i := range edges {
		around := edges[i].box()
		var search func(level, from, to int) bool
		search = func(level, from, to int) bool {
			for k := from; k < to; k++ {
				if level < 0 {
					if k > i && c.conflict(edges, i, k) {
						found++
					}
				} else if p.tree.levels[level][k].meets(&around) {
					first, last := p.tree.children(level, k, len(edges))
					if last*span(level-1) > i && !search(level-1, first, last) {
						return false
					}
				}
				if found == maxCrossings {
					return false
				}
			}
			return true
		}
		if !search(p.tree.top(), 0, 1) {
			return false
		}
	}
	return found == 0
}

// conflict says whether edges i and k of a polygon meet where they must not, and tells where.
func (c *zoneCheck) conflict(edges []checkedEdge, i, k int) bool {
	a, b := &edges[i], &edges[k]
	if a.next == k || a.last == k {
		if a.last == k && a.next != k {
			a, b = b, a
		}
		if orient(a.ax, a.ay, a.bx, a.by, b.bx, b.by) != 0 || (a.bx-a.ax)*(b.bx-b.ax)+(a.by-a.ay)*(b.by-b.ay) > 0 {
			return false
		}
		c.add(c.polygon, a.ring, b.position, "the ring turns back on itself at %s", position([2]float64{b.ax, b.ay}))
		return true
	}
	crosses, touches := meet(&a.edge, &b.edge)
	switch {
	case a.ring == b.ring && (crosses || touches):
		c.add(c.polygon, b.ring, b.position, "the ring crosses itself: its edge from %s to %s meets that from %s to %s; are the corners in their order?",
			position([2]float64{b.ax, b.ay}), position([2]float64{b.bx, b.by}), position([2]float64{a.ax, a.ay}), position([2]float64{a.bx, a.by}))
	case a.ring != b.ring && crosses:
		c.add(c.polygon, b.ring, b.position, "two rings of the polygon cross: the edge from %s to %s meets that from %s to %s",
			position([2]float64{b.ax, b.ay}), position([2]float64{b.bx, b.by}), position([2]float64{a.ax, a.ay}), position([2]float64{a.bx, a.by}))
	default:
		return false
	}
	return true
}

// meet says whether two edges cross, or lie on each other for a part, and whether they share a point at all.
func meet(a, b *edge) (crosses, touches bool) {
	boxA, boxB := a.box(), b.box()
	if !boxA.meets(&boxB) {
		return false, false
	}
	d1, d2 := orient(b.ax, b.ay, b.bx, b.by, a.ax, a.ay), orient(b.ax, b.ay, b.bx, b.by, a.bx, a.by)
	d3, d4 := orient(a.ax, a.ay, a.bx, a.by, b.ax, b.ay), orient(a.ax, a.ay, a.bx, a.by, b.bx, b.by)
	if d1 == 0 && d2 == 0 && d3 == 0 && d4 == 0 {
		shared := box{max(boxA.minX, boxB.minX), max(boxA.minY, boxB.minY), min(boxA.maxX, boxB.maxX), min(boxA.maxY, boxB.maxY)}
		return shared.maxX > shared.minX || shared.maxY > shared.minY, true
	}
	if (d1 > 0) != (d2 > 0) && d1 != 0 && d2 != 0 && (d3 > 0) != (d4 > 0) && d3 != 0 && d4 != 0 {
		return true, true
	}
	return false, d1 == 0 && boxB.has(a.ax, a.ay) || d2 == 0 && boxB.has(a.bx, a.by) || d3 == 0 && boxA.has(b.ax, b.ay) || d4 == 0 && boxA.has(b.bx, b.by)
}

// wrongPosition says what is wrong with a longitude and latitude, "" if nothing is.
func wrongPosition(p [2]float64) string {
	switch {
	case math.Abs(p[1]) > 90:
		return fmt.Sprintf("lat %v is outside -90..90 (lon and lat swapped? positions are [lon, lat])", p[1])
	case math.Abs(p[0]) > 180:
		return fmt.Sprintf("lon %v is outside -180..180; a polygon across the antimeridian is cut there into two (RFC 7946, 3.1.9)", p[0])
	}
	return ""
}

func position(p [2]float64) string { return fmt.Sprintf("[%s, %s]", shown(p[0]), shown(p[1])) }

func shown(f float64) string {
	if !finite(f) {
		return nameOf(f)
	}
	return fmt.Sprint(f)
}
