package rules

import (
	"io/fs"
	"math"
	"strconv"
	"strings"
	"testing"
)

const campus = `{"type": "FeatureCollection", "features": [
  {"type": "Feature", "id": "campus", "properties": {"name": "The campus"}, "geometry": {"type": "Polygon", "coordinates": [
    [[117.22, 31.81, 5], [117.24, 31.81], [117.24, 31.83], [117.22, 31.83], [117.22, 31.81]],
    [[117.229, 31.819], [117.231, 31.819], [117.231, 31.821], [117.229, 31.821], [117.229, 31.819]]]}},
  {"type": "Feature", "id": 7, "properties": null, "geometry": {"type": "MultiPolygon", "coordinates": [
    [[[179, -1], [180, -1], [180, 1], [179, 1], [179, -1]]], [[[-180, -1], [-179, -1], [-179, 1], [-180, 1], [-180, -1]]]]}},
  {"type": "Feature", "id": "path", "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}
]}`

const site = `
frames:
  site: {origin: {lon: 117.227239, lat: 31.820587, h: 35.0}}
  F3: {parent: site, translation: [40, -12.5], rotation: {yaw_deg: 90}}
  lab: {}
  wgs84: {crs: EPSG:4326}
zones:
  icu: {frame: F3, polygon: [[0, 0], [10, 0], [10, 8], [0, 8], [0, 0]], holes: [[[2, 2], [4, 2], [4, 4], [2, 4]]]}
  dock: {frame: F3, circle: {center: [3.2, 4.4], radius: 1.5}, hysteresis: 0.3 m, dwell: 2s}
  hall: {frame: F3, box: [0, 0, 10, 8]}
  bench: {frame: lab, box: {min: [0, 0], max: [1, 1]}}
  campus: {file: zones/campus.geojson, feature: campus}
  pacific: {file: zones/campus.geojson, feature: 7}
  disc: {frame: "OGC:CRS84", circle: {center: [117.23, 31.82], radius: 50}}
  strip: {frame: wgs84, box: [179, -1, -179, 1]}
`

var zoneFiles = map[string]string{"zones/campus.geojson": campus}

func readZones(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
}

func zoneEnv() Env {
	env := testEnv
	env.ReadFile = readZones(zoneFiles)
	return env
}

func evalAt(t *testing.T, source, payload string) string {
	t.Helper()
	got, err := Eval(source, []byte(payload), "a/b", []File{{Name: "site.yaml", Data: []byte(site)}}, zoneEnv())
	if err != nil {
		return strings.SplitN(err.Error(), "\n", 2)[0]
	}
	return string(got)
}

func TestZoneFunctions(t *testing.T) {
	const payload = `{"at":{"x":3,"y":6},"hole":[3,3],"far":{"x":13,"y":12},"gps":{"lon":117.2275,"lat":31.8205},"list":[117.23,31.8185],"zone":"hall","frame":"F3","swap":{"lon":31.8,"lat":117.2},"bad":{"x":"abc","y":1},"half":{"x":1}}`
	for _, tt := range []struct{ source, want string }{
		{`inside(payload.at, "icu")`, "true"},
		{`inside(payload.hole, "icu")`, "false"},
		{`inside([4, 3], "icu")`, "true"},
		{`inside(payload.at, payload.zone)`, "true"},
		{`inside(payload.at, "icu", "F3")`, "true"},
		{`inside(payload.at, payload.zone, payload.frame)`, "true"},
		{`inside({x: 34, y: -9.5}, "icu", "site")`, "true"},
		{`inside({x: 3, y: 6}, "icu", "site")`, "false"},
		{`inside(transform({x: 3, y: 6}, "F3", "OGC:CRS84"), "campus")`, "true"},
		{`inside(transform({x: 3, y: 6}, "F3", "OGC:CRS84"), "icu", "OGC:CRS84")`, "true"},
		{`inside(payload.at, "campus", "F3")`, "true"},
		{`inside([117.23, 31.82], "campus")`, "false"},
		{`inside([117.231, 31.82], "campus")`, "true"},
		{`inside({lon: 180, lat: 0.5, h: 4}, "pacific")`, "true"},
		{`inside([-539.5, 0], "pacific")`, "true"},
		{`inside([0, 0], "strip")`, "false"},
		{`inside([-179.5, 0], "strip")`, "true"},
		{`inside(payload.none ?? [1, 1], "hall")`, "true"},
		{`zones_at(payload.at, "F3")`, `["campus","hall","icu"]`},
		{`zones_at(payload.at, payload.frame)`, `["campus","hall","icu"]`},
		{`zones_at({x: 0.5, y: 0.5}, "lab")`, `["bench"]`},
		{`zones_at(payload.list)`, `["campus"]`},
		{`zones_at([117.23, 31.82])`, `["disc"]`},
		{`zones_at([180, 0])`, `["pacific","strip"]`},
		{`zones_at([0, 0])`, `[]`},
		{`distance_to("hall", payload.far)`, "5"},
		{`distance_to("hall", payload.at)`, "0"},
		{`distance_to(payload.zone, payload.far, payload.frame)`, "5"},
		{`boundary_distance("hall", payload.at)`, "-2"},
		{`round(boundary_distance("disc", [117.23, 31.82]), 6)`, "-50"},
		{`geofence(payload.at, "hall")`, `"inside"`},
		{`geofence(payload.far, "hall", 3)`, `"outside"`},

		{`inside(payload.at, "hal")`, `unknown_zone: `},
		{`inside(payload.at, payload.frame)`, `unknown_zone: inside: no zone "F3"; known: bench, campus,`},
		{`inside(payload.at, 3)`, "wrong_type: inside: the names of zones are text, not a number"},
		{`inside(payload.at, "hall", payload.zone)`, `unknown_frame: inside: no frame "hall"; `},
		{`inside(payload.at, "bench", payload.frame)`, `not_connected: inside: no way from "F3" to "lab"`},
		{`inside(payload.gps, "icu")`, `wrong_type: inside: zone "icu" lies in frame "F3", and the point is in lon and lat; name the point's frame, or transform it`},
		{`inside(payload.at, "campus")`, `wrong_type: inside: zone "campus" is in lon and lat, and the point in x and y`},
		{`inside(payload.swap, "campus")`, `latitude_out_of_range: inside: lat 117.2 is outside -90..90 (lon and lat swapped?)`},
		{`inside({lon: 600, lat: 0}, "campus")`, `outside_domain: inside: lon 600 is outside -540..540`},
		{`inside(payload.bad, "icu")`, `wrong_type: inside: x is text "abc", not a number`},
		{`inside(payload.half, "icu")`, `missing_field: inside: there is no "y"`},
		{`inside(payload.none, "icu")`, `missing_field: payload.none is missing or null; give a default with ??`},
		{`inside([1, 2, 3, 4], "icu")`, `wrong_type: inside: a list of 4 is no point`},
		{`zones_at(payload.at)`, "wrong_type: zones_at: the point is in x and y, so its frame is needed"},
		{`zones_at(payload.at, payload.zone)`, `unknown_frame: zones_at: no frame "hall"`},
		{`distance_to(payload.zone, payload.gps)`, `wrong_type: distance_to: zone "hall" lies in frame "F3"`},
	} {
		got := evalAt(t, tt.source, payload)
		if got != tt.want && !(strings.Contains(tt.want, ":") && strings.Contains(got, strings.TrimPrefix(tt.want, "unknown_zone: "))) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}

// Geodesics are those of GeographicLib 2.1.2 (GeodSolve -i -p 10, and without -i for destination), to 1e-6 m; the
// haversine is a degree of the sphere; headings are those of REP 103.
func TestCoordinateFunctions(t *testing.T) {
	const payload = `{"hefei":{"lon":117.227239,"lat":31.820587},"paris":[2.349,48.8567],"q":[0,0,0.7071067811865476,0.7071067811865476],"pose":{"x":1,"y":2,"yaw":0.5,"quaternion":[0,0,1,0]}}`
	for _, tt := range []struct{ source, want string }{
		{`distance({x: 1, y: 2}, {x: 4, y: 6})`, "5"},
		{`distance({x: 1, y: 2, z: 3}, {x: 3, y: 5, z: 9})`, "7"},
		{`distance([1, 2], [4, 6], "euclidean")`, "5"},
		{`distance([0, 0], {lon: 1, lat: 0})`, "~111319.4907932736"},
		{`distance([0, 0], [0, 1])`, "~110574.3885577988"},
		{`distance([0, 0], [0, 1], "haversine")`, "~111195.0802335329"},
		{`distance({lon: 179, lat: 0}, {lon: -179, lat: 0, h: 7})`, "~222638.9815865471"},
		{`bearing([0, 0], [0, 1])`, "0"},
		{`bearing([0, 0], [-1, 0])`, "270"},
		{`bearing([0, 0], {lon: 1, lat: 0})`, "90"},
		{`destination({lon: 0, lat: 0, h: 3}, 90, 111319.4907932736).h`, "3"},
		{`destination({lon: 0, lat: 0}, 90, 111319.4907932736).lon`, "~1"},
		{`destination([0, 0], 360, 110574.3885577988)[1]`, "~1"},
		{`destination([0, 0], -90, 1000)[0]`, "~-0.008983152841195214"},
		{`heading(0)`, "90"}, {`heading(pi() / 2)`, "0"}, {`heading(pi())`, "270"}, {`heading(-pi() / 2)`, "180"}, {`heading(2 * pi())`, "~90"},
		{`yaw(90)`, "0"}, {`yaw(0)`, "90"}, {`yaw(270)`, "180"}, {`yaw(180)`, "-90"}, {`yaw(-270)`, "0"},
		{`yaw(payload.q)`, "~90"}, {`yaw(payload.pose)`, "~180"}, {`yaw({x: 0, y: 0, z: 0, w: 1})`, "0"},
		{`heading(radians(yaw(123)))`, "~123"},
		{`angle_diff(350, 10)`, "20"}, {`angle_diff(10, 350)`, "-20"}, {`angle_diff(0, 180)`, "180"}, {`angle_diff(0, -180)`, "180"}, {`angle_diff(725, 0)`, "-5"},
		{`geohash({lon: 10.40744, lat: 57.64911}, 11)`, `"u4pruydqqvj"`},
		{`utm_zone(payload.hefei)`, `"50N"`},
		{`mgrs(payload.hefei)`, `"50RNA2150520571"`},
		{`mgrs([-0.1, -0.1])`, `"30MZE2283588932"`},

		{`distance([0, 0], {x: 1, y: 2})`, "wrong_type: distance: a list is [lon, lat], and has no distance to x and y"},
		{`distance({lon: 0, lat: 0}, {x: 1, y: 2})`, "wrong_type: distance: lon and lat have no distance to x and y"},
		{`distance({lon: 0, lat: 0}, [0, 0], "euclidean")`, "wrong_type: distance: lon and lat have no distance"},
		{`distance({x: 0, y: 0}, {x: 0, y: 0}, "haversine")`, "wrong_type: distance: haversine is for lon and lat"},
		{`distance({x: 0, y: 0}, {x: 0, y: 0, z: 1})`, "wrong_type: distance: one point has a z"},
		{`distance([0, 0], [0, 0], "vincenty")`, `distance: the method is "geodesic", "haversine" or "euclidean"`},
		{`distance({x: 1.5e308, y: 0}, {x: -1.5e308, y: 0})`, "not_finite: distance:"},
		{`distance([117.2, 31.8], [31.8, 117.2])`, "latitude_out_of_range: distance: lat 117.2 is outside -90..90 (lon and lat swapped?)"},
		{`bearing({x: 0, y: 0}, [0, 0])`, "wrong_type: bearing: takes {lon, lat} or [lon, lat], not x and y"},
		{`destination([0, 0], "n", 1)`, "wrong_type: destination: the bearing is text, not a number"},
		{`destination([0, 0], 0, 1e300)`, "outside_domain: destination: metres"},
		{`heading(payload.q)`, "wrong_type: heading: the yaw is a list, not a number"},
		{`yaw([1, 2, 3])`, "wrong_type: yaw: a list of 3 is no quaternion"},
		{`yaw([1, 2, 3, 4])`, "outside_domain: yaw: quaternion has length 5.477"},
		{`yaw({x: 0, y: 0, z: 0})`, `missing_field: yaw: there is no "w"`},
		{`yaw("north")`, "wrong_type: yaw: text is neither a quaternion nor a heading"},
		{`geohash([0, 91], 5)`, "latitude_out_of_range: geohash: lat 91"},
		{`geohash([0, 1], 0)`, "wrong_type: geohash: the number of letters"},
		{`utm_zone([0, 85])`, "outside_domain: utm_zone: lat 85 has no UTM zone"},
		{`mgrs([0, 85])`, "outside_domain: mgrs: lat 85 has no UTM zone"},
		{`mgrs([31.8, 117.2])`, "latitude_out_of_range: mgrs: lat 117.2"},
	} {
		got := evalAt(t, tt.source, payload)
		if number, about := strings.CutPrefix(tt.want, "~"); about {
			want, _ := strconv.ParseFloat(number, 64)
			if f, err := strconv.ParseFloat(got, 64); err != nil || math.Abs(f-want) > 1e-11*max(1, math.Abs(want)) {
				t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
			}
		} else if got != tt.want && !(strings.Contains(tt.want, ":") && strings.Contains(got, tt.want)) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}

// What is wrong with zones, or names one that is not there, is an error of the file, at its place.
func TestZoneErrors(t *testing.T) {
	const end = "rules: {r: {source: in, topic: a, route: [{to: dead}]}}\n"
	rule := func(when string) string {
		return "frames: {F: {}, G: {}}\nzones: {hall: {frame: F, box: [0, 0, 1, 1]}}\nrules: {r: {source: in, topic: a, when: '" + when + "', route: [{to: dead}]}}\n"
	}
	files := map[string]string{
		"good.geojson": campus, "text.geojson": "{\n  \"type\": x}", "list.geojson": "[1]", "empty.geojson": `{"type":"FeatureCollection","features":[]}`,
		"none.geojson": `{"type":"FeatureCollection"}`, "odd.geojson": `{"type":"FeatureCollection","features":[{"type":"Polygon"}]}`,
		"bare.geojson": `{"type":"Polygon","coordinates":[]}`, "ring.geojson": "{\"type\":\"Polygon\",\n\"coordinates\":[[]]}",
		"short.geojson": `{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}`, "open.geojson": "{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[1,1],\n[0,1]]]}",
		"lat.geojson": "{\"type\":\"Polygon\",\"coordinates\":[[[0,0],\n [1,91],[1,1],[0,0]]]}", "tie.geojson": `{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}`,
		"line.geojson": `{"type":"LineString","coordinates":[[0,0],[1,1]]}`, "position.geojson": `{"type":"Polygon","coordinates":[[[0,0],["1",0],[1,1],[0,0]]]}`,
		"crs.geojson": `{"type":"Polygon","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::32650"}},"coordinates":[]}`, "null.geojson": `{"type":"Feature","geometry":null}`,
		"twice.geojson": `{"type":"FeatureCollection","features":[{"type":"Feature","id":"a"},{"type":"Feature","properties":{"name":"a"}}]}`,
		"flat.geojson":  `{"type":"Polygon","coordinates":[1]}`, "deep.geojson": `{"type":"MultiPolygon","coordinates":[[[1]]]}`, "object.geojson": `{"type":"Polygon","coordinates":{}}`,
	}
	env := testEnv
	env.ReadFile = readZones(files)
	file := func(name string) string { return "zones:\n  z: {file: " + name + ".geojson}\n" + end }
	for _, tt := range []struct{ text, want string }{
		{"zones:\n  z: {}\n" + end, `r.yaml:2:6: `},
		{"zones:\n  z: {frame: F}\n" + end, "r.yaml:2:6: a zone wants one of polygon:, circle:, box: and file:"},
		{"zones:\n  z: {box: [0, 0, 1, 1]}\n" + end, "r.yaml:2:6: frame is missing: name the frame that the zone lies in, or OGC:CRS84"},
		{"zones:\n  z: {frame: FF, box: [0, 0, 1, 1]}\nframes: {F: {}}\n" + end, `r.yaml:2:14: zone "z": no frame "FF"; known: F, OGC:CRS84`},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], circle: {center: [0, 0], radius: 1}}\nframes: {F: {}}\n" + end, "circle and box exclude each other"},
		{"zones:\n  z: {frame: F, file: good.geojson}\n" + end, "r.yaml:2:14: frame does not go with file"},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], feature: a}\n" + end, "feature is one of a GeoJSON file"},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], holes: [[[0, 0]]]}\n" + end, "holes are those of a polygon:"},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], hysteresis: 3 km}\n" + end, `wants metres such as 0.3 or 0.3 m, not "3 km"`},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], hysteresis: -1}\n" + end, "hysteresis wants metres from 0 up"},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1], dwell: -1s}\n" + end, "dwell wants a duration from 0 up"},
		{"zones:\n  z: {frame: F, box: [0, 0, 0, 1]}\nframes: {F: {}}\n" + end, `r.yaml:2:22: zone "z": box has no area`},
		{"zones:\n  z: {frame: F, box: [0, 0, 1]}\n" + end, "box wants [min x, min y, max x, max y]"},
		{"zones:\n  z: {frame: F, circle: {center: [0, 0], radius: 0}}\nframes: {F: {}}\n" + end, `r.yaml:2:25: zone "z": radius is 0 and must be a number above 0`},
		{"zones:\n  z: {frame: F, circle: {center: [0], radius: 1}}\n" + end, "center is [x, y] or [lon, lat], not 1 number"},
		{"zones:\n  z: {frame: F, polygon: []}\nframes: {F: {}}\n" + end, `r.yaml:2:26: zone "z": it is empty: the ring has no positions`},
		{"zones:\n  z: {frame: F, polygon: [[0, 0], [1, 1]]}\nframes: {F: {}}\n" + end, "the ring has 3 positions and needs at least 4"},
		{"zones:\n  z: {frame: F, polygon: [[0, 0], [1, 1], [2]]}\n" + end, "r.yaml:2:43: a corner is [x, y] or [lon, lat], not 1 number"},
		{"zones:\n  z: {frame: F, polygon: [[0, 0], [1, .nan], [2, 2]]}\n" + end, "r.yaml:2:39: "},
		{"zones:\n  z:\n    frame: F\n    polygon:\n      - [0, 0]\n      - [1, 1]\n      - [1, 0]\n      - [0, 1]\nframes: {F: {}}\n" + end, `r.yaml:7:9: zone "z": the ring crosses itself`},
		{"zones:\n  z: {frame: OGC:CRS84, polygon: [[31, 117], [32, 117], [32, 118]]}\n" + end, `r.yaml:2:35: zone "z": lat 117 is outside -90..90`},
		{"zones:\n  z: {frame: F, polygon: [[0, 0], [9, 0], [9, 9], [0, 9]], holes: [[[20, 20], [21, 20], [21, 21]]]}\nframes: {F: {}}\n" + end, `r.yaml:2:69: zone "z": the hole leaves its polygon`},
		{"zones:\n  z: {frame: F, box: [0, 0, 1, 1]}\nframes: {z: {}, F: {}}\n" + end, `r.yaml:2:3: zone "z": the name is taken by the frame at r.yaml:3:10`},
		{file("gone"), `r.yaml:2:13: zone "z": gone.geojson is not there`},
		{file("text"), "text.geojson:2:11: this is not JSON: "},
		{file("list"), "list.geojson:1:1: GeoJSON is an object with a type"},
		{file("empty"), "empty.geojson:1:40: there are no features"},
		{file("none"), "none.geojson:1:1: a FeatureCollection has features"},
		{file("odd"), "odd.geojson:1:41: the features of a FeatureCollection are objects of"},
		{file("good"), `r.yaml:2:13: zone "z": good.geojson: has 3 features; say with feature: which one`},
		{file("bare"), `bare.geojson:1:1: zone "z": it is empty: the polygon has no ring`},
		{file("ring"), `ring.geojson:1:1: zone "z": it is empty: the ring has no positions`},
		{file("short"), `short.geojson:1:35: zone "z": the ring has 3 positions and needs at least 4`},
		{file("open"), `open.geojson:2:1: zone "z": the ring is not closed: it begins at [0, 0] and ends at [0, 1]`},
		{file("lat"), `lat.geojson:2:2: zone "z": lat 91 is outside -90..90`},
		{file("tie"), `tie.geojson:1:47: zone "z": the ring crosses itself`},
		{file("line"), `line.geojson:1:1: zone "z": a zone is a Polygon or a MultiPolygon, not "LineString"`},
		{file("position"), `position.geojson:1:41: zone "z": a position is [lon, lat], two numbers`},
		{file("crs"), "crs.geojson:1:25: GeoJSON is in longitude and latitude"},
		{file("null"), `null.geojson:1:1: zone "z": it has no geometry`},
		{file("flat"), `flat.geojson:1:34: zone "z": a ring is a list of positions`},
		{file("deep"), `deep.geojson:1:41: zone "z": a position is [lon, lat]`},
		{file("object"), `object.geojson:1:1: zone "z": it has no coordinates`},
		{"zones:\n  z: {file: good.geojson, feature: campsu}\n" + end, `r.yaml:2:36: zone "z": good.geojson: has no feature "campsu", did you mean "campus"?`},
		{"zones:\n  z: {file: good.geojson, feature: path}\n" + end, `good.geojson:7:49: zone "z": feature "path": a zone is a Polygon or a MultiPolygon, not "LineString"`},
		{"zones:\n  z: {file: twice.geojson, feature: a}\n" + end, `has two features "a", at twice.geojson:1:41 and twice.geojson:1:69`},

		{rule(`inside(payload.p, "hal")`), `r.yaml:3:60: rule "r": when: no zone "hal"; did you mean "hall"?`},
		{rule(`inside(payload.p)`), "inside takes a point and a zone"},
		{rule(`distance_to("hall")`), "distance_to(zone, p) or distance_to(zone, p, frame)"},
		{rule(`inside(payload.p, "hall", "X")`), `no frame "X"`},
		{rule(`inside(payload.p, "hall", "G")`), `no way from "G" to "F"`},
		{rule(`len(zones_at(payload.p, "X")) > 0`), `no frame "X"`},
		{rule(`zones_at()`), "zones_at takes a point and its frame"},
		{rule(`geofence(payload.p, payload.z) == "enter"`), "geofence takes the name of a zone as text"},
		{rule(`geofence(payload.p, "halls") == "enter"`), `no zone "halls"`},
		{rule(`geofence(payload.p) == "enter"`), "geofence takes a point, a zone"},
		{rule(`lag(geofence(payload.p, "hall")) == "enter"`), "geofence cannot be read here"},
		{rule(`geofence(geofence(payload.p, "hall"), "hall") == "enter"`), "geofence cannot be read here"},
		{rule(`any(payload.list, geofence(#, "hall") == "enter")`), ""},
		{rule(`distance(payload.p) > 1`), "distance takes 2 to 3 arguments, not 1"},
		{"frames: {F: {}}\nzones: {hall: {frame: F, box: [0, 0, 1, 1]}}\nrules: {r: {source: in, topic: a, key: 'geofence(payload.p, \"hall\")', route: [{to: dead}]}}\n", "geofence cannot be read here"},
	} {
		_, errs := Load([]File{{Name: "r.yaml", Data: []byte(tt.text)}}, env)
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// FuzzGeoJSON: whatever a file holds, it is read or refused with a place in it, and what is read can be asked.
func FuzzGeoJSON(f *testing.F) {
	f.Add(campus)
	f.Add(`{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]]]}`)
	f.Add(`{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		env := testEnv
		env.ReadFile = readZones(map[string]string{"z.geojson": text})
		data := []byte("zones: {z: {file: z.geojson}, c: {file: z.geojson, feature: campus}}\nrules: {r: {source: in, topic: a, map: {a: 'inside(payload.p, \"z\")', b: 'zones_at(payload.p)', c: 'boundary_distance(\"z\", payload.p)'}, route: [{to: dead}]}}\n")
		p, errs := Load([]File{{Name: "r.yaml", Data: data}}, env)
		for _, err := range errs {
			if err.Pos.Line < 1 || err.Pos.Column < 1 {
				t.Errorf("%q: no place in %v", text, err)
			}
		}
		if p != nil {
			handle(t, p, "a", `{"p":[0.5,0.25]}`)
		}
	})
}
