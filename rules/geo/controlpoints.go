package geo

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Control points are places that were surveyed in a frame and in its parent. The way between is what fits them
// with the least sum of squared residuals, measured in the parent:
//
//	rigid       a turn and a shift                      (Kabsch 1976)
//	similarity  the same with one scale for all axes    (Umeyama 1991, eq. 40 to 43)
//	affine      any matrix                              (linear least squares)
//
// The centroids are taken off first: coordinates of millions of metres, as in UTM, would else lose the digits
// that the fit is about.
type ControlPointsSpec struct {
	Method  string         // rigid, similarity or affine
	MaxRMSE *float64       // in the parent's unit; nil: any fit is good enough
	Points  []ControlPoint // all of 2 or all of 3 coordinates; of 2, the z of points stays as it is
}

// A ControlPoint is one place, in this frame and in the parent.
type ControlPoint struct{ From, To []float64 }

// A Fit is what control points give. Residuals are the distances, in the parent, from where Way takes each From
// to its To; RMSE is the root of the mean of their squares.
type Fit struct {
	Way       Affine
	RMSE      float64
	Residuals []float64
}

// maxStretch is how much longer than wide control points may lie: 10,000 is a corridor of 100 m and 1 cm. In
// the short direction the survey's error is then as large as what it measures.
const maxStretch = 1e4

// fewest is how many points each method needs in the plane, and in space.
var fewest = map[string][2]int{"rigid": {2, 3}, "similarity": {2, 3}, "affine": {3, 4}}

// controlPoints fits the way to the parent.
func (c *check) controlPoints(s *ControlPointsSpec) Affine {
	const key, points = "control_points", "control_points.points"
	least, known := fewest[s.Method]
	switch {
	case s.Method == "":
		c.add(key, "control_points has no method; write rigid (turn and shift), similarity (and one scale) or affine (any matrix)")
	case !known:
		c.add(key+".method", "no method %s; write rigid, similarity or affine", quote(s.Method))
	}
	if m := s.MaxRMSE; m != nil && (!(*m > 0) || !finite(*m)) {
		c.add(key+".max_rmse", "max_rmse is %g and must be a number above 0, in the parent's unit", *m)
	}
	sound := known
	dims := 0
	for i, p := range s.Points {
		name := fmt.Sprintf("%s.%d", points, i)
		ok := c.numbers(name+".from", p.From, "[x, y] or [x, y, z]", 2, 3) && c.numbers(name+".to", p.To, "[x, y] or [x, y, z]", 2, 3)
		if dims == 0 {
			dims = len(p.From)
		}
		if ok && (len(p.From) != dims || len(p.To) != dims) {
			c.add(name, "point %d has %d and %d coordinates, the first from has %d; give all of them 2, or all 3", i+1, len(p.From), len(p.To), dims)
			ok = false
		}
		sound = sound && ok
	}
	if !sound {
		return identity
	}
	if n := least[max(dims, 2)-2]; len(s.Points) < n {
		c.add(points, "%d points are too few: %s needs at least %d, and more to see how well they fit", len(s.Points), s.Method, n)
		return identity
	}
	g := newPairs(s.Points, dims)
	if why := g.unfit(s.Method); why != "" {
		c.add(points, "%s", why)
		return identity
	}
	best, ok := g.fit(s.Method, 1)
	if why := g.misfit(s, &best, ok); why != "" {
		c.add(points, "%s", why)
		return identity
	}
	return best.Way
}

// misfit says why the best fit is not good enough. Without max_rmse only what is plainly a mirror is refused.
func (g *pairs) misfit(s *ControlPointsSpec, best *Fit, ok bool) string {
	limit := 0.01 * g.to.size()
	if s.MaxRMSE != nil {
		limit = *s.MaxRMSE
	}
	if ok && best.RMSE <= limit {
		return ""
	}
	hint := ""
	if s.Method != "affine" {
		if mirrored, found := g.fit(s.Method, -1); found && (!ok || mirrored.RMSE < best.RMSE/4) {
			if mirrored.RMSE < 1e-12*g.to.size() {
				mirrored.RMSE = 0
			}
			hint = fmt.Sprintf("; a mirrored fit would be better, with rmse %.4g: an axis runs the other way, as y does in pictures; "+
				"use method: affine, or put a frame with axes: [x, -y] between", mirrored.RMSE)
		}
	}
	switch {
	case !ok && hint == "":
		return "no turn fits the points better than all others; check that from and to of each point are the same place"
	case !ok:
		return "no turn fits the points better than all others" + hint
	case s.MaxRMSE != nil:
		return fmt.Sprintf("rmse is %.4g and max_rmse %.4g; residuals: %s%s", best.RMSE, limit, best.worstFirst(), hint)
	case hint != "":
		return fmt.Sprintf("rmse is %.4g; residuals: %s%s", best.RMSE, best.worstFirst(), hint)
	}
	return ""
}

// worstFirst lists the residuals, the largest first.
func (f *Fit) worstFirst() string {
	order := make([]int, len(f.Residuals))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(f.Residuals[b], f.Residuals[a]) })
	texts := make([]string, len(order))
	for k, i := range order {
		texts[k] = fmt.Sprintf("point %d %.4g", i+1, f.Residuals[i])
	}
	return strings.Join(texts, ", ")
}

// pairs are control points about their centroids.
type pairs struct {
	from, to cloud
	dims     int
}

// A cloud is points less their centroid; in the plane z is 0.
type cloud struct {
	centre [3]float64
	points [][3]float64
	raw    float64 // the largest coordinate before
}

func newPairs(list []ControlPoint, dims int) *pairs {
	g := &pairs{dims: dims}
	g.from = newCloud(list, func(p ControlPoint) []float64 { return p.From })
	g.to = newCloud(list, func(p ControlPoint) []float64 { return p.To })
	return g
}

func newCloud(list []ControlPoint, of func(ControlPoint) []float64) cloud {
	c := cloud{points: make([][3]float64, len(list))}
	first := of(list[0]) // differences to it are exact, or nearly so, however far away all are
	var mean [3]float64
	for i, p := range list {
		for k, v := range of(p) {
			c.raw = max(c.raw, math.Abs(v))
			c.points[i][k] = v - first[k]
			mean[k] += c.points[i][k] / float64(len(list))
		}
	}
	for k := range first {
		c.centre[k] = first[k] + mean[k]
	}
	for i := range c.points {
		for k := range mean {
			c.points[i][k] -= mean[k]
		}
	}
	return c
}

// size is the root of the mean squared distance from the centroid.
func (c *cloud) size() float64 { return math.Sqrt(c.squares() / float64(len(c.points))) }

func (c *cloud) squares() float64 {
	sum := 0.0
	for _, p := range c.points {
		sum += p[0]*p[0] + p[1]*p[1] + p[2]*p[2]
	}
	return sum
}

// unfit says why a method cannot use these points: they leave some direction open.
func (g *pairs) unfit(method string) string {
	for _, side := range []struct {
		name string
		c    *cloud
	}{{"from", &g.from}, {"to", &g.to}} {
		if !(side.c.size() > 1e-12*side.c.raw) {
			return fmt.Sprintf("the %s points coincide: they are one place and show no direction; give points that lie apart", side.name)
		}
		if method != "affine" && g.dims == 2 {
			continue
		}
		spread := decompose(side.c.points, g.dims).s
		if k := spread[0] / spread[1]; !(k <= maxStretch) {
			return fmt.Sprintf("the %s points are collinear (condition number %.2g): nothing shows what lies beside the line; give a point off it", side.name, k)
		}
		if method == "affine" && g.dims == 3 {
			if k := spread[0] / spread[2]; !(k <= maxStretch) {
				return fmt.Sprintf("the %s points lie in one plane (condition number %.2g): nothing shows what lies above it; give a point off it, or points of 2 coordinates", side.name, k)
			}
		}
	}
	return ""
}

// fit finds the best way, of those that mirror where hand is -1. It is false where there is none that is better
// than all others.
func (g *pairs) fit(method string, hand float64) (Fit, bool) {
	m, ok := identity, false
	switch {
	case method == "affine":
		m, ok = g.linear()
	case g.dims == 2:
		m, ok = g.turnInPlane(method == "similarity", hand)
	default:
		m, ok = g.turnInSpace(method == "similarity", hand)
	}
	x, y, z := m.ApplyVector(g.from.centre[0], g.from.centre[1], g.from.centre[2])
	m[3], m[7], m[11] = g.to.centre[0]-x, g.to.centre[1]-y, g.to.centre[2]-z
	f := Fit{Way: m, Residuals: make([]float64, len(g.from.points))}
	sum := 0.0
	for i, p := range g.from.points {
		x, y, z := m.ApplyVector(p[0], p[1], p[2])
		q := g.to.points[i]
		square := (x-q[0])*(x-q[0]) + (y-q[1])*(y-q[1]) + (z-q[2])*(z-q[2])
		f.Residuals[i] = math.Sqrt(square)
		sum += square
	}
	f.RMSE = math.Sqrt(sum / float64(len(f.Residuals)))
	return f, ok && m.finite() && finite(f.RMSE)
}

// turnInPlane has a closed form: with points as complex numbers, the best factor is sum(to conj(from)) over
// sum(from conj(from)); a rigid turn keeps its direction only. A mirror first takes the conjugate of from.
func (g *pairs) turnInPlane(scaled bool, hand float64) (Affine, bool) {
	a, b := 0.0, 0.0
	for i, f := range g.from.points {
		t := g.to.points[i]
		a += f[0]*t[0] + hand*f[1]*t[1]
		b += f[0]*t[1] - hand*f[1]*t[0]
	}
	length := math.Hypot(a, b)
	ok := length > 1e-9*math.Sqrt(g.from.squares()*g.to.squares())
	if scaled {
		length = g.from.squares()
	}
	a, b = a/length, b/length
	return Affine{a, -b * hand, 0, 0, b, a * hand, 0, 0, 0, 0, 1, 0}, ok
}

// turnInSpace takes the turn from the singular value decomposition of sum(to from^T) = U S V^T: it is
// U diag(1, 1, d) V^T, where d makes its determinant hand (Umeyama 1991, eq. 40 and 43).
func (g *pairs) turnInSpace(scaled bool, hand float64) (Affine, bool) {
	cross := make([][3]float64, 3)
	for i, f := range g.from.points {
		for row, t := range g.to.points[i] {
			for col := range f {
				cross[row][col] += t * f[col]
			}
		}
	}
	f := decompose(cross, 3)
	s, v := f.s, f.v
	if !(s[1] > 1e-12*s[0]) {
		return identity, false
	}
	u := [3][3]float64{f.column(0), f.column(1), f.column(2)}
	if !(s[2] > 1e-12*s[0]) { // points in a plane say nothing of the third
		u[2] = cross3(u[0], u[1])
	}
	d := hand
	if det3(u)*det3(v) < 0 {
		d = -hand
	}
	k := 1.0
	if scaled {
		k = (s[0] + s[1] + d*s[2]) / g.from.squares()
	}
	m := Affine{}
	for row := range 3 {
		for col := range 3 {
			m[4*row+col] = k * (u[0][row]*v[0][col] + u[1][row]*v[1][col] + d*u[2][row]*v[2][col])
		}
	}
	// The turn is the only best one where the two smaller singular values, with their sign, do not cancel.
	return m, s[1]+d*s[2] > 1e-9*s[0]
}

// linear solves from X = to in the least squares sense: with from = U S V^T, X is V S^-1 U^T to.
func (g *pairs) linear() (Affine, bool) {
	f := decompose(g.from.points, g.dims)
	m := Affine{10: 1}
	for row := range g.dims {
		for col := range g.dims {
			m[4*row+col] = 0
		}
	}
	for k := range g.dims {
		for row := range g.dims {
			along := 0.0
			for i, t := range g.to.points {
				along += f.us[i][k] * t[row]
			}
			for col := range g.dims {
				m[4*row+col] += along / (f.s[k] * f.s[k]) * f.v[k][col]
			}
		}
	}
	return m, true
}
