package geo

import (
	"fmt"
	"math"
)

// MGRS is the square of one metre of the Military Grid Reference System that a point of WGS84 lies in, such as
// "50RNV2148320506": the zone of UTM and the band of latitude, the square of 100 km, easting and northing in it. Its
// southwest corner is meant, so digits are cut off and not rounded. Where there is no UTM, its error is an *Error.
func MGRS(lon, lat float64) (string, error) {
	zone, lon, err := utmZone(lon, lat)
	if err != nil {
		return "", err
	}
	north := 0.0
	if lat < 0 {
		north = 10_000_000
	}
	grid := CRS{name: "MGRS", kind: gaussKruger, tm: transverseMercator{&wgs84, float64(6*zone - 183), 0.9996, 500_000, north}}
	x, y, _, err := grid.FromGeodetic(lon, lat, 0)
	if err != nil {
		return "", err
	}
	if lat < 0 { // so little south of the equator that it does not show is still south of it
		y = math.Min(y, north-1)
	}
	const (
		bands   = "CDEFGHJKLMNPQRSTUVWX" // of 8 degrees from 80 south, the last has 12
		columns = "ABCDEFGHJKLMNPQRSTUVWXYZ"
		rows    = "ABCDEFGHJKLMNPQRSTUV" // begin again after 2,000 km; in even zones with F
	)
	easting, northing := int(math.Floor(x)), int(math.Floor(y))
	band := bands[min(int(math.Floor(lat/8))+10, len(bands)-1)]
	column := columns[(zone-1)%3*8+easting/100_000-1]
	row := rows[(northing/100_000+(1-zone%2)*5)%len(rows)]
	return fmt.Sprintf("%02d%c%c%c%05d%05d", zone, band, column, row, easting%100_000, northing%100_000), nil
}
