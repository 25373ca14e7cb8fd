package geo

// Geohash is the geohash (Niemeyer 2008) of a longitude and latitude in degrees, of n letters from 1 to 12: the halves
// of the world that the place lies in, east or west and north or south in turn, five of them a letter. lon is from
// -180 to 180 and lat from -90 to 90. It is exact: halving is.
func Geohash(lon, lat float64, n int) string {
	const letters = "0123456789bcdefghjkmnpqrstuvwxyz"
	minLon, maxLon, minLat, maxLat := -180.0, 180.0, -90.0, 90.0
	var text [12]byte
	bits, east := 0, true
	for i := range 5 * n {
		bits <<= 1
		if east {
			bits, minLon, maxLon = halve(bits, lon, minLon, maxLon)
		} else {
			bits, minLat, maxLat = halve(bits, lat, minLat, maxLat)
		}
		east = !east
		if i%5 == 4 {
			text[i/5] = letters[bits]
			bits = 0
		}
	}
	return string(text[:n])
}

func halve(bits int, v, low, high float64) (int, float64, float64) {
	if middle := (low + high) / 2; v < middle {
		return bits, low, middle
	} else {
		return bits | 1, middle, high
	}
}
