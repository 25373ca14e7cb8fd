package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// A zone is a zone of a rule file, with what geofence needs to know of it.
type zone struct {
	*geo.Zone
	hysteresis float64 // how far outside one must be to have left, in the unit of its distances
	dwell      time.Duration
	boxed      any // its name, for lists
}

// lonLatFrame is the frame of GeoJSON: longitude and latitude in degrees, on WGS 84.
const lonLatFrame = "OGC:CRS84"

// A zoneSpec is a zone as it is written: one of polygon, circle, box and file.
type zoneSpec struct {
	Frame      *strictyaml.Text `yaml:"frame"`
	Polygon    *ringSpec        `yaml:"polygon"`
	Holes      []ringSpec       `yaml:"holes"`
	Circle     *circleSpec      `yaml:"circle"`
	Box        *boxSpec         `yaml:"box"`
	File       string           `yaml:"file,path"`
	Feature    *strictyaml.Text `yaml:"feature"`
	Hysteresis metres           `yaml:"hysteresis"`
	Dwell      time.Duration    `yaml:"dwell"`

	sound bool // it could be read
	at    func(key string) strictyaml.Pos
}

// Validate checks what a type cannot say.
func (z *zoneSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	z.at, z.sound = pos, true
	wrong := func(key, format string, args ...any) {
		z.sound = false
		errs.Add(pos(key), format, args...)
	}
	var given []string
	for _, one := range [...]struct {
		key   string
		given bool
	}{{"polygon", z.Polygon != nil}, {"circle", z.Circle != nil}, {"box", z.Box != nil}, {"file", z.File != ""}} {
		if one.given {
			given = append(given, one.key)
		}
	}
	switch {
	case len(given) == 0:
		wrong("", "a zone wants one of polygon:, circle:, box: and file: (GeoJSON)")
	case len(given) > 1:
		wrong(given[1], "%s and %s exclude each other: a zone has one shape", given[0], given[1])
	case z.File != "" && z.Frame != nil:
		wrong("frame", "frame does not go with file: GeoJSON is always in longitude and latitude (%s)", lonLatFrame)
	case z.File == "" && z.Frame == nil:
		wrong("", "frame is missing: name the frame that the zone lies in, or %s for longitude and latitude", lonLatFrame)
	}
	if z.File == "" && z.Feature != nil {
		wrong("feature", "feature is one of a GeoJSON file, and there is no file:")
	}
	if z.Holes != nil && z.Polygon == nil {
		wrong("holes", "holes are those of a polygon:, and there is none")
	}
	if z.Hysteresis < 0 {
		wrong("hysteresis", "hysteresis wants metres from 0 up, such as 0.3 m")
	}
	if z.Dwell < 0 {
		wrong("dwell", "dwell wants a duration from 0 up, such as 2s")
	}
}

// metres are written 0.3 or 0.3 m.
type metres float64

func (m *metres) DecodeScalar(text string) error {
	number, _ := strings.CutSuffix(text, "m")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("wants metres such as 0.3 or 0.3 m, not %q", text)
	}
	*m = metres(f)
	return nil
}

// A ringSpec is a list of corners, [x, y] or [lon, lat] each. It closes by itself; a last one that repeats the first
// does no harm.
type ringSpec struct {
	points [][2]float64
	pos    strictyaml.Pos
	places []strictyaml.Pos // of each corner
}

func (r *ringSpec) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, errs *strictyaml.Errors) {
	var corners [][]float64
	r.pos = strictyaml.PosOf(file, n)
	before := len(*errs)
	if l.Decode(file, n, &corners, errs); len(*errs) > before {
		return
	}
	for i, corner := range corners {
		at := strictyaml.PosOf(file, n.Content[i])
		if len(corner) != 2 {
			errs.Add(at, "a corner is [x, y] or [lon, lat], not %s", plural(len(corner), "number"))
			continue
		}
		r.points, r.places = append(r.points, [2]float64(corner)), append(r.places, at)
	}
	if n := len(r.points); n > 0 && r.points[0] != r.points[n-1] {
		r.points, r.places = append(r.points, r.points[0]), append(r.places, r.places[0])
	}
}

type circleSpec struct {
	Center []float64 `yaml:"center,required"`
	Radius float64   `yaml:"radius,required"`
}

// Validate checks what a type cannot say.
func (c *circleSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if len(c.Center) != 2 {
		errs.Add(pos("center"), "circle: center is [x, y] or [lon, lat], not %s", plural(len(c.Center), "number"))
	}
}

// A boxSpec is written [min x, min y, max x, max y], the order of GeoJSON's bbox, or {min: [x, y], max: [x, y]}.
type boxSpec struct{ min, max [2]float64 }

func (b *boxSpec) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, errs *strictyaml.Errors) {
	before := len(*errs)
	var corners struct {
		Min []float64 `yaml:"min,required"`
		Max []float64 `yaml:"max,required"`
	}
	if n.Kind == yaml.MappingNode {
		l.Decode(file, n, &corners, errs)
	} else {
		var four []float64
		if l.Decode(file, n, &four, errs); len(four) == 4 {
			corners.Min, corners.Max = four[:2], four[2:]
		}
	}
	if len(*errs) > before {
		return
	}
	if len(corners.Min) != 2 || len(corners.Max) != 2 {
		errs.Add(strictyaml.PosOf(file, n), "box wants [min x, min y, max x, max y] or {min: [x, y], max: [x, y]}")
		return
	}
	b.min, b.max = [2]float64(corners.Min), [2]float64(corners.Max)
}

// loadZones makes the zones of all files. The frames are known by then.
func (s *setCompiler) loadZones(specs []loaded) {
	var all []*geo.Zone
	s.zones = map[string]*zone{}
	files := map[string]*geoFile{}
	for i := range specs {
		for j := range specs[i].spec.Zones {
			entry := &specs[i].spec.Zones[j]
			if !s.claim("zone", entry.Key, entry.Pos) {
				continue
			}
			z := &zone{hysteresis: float64(entry.Value.Hysteresis), dwell: entry.Value.Dwell, boxed: entry.Key}
			s.zones[entry.Key] = z // also where it is wrong, so that rules that use it are not wrong too
			if !entry.Value.sound {
				continue
			}
			spec := &entry.Value
			if spec.File != "" {
				z.Zone = s.fileZone(entry.Key, spec, specs, files)
			} else {
				z.Zone = s.inlineZone(entry.Key, spec)
			}
			if z.Zone != nil {
				all = append(all, z.Zone)
			}
		}
	}
	s.layers = geo.NewZones(all)
}

// inlineZone makes a zone of what stands in the rule file.
func (s *setCompiler) inlineZone(name string, spec *zoneSpec) *geo.Zone {
	frame := spec.Frame.Value
	lonLat, wrong := s.isLonLat(frame)
	if wrong != nil {
		s.errs.Add(spec.Frame.Pos, "zone %q: %s", name, wrong)
		return nil
	}
	g := geo.ZoneSpec{Name: name, Frame: frame, LonLat: lonLat}
	rings := []*ringSpec{spec.Polygon}
	switch {
	case spec.Circle != nil:
		g.Circle = &geo.Circle{X: spec.Circle.Center[0], Y: spec.Circle.Center[1], Radius: spec.Circle.Radius}
	case spec.Box != nil:
		b := spec.Box
		if !(b.min[1] < b.max[1]) || !(b.min[0] < b.max[0]) && (!lonLat || b.min[0] == b.max[0]) {
			s.errs.Add(spec.at("box"), "zone %q: box has no area: min must be below max", name)
			return nil
		}
		g.Polygons = geo.BoxRings(b.min[0], b.min[1], b.max[0], b.max[1], lonLat)
	default:
		for i := range spec.Holes {
			rings = append(rings, &spec.Holes[i])
		}
		g.Polygons = make([][][][2]float64, 1)
		for _, r := range rings {
			g.Polygons[0] = append(g.Polygons[0], r.points)
		}
	}
	z, problems := geo.NewZone(g)
	for _, p := range problems {
		pos := spec.at("")
		switch {
		case spec.Circle != nil:
			pos = spec.at("circle")
		case spec.Box != nil:
			pos = spec.at("box")
		case p.Ring >= 0 && p.Position >= 0 && p.Position < len(rings[p.Ring].places):
			pos = rings[p.Ring].places[p.Position]
		case p.Ring >= 0:
			pos = rings[p.Ring].pos
		}
		s.errs.Add(pos, "zone %q: %s", name, p.Message)
	}
	return z
}

// fileZone makes a zone of a feature of a GeoJSON file.
func (s *setCompiler) fileZone(name string, spec *zoneSpec, specs []loaded, files map[string]*geoFile) *geo.Zone {
	file := files[spec.File]
	if file == nil {
		file = &geoFile{name: spec.File}
		files[spec.File] = file
		if data, err := s.tableFile(spec.File, specs); err != nil {
			s.errs.Add(spec.at("file"), "zone %q: %s %s", name, spec.File, whatIsWrong(err))
		} else {
			file.read(data)
		}
	}
	if file.wrong != nil { // told at each zone of it: the first may not be the one that is looked at
		s.errs.Add(file.wrong.Pos, "%s", file.wrong.Message)
		return nil
	}
	if file.data == nil {
		return nil
	}
	f, err := file.feature(spec.Feature)
	if err != nil {
		pos := spec.at("file")
		if spec.Feature != nil {
			pos = spec.Feature.Pos
		}
		s.errs.Add(pos, "zone %q: %s: %s", name, spec.File, err)
		return nil
	}
	polygons, places, wrong := file.geometry(f)
	if wrong != nil {
		s.errs.Add(wrong.Pos, "zone %q: %s%s", name, f.label(), wrong.Message)
		return nil
	}
	z, problems := geo.NewZone(geo.ZoneSpec{Name: name, Frame: lonLatFrame, LonLat: true, Polygons: polygons})
	for _, p := range problems {
		s.errs.Add(places.of(file, f, p), "zone %q: %s%s", name, f.label(), p.Message)
	}
	return z
}

// zoneNamed gives a zone. Its error is an *geo.Error.
func (s *setCompiler) zoneNamed(name string) (*zone, error) {
	if z := s.zones[name]; z != nil {
		return z, nil
	}
	_, err := s.layers.Named(name)
	return nil, err
}
