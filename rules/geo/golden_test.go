package geo_test

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"edge/rules/geo"
)

// Golden values of PROJ and GeographicLib, made by testdata/generate.sh. Each test logs its largest error: go test
// -run Golden -v.

// golden calls each for every line of a file, split at blanks.
func golden(t *testing.T, name string, each func(t *testing.T, line string, v []float64)) {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		var v []float64
		for _, word := range strings.Fields(s.Text()) {
			n, err := strconv.ParseFloat(word, 64)
			if err != nil {
				n = math.NaN() // a word, which the test takes from the line
			}
			v = append(v, n)
		}
		each(t, s.Text(), v)
	}
	if lines < 100 {
		t.Fatalf("%s has only %d lines", name, lines)
	}
}

// A worst is the largest error of a kind, and where it was.
type worst struct {
	err  float64
	line string
}

func (w *worst) add(err float64, line string) {
	if !(err <= w.err) { // NaN too
		w.err, w.line = err, line
	}
}

func (w *worst) check(t *testing.T, what string, limit float64) {
	t.Helper()
	t.Logf("%s: %.2g", what, w.err)
	if !(w.err <= limit) {
		t.Errorf("%s: error %g, limit %g, at %s", what, w.err, limit, w.line)
	}
}

// metres is about how far two points near each other are apart.
func metres(lon1, lat1, lon2, lat2 float64) float64 {
	const degree = 6378137 * math.Pi / 180
	dLon := math.Remainder(lon2-lon1, 360)
	if math.Abs(lat1) > 90-1e-12 || math.Abs(lat2) > 90-1e-12 {
		dLon = 0
	}
	return degree * math.Hypot(dLon*math.Cos(lat1*math.Pi/180), lat2-lat1)
}

func crs(t testing.TB, name string) *geo.CRS {
	t.Helper()
	c, err := geo.LookupCRS(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoldenGrids(t *testing.T) {
	var zone, near, far, back, backFar worst
	codes := map[string]*geo.CRS{}
	golden(t, "grids", func(t *testing.T, line string, v []float64) {
		name := "EPSG:" + strings.Fields(line)[0]
		c := codes[name]
		if c == nil {
			c = crs(t, name)
			codes[name] = c
		}
		lon, lat := v[1], v[2]
		e, n, _, err := c.FromGeodetic(lon, lat, 5)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lonBack, latBack, h, err := c.ToGeodetic(v[3], v[4], 5)
		if err != nil || h != 5 {
			t.Fatalf("%s: h %g, %v", line, h, err)
		}
		// How far off the meridian it is, the test finds from the number of the grid.
		there, andBack := math.Hypot(e-v[3], n-v[4]), metres(lon, lat, lonBack, latBack)
		switch off := math.Abs(math.Remainder(lon-meridian(int(v[0])), 360)); {
		case off <= 3:
			zone.add(there, line)
			back.add(andBack, line)
		case off <= 6:
			near.add(there, line)
			back.add(andBack, line)
		default:
			far.add(there, line)
			backFar.add(andBack, line)
		}
	})
	if len(codes) != 60+60+11+64 {
		t.Errorf("%d grids, want 195", len(codes))
	}
	zone.check(t, "in the zone, metres", 2e-8)
	near.check(t, "to 6 degrees, metres", 2e-8)
	far.check(t, "to 30 degrees, metres", 5e-8)
	back.check(t, "back, to 6 degrees, metres", 2e-8)
	backFar.check(t, "back, to 30 degrees, metres", 5e-8)
}

func meridian(code int) float64 {
	switch {
	case code < 4502:
		return float64(6*(code-4491) + 75)
	case code < 4513:
		return float64(6*(code-4502) + 75)
	case code < 4534:
		return float64(3*(code-4513) + 75)
	case code < 4555:
		return float64(3*(code-4534) + 75)
	}
	return float64(6*(code%100) - 183)
}

// By another way to compute it: elliptic functions instead of a series.
func TestGoldenExact(t *testing.T) {
	var there, back worst
	c := crs(t, "EPSG:32631") // its meridian is 3
	golden(t, "exact", func(t *testing.T, line string, v []float64) {
		e, n, _, err := c.FromGeodetic(v[0]+3, v[1], 0)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lon, lat, _, err := c.ToGeodetic(v[2]+500000, v[3], 0)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		there.add(math.Hypot(e-v[2]-500000, n-v[3]), line)
		back.add(metres(v[0]+3, v[1], lon, lat), line)
	})
	there.check(t, "to 30 degrees, metres", 3e-8)
	back.check(t, "back, metres", 3e-8)
}

func TestGoldenMercator(t *testing.T) {
	var there, back worst
	c := crs(t, "EPSG:3857")
	golden(t, "mercator", func(t *testing.T, line string, v []float64) {
		x, y, _, err := c.FromGeodetic(v[0], v[1], 0)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lon, lat, _, err := c.ToGeodetic(v[2], v[3], 0)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		size := 1.0
		if math.Abs(v[1]) > 85.06 { // beyond the edge of maps, what the last digit of the latitude is worth grows large: metres on the ground
			size = math.Cos(v[1] * math.Pi / 180)
		}
		there.add(size*math.Hypot(x-v[2], y-v[3]), line)
		back.add(metres(v[0], v[1], lon, lat), line)
	})
	there.check(t, "metres", 2e-8)
	back.check(t, "back, metres", 2e-8)
}

func TestGoldenECEF(t *testing.T) {
	var there, back, height worst
	c := crs(t, "EPSG:4978")
	golden(t, "ecef", func(t *testing.T, line string, v []float64) {
		x, y, z, err := c.FromGeodetic(v[0], v[1], v[2])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lon, lat, h, err := c.ToGeodetic(v[3], v[4], v[5])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		there.add(math.Hypot(math.Hypot(x-v[3], y-v[4]), z-v[5]), line)
		// The angle is held to what it is worth at the point's own distance from the middle of the earth.
		back.add(metres(v[0], v[1], lon, lat)*max(1, v[2]/6378137), line)
		height.add(math.Abs(h-v[2]), line)
	})
	there.check(t, "metres", 3e-8)
	back.check(t, "back, metres", 5e-8)
	height.check(t, "height back, metres", 3e-8)
}

// From any place, down to the middle of the earth, where the answer is that of GeographicLib: the nearest point.
func TestGoldenDeep(t *testing.T) {
	var height, angle worst
	c := crs(t, "EPSG:4978")
	golden(t, "deep", func(t *testing.T, line string, v []float64) {
		lon, lat, h, err := c.ToGeodetic(v[0], v[1], v[2])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		height.add(math.Abs(h-v[5]), line)
		// An angle is good to a nanometre where the point is, be that 1 m from the axis: where it is hard to tell, the
		// point is compared.
		x, y, z, _ := c.FromGeodetic(lon, lat, h)
		angle.add(math.Hypot(math.Hypot(x-v[0], y-v[1]), z-v[2]), line)
		// Inside the evolute, some 43 km from the middle, a latitude moves by degrees with each metre.
		if r := math.Hypot(math.Hypot(v[0], v[1]), v[2]); r > 1e5 {
			angle.add(metres(v[4], v[3], lon, lat)*r/6.4e6, line)
		} else if math.Abs(lat-v[3]) > 1e-6 {
			t.Errorf("%s: lat %.9f", line, lat)
		}
	})
	height.check(t, "height, metres", 2e-8)
	angle.check(t, "place, metres", 5e-8)
}

func TestGoldenENU(t *testing.T) {
	var there, back worst
	golden(t, "enu", func(t *testing.T, line string, v []float64) {
		o, err := geo.NewENU(v[0], v[1], v[2])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e, n, u, err := o.FromGeodetic(v[3], v[4], v[5])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lon, lat, h, err := o.ToGeodetic(v[6], v[7], v[8])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		there.add(math.Hypot(math.Hypot(e-v[6], n-v[7]), u-v[8]), line)
		back.add(math.Hypot(metres(v[3], v[4], lon, lat), h-v[5]), line)
	})
	there.check(t, "metres", 2e-8)
	back.check(t, "back, metres", 2e-8)
}

func TestGoldenInverse(t *testing.T) {
	var distance, azimuth, antipodal, arrival worst
	golden(t, "inverse", func(t *testing.T, line string, v []float64) {
		s, a1, a2, err := geo.Inverse(v[1], v[0], v[3], v[2])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		distance.add(math.Abs(s-v[6]), line)
		// Between points that are nearly antipodal a nanometre turns an azimuth by 1e-5 degrees and more, so there it is
		// enough that it leads to the other end. That also holds for points a step apart.
		lon, lat, _, err := geo.Direct(v[1], v[0], a1, s)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		arrival.add(metres(v[3], v[2], lon, lat), line)
		turned := max(math.Abs(math.Remainder(a1-v[4], 360)), math.Abs(math.Remainder(a2-v[5], 360)))
		switch {
		case s > 19.9e6:
			antipodal.add(turned, line)
		case s > 100:
			azimuth.add(turned, line)
		default:
			azimuth.add(turned*s/100, line)
		}
		// The way back is as long.
		if r, _, _, err := geo.Inverse(v[3], v[2], v[1], v[0]); err != nil || math.Abs(r-s) > 2e-8 {
			t.Errorf("%s: %g m there, %g m back, %v", line, s, r, err)
		}
	})
	distance.check(t, "metres", 2e-8)
	azimuth.check(t, "degrees", 1e-9)
	antipodal.check(t, "degrees, nearly antipodal", 1e-4)
	arrival.check(t, "from the other end, metres", 3e-8)
}

func TestGoldenDirect(t *testing.T) {
	var place, azimuth worst
	golden(t, "direct", func(t *testing.T, line string, v []float64) {
		lon, lat, azi, err := geo.Direct(v[1], v[0], v[2], v[3])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		around := max(1, math.Abs(v[3])/4e7)
		place.add(metres(v[5], v[4], lon, lat)/around, line)
		azimuth.add(math.Abs(math.Remainder(azi-v[6], 360))*math.Cos(lat*math.Pi/180)/around, line)
	})
	place.check(t, "metres", 2e-8)
	azimuth.check(t, "degrees", 1e-9)
}

func TestGoldenZones(t *testing.T) {
	golden(t, "zones", func(t *testing.T, line string, v []float64) {
		if got, err := geo.UTMZone(v[0], v[1]); err != nil || got != strings.Fields(line)[2] {
			t.Errorf("%s: got %s, %v", line, got, err)
		}
		if got, err := geo.MGRS(v[0], v[1]); err != nil || got != strings.Fields(line)[3] {
			t.Errorf("%s: got %s, %v", line, got, err)
		}
	})
}

// Values that were published, to the digits they have.
func TestPublishedGCJ02(t *testing.T) {
	wgs, gcj, bd := crs(t, "OGC:CRS84"), crs(t, "GCJ02"), crs(t, "BD09")
	for _, p := range []struct {
		source                 string
		from, to               *geo.CRS
		lon, lat               float64
		wantLon, wantLat, slop float64
	}{
		// github.com/googollee/eviltransform, go/transform_test.go: compared there to 5 places; later versions of that
		// code take another radius, which makes up to 1e-7 degrees.
		{"eviltransform, Shanghai", wgs, gcj, 121.5272106, 31.1774276, 121.531541859215, 31.17530398364597, 2e-7},
		{"eviltransform, Shenzhen", wgs, gcj, 113.912316, 22.543847, 113.9171764808363, 22.540796131694766, 2e-7},
		{"eviltransform, Beijing", wgs, gcj, 116.377817, 39.911954, 116.38404722455657, 39.91334545536069, 2e-7},
		// github.com/wandergis/coordtransform, README.md
		{"coordtransform", wgs, gcj, 116.404, 39.915, 116.41024449916938, 39.91640428150164, 1e-12},
		{"coordtransform", gcj, bd, 116.404, 39.915, 116.41036949371029, 39.92133699351021, 1e-12},
		// The same, of an inverse in one step: right to 5 m and to 0.3 m.
		{"coordtransform", gcj, wgs, 116.404, 39.915, 116.39775550083061, 39.91359571849836, 5e-5},
		{"coordtransform", bd, gcj, 116.404, 39.915, 116.39762729119315, 39.90865673957631, 3e-6},
		// github.com/hujiulong/gcoord, test/unit/crs/GCJ02.spec.ts and BD09.spec.ts: compared there to 5 places
		{"gcoord", gcj, wgs, 123, 45, 122.99395597, 44.99804071, 1e-5},
		{"gcoord", gcj, bd, 123, 45, 123.00636499, 45.00636899, 1e-5},
		{"gcoord", bd, gcj, 123, 45, 122.99363304, 44.99365430, 1e-5},
		{"gcoord", bd, wgs, 123, 45, 122.98762210, 44.99171540, 1e-5},
		{"gcoord", gcj, wgs, -177, 45, -177, 45, 0}, // not in China
		// github.com/hujiulong/gcoord, test/fixtures/china-cities.json, to 7 places
		{"gcoord, Zhumadian", gcj, bd, 114.022306, 33.0115324, 114.0287781, 33.0176697, 1e-7},
		{"gcoord, Nagqu", gcj, bd, 92.0512438, 31.4762063, 92.0576832, 31.4824421, 1e-7},
		{"gcoord, Shenyang", gcj, bd, 123.4314787, 41.8057023, 123.438095, 41.8114013, 1e-7},
	} {
		lon, lat, h, err := p.from.ToGeodetic(p.lon, p.lat, 7)
		if err == nil {
			lon, lat, h, err = p.to.FromGeodetic(lon, lat, h)
		}
		if err != nil || h != 7 || math.Abs(lon-p.wantLon) > p.slop || math.Abs(lat-p.wantLat) > p.slop {
			t.Errorf("%s: %s to %s (%g, %g) became (%.9f, %.9f), %v; want (%.9f, %.9f)", p.source, p.from.Name(), p.to.Name(),
				p.lon, p.lat, lon, lat, err, p.wantLon, p.wantLat)
		}
	}
}
