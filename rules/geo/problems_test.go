package geo_test

import (
	"math"
	"strings"
	"testing"

	"edge/rules/geo"
)

// TestProblems: each set of frames has exactly these problems, written FRAME KEY: part of the message.
func TestProblems(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	f := func(spec geo.FrameSpec) []geo.FrameSpec {
		spec.Name, spec.Parent = "f", "building"
		return []geo.FrameSpec{{Name: "building"}, spec}
	}
	rot := func(r geo.RotationSpec) []geo.FrameSpec { return f(geo.FrameSpec{Rotation: &r}) }
	tests := []struct {
		name  string
		specs []geo.FrameSpec
		want  []string
	}{
		{"no name", []geo.FrameSpec{{}}, []string{" : a frame needs a name"}},
		{"twice", []geo.FrameSpec{{Name: "a"}, {Name: "a"}}, []string{"a : is defined twice"}},
		{"unknown parent", []geo.FrameSpec{{Name: "building"}, {Name: "F3", Parent: "buildng"}},
			[]string{`F3 parent: no frame "buildng" to be its parent; did you mean "building"? known: F3, building`}},
		{"unknown parent, like itself", []geo.FrameSpec{{Name: "floor3", Parent: "floor4"}},
			[]string{`floor3 parent: no frame "floor4" to be its parent; known: floor3`}},
		{"circle of one", []geo.FrameSpec{{Name: "a", Parent: "a"}}, []string{"a parent: its parents go in a circle: a -> a;"}},
		{"circle, and one that hangs on it", []geo.FrameSpec{{Name: "x", Parent: "b"}, {Name: "a", Parent: "b"}, {Name: "b", Parent: "c"}, {Name: "c", Parent: "a"}},
			[]string{"b parent: its parents go in a circle: b -> c -> a -> b; take"}},
		{"two circles", []geo.FrameSpec{{Name: "a", Parent: "b"}, {Name: "b", Parent: "a"}, {Name: "c", Parent: "c"}},
			[]string{"a parent: its parents go in a circle: a -> b -> a", "c parent: its parents go in a circle: c -> c"}},
		{"a root with a pose", []geo.FrameSpec{{Name: "a", Translation: []float64{1, 2}, Scale: ptr(2)}},
			[]string{"a translation: translation needs a parent", "a scale: scale needs a parent"}},
		{"a root with a matrix", []geo.FrameSpec{{Name: "a", Matrix: []float64{1, 0, 0, 0, 1, 0}, Direction: "from_parent"}},
			[]string{"a matrix: matrix needs a parent", "a direction: direction needs a parent"}},

		{"translation of one", f(geo.FrameSpec{Translation: []float64{1}}), []string{"f translation: translation has 1 numbers; write [x, y] or [x, y, z]"}},
		{"translation of none", f(geo.FrameSpec{Translation: []float64{}}), []string{"f translation: translation has 0 numbers"}},
		{"translation NaN", f(geo.FrameSpec{Translation: []float64{1, nan}}), []string{"f translation: number 2 of translation is NaN"}},

		{"scale 0", f(geo.FrameSpec{Scale: ptr(0)}), []string{"f scale: scale is 0 and must be a number above 0"}},
		{"scale negative", f(geo.FrameSpec{Scale: ptr(-1)}), []string{"f scale: scale is -1"}},
		{"scale NaN", f(geo.FrameSpec{Scale: ptr(nan)}), []string{"f scale: scale is NaN"}},
		{"scale infinite", f(geo.FrameSpec{Scale: ptr(inf)}), []string{"f scale: scale is +Inf"}},
		{"scale without a way back", f(geo.FrameSpec{Scale: ptr(1e-320)}), []string{"f : there is no way back"}},
		{"offset too far for the way back", f(geo.FrameSpec{Scale: ptr(1e-10), Translation: []float64{1e300, 0}}), []string{"f : there is no way back"}},

		{"rotation empty", rot(geo.RotationSpec{}), []string{"f rotation: rotation is empty; give one of"}},
		{"two rotations", rot(geo.RotationSpec{YawDeg: ptr(1), Yaw: ptr(1), Quaternion: []float64{0, 0, 0, 1}}),
			[]string{"f rotation.yaw: rotation is given twice, as yaw_deg and as yaw", "f rotation.quaternion: rotation is given twice, as yaw_deg and as quaternion"}},
		{"yaw_deg NaN", rot(geo.RotationSpec{YawDeg: ptr(nan)}), []string{"f rotation.yaw_deg: yaw_deg is NaN"}},
		{"yaw infinite", rot(geo.RotationSpec{Yaw: ptr(-inf)}), []string{"f rotation.yaw: yaw is minus infinite"}},
		{"rpy_deg of two", rot(geo.RotationSpec{RPYDeg: []float64{1, 2}}), []string{"f rotation.rpy_deg: rpy_deg has 2 numbers; write [roll, pitch, yaw]"}},
		{"rpy_deg infinite", rot(geo.RotationSpec{RPYDeg: []float64{1, 2, inf}}), []string{"f rotation.rpy_deg: number 3 of rpy_deg is infinite"}},
		{"quaternion of three", rot(geo.RotationSpec{Quaternion: []float64{0, 0, 1}}), []string{"f rotation.quaternion: quaternion has 3 numbers; write [x, y, z, w]"}},
		{"quaternion 0", rot(geo.RotationSpec{Quaternion: []float64{0, 0, 0, 0}}), []string{"f rotation.quaternion: quaternion has length 0 and must have 1"}},
		{"quaternion too long", rot(geo.RotationSpec{Quaternion: []float64{0, 0, 0, 1.0011}}), []string{"f rotation.quaternion: quaternion has length 1.0011"}},
		{"quaternion just so", rot(geo.RotationSpec{Quaternion: []float64{0, 0, 0, 1.0009}}), nil},
		{"quaternion NaN", rot(geo.RotationSpec{Quaternion: []float64{0, 0, nan, 1}}), []string{"f rotation.quaternion: number 3 of quaternion is NaN"}},

		{"matrix of five", f(geo.FrameSpec{Matrix: []float64{1, 2, 3, 4, 5}}), []string{"f matrix: matrix has 5 numbers; write 6 (2x3) or 12 (3x4)"}},
		{"matrix NaN", f(geo.FrameSpec{Matrix: []float64{1, 0, 0, 0, 1, nan}}), []string{"f matrix: number 6 of matrix is NaN"}},
		{"matrix 0", f(geo.FrameSpec{Matrix: make([]float64, 6)}), []string{"f matrix: matrix is singular"}},
		{"matrix flat", f(geo.FrameSpec{Matrix: []float64{1, 2, 0, 2, 4, 0}}), []string{"f matrix: matrix is singular"}},
		{"matrix flat but for rounding", f(geo.FrameSpec{Matrix: []float64{0.1, 0.3, 0, 0.7, 2.1, 0}}), []string{"f matrix: matrix is singular"}},
		{"matrix 3x4 flat", f(geo.FrameSpec{Matrix: []float64{1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0}}), []string{"f matrix: matrix is singular"}},
		{"matrix almost flat", f(geo.FrameSpec{Matrix: []float64{1, 0, 0, 0, 1e-13, 0}}), []string{"f matrix: matrix is singular (condition number 1e+13)"}},
		{"matrix bad but good enough", f(geo.FrameSpec{Matrix: []float64{1, 0, 0, 0, 1e-11, 0}}), nil},
		{"matrix small and round", f(geo.FrameSpec{Matrix: []float64{1e-100, 0, 0, 0, 1e-100, 0}}), nil},
		{"matrix 3x4 small and round", f(geo.FrameSpec{Matrix: []float64{1e-150, 0, 0, 0, 0, 1e-150, 0, 0, 0, 0, 1e-150, 0}}), nil},
		{"matrix beside parts", f(geo.FrameSpec{Matrix: []float64{1, 0, 0, 0, 1, 0}, Translation: []float64{1, 2}, Rotation: yawDeg(1), Scale: ptr(1), Axes: []string{"x", "y"}}),
			[]string{"f translation: translation stands beside matrix", "f rotation: rotation stands", "f scale: scale stands", "f axes: axes stands"}},
		{"direction misspelt", f(geo.FrameSpec{Matrix: []float64{1, 0, 0, 0, 1, 0}, Direction: "fromparent"}), []string{`f direction: no direction "fromparent"; write to_parent`}},
		{"direction without matrix", f(geo.FrameSpec{Translation: []float64{1, 2}, Direction: "from_parent"}), []string{"f direction: direction is that of a matrix"}},

		{"axes of one", f(geo.FrameSpec{Axes: []string{"x"}}), []string{"f axes: axes has 1 entries"}},
		{"axes of four", f(geo.FrameSpec{Axes: []string{"x", "y", "z", "x"}}), []string{"f axes: axes has 4 entries"}},
		{"axes twice", f(geo.FrameSpec{Axes: []string{"x", "-x"}}), []string{"f axes: axis x is there twice"}},
		{"axes unknown", f(geo.FrameSpec{Axes: []string{"x", "w"}}), []string{`f axes: no axis "w"`}},
		{"axes empty", f(geo.FrameSpec{Axes: []string{"x", ""}}), []string{`f axes: no axis ""`}},
		{"axes two signs", f(geo.FrameSpec{Axes: []string{"x", "-+y"}}), []string{`f axes: no axis "-+y"`}},
		{"axes glued", f(geo.FrameSpec{Axes: []string{"x", "yz"}}), []string{`f axes: no axis "yz"`}},

		{"everything of everyone", []geo.FrameSpec{
			{Name: "a", Parent: "nowhere", Scale: ptr(-1), Translation: []float64{inf, 0}},
			{Name: "b", Parent: "b", Axes: []string{"q", "x"}}},
			[]string{"a scale: ", "a translation: ", "a parent: ", "b axes: ", "b parent: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frames, problems := geo.NewFrames(tt.specs)
			for i, p := range problems {
				text := p.Frame + " " + p.Key + ": " + p.Message
				if i >= len(tt.want) || !strings.HasPrefix(text, tt.want[i]) {
					t.Errorf("problem %d: %s", i, text)
				}
			}
			if len(problems) != len(tt.want) {
				t.Errorf("got %d problems, want %d: %q", len(problems), len(tt.want), tt.want)
			}
			for _, s := range tt.specs { // so that the rules which name it do not complain as well
				if s.Name != "" && !frames.Has(s.Name) {
					t.Errorf("frame %q is not known", s.Name)
				}
				if s.Name != "" {
					if _, err := frames.Between(s.Name, tt.specs[0].Name); err != nil {
						t.Errorf("a problem of the frames comes a second time: %v", err)
					}
				}
			}
		})
	}
}
