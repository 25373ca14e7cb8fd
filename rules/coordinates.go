package rules

import (
	"errors"
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/rules/geo"
)

// geoFunctionNames are the functions over coordinates.
var geoFunctionNames = append([]string{"transform", "transform_pose", "transform_vector"}, zoneFunctionNames...)

func geoFunctionNamed(name string) bool { return slices.Contains(geoFunctionNames, name) }

// A mover applies a transform to what a message holds.
type mover func(t *geo.Transform, v Value) (Value, error)

// pointMovers are those that take a point and no more.
var pointMovers = map[string]func(*geo.Transform, geo.Point) (geo.Point, error){
	"transform":        (*geo.Transform).Point,
	"transform_vector": (*geo.Transform).Vector,
}

func ofPoint(move func(*geo.Transform, geo.Point) (geo.Point, error)) mover {
	return func(t *geo.Transform, v Value) (Value, error) {
		p, err := pointIn(v, t.LonLat())
		if err != nil {
			return null, err
		}
		p, err = move(t, p)
		return boxed(p), err
	}
}

var movers = map[string]mover{
	"transform":        ofPoint((*geo.Transform).Point),
	"transform_vector": ofPoint((*geo.Transform).Vector),
	"transform_pose": func(t *geo.Transform, v Value) (Value, error) {
		p, err := poseIn(v, t.LonLat())
		if err != nil {
			return null, err
		}
		p, err = t.Pose(p)
		return boxed(p), err
	},
}

// geoFunction compiles a call of transform and its likes. Frames that are written as text are looked up once,
// at load, so that a wrong name is an error of the file.
func (k *compiler) geoFunction(name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	if len(arguments) != 3 {
		return nil, sourceErrorf(at, "%s takes 3 arguments (what, from, to), not %d", name, len(arguments))
	}
	move := movers[name]
	what, err := k.node(arguments[0])
	if err != nil {
		return nil, err
	}
	frames := k.set.frames
	fixed := true
	for _, argument := range arguments[1:] {
		frame, ok := argument.(*ast.StringNode)
		if !ok {
			fixed = false
			continue
		}
		if !frames.Has(frame.Value) {
			_, wrong := frames.Between(frame.Value, frame.Value)
			return nil, sourceErrorf(argument.Location().From, "%s", wrong)
		}
	}
	m, whatNode := k.mode, arguments[0]
	if fixed {
		way, wrong := frames.Between(arguments[1].(*ast.StringNode).Value, arguments[2].(*ast.StringNode).Value)
		if wrong != nil {
			return nil, sourceErrorf(at, "%s", wrong)
		}
		whole := func(c *scope) (Value, error) {
			v, err := what(c)
			if err != nil {
				return null, err
			}
			if v.isNull() {
				return c.nullOperand(m, whatNode, at)
			}
			v, err = move(way, v)
			return v, locate(geoError(name, err), at)
		}
		moved := k.movedPoint(name, arguments)
		if moved == nil {
			return whole, nil
		}
		return func(c *scope) (Value, error) {
			if p, ok := moved(c); ok {
				return boxed(p), nil
			}
			return whole(c)
		}, nil
	}
	read, movePoint := k.pointReader(whatNode, false), pointMovers[name]
	f := &function{name: name, call: func(c *scope, args []Value) (Value, error) {
		if !args[1].isString() || !args[2].isString() {
			return null, fail(WrongType, "%s: the names of frames are text", name)
		}
		way, err := frames.Between(args[1].string(), args[2].string())
		if err != nil {
			return null, geoError(name, err)
		}
		if read != nil && movePoint != nil && !way.LonLat() {
			if p, ok := read(c); ok {
				p, err := movePoint(way, p)
				return boxed(p), geoError(name, err)
			}
		}
		v, err := move(way, args[0])
		return v, geoError(name, err)
	}}
	return k.apply(f, arguments, at)
}

// movedPoint gives what moves a point of the payload between frames that are written as text, nil where a call does
// something else. It is false where anything is wrong: the general way says what.
func (k *compiler) movedPoint(name string, arguments []ast.Node) func(c *scope) (geo.Point, bool) {
	move := pointMovers[name]
	if move == nil || len(arguments) != 3 {
		return nil
	}
	from, ok := arguments[1].(*ast.StringNode)
	to, ok2 := arguments[2].(*ast.StringNode)
	if !ok || !ok2 {
		return nil
	}
	way, wrong := k.set.frames.Between(from.Value, to.Value)
	if wrong != nil {
		return nil
	}
	read := k.pointReader(arguments[0], way.LonLat())
	if read == nil {
		return nil
	}
	return func(c *scope) (geo.Point, bool) {
		p, ok := read(c)
		if !ok {
			return p, false
		}
		p, err := move(way, p)
		return p, err == nil
	}
}

// pointOfCall is movedPoint for a whole expression.
func (k *compiler) pointOfCall(node ast.Node) func(c *scope) (geo.Point, bool) {
	if call, ok := node.(*ast.CallNode); ok {
		if callee, ok := call.Callee.(*ast.IdentifierNode); ok {
			return k.movedPoint(callee.Value, call.Arguments)
		}
	}
	return nil
}

// geoError gives an error of package geo its class.
func geoError(name string, err error) error {
	if err == nil {
		return nil
	}
	var wrong *geo.Error
	if errors.As(err, &wrong) {
		return fail(Class(wrong.Class), "%s: %s", name, wrong.Message)
	}
	if known, ok := err.(*evalError); ok {
		known.Message = name + ": " + known.Message
	}
	return err
}
