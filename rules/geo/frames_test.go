package geo_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"edge/rules/geo"
)

func ptr(v float64) *float64 { return &v }

func yawDeg(v float64) *geo.RotationSpec { return &geo.RotationSpec{YawDeg: &v} }

// plan builds frames that must be right.
func plan(t testing.TB, specs ...geo.FrameSpec) *geo.Frames {
	t.Helper()
	f, problems := geo.NewFrames(specs)
	for _, p := range problems {
		t.Fatalf("frame %q: %s: %s", p.Frame, p.Key, p.Message)
	}
	return f
}

func between(t testing.TB, f *geo.Frames, from, to string) *geo.Transform {
	t.Helper()
	way, err := f.Between(from, to)
	if err != nil {
		t.Fatalf("from %s to %s: %v", from, to, err)
	}
	return way
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }

// TestDefinitions moves one point from frame f to its parent, and back. The numbers are worked out by hand
// beside each, those of three angles with the quaternion product q p q*, which the code does not use.
func TestDefinitions(t *testing.T) {
	const s3 = 1.7320508075688772 // sqrt(3)
	tests := []struct {
		name     string
		def      geo.FrameSpec
		in, want geo.Point
	}{
		{"nothing: it lies on its parent", geo.FrameSpec{}, geo.Point{X: 3, Y: 4}, geo.Point{X: 3, Y: 4}},
		{"translation", geo.FrameSpec{Translation: []float64{40, 25}}, geo.Point{X: 1, Y: 2}, geo.Point{X: 41, Y: 27}},
		{"translation of a height", geo.FrameSpec{Translation: []float64{5, 3, 9.6}},
			geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.XYZ}, geo.Point{X: 6, Y: 5, Z: 12.6, Shape: geo.XYZ}},
		{"a point without z drops what becomes of it", geo.FrameSpec{Translation: []float64{5, 3, 9.6}},
			geo.Point{X: 1, Y: 2, Z: 99, Shape: geo.Array2}, geo.Point{X: 6, Y: 5, Shape: geo.Array2}},
		// 0.05 * (100, 40) = (5, 2); a quarter turn makes it (-2, 5); plus (40, 25).
		{"scale, then rotation, then translation", geo.FrameSpec{Translation: []float64{40, 25}, Rotation: yawDeg(90), Scale: ptr(0.05)},
			geo.Point{X: 100, Y: 40}, geo.Point{X: 38, Y: 30}},
		// (2 cos 30, 2 sin 30) = (sqrt 3, 1).
		{"yaw_deg", geo.FrameSpec{Translation: []float64{40, -12.5}, Rotation: yawDeg(30)}, geo.Point{X: 2}, geo.Point{X: 40 + s3, Y: -11.5}},
		// (1, 1) lies at 45 degrees, turned by -105 at -60: sqrt 2 * (1/2, -sqrt(3)/2).
		{"yaw_deg, clockwise", geo.FrameSpec{Rotation: yawDeg(-105)}, geo.Point{X: 1, Y: 1},
			geo.Point{X: math.Sqrt2 / 2, Y: -math.Sqrt2 * s3 / 2}},
		{"yaw_deg, more than half a turn", geo.FrameSpec{Rotation: yawDeg(210)}, geo.Point{X: 2}, geo.Point{X: -s3, Y: -1}},
		{"yaw in radians", geo.FrameSpec{Rotation: &geo.RotationSpec{Yaw: ptr(math.Pi / 3)}}, geo.Point{X: 2, Shape: geo.Array2},
			geo.Point{X: 1, Y: s3, Shape: geo.Array2}},
		{"roll takes y to z", geo.FrameSpec{Rotation: &geo.RotationSpec{RPYDeg: []float64{90, 0, 0}}},
			geo.Point{Y: 1, Shape: geo.XYZ}, geo.Point{Z: 1, Shape: geo.XYZ}},
		{"pitch takes x to -z: nose down", geo.FrameSpec{Rotation: &geo.RotationSpec{RPYDeg: []float64{0, 90, 0}}},
			geo.Point{X: 1, Shape: geo.XYZ}, geo.Point{Z: -1, Shape: geo.XYZ}},
		// q = qz(30) qy(20) qx(10); q (1,2,3) q* = (1.067425379398986, 2.289059482620617, 2.7605814142023704), times 2, plus (7,8,9).
		{"rpy_deg about fixed axes, with scale", geo.FrameSpec{Translation: []float64{7, 8, 9}, Scale: ptr(2),
			Rotation: &geo.RotationSpec{RPYDeg: []float64{10, 20, 30}}},
			geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.Array3}, geo.Point{X: 9.134850758797972, Y: 12.578118965241234, Z: 14.52116282840474, Shape: geo.Array3}},
		{"the same as a quaternion", geo.FrameSpec{Translation: []float64{7, 8, 9}, Scale: ptr(2), Rotation: &geo.RotationSpec{
			Quaternion: []float64{0.03813457647485015, 0.18930785741199999, 0.2392983377447303, 0.9515485246437885}}},
			geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.XYZ}, geo.Point{X: 9.134850758797972, Y: 12.578118965241234, Z: 14.52116282840474, Shape: geo.XYZ}},
		// 4 digits of sqrt(1/2) are 1e-5 short of length 1; normalised, it is a quarter turn all the same.
		{"a quaternion of few digits", geo.FrameSpec{Rotation: &geo.RotationSpec{Quaternion: []float64{0, 0, 0.7071, 0.7071}}},
			geo.Point{X: 1000}, geo.Point{Y: 1000}},
		// x' = 2*3 + 1*4 + 10, y' = 0*3 - 1*4 + 20; z stays.
		{"matrix 2x3", geo.FrameSpec{Matrix: []float64{2, 1, 10, 0, -1, 20}},
			geo.Point{X: 3, Y: 4, Z: 5, Shape: geo.XYZ}, geo.Point{X: 20, Y: 16, Z: 5, Shape: geo.XYZ}},
		// x' = y + 1, y' = z + 2, z' = 2x + 3.
		{"matrix 3x4", geo.FrameSpec{Direction: "to_parent", Matrix: []float64{0, 1, 0, 1, 0, 0, 1, 2, 2, 0, 0, 3}},
			geo.Point{X: 5, Y: 6, Z: 7, Shape: geo.XYZ}, geo.Point{X: 7, Y: 9, Z: 13, Shape: geo.XYZ}},
		// Pixels: px = 20 x + 1024, py = -20 y + 768, so that (1044, 728) is (1, 2).
		{"matrix from the parent", geo.FrameSpec{Direction: "from_parent", Matrix: []float64{20, 0, 1024, 0, -20, 768}},
			geo.Point{X: 1044, Y: 728}, geo.Point{X: 1, Y: 2}},
		{"axes: y up, z to the viewer", geo.FrameSpec{Axes: []string{"x", "-z"}},
			geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.XYZ}, geo.Point{X: 1, Y: -3, Z: 2, Shape: geo.XYZ}},
		{"axes: all three", geo.FrameSpec{Axes: []string{"-y", "+z", "-x"}},
			geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.XYZ}, geo.Point{X: -2, Y: 3, Z: -1, Shape: geo.XYZ}},
		{"axes: points written [x, z] on the floor", geo.FrameSpec{Axes: []string{"x", "-y"}},
			geo.Point{X: 1, Y: 3, Shape: geo.Array2}, geo.Point{X: 1, Y: -3, Shape: geo.Array2}},
		// axes make (2, -3), scale (20, -30), a quarter turn (30, 20), translation (31, 22).
		{"axes come first", geo.FrameSpec{Translation: []float64{1, 2}, Rotation: yawDeg(90), Scale: ptr(10), Axes: []string{"x", "-y"}},
			geo.Point{X: 2, Y: 3}, geo.Point{X: 31, Y: 22}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.def.Name, tt.def.Parent = "f", "root"
			f := plan(t, geo.FrameSpec{Name: "root"}, tt.def)
			got, err := between(t, f, "f", "root").Point(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if !same(got, tt.want, 1e-12) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			back, err := between(t, f, "root", "f").Point(got)
			if tt.in.Shape.Flat() {
				tt.in.Z = 0
			}
			if err != nil || !same(back, tt.in, 1e-12) {
				t.Errorf("back: got %+v, %v, want %+v", back, err, tt.in)
			}
		})
	}
}

func same(a, b geo.Point, tolerance float64) bool {
	return near(a.X, b.X, tolerance) && near(a.Y, b.Y, tolerance) && near(a.Z, b.Z, tolerance) && a.Shape == b.Shape
}

// Round angles and swaps leave round numbers: no 6e-17 where a 0 should be.
func TestRoundAnglesAreExact(t *testing.T) {
	f := plan(t, geo.FrameSpec{Name: "root"},
		geo.FrameSpec{Name: "quarter", Parent: "root", Rotation: yawDeg(-270), Translation: []float64{40, 25}},
		geo.FrameSpec{Name: "eighth", Parent: "root", Rotation: yawDeg(45)},
		geo.FrameSpec{Name: "sixth", Parent: "root", Rotation: yawDeg(60)})
	for _, tt := range []struct {
		from string
		in   geo.Point
		want string
	}{
		{"quarter", geo.Point{X: 0.1, Y: 0}, `{"x":40,"y":25.1}`},
		{"quarter", geo.Point{X: 0, Y: 0.1}, `{"x":39.9,"y":25}`},
		{"eighth", geo.Point{X: 1, Y: 1}, `{"x":0,"y":1.4142135623730951}`},
		{"sixth", geo.Point{X: 8, Y: 0, Shape: geo.Array2}, `[4,6.928203230275509]`},
	} {
		got, err := between(t, f, tt.from, "root").Point(tt.in)
		if text := string(got.AppendJSON(nil)); err != nil || text != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.from, text, err, tt.want)
		}
	}
}

func TestTree(t *testing.T) {
	specs := []geo.FrameSpec{
		{Name: "site"},
		{Name: "building", Parent: "site", Translation: []float64{40, -12.5}, Rotation: yawDeg(30)},
		{Name: "F3", Parent: "building", Translation: []float64{5, 3, 9.6}},
		{Name: "F4", Parent: "building", Translation: []float64{5, 3, 13.2}},
		{Name: "F3/web", Parent: "F3", Direction: "from_parent", Matrix: []float64{20, 0, 1024, 0, -20, 768}},
		{Name: "elsewhere"},
	}
	tests := []struct {
		from, to string
		in, want geo.Point
	}{
		// In the building (2+5, 1+3) = (7, 4), turned by 30 degrees, plus (40, -12.5).
		{"F3", "site", geo.Point{X: 2, Y: 1}, geo.Point{X: 44.06217782649107, Y: -5.535898384862245}},
		{"site", "F3", geo.Point{X: 44.06217782649107, Y: -5.535898384862245}, geo.Point{X: 2, Y: 1}},
		// Beside each other, 3.6 m apart in height.
		{"F4", "F3", geo.Point{X: 1, Y: 2, Z: 1, Shape: geo.XYZ}, geo.Point{X: 1, Y: 2, Z: 4.6, Shape: geo.XYZ}},
		// (1-0, 2-0) in F3 as F4 and F3 lie above each other: 20*1+1024, 768-20*2.
		{"F4", "F3/web", geo.Point{X: 1, Y: 2}, geo.Point{X: 1044, Y: 728}},
		{"F3", "F3", geo.Point{X: 0.1, Y: 0.2}, geo.Point{X: 0.1, Y: 0.2}},
	}
	for turn := range specs { // the order of frames in a file does not matter
		f := plan(t, slices.Concat(specs[turn:], specs[:turn])...)
		for _, tt := range tests {
			got, err := between(t, f, tt.from, tt.to).Point(tt.in)
			if err != nil || !same(got, tt.want, 1e-12) {
				t.Errorf("from %s to %s: got %+v, %v, want %+v", tt.from, tt.to, got, err, tt.want)
			}
		}
		if got, want := f.Names(), []string{"F3", "F3/web", "F4", "building", "elsewhere", "site"}; !slices.Equal(got, want) {
			t.Errorf("names %v, want %v", got, want)
		}
		if !f.Has("F3/web") || f.Has("F9") {
			t.Error("Has is wrong about F3/web or F9")
		}
	}
}

func TestBetweenErrors(t *testing.T) {
	f := plan(t, geo.FrameSpec{Name: "building"}, geo.FrameSpec{Name: "F1/slam", Parent: "building"}, geo.FrameSpec{Name: "utm50"},
		geo.FrameSpec{Name: "dust", Parent: "utm50", Scale: ptr(1e-200)}, geo.FrameSpec{Name: "dust of dust", Parent: "dust", Scale: ptr(1e-200)})
	none := plan(t)
	flat := []geo.FrameSpec{{Name: "0"}}
	for i := range 30 {
		flat = append(flat, geo.FrameSpec{Name: fmt.Sprint(i + 1), Parent: fmt.Sprint(i), Matrix: []float64{1, 0, 0, 0, 1e-11, 0}})
	}
	many := plan(t, flat...)
	long := "x" + strings.Repeat("é", 500000)
	tests := []struct {
		name, from, to string
		frames         *geo.Frames
		class, text    string
	}{
		{"unknown", "F9/slam", "building", f, geo.UnknownFrame, `no frame "F9/slam"; did you mean "F1/slam"? known: F1/slam, building, dust, dust of dust, utm50`},
		{"unknown, other case", "building", "BUILDING", f, geo.UnknownFrame, `no frame "BUILDING"; did you mean "building"?`},
		{"unlike any", "building", "mars", f, geo.UnknownFrame, `no frame "mars"; known: F1/slam`},
		{"a CRS", "EPSG:32650", "building", f, geo.UnknownFrame, `no frame "EPSG:32650"; it is a CRS, and becomes a frame by frames: {NAME: {crs: "EPSG:32650"}}`},
		{"no frames", "a", "b", none, geo.UnknownFrame, `no frame "a"; no frames are defined`},
		{"a name out of a hostile message", long, "building", f, geo.UnknownFrame, `no frame "xééé`},
		{"two trees", "F1/slam", "utm50", f, geo.NotConnected, `no way from "F1/slam" to "utm50": they stand in different trees, under "building" and "utm50"`},
		{"scales beyond numbers", "dust of dust", "utm50", f, geo.OutsideDomain, "check the scales"},
		{"so flat that y is gone", "30", "0", many, geo.OutsideDomain, "check the scales"},
		{"more than one wants to read", "a", "0", many, geo.UnknownFrame, `no frame "a"; known: 0, 1, 10, 11, 12, 13, 14, 15 and 23 more`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.frames.Between(tt.from, tt.to)
			var e *geo.Error
			if !errors.As(err, &e) || e.Class != tt.class || !strings.HasPrefix(e.Message, tt.text) && !strings.Contains(e.Message, tt.text) {
				t.Fatalf("got %v, want %s: %s", err, tt.class, tt.text)
			}
			if len(e.Message) > 400 {
				t.Errorf("the message is %d bytes long", len(e.Message))
			}
		})
	}
}

// With more than 64 frames pairs share places in the cache, and each lookup must still get its own way.
func TestManyFramesManyGoroutines(t *testing.T) {
	for _, n := range []int{64, 300} {
		specs := []geo.FrameSpec{{Name: "0"}}
		for i := 1; i < n; i++ {
			specs = append(specs, geo.FrameSpec{Name: fmt.Sprint(i), Parent: fmt.Sprint((i - 1) / 2), Translation: []float64{1, 0}})
		}
		depth := func(i int) float64 { // each step up adds 1 to x
			d := 0.0
			for ; i > 0; i = (i - 1) / 2 {
				d++
			}
			return d
		}
		f := plan(t, specs...)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range n {
					for j := range 20 {
						way, err := f.Between(fmt.Sprint(i), fmt.Sprint(j))
						if err != nil {
							t.Error(err)
							return
						}
						if p, _ := way.Point(geo.Point{}); p.X != depth(i)-depth(j) {
							t.Errorf("from %d to %d: x is %g, want %g", i, j, p.X, depth(i)-depth(j))
							return
						}
					}
				}
			})
		}
		wg.Wait()
	}
	// Up to 64 frames nothing is composed twice.
	f := plan(t, geo.FrameSpec{Name: "a"}, geo.FrameSpec{Name: "b", Parent: "a"})
	if first, second := between(t, f, "a", "b"), between(t, f, "a", "b"); first != second {
		t.Error("the way from a to b was composed twice")
	}
}
