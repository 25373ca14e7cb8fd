package rules

import (
	"errors"
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/rules/geo"
)

// zoneFunctionNames are the functions that use zones. Names that are written as text are looked up at load, so that
// a wrong one is an error of the file.
var zoneFunctionNames = []string{"inside", "zones_at", "distance_to", "boundary_distance", "geofence"}

// isLonLat says whether the points of a frame are longitude and latitude. Its error is an *geo.Error.
func (s *setCompiler) isLonLat(frame string) (bool, error) {
	if !s.frames.Has(frame) {
		_, err := s.frames.Between(frame, frame)
		return false, err
	}
	return s.frames.LonLat(frame), nil
}

// wayBetween is the way from one frame to another, nil where they are the same.
func (s *setCompiler) wayBetween(from, to string) (*geo.Transform, error) {
	if from == to {
		return nil, nil
	}
	return s.frames.Between(from, to)
}

// A zoneCall is a function of a point and a zone.
type zoneCall struct {
	point, zone int // which of the arguments they are
	of          func(z *zone, x, y float64) (Value, error)
}

var zoneCalls = map[string]zoneCall{
	"inside":            {0, 1, func(z *zone, x, y float64) (Value, error) { return boolValue(z.Covers(x, y)), nil }},
	"distance_to":       {1, 0, func(z *zone, x, y float64) (Value, error) { return metresOf(z.Distance(x, y)) }},
	"boundary_distance": {1, 0, func(z *zone, x, y float64) (Value, error) { return metresOf(z.Boundary(x, y)) }},
}

func metresOf(d float64, err error) (Value, error) {
	if err != nil {
		return null, err
	}
	return floatValue(d)
}

// place brings a point to the zone's frame, by way where there is one.
func (z *zone) place(v Value, way *geo.Transform) (x, y float64, err error) {
	p, err := pointOf(v)
	if err == nil && way != nil {
		p, err = way.Point(p)
	}
	if err != nil {
		return 0, 0, err
	}
	return z.coordinates(p)
}

func (z *zone) coordinates(p geo.Point) (x, y float64, err error) {
	planar, named := p.Shape == geo.XY || p.Shape == geo.XYZ, p.Shape == geo.LonLat || p.Shape == geo.LonLatH
	switch {
	case z.LonLat && planar:
		return 0, 0, fail(WrongType, "zone %q is in lon and lat, and the point in x and y; name the point's frame, or transform it", z.Name)
	case z.LonLat:
		p.X, err = geo.LonLatOf(p.X, p.Y)
	case named:
		err = fail(WrongType, "zone %q lies in frame %q, and the point is in lon and lat; name the point's frame, or transform it", z.Name, z.Frame)
	case p.X-p.X != 0 || p.Y-p.Y != 0:
		err = fail(NotFinite, "the point is not finite")
	}
	return p.X, p.Y, err
}

// zoneFunction compiles a call of inside and its likes.
func (k *compiler) zoneFunction(name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	switch name {
	case "geofence":
		return k.geofence(arguments, at)
	case "zones_at":
		return k.zonesAt(arguments, at)
	}
	call := zoneCalls[name]
	if len(arguments) != 2 && len(arguments) != 3 {
		form := "inside(p, zone) or inside(p, zone, frame)"
		if call.zone == 0 {
			form = name + "(zone, p) or " + name + "(zone, p, frame)"
		}
		return nil, sourceErrorf(at, "%s takes a point and a zone, and the point's frame where that is another than the zone's: %s", name, form)
	}
	s := k.set
	named, err := k.namedZone(arguments[call.zone])
	if err != nil {
		return nil, err
	}
	var frame *ast.StringNode
	if len(arguments) == 3 {
		if frame, err = k.namedFrame(arguments[2]); err != nil {
			return nil, err
		}
	}
	if named != nil && (len(arguments) == 2 || frame != nil) {
		return k.fixedZone(name, call, named, arguments[call.point], frame, at)
	}
	f := &function{name: name, call: func(_ *scope, args []Value) (Value, error) {
		z, err := s.zoneOf(args[call.zone])
		if err != nil {
			return null, geoError(name, err)
		}
		var way *geo.Transform
		if len(args) == 3 {
			if !args[2].isString() {
				return null, fail(WrongType, "%s: the names of frames are text, not %s", name, args[2].typeName())
			}
			if way, err = s.wayBetween(args[2].string(), z.Frame); err != nil {
				return null, geoError(name, err)
			}
		}
		x, y, err := z.place(args[call.point], way)
		if err != nil {
			return null, geoError(name, err)
		}
		v, err := call.of(z, x, y)
		return v, geoError(name, err)
	}}
	return k.apply(f, arguments, at)
}

// fixedZone compiles a call whose zone and frame are known.
func (k *compiler) fixedZone(name string, call zoneCall, z *zone, point ast.Node, frame *ast.StringNode, at int) (evaluator, *sourceError) {
	if z.Zone == nil { // it is wrong, and that is told
		return constant(null), nil
	}
	var way *geo.Transform
	if frame != nil {
		var wrong error
		if way, wrong = k.set.wayBetween(frame.Value, z.Frame); wrong != nil {
			return nil, sourceErrorf(frame.Location().From, "%s", wrong)
		}
	}
	what, err := k.node(point)
	if err != nil {
		return nil, err
	}
	m := k.mode
	return func(c *scope) (Value, error) {
		v, err := what(c)
		if err != nil {
			return null, err
		}
		if v.isNull() {
			return c.nullOperand(m, point, at)
		}
		x, y, err := z.place(v, way)
		if err == nil {
			v, err = call.of(z, x, y)
		}
		if err != nil {
			return null, locate(geoError(name, err), at)
		}
		return v, nil
	}, nil
}

// zoneOf gives the zone that a value names.
func (s *setCompiler) zoneOf(v Value) (*zone, error) {
	if !v.isString() {
		return nil, fail(WrongType, "the names of zones are text, not %s", v.typeName())
	}
	return s.zoneNamed(v.string())
}

// namedZone gives the zone that is written as text, nil where it is an expression.
func (k *compiler) namedZone(node ast.Node) (*zone, *sourceError) {
	name, ok := node.(*ast.StringNode)
	if !ok {
		return nil, nil
	}
	z, err := k.set.zoneNamed(name.Value)
	if err != nil {
		return nil, sourceErrorf(node.Location().From, "%s", err)
	}
	return z, nil
}

// namedFrame gives the name of a frame that is written as text, nil where it is an expression.
func (k *compiler) namedFrame(node ast.Node) (*ast.StringNode, *sourceError) {
	name, ok := node.(*ast.StringNode)
	if !ok {
		return nil, nil
	}
	if _, err := k.set.isLonLat(name.Value); err != nil {
		return nil, sourceErrorf(node.Location().From, "%s", err)
	}
	return name, nil
}

// A layerWay is how points come to the zones of one frame.
type layerWay struct {
	layer *geo.Layer
	way   *geo.Transform // nil: they are there
}

// waysFrom are the ways from a frame to all zones that it is connected with.
func (s *setCompiler) waysFrom(frame string, ways []layerWay) []layerWay {
	layers := s.layers.Layers()
	for i := range layers {
		if way, err := s.wayBetween(frame, layers[i].Frame); err == nil {
			ways = append(ways, layerWay{&layers[i], way})
		}
	}
	return ways
}

// zonesAt compiles zones_at(p) and zones_at(p, frame).
func (k *compiler) zonesAt(arguments []ast.Node, at int) (evaluator, *sourceError) {
	if len(arguments) != 1 && len(arguments) != 2 {
		return nil, sourceErrorf(at, "zones_at takes a point and its frame, which may be left out where the point is in lon and lat")
	}
	s := k.set
	fixed := s.waysFrom(lonLatFrame, nil)
	needsName := len(arguments) == 1
	if len(arguments) == 2 {
		frame, err := k.namedFrame(arguments[1])
		if err != nil {
			return nil, err
		}
		fixed = nil
		if frame != nil {
			fixed = s.waysFrom(frame.Value, []layerWay{})
			arguments = arguments[:1]
		}
	}
	f := &function{name: "zones_at", call: func(c *scope, args []Value) (Value, error) {
		p, err := pointOf(args[0])
		if err != nil {
			return null, geoError("zones_at", err)
		}
		if needsName && (p.Shape == geo.XY || p.Shape == geo.XYZ) {
			return null, fail(WrongType, "zones_at: the point is in x and y, so its frame is needed: zones_at(p, frame)")
		}
		ways := fixed
		if len(args) == 2 {
			if !args[1].isString() {
				return null, fail(WrongType, "zones_at: the names of frames are text, not %s", args[1].typeName())
			}
			if _, err := s.isLonLat(args[1].string()); err != nil {
				return null, geoError("zones_at", err)
			}
			ways = s.waysFrom(args[1].string(), nil)
		}
		names, err := s.covering(c, p, ways)
		if err != nil {
			return null, geoError("zones_at", err)
		}
		return boxed(names), nil
	}}
	return k.apply(f, arguments, at)
}

// covering gives the names of the zones that cover a point, sorted.
func (s *setCompiler) covering(c *scope, p geo.Point, ways []layerWay) ([]any, error) {
	var room [8]*geo.Zone
	found := room[:0]
	for _, to := range ways {
		moved, err := p, error(nil)
		if to.way != nil {
			moved, err = to.way.Point(p)
		}
		var outside *geo.Error
		if errors.As(err, &outside) && outside.Class == geo.OutsideDomain {
			continue // a projection does not reach there, and so its zones do not
		}
		if err != nil {
			return nil, err
		}
		at := zone{Zone: &geo.Zone{Name: "of " + to.layer.Frame, Frame: to.layer.Frame, LonLat: to.layer.LonLat}}
		x, y, err := at.coordinates(moved)
		if err != nil {
			return nil, err
		}
		found = to.layer.At(x, y, found)
	}
	if err := c.budget.spend(len(found), 0); err != nil {
		return nil, err
	}
	names := make([]any, len(found))
	for i, z := range found {
		names[i] = s.zones[z.Name].boxed
	}
	if len(ways) > 1 {
		slices.SortFunc(names, func(a, b any) int {
			if a.(string) < b.(string) {
				return -1
			}
			return 1
		})
	}
	return names, nil
}
