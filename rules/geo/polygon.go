package geo

import "math"

// A polygon is an outer ring and holes, as edges in one list. Whether a point is inside follows from how many edges
// a ray from it crosses (even-odd), so the direction of rings does not matter.
type polygon struct {
	bounds box
	edges  []edge
	tree   boxTree  // of edges
	chains [][]bool // of each node of the tree: its edges follow each other, they are of one ring
}

type edge struct{ ax, ay, bx, by float64 }

func (e *edge) box() box {
	return box{min(e.ax, e.bx), min(e.ay, e.by), max(e.ax, e.bx), max(e.ay, e.by)}
}

// newPolygon takes closed rings without repeated positions.
func newPolygon(rings [][][2]float64) polygon {
	p := polygon{bounds: noBox}
	for _, ring := range rings {
		for i := 1; i < len(ring); i++ {
			a, b := ring[i-1], ring[i]
			p.edges = append(p.edges, edge{a[0], a[1], b[0], b[1]})
		}
	}
	boxes := make([]box, len(p.edges))
	for i := range p.edges {
		boxes[i] = p.edges[i].box()
		p.bounds.join(boxes[i])
	}
	p.tree = newBoxTree(boxes)
	p.chains = make([][]bool, len(p.tree.levels))
	for level := range p.tree.levels {
		size := span(level)
		for i := range p.tree.levels[level] {
			chain := true
			for k := i*size + 1; k < min((i+1)*size, len(p.edges)); k++ {
				chain = chain && p.edges[k].ax == p.edges[k-1].bx && p.edges[k].ay == p.edges[k-1].by
			}
			p.chains[level] = append(p.chains[level], chain)
		}
	}
	return p
}

// covers says whether a point is inside or on an edge, of a hole too. It is exact.
func (p *polygon) covers(x, y float64) bool {
	if !p.bounds.has(x, y) {
		return false
	}
	odd, on := p.cast(p.tree.top(), 0, 1, x, y)
	return odd || on
}

// cast sends a ray from (x, y) towards +x through some nodes of a level. It says whether it crosses an odd number
// of edges, and whether the point lies on one. Where all of a node is to the right, the ends of its chain tell: it
// crosses an odd number of times if they are on different sides. That keeps a ray along a jagged shore short.
func (p *polygon) cast(level, from, to int, x, y float64) (odd, on bool) {
	nodes := p.tree.levels[level]
	for i := from; i < to; i++ {
		b := &nodes[i]
		if y < b.minY || y > b.maxY || x > b.maxX {
			continue
		}
		if x < b.minX && p.chains[level][i] {
			size := span(level)
			begin, end := &p.edges[i*size], &p.edges[min((i+1)*size, len(p.edges))-1]
			odd = odd != ((begin.ay > y) != (end.by > y))
			continue
		}
		first, last := p.tree.children(level, i, len(p.edges))
		var crossed bool
		if level > 0 {
			crossed, on = p.cast(level-1, first, last, x, y)
		} else {
			crossed, on = castAt(p.edges[first:last], x, y)
		}
		if on {
			return false, true
		}
		odd = odd != crossed
	}
	return odd, false
}

func castAt(edges []edge, x, y float64) (odd, on bool) {
	for i := range edges {
		e := &edges[i]
		up := e.by > y
		if (e.ay > y) == up { // of the ends at y, one below it counts and one above does not, so each vertex counts once
			if e.ay == y && (e.ax == x || e.by == y && (e.ax < x) != (e.bx < x)) || e.by == y && e.bx == x {
				return false, true
			}
			continue
		}
		if x < min(e.ax, e.bx) {
			odd = !odd
			continue
		}
		if x > max(e.ax, e.bx) {
			continue
		}
		side := orient(e.ax, e.ay, e.bx, e.by, x, y)
		if side == 0 {
			return false, true
		}
		if (side > 0) == up {
			odd = !odd
		}
	}
	return odd, false
}

// A metric measures from one point: the distance to an edge, with the nearest place of it from 0 to 1, and a distance
// that nothing in a box is nearer than.
type metric interface {
	toEdge(e *edge) (distance, at float64)
	toBox(b *box) float64
}

// A nearest is the edge that is nearest to a point.
type nearest struct {
	edge     *edge
	at       float64
	distance float64
}

// look finds the nearest edge below some nodes of a level, where it is nearer than what n has.
func (p *polygon) look(m metric, level, from, to int, n *nearest) {
	var bounds [fanOut]float64
	nodes := p.tree.levels[level]
	for i := from; i < to; i++ {
		bounds[i-from] = m.toBox(&nodes[i])
	}
	for range to - from { // the nearest box first
		best := 0
		for k := 1; k < to-from; k++ {
			if bounds[k] < bounds[best] {
				best = k
			}
		}
		if !(bounds[best] < n.distance) {
			return
		}
		bounds[best] = math.Inf(1)
		first, last := p.tree.children(level, from+best, len(p.edges))
		if level > 0 {
			p.look(m, level-1, first, last, n)
			continue
		}
		for i := first; i < last; i++ {
			if d, at := m.toEdge(&p.edges[i]); d < n.distance {
				*n = nearest{&p.edges[i], at, d}
			}
		}
	}
}

// A flat metric is that of a plane.
type flatMetric struct{ x, y float64 }

func (m *flatMetric) toEdge(e *edge) (distance, at float64) {
	dx, dy := e.bx-e.ax, e.by-e.ay
	at = max(0, min(1, ((m.x-e.ax)*dx+(m.y-e.ay)*dy)/(dx*dx+dy*dy)))
	return math.Hypot(e.ax+at*dx-m.x, e.ay+at*dy-m.y), at
}

func (m *flatMetric) toBox(b *box) float64 {
	return math.Hypot(max(b.minX-m.x, m.x-b.maxX, 0), max(b.minY-m.y, m.y-b.maxY, 0))
}
