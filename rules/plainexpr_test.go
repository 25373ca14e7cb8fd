package rules

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/expr-lang/expr"

	"edge/internal/jsonscan"
)

// plainExpr gives what expr-lang gives of an expression over the sample, as JSON.
func plainExpr(t *testing.T, source string) (string, error) {
	t.Helper()
	payload, ok := jsonscan.Decode([]byte(sample)).(map[string]any)
	if !ok {
		t.Fatal("the sample is no object")
	}
	value, err := expr.Eval(source, map[string]any{"payload": payload})
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(value)
	return string(text), err
}

// TestAgreesWithExpr: on whole and well-typed expressions, where edge means what expr-lang means, both give
// the same value. Where edge differs on purpose, TestDiffersFromExpr lists it, and FuzzAgreesWithExpr compares with
// expr-lang's VM all the same.
func TestAgreesWithExpr(t *testing.T) {
	g := &plainGenerator{rand.New(rand.NewPCG(1, 2))}
	compared := 0
	for range 5000 {
		source := g.boolean(4)
		want, err := plainExpr(t, source)
		if err != nil {
			continue // such as a modulo of a float, which expr refuses
		}
		got, err := value(t, source)
		if err != nil {
			t.Errorf("%s: %v, expr gives %s", source, err, want)
			continue
		}
		var left, right any
		if json.Unmarshal([]byte(got), &left) != nil || json.Unmarshal([]byte(want), &right) != nil || !reflect.DeepEqual(left, right) {
			t.Errorf("%s = %s, expr gives %s", source, got, want)
		}
		compared++
	}
	if compared < 4000 {
		t.Errorf("only %d expressions were compared", compared)
	}
}

// TestDiffersFromExpr is the list of what edge means on purpose by something else than expr-lang. The oracle of
// FuzzAgreesWithExpr knows these differences and no others.
func TestDiffersFromExpr(t *testing.T) {
	for _, test := range []struct{ source, expr, edge string }{
		// Null and missing are no error where they are only read, and an error of their own where they are used.
		{`payload.missing.x`, `error`, `null`},
		{`payload.id.x`, `error`, `null`},
		{`payload.list.x`, `error`, `null`},
		{`payload.list[9]`, `error`, `null`},
		{`payload.missing contains "a"`, `false`, `missing_field`},
		{`nil in [nil]`, `true`, `missing_field`},
		{`(payload.missing + 1) ?? 5`, `error`, `5`},
		{`(payload.missing and true) ?? true`, `error`, `true`},
		{`upper(payload.missing) ?? "x"`, `error`, `"x"`},
		// Whole numbers have 64 bits and no more, others are finite, and both are compared exactly.
		{`payload.max + 1`, `-9223372036854775808`, `overflow`},
		{`payload.max * 2`, `-2`, `overflow`},
		{`payload.max == 9223372036854775807.0`, `true`, `false`},
		{`1 / 0`, `error`, `division_by_zero`}, // an infinity, which JSON has not
		{`2.0 ** 2000`, `error`, `not_finite`},
		{`7.0 % 4`, `error`, `3`},
		{`int(1e300)`, `-9223372036854775808`, `overflow`},
		{`float("inf")`, `error`, `wrong_type`},
		{`fromJSON("9007199254740993")`, `9007199254740992`, `9007199254740993`},
		{`duration("2540400h") + duration("2540400h")`, `-155864073709551616`, `overflow`},
		// Conditions are true or false.
		{`true and payload.battery`, `83`, `not_boolean`},
		// Values are JSON, and text is UTF-8.
		{`string(payload.list)`, `"[3 1 2]"`, `"[3,1,2]"`},
		{`toJSON([1])`, `"[\n  1\n]"`, `"[1]"`},
		{`"\u00e9"[0:1]`, `"\ufffd"`, `""`},
		{`mean([])`, `0`, `null`},
		{`get(payload.battery, "x")`, `null`, `wrong_type`},
		{`groupBy([1, 1.0], #)`, `error`, `{"1":[1,1]}`},
		// What is settled is settled, and # is the element of the predicate that it stands in.
		{`one([1, 1, "a"], # > 0)`, `error`, `false`},
		{`map([[1], [2]], reduce(#, #acc + #, 0 + #[0]))`, `error`, `[2,4]`},
		{`[1, findLast([1, 2], # < 2)]`, `[true,1]`, `[1,1]`}, // the VM leaves a value on its stack
	} {
		show := func(text string, err error) string {
			if err != nil {
				class, _, _ := strings.Cut(err.Error(), ":")
				return class
			}
			return text
		}
		got := show(value(t, test.source))
		theirs, err := plainExpr(t, test.source)
		if err != nil {
			theirs = "error"
		}
		if strconv.IntSize == 32 { // where expr wraps at 32 bits
			test.expr = theirs
		}
		if got != test.edge || theirs != test.expr {
			t.Errorf("%s = %s, expr gives %s (%v); want %s, %s", test.source, got, theirs, err, test.edge, test.expr)
		}
		if got == theirs {
			t.Errorf("%s = %s is no difference", test.source, got)
		}
	}
}

// A plainGenerator writes random expressions of a wanted type.
type plainGenerator struct{ *rand.Rand }

func (g *plainGenerator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *plainGenerator) number(depth int) string {
	if depth == 0 {
		return g.pick("payload.battery", "payload.speed", "payload.coordinates.x", "payload.list[1]", "2", "0.25", "-7", "payload.readings[0].t")
	}
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("(%s ? %s : %s)", g.boolean(depth-1), g.number(depth-1), g.number(depth-1))
	case 1:
		return fmt.Sprintf("len(filter(payload.list, # %s %s))", g.pick("<", ">", "==", "!="), g.number(0))
	case 2:
		return fmt.Sprintf("(payload.missing ?? %s)", g.number(depth-1))
	case 3:
		return fmt.Sprintf("(let x = %s; x + 1)", g.number(0))
	}
	return fmt.Sprintf("(%s %s %s)", g.number(depth-1), g.pick("+", "-", "*"), g.number(depth-1))
}

func (g *plainGenerator) text(depth int) string {
	if depth == 0 {
		return g.pick("payload.id", "payload.dataType", `"r-1"`, `"ROB"`, "payload.name")
	}
	return fmt.Sprintf("(%s + %s)", g.text(depth-1), g.text(depth-1))
}

func (g *plainGenerator) boolean(depth int) string {
	if depth == 0 {
		return g.pick("true", "payload.charging", "payload.readings[1].ok", "not payload.charging")
	}
	switch g.IntN(7) {
	case 0:
		return fmt.Sprintf("(%s %s %s)", g.text(depth-1), g.pick("==", "!=", "<", ">=", "contains", "startsWith", "endsWith"), g.text(depth-1))
	case 1:
		return fmt.Sprintf("(%s %s %s)", g.boolean(depth-1), g.pick("and", "or", "&&", "||"), g.boolean(depth-1))
	case 2:
		return fmt.Sprintf("not (%s)", g.boolean(depth-1))
	case 3:
		return fmt.Sprintf("(%s in [83, 2, 3])", g.number(0))
	case 4:
		return fmt.Sprintf("%s(payload.list, # %s %s)", g.pick("any", "all", "none", "one"), g.pick("<", ">", "=="), g.number(0))
	}
	return fmt.Sprintf("(%s %s %s)", g.number(depth-1), g.pick("<", "<=", ">", ">=", "==", "!="), g.number(depth-1))
}
