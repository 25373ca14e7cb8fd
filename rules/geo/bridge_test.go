package geo_test

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"edge/rules/geo"
)

// The earth has a frame of every kind. Those that testdata/frames.sh knows have its values.
func earth(t testing.TB, more ...geo.FrameSpec) *geo.Frames {
	origin := func(lon, lat, h float64) *geo.OriginSpec { return &geo.OriginSpec{Lon: &lon, Lat: &lat, H: &h} }
	return plan(t, append(more,
		geo.FrameSpec{Name: "site", Origin: origin(117.227239, 31.820587, 35)},
		geo.FrameSpec{Name: "yard", Origin: origin(117.31, 31.79, 12)},
		geo.FrameSpec{Name: "utm50", CRS: "EPSG:32650"},
		geo.FrameSpec{Name: "web", CRS: "EPSG:3857"},
		geo.FrameSpec{Name: "wgs", CRS: "OGC:CRS84"},
		geo.FrameSpec{Name: "wgs2", CRS: "EPSG:4326"},
		geo.FrameSpec{Name: "amap", CRS: "GCJ02"},
		geo.FrameSpec{Name: "ecef", CRS: "EPSG:4978"},
		geo.FrameSpec{Name: "F3", Parent: "site", Translation: []float64{40, -12.5, 9.6}, Rotation: yawDeg(30)},
		geo.FrameSpec{Name: "F3/px", Parent: "F3", Matrix: []float64{20, 0, 1024, 0, -20, 768}, Direction: "from_parent"},
		geo.FrameSpec{Name: "depot", Parent: "utm50", Translation: []float64{521500, 3520500}, Rotation: yawDeg(-17)},
		geo.FrameSpec{Name: "picture", Parent: "wgs", Matrix: []float64{0.001, 0, 117, 0, -0.001, 32}},
		geo.FrameSpec{Name: "moon"})...)
}

// lines reads a file of testdata, whose words are apart by blanks.
func lines(t *testing.T, name string, each func(words *bufio.Scanner)) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words := bufio.NewScanner(f)
	words.Split(bufio.ScanWords)
	n := 0
	for ; words.Scan(); n++ {
		each(words)
	}
	if n == 0 {
		t.Fatal(name, "is empty")
	}
}

func number(t *testing.T, words *bufio.Scanner) (v float64) {
	t.Helper()
	words.Scan()
	if _, err := fmt.Sscan(words.Text(), &v); err != nil {
		t.Fatal(words.Text(), err)
	}
	return v
}

// TestWaysAgreeWithPROJ: to 1e-6 m, which is 1e-11 degrees.
func TestWaysAgreeWithPROJ(t *testing.T) {
	f := earth(t)
	worst := 0.0
	lines(t, "ways.txt", func(words *bufio.Scanner) {
		from := words.Text()
		words.Scan()
		to := words.Text()
		var v [6]float64
		for i := range v {
			v[i] = number(t, words)
		}
		got, err := between(t, f, from, to).Point(geo.Point{X: v[0], Y: v[1], Z: v[2], Shape: geo.Array3})
		metre := 1.0
		if to == "wgs" {
			metre = 111_000
		}
		off := max(math.Abs(got.X-v[3])*metre, math.Abs(got.Y-v[4])*metre, math.Abs(got.Z-v[5]))
		if err != nil || !(off < 1e-6) {
			t.Errorf("%s to %s %v: got %+v, %v, off by %g m", from, to, v, got, err, off)
		}
		worst = max(worst, off)
	})
	t.Logf("at most %.2g m off", worst)
}

// TestConvergence: at the origin of a plane the yaw turns by the convergence of the grid, as GeographicLib has it.
func TestConvergence(t *testing.T) {
	lines(t, "convergence.txt", func(words *bufio.Scanner) {
		zone := words.Text()
		lon, lat, gamma := number(t, words), number(t, words), number(t, words)*math.Pi/180
		code := "EPSG:326" + fmt.Sprintf("%02s", zone)
		if lat < 0 {
			code = "EPSG:327" + fmt.Sprintf("%02s", zone)
		}
		f := plan(t, geo.FrameSpec{Name: "plane", Origin: &geo.OriginSpec{Lon: &lon, Lat: &lat}}, geo.FrameSpec{Name: "grid", CRS: code})
		for _, yaw := range []float64{0, 1, -3, math.Pi / 2} {
			there, err := between(t, f, "plane", "grid").Pose(geo.Pose{Yaw: yaw, HasYaw: true})
			if off := math.Remainder(there.Yaw-yaw-gamma, 2*math.Pi); err != nil || math.Abs(off) > 1e-9 {
				t.Errorf("%s at %g %g: yaw %g became %g, want %g, %v", code, lon, lat, yaw, there.Yaw, yaw+gamma, err)
			}
			back, err := between(t, f, "grid", "plane").Pose(there)
			if err != nil || math.Abs(math.Remainder(back.Yaw-yaw, 2*math.Pi)) > 1e-9 || math.Hypot(back.X, back.Y) > 1e-6 {
				t.Errorf("%s: and back it became %+v, %v", code, back, err)
			}
			q := [4]float64{0, 0, math.Sin(yaw / 2), math.Cos(yaw / 2)}
			turned, err := between(t, f, "plane", "grid").Pose(geo.Pose{Quaternion: q, HasQuaternion: true})
			if off := math.Remainder(geo.YawOf(turned.Quaternion)-there.Yaw, 2*math.Pi); err != nil || math.Abs(off) > 1e-9 {
				t.Errorf("%s: quaternion %v, %v, want yaw %g", code, turned.Quaternion, err, there.Yaw)
			}
			// A speed of 2 m/s on the ground is as much as the grid's scale there makes of it.
			v, err := between(t, f, "plane", "grid").Vector(geo.Point{X: 2 * math.Cos(yaw), Y: 2 * math.Sin(yaw)})
			if off := math.Remainder(math.Atan2(v.Y, v.X)-there.Yaw, 2*math.Pi); err != nil || math.Abs(off) > 1e-9 || math.Abs(math.Hypot(v.X, v.Y)/2-1.0003) > 0.0008 {
				t.Errorf("%s: vector %+v, %v", code, v, err)
			}
			w, err := between(t, f, "grid", "plane").Vector(v)
			if err != nil || math.Hypot(w.X-2*math.Cos(yaw), w.Y-2*math.Sin(yaw)) > 1e-8 {
				t.Errorf("%s: vector back %+v, %v", code, w, err)
			}
		}
	})
}

// Names of coordinates follow the kind of frame; heights are there or not as in what came.
func TestShapesOverTheEarth(t *testing.T) {
	f := earth(t)
	for _, tt := range []struct {
		from, to string
		in, want geo.Shape
	}{
		{"site", "wgs", geo.XY, geo.LonLat}, {"site", "wgs", geo.XYZ, geo.LonLatH}, {"site", "wgs", geo.Array2, geo.Array2}, {"site", "wgs", geo.Array3, geo.Array3},
		{"wgs", "F3/px", geo.LonLat, geo.XY}, {"wgs", "utm50", geo.LonLatH, geo.XYZ}, {"amap", "wgs", geo.LonLat, geo.LonLat},
		{"picture", "wgs", geo.XY, geo.LonLat}, {"wgs", "picture", geo.LonLat, geo.XY}, {"wgs", "wgs", geo.LonLat, geo.LonLat},
		{"utm50", "web", geo.XY, geo.XY}, {"site", "ecef", geo.XYZ, geo.XYZ}, {"F3", "depot", geo.Array2, geo.Array2},
	} {
		// The middle of the site, in every frame.
		p, err := between(t, f, "site", tt.from).Point(geo.Point{Shape: geo.Array3})
		if err != nil {
			t.Fatal(err)
		}
		p.Shape = tt.in
		got, err := between(t, f, tt.from, tt.to).Point(p)
		if err != nil || got.Shape != tt.want || got.Shape.Flat() && got.Z != 0 {
			t.Errorf("%s to %s: shape %d became %+v, %v", tt.from, tt.to, tt.in, got, err)
		}
	}
	// Without height: on the plane going out, and at the height of its origin coming in.
	home, _ := between(t, f, "site", "wgs").Point(geo.Point{X: 300, Y: 400})
	if back, err := between(t, f, "wgs", "site").Point(home); err != nil || !near(back.X, 300, 1e-6) || !near(back.Y, 400, 1e-6) {
		t.Errorf("without height: %+v, back %+v, %v", home, back, err)
	}
	low, _ := between(t, f, "site", "wgs").Point(geo.Point{X: 300, Y: 400, Shape: geo.XYZ})
	if low.X != home.X || low.Y != home.Y || math.Abs(low.Z-35) > 0.1 {
		t.Errorf("with height %+v, without %+v", low, home)
	}
}

func TestThereAndBackOverTheEarth(t *testing.T) {
	f := earth(t)
	r := rand.New(rand.NewPCG(9, 10))
	names := []string{"site", "yard", "utm50", "web", "wgs", "wgs2", "amap", "ecef", "F3", "F3/px", "depot", "picture"}
	for range 3000 {
		a, b := names[r.IntN(len(names))], names[r.IntN(len(names))]
		p, err := between(t, f, "site", a).Point(geo.Point{X: r.NormFloat64() * 3000, Y: r.NormFloat64() * 3000, Z: r.NormFloat64() * 50, Shape: geo.Array3})
		if err != nil {
			t.Fatal(err)
		}
		there, err := between(t, f, a, b).Point(p)
		if err != nil {
			t.Fatalf("%s to %s: %v", a, b, err)
		}
		back, err := between(t, f, b, a).Point(there)
		// GCJ02 is undone to 1e-8 degrees, 1 mm; all else to 1e-7 m. A pixel of the picture is 100 m, of F3/px 5 cm.
		tolerance := 1e-7
		if a == "amap" || b == "amap" {
			tolerance = 2e-3
		}
		switch a {
		case "wgs", "wgs2", "amap":
			back.X, back.Y, p.X, p.Y = back.X*1e5, back.Y*1e5, p.X*1e5, p.Y*1e5
		case "F3/px":
			tolerance *= 20
		}
		if err != nil || math.Abs(back.X-p.X) > tolerance || math.Abs(back.Y-p.Y) > tolerance || math.Abs(back.Z-p.Z) > tolerance {
			t.Fatalf("%s to %s and back: %+v became %+v, %v", a, b, p, back, err)
		}
	}
}

func TestEarthErrors(t *testing.T) {
	f := earth(t, geo.FrameSpec{Name: "side", Parent: "site", Axes: []string{"x", "-z"}})
	point := func(from, to string, p geo.Point) error { _, err := between(t, f, from, to).Point(p); return err }
	vector := func(from, to string, p geo.Point) error { _, err := between(t, f, from, to).Vector(p); return err }
	pose := func(from, to string, p geo.Pose) error { _, err := between(t, f, from, to).Pose(p); return err }
	way := func(from, to string) error { _, err := f.Between(from, to); return err }
	lonlat := geo.Point{X: 117.2, Y: 31.8, Shape: geo.LonLat}
	nan := math.NaN()
	for _, tt := range []struct {
		err         error
		class, text string
	}{
		{point("wgs", "site", geo.Point{X: 31.8, Y: 117.2, Shape: geo.LonLat}), geo.LatitudeOutOfRange, "lat 117.2 is outside -90..90 (lon and lat swapped?)"},
		{point("wgs", "wgs", geo.Point{X: 31.8, Y: 117.2, Shape: geo.Array2}), geo.LatitudeOutOfRange, "swapped?"},
		{point("picture", "wgs", geo.Point{X: 0, Y: -90000}), geo.LatitudeOutOfRange, "lat 122"},
		{point("wgs", "picture", geo.Point{X: 7, Y: 91, Shape: geo.LonLat}), geo.LatitudeOutOfRange, "lat 91"},
		{point("wgs", "site", geo.Point{X: 1, Y: 2}), geo.WrongType, `frame "wgs" takes lon and lat, not x and y`},
		{point("site", "wgs", lonlat), geo.WrongType, `frame "site" takes x and y, not lon and lat`},
		{point("wgs", "site", geo.Point{X: nan, Shape: geo.LonLat}), geo.NotFinite, "lon is NaN"},
		{point("wgs", "site", geo.Point{Z: math.Inf(1), Shape: geo.LonLatH}), geo.NotFinite, "h is infinite"},
		{point("utm50", "wgs", geo.Point{X: nan}), geo.NotFinite, "x is NaN"},
		{point("wgs", "utm50", geo.Point{X: -63, Y: 31, Shape: geo.LonLat}), geo.OutsideDomain, "EPSG:32650: lon -63"},
		{point("wgs", "web", geo.Point{X: 1, Y: 90, Shape: geo.LonLat}), geo.OutsideDomain, "90"},
		{point("utm50", "web", geo.Point{X: 1e300, Y: 1}), geo.OutsideDomain, "EPSG:32650"},
		{point("wgs", "ecef", lonlat), geo.MissingField, `there is no "h"`},
		{point("ecef", "wgs", geo.Point{X: 1, Y: 2, Shape: geo.Array2}), geo.MissingField, `there is no "z"`},
		{point("site", "ecef", geo.Point{X: 1, Y: 2}), geo.MissingField, `there is no "z"`},
		{point("side", "wgs", geo.Point{X: 1, Y: 2}), geo.MissingField, "has no z"},
		{point("wgs", "side", lonlat), geo.MissingField, "has no z"},
		{way("moon", "wgs"), geo.NotConnected, `only the second is tied to the earth; give "moon" a parent in the other tree`},
		{way("F3", "moon"), geo.NotConnected, `only the first is tied to the earth; give "moon"`},
		{vector("site", "wgs", geo.Point{X: 1}), geo.WrongType, `frame "wgs" is in lon and lat, where a vector has no axes`},
		{vector("wgs", "site", geo.Point{X: 1}), geo.WrongType, "lon and lat"},
		{vector("utm50", "web", geo.Point{X: 1}), geo.OutsideDomain, "a vector has no place"},
		{vector("F3", "utm50", lonlat), geo.WrongType, "not lon and lat"},
		{vector("F3", "utm50", geo.Point{X: nan}), geo.NotFinite, "x is NaN"},
		{pose("site", "wgs", geo.Pose{HasYaw: true}), geo.WrongType, "where a yaw or quaternion has no axes"},
		{pose("wgs", "site", geo.Pose{Point: lonlat, HasQuaternion: true}), geo.WrongType, "lon and lat"},
		{pose("site", "utm50", geo.Pose{Yaw: nan, HasYaw: true}), geo.NotFinite, "yaw is NaN"},
		{pose("site", "utm50", geo.Pose{HasQuaternion: true}), geo.OutsideDomain, "quaternion has length 0"},
	} {
		var e *geo.Error
		if !errors.As(tt.err, &e) || e.Class != tt.class || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("got %v, want %s: %s", tt.err, tt.class, tt.text)
		}
	}
	// A place without a direction goes where it likes.
	if got, err := between(t, f, "site", "wgs").Pose(geo.Pose{}); err != nil || got.Shape != geo.LonLat || got.HasYaw {
		t.Errorf("got %+v, %v", got, err)
	}
	// Longitudes beyond half a turn are the same places.
	a, _ := between(t, f, "wgs", "site").Point(geo.Point{X: 117.2 - 360, Y: 31.8, Shape: geo.LonLat})
	if b, err := between(t, f, "wgs", "site").Point(lonlat); err != nil || !near(a.X, b.X, 1e-6) || !near(a.Y, b.Y, 1e-6) {
		t.Errorf("wrapped: %+v, %+v, %v", a, b, err)
	}
	if got, err := between(t, f, "wgs", "wgs").Point(geo.Point{X: 200, Y: 1, Shape: geo.LonLat}); err != nil || got.X != -160 {
		t.Errorf("wrapped: %+v, %v", got, err)
	}
}

// FuzzEarth: whatever comes in, no panic, and numbers or an error come out.
func FuzzEarth(f *testing.F) {
	frames := earth(f)
	names := frames.Names()
	f.Add(117.2, 31.8, 35.0, 0.5, uint8(1), uint8(2), uint8(4))
	f.Add(500000.0, 3500000.0, 0.0, -4.0, uint8(9), uint8(3), uint8(1))
	f.Add(math.Inf(1), math.NaN(), 1e308, math.Inf(-1), uint8(5), uint8(6), uint8(3))
	f.Add(-180.0, 90.0, -6.4e6, 1e300, uint8(12), uint8(10), uint8(5))
	f.Fuzz(func(t *testing.T, x, y, z, yaw float64, i, j, kind uint8) {
		way, err := frames.Between(names[int(i)%len(names)], names[int(j)%len(names)])
		if err != nil {
			return
		}
		p := geo.Point{X: x, Y: y, Z: z, Shape: geo.Shape(kind % 6)}
		check := func(p geo.Point) {
			if (p.X-p.X)+(p.Y-p.Y)+(p.Z-p.Z) != 0 {
				t.Fatalf("no error, but %+v", p)
			}
		}
		if got, err := way.Point(p); err == nil {
			check(got)
		}
		if got, err := way.Vector(p); err == nil {
			check(got)
		}
		if got, err := way.Pose(geo.Pose{Point: p, Yaw: yaw, HasYaw: true}); err == nil {
			check(got.Point)
			if !(math.Abs(got.Yaw) <= math.Pi) {
				t.Fatalf("yaw %g became %g", yaw, got.Yaw)
			}
		}
		if got, err := way.Pose(geo.Pose{Point: p, Quaternion: [4]float64{0.6, 0, 0, 0.8}, HasQuaternion: true}); err == nil {
			n := 0.0
			for _, v := range got.Quaternion {
				n += v * v
			}
			if !(math.Abs(n-1) < 1e-2) {
				t.Fatalf("quaternion %v", got.Quaternion)
			}
		}
	})
}
