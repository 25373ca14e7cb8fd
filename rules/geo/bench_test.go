package geo_test

import (
	"math"
	"testing"

	"edge/internal/cputimetest"
	"edge/rules/geo"
)

// Budgets on a server core: 5 ns a point, 20 ns a look-up, nothing allocated.

func benchFrames(b *testing.B) *geo.Frames {
	return plan(b, geo.FrameSpec{Name: "building"},
		geo.FrameSpec{Name: "F3", Parent: "building", Translation: []float64{40, 25}, Rotation: yawDeg(30), Scale: ptr(0.05)},
		geo.FrameSpec{Name: "F3/slam", Parent: "F3", Translation: []float64{5, 3, 9.6}, Rotation: yawDeg(-17)},
		geo.FrameSpec{Name: "F3/wide", Parent: "F3", Matrix: []float64{3, 0, 0, 0, 1, 0}})
}

func BenchmarkPoint(b *testing.B) {
	f := benchFrames(b)
	way := between(b, f, "F3/slam", "building")
	for name, p := range map[string]geo.Point{"2D": {X: 1, Y: 2}, "3D": {X: 1, Y: 2, Z: 3, Shape: geo.XYZ}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			sum := 0.0
			stop := cputimetest.Start(b)
			for b.Loop() {
				q, err := way.Point(p)
				if err != nil {
					b.Fatal(err)
				}
				sum += q.X
			}
			stop()
			if math.IsNaN(sum) {
				b.Fatal(sum)
			}
		})
	}
}

func BenchmarkPose(b *testing.B) {
	f := benchFrames(b)
	q := geo.QuaternionFromRPY(0.1, 0.2, 0.3)
	for _, bb := range []struct {
		name, from string
		pose       geo.Pose
	}{
		{"yaw", "F3/slam", geo.Pose{Yaw: 0.5, HasYaw: true}},
		{"yaw sheared", "F3/wide", geo.Pose{Yaw: 0.5, HasYaw: true}},
		{"quaternion", "F3/slam", geo.Pose{Quaternion: q, HasQuaternion: true}},
	} {
		way := between(b, f, bb.from, "building")
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			stop := cputimetest.Start(b)
			for b.Loop() {
				if _, err := way.Pose(bb.pose); err != nil {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
}

func BenchmarkBetween(b *testing.B) {
	f := benchFrames(b)
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		if _, err := f.Between("F3/slam", "building"); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}

func BenchmarkAppendJSON(b *testing.B) {
	p := geo.Point{X: 38.125, Y: 30.0625, Shape: geo.XY}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		buf = p.AppendJSON(buf[:0])
	}
	stop()
}

// BenchmarkLoad is what a reload pays for one more floor: its frames checked and one way composed.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		f := benchFrames(b)
		between(b, f, "F3/slam", "F3/wide")
	}
	stop()
}
