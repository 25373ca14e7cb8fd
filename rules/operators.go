package rules

import (
	"math"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// truth gives a boolean operand. Null is false in a condition, and counted.
func (c *scope) truth(v Value, m mode, node ast.Node) (bool, error) {
	switch v.kind {
	case Bool:
		return v.bits == 1, nil
	case Null:
		_, err := c.nullOperand(m, node, node.Location().From)
		return false, err
	}
	return false, &evalError{Class: NotBoolean, Message: node.String() + " is " + v.typeName() + ", not true or false", at: node.Location().From}
}

func (k *compiler) unary(n *ast.UnaryNode) (evaluator, *sourceError) {
	at, m := n.Location().From, k.mode
	if n.Operator == "-" {
		if literal, ok := n.Node.(*ast.IntegerNode); ok {
			return constant(intValue(-int64(literal.Value))), nil
		}
		if literal, ok := n.Node.(*ast.FloatNode); ok && k.tree.integers[literal.Location().From] == math.MinInt64 {
			return constant(intValue(math.MinInt64)), nil
		}
	}
	operand, err := k.node(n.Node)
	if err != nil {
		return nil, err
	}
	inner := n.Node
	switch n.Operator {
	case "not", "!":
		return func(c *scope) (Value, error) {
			v, err := operand(c)
			if err != nil {
				return null, err
			}
			if v.isNull() && m == defaulted {
				return null, nil
			}
			b, err := c.truth(v, m, inner)
			return boolValue(!b), err
		}, nil
	case "-", "+":
		negative := n.Operator == "-"
		return func(c *scope) (Value, error) {
			v, err := operand(c)
			if err != nil {
				return null, err
			}
			if v.isNull() {
				return c.nullOperand(m, inner, at)
			}
			if negative {
				v, err = negate(v)
				return v, locate(err, at)
			}
			if !v.isNumber() {
				return null, &evalError{Class: WrongType, Message: "+ takes a number, not " + v.typeName(), at: at}
			}
			return v, nil
		}, nil
	}
	return nil, sourceErrorf(at, "the operator %s is not known here", n.Operator)
}

type arithmetic func(b *budget, x, y Value) (Value, error)

var arithmetics = map[string]arithmetic{"+": add, "-": subtract, "*": multiply, "/": divide, "%": modulo, "**": power, "^": power}

// orderings say which results of compare make an operator true.
var orderings = map[string]func(order int) bool{
	"<":  func(order int) bool { return order < 0 },
	"<=": func(order int) bool { return order <= 0 },
	">":  func(order int) bool { return order > 0 },
	">=": func(order int) bool { return order >= 0 },
}

func (k *compiler) binary(n *ast.BinaryNode) (evaluator, *sourceError) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return k.logic(n)
	case "??":
		return k.coalesce(n)
	case "matches":
		return k.matches(n)
	case "in":
		if t := k.table(n.Right); t != nil {
			return k.inTable(n, t)
		}
	}
	left, err := k.node(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := k.node(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "==":
		return k.compared(n, equality(left, right, true, n.Location().From)), nil
	case "!=":
		return k.compared(n, equality(left, right, false, n.Location().From)), nil
	}
	if operation := arithmetics[n.Operator]; operation != nil {
		return k.both(n, left, right, null, operation), nil
	}
	if holds := orderings[n.Operator]; holds != nil {
		operator := n.Operator
		return k.compared(n, k.both(n, left, right, falseValue, func(_ *budget, x, y Value) (Value, error) {
			order, err := compare(operator, x, y)
			return boolValue(holds(order)), err
		})), nil
	}
	switch n.Operator {
	case "in":
		return k.both(n, left, right, falseValue, func(b *budget, x, y Value) (Value, error) {
			found, err := contained(b, x, y)
			return boolValue(found), err
		}), nil
	case "contains":
		return k.both(n, left, right, falseValue, text("contains", strings.Contains)), nil
	case "startsWith":
		return k.both(n, left, right, falseValue, text("startsWith", strings.HasPrefix)), nil
	case "endsWith":
		return k.both(n, left, right, falseValue, text("endsWith", strings.HasSuffix)), nil
	case "..":
		return k.both(n, left, right, null, makeRange), nil
	}
	return nil, sourceErrorf(n.Location().From, "the operator %s is not known here", n.Operator)
}

// both evaluates two operands and deals with null, so that operation sees none. absent is what a condition
// makes of null.
func (k *compiler) both(n *ast.BinaryNode, left, right evaluator, absent Value, operation arithmetic) evaluator {
	at, m, leftNode, rightNode := n.Location().From, k.mode, n.Left, n.Right
	return func(c *scope) (Value, error) {
		x, err := left(c)
		if err != nil {
			return null, err
		}
		y, err := right(c)
		if err != nil {
			return null, err
		}
		if x.kind == Null || y.kind == Null {
			missing := leftNode
			if x.kind != Null {
				missing = rightNode
			}
			if _, err := c.nullOperand(m, missing, at); err != nil || m == defaulted {
				return null, err
			}
			return absent, nil
		}
		v, err := operation(&c.budget, x, y)
		if err != nil {
			return null, locate(err, at)
		}
		return v, nil
	}
}

func equality(left, right evaluator, want bool, at int) evaluator {
	return func(c *scope) (Value, error) {
		x, err := left(c)
		if err != nil {
			return null, err
		}
		y, err := right(c)
		if err != nil {
			return null, err
		}
		same, err := equal(&c.budget, x, y)
		return boolValue(same == want), locate(err, at)
	}
}

func text(name string, holds func(s, t string) bool) arithmetic {
	return func(b *budget, x, y Value) (Value, error) {
		if !x.isString() || !y.isString() {
			return null, wrongPair(name, x, y)
		}
		if err := b.spend(len(x.text)/textStep, 0); err != nil {
			return null, err
		}
		return boolValue(holds(x.string(), y.string())), nil
	}
}

func makeRange(b *budget, x, y Value) (Value, error) {
	from, ok := x.whole()
	to, ok2 := y.whole()
	if !ok || !ok2 {
		return null, wrongPair("..", x, y)
	}
	if to < from {
		return boxed([]any{}), nil
	}
	if n := uint64(to) - uint64(from); n >= maxSteps {
		return null, fail(LimitReached, "a range of more than %d numbers", maxSteps)
	}
	n := int(to-from) + 1
	if err := b.spend(n, 0); err != nil {
		return null, err
	}
	list := make([]any, n)
	for i := range list {
		list[i] = from + int64(i)
	}
	return boxed(list), nil
}

func (k *compiler) logic(n *ast.BinaryNode) (evaluator, *sourceError) {
	left, err := k.node(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := k.node(n.Right)
	if err != nil {
		return nil, err
	}
	left, right = k.watch.clause(n.Left, left), k.watch.clause(n.Right, right)
	m, leftNode, rightNode := k.mode, n.Left, n.Right
	decided := n.Operator == "or" || n.Operator == "||" // the value of the left that settles it
	return func(c *scope) (Value, error) {
		v, err := left(c)
		if err != nil {
			return null, err
		}
		b := v.bits == 1
		if v.kind != Bool {
			if v.isNull() && m == defaulted {
				return null, nil
			}
			if b, err = c.truth(v, m, leftNode); err != nil {
				return null, err
			}
		}
		if b == decided {
			return boolValue(b), nil
		}
		if v, err = right(c); err != nil || v.kind == Bool || v.isNull() && m == defaulted {
			return v, err
		}
		b, err = c.truth(v, m, rightNode)
		return boolValue(b), err
	}, nil
}

func (k *compiler) coalesce(n *ast.BinaryNode) (evaluator, *sourceError) {
	outer := k.mode
	if outer == strict {
		k.mode = defaulted
	}
	left, err := k.node(n.Left)
	k.mode = outer
	if err != nil {
		return nil, err
	}
	right, err := k.node(n.Right)
	if err != nil {
		return nil, err
	}
	return func(c *scope) (Value, error) {
		v, err := left(c)
		if err != nil || !v.isNull() {
			return v, err
		}
		return right(c)
	}, nil
}

// matches takes a constant pattern only, so that it is compiled once, and wrong ones are found at load.
func (k *compiler) matches(n *ast.BinaryNode) (evaluator, *sourceError) {
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		return nil, sourceErrorf(n.Right.Location().From, "the pattern of matches must be written as text in quotes")
	}
	re, failed := regexp.Compile(pattern.Value)
	if failed != nil {
		return nil, sourceErrorf(n.Right.Location().From, "%s", strings.TrimPrefix(failed.Error(), "error parsing regexp: "))
	}
	left, err := k.node(n.Left)
	if err != nil {
		return nil, err
	}
	return k.both(n, left, constant(stringValue(pattern.Value)), falseValue, func(b *budget, x, _ Value) (Value, error) {
		if !x.isString() {
			return null, fail(WrongType, "matches takes text, not %s", x.typeName())
		}
		if err := b.spend(len(x.text)/textStep, 0); err != nil {
			return null, err
		}
		return boolValue(re.MatchString(x.string())), nil
	}), nil
}

func (k *compiler) conditional(n *ast.ConditionalNode) (evaluator, *sourceError) {
	parts, err := k.nodes([]ast.Node{n.Cond, n.Exp1, n.Exp2})
	if err != nil {
		return nil, err
	}
	cond, yes, no, m, condNode := parts[0], parts[1], parts[2], k.mode, n.Cond
	return func(c *scope) (Value, error) {
		v, err := cond(c)
		if err != nil {
			return null, err
		}
		if v.isNull() && m == defaulted {
			return null, nil
		}
		b, err := c.truth(v, m, condNode)
		if err != nil {
			return null, err
		}
		if b {
			return yes(c)
		}
		return no(c)
	}, nil
}
