package geo

import "math"

// GCJ02 is how maps in China must show the world: WGS84 moved by up to 700 m, by a formula that was never published
// by those who made it. It has been known since 2010 from code (on4wp7.codeplex.com, changeset 21483, then
// github.com/googollee/eviltransform and many more), and this is that formula, with the ellipsoid of Krassovsky
// 1940. BD09 is what Baidu makes of GCJ02.
//
// As in that code, both apply inside a rectangle around China and nowhere else: points outside of it are left as they
// are. The rectangle is asked about the point that is given. So within 700 m of its edge, in a strip far from any
// place that is mapped so, there and back is not where it began. The rectangle also holds parts of other countries,
// and Hong Kong, Macau and Taiwan, whose data are often plain WGS84.
const (
	krassovskyA  = 6378245.0
	krassovskyE2 = 0.00669342162296594323
)

func inChina(lon, lat float64) bool {
	return lon >= 72.004 && lon <= 137.8347 && lat >= 0.8293 && lat <= 55.8271
}

// offsetGCJ02 is by how many degrees GCJ02 moves a point of WGS84.
func offsetGCJ02(lon, lat float64) (dLon, dLat float64) {
	x, y := lon-105, lat-35
	root, px, py := math.Sqrt(math.Abs(x)), x*math.Pi, y*math.Pi
	waves := (20*math.Sin(6*px) + 20*math.Sin(2*px)) * 2 / 3
	dLat = -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*root + waves +
		(20*math.Sin(py)+40*math.Sin(py/3))*2/3 +
		(160*math.Sin(py/12)+320*math.Sin(py/30))*2/3
	dLon = 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*root + waves +
		(20*math.Sin(px)+40*math.Sin(px/3))*2/3 +
		(150*math.Sin(px/12)+300*math.Sin(px/30))*2/3
	// From metres to degrees on the ellipsoid.
	sin, cos := math.Sincos(lat * radian)
	w := 1 - krassovskyE2*sin*sin
	root = math.Sqrt(w)
	return dLon * root / (krassovskyA * cos * radian), dLat * w * root / (krassovskyA * (1 - krassovskyE2) * radian)
}

func toGCJ02(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	dLon, dLat := offsetGCJ02(lon, lat)
	return lon + dLon, lat + dLat
}

// closeEnough ends the iterations below, which make an error at least 50 times smaller at each step: what is left
// is under 1e-11 degrees, or a micrometre.
const closeEnough = 1e-10

// fromGCJ02 finds the point that toGCJ02 moves here. Most code takes the offset here for the one there, and is
// wrong by up to 5 m.
func fromGCJ02(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	x, y := lon, lat
	for range 20 {
		dLon, dLat := offsetGCJ02(x, y)
		nextX, nextY := lon-dLon, lat-dLat
		moved := math.Abs(nextX-x) + math.Abs(nextY-y)
		x, y = nextX, nextY
		if moved < closeEnough {
			break
		}
	}
	return x, y
}

// toBD09 takes GCJ02 to BD09.
func toBD09(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	return shiftBD09(lon, lat)
}

func shiftBD09(lon, lat float64) (float64, float64) {
	const k = math.Pi * 3000 / 180
	r := math.Sqrt(lon*lon+lat*lat) + 0.00002*math.Sin(lat*k)
	angle := math.Atan2(lat, lon) + 0.000003*math.Cos(lon*k)
	sin, cos := math.Sincos(angle)
	return r*cos + 0.0065, r*sin + 0.006
}

// fromBD09 finds the point of GCJ02 that toBD09 moves here.
func fromBD09(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	x, y := lon-0.0065, lat-0.006
	for range 20 {
		thereX, thereY := shiftBD09(x, y)
		dx, dy := lon-thereX, lat-thereY
		x, y = x+dx, y+dy
		if math.Abs(dx)+math.Abs(dy) < closeEnough {
			break
		}
	}
	return x, y
}
