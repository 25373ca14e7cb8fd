package rules

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// A geoFile is a GeoJSON file (RFC 7946), of which zones take features. It reads what zones need, polygons, and says
// where something is wrong; rings and positions are checked by package geo, as those of rule files.
type geoFile struct {
	name     string
	data     []byte
	features []geoFeature
	wrong    *strictyaml.Error // with the file as a whole
}

// A geoFeature is a feature, or a geometry that stands alone.
type geoFeature struct {
	names    []string // its id and properties.name
	geometry jsonscan.Value
	raw      []byte
}

// at is the place of a part of the file.
func (f *geoFile) at(part []byte) strictyaml.Pos {
	offset := int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(f.data))))
	return f.place(offset)
}

func (f *geoFile) place(offset int) strictyaml.Pos {
	before := f.data[:max(0, min(offset, len(f.data)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return strictyaml.Pos{File: f.name, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:])}
}

func (f *geoFile) fail(part []byte, format string, args ...any) *strictyaml.Error {
	return &strictyaml.Error{Pos: f.at(part), Message: fmt.Sprintf(format, args...)}
}

// read finds the features.
func (f *geoFile) read(data []byte) {
	f.data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var syntax *jsonscan.SyntaxError
	if err := jsonscan.Valid(f.data, jsonscan.Depth); errors.As(err, &syntax) {
		f.wrong = &strictyaml.Error{Pos: f.place(syntax.Offset), Message: "this is not JSON: " + syntax.Message}
		return
	}
	root := jsonscan.Parse(f.data)
	if crs := jsonscan.Get(root.Raw, "crs"); root.Kind == jsonscan.Object && crs.Kind != jsonscan.Missing && crs.Kind != jsonscan.Null {
		name := jsonscan.Get(jsonscan.Get(crs.Raw, "properties").Raw, "name").Text()
		if !strings.HasSuffix(name, "CRS84") {
			f.wrong = f.fail(crs.Raw, "GeoJSON is in longitude and latitude (%s), and crs says otherwise; convert the file, such as with ogr2ogr -t_srs EPSG:4326 -lco RFC7946=YES", lonLatFrame)
			return
		}
	}
	switch kind := jsonscan.Get(root.Raw, "type").Text(); {
	case root.Kind != jsonscan.Object:
		f.wrong = f.fail(root.Raw, "GeoJSON is an object with a type")
	case kind == "FeatureCollection":
		list := jsonscan.Get(root.Raw, "features")
		if list.Kind != jsonscan.Array {
			f.wrong = f.fail(root.Raw, "a FeatureCollection has features, a list")
			return
		}
		jsonscan.Each(list.Raw, func(_ int, v jsonscan.Value) bool {
			if v.Kind != jsonscan.Object || jsonscan.Get(v.Raw, "type").Text() != "Feature" {
				f.wrong = f.fail(v.Raw, `the features of a FeatureCollection are objects of "type": "Feature"`)
				return false
			}
			f.add(v)
			return true
		})
		if len(f.features) == 0 && f.wrong == nil {
			f.wrong = f.fail(list.Raw, "there are no features")
		}
	case kind == "Feature":
		f.add(root)
	default:
		f.features = append(f.features, geoFeature{geometry: root, raw: root.Raw})
	}
}

func (f *geoFile) add(v jsonscan.Value) {
	one := geoFeature{geometry: jsonscan.Get(v.Raw, "geometry"), raw: v.Raw}
	for _, name := range [...]jsonscan.Value{jsonscan.Get(v.Raw, "id"), jsonscan.Get(jsonscan.Get(v.Raw, "properties").Raw, "name")} {
		switch name.Kind {
		case jsonscan.String:
			one.names = append(one.names, strings.Clone(name.Text()))
		case jsonscan.Int, jsonscan.Float:
			one.names = append(one.names, string(name.Raw))
		}
	}
	f.features = append(f.features, one)
}

// feature finds one by its id or name; where a file has just one, it needs none.
func (f *geoFile) feature(named *strictyaml.Text) (*geoFeature, error) {
	if named == nil {
		if len(f.features) == 1 {
			return &f.features[0], nil
		}
		return nil, fmt.Errorf("has %d features; say with feature: which one, by its id or properties.name", len(f.features))
	}
	var found *geoFeature
	var known []string
	for i := range f.features {
		one := &f.features[i]
		known = append(known, one.names...)
		if !slices.Contains(one.names, named.Value) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("has two features %q, at %s and %s", named.Value, f.at(found.raw), f.at(one.raw))
		}
		found = one
	}
	if found != nil {
		return found, nil
	}
	if len(known) == 0 {
		return nil, fmt.Errorf("has no feature %q: its features have neither an id nor properties.name", named.Value)
	}
	if hint := strictyaml.Suggest(named.Value, known); hint != "" {
		return nil, fmt.Errorf("has no feature %q, did you mean %q?", named.Value, hint)
	}
	if len(known) > 8 {
		known = append(known[:8:8], "and more")
	}
	return nil, fmt.Errorf("has no feature %q; there are %s", named.Value, strings.Join(known, ", "))
}

// label names a feature in an error.
func (f *geoFeature) label() string {
	if len(f.names) == 0 {
		return ""
	}
	return fmt.Sprintf("feature %q: ", f.names[0])
}

// places are where the parts of polygons stand in the file.
type places [][][][]byte // a position, by polygon and ring

func (p places) of(file *geoFile, f *geoFeature, problem geo.ZoneProblem) strictyaml.Pos {
	if problem.Polygon < 0 || problem.Polygon >= len(p) || problem.Ring < 0 || problem.Ring >= len(p[problem.Polygon]) {
		return file.at(f.geometry.Raw)
	}
	ring := p[problem.Polygon][problem.Ring]
	if len(ring) == 0 {
		return file.at(f.geometry.Raw)
	}
	return file.at(ring[max(0, min(problem.Position, len(ring)-1))])
}

// geometry reads the polygons of a feature.
func (f *geoFile) geometry(feature *geoFeature) (polygons [][][][2]float64, where places, wrong *strictyaml.Error) {
	g := feature.geometry
	if g.Kind != jsonscan.Object {
		return nil, nil, f.fail(feature.raw, "it has no geometry")
	}
	coordinates := jsonscan.Get(g.Raw, "coordinates")
	polygon := func(v jsonscan.Value) bool {
		rings, at, err := f.rings(v)
		polygons, where, wrong = append(polygons, rings), append(where, at), err
		return err == nil
	}
	switch kind := jsonscan.Get(g.Raw, "type").Text(); {
	case kind != "Polygon" && kind != "MultiPolygon":
		return nil, nil, f.fail(g.Raw, "a zone is a Polygon or a MultiPolygon, not %q", kind)
	case coordinates.Kind != jsonscan.Array:
		return nil, nil, f.fail(g.Raw, "it has no coordinates")
	case kind == "Polygon":
		polygon(coordinates)
	default:
		jsonscan.Each(coordinates.Raw, func(_ int, v jsonscan.Value) bool { return polygon(v) })
	}
	return polygons, where, wrong
}

// rings reads a list of lists of positions. What a position has beyond longitude and latitude is not looked at.
func (f *geoFile) rings(v jsonscan.Value) (rings [][][2]float64, where [][][]byte, wrong *strictyaml.Error) {
	if v.Kind != jsonscan.Array {
		return nil, nil, f.fail(v.Raw, "a polygon is a list of rings")
	}
	jsonscan.Each(v.Raw, func(_ int, r jsonscan.Value) bool {
		if r.Kind != jsonscan.Array {
			wrong = f.fail(r.Raw, "a ring is a list of positions")
			return false
		}
		var ring [][2]float64
		var at [][]byte
		jsonscan.Each(r.Raw, func(_ int, p jsonscan.Value) bool {
			lon, lat := jsonscan.Index(p.Raw, 0), jsonscan.Index(p.Raw, 1)
			number := func(v jsonscan.Value) bool { return v.Kind == jsonscan.Int || v.Kind == jsonscan.Float }
			if p.Kind != jsonscan.Array || !number(lon) || !number(lat) {
				wrong = f.fail(p.Raw, "a position is [lon, lat], two numbers")
				return false
			}
			ring, at = append(ring, [2]float64{lon.Float(), lat.Float()}), append(at, p.Raw)
			return true
		})
		rings, where = append(rings, ring), append(where, at)
		return wrong == nil
	})
	return rings, where, wrong
}
