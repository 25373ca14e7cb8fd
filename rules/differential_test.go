package rules

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr/ast"

	"edge/engine"
)

// A comparison is one expression, run by edge as a condition and as a field of map, and by the oracle.
type comparison struct {
	source    string
	program   *Program
	lane      engine.Lane
	condition *oracle
	value     *oracle
	before    map[string]RuleStats
	results   map[string]int // of values, by type or class of error
}

func newComparison(t testing.TB, source string) *comparison {
	t.Helper()
	quoted, _ := json.Marshal(source)
	p := load(t, fmt.Sprintf("rules:\n  condition: {source: in, topic: t, when: %s, route: [{to: dead}]}\n"+
		"  value: {source: in, topic: t, map: {v: %[1]s, again: out.v}, route: [{to: dead2}]}\n", quoted))
	return &comparison{
		source: source, program: p, lane: p.Lane(), before: map[string]RuleStats{}, results: map[string]int{},
		condition: newOracle(t, source, lenient), value: newOracle(t, source, strict),
	}
}

// on runs the expression on one message. It is the same lane for all of them, so that what one leaves behind is seen.
func (c *comparison) on(t testing.TB, payload []byte, value any) {
	t.Helper()
	var passed bool
	var result []byte
	m := &engine.Message{Topic: "t", Payload: payload, Received: oracleNow, Meta: &engine.Meta{Source: "in"}}
	m.Receive(func(*engine.Message, engine.Outcome) {})
	c.lane.Process(oracleNow, m, func(sink string, out *engine.Message) {
		if sink == "dead" {
			passed = true
		} else {
			result = slices.Clone(out.Payload)
		}
		out.Done()
	})
	m.Done()
	_, gotValueClass := c.booked("value")
	gotMissing, gotClass := c.booked("condition")
	wantPass, wantMissing, wantClass := c.condition.judge(value)
	if wantClass == LimitReached {
		return
	}
	if passed != wantPass && wantClass == "" || gotClass != wantClass || gotMissing != wantMissing && wantClass == "" {
		t.Errorf("when: %s\n\tof %s\n\tpasses %t, missing %d, error %q\n\tthe oracle: %t, %d, %q", c.source, payload, passed, gotMissing, gotClass, wantPass, wantMissing, wantClass)
	}
	want, wantClass := c.value.run(value)
	if wantClass == "" { // a time zone is a value, and no result
		if _, err := jsonOf(want); err != nil {
			wantClass = WrongType
		}
	}
	if wantClass == LimitReached {
		return
	}
	c.results[kindName(want, wantClass)]++
	if gotValueClass != wantClass || wantClass == "" && !sameResult(result, want) {
		text, _ := jsonOf(want)
		t.Errorf("map: %s\n\tof %s\n\tgives %s, error %q\n\tthe oracle: %s, %q", c.source, payload, result, gotValueClass, text, wantClass)
	}
}

// booked says what a rule counted of the last message.
func (c *comparison) booked(name string) (missing int64, class Class) {
	for _, s := range c.program.Stats() {
		if s.Name != name {
			continue
		}
		before := c.before[name]
		for class, n := range s.Errors {
			if n > before.Errors[class] {
				c.before[name] = s
				return s.Missing - before.Missing, Class(class)
			}
		}
		missing = s.Missing - before.Missing
		c.before[name] = s
	}
	return missing, ""
}

// sameResult says whether both fields of a result are the value that the oracle gives.
func sameResult(result []byte, want any) bool {
	if len(result) == 0 {
		return false
	}
	got, _ := valueOf(result).(map[string]any)
	return len(got) == 2 && same(got["v"], want) && same(got["again"], want)
}

// kindName names what came out, for the count of what was compared.
func kindName(x any, class Class) string {
	if class != "" {
		return string(class)
	}
	return fmt.Sprintf("%T", plainOf(x))
}

// A generation is what a seed makes: an expression, and what makes messages for it.
type generation struct {
	*generator
	source string
}

func generated(seed uint64) generation {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	return generation{g, g.expression(g.kind(), 1+g.IntN(4))}
}

// compareSeed compares on some messages. It gives nil if the expression is longer than one may be.
func compareSeed(t testing.TB, seed uint64) *comparison {
	t.Helper()
	g := generated(seed)
	if len(g.source) > maxSource {
		return nil
	}
	c := newComparison(t, g.source)
	for range 4 {
		payload, value := g.message()
		c.on(t, payload, value)
	}
	return c
}

// FuzzAgreesWithExpr: edge gives what expr-lang's VM gives of a tree that is patched to mean what edge means, value for
// value and error for error, in conditions and in results, and counts the same as missing. The seed makes the
// expression and its messages.
func FuzzAgreesWithExpr(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { compareSeed(t, seed) })
}

// TestAgreesWithPatchedExpr is some of the fuzz target in every run of the tests, and says that it compares
// something: that enough results of each type come out, and enough errors of each class.
func TestAgreesWithPatchedExpr(t *testing.T) {
	results := map[string]int{}
	for seed := range uint64(2000) {
		c := compareSeed(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if c != nil {
			for name, n := range c.results {
				results[name] += n
			}
		}
	}
	for name, least := range map[string]int{
		"<nil>": 100, "bool": 500, "int64": 300, "float64": 300, "string": 500, "[]interface {}": 500,
		"map[string]interface {}": 200, "time.Time": 100, "time.Duration": 100,
		"missing_field": 500, "wrong_type": 300, "not_boolean": 50, "overflow": 50, "not_finite": 20, "division_by_zero": 5,
	} {
		if results[name] < least {
			t.Errorf("%d results are %s, want %d at least", results[name], name, least)
		}
	}
}

// TestGeneratesAll: every operator, every kind of node and every function comes up in the expressions that are
// compared, but those of coordinates and tables, which have references of their own.
func TestGeneratesAll(t *testing.T) {
	parts := map[string]int{}
	for seed := range uint64(10_000) {
		parsed, err := parse(generated(seed).source)
		if err == nil {
			partsOf(parsed.root, parts)
		}
	}
	want := strings.Fields("+ - * / % ** ^ < <= > >= == != in contains startsWith endsWith matches .. and && or || ?? # #acc #index " +
		"UnaryNode:not UnaryNode:! UnaryNode:- UnaryNode:+ NilNode BoolNode IntegerNode FloatNode StringNode ArrayNode MapNode " +
		"MemberNode ChainNode SliceNode ConditionalNode VariableDeclaratorNode method")
	for _, name := range functionNames() {
		if !geoFunctionNamed(name) && coordinateFunctions[name] == nil && name != "timezone" {
			want = append(want, name)
		}
	}
	for _, name := range want {
		if parts[name] < 10 {
			t.Errorf("%s comes up %d times in all expressions", name, parts[name])
		}
	}
}

// partsOf counts the operators, functions and kinds of nodes of a tree.
func partsOf(node ast.Node, parts map[string]int) {
	name := strings.TrimPrefix(fmt.Sprintf("%T", node), "*ast.")
	parts[name]++
	switch n := node.(type) {
	case *ast.UnaryNode:
		parts["UnaryNode:"+n.Operator]++
	case *ast.BinaryNode:
		parts[n.Operator]++
	case *ast.BuiltinNode:
		parts[n.Name]++
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			parts[callee.Value]++
		} else {
			parts["method"]++
		}
	case *ast.PointerNode:
		parts["#"+n.Name]++
	}
	for _, child := range children(node) {
		partsOf(child, parts)
	}
}
