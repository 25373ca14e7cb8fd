package geo_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"edge/rules/geo"
)

// Budget: 500 ns for 1000 corners, nothing allocated.
func BenchmarkCovers(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, n := range []int{4, 100, 1000, 10000} {
		z := zoneOf(b, false, [][][2]float64{star(r, n, 0, 0, 10)})
		points := make([][2]float64, 1024)
		for i := range points {
			points[i] = [2]float64{14 * (r.Float64() - 0.5), 14 * (r.Float64() - 0.5)}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			i, in := 0, 0
			for b.Loop() {
				p := &points[i&1023]
				if z.Covers(p[0], p[1]) {
					in++
				}
				i++
			}
		})
	}
}

func BenchmarkBoundary(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, lonLat := range []bool{false, true} {
		z := zoneOf(b, lonLat, [][][2]float64{star(r, 1000, 10, 50, 0.1)})
		b.Run(fmt.Sprintf("1000 lonlat=%v", lonLat), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := z.Boundary(10.2, 50.1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkZonesAt(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	var zones []*geo.Zone
	for i := range 1000 {
		z, _ := geo.NewZone(geo.ZoneSpec{Name: fmt.Sprint(i), Polygons: [][][][2]float64{{star(r, 20, 1000*r.Float64(), 1000*r.Float64(), 20)}}})
		zones = append(zones, z)
	}
	layer := &geo.NewZones(zones).Layers()[0]
	room := make([]*geo.Zone, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		room = layer.At(500, 500, room[:0])
	}
}
