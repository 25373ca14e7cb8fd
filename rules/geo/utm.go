package geo

import (
	"fmt"
	"math"
)

// UTMZone is the zone of UTM that a point of WGS84 belongs to, and N or S for the hemisphere: "50N". The EPSG code of
// its grid is 32600 or 32700 plus the number. It knows that 32 is wider in the south of Norway, and that Svalbard
// has only 31, 33, 35 and 37. Beyond 80 south and 84 north there is no UTM: its error is then an *Error.
func UTMZone(lon, lat float64) (string, error) {
	zone, _, err := utmZone(lon, lat)
	if err != nil {
		return "", err
	}
	hemisphere := "N"
	if lat < 0 {
		hemisphere = "S"
	}
	return fmt.Sprint(zone, hemisphere), nil
}

// utmZone is the number alone, and the longitude within -180..180.
func utmZone(lon, lat float64) (zone int, _ float64, err error) {
	if lon, err = checkLonLat(lon, lat); err != nil {
		return 0, 0, err
	}
	if lat < -80 || lat > 84 {
		return 0, 0, &Error{OutsideDomain, fmt.Sprintf("lat %g has no UTM zone, these end at -80 and 84", lat)}
	}
	switch {
	case lat >= 56 && lat < 64 && lon >= 3 && lon < 12:
		return 32, lon, nil
	case lat >= 72 && lon >= 0 && lon < 42:
		return 2*int((lon+3)/12) + 31, lon, nil
	}
	return int(math.Floor((lon+180)/6))%60 + 1, lon, nil
}
