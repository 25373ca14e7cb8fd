package geo_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"edge/rules/geo"
)

func zoneOf(t testing.TB, lonLat bool, polygons ...[][][2]float64) *geo.Zone {
	t.Helper()
	z, problems := geo.NewZone(geo.ZoneSpec{Name: "z", LonLat: lonLat, Polygons: polygons})
	for _, p := range problems {
		t.Errorf("%+v", p)
	}
	if z == nil {
		t.FailNow()
	}
	return z
}

func circleOf(t testing.TB, lonLat bool, x, y, radius float64) *geo.Zone {
	t.Helper()
	z, problems := geo.NewZone(geo.ZoneSpec{Name: "z", LonLat: lonLat, Circle: &geo.Circle{X: x, Y: y, Radius: radius}})
	if z == nil {
		t.Fatal(problems)
	}
	return z
}

var (
	square = [][2]float64{{0, 0}, {10, 0}, {10, 10}, {0, 10}, {0, 0}}
	pit    = [][2]float64{{2, 2}, {2, 4}, {4, 4}, {4, 2}, {2, 2}}
	slope  = [][2]float64{{0, 0}, {3, 1}, {1, 3}, {0, 0}} // (1.5, 0.5) and (0.3, 0.1) lie on an edge, the latter in decimals only
)

func TestCovers(t *testing.T) {
	yard := zoneOf(t, false, [][][2]float64{square, pit})
	for _, tt := range []struct {
		z    *geo.Zone
		x, y float64
		want bool
	}{
		{yard, 1, 1, true}, {yard, 0, 0, true}, {yard, 10, 10, true}, {yard, 5, 10, true}, {yard, 10, 3, true}, {yard, 0, 2, true},
		{yard, 3, 3, false}, {yard, 2, 3, true}, {yard, 4, 4, true}, {yard, 3, 4, true}, {yard, 2.0000001, 3, false},
		{yard, -0.0000001, 5, false}, {yard, 10.0000001, 5, false}, {yard, 5, -1, false}, {yard, math.NaN(), 1, false}, {yard, 1, math.Inf(1), false},
		{zoneOf(t, false, [][][2]float64{slope}), 1.5, 0.5, true}, {zoneOf(t, false, [][][2]float64{slope}), 0.75, 0.25, true},
		{zoneOf(t, false, [][][2]float64{slope}), 1.5, math.Nextafter(0.5, 0), false}, {zoneOf(t, false, [][][2]float64{slope}), 1.5, math.Nextafter(0.5, 1), true},
		{circleOf(t, false, 3.2, 4.4, 1.5), 4.7, 4.4, true}, {circleOf(t, false, 3.2, 4.4, 1.5), 4.7000001, 4.4, false}, {circleOf(t, false, 3.2, 4.4, 1.5), 3.2, 2.9, true},
		{circleOf(t, true, 179.999, 0, 1000), -179.995, 0, true}, {circleOf(t, true, 179.999, 0, 1000), -179.98, 0, false},
		{circleOf(t, true, 10, 89.99, 5000), -170, 89.99, true}, {circleOf(t, true, 10, 89.99, 5000), -170, 89.9, false},
	} {
		if got := tt.z.Covers(tt.x, tt.y); got != tt.want {
			t.Errorf("(%v, %v): got %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
	// Fiji, cut at the antimeridian: both sides of the cut are one place.
	fiji := zoneOf(t, true, [][][2]float64{{{177, -19}, {180, -19}, {180, -16}, {177, -16}, {177, -19}}}, [][][2]float64{{{-180, -18}, {-178, -18}, {-178, -17}, {-180, -17}, {-180, -18}}})
	for x, want := range map[float64]bool{178: true, 180: true, -180: true, -179: true, -177: false, 0: false} {
		if got := fiji.Covers(x, -17.5); got != want {
			t.Errorf("Fiji, %v: got %v", x, got)
		}
	}
	if !fiji.Covers(-180, -16.5) || fiji.Covers(-179.99, -16.5) {
		t.Error("-180 is 180")
	}
	pacific := zoneOf(t, true, geo.BoxRings(170, -10, -170, 10, true)...)
	if !pacific.Covers(175, 0) || !pacific.Covers(-175, 10) || pacific.Covers(0, 0) {
		t.Error("a box from 170 to -170")
	}
}

// naiveCovers is by the book, in rational numbers: on an edge, or the winding of all rings is not even.
func naiveCovers(rings [][][2]float64, x, y float64) bool {
	r := func(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }
	odd := false
	for _, ring := range rings {
		for i := 1; i < len(ring); i++ {
			a, b := ring[i-1], ring[i]
			cross := new(big.Rat).Sub(
				new(big.Rat).Mul(new(big.Rat).Sub(r(b[0]), r(a[0])), new(big.Rat).Sub(r(y), r(a[1]))),
				new(big.Rat).Mul(new(big.Rat).Sub(r(b[1]), r(a[1])), new(big.Rat).Sub(r(x), r(a[0])))).Sign()
			if cross == 0 && x >= min(a[0], b[0]) && x <= max(a[0], b[0]) && y >= min(a[1], b[1]) && y <= max(a[1], b[1]) {
				return true
			}
			if (a[1] > y) != (b[1] > y) && (cross > 0) == (b[1] > a[1]) {
				odd = !odd
			}
		}
	}
	return odd
}

// star is a ring around a centre that does not cross itself.
func star(r *rand.Rand, n int, x, y, size float64) [][2]float64 {
	var ring [][2]float64
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		d := size * (0.3 + 0.7*r.Float64())
		ring = append(ring, [2]float64{x + d*cos, y + d*sin})
	}
	return append(ring, ring[0])
}

func TestCoversIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	zones := 300
	if testing.Short() {
		zones = 30
	}
	for range zones {
		x, y := 1000*r.NormFloat64(), 1000*r.NormFloat64()
		outer := star(r, 3+r.IntN(60), x, y, 10)
		rings := [][][2]float64{outer}
		hole := star(r, 3+r.IntN(10), x, y, 1)
		z, _ := geo.NewZone(geo.ZoneSpec{Polygons: [][][][2]float64{{outer, hole}}}) // none where the hole leaves it
		if z != nil {
			rings = append(rings, hole)
		} else {
			z = zoneOf(t, false, [][][2]float64{outer})
		}
		for range 60 {
			ring := rings[r.IntN(len(rings))]
			i := 1 + r.IntN(len(ring)-1)
			px, py := x+20*(r.Float64()-0.5), y+20*(r.Float64()-0.5)
			switch r.IntN(4) {
			case 0: // about on an edge, at the last bit
				at := r.Float64()
				px, py = ring[i-1][0]+at*(ring[i][0]-ring[i-1][0]), ring[i-1][1]+at*(ring[i][1]-ring[i-1][1])
			case 1:
				px, py = ring[i][0], ring[i][1]
			case 2: // at the height of a corner
				py = ring[i][1]
			}
			if got, want := z.Covers(px, py), naiveCovers(rings, px, py); got != want {
				t.Fatalf("(%v, %v): got %v, want %v in %v", px, py, got, want, rings)
			}
		}
	}
}

// Where two edges of small whole numbers meet, cross or lie on each other is not a matter of rounding.
func TestCoversOnGrid(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	zones := 3000
	if testing.Short() {
		zones = 300
	}
	for range zones {
		ring := [][2]float64{}
		for range 3 + r.IntN(4) {
			ring = append(ring, [2]float64{float64(r.IntN(6)), float64(r.IntN(6))})
		}
		ring = append(ring, ring[0])
		z, _ := geo.NewZone(geo.ZoneSpec{Polygons: [][][][2]float64{{ring}}})
		if z == nil {
			continue
		}
		for x := range 13 {
			for y := range 13 {
				px, py := float64(x)/2, float64(y)/2
				if got, want := z.Covers(px, py), naiveCovers([][][2]float64{ring}, px, py); got != want {
					t.Fatalf("(%v, %v): got %v, want %v in %v", px, py, got, want, ring)
				}
			}
		}
	}
}

func TestZoneProblems(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name  string
		spec  geo.ZoneSpec
		place [3]int
		want  string
	}{
		{"nothing", geo.ZoneSpec{}, [3]int{-1, -1, -1}, "empty: there is no polygon"},
		{"no ring", geo.ZoneSpec{Polygons: [][][][2]float64{{}}}, [3]int{0, -1, -1}, "empty: the polygon has no ring"},
		{"empty ring", geo.ZoneSpec{Polygons: [][][][2]float64{{square}, {{}}}}, [3]int{1, 0, -1}, "empty: the ring has no positions"},
		{"short", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {1, 0}, {0, 0}}}}}, [3]int{0, 0, -1}, "has 3 positions and needs at least 4"},
		{"open", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}}}, [3]int{0, 0, 3}, "not closed: it begins at [0, 0] and ends at [0, 1]"},
		{"one point", geo.ZoneSpec{Polygons: [][][][2]float64{{{{1, 1}, {1, 1}, {1, 1}, {1, 1}}}}}, [3]int{0, 0, -1}, "no area"},
		{"a line", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {1, 1}, {3, 3}, {0, 0}}}}}, [3]int{0, 0, 0}, "turns back on itself at [0, 0]"},
		{"NaN", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {nan, 0}, {1, 1}, {0, 0}}}}}, [3]int{0, 0, 1}, "[NaN, 0] is not a finite number"},
		{"far", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {1e200, 0}, {1, 1}, {0, 0}}}}}, [3]int{0, 0, 1}, "too far away"},
		{"lat", geo.ZoneSpec{LonLat: true, Polygons: [][][][2]float64{{{{31, 117}, {32, 117}, {32, 118}, {31, 117}}}}}, [3]int{0, 0, 0}, "lat 117 is outside -90..90 (lon and lat swapped?"},
		{"lon", geo.ZoneSpec{LonLat: true, Polygons: [][][][2]float64{{{{170, 0}, {190, 0}, {190, 1}, {170, 0}}}}}, [3]int{0, 0, 1}, "lon 190 is outside -180..180"},
		{"uncut", geo.ZoneSpec{LonLat: true, Polygons: [][][][2]float64{{{{170, 0}, {-170, 0}, {-170, 1}, {170, 0}}}}}, [3]int{0, 0, 1}, "more than half around the earth"},
		{"bow tie", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {1, 1}, {1, 0}, {0, 1}, {0, 0}}}}}, [3]int{0, 0, 2}, "the ring crosses itself: its edge from [1, 0] to [0, 1] meets that from [0, 0] to [1, 1]"},
		{"through a corner", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {2, 2}, {4, 0}, {4, 4}, {2, 2}, {0, 4}, {0, 0}}}}}, [3]int{0, 0, 3}, "crosses itself"},
		{"spike", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {4, 0}, {4, 4}, {6, 6}, {4, 4}, {0, 4}, {0, 0}}}}}, [3]int{0, 0, 3}, "crosses itself: its edge from [6, 6] to [4, 4]"},
		{"spike at the end", geo.ZoneSpec{Polygons: [][][][2]float64{{{{0, 0}, {4, 0}, {4, 4}, {0, 4}, {0, -2}, {0, 0}}}}}, [3]int{0, 0, 3}, "crosses itself"},
		{"hole outside", geo.ZoneSpec{Polygons: [][][][2]float64{{square, {{20, 20}, {21, 20}, {21, 21}, {20, 20}}}}}, [3]int{0, 1, 0}, "the hole leaves its polygon at [20, 20]"},
		{"hole across", geo.ZoneSpec{Polygons: [][][][2]float64{{square, {{5, 5}, {15, 5}, {15, 6}, {5, 5}}}}}, [3]int{0, 1, 0}, "two rings of the polygon cross"},
		{"hole along an edge", geo.ZoneSpec{Polygons: [][][][2]float64{{square, {{2, 0}, {4, 0}, {3, 2}, {2, 0}}}}}, [3]int{0, 1, 0}, "two rings of the polygon cross"},
		{"radius", geo.ZoneSpec{Circle: &geo.Circle{Radius: 0}}, [3]int{-1, -1, -1}, "radius is 0 and must be a number above 0"},
		{"radius NaN", geo.ZoneSpec{Circle: &geo.Circle{Radius: nan}}, [3]int{-1, -1, -1}, "radius is NaN"},
		{"center", geo.ZoneSpec{Circle: &geo.Circle{X: nan, Radius: 1}}, [3]int{-1, -1, -1}, "center is not a finite number"},
		{"center lat", geo.ZoneSpec{LonLat: true, Circle: &geo.Circle{X: 31, Y: 117, Radius: 1}}, [3]int{-1, -1, -1}, "center: lat 117 is outside"},
		{"half the earth", geo.ZoneSpec{LonLat: true, Circle: &geo.Circle{Radius: 1.5e7}}, [3]int{-1, -1, -1}, "more than a quarter of the way around the earth"},
	} {
		z, problems := geo.NewZone(tt.spec)
		if z != nil || len(problems) == 0 {
			t.Errorf("%s: no problem", tt.name)
			continue
		}
		p := problems[0]
		if [3]int{p.Polygon, p.Ring, p.Position} != tt.place || !strings.Contains(p.Message, tt.want) {
			t.Errorf("%s: got %+v, want %s at %v", tt.name, p, tt.want, tt.place)
		}
	}
	// What is good: a hole that touches at a corner, a repeated position, the world.
	zoneOf(t, false, [][][2]float64{square, {{0, 5}, {2, 4}, {2, 6}, {0, 5}}})
	zoneOf(t, false, [][][2]float64{{{0, 0}, {1, 0}, {1, 0}, {1, 1}, {0, 0}, {0, 0}}})
	world := zoneOf(t, true, geo.BoxRings(-180, -90, 180, 90, true)...)
	if _, err := world.Boundary(1, 2); err == nil || !world.Covers(1, 2) {
		t.Error("the world has no boundary")
	}
}

func TestBoundary(t *testing.T) {
	yard := zoneOf(t, false, [][][2]float64{square, pit})
	for _, tt := range []struct{ x, y, boundary, distance float64 }{
		{5, 5, -math.Sqrt2, 0}, {1, 1, -1, 0}, {13, 14, 5, 5}, {-3, 5, 3, 3}, {3, 3, 1, 1}, {0, 5, 0, 0}, {2, 3, 0, 0},
	} {
		b, err := yard.Boundary(tt.x, tt.y)
		d, err2 := yard.Distance(tt.x, tt.y)
		if err != nil || err2 != nil || math.Abs(b-tt.boundary) > 1e-12 || math.Abs(d-tt.distance) > 1e-12 || math.Signbit(d) || b == 0 && math.Signbit(b) {
			t.Errorf("(%v, %v): got %v and %v, want %v and %v (%v, %v)", tt.x, tt.y, b, d, tt.boundary, tt.distance, err, err2)
		}
	}
	if d, _ := circleOf(t, false, 3.2, 4.4, 1.5).Boundary(4.7, 4.4); d != 0 {
		t.Errorf("on a circle: %v", d)
	}
	// A degree of latitude at the equator has 110574.389 m (GeographicLib), one of longitude 111319.491 m.
	box := zoneOf(t, true, geo.BoxRings(0, 0, 1, 1, true)...)
	if d, err := box.Distance(0.5, -1); err != nil || math.Abs(d-110574.389) > 0.001 {
		t.Errorf("a degree south: %v, %v", d, err)
	}
	if d, err := box.Distance(-1, 0); err != nil || math.Abs(d-111319.491) > 0.001 {
		t.Errorf("a degree west: %v, %v", d, err)
	}
	// The cut along the antimeridian is no boundary, and distances go across it.
	cut := zoneOf(t, true, geo.BoxRings(179, -1, -179, 1, true)...)
	if d, err := cut.Boundary(180, 0); err != nil || math.Abs(d+110574.389) > 0.01 {
		t.Errorf("on the antimeridian: %v, %v", d, err)
	}
	if d, err := zoneOf(t, true, geo.BoxRings(179, -1, 179.5, 1, true)...).Distance(-179.5, 0); err != nil || math.Abs(d-111319.491) > 0.001 {
		t.Errorf("across the antimeridian: %v, %v", d, err)
	}
}

// What docs/coordinates.md says of distances to zones on the earth, against looking all along every edge by the
// geodesic, below 80 degrees of latitude. 3000 random zones had at worst 5e-8 m up to 10 km, 5e-5 of the distance up to
// 100 km (3.07 m, at 66 degrees) and 7e-4 beyond, where another edge than the nearest may be taken for it.
func TestBoundaryIsGeodesic(t *testing.T) {
	r := rand.New(rand.NewPCG(50, 60))
	seen := [3]int{}
	for n := range 600 {
		lat := 160*r.Float64() - 80
		size := []float64{0.001, 0.05, 0.5, 2}[n%4]
		ring := star(r, 3+r.IntN(40), 340*r.Float64()-170, lat, size)
		z := zoneOf(t, true, [][][2]float64{ring})
		far := []float64{3, 3, 30}[r.IntN(3)]
		x, y := ring[0][0]+far*size*(r.Float64()-0.5), ring[0][1]+far*size*(r.Float64()-0.5)
		if math.Abs(y) > 89.9 || math.Abs(x) > 180 {
			continue
		}
		got, err := z.Boundary(x, y)
		if err != nil {
			t.Fatal(err)
		}
		if (got < 0) != z.Covers(x, y) {
			t.Errorf("sign of %v", got)
		}
		want := nearestByTrying(ring, x, y)
		band, most := 0, 1e-3
		switch {
		case want > 100e3:
			band, most = 2, 1e-3*want
		case want > 10e3:
			band, most = 1, 1e-4*want
		}
		seen[band]++
		if math.Abs(math.Abs(got)-want) > most {
			t.Errorf("lat %.1f, size %g: got %v, want %v", lat, size, math.Abs(got), want)
		}
	}
	if min(seen[0], seen[1], seen[2]) < 50 {
		t.Errorf("points by distance: %v", seen)
	}
}

// nearestByTrying looks at 33 places of each edge, and closer around the best of them.
func nearestByTrying(ring [][2]float64, x, y float64) float64 {
	best := math.Inf(1)
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		at := func(share float64) float64 {
			d, _, _, _ := geo.Inverse(x, y, a[0]+share*(b[0]-a[0]), a[1]+share*(b[1]-a[1]))
			return d
		}
		first, least := 0, math.Inf(1)
		for k := range 33 {
			if d := at(float64(k) / 32); d < least {
				first, least = k, d
			}
		}
		low, high := max(0, float64(first-1)/32), min(1, float64(first+1)/32)
		for range 50 {
			m1, m2 := low+(high-low)/3, high-(high-low)/3
			if at(m1) < at(m2) {
				high = m2
			} else {
				low = m1
			}
		}
		best = min(best, least, at(low))
	}
	return best
}

// The first two are the examples of Wikipedia's article and of geohash.org; the rest is by hand.
func TestGeohash(t *testing.T) {
	for _, tt := range []struct {
		lon, lat float64
		n        int
		want     string
	}{
		{10.40744, 57.64911, 11, "u4pruydqqvj"}, {-5.6, 42.6, 5, "ezs42"}, {0, 0, 3, "s00"}, {-180, -90, 4, "0000"}, {180, 90, 4, "zzzz"}, {-0.1, -0.1, 1, "7"},
	} {
		if got := geo.Geohash(tt.lon, tt.lat, tt.n); got != tt.want {
			t.Errorf("(%v, %v): got %s, want %s", tt.lon, tt.lat, got, tt.want)
		}
	}
}
