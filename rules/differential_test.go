package rules

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/expr-lang/expr"

	"edge/internal/jsonscan"
)

// TestAgreesWithExpr: on whole and well-typed expressions, where edge means what expr-lang means, both give
// the same value. Null, overflow and division by zero are left out: there edge differs on purpose.
func TestAgreesWithExpr(t *testing.T) {
	payload, ok := jsonscan.Decode([]byte(sample)).(map[string]any)
	if !ok {
		t.Fatal("the sample is no object")
	}
	env := map[string]any{"payload": payload}
	g := &generator{rand.New(rand.NewPCG(1, 2))}
	compared := 0
	for range 5000 {
		source := g.boolean(4)
		want, err := expr.Eval(source, env)
		if err != nil {
			continue // such as a modulo of a float, which expr refuses
		}
		text, err := json.Marshal(want)
		if err != nil {
			continue
		}
		got, err := value(t, source)
		if err != nil {
			t.Errorf("%s: %v, expr gives %s", source, err, text)
			continue
		}
		var left, right any
		if json.Unmarshal([]byte(got), &left) != nil || json.Unmarshal(text, &right) != nil || !reflect.DeepEqual(left, right) {
			t.Errorf("%s = %s, expr gives %s", source, got, text)
		}
		compared++
	}
	if compared < 4000 {
		t.Errorf("only %d expressions were compared", compared)
	}
}

// A generator writes random expressions of a wanted type.
type generator struct{ *rand.Rand }

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) number(depth int) string {
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

func (g *generator) text(depth int) string {
	if depth == 0 {
		return g.pick("payload.id", "payload.dataType", `"r-1"`, `"ROB"`, "payload.name")
	}
	return fmt.Sprintf("(%s + %s)", g.text(depth-1), g.text(depth-1))
}

func (g *generator) boolean(depth int) string {
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
