package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/internal/strictyaml"
)

// aggregateNames are functions over the messages of a window, which have no meaning anywhere else.
var aggregateNames = []string{"count", "avg", "stddev", "stddev_pop", "variance", "variance_pop", "percentile", "collect", "count_distinct"}

func isAggregate(name string) bool { return slices.Contains(aggregateNames, name) }

func (k *compiler) call(n *ast.CallNode) (evaluator, *sourceError) {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return k.function(callee.Value, n.Arguments, n.Location().From)
	case *ast.MemberNode:
		if name, ok := callee.Property.(*ast.StringNode); ok {
			return k.method(callee.Node, name.Value, n.Arguments, callee.Location().From)
		}
	}
	return nil, sourceErrorf(n.Location().From, "this cannot be called")
}

func (k *compiler) builtin(n *ast.BuiltinNode) (evaluator, *sourceError) {
	if len(n.Arguments) > 1 {
		if predicate, ok := n.Arguments[1].(*ast.PredicateNode); ok {
			return k.predicate(n, predicate)
		}
	}
	return k.function(n.Name, n.Arguments, n.Location().From)
}

// function compiles a call of a function by its name.
func (k *compiler) function(name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	if k.gathering != nil && k.gathers(name, len(arguments)) {
		return k.gather(name, arguments, at)
	}
	if name == "lag" {
		return k.lag(arguments, at)
	}
	if isAggregate(name) {
		hint := "it belongs in aggregate:, over a window"
		if name == "count" {
			hint = "it belongs in aggregate:, over a window; to count the elements of a list write len(filter(list, condition))"
		}
		return nil, sourceErrorf(at, "%s cannot be used here: %s", name, hint)
	}
	if isPredicate(name) {
		return nil, sourceErrorf(at, "%s takes a list and a condition, such as %s(list, # > 1)", name, name)
	}
	if geoFunctionNamed(name) {
		return k.geoFunction(name, arguments, at)
	}
	if call, err := k.ofTable(name, arguments, at); call != nil || err != nil {
		return call, err
	}
	f := functionNamed(name)
	if f == nil {
		if hint := strictyaml.Suggest(name, functionNames()); hint != "" {
			return nil, sourceErrorf(at, "unknown function %s, did you mean %s?", name, hint)
		}
		return nil, sourceErrorf(at, "unknown function %s", name)
	}
	if wrong := f.arguments(len(arguments)); wrong != "" {
		return nil, sourceErrorf(at, "%s", wrong)
	}
	return k.apply(f, arguments, at)
}

func functionNames() []string {
	names := slices.Clone(predicateNames)
	names = append(names, geoFunctionNames...)
	for _, library := range [...]map[string]*function{textFunctions, numberFunctions, listFunctions, timeFunctions} {
		for name := range library {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// apply evaluates arguments on the lane's stack and calls f with them.
func (k *compiler) apply(f *function, arguments []ast.Node, at int) (evaluator, *sourceError) {
	args, err := k.nodes(arguments)
	if err != nil {
		return nil, err
	}
	m := k.mode
	return func(c *scope) (Value, error) {
		base := len(c.args)
		for i, arg := range args {
			v, err := arg(c)
			if err != nil {
				c.args = c.args[:base]
				return null, err
			}
			if v.isNull() && !f.nulls {
				c.args = c.args[:base]
				return c.nullOperand(m, arguments[i], at)
			}
			c.args = append(c.args, v)
		}
		v, err := f.call(c, c.args[base:])
		c.args = c.args[:base]
		return v, locate(err, at)
	}, nil
}

// method compiles x.Name(…), which times and durations have.
func (k *compiler) method(receiver ast.Node, name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	if !knownMethod(name) {
		return nil, sourceErrorf(at, "values have no method %s", name)
	}
	if n := methodArguments(name); n >= 0 && n != len(arguments) {
		return nil, sourceErrorf(at, "%s takes %s, not %d", name, plural(n, "argument"), len(arguments))
	}
	f := &function{name: name, call: func(_ *scope, args []Value) (Value, error) { return method(args[0], name, args[1:]) }}
	return k.apply(f, append([]ast.Node{receiver}, arguments...), at)
}
