package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"edge/internal/strictyaml"
)

// The functions of aggregate:, with how many values they take. min and max of two or more values are the
// ordinary functions.
var gatherers = map[string]struct{ min, max int }{
	"count": {0, 1}, "sum": {1, 1}, "avg": {1, 1}, "min": {1, 1}, "max": {1, 1}, "first": {1, 1}, "last": {1, 1},
	"stddev": {1, 1}, "stddev_pop": {1, 1}, "variance": {1, 1}, "variance_pop": {1, 1},
	"median": {1, 1}, "percentile": {2, 2}, "count_distinct": {1, 1}, "collect": {1, 2},
}

// A gathering is the field of aggregate: that is being compiled.
type gathering struct {
	into      *aggregates
	arguments names  // what an argument may read
	argument  string // the aggregate whose argument is being compiled; "": none
	readsLets bool   // an argument does
}

// ofWindow gives the names that are known of what a window brings, where in is what was known of a message.
func (in names) ofWindow() names { return names{key: true, out: in.out, window: true} }

var messageNames = []string{"payload", "params", "topic", "meta", "item", "state", "last"}

// ofMessage refuses the names of one message where there are many behind a result.
func (k *compiler) ofMessage(name string, at int) *sourceError {
	if !k.names.window || !slices.Contains(messageNames, name) && !slices.Contains(k.lets, name) {
		return nil
	}
	if k.gathering != nil {
		return sourceErrorf(at, "%s is of one message, and a window has many: use first() or last(), such as last(%s)", name, nameOfMessage(name))
	}
	return sourceErrorf(at, "%s is of one message, and a window has many: take it into aggregate: with first() or last(), and read out here", name)
}

func nameOfMessage(name string) string {
	switch name {
	case "payload", "params", "item", "state", "last":
		return name + ".name"
	case "meta":
		return "meta.received"
	}
	return name
}

// windowField compiles window.start and window.end, and window, the object of both.
func (k *compiler) windowField(path []string, at int) (evaluator, *sourceError) {
	if !k.names.window {
		return nil, sourceErrorf(at, "window is of a rule with window:, in its aggregate, having and routes, and not in the argument of an aggregate")
	}
	switch strings.Join(path, ".") {
	case "start":
		return func(c *scope) (Value, error) { return intValue(c.window.start), nil }, nil
	case "end":
		return func(c *scope) (Value, error) { return intValue(c.window.end), nil }, nil
	case "":
		return func(c *scope) (Value, error) {
			return boxed(map[string]any{"start": c.window.start, "end": c.window.end}), nil
		}, nil
	}
	if hint := strictyaml.Suggest(path[0], []string{"start", "end"}); hint != "" && len(path) == 1 {
		return nil, sourceErrorf(at, "window has no %s, did you mean window.%s?", path[0], hint)
	}
	return nil, sourceErrorf(at, "window has no %s; it has start and end, in Unix ms", strings.Join(path, "."))
}

// aggregate compiles the block of that name. The result has its fields as that of map has.
func (b *builder) aggregate(spec *ruleSpec, in names) {
	r := b.rule
	for _, other := range [...]struct {
		block *block
		name  string
	}{{spec.Map, "map"}, {spec.Set, "set"}} {
		if other.block != nil {
			b.add(other.block.pos, "%s and aggregate exclude each other: aggregate makes the payload, of many messages", other.name)
		}
	}
	if len(spec.Remove) > 0 {
		b.add(spec.Remove[0].Pos, "remove goes with set: aggregate makes a new payload, with nothing to remove")
	}
	r.shape.kind = mapped
	r.aggregate = &aggregates{rule: r}
	for _, f := range spec.Aggregate.fields {
		r.shape.place(f.Key)
	}
	k := &b.compiler
	k.gathering = &gathering{into: r.aggregate, arguments: in}
	defer func() { k.gathering = nil }()
	in.out = true
	for i, f := range spec.Aggregate.fields {
		r.shape.fields[i].expression = b.value(f.Value, "aggregate."+f.Key, in.ofWindow())
		r.shape.ready++
	}
	r.aggregate.lay()
	if k.gathering.readsLets { // whose meaning is part of that of the aggregates
		for _, let := range spec.Let {
			r.aggregate.signature += let.Key + "=" + let.Value.Value + "\n"
		}
	}
}

// gathers says whether a call by this name gathers values of many messages.
func (k *compiler) gathers(name string, arguments int) bool {
	_, ok := gatherers[name]
	return ok && (arguments < 2 || name != "min" && name != "max")
}

// gather compiles the call of an aggregate. Equal ones are one.
func (k *compiler) gather(name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	g := k.gathering
	if g.argument != "" {
		hint := ""
		switch name {
		case "sum", "min", "max":
			hint = "; of a list write reduce(list, …)"
		}
		return nil, sourceErrorf(at, "%s inside of %s: aggregates cannot be nested%s", name, g.argument, hint)
	}
	takes := gatherers[name]
	f := function{name: name, min: takes.min, max: takes.max}
	if wrong := f.arguments(len(arguments)); wrong != "" {
		return nil, sourceErrorf(at, "%s", wrong)
	}
	a := aggregation{name: name, argument: -1}
	if len(arguments) > 0 {
		i, err := k.gathered(name, arguments[0])
		if err != nil {
			return nil, err
		}
		a.argument = i
	}
	switch name {
	case "median":
		a.percent = 50
	case "collect":
		a.limit = defaultCollected
	}
	if len(arguments) == 2 {
		if err := k.parameter(&a, arguments[1]); err != nil {
			return nil, err
		}
	}
	a.at = at
	i := g.into.aggregation(a)
	return func(c *scope) (Value, error) { return c.aggregated[i], nil }, nil
}

// gathered compiles the argument of an aggregate: an expression over one message, in which null is no error but
// leads to null, which is skipped. Equal ones are computed once.
func (k *compiler) gathered(name string, node ast.Node) (int, *sourceError) {
	g := k.gathering
	outer, mode, locals, inside := k.names, k.mode, k.locals, k.inside
	k.names, k.mode, k.locals, k.inside = g.arguments, defaulted, nil, 0
	g.argument = name
	eval, err := k.node(node)
	g.argument = ""
	k.names, k.mode, k.locals, k.inside = outer, mode, locals, inside
	if err != nil {
		return 0, err
	}
	text := k.textOf(node)
	for i := range g.into.arguments {
		if g.into.arguments[i].text == text {
			return i, nil
		}
	}
	g.into.arguments = append(g.into.arguments, argument{text: text, expression: &expression{eval: eval}})
	return len(g.into.arguments) - 1, nil
}

// textOf gives an argument as text, equal for equal ones. Integers beyond 32 bits are not in the parser's tree.
func (k *compiler) textOf(node ast.Node) string {
	text := node.String()
	var look func(ast.Node)
	look = func(n ast.Node) {
		switch n := n.(type) {
		case *ast.FloatNode:
			if i, ok := k.tree.integers[n.Location().From]; ok {
				text += fmt.Sprint(" ", i)
			}
		case *ast.IdentifierNode:
			k.gathering.readsLets = k.gathering.readsLets || slices.Contains(k.lets, n.Value)
		}
		for _, child := range children(n) {
			look(child)
		}
	}
	look(node)
	return text
}

// parameter reads the second value of percentile and collect, which must be known when the file is loaded.
func (k *compiler) parameter(a *aggregation, node ast.Node) *sourceError {
	at := node.Location().From
	v := null
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.UnaryNode:
		if eval, err := k.node(node); err == nil {
			v, _ = eval(&scope{})
		}
	}
	switch a.name {
	case "percentile":
		p, ok := v.number()
		if !ok || p < 0 || p > 100 {
			return sourceErrorf(at, "percentile wants a number from 0 to 100 as its second argument, written as such: percentile(x, 95)")
		}
		a.percent = p
	default:
		n, ok := v.whole()
		if !ok || n < 1 || n > mostCollected {
			return sourceErrorf(at, "collect wants a whole number from 1 to %d as its second argument, written as such: collect(x, 10)", mostCollected)
		}
		a.limit = int(n)
	}
	return nil
}
