package geo_test

import (
	"testing"

	"edge/rules/geo"
)

// Budgets on a server core: 300 ns for UTM, nothing allocated.
func BenchmarkCRS(b *testing.B) {
	for _, name := range []string{"EPSG:32650", "EPSG:4547", "EPSG:3857", "EPSG:4978", "GCJ02", "BD09"} {
		c := crs(b, name)
		x, y, z, err := c.FromGeodetic(117.227239, 31.820587, 35)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/from WGS84", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := c.FromGeodetic(117.227239, 31.820587, 35); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/to WGS84", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := c.ToGeodetic(x, y, z); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkENU(b *testing.B) {
	o, err := geo.NewENU(117.227239, 31.820587, 35)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("from WGS84", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := o.FromGeodetic(117.23, 31.82, 40); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("to WGS84", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := o.ToGeodetic(120, -35, 4); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGeodesic(b *testing.B) {
	for _, p := range []struct {
		name                   string
		lon1, lat1, lon2, lat2 float64
	}{
		{"100 m", 117.227239, 31.820587, 117.228239, 31.820887},
		{"3 km", 117.227239, 31.820587, 117.25, 31.84},
		{"8000 km", 117.227239, 31.820587, 13.4, 52.5},
		{"nearly antipodal", 0, 30, 179.8, -30.1},
	} {
		b.Run("inverse, "+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := geo.Inverse(p.lon1, p.lat1, p.lon2, p.lat2); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("direct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := geo.Direct(117.227239, 31.820587, 30, 5000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("haversine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := geo.Haversine(117.227239, 31.820587, 117.25, 31.84); err != nil {
				b.Fatal(err)
			}
		}
	})
}
