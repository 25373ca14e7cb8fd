package geo_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"edge/rules/geo"
)

func TestVector(t *testing.T) {
	f := plan(t, geo.FrameSpec{Name: "building"},
		geo.FrameSpec{Name: "F3", Parent: "building", Translation: []float64{40, 25, 9}, Rotation: yawDeg(90), Scale: ptr(0.05)},
		geo.FrameSpec{Name: "web", Parent: "building", Matrix: []float64{20, 0, 1024, 0, -20, 768}})
	tests := []struct {
		from, to string
		in, want geo.Point
	}{
		// 0.05 * (100, 40) = (5, 2), a quarter turn: (-2, 5). No (40, 25).
		{"F3", "building", geo.Point{X: 100, Y: 40}, geo.Point{X: -2, Y: 5}},
		{"F3", "building", geo.Point{X: 100, Y: 40, Z: 20, Shape: geo.Array3}, geo.Point{X: -2, Y: 5, Z: 1, Shape: geo.Array3}},
		// (-2, 5) / (20, -20).
		{"F3", "web", geo.Point{X: 100, Y: 40}, geo.Point{X: -0.1, Y: -0.25}},
	}
	for _, tt := range tests {
		got, err := between(t, f, tt.from, tt.to).Vector(tt.in)
		if err != nil || !same(got, tt.want, 1e-12) {
			t.Errorf("%s to %s: got %+v, %v, want %+v", tt.from, tt.to, got, err, tt.want)
		}
	}
}

func TestPoseYaw(t *testing.T) {
	f := plan(t, geo.FrameSpec{Name: "root"},
		geo.FrameSpec{Name: "moved", Parent: "root", Translation: []float64{1, 2}, Scale: ptr(7)},
		geo.FrameSpec{Name: "turned", Parent: "root", Rotation: yawDeg(90), Scale: ptr(0.05)},
		geo.FrameSpec{Name: "mirrored", Parent: "root", Axes: []string{"x", "-y"}},
		geo.FrameSpec{Name: "swapped", Parent: "root", Axes: []string{"y", "x"}},
		geo.FrameSpec{Name: "wide", Parent: "root", Matrix: []float64{3, 0, 0, 0, 1, 0}},
		geo.FrameSpec{Name: "sheared", Parent: "root", Matrix: []float64{2, 1, 0, 1, 2, 0}},
		geo.FrameSpec{Name: "wide mirror", Parent: "root", Matrix: []float64{-3, 0, 0, 0, 1, 0}},
		geo.FrameSpec{Name: "upside down", Parent: "root", Rotation: &geo.RotationSpec{RPYDeg: []float64{180, 0, 0}}},
		geo.FrameSpec{Name: "tilted", Parent: "root", Rotation: &geo.RotationSpec{RPYDeg: []float64{60, 0, 0}}},
	)
	const deg = math.Pi / 180
	tests := []struct {
		from, to  string
		yaw, want float64
	}{
		{"moved", "root", 0.1, 0.1},
		{"moved", "root", 3 * math.Pi, math.Pi},
		{"turned", "root", 30 * deg, 120 * deg},
		{"root", "turned", 30 * deg, -60 * deg},
		{"turned", "root", 100 * deg, -170 * deg},
		{"turned", "root", 90 * deg, 180 * deg}, // pi, not -pi
		{"mirrored", "root", 30 * deg, -30 * deg},
		{"swapped", "root", 30 * deg, 60 * deg},
		{"turned", "mirrored", 30 * deg, -120 * deg},
		// The heading (1, 1) becomes (3, 1); with the mirror (-3, 1).
		{"wide", "root", 45 * deg, math.Atan(1.0 / 3)},
		{"wide mirror", "root", 45 * deg, math.Pi - math.Atan(1.0/3)},
		{"sheared", "root", 90 * deg, math.Atan(2)}, // (0, 1) becomes (1, 2)
		// Half a turn about x: (cos, sin, 0) becomes (cos, -sin, 0). No mirror, though it looks like one from above.
		{"upside down", "root", 30 * deg, -30 * deg},
		// (1, 1, 0) becomes (1, cos 60, sin 60).
		{"tilted", "root", 45 * deg, math.Atan(0.5)},
	}
	for _, tt := range tests {
		got, err := between(t, f, tt.from, tt.to).Pose(geo.Pose{Point: geo.Point{X: 1, Y: 1}, Yaw: tt.yaw, HasYaw: true})
		if err != nil || !near(got.Yaw, tt.want, 1e-12) || !got.HasYaw || got.HasQuaternion {
			t.Errorf("%s to %s, yaw %g: got %+v, %v, want %g", tt.from, tt.to, tt.yaw, got, err, tt.want)
		}
	}
	// A frame that is not turned keeps every digit.
	for i := range 600 {
		yaw := float64(i-300) / 100
		if got, _ := between(t, f, "moved", "root").Pose(geo.Pose{Yaw: yaw, HasYaw: true}); got.Yaw != yaw {
			t.Errorf("%v became %v", yaw, got.Yaw)
		}
	}
	// A place without a direction is none the worse for it.
	got, err := between(t, f, "turned", "root").Pose(geo.Pose{Point: geo.Point{X: 20}})
	if want := (geo.Pose{Point: geo.Point{Y: 1}}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// matrixOf is the rotation that a quaternion means: its columns are q e q* of the three axes.
func matrixOf(q [4]float64) (m [3][3]float64) {
	mul := func(a, b [4]float64) [4]float64 {
		return [4]float64{
			a[3]*b[0] + a[0]*b[3] + a[1]*b[2] - a[2]*b[1], a[3]*b[1] + a[1]*b[3] + a[2]*b[0] - a[0]*b[2],
			a[3]*b[2] + a[2]*b[3] + a[0]*b[1] - a[1]*b[0], a[3]*b[3] - a[0]*b[0] - a[1]*b[1] - a[2]*b[2]}
	}
	for c := range 3 {
		e := [4]float64{}
		e[c] = 1
		v := mul(mul(q, e), [4]float64{-q[0], -q[1], -q[2], q[3]})
		m[0][c], m[1][c], m[2][c] = v[0], v[1], v[2]
	}
	return m
}

func TestPoseQuaternion(t *testing.T) {
	rpy := func(r, p, y float64) *geo.RotationSpec { return &geo.RotationSpec{RPYDeg: []float64{r, p, y}} }
	f := plan(t, geo.FrameSpec{Name: "root"},
		geo.FrameSpec{Name: "moved", Parent: "root", Translation: []float64{1, 2}, Scale: ptr(7)},
		geo.FrameSpec{Name: "turned", Parent: "root", Rotation: rpy(10, 20, 30), Scale: ptr(0.5)},
		geo.FrameSpec{Name: "far", Parent: "root", Rotation: rpy(0, 200, 0)},
		geo.FrameSpec{Name: "half x", Parent: "root", Rotation: rpy(180, 0, 0)},
		geo.FrameSpec{Name: "half y", Parent: "root", Rotation: rpy(0, 180, 0)},
		geo.FrameSpec{Name: "half z", Parent: "root", Rotation: rpy(0, 0, 180)},
		geo.FrameSpec{Name: "web", Parent: "root", Matrix: []float64{20, 0, 1024, 0, -20, 768}},
	)
	h := math.Sqrt(0.5)
	tests := []struct {
		from, to string
		in, want [4]float64
	}{
		{"moved", "root", [4]float64{0, 0, 0.7071, 0.7071}, [4]float64{0, 0, 0.7071, 0.7071}},
		// qz(30) qy(20) qx(10), and that times qz(-100) qy(40) qx(170), multiplied outside this code.
		{"turned", "root", [4]float64{0, 0, 0, 1}, [4]float64{0.03813457647485015, 0.18930785741199999, 0.2392983377447303, 0.9515485246437885}},
		{"turned", "root", [4]float64{0.6245593183816976, -0.6979462093817359, -0.28174846865495234, -0.20836157765491414},
			[4]float64{0.7000328862512366, -0.5433738044144351, -0.46280778833849495, -0.022534815201755945}},
		// (0, sin 100, 0, cos 100) with all signs changed: of q and -q, the same turn, a frame's is the one with w >= 0.
		{"far", "root", [4]float64{0, 0, 0, 1}, [4]float64{0, -0.984807753012208, 0, 0.17364817766693033}},
		{"half x", "root", [4]float64{0, 0, 0, 1}, [4]float64{1, 0, 0, 0}},
		{"half y", "root", [4]float64{0, 0, 0, 1}, [4]float64{0, 1, 0, 0}},
		{"half z", "root", [4]float64{0, 0, 0, 1}, [4]float64{0, 0, 1, 0}},
		// In a mirror left and right change: a quarter turn to the left becomes one to the right.
		{"web", "root", [4]float64{0, 0, h, h}, [4]float64{0, 0, -h, h}},
		{"root", "web", [4]float64{0, 0, 0, 1}, [4]float64{0, 0, 0, 1}},
	}
	for _, tt := range tests {
		got, err := between(t, f, tt.from, tt.to).Pose(geo.Pose{Quaternion: tt.in, HasQuaternion: true})
		if err != nil || !got.HasQuaternion || got.HasYaw {
			t.Errorf("%s to %s: got %+v, %v", tt.from, tt.to, got, err)
			continue
		}
		for i := range 4 {
			if !near(got.Quaternion[i], tt.want[i], 1e-12) {
				t.Errorf("%s to %s: got %v, want %v", tt.from, tt.to, got.Quaternion, tt.want)
				break
			}
		}
	}
}

// The turn of a sheared matrix M is the orthogonal Q for which Q^T M is symmetric and positive: M = Q P.
func TestPoseOfShearedMatrixIsPolar(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		m := make([]float64, 12)
		for i := range m {
			m[i] = r.NormFloat64()
		}
		if det := m[0]*(m[5]*m[10]-m[6]*m[9]) - m[1]*(m[4]*m[10]-m[6]*m[8]) + m[2]*(m[4]*m[9]-m[5]*m[8]); det < 0.01 {
			continue // mirrors have a test of their own
		}
		f := plan(t, geo.FrameSpec{Name: "root"}, geo.FrameSpec{Name: "sheared", Parent: "root", Matrix: m})
		got, err := between(t, f, "sheared", "root").Pose(geo.Pose{Point: geo.Point{Shape: geo.XYZ}, Quaternion: [4]float64{0, 0, 0, 1}, HasQuaternion: true})
		if err != nil {
			t.Fatal(err)
		}
		q := matrixOf(got.Quaternion)
		var p [3][3]float64
		for r := range 3 {
			for c := range 3 {
				for k := range 3 {
					p[r][c] += q[k][r] * m[4*k+c]
				}
			}
		}
		if !near(p[0][1], p[1][0], 1e-12) || !near(p[0][2], p[2][0], 1e-12) || !near(p[1][2], p[2][1], 1e-12) {
			t.Errorf("%v: Q^T M is not symmetric: %v", m, p)
		}
		if p[0][0] <= 0 || p[0][0]*p[1][1]-p[0][1]*p[1][0] <= 0 { // and its determinant is that of M
			t.Errorf("%v: Q^T M is not positive: %v", m, p)
		}
	}
}

// A mirror keeps a body's front and top: its x and z axes go where the mirror takes them, and y is what is
// then left for a right-handed body.
func TestPoseInMirrorKeepsFrontAndTop(t *testing.T) {
	for name, mirror := range map[string][]float64{
		"x": {-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, "y": {1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}, "z": {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0},
		"swap": {0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}, "point": {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0}} {
		f := plan(t, geo.FrameSpec{Name: "root"}, geo.FrameSpec{Name: "m", Parent: "root", Matrix: mirror})
		in := geo.QuaternionFromRPY(0.3, -0.7, 2)
		got, err := between(t, f, "m", "root").Pose(geo.Pose{Quaternion: in, HasQuaternion: true})
		if err != nil {
			t.Fatal(err)
		}
		a, b := matrixOf(in), matrixOf(got.Quaternion)
		for r := range 3 {
			for _, c := range []int{0, 2} {
				want := mirror[4*r]*a[0][c] + mirror[4*r+1]*a[1][c] + mirror[4*r+2]*a[2][c]
				if !near(b[r][c], want, 1e-12) {
					t.Errorf("mirror %s: axis %c became %v in row %d, want %v", name, "xyz"[c], b[r][c], r, want)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	f := plan(t, geo.FrameSpec{Name: "root"},
		geo.FrameSpec{Name: "F3", Parent: "root", Translation: []float64{1, 2}, Rotation: yawDeg(30)},
		geo.FrameSpec{Name: "big", Parent: "root", Scale: ptr(1e10)},
		geo.FrameSpec{Name: "three", Parent: "root", Axes: []string{"x", "-z"}})
	point := func(way *geo.Transform, p geo.Point) error { _, err := way.Point(p); return err }
	vector := func(way *geo.Transform, p geo.Point) error { _, err := way.Vector(p); return err }
	pose := func(way *geo.Transform, p geo.Pose) error { _, err := way.Pose(p); return err }
	F3, big, three, back := between(t, f, "F3", "root"), between(t, f, "big", "root"), between(t, f, "three", "root"), between(t, f, "root", "three")
	tests := []struct {
		name        string
		err         error
		class, text string
	}{
		{"x NaN", point(F3, geo.Point{X: nan}), geo.NotFinite, "x is NaN"},
		{"y infinite", point(F3, geo.Point{Y: inf, Shape: geo.Array3}), geo.NotFinite, "y is infinite"},
		{"z infinite", point(F3, geo.Point{Z: -inf, Shape: geo.XYZ}), geo.NotFinite, "z is minus infinite"},
		{"vector NaN", vector(F3, geo.Point{Y: nan}), geo.NotFinite, "y is NaN"},
		{"vector NaN in space", vector(F3, geo.Point{Z: nan, Shape: geo.Array3}), geo.NotFinite, "z is NaN"},
		{"the result overflows", point(big, geo.Point{X: 1e300, Z: nan}), geo.NotFinite, `(1e+300, 0, 0) is too large: in "root"`},
		{"the z of the result overflows", vector(big, geo.Point{Z: 1e300, Shape: geo.XYZ}), geo.NotFinite, `(0, 0, 1e+300) is too large`},
		{"lon and lat", point(F3, geo.Point{X: 8, Y: 50, Shape: geo.LonLat}), geo.WrongType, `frame "F3" takes x and y, not lon and lat`},
		{"vector of lon and lat", vector(F3, geo.Point{Shape: geo.LonLatH}), geo.WrongType, "not lon and lat"},
		{"no z where it is y", point(three, geo.Point{X: 1, Y: 2}), geo.MissingField, `has no z: the x-y planes of "three" and "root"`},
		{"no z where it is y, back", point(back, geo.Point{X: 1, Y: 2, Shape: geo.Array2}), geo.MissingField, "has no z"},
		{"vector without z", vector(three, geo.Point{X: 1, Y: 2}), geo.MissingField, "has no z"},
		{"the pose's place", pose(F3, geo.Pose{Point: geo.Point{X: nan}, Yaw: 1, HasYaw: true}), geo.NotFinite, "x is NaN"},
		{"yaw NaN", pose(F3, geo.Pose{Yaw: nan, HasYaw: true}), geo.NotFinite, "yaw is NaN"},
		{"yaw infinite", pose(three, geo.Pose{Point: geo.Point{Shape: geo.XYZ}, Yaw: inf, HasYaw: true}), geo.NotFinite, "yaw is infinite"},
		{"a heading that ends upright", pose(three, geo.Pose{Point: geo.Point{Shape: geo.XYZ}, Yaw: math.Pi / 2, HasYaw: true}), geo.OutsideDomain, "has no yaw there; give a quaternion"},
		{"quaternion NaN", pose(F3, geo.Pose{Quaternion: [4]float64{0, nan, 0, 1}, HasQuaternion: true}), geo.NotFinite, "quaternion.y is NaN"},
		{"quaternion 0", pose(F3, geo.Pose{HasQuaternion: true}), geo.OutsideDomain, "quaternion has length 0, a rotation has 1"},
		{"quaternion huge", pose(F3, geo.Pose{Quaternion: [4]float64{1e300, 0, 0, 0}, HasQuaternion: true}), geo.OutsideDomain, "quaternion has length"},
	}
	for _, tt := range tests {
		var e *geo.Error
		if !errors.As(tt.err, &e) || e.Class != tt.class || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%s: got %v, want %s: %s", tt.name, tt.err, tt.class, tt.text)
		}
	}
	// Each of these frames is good enough; 15 of them flatten y by 1e-165.
	specs := []geo.FrameSpec{{Name: "0"}}
	for i := range 15 {
		specs = append(specs, geo.FrameSpec{Name: fmt.Sprint(i + 1), Parent: fmt.Sprint(i), Matrix: []float64{1, 0, 0, 0, 1e-11, 0}})
	}
	_, err := between(t, plan(t, specs...), "15", "0").Pose(geo.Pose{Point: geo.Point{Shape: geo.XYZ}, Quaternion: [4]float64{0, 0, 0, 1}, HasQuaternion: true})
	if e := (*geo.Error)(nil); !errors.As(err, &e) || e.Class != geo.OutsideDomain {
		t.Errorf("no rotation is near: got %v", err)
	}
	// What a point does not have cannot be wrong.
	if got, err := F3.Point(geo.Point{X: 0, Y: 0, Z: nan}); err != nil || got != (geo.Point{X: 1, Y: 2}) {
		t.Errorf("a z that is not there: got %+v, %v", got, err)
	}
}

func TestAngles(t *testing.T) {
	// A quarter turn left about z, and the quaternion of 10, 20, 30 degrees, multiplied outside this code.
	const deg = math.Pi / 180
	if got := geo.QuaternionFromRPY(10*deg, 20*deg, 30*deg); !near(got[0], 0.03813457647485015, 1e-15) || !near(got[1], 0.18930785741199999, 1e-15) ||
		!near(got[2], 0.2392983377447303, 1e-15) || !near(got[3], 0.9515485246437885, 1e-15) {
		t.Errorf("rpy 10 20 30: got %v", got)
	}
	h := math.Sqrt(0.5)
	for _, tt := range []struct {
		q    [4]float64
		want float64
	}{
		{[4]float64{0, 0, 0, 1}, 0},
		{[4]float64{0, 0, h, h}, 90},
		{[4]float64{0, 0, 2 * h, 2 * h}, 90},
		{[4]float64{0, 0, -h, -h}, 90},
		{[4]float64{0, 0, 1, 0}, 180},
		{[4]float64{1, 0, 0, 0}, 0}, // on its back, nose ahead
		{geo.QuaternionFromRPY(10*deg, 20*deg, 30*deg), 30},
		{geo.QuaternionFromRPY(170*deg, -80*deg, -150*deg), -150},
		{geo.QuaternionFromRPY(0, 90*deg, 40*deg), 40},  // nose down
		{geo.QuaternionFromRPY(0, -90*deg, 40*deg), 40}, // nose up
	} {
		if got := geo.YawOf(tt.q) / deg; !near(got, tt.want, 1e-9) {
			t.Errorf("yaw of %v: got %g degrees, want %g", tt.q, got, tt.want)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	tests := []struct {
		p    interface{ AppendJSON([]byte) []byte }
		want string
	}{
		{geo.Point{X: 1.5, Y: 2, Z: 3}, `{"x":1.5,"y":2}`},
		{geo.Point{X: -0.1, Y: 0, Z: 3, Shape: geo.XYZ}, `{"x":-0.1,"y":0,"z":3}`},
		{geo.Point{X: 0.1, Y: 12345678, Z: 3, Shape: geo.Array2}, `[0.1,12345678]`},
		{geo.Point{X: 1, Y: 2, Z: 1.0 / 3, Shape: geo.Array3}, `[1,2,0.3333333333333333]`},
		{geo.Point{X: 117.2, Y: 31.8, Shape: geo.LonLat}, `{"lon":117.2,"lat":31.8}`},
		{geo.Point{X: 117.2, Y: 31.8, Z: 35, Shape: geo.LonLatH}, `{"lon":117.2,"lat":31.8,"h":35}`},
		{geo.Point{X: math.Copysign(0, -1), Y: 1e-7, Z: 1e21, Shape: geo.Array3}, `[0,1e-7,1e+21]`},
		{geo.Point{X: -1.5e-300, Y: 2e-10, Shape: geo.Array2}, `[-1.5e-300,2e-10]`},
		{geo.Point{X: math.NaN(), Y: math.Inf(1), Shape: geo.Array2}, `[null,null]`},
		{geo.Pose{Point: geo.Point{X: 1, Y: 2}}, `{"x":1,"y":2}`},
		{geo.Pose{Point: geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.XYZ}, Yaw: 0.5, HasYaw: true}, `{"x":1,"y":2,"z":3,"yaw":0.5}`},
		{geo.Pose{Point: geo.Point{X: 1, Y: 2, Z: 3, Shape: geo.Array3}, Yaw: -1, HasYaw: true}, `{"x":1,"y":2,"z":3,"yaw":-1}`},
		{geo.Pose{Point: geo.Point{X: 1, Y: 2, Shape: geo.Array2}, Quaternion: [4]float64{0, 0, 0.6, 0.8}, HasQuaternion: true},
			`{"x":1,"y":2,"quaternion":[0,0,0.6,0.8]}`},
	}
	for _, tt := range tests {
		if got := string(tt.p.AppendJSON([]byte("->"))); got != "->"+tt.want {
			t.Errorf("%+v: got %s, want ->%s", tt.p, got, tt.want)
		}
	}
}
