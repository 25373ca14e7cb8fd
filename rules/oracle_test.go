package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	bytecode "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// An oracle says what an expression gives by running it on expr-lang's VM, with the tree patched where edge means
// something else than expr-lang (docs/expressions.md): null, 64-bit integers, errors in place of infinities. The
// jumps, loops, lets and lists are the VM's; operators and functions are those of oracleops_test.go and
// oraclefunctions_test.go, written over plain Go values and big numbers, without a look at the evaluator.
type oracle struct {
	tree    *tree
	program *vm.Program
	calls   int    // of functions, in one run
	missing int64  // what a condition found missing
	serial  int    // of the lets of the patch
	pairs   []bool // by predicate around: its # is a pair of index and element
}

// The oracle's patience is less than edge's: what takes longer than this is not compared.
const (
	oracleCalls = 50_000
	oracleRange = 200 // numbers in a..b
)

// A refusal is an error of a message, by its class.
type refusal struct{ class Class }

func (r *refusal) Error() string { return string(r.class) }

func refuse(class Class) (any, error) { return nil, &refusal{class} }

func newOracle(t testing.TB, source string, m mode) *oracle {
	t.Helper()
	parsed, bad := parse(source)
	if bad != nil {
		t.Fatalf("%s: %v", source, bad)
	}
	o := &oracle{tree: parsed}
	config := conf.CreateNew()
	for name, f := range o.functions() {
		config.Functions[name] = &builtin.Function{Name: name, Func: func(args ...any) (any, error) {
			if o.calls++; o.calls > oracleCalls {
				return refuse(LimitReached)
			}
			return f(args...)
		}}
	}
	root := o.patch(parsed.root, m)
	program, err := bytecode.Compile(&parser.Tree{Node: root, Source: file.NewSource(source)}, config)
	if err != nil {
		t.Fatalf("%s: the patched tree %s: %v", source, root, err)
	}
	o.program = program
	return o
}

// run gives the value of the expression for a payload, or the class of its error.
func (o *oracle) run(payload any) (any, Class) {
	o.missing, o.calls = 0, 0
	value, err := vm.Run(o.program, map[string]any{"payload": payload})
	if err == nil {
		return normal(value), ""
	}
	var known *refusal
	if errors.As(err, &known) {
		return nil, known.class
	}
	if strings.Contains(err.Error(), "memory budget") {
		return nil, LimitReached
	}
	return nil, Class("an error of the VM: " + err.Error())
}

// judge gives what a condition does with a message: whether it passes, what it found missing, the class of its error.
func (o *oracle) judge(payload any) (passes bool, missing int64, class Class) {
	value, class := o.run(payload)
	switch pass := value.(type) {
	case bool:
		return pass, o.missing, class
	case nil:
		if class == "" {
			o.missing++
		}
		return false, o.missing, class
	}
	return false, o.missing, NotBoolean
}

// oracleCall makes a call of one of the oracle's functions.
func oracleCall(name string, arguments ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: arguments}
}

func value64(x any) ast.Node { return &ast.ConstantNode{Value: x} }

func ofMode(m mode) ast.Node { return value64(int64(m)) }

// bind evaluates a node once and gives it a name in what body makes.
func (o *oracle) bind(node ast.Node, body func(name ast.Node) ast.Node) ast.Node {
	o.serial++
	name := "bound" + strconv.Itoa(o.serial)
	return &ast.VariableDeclaratorNode{Name: name, Value: node, Expr: body(&ast.IdentifierNode{Value: name})}
}

// unlessNull evaluates a node, and goes on with it where it is not null. Else it is what null means in a mode.
func (o *oracle) unlessNull(node ast.Node, m mode, body func(name ast.Node) ast.Node) ast.Node {
	return o.bind(node, func(name ast.Node) ast.Node {
		return &ast.ConditionalNode{Cond: oracleCall("isNull", name), Exp1: oracleCall("absent", ofMode(m)), Exp2: body(name)}
	})
}

// patch makes the tree that the VM runs of the one that was parsed.
func (o *oracle) patch(node ast.Node, m mode) ast.Node {
	switch n := node.(type) {
	case *ast.IntegerNode:
		return value64(int64(n.Value))
	case *ast.FloatNode:
		if i, ok := o.tree.integers[n.Location().From]; ok {
			return value64(i)
		}
		return value64(n.Value)
	case *ast.NilNode, *ast.BoolNode, *ast.StringNode, *ast.IdentifierNode:
		return n
	case *ast.PointerNode:
		if len(o.pairs) > 0 && o.pairs[len(o.pairs)-1] {
			return oracleCall("part", value64(n.Name), &ast.PointerNode{})
		}
		return n
	case *ast.ChainNode:
		return o.patch(n.Node, m)
	case *ast.MemberNode:
		return oracleCall("member", o.patch(n.Node, m), o.patch(n.Property, m))
	case *ast.UnaryNode:
		return oracleCall("unary", ofMode(m), value64(n.Operator), o.patch(n.Node, m))
	case *ast.BinaryNode:
		return o.patchBinary(n, m)
	case *ast.ConditionalNode:
		return o.decide(o.patch(n.Cond, m), m, o.patch(n.Exp1, m), o.patch(n.Exp2, m))
	case *ast.SliceNode:
		return o.unlessNull(o.patch(n.Node, m), m, func(list ast.Node) ast.Node {
			return oracleCall("slice", list, o.patchOrNil(n.From, m), o.patchOrNil(n.To, m))
		})
	case *ast.ArrayNode:
		return &ast.ArrayNode{Nodes: o.patchAll(n.Nodes, m)}
	case *ast.MapNode:
		pairs := make([]ast.Node, len(n.Pairs))
		for i, pair := range n.Pairs {
			p := pair.(*ast.PairNode)
			pairs[i] = &ast.PairNode{Key: oracleCall("fieldName", o.patch(p.Key, m)), Value: o.patch(p.Value, m)}
		}
		return &ast.MapNode{Pairs: pairs}
	case *ast.VariableDeclaratorNode:
		return &ast.VariableDeclaratorNode{Name: n.Name, Value: o.patch(n.Value, m), Expr: o.patch(n.Expr, m)}
	case *ast.CallNode:
		if method, ok := n.Callee.(*ast.MemberNode); ok {
			arguments := append([]ast.Node{method.Node}, n.Arguments...)
			return o.apply("method", []ast.Node{method.Property}, arguments, m, false)
		}
		return o.function(n.Callee.(*ast.IdentifierNode).Value, n.Arguments, m)
	case *ast.BuiltinNode:
		if len(n.Arguments) > 1 {
			if body, ok := n.Arguments[1].(*ast.PredicateNode); ok {
				return o.patchPredicate(n, body, m)
			}
		}
		return o.function(n.Name, n.Arguments, m)
	}
	panic(fmt.Sprintf("the oracle knows no %T", node))
}

func (o *oracle) patchAll(nodes []ast.Node, m mode) []ast.Node {
	out := make([]ast.Node, len(nodes))
	for i, node := range nodes {
		out[i] = o.patch(node, m)
	}
	return out
}

func (o *oracle) patchOrNil(node ast.Node, m mode) ast.Node {
	if node == nil {
		return &ast.NilNode{}
	}
	return o.patch(node, m)
}

// decide is a conditional. Left of ?? its condition may be null, and so is its value then.
func (o *oracle) decide(cond ast.Node, m mode, yes, no ast.Node) ast.Node {
	return o.bind(cond, func(cond ast.Node) ast.Node {
		var decision ast.Node = &ast.ConditionalNode{Cond: oracleCall("truth", ofMode(m), cond), Exp1: yes, Exp2: no}
		if m == defaulted {
			decision = &ast.ConditionalNode{Cond: oracleCall("isNull", cond), Exp1: &ast.NilNode{}, Exp2: decision}
		}
		return decision
	})
}

func (o *oracle) patchBinary(n *ast.BinaryNode, m mode) ast.Node {
	switch n.Operator {
	case "and", "&&":
		right := o.decide(o.patch(n.Right, m), m, &ast.BoolNode{Value: true}, &ast.BoolNode{})
		return o.decide(o.patch(n.Left, m), m, right, &ast.BoolNode{})
	case "or", "||":
		right := o.decide(o.patch(n.Right, m), m, &ast.BoolNode{Value: true}, &ast.BoolNode{})
		return o.decide(o.patch(n.Left, m), m, &ast.BoolNode{Value: true}, right)
	case "??":
		left := m
		if m == strict {
			left = defaulted
		}
		return &ast.BinaryNode{Operator: "??", Left: o.patch(n.Left, left), Right: o.patch(n.Right, m)}
	}
	return oracleCall("binary", ofMode(m), value64(n.Operator), o.patch(n.Left, m), o.patch(n.Right, m))
}

// function calls a function by its name.
func (o *oracle) function(name string, arguments []ast.Node, m mode) ast.Node {
	return o.apply("function", []ast.Node{value64(name)}, arguments, m, slices.Contains([]string{"type", "get"}, name))
}

// apply evaluates arguments up to the first that is null.
func (o *oracle) apply(kind string, done, arguments []ast.Node, m mode, nulls bool) ast.Node {
	if len(arguments) == 0 {
		return oracleCall(kind, done...)
	}
	next := func(name ast.Node) ast.Node {
		return o.apply(kind, append(slices.Clone(done), name), arguments[1:], m, nulls)
	}
	if nulls {
		return o.bind(o.patch(arguments[0], m), next)
	}
	return o.unlessNull(o.patch(arguments[0], m), m, next)
}

// patchPredicate keeps the VM's loops, where it has the order of evaluation that edge has: sum and one stop at
// their first error or second hit, so they are written with reduce; sortBy sorts what map gives. expr's loop of
// findLast and findLastIndex leaves a value on the VM's stack at each turn, which turns up among the arguments of
// the call around it: they are a find in the pairs of index and element, backwards.
func (o *oracle) patchPredicate(n *ast.BuiltinNode, body *ast.PredicateNode, m mode) ast.Node {
	return o.unlessNull(o.patch(n.Arguments[0], m), m, func(list ast.Node) ast.Node {
		backwards := n.Name == "findLast" || n.Name == "findLastIndex"
		list = oracleCall("list", list)
		o.pairs = append(o.pairs, backwards)
		each := o.patch(body.Node, m)
		o.pairs = o.pairs[:len(o.pairs)-1]
		holds := oracleCall("truth", ofMode(m), each)
		loop := func(name string, body ast.Node, more ...ast.Node) ast.Node {
			return &ast.BuiltinNode{Name: name, Arguments: append([]ast.Node{list, &ast.PredicateNode{Node: body}}, more...)}
		}
		acc := &ast.PointerNode{Name: "acc"}
		switch n.Name {
		case "findLast", "findLastIndex":
			list = oracleCall("backwards", list)
			return oracleCall("part", value64(map[string]string{"findLast": "", "findLastIndex": "index"}[n.Name]), loop("find", holds))
		case "map":
			return loop("map", each)
		case "reduce":
			if len(n.Arguments) == 3 { // bound first: in the VM its # is an element of this list, not of that around
				return o.bind(list, func(name ast.Node) ast.Node {
					list = name
					return o.bind(o.patch(n.Arguments[2], m), func(begin ast.Node) ast.Node { return loop("reduce", each, begin) })
				})
			}
			list = oracleCall("notEmpty", list)
			return loop("reduce", each)
		case "sum":
			return loop("reduce", oracleCall("plus", acc, each), value64(int64(0)))
		case "one":
			count := oracleCall("plus", acc, value64(int64(1)))
			step := &ast.ConditionalNode{Cond: oracleCall("isMany", acc), Exp1: acc, Exp2: &ast.ConditionalNode{Cond: holds, Exp1: count, Exp2: acc}}
			return oracleCall("isOne", loop("reduce", step, value64(int64(0))))
		case "groupBy":
			return oracleCall("grouped", loop("groupBy", oracleCall("groupName", each)))
		case "sortBy":
			if len(n.Arguments) == 3 {
				return o.bind(oracleCall("direction", o.patch(n.Arguments[2], m)), func(order ast.Node) ast.Node {
					return oracleCall("sortBy", list, loop("map", each), order)
				})
			}
			return oracleCall("sortBy", list, loop("map", each), value64("asc"))
		}
		return loop(n.Name, holds)
	})
}
