package geo_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"edge/rules/geo"
)

// random gives frames of every kind, each under one of those before it: 0 is the root.
func random(r *rand.Rand, n int) []geo.FrameSpec {
	span := func() float64 { return r.Float64()*200 - 100 }
	specs := []geo.FrameSpec{{Name: "0"}}
	for i := 1; i < n; i++ {
		s := geo.FrameSpec{Name: fmt.Sprint(i), Parent: fmt.Sprint(r.IntN(i))}
		switch r.IntN(5) {
		case 0:
			s.Translation, s.Rotation = []float64{span(), span()}, yawDeg(r.Float64()*720-360)
		case 1:
			s.Translation, s.Scale = []float64{span(), span(), span()}, ptr(math.Exp(r.Float64()*4-2))
			s.Rotation = &geo.RotationSpec{RPYDeg: []float64{span(), span(), span()}}
		case 2:
			q := geo.QuaternionFromRPY(span(), span(), span())
			s.Rotation = &geo.RotationSpec{Quaternion: q[:]}
		case 3:
			s.Axes = [][]string{{"x", "-z"}, {"y", "x"}, {"-z", "x", "y"}, {"x", "-y"}}[r.IntN(4)]
			s.Translation = []float64{span(), span()}
		case 4: // near a rotation with scale 2, sheared a little
			a := span()
			s.Matrix = []float64{2 * math.Cos(a), -2 * math.Sin(a), span(), 2*math.Sin(a) + 0.1, 2 * math.Cos(a), span()}
			s.Direction = []string{"to_parent", "from_parent"}[r.IntN(2)]
		}
		specs = append(specs, s)
	}
	return specs
}

func TestThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		specs := random(r, 8)
		f := plan(t, specs...)
		r.Shuffle(len(specs), func(i, j int) { specs[i], specs[j] = specs[j], specs[i] })
		shuffled := plan(t, specs...)
		for range 20 {
			a, b, c := fmt.Sprint(r.IntN(8)), fmt.Sprint(r.IntN(8)), fmt.Sprint(r.IntN(8))
			p := geo.Point{X: r.NormFloat64() * 100, Y: r.NormFloat64() * 100, Z: r.NormFloat64() * 100, Shape: geo.XYZ}
			there, _ := between(t, f, a, b).Point(p)
			if back, err := between(t, f, b, a).Point(there); err != nil || !same(back, p, 1e-9) {
				t.Fatalf("%s to %s and back: %+v became %+v, %v", a, b, p, back, err)
			}
			if got, _ := between(t, shuffled, a, b).Point(p); got != there {
				t.Fatalf("%s to %s: the order of frames makes %+v of %+v", a, b, got, there)
			}
			direct, _ := between(t, f, a, c).Point(p)
			if steps, _ := between(t, f, b, c).Point(there); !same(steps, direct, 1e-9) {
				t.Fatalf("%s to %s: %+v by way of %s, else %+v", a, c, steps, b, direct)
			}
			// A vector is the difference of two points.
			q := geo.Point{X: r.NormFloat64(), Y: r.NormFloat64(), Z: r.NormFloat64(), Shape: geo.XYZ}
			end, _ := between(t, f, a, b).Point(geo.Point{X: p.X + q.X, Y: p.Y + q.Y, Z: p.Z + q.Z, Shape: geo.XYZ})
			v, _ := between(t, f, a, b).Vector(q)
			if !same(v, geo.Point{X: end.X - there.X, Y: end.Y - there.Y, Z: end.Z - there.Z, Shape: geo.XYZ}, 1e-9) {
				t.Fatalf("%s to %s: the vector %+v became %+v", a, b, q, v)
			}
		}
	}
}

// In the plane a heading is the way from one point to the next, whatever the frames do to it.
func TestYawIsTheHeadingOfAStep(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		m := []float64{r.NormFloat64(), r.NormFloat64(), 5, r.NormFloat64(), r.NormFloat64(), 6}
		if math.Abs(m[0]*m[4]-m[1]*m[3]) < 0.01 {
			continue
		}
		f := plan(t, geo.FrameSpec{Name: "root"}, geo.FrameSpec{Name: "m", Parent: "root", Matrix: m},
			geo.FrameSpec{Name: "n", Parent: "root", Rotation: yawDeg(r.Float64() * 360), Scale: ptr(3), Axes: [][]string{nil, {"-x", "y"}}[r.IntN(2)]})
		for _, names := range [][2]string{{"m", "root"}, {"root", "m"}, {"n", "root"}, {"m", "n"}, {"n", "m"}} {
			way, yaw := between(t, f, names[0], names[1]), r.Float64()*20-10
			from, err := way.Pose(geo.Pose{Point: geo.Point{X: 1, Y: 2}, Yaw: yaw, HasYaw: true})
			if err != nil {
				t.Fatal(err)
			}
			to, _ := way.Point(geo.Point{X: 1 + math.Cos(yaw), Y: 2 + math.Sin(yaw)})
			want := math.Atan2(to.Y-from.Y, to.X-from.X)
			if math.Abs(math.Remainder(from.Yaw-want, 2*math.Pi)) > 1e-9 {
				t.Fatalf("%v %v: yaw %g became %g, want %g", m, names, yaw, from.Yaw, want)
			}
		}
	}
}

// Where frames neither shear nor mirror, a quaternion turns as its body's axes do.
func TestQuaternionTurnsTheAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		q := geo.QuaternionFromRPY(r.Float64()*6, r.Float64()*6, r.Float64()*6)
		f := plan(t, geo.FrameSpec{Name: "root"},
			geo.FrameSpec{Name: "a", Parent: "root", Scale: ptr(0.3), Rotation: &geo.RotationSpec{Quaternion: q[:]}},
			geo.FrameSpec{Name: "b", Parent: "root", Translation: []float64{1, 2}, Rotation: &geo.RotationSpec{RPYDeg: []float64{r.Float64() * 360, r.Float64() * 360, 9}}})
		way, body := between(t, f, "a", "b"), geo.QuaternionFromRPY(r.Float64()*6, r.Float64()*6, r.Float64()*6)
		got, err := way.Pose(geo.Pose{Point: geo.Point{Shape: geo.XYZ}, Quaternion: body, HasQuaternion: true})
		if err != nil {
			t.Fatal(err)
		}
		before, after := matrixOf(body), matrixOf(got.Quaternion)
		for c := range 3 {
			want, _ := way.Vector(geo.Point{X: before[0][c], Y: before[1][c], Z: before[2][c], Shape: geo.XYZ})
			if !near(after[0][c], want.X/0.3, 1e-9) || !near(after[1][c], want.Y/0.3, 1e-9) || !near(after[2][c], want.Z/0.3, 1e-9) {
				t.Fatalf("axis %c: got (%g %g %g), want %+v / 0.3", "xyz"[c], after[0][c], after[1][c], after[2][c], want)
			}
		}
	}
}

// FuzzTransform: whatever the frames and points, there is no panic, and numbers come out or an error does.
func FuzzTransform(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 0.5, 1.0, 0.0, 0.0, 1.0, 40.0, 25.0, 90.0, 0.05, uint8(0))
	f.Add(1.0, 2.0, 3.0, 0.5, 1e300, 0.0, 0.0, 1e-300, 0.0, 0.0, 0.0, 1e300, uint8(1))
	f.Add(math.NaN(), math.Inf(1), math.Copysign(0, -1), math.NaN(), 1e-320, 1.0, 1.0, 0.0, 1e308, 1e308, math.Inf(1), math.NaN(), uint8(255))
	f.Add(1e308, 1e308, 1e308, 1e308, 1e10, 1e10, 1e10, -1e10, 1e308, -1e308, 1e308, 1e-10, uint8(7))
	f.Fuzz(func(t *testing.T, x, y, z, w, a, b, c, d, e, g, angle, scale float64, kind uint8) {
		frames, problems := geo.NewFrames([]geo.FrameSpec{
			{Name: "root"},
			{Name: "m", Parent: "root", Matrix: []float64{a, b, e, c, d, g}},
			{Name: "s", Parent: "m", Translation: []float64{e, g}, Rotation: &geo.RotationSpec{RPYDeg: []float64{angle, a, b}}, Scale: &scale},
			{Name: "t", Parent: "s", Rotation: &geo.RotationSpec{YawDeg: &angle}, Scale: &scale},
		})
		if len(problems) > 0 {
			return
		}
		for _, from := range frames.Names() {
			for _, to := range frames.Names() {
				way, err := frames.Between(from, to)
				if err != nil {
					continue
				}
				p := geo.Point{X: x, Y: y, Z: z, Shape: geo.Shape(kind % 7)}
				if got, err := way.Point(p); err == nil {
					mustBeNumbers(t, p.Shape, got)
				}
				if got, err := way.Vector(p); err == nil {
					mustBeNumbers(t, p.Shape, got)
				}
				if got, err := way.Pose(geo.Pose{Point: p, Yaw: w, HasYaw: true}); err == nil {
					mustBeNumbers(t, p.Shape, got.Point)
					if !(math.Abs(got.Yaw) <= math.Pi) {
						t.Fatalf("from %s to %s yaw %g became %g", from, to, w, got.Yaw)
					}
				}
				if got, err := way.Pose(geo.Pose{Point: p, Quaternion: [4]float64{x, y, z, w}, HasQuaternion: true}); err == nil {
					n := 0.0
					for _, v := range got.Quaternion {
						n += v * v
					}
					if !(math.Abs(math.Sqrt(n)-1) < 2e-3) {
						t.Fatalf("from %s to %s the quaternion became %v", from, to, got.Quaternion)
					}
				}
			}
		}
	})
}

func mustBeNumbers(t *testing.T, shape geo.Shape, p geo.Point) {
	t.Helper()
	for _, v := range []float64{p.X, p.Y, p.Z} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("no error, but %+v", p)
		}
	}
	if p.Shape != shape {
		t.Fatalf("shape %d became %d", shape, p.Shape)
	}
	if text := p.AppendJSON(nil); !json.Valid(text) {
		t.Fatalf("not JSON: %s", text)
	}
}
