package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/internal/jsonscan"
)

// Most conditions hold a field of the payload against a literal. That is done on what the scanner found, without
// a Value of the field: 8 ns instead of 25 for text, 6 instead of 30 for a number. Whatever is not of the type that
// such a condition is written for goes the general way, so that the meaning is in one place.

// fieldOf gives the slot of a field of the payload, if a node that was compiled is nothing else: the field itself, or
// one of map that is a copy of it.
func (k *compiler) fieldOf(node ast.Node) (slot int, ok bool) {
	root, path := pathOf(node)
	if root == nil || slices.Contains(k.locals, root.Value) {
		return 0, false
	}
	switch {
	case root.Value == "payload":
		return k.set.field(path), true
	case root.Value == "out" && k.out != nil && k.out.kind == mapped && len(path) == 1:
		for i := range k.out.fields {
			if f := &k.out.fields[i]; f.name == path[0] && f.expression != nil {
				return f.expression.slot, f.expression.copies
			}
		}
	}
	return 0, false
}

// literal gives the value of a node that is written as text, a number or a boolean.
func (k *compiler) literal(node ast.Node) (Value, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return stringValue(n.Value), true
	case *ast.BoolNode:
		return boolValue(n.Value), true
	case *ast.IntegerNode:
		return intValue(int64(n.Value)), true
	case *ast.FloatNode:
		if i, ok := k.tree.integers[n.Location().From]; ok {
			return intValue(i), true
		}
		v, err := floatValue(n.Value)
		return v, err == nil
	case *ast.UnaryNode:
		if v, ok := k.literal(n.Node); ok && n.Operator == "-" && v.isNumber() {
			v, err := negate(v)
			return v, err == nil
		}
	}
	return null, false
}

// A test is a condition, or a part of one, that is decided on what the scanner found. Where known is false it was not:
// the general way says what it comes to, and counts what is missing.
type test func(c *scope) (holds, known bool)

// compared makes a comparison of a field with a literal of the general one.
func (k *compiler) compared(n *ast.BinaryNode, general evaluator) evaluator {
	decide := k.comparison(n)
	if decide == nil {
		return general
	}
	return func(c *scope) (Value, error) {
		if holds, known := decide(c); known {
			return boolValue(holds), nil
		}
		return general(c)
	}
}

// testOf gives the test of a whole condition: comparisons, and what and and or make of them. It is nil for all others,
// and where somebody watches which parts are reached.
func (k *compiler) testOf(node ast.Node) test {
	n, ok := node.(*ast.BinaryNode)
	if !ok || k.watch != nil {
		return nil
	}
	switch n.Operator {
	case "and", "&&", "or", "||":
		left, right := k.testOf(n.Left), k.testOf(n.Right)
		if left == nil || right == nil {
			return nil
		}
		decided := n.Operator == "or" || n.Operator == "||" // the value of the left that settles it
		return func(c *scope) (holds, known bool) {
			if holds, known = left(c); !known || holds == decided {
				return holds, known
			}
			return right(c)
		}
	}
	return k.comparison(n)
}

// comparison gives the test of a field that is held against a literal, nil where that is not what n does.
func (k *compiler) comparison(n *ast.BinaryNode) test {
	ordering := orderings[n.Operator]
	if n.Operator != "==" && n.Operator != "!=" && ordering == nil {
		return nil
	}
	slot, ok := k.fieldOf(n.Left)
	if !ok {
		return nil
	}
	literal, ok := k.literal(n.Right)
	if !ok {
		return nil
	}
	switch literal.kind {
	case String:
		if ordering == nil {
			return textIs(slot, literal.text, n.Operator == "==")
		}
	case Int, Float:
		return numberIs(slot, literal, orderOf(n.Operator))
	}
	return nil
}

// orderOf says what a comparison gives where the left is less than, equal to or more than the right.
func orderOf(operator string) (holds [3]bool) {
	switch operator {
	case "==":
		return [3]bool{false, true, false}
	case "!=":
		return [3]bool{true, false, true}
	}
	for i := range holds {
		holds[i] = orderings[operator](i - 1)
	}
	return holds
}

func textIs(slot int, text string, same bool) test {
	return func(c *scope) (holds, known bool) {
		s := &c.slots[slot]
		if s.Kind != jsonscan.String || s.Escaped {
			return false, false
		}
		return (string(s.Raw[1:len(s.Raw)-1]) == text) == same, true
	}
}

// exactInFloat is up to where every whole number is a float64.
const exactInFloat = 1 << 53

func numberIs(slot int, literal Value, holds [3]bool) test {
	whole, isWhole := literal.whole()
	f, _ := literal.number()
	isWhole = isWhole && (literal.kind == Int || whole >= -exactInFloat && whole <= exactInFloat)
	inFloat := literal.kind == Float || whole >= -exactInFloat && whole <= exactInFloat
	return func(c *scope) (bool, bool) {
		s := &c.slots[slot]
		switch {
		case s.Kind == jsonscan.Int && isWhole:
			return holds[1+cmp(int64(s.Bits), whole)], true
		case s.Kind == jsonscan.Float && inFloat:
			return holds[1+cmp(s.Float(), f)], true
		}
		return false, false
	}
}
