package rules

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"
)

// A clause is a part of a condition between its top-level ands that the index can decide without the rule, or knows
// to have no effect: E == literal, E in [literals], and comparisons of E with a literal, E being made of nothing but
// the message.
type clause struct {
	probe *probe // of E; nil: the clause has no effect, whatever the message
	want  []word // the literals; none: the index cannot decide the clause
	in    bool   // E in [literals]
	order string // <, <=, > or >=, E standing left; "": the clause is true where E equals a literal
	need  need   // of E's value, for the clause to have no effect when it is not looked at
}

// A need is what a value must be for a clause neither to fail nor to count.
type need uint8

const (
	needNothing need = iota // it never has one
	needSound               // known without an error, and without anything missing; the ones below too
	needValue               // not null
	needNumber
	needText
)

// maxClauses is how many clauses of a condition the index looks at.
const maxClauses = 16

// A probe is an expression that several rules may share. Its evaluator reads levels of the topic where those of the
// rules read their params.
type probe struct {
	eval   evaluator
	number int
}

// A word is a literal, as a key of a map. Equal values have equal words: 1 and 1.0 are one.
type word struct {
	kind Kind
	bits uint64
	text string
}

// wordOf gives the word of a value, false where no literal equals it.
func wordOf(v Value) (word, bool) {
	switch v.kind {
	case Null:
		return word{}, true
	case Bool:
		return word{kind: Bool, bits: v.bits}, true
	case Int, Float:
		if i, ok := v.whole(); ok {
			return word{kind: Int, bits: uint64(i)}, true
		}
		return word{kind: Float, bits: v.bits}, true
	case String, Escaped:
		return word{kind: String, text: v.string()}, true
	}
	return word{}, false
}

// clauses takes the condition that was compiled last apart. It stops where a clause may have an effect of which only
// the rule itself knows. Whole says that clauses that the index can
// decide are all there is.
func (b *builder) clauses() (list []clause, whole bool) {
	decided := 0
	var walk func(n ast.Node) bool
	walk = func(n ast.Node) bool {
		if and, ok := n.(*ast.BinaryNode); ok && (and.Operator == "and" || and.Operator == "&&") {
			return walk(and.Left) && walk(and.Right)
		}
		c, ok := b.clause(n)
		if !ok || len(list) == maxClauses {
			return false
		}
		list = append(list, c)
		if len(c.want) > 0 {
			decided++
		}
		return true
	}
	whole = walk(b.tree.root)
	if decided == 0 {
		return nil, false
	}
	return slices.Clip(list), whole && decided == len(list)
}

// clause reads one operand of and; false where it may have an effect that depends on the message in a way of which the
// index knows nothing.
func (b *builder) clause(n ast.Node) (clause, bool) {
	op, ok := n.(*ast.BinaryNode)
	if !ok {
		return clause{}, b.quiet(n)
	}
	left, right, order := op.Left, op.Right, op.Operator
	if _, ok := b.literal(left); ok && op.Operator != "in" {
		left, right = right, left
		if turned := turnedRound[order]; turned != "" {
			order = turned
		}
	}
	c := clause{need: needSound}
	switch op.Operator {
	case "==":
		v, ok := b.literal(right)
		if !ok {
			return clause{}, b.quiet(n)
		}
		if b.plain(left) {
			c.need = needNothing
		}
		w, _ := wordOf(v)
		c.want = []word{w}
	case "in":
		list, ok := right.(*ast.ArrayNode)
		if !ok {
			return clause{}, false
		}
		if c.want, ok = b.words(list.Nodes); !ok {
			return clause{}, false
		}
		c.in, c.need = true, needValue
	case "<", "<=", ">", ">=", "contains", "startsWith", "endsWith", "matches":
		v, ok := b.literal(right)
		switch {
		case ok && v.isString():
			c.need = needText
		case ok && v.isNumber() && op.Operator[0] < 'a':
			c.need, c.order = needNumber, order
			w, _ := wordOf(v)
			c.want = []word{w}
		default:
			return clause{}, false
		}
	default:
		return clause{}, b.quiet(n)
	}
	if c.probe = b.probe(left); c.probe == nil {
		return clause{}, b.quiet(n)
	}
	return c, true
}

var turnedRound = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}

// words gives the literals of a list, each once.
func (b *builder) words(nodes []ast.Node) (want []word, ok bool) {
	for _, n := range nodes {
		v, ok := b.literal(n)
		if !ok {
			return nil, false
		}
		if w, _ := wordOf(v); w != (word{}) && !slices.Contains(want, w) { // null is in no list
			want = append(want, w)
		}
	}
	return want, len(want) > 0 && len(want) <= maxWords
}

// maxWords is how many literals a list may have for the index to hash it.
const maxWords = 64

// quiet says whether an operand of and has no effect but its value, true or false, whatever the message: it neither
// fails nor counts anything as missing.
func (b *builder) quiet(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return (n.Operator == "not" || n.Operator == "!") && b.quiet(n.Node)
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&", "or", "||":
			return b.quiet(n.Left) && b.quiet(n.Right)
		case "==", "!=":
			_, left := b.literal(n.Left)
			_, right := b.literal(n.Right)
			return (left || b.plain(n.Left)) && (right || b.plain(n.Right)) && (left || right)
		}
	}
	return false
}

// plain says whether an expression is a field of the payload, the topic or a param: reading it has no effect.
func (b *builder) plain(n ast.Node) bool {
	root, path := pathOf(b.meant(n))
	return root != nil && (root.Value == "payload" || root.Value == "topic" && len(path) == 0 || root.Value == "params" && len(path) == 1)
}

// fieldNode gives what a let was compiled from if it is nothing but another name for a field.
func (b *builder) fieldNode(e *expression) ast.Node {
	if e == nil {
		return nil
	}
	if root, _ := pathOf(b.tree.root); root == nil || root.Value != "payload" {
		return nil
	}
	return b.tree.root
}

// meant gives the expression behind a let that is nothing but another name for a field.
func (b *builder) meant(n ast.Node) ast.Node {
	if name, ok := n.(*ast.IdentifierNode); ok {
		if i := slices.Index(b.lets, name.Value); i >= 0 && b.letNodes[i] != nil {
			return b.letNodes[i]
		}
	}
	return n
}

// literal gives the value of a scalar literal, nil among them.
func (b *builder) literal(n ast.Node) (Value, bool) {
	if _, ok := n.(*ast.NilNode); ok {
		return null, true
	}
	return b.compiler.literal(n)
}

// probe gives the probe of an expression, one for all rules that have the same; nil where it may read more than the
// message, or do more than give a value.
func (b *builder) probe(n ast.Node) *probe {
	n = b.meant(n)
	text, ok := b.canonical(b.canon[:0], n)
	b.canon = text
	if !ok {
		return nil
	}
	if p := b.probes[string(text)]; p != nil {
		return p
	}
	b.places = b.rule.places()
	eval, err := b.node(n)
	b.places = nil
	if err != nil { // the condition as a whole has been compiled
		return nil
	}
	b.setCompiler.serial++
	p := &probe{eval: eval, number: b.setCompiler.serial}
	b.probes[string(text)] = p
	return p
}

// places says at which levels of the topic the params are, -1 where one is several levels.
func (r *rule) places() []int {
	places := []int{}
	if len(r.pattern) == 0 {
		return places
	}
	for i, level := range r.pattern[0].levels {
		switch level {
		case "+":
			places = append(places, i)
		case "#":
			places = append(places, -1)
		}
	}
	return places
}

// canonical appends a text that expressions share only if they mean the same; false if the expression has a part
// that is not known to be made of nothing but the message.
func (b *builder) canonical(dst []byte, node ast.Node) ([]byte, bool) {
	text := func(kind byte, s string) {
		dst = strconv.AppendInt(append(dst, kind), int64(len(s)), 10)
		dst = append(append(dst, ':'), s...)
	}
	if v, ok := b.literal(node); ok {
		dst = append(dst, 'v', byte(v.kind))
		dst = binary.LittleEndian.AppendUint64(dst, v.bits)
		text('s', v.text)
		return dst, true
	}
	var parts []ast.Node
	switch n := node.(type) {
	case *ast.ChainNode:
		return b.canonical(dst, n.Node)
	case *ast.IdentifierNode:
		if n.Value != "payload" && n.Value != "topic" {
			return dst, false
		}
		text('n', n.Value)
		return dst, true
	case *ast.MemberNode:
		if root, path := pathOf(n); root != nil && root.Value == "params" {
			i := slices.Index(b.params, path[0])
			places := b.rule.places()
			if len(path) > 1 || i < 0 || places[i] < 0 {
				return dst, false
			}
			return binary.LittleEndian.AppendUint32(append(dst, 'l'), uint32(places[i])), true
		}
		dst = append(dst, 'm')
		parts = []ast.Node{n.Node, n.Property}
	case *ast.UnaryNode:
		text('u', n.Operator)
		parts = []ast.Node{n.Node}
	case *ast.BinaryNode:
		if n.Operator != "??" && arithmetics[n.Operator] == nil {
			return dst, false
		}
		text('b', n.Operator)
		parts = []ast.Node{n.Left, n.Right}
	case *ast.BuiltinNode:
		text('f', n.Name)
		if parts = n.Arguments; !pure(n.Name) {
			return dst, false
		}
	case *ast.CallNode:
		name, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || !pure(name.Value) {
			return dst, false
		}
		text('f', name.Value)
		parts = n.Arguments
	default:
		return dst, false
	}
	dst = append(dst, byte(min(len(parts), math.MaxUint8)), '(')
	for _, part := range parts {
		var ok bool
		if dst, ok = b.canonical(dst, part); !ok {
			return dst, false
		}
	}
	return append(dst, ')'), true
}

// pure says whether a function gives the same for the same arguments.
func pure(name string) bool { return textFunctions[name] != nil || numberFunctions[name] != nil }
