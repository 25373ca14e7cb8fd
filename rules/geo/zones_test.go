package geo_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"edge/rules/geo"
)

// With an index or without, the same zones are found.
func TestZonesAt(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 1, 50, 51, 400} {
		for _, lonLat := range []bool{false, true} {
			var zones []*geo.Zone
			for i := range n {
				x, y := 340*r.Float64()-170, 160*r.Float64()-80
				spec := geo.ZoneSpec{Name: fmt.Sprint("z", i), Frame: "f", LonLat: lonLat, Polygons: [][][][2]float64{{star(r, 8, x, y, 9)}}}
				if i%5 == 0 {
					spec.Polygons, spec.Circle = nil, &geo.Circle{X: x, Y: y, Radius: 9}
					if lonLat {
						spec.Circle.Radius = 2e6
					}
				}
				z, problems := geo.NewZone(spec)
				if z == nil {
					t.Fatal(problems)
				}
				zones = append(zones, z)
			}
			layers := geo.NewZones(zones).Layers()
			for range 500 {
				x, y := math.Round(360*r.Float64()-180), math.Round(180*r.Float64()-90)
				var want, got []string
				for _, z := range zones {
					if z.Covers(x, y) || lonLat && math.Abs(x) == 180 && z.Covers(-x, y) {
						want = append(want, z.Name)
					}
				}
				for i := range layers {
					for _, z := range layers[i].At(x, y, nil) {
						got = append(got, z.Name)
					}
				}
				if slices.Sort(want); !slices.Equal(got, want) {
					t.Fatalf("%d zones, (%v, %v): got %v, want %v", n, x, y, got, want)
				}
			}
		}
	}
}

func TestUnknownZone(t *testing.T) {
	z, _ := geo.NewZone(geo.ZoneSpec{Name: "dock", Circle: &geo.Circle{Radius: 1}})
	_, err := geo.NewZones([]*geo.Zone{z}).Named("dok")
	if e, ok := err.(*geo.Error); !ok || e.Class != geo.UnknownZone || !strings.Contains(e.Message, `no zone "dok"; did you mean "dock"?`) {
		t.Error(err)
	}
}
