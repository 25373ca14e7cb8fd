package rules

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

func (k *compiler) slice(n *ast.SliceNode) (evaluator, *sourceError) {
	bound := func(node ast.Node) (evaluator, *sourceError) {
		if node == nil {
			return constant(null), nil
		}
		return k.node(node)
	}
	base, err := k.node(n.Node)
	if err != nil {
		return nil, err
	}
	from, err := bound(n.From)
	if err != nil {
		return nil, err
	}
	to, err := bound(n.To)
	if err != nil {
		return nil, err
	}
	at, m, baseNode := n.Location().From, k.mode, n.Node
	return func(c *scope) (Value, error) {
		v, err := base(c)
		if err != nil {
			return null, err
		}
		if v.isNull() {
			return c.nullOperand(m, baseNode, at)
		}
		f, err := from(c)
		if err != nil {
			return null, err
		}
		t, err := to(c)
		if err != nil {
			return null, err
		}
		v, err = cut(v, f, t)
		return v, locate(err, at)
	}, nil
}

// cut gives part of a list or of a text, as a[from:to] does; both ends may be null, and what is past the end
// is left out.
func cut(v, from, to Value) (Value, error) {
	list, isList := v.list()
	if !isList && !v.isString() {
		return null, fail(WrongType, "%s has no part [from:to]", v.typeName())
	}
	s := v.string()
	length := len(list)
	if !isList {
		length = len(s)
	}
	end := func(v Value, otherwise int) (int, error) {
		if v.isNull() {
			return otherwise, nil
		}
		i, ok := v.whole()
		if !ok {
			return 0, fail(WrongType, "the ends of [from:to] are whole numbers, not %s", v.typeName())
		}
		if i < 0 {
			i += int64(length)
		}
		return int(max(0, min(i, int64(length)))), nil
	}
	first, err := end(from, 0)
	if err != nil {
		return null, err
	}
	last, err := end(to, length)
	if err != nil {
		return null, err
	}
	last = max(first, last)
	if isList {
		return boxed(list[first:last:last]), nil
	}
	return stringValue(strings.ToValidUTF8(s[first:last], "")), nil
}

func (k *compiler) array(n *ast.ArrayNode) (evaluator, *sourceError) {
	elements, err := k.nodes(n.Nodes)
	if err != nil {
		return nil, err
	}
	if list, ok := constants(n.Nodes); ok {
		return constant(boxed(list)), nil
	}
	return func(c *scope) (Value, error) {
		if err := c.budget.spend(len(elements), 0); err != nil {
			return null, err
		}
		list := make([]any, len(elements))
		for i, element := range elements {
			v, err := element(c)
			if err != nil {
				return null, err
			}
			list[i] = v.box()
		}
		return boxed(list), nil
	}, nil
}

// constants gives the values of a list of literals.
func constants(nodes []ast.Node) ([]any, bool) {
	list := make([]any, len(nodes))
	for i, node := range nodes {
		switch n := node.(type) {
		case *ast.StringNode:
			list[i] = n.Value
		case *ast.IntegerNode:
			list[i] = int64(n.Value)
		case *ast.BoolNode:
			list[i] = n.Value
		default:
			return nil, false
		}
	}
	return list, true
}

func (k *compiler) object(n *ast.MapNode) (evaluator, *sourceError) {
	keys := make([]evaluator, len(n.Pairs))
	values := make([]evaluator, len(n.Pairs))
	for i, node := range n.Pairs {
		pair := node.(*ast.PairNode)
		var err *sourceError
		if keys[i], err = k.node(pair.Key); err != nil {
			return nil, err
		}
		if values[i], err = k.node(pair.Value); err != nil {
			return nil, err
		}
	}
	at := n.Location().From
	return func(c *scope) (Value, error) {
		if err := c.budget.spend(len(keys), 0); err != nil {
			return null, err
		}
		object := make(map[string]any, len(keys))
		for i := range keys {
			name, err := keys[i](c)
			if err != nil {
				return null, err
			}
			if !name.isString() {
				return null, &evalError{Class: WrongType, Message: "the key of an object is text, not " + name.typeName(), at: at}
			}
			v, err := values[i](c)
			if err != nil {
				return null, err
			}
			object[name.string()] = v.box()
		}
		return boxed(object), nil
	}, nil
}
