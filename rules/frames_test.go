package rules

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
	"edge/internal/strictyaml"
)

const floorMap = "image: f3.pgm\nresolution: 0.050000\norigin: [-10.000000, -5.000000, 0.000000]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"

func TestFrameLoadErrors(t *testing.T) {
	const points = "[{from: [0, 0], to: [0, 0]}, {from: [10, 0], to: [10, 0]}, {from: [0, 10], to: [0, 10]}, {from: [10, 10], to: [10, 11]}]"
	disk := diskOf("rules/maps/f3.yaml", floorMap, "rules/maps/none.yaml", "resolution: 0.05\norigin: [0, 0, 0]\n",
		"rules/maps/flat.yaml", "resolution: 0\norigin: [0, 0, 0]\n", "rules/maps/origin.yaml", "resolution: 1\norigin: [0, 0]\n",
		"rules/maps/nan.yaml", "resolution: .nan\norigin: [0, 0, 0]\n", "rules/maps/inf.yaml", "resolution: 1\norigin: [.inf, 0, 0]\n",
		"rules/maps/list.yaml", "- 1\n", "rules/maps/torn.yaml", "a: [\n", "rules/maps/jpg.yaml", "image: f3.jpg\nresolution: 1\norigin: [0, 0, 0]\n", "rules/maps/f3.jpg", "\xff\xd8")
	for _, test := range []struct{ frames, want string }{
		{"  a: {parent: b}\n", `rules/a.yaml:3:15: frame "a": no frame "b" to be its parent; known: OGC:CRS84, a, p`},
		{"  a: {parent: b}\n  b: {parent: a}\n", `rules/a.yaml:3:15: frame "a": its parents go in a circle: a -> b -> a`},
		{"  a: {parent: p, matrix: [1, 2, 0, 2, 4, 0]}\n", `rules/a.yaml:3:26: frame "a": matrix is singular`},
		{"  a: {parent: p, scale: 0}\n", `rules/a.yaml:3:25: frame "a": scale is 0`},
		{"  a: {parent: p, scale: -2}\n", `rules/a.yaml:3:25: frame "a": scale is -2`},
		{"  a: {parent: p, rotation: {quaternion: [0, 0, 0, 0]}}\n", `rules/a.yaml:3:41: frame "a": quaternion has length 0`},
		{"  a: {parent: p, control_points: {method: rigid, points: []}}\n", `rules/a.yaml:3:58: frame "a": 0 points are too few: rigid needs at least 2`},
		{"  a: {parent: p, control_points: {points: []}}\n", `rules/a.yaml:3:34: "method" is missing`},
		{"  a: {parent: p, control_points: {method: helmert, points: " + points + "}}\n", `rules/a.yaml:3:43: frame "a": no method "helmert"`},
		{"  a: {parent: p, control_points: {method: rigid, max_rmse: 0.1, points: " + points + "}}\n", `rules/a.yaml:3:73: frame "a": rmse is 0.3963 and max_rmse 0.1; residuals: point 4 0.6416, point 2`},
		{"  a: {parent: p, control_points: {method: rigid, points: [{from: [1, 1], to: [2, 2]}, {from: [1, 1], to: [2, 2]}]}}\n", `rules/a.yaml:3:58: frame "a": the from points coincide`},
		{"  a: {parent: p, control_points: {method: affine, points: [{from: [1, 1], to: [2, 2]}, {from: [2, 2], to: [3, 3]}, {from: [3, 3], to: [4, 4]}]}}\n",
			`rules/a.yaml:3:59: frame "a": the from points are collinear (condition number `},
		{"  a:\n    parent: p\n    control_points:\n      method: rigid\n      points:\n        - {from: [1, 1], to: [2, 2]}\n        - {from: [1, 1, 4], to: [2]}\n",
			`rules/a.yaml:9:33: frame "a": to has 1 numbers`},
		{"  a: {crs: EPSG:1}\n", `rules/a.yaml:3:12: frame "a": no CRS "EPSG:1"; known: OGC:CRS84`},
		{"  a: {crs: EPSG:32650, parent: p}\n", `rules/a.yaml:3:32: frame "a": a frame with crs is a root`},
		{"  a: {origin: {lon: 1}}\n", `rules/a.yaml:3:15: "lat" is missing`},
		{"  a: {origin: {lon: 31.8, lat: 117.2}}\n", `rules/a.yaml:3:32: frame "a": lat 117.2 is outside -90..90 (lon and lat swapped?)`},
		{"  a: {parent: p, height: 9}\n", `rules/a.yaml:3:26: frame "a": height is that of a map's picture`},
		{"  a: {parent: p, map_server: maps/f4.yaml}\n", `rules/a.yaml:3:30: frame "a": rules/maps/f4.yaml is not there`},
		{"  a: {parent: p, map_server: maps/f3.yaml}\n", `rules/maps/f3.yaml:1:8: frame "a": rules/maps/f3.pgm is not there; add height:`},
		{"  a: {parent: p, map_server: maps/f3.yaml, height: 0}\n", `rules/a.yaml:3:52: frame "a": height is 0`},
		{"  a: {parent: p, map_server: maps/none.yaml}\n", `rules/a.yaml:3:30: frame "a": rules/maps/none.yaml names no image`},
		{"  a: {parent: p, map_server: maps/flat.yaml, height: 9}\n", `rules/maps/flat.yaml:1:13: frame "a": resolution wants a number above 0`},
		{"  a: {parent: p, map_server: maps/nan.yaml, height: 9}\n", `rules/maps/nan.yaml:1:13: frame "a": resolution wants`},
		{"  a: {parent: p, map_server: maps/origin.yaml, height: 9}\n", `rules/maps/origin.yaml:2:9: frame "a": origin wants three numbers`},
		{"  a: {parent: p, map_server: maps/inf.yaml, height: 9}\n", `rules/maps/inf.yaml:2:9: frame "a": origin wants`},
		{"  a: {parent: p, map_server: maps/list.yaml, height: 9}\n", `rules/maps/list.yaml:1:1: frame "a": a map file is a mapping`},
		{"  a: {parent: p, map_server: maps/torn.yaml, height: 9}\n", `rules/maps/torn.yaml:1:1: frame "a": not YAML: `},
		{"  a: {parent: p, map_server: maps/jpg.yaml}\n", `rules/maps/jpg.yaml:1:8: frame "a": rules/maps/f3.jpg is neither PNG nor PGM; add height:`},
		{"  a: 7\n", "rules/a.yaml:3:6: \"a\" wants keys and values"},
		{"  a: {prent: p}\n", `rules/a.yaml:3:7: unknown key "prent"`},
		{"  p: {}\n", `rules/a.yaml:3:3: `},

		{"  \"{f}/web\": {parent: p}\n", `rules/a.yaml:3:3: frame "{f}/web": {f} in the name stands for several frames; add for: {f: [F1, F2]}`},
		{"  web: {for: {f: [F1]}, parent: p}\n", `rules/a.yaml:3:15: frame "web": the name has no {f}`},
		{"  \"{f}\": {for: {}, parent: p}\n", `rules/a.yaml:3:16: frame "{f}": for wants a mapping`},
		{"  \"{f}\": {for: [F1], parent: p}\n", `rules/a.yaml:3:16: frame "{f}": for wants a mapping`},
		{"  \"{f}\": {for: {f: F1}, parent: p}\n", `rules/a.yaml:3:20: frame "{f}": for: f wants a list`},
		{"  \"{f}\": {for: {f: []}, parent: p}\n", `rules/a.yaml:3:20: frame "{f}": for: f wants a list`},
		{"  \"{f}\": {for: {f: [[a]]}, parent: p}\n", `rules/a.yaml:3:21: frame "{f}": for: f stands for texts`},
		{"  \"{f}\": {for: {f: [a, b, a]}, parent: p}\n", `rules/a.yaml:3:27: frame "{f}": for: f has "a" twice`},
		{"  \"{f f}\": {for: {f f: [a]}, parent: p}\n", `rules/a.yaml:3:19: frame "{f f}": for: "f f" is no name`},
		{"  \"{f}/{g}\": {for: {f: [a]}, parent: p}\n", `rules/a.yaml:3:3: frame "{f}/{g}": {g} stands for nothing`},
		{"  \"{f}\": {for: {f: [a]}, parent: \"{g}\"}\n", `rules/a.yaml:3:34: frame "{f}": {g} stands for nothing`},
		{"  \"{f}\": {for: {f: [a]}, parent: {f}}\n", `rules/a.yaml:3:34: frame "{f}": {f} is a mapping to YAML; quote it: "{f}"`},
		{"  \"{f}\": {for: {f: [a, p]}, parent: p}\n", `rules/a.yaml:3:3: frame "p" is defined twice`},
		{"  \"{f}\": {for: {f: [a, b]}, parent: q}\n", `rules/a.yaml:3:37: frame "b": no frame "q"`},
		{"  \"{f}{g}{h}\": {for: {f: [" + texts(30) + "], g: [" + texts(30) + "], h: [" + texts(30) + "]}, parent: p}\n", "stands for more than 10000 frames"},

		{"  a: {origin: {lon: 1, lat: 2}}\n  b: {crs: EPSG:3857}\nrules: {r: {source: in, let: {x: 'transform(payload, \"p\", \"b\")'}, route: [{to: dead}]}}\n",
			`rules/a.yaml:5:35: rule "r": let.x: no way from "p" to "b"`},
		{"rules: {r: {source: in, let: {x: 'transform(payload, \"p\", \"q\")'}, route: [{to: dead}]}}\n", `rules/a.yaml:3:59: rule "r": let.x: no frame "q"; known: OGC:CRS84, p`},
	} {
		env := testEnv
		env.ReadFile = disk
		text := "frames:\n  p: {}\n" + test.frames
		if !strings.Contains(text, "rules:") {
			text += "rules: {r: {source: in, route: [{to: dead}]}}\n"
		}
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
		if err := errs.Err(); err == nil || !strings.Contains("\n"+err.Error(), "\n"+test.want) && !(strings.HasPrefix(test.want, "stands") && strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, test.want)
		}
	}
}

func texts(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("v%d", i))
	}
	return strings.Join(list, ", ")
}

func TestFrameTemplates(t *testing.T) {
	p := load(t, `frames:
  building: {}
  "{f}": {for: {f: [F1, F2]}, parent: building, translation: [100, 0]}
  "{f}/{what}":
    for: {f: [F1, F2], what: [slam, web]}
    parent: "{f}"
    scale: 2
`+head+`    map: {p: 'transform(payload.p, payload.floor + "/" + payload.what, "F2/web")'}
    route: [{to: dead}]
    on_error: {to: dead2}
`)
	expect(t, handle(t, p, topic, `{"floor":"F1","what":"slam","p":[1,2]}`), `dead {"p":[1,2]}`)
	handle(t, p, topic, `{"floor":"F3","what":"slam","p":[1,2]}`)
	if got := p.Stats()[0].Errors; fmt.Sprint(got) != "map[unknown_frame:1]" {
		t.Error(got)
	}
}

// The files of maps: height from the key, or from the header of the picture; a map in the folder of rules is no rule
// file, also where a template names it.
func TestMapServerFiles(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x01\x90")
	png = binary.BigEndian.AppendUint32(png, 200)
	for name, test := range map[string]struct{ frame, picture string }{
		"height":   {"map_server: 'maps/{f}.yaml', height: 200", ""},
		"pgm":      {"map_server: 'maps/{f}.yaml'", "P5 # made by\n# map_saver\n400 200\n255\n"},
		"plain":    {"map_server: 'maps/{f}.yaml'", "P2\n400\n200\n255\n"},
		"png":      {"map_server: 'maps/{f}.yaml'", string(png)},
		"in rules": {"map_server: '{f}.yaml', height: 200", ""},
	} {
		env := testEnv
		env.ReadFile = diskOf("rules/maps/f3.yaml", floorMap, "rules/maps/f3.pgm", test.picture)
		files := []File{{Name: "rules/a.yaml", Data: []byte("frames:\n  m: {}\n  '{f}/px': {for: {f: [f3]}, parent: m, " + test.frame + "}\n" + head +
			"    map: {p: 'transform(payload.p, \"f3/px\", \"m\")'}\n    route: [{to: dead}]\n")}}
		if name == "in rules" {
			files = append(files, File{Name: "rules/f3.yaml", Data: []byte(floorMap)})
		}
		p, errs := Load(files, env)
		if errs.Err() != nil {
			t.Errorf("%s: %v", name, errs)
			continue
		}
		expect(t, handle(t, p, topic, `{"p":{"x":100,"y":50}}`), `dead {"p":{"x":-5,"y":2.5}}`)
	}
	for _, cut := range []string{"", "P5", "P5 #", "P5 400 ", "P5 400 200", "P5 400 -2 ", "P5 400 0 ", "P5 1 99999999999 ", "\x89PNG\r\n\x1a\n", "GIF89a"} {
		if n, err := rowsOf([]byte(cut)); err == nil {
			t.Errorf("%q has %d rows", cut, n)
		}
	}
}

const earthFrames = `frames:
  site: {origin: {lon: 117.227239, lat: 31.820587, h: 35}}
  F3: {parent: site, translation: [40, -12.5, 9.6], rotation: {yaw_deg: 30}}
  utm50: {crs: EPSG:32650}
  wgs: {crs: OGC:CRS84}
  amap: {crs: GCJ02}
  moon: {}
`

// What goes in and comes out, by names. The numbers are checked in package geo.
func TestNamesOfCoordinates(t *testing.T) {
	for _, test := range []struct{ expr, payload, want string }{
		{`transform(payload, "site", "wgs")`, `{"x":0,"y":0}`, `{"lon":117.227239,"lat":31.820587}`},
		{`transform(payload, "site", "wgs")`, `{"e":0,"n":0}`, `{"lon":117.227239,"lat":31.820587}`},
		{`transform(payload, "F3", "site")`, `{"e":0,"n":0,"u":1,"yaw":1}`, `{"x":40,"y":-12.5,"z":10.6}`},
		{`transform(payload, "site", "wgs")`, `[0,0]`, `[117.227239,31.820587]`},
		{`transform(payload, "wgs", "wgs")`, `{"lon":1,"lat":2,"h":3,"x":7,"y":8}`, `{"lon":1,"lat":2,"h":3}`},
		{`transform(payload, "F3", "F3")`, `{"lon":1,"lat":2,"h":3,"x":7,"y":8}`, `{"x":7,"y":8}`},
		{`transform(payload, "wgs", "site").x < 1e-6`, `{"lon":117.227239,"lat":31.820587}`, `true`},
		{`transform(payload, "wgs", "amap").lat > 31.8`, `{"lon":117.227239,"lat":31.820587}`, `true`},
		{`transform_pose(payload, "F3", "site")`, `{"x":0,"y":0,"yaw":0}`, `{"x":40,"y":-12.5,"yaw":0.523598776}`},
		{`transform(payload, "wgs", "site")`, `{"lon":31.8,"lat":117.2}`, `latitude_out_of_range: transform: lat 117.2 is outside -90..90 (lon and lat swapped?)`},
		{`transform(payload, "wgs", "site")`, `{"x":1,"y":2}`, `wrong_type: transform: frame "wgs" takes lon and lat, not x and y`},
		{`transform(payload, "site", "wgs")`, `{"lon":1,"lat":2}`, `wrong_type: transform: frame "site" takes x and y, not lon and lat`},
		{`transform(payload, "wgs", "site")`, `{"lon":1}`, `missing_field: transform: there is no "lat"`},
		{`transform(payload, "wgs", "site")`, `{}`, `missing_field: transform: there is no "lon"`},
		{`transform(payload, "site", "wgs")`, `{"e":1}`, `missing_field: transform: there is no "n"`},
		{`transform(payload, "site", "wgs")`, `{"x":"1","y":2}`, `wrong_type: transform: x is text "1", not a number`},
		{`transform(payload, "wgs", "utm50")`, `{"lon":-63,"lat":2}`, `outside_domain: transform: EPSG:32650: lon -63`},
		{`transform(payload, payload.f, "site")`, `{"x":1,"y":2,"f":"F9"}`, `unknown_frame: transform: no frame "F9"; known: F3`},
		{`transform(payload, payload.f, "site")`, `{"x":1,"y":2,"f":"moon"}`, `not_connected: transform: no way from "moon" to "site"`},
		{`transform_pose(payload, "site", "wgs")`, `{"x":1,"y":2,"yaw":1}`, `wrong_type: transform_pose: frame "wgs" is in lon and lat`},
		{`transform(payload, "F3", "F3").lon`, `{"x":1,"y":2}`, `null`},
		{`transform(payload, "F3", "F3").z`, `{"x":1,"y":2}`, `null`},
		{`transform(payload, "F3", "F3").z`, `{"x":1,"y":2,"z":3}`, `3`},
		{`transform(payload, "F3", "F3").y`, `[1,2]`, `2`},
		{`transform(payload, "wgs", "wgs").x`, `{"lon":1,"lat":2,"h":3}`, `null`},
		{`transform(payload, "wgs", "wgs").h`, `{"lon":1,"lat":2,"h":3}`, `3`},
		{`transform_vector(payload, "site", "wgs")`, `{"x":1,"y":2}`, `wrong_type: transform_vector: frame "wgs" is in lon and lat`},
	} {
		got, err := Eval(test.expr, []byte(test.payload), "t", []File{{Name: "rules/f.yaml", Data: []byte(earthFrames)}}, Env{})
		// To 9 decimals: the last digits differ between processors.
		text := regexp.MustCompile(`\d+\.\d{10,}`).ReplaceAllStringFunc(string(got), func(n string) string {
			f, _ := strconv.ParseFloat(n, 64)
			return strconv.FormatFloat(math.Round(f*1e9)/1e9, 'f', -1, 64)
		})
		if err != nil {
			text = err.Error()
		}
		if !strings.HasPrefix(text, test.want) || err == nil && text != test.want {
			t.Errorf("%s of %s\ngot  %s\nwant %s", test.expr, test.payload, text, test.want)
		}
	}
}

// BenchmarkTransformCall is transform alone: coordinates of the payload are fields that its scan finds, which is not in
// it; those of a list are read here. The budget is 130 ns and 2 allocations, 180 ns with a name from the message.
func BenchmarkTransformCall(b *testing.B) {
	for name, source := range map[string]string{
		"constant": `transform(payload.p, "F3", "site")`,
		"message":  `transform(payload.p, payload.f, "site")`,
		"arrays":   `transform(payload.a, "F3", "site")`,
		"utm":      `transform(payload.p, "F3", "utm50")`,
	} {
		b.Run(name, func(b *testing.B) {
			var errs strictyaml.Errors
			s := newSetCompiler(Env{}, &errs)
			s.loadFrames(s.decode([]File{{Name: "rules/f.yaml", Data: []byte(earthFrames)}}))
			k := &compiler{set: s}
			eval, bad := k.compile(source, strict, names{payload: true})
			if bad != nil || len(errs) > 0 {
				b.Fatal(bad, errs)
			}
			s.finish()
			m := &engine.Message{Payload: []byte(`{"p":{"x":12.34,"y":-5.61,"z":0.5},"a":[12.34,-5.61],"f":"F3"}`), Meta: &engine.Meta{}}
			c := &s.program.newLane().scope
			c.now, c.message = time.UnixMilli(1), m
			c.begin(&rule{set: s.program, locals: k.most})
			if err := s.program.plan.Scan(m.Payload, s.program.depth, c.slots); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			stop := cputimetest.Start(b)
			for b.Loop() {
				c.budget, c.args = budget{}, c.args[:0]
				if _, err := eval(c); err != nil {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
}
