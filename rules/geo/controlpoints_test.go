package geo_test

import (
	"bufio"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"edge/rules/geo"
)

// TestFitsAgree holds fits against testdata/controlpoints.txt, which other methods made with 60 digits.
func TestFitsAgree(t *testing.T) {
	lines(t, "controlpoints.txt", func(words *bufio.Scanner) {
		words.Scan()
		spec := geo.ControlPointsSpec{Method: words.Text()}
		n, dims := int(number(t, words)), int(number(t, words))
		list := func() []float64 {
			v := make([]float64, dims)
			for i := range v {
				v[i] = number(t, words)
			}
			return v
		}
		for range n {
			spec.Points = append(spec.Points, geo.ControlPoint{From: list(), To: list()})
		}
		var want [12]float64
		for i := range want {
			want[i] = number(t, words)
		}
		rmse := number(t, words)
		// A limit just above the true rmse lets it load, one just below does not.
		spec.MaxRMSE = ptr(rmse*(1+1e-8) + 1e-8)
		f := plan(t, geo.FrameSpec{Name: "parent"}, geo.FrameSpec{Name: "f", Parent: "parent", ControlPoints: &spec})
		way := between(t, f, "f", "parent")
		size := 0.0
		for _, p := range spec.Points {
			size = max(size, math.Abs(p.From[0]), math.Abs(p.To[0]), math.Abs(p.To[1]))
			got, err := way.Point(pointOf(p.From))
			if err != nil {
				t.Fatal(err)
			}
			x := want[0]*p.From[0] + want[1]*p.From[1] + want[3]
			y := want[4]*p.From[0] + want[5]*p.From[1] + want[7]
			z := 0.0
			if dims == 3 {
				x, y = x+want[2]*p.From[2], y+want[6]*p.From[2]
				z = want[8]*p.From[0] + want[9]*p.From[1] + want[10]*p.From[2] + want[11]
			}
			if !(math.Abs(got.X-x) < 1e-13*size+1e-8 && math.Abs(got.Y-y) < 1e-13*size+1e-8 && math.Abs(got.Z-z) < 1e-13*size+1e-8) {
				t.Errorf("%s, %d points in %dD: %v became %+v, want %g %g %g", spec.Method, n, dims, p.From, got, x, y, z)
			}
		}
		// What it does with vectors is its matrix.
		for c := range dims {
			e := make([]float64, dims)
			e[c] = 1
			got, _ := way.Vector(pointOf(e))
			if !near(got.X, want[c], 1e-9) || !near(got.Y, want[4+c], 1e-9) || dims == 3 && !near(got.Z, want[8+c], 1e-9) {
				t.Errorf("%s, %d points in %dD: column %d is %+v, want %v", spec.Method, n, dims, c, got, want)
			}
		}
		if rmse < 1e-6 {
			return
		}
		spec.MaxRMSE = ptr(rmse * (1 - 1e-6))
		if _, problems := geo.NewFrames([]geo.FrameSpec{{Name: "parent"}, {Name: "f", Parent: "parent", ControlPoints: &spec}}); len(problems) != 1 ||
			!strings.Contains(problems[0].Message, "residuals: point ") {
			t.Errorf("%s: rmse %g passed: %v", spec.Method, rmse, problems)
		}
	})
}

func pointOf(v []float64) geo.Point {
	if len(v) == 3 {
		return geo.Point{X: v[0], Y: v[1], Z: v[2], Shape: geo.Array3}
	}
	return geo.Point{X: v[0], Y: v[1], Shape: geo.Array2}
}

// The estimate of an exact transform returns it.
func TestFitOfExactPoints(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		dims := 2 + r.IntN(2)
		truth := geo.FrameSpec{Name: "f", Parent: "parent", Translation: []float64{r.Float64() * 1e6, r.Float64() * 4e6}}
		method := []string{"rigid", "similarity", "affine"}[r.IntN(3)]
		switch {
		case method == "affine":
			a := r.Float64() * 6
			truth.Translation = nil
			truth.Matrix = []float64{2 * math.Cos(a), -math.Sin(a), 521500, 2*math.Sin(a) + 0.3, math.Cos(a), -77}
		case dims == 2:
			truth.Rotation = yawDeg(r.Float64() * 360)
		default:
			truth.Rotation = &geo.RotationSpec{RPYDeg: []float64{r.Float64() * 360, r.Float64() * 90, r.Float64() * 360}}
		}
		if method == "similarity" {
			truth.Scale = ptr(math.Exp(r.NormFloat64()))
		}
		exact := between(t, plan(t, geo.FrameSpec{Name: "parent"}, truth), "f", "parent")
		spec := geo.ControlPointsSpec{Method: method, MaxRMSE: ptr(1e-6)}
		random := func() []float64 {
			v := make([]float64, dims)
			for i := range v {
				v[i] = r.NormFloat64() * 30
			}
			return v
		}
		for range 6 + r.IntN(5) {
			from := random()
			to, _ := exact.Point(pointOf(from))
			spec.Points = append(spec.Points, geo.ControlPoint{From: from, To: []float64{to.X, to.Y, to.Z}[:dims]})
		}
		way := between(t, plan(t, geo.FrameSpec{Name: "parent"}, geo.FrameSpec{Name: "f", Parent: "parent", ControlPoints: &spec}), "f", "parent")
		for range 5 {
			p := pointOf(random())
			want, _ := exact.Point(p)
			if got, err := way.Point(p); err != nil || !same(got, want, 1e-8) {
				t.Fatalf("%s in %dD: %+v became %+v, want %+v, %v", method, dims, p, got, want, err)
			}
		}
	}
}

func TestControlPointProblems(t *testing.T) {
	pts := func(v ...float64) (list []geo.ControlPoint) { // x y -> x y
		for ; len(v) > 0; v = v[4:] {
			list = append(list, geo.ControlPoint{From: v[:2], To: v[2:4]})
		}
		return list
	}
	pts3 := func(v ...float64) (list []geo.ControlPoint) {
		for ; len(v) > 0; v = v[6:] {
			list = append(list, geo.ControlPoint{From: v[:3], To: v[3:6]})
		}
		return list
	}
	line := pts(0, 0, 5, 5, 1, 1, 6, 6, 2, 2, 7, 7)
	mirrored := pts(0, 0, 0, 0, 10, 0, 10, 0, 10, 10, 10, -10, 0, 7, 0, -7.01)
	for _, tt := range []struct {
		name string
		spec geo.ControlPointsSpec
		want []string
	}{
		{"no method", geo.ControlPointsSpec{Points: line}, []string{"control_points: control_points has no method; write rigid"}},
		{"unknown method", geo.ControlPointsSpec{Method: "helmert", Points: line}, []string{`control_points.method: no method "helmert"; write rigid, similarity or affine`}},
		{"max_rmse 0", geo.ControlPointsSpec{Method: "rigid", MaxRMSE: ptr(0), Points: line}, []string{"control_points.max_rmse: max_rmse is 0"}},
		{"none", geo.ControlPointsSpec{Method: "rigid"}, []string{"control_points.points: 0 points are too few: rigid needs at least 2"}},
		{"one", geo.ControlPointsSpec{Method: "similarity", Points: line[:1]}, []string{"control_points.points: 1 points are too few: similarity needs at least 2"}},
		{"two for affine", geo.ControlPointsSpec{Method: "affine", Points: line[:2]}, []string{"control_points.points: 2 points are too few: affine needs at least 3"}},
		{"two in space", geo.ControlPointsSpec{Method: "rigid", Points: pts3(0, 0, 0, 1, 1, 1, 1, 0, 0, 2, 1, 1)}, []string{"control_points.points: 2 points are too few: rigid needs at least 3"}},
		{"of three and two", geo.ControlPointsSpec{Method: "rigid", Points: append(pts(0, 0, 1, 1), pts3(1, 2, 3, 4, 5, 6)...)},
			[]string{"control_points.points.1: point 2 has 3 and 3 coordinates, the first from has 2"}},
		{"of one", geo.ControlPointsSpec{Method: "rigid", Points: []geo.ControlPoint{{From: []float64{1}, To: []float64{1, 2}}}}, []string{"control_points.points.0.from: from has 1 numbers"}},
		{"NaN", geo.ControlPointsSpec{Method: "rigid", Points: pts(0, 0, 1, 1, 1, math.NaN(), 2, 2)}, []string{"control_points.points.1.from: number 2 of from is NaN"}},
		{"coincident", geo.ControlPointsSpec{Method: "similarity", Points: pts(5e5, 3e6, 1, 1, 5e5, 3e6, 2, 2)}, []string{"control_points.points: the from points coincide"}},
		{"coincident in the parent", geo.ControlPointsSpec{Method: "similarity", Points: pts(1, 1, 3, 3, 2, 2, 3, 3)}, []string{"control_points.points: the to points coincide"}},
		{"collinear", geo.ControlPointsSpec{Method: "affine", Points: line}, []string{"control_points.points: the from points are collinear (condition number "}},
		{"nearly collinear", geo.ControlPointsSpec{Method: "affine", Points: pts(0, 0, 0, 0, 100, 0, 100, 0, 50, 0.001, 50, 0.001)}, []string{"control_points.points: the from points are collinear (condition number 8.7e+04)"}},
		{"collinear is enough for a turn", geo.ControlPointsSpec{Method: "similarity", Points: line}, nil},
		{"collinear in space", geo.ControlPointsSpec{Method: "rigid", Points: pts3(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2)}, []string{"control_points.points: the from points are collinear"}},
		{"in one plane", geo.ControlPointsSpec{Method: "affine", Points: pts3(0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0)}, []string{"control_points.points: the from points lie in one plane"}},
		{"residuals", geo.ControlPointsSpec{Method: "rigid", MaxRMSE: ptr(0.1), Points: pts(0, 0, 0, 0, 10, 0, 10, 0, 0, 10, 0, 10, 10, 10, 10, 11)},
			[]string{"control_points.points: rmse is 0.3963 and max_rmse 0.1; residuals: point 4 0.6416, point 2 0.3923, point 1 0.1789, point 3 0.1747"}},
		{"mirrored", geo.ControlPointsSpec{Method: "similarity", MaxRMSE: ptr(0.1), Points: mirrored}, []string{"control_points.points: rmse is "}},
		{"mirrored without max_rmse", geo.ControlPointsSpec{Method: "rigid", Points: mirrored}, []string{"control_points.points: rmse is "}},
		{"mirrored for affine", geo.ControlPointsSpec{Method: "affine", MaxRMSE: ptr(0.1), Points: mirrored}, nil},
		{"a square in a mirror", geo.ControlPointsSpec{Method: "rigid", Points: pts(1, 1, 1, -1, -1, 1, -1, -1, -1, -1, -1, 1, 1, -1, 1, 1)},
			[]string{"control_points.points: no turn fits the points better than all others; a mirrored fit would be better, with rmse 0"}},
		{"in a mirror in space", geo.ControlPointsSpec{Method: "rigid", MaxRMSE: ptr(0.1), Points: pts3(0, 0, 0, 0, 0, 0, 3, 0, 0, -3, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1)},
			[]string{"control_points.points: rmse is "}},
		{"no fit at all, but nobody asked", geo.ControlPointsSpec{Method: "rigid", Points: pts(0, 0, 0, 0, 9, 1, 3, 4, 2, 8, 20, 1, 5, 5, -7, 3)}, nil},
	} {
		_, problems := geo.NewFrames([]geo.FrameSpec{{Name: "p"}, {Name: "f", Parent: "p", ControlPoints: &tt.spec}})
		for i, p := range problems {
			if text := p.Key + ": " + p.Message; i >= len(tt.want) || !strings.HasPrefix(text, tt.want[i]) {
				t.Errorf("%s: got %s", tt.name, text)
			}
			if strings.HasPrefix(tt.name, "mirrored") || strings.HasPrefix(tt.name, "in a mirror") {
				if !strings.Contains(p.Message, "a mirrored fit would be better, with rmse 0") {
					t.Errorf("%s: got %s", tt.name, p.Message)
				}
			}
		}
		if len(problems) != len(tt.want) {
			t.Errorf("%s: %d problems, want %d", tt.name, len(problems), len(tt.want))
		}
	}
}

func TestRootAndMapProblems(t *testing.T) {
	origin := func(lon, lat float64) *geo.OriginSpec { return &geo.OriginSpec{Lon: &lon, Lat: &lat} }
	square := &geo.ControlPointsSpec{Method: "rigid"}
	for _, tt := range []struct {
		spec geo.FrameSpec
		want []string
	}{
		{geo.FrameSpec{CRS: "EPSG:99999"}, []string{`crs: no CRS "EPSG:99999"; known: OGC:CRS84, WGS84, EPSG:4326`}},
		{geo.FrameSpec{CRS: "EPSG:32650", Parent: "p"}, []string{"parent: a frame with crs is a root and has no parent"}},
		{geo.FrameSpec{CRS: "EPSG:32650", Scale: ptr(2)}, []string{"scale: scale stands beside crs"}},
		{geo.FrameSpec{CRS: "EPSG:32650", Origin: origin(1, 2)}, []string{"origin: origin stands beside crs"}},
		{geo.FrameSpec{Origin: origin(1, 2), Parent: "p", Matrix: []float64{1, 0, 0, 0, 1, 0}}, []string{"parent: a frame with origin is a root"}},
		{geo.FrameSpec{Origin: origin(1, 2), Translation: []float64{1, 2}}, []string{"translation: translation stands beside origin"}},
		{geo.FrameSpec{Origin: &geo.OriginSpec{}}, []string{"origin: origin has no lon", "origin: origin has no lat"}},
		{geo.FrameSpec{Origin: origin(31.8, 117.2)}, []string{"origin.lat: lat 117.2 is outside -90..90 (lon and lat swapped?)"}},
		{geo.FrameSpec{Origin: origin(181, math.NaN())}, []string{"origin.lon: lon 181 is outside -180..180", "origin.lat: lat is NaN"}},
		{geo.FrameSpec{ControlPoints: square}, []string{"control_points: control_points needs a parent", "control_points.points: 0 points are too few"}},
		{geo.FrameSpec{Parent: "p", MapServer: &geo.MapServerSpec{Resolution: 0.05, Origin: []float64{0, 0, 0}, Height: 9}, Matrix: []float64{1, 0, 0, 0, 1, 0}},
			[]string{"map_server: map_server stands beside matrix"}},
		{geo.FrameSpec{Parent: "p", MapServer: &geo.MapServerSpec{Origin: []float64{0, 0}}},
			[]string{"map_server: the map's resolution is 0", "height: height is 0", "map_server.origin: origin has 2 numbers; write [x, y, yaw]"}},
	} {
		tt.spec.Name = "f"
		_, problems := geo.NewFrames([]geo.FrameSpec{{Name: "p"}, tt.spec})
		for i, p := range problems {
			if text := p.Key + ": " + p.Message; i >= len(tt.want) || !strings.HasPrefix(text, tt.want[i]) {
				t.Errorf("got %s", text)
			}
		}
		if len(problems) != len(tt.want) {
			t.Errorf("%d problems, want %q", len(problems), tt.want)
		}
	}
}

// TestMapServer is a picture of 400 by 200 pixels of 5 cm: rows from above, the origin at the lower left corner.
func TestMapServer(t *testing.T) {
	m := func(yaw float64) *geo.Frames {
		return plan(t, geo.FrameSpec{Name: "map"}, geo.FrameSpec{Name: "px", Parent: "map",
			MapServer: &geo.MapServerSpec{Resolution: 0.05, Origin: []float64{-10, -5, yaw}, Height: 200}})
	}
	for _, tt := range []struct{ yaw, u, v, x, y float64 }{
		{0, 0, 200, -10, -5},            // the corner
		{0, 0, 0, -10, 5},               // the upper left corner
		{0, 0.5, 199.5, -9.975, -4.975}, // the middle of the cell (0, 0)
		{0, 400, 0, 10, 5},
		{math.Pi / 2, 100, 200, -10, 0}, // 5 m along the picture's lower edge, which runs north
		{math.Pi / 2, 0, 100, -15, -5},  // 5 m up the picture, which is to the west
	} {
		got, err := between(t, m(tt.yaw), "px", "map").Point(geo.Point{X: tt.u, Y: tt.v})
		if err != nil || !near(got.X, tt.x, 1e-12) || !near(got.Y, tt.y, 1e-12) {
			t.Errorf("yaw %g: (%g, %g) became %+v, %v, want (%g, %g)", tt.yaw, tt.u, tt.v, got, err, tt.x, tt.y)
		}
	}
}
