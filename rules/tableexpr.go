package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// table gives the table that a node names, nil if it names something else.
func (k *compiler) table(node ast.Node) *table {
	if chain, ok := node.(*ast.ChainNode); ok {
		node = chain.Node
	}
	name, ok := node.(*ast.IdentifierNode)
	if !ok || slices.Contains(k.locals, name.Value) {
		return nil
	}
	t := k.set.tables[name.Value]
	k.usesTables = k.usesTables || t != nil
	return t
}

// lookup compiles table.name and table["name"], and what follows.
func lookup(t *table, path []string) evaluator {
	id := appendIdentity(nil, stringValue(path[0]))
	return members(func(c *scope) (Value, error) {
		v, _ := t.get(id, c.now)
		return v, nil
	}, path[1:])
}

// rowOf compiles table[key]. A key that is not there gives null, and so does one that is null.
func (k *compiler) rowOf(t *table, property ast.Node, at int) (evaluator, *sourceError) {
	key, err := k.node(property)
	if err != nil {
		return nil, err
	}
	return func(c *scope) (Value, error) {
		v, err := key(c)
		if err != nil {
			return null, err
		}
		v, _, err = c.look(t, v)
		return v, locate(err, at)
	}, nil
}

// look finds a row by the value of its key.
func (c *scope) look(t *table, key Value) (Value, bool, error) {
	switch key.kind {
	case Null:
		return null, false, nil
	case Object, Array, Boxed:
		return null, false, fail(WrongType, "%s is no key of the table %s; a key is text, a number or a boolean", key.typeName(), t.name)
	}
	c.row = appendIdentity(c.row[:0], key)
	v, found := t.get(c.row, c.now)
	return v, found, nil
}

// inTable compiles key in table.
func (k *compiler) inTable(n *ast.BinaryNode, t *table) (evaluator, *sourceError) {
	key, err := k.node(n.Left)
	if err != nil {
		return nil, err
	}
	at, m, left := n.Location().From, k.mode, n.Left
	return func(c *scope) (Value, error) {
		v, err := key(c)
		if err != nil {
			return null, err
		}
		if v.isNull() {
			if _, err := c.nullOperand(m, left, at); err != nil || m == defaulted {
				return null, err
			}
			return falseValue, nil
		}
		_, found, err := c.look(t, v)
		return boolValue(found), locate(err, at)
	}, nil
}

// ofTable compiles the functions that need not make an object of all of a table; nil where the call is of
// another kind.
func (k *compiler) ofTable(name string, arguments []ast.Node, at int) (evaluator, *sourceError) {
	if len(arguments) == 0 {
		return nil, nil
	}
	t := k.table(arguments[0])
	switch {
	case t == nil:
		return nil, nil
	case name == "get" && len(arguments) == 2:
		return k.rowOf(t, arguments[1], at)
	case len(arguments) != 1:
		return nil, nil
	}
	switch name {
	case "len":
		return func(c *scope) (Value, error) { return intValue(int64(t.size(c.now))), nil }, nil
	case "keys":
		return t.list(func(one *row) any { return keyOf(one.id).box() }), nil
	case "values":
		return t.list(func(one *row) any { return one.value.box() }), nil
	}
	return nil, nil
}

// list makes a list of something of each row, in the order of the keys.
func (t *table) list(of func(one *row) any) evaluator {
	return func(c *scope) (Value, error) {
		all := sortedRows(t.all(c.now))
		made := make([]any, len(all))
		for i := range all {
			if err := c.budget.spend(1+reading(len(all[i].value.text)), 0); err != nil {
				return null, err
			}
			made[i] = of(&all[i])
		}
		return boxed(made), nil
	}
}

// object compiles a table that stands alone: all of it, as an object, whose keys are text.
func (t *table) object() evaluator {
	return func(c *scope) (Value, error) {
		object := map[string]any{}
		for _, one := range t.all(c.now) {
			if err := c.budget.spend(1+reading(len(one.value.text)), 0); err != nil {
				return null, err
			}
			object[keyOf(one.id).asKey()] = one.value.box()
		}
		return boxed(object), nil
	}
}
