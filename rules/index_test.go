package rules

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

// An author writes random rules and messages, of which many have to do with each other.
type author struct {
	*rand.Rand
	liked []string // clauses that come again and again
}

func newAuthor(seed, stream uint64) *author {
	a := &author{Rand: rand.New(rand.NewPCG(seed, stream))}
	for range 4 {
		a.liked = append(a.liked, a.clause(false))
	}
	return a
}

func (a *author) pick(list ...string) string { return list[a.IntN(len(list))] }

// clause is one operand of and. Some cannot fail, others do with most messages.
func (a *author) clause(params bool) string {
	field := a.pick("payload.a", "payload.b", "payload.c.d", "payload.n", "payload.s", "kind")
	literal := func() string {
		return a.pick("0", "1", "2", "1.0", "-1", "2.5", `"x"`, `"y"`, `"1"`, `""`, "true", "false", "nil", "9007199254740993", "9007199254740992.0", "-0.0", "5000000000")
	}
	switch a.IntN(28) - 6 {
	default:
		return field + " == " + literal()
	case 5:
		return literal() + " == " + field
	case 6, 7:
		return fmt.Sprintf("payload.n %% %d == %s", 2+a.IntN(3), a.pick("0", "1", "2", "3", "nil"))
	case 8:
		return fmt.Sprintf("%s in [%s, %s, %s]", field, literal(), literal(), literal())
	case 9:
		return fmt.Sprintf("%s %s %s", field, a.pick("<", "<=", ">", ">="), a.pick("0", "1", "1.5", `"m"`))
	case 10:
		return fmt.Sprintf("%s %s %s", a.pick("1", `"m"`), a.pick("<", ">"), field)
	case 11:
		return fmt.Sprintf("%s %s %q", field, a.pick("contains", "startsWith", "endsWith", "matches"), a.pick("x", "y", "1"))
	case 12:
		return field + " != " + literal()
	case 13:
		return fmt.Sprintf("not (%s %s %s)", field, a.pick("==", "<"), literal())
	case 14:
		return fmt.Sprintf("(%s == %s or %s)", field, literal(), a.clause(params))
	case 15:
		return field
	case 16:
		return fmt.Sprintf("upper(payload.s) == %q", a.pick("X", "Y"))
	case 17:
		return fmt.Sprintf("(payload.n ?? 1) + 1 == %d", a.IntN(4))
	case 18:
		return "payload.a == payload.b"
	case 19:
		return fmt.Sprintf("computed == %d", a.IntN(3))
	case 20:
		return fmt.Sprintf("payload.list[%d] == %s", a.IntN(2), literal())
	case 21:
		if !params {
			return fmt.Sprintf("topic == %q", a.pick("t/s0/d0", "t/s1/d1"))
		}
		return fmt.Sprintf("params.id %s", a.pick(`== "s1"`, `== "d1"`, `in ["d0", "s0"]`, `!= "d2"`))
	}
}

func (a *author) rule(n int) string {
	topics := []string{"t/{site}/{id}", "t/{site}/{id}", "t/{site}/{id}", "t/{site}/{id}", "t/#", "t/#", "t/s1/{id}", "t/s1/{id}", "t/{id}/{site}", "t/+/+", "t/s0/d0", "t/#", "", "$x/{site}/{id}"}
	topic := topics[a.IntN(len(topics))]
	var clauses []string
	for range 1 + a.IntN(4) {
		if a.IntN(5) < 3-2*min(len(clauses), 1) {
			clauses = append(clauses, a.pick(a.liked...))
		} else {
			clauses = append(clauses, a.clause(strings.Contains(topic, "{")))
		}
	}
	when := strings.Join(clauses, a.pick(" and ", " && "))
	if a.IntN(9) == 0 {
		when = clauses[0] + " and (" + when + ")"
	}
	text := fmt.Sprintf("  r%d:\n    source: %s\n    when: %s\n", n, a.pick("in", "in", "[in, other]", "[in, local]"), strings.ReplaceAll(`'`+strings.ReplaceAll(when, "'", "''")+`'`, "\n", " "))
	if strings.Contains(text, "local") && topic == "" {
		topic = "t/#"
	}
	if topic != "" {
		text += "    topic: " + topic + "\n"
	}
	text += "    let: {kind: payload.a, computed: payload.n * 2}\n"
	switch a.IntN(12) {
	case 0:
		text += "    split: payload.list\n"
	case 1:
		text += "    dedupe: {by: payload.n, within: 1s}\n"
	case 2:
		text += "    key: payload.s\n    on_change: {of: [payload.a]}\n"
	case 3:
		text += "    absent: {for: 3s}\n"
	case 4:
		text += "    window: {type: tumbling, size: 2s}\n    aggregate: {n: count(), m: max(payload.n)}\n"
	case 5:
		text += "    mode: shadow\n"
	case 6:
		text += "    map: {n: payload.n + 1}\n"
	case 7:
		text += "    enabled: false\n"
	}
	text += fmt.Sprintf("    route: [{to: mq, topic: 'o/r%d'}]\n", n)
	if a.IntN(2) == 0 {
		text += "    on_error: {to: " + a.pick("dead", "dead2") + "}\n"
	}
	return text
}

func (a *author) message() (topic, payload string) {
	value := func() string {
		return a.pick("0", "1", "2", "1.0", "1e0", "-1", "2.5", `"x"`, `"y"`, `"1"`, `""`, `"\u0078"`, "true", "false", "null", "9007199254740993", "9007199254740992", "-0", "5000000000", `[1]`, `{"d":1}`, `"xylophone"`, "18446744073709551616")
	}
	var fields []string
	for _, name := range []string{"a", "b", "s", "n"} {
		switch {
		case a.IntN(5) == 0:
		case name == "n" && a.IntN(4) > 0:
			fields = append(fields, fmt.Sprintf(`"n":%d`, a.IntN(7)))
		default:
			fields = append(fields, fmt.Sprintf("%q:%s", name, value()))
		}
	}
	fields = append(fields, fmt.Sprintf(`"c":{"d":%s},"list":[%s,%s]`, value(), value(), value()))
	payload = "{" + strings.Join(fields, ",") + "}"
	switch a.IntN(25) {
	case 0:
		payload = payload[1:]
	case 1:
		payload = value()
	case 2:
		payload = `{"pad":"` + strings.Repeat("x", indexed) + `",` + payload[1:]
	}
	return a.pick("t/s0/d0", "t/s1/d1", "t/s0/d1", "t/d1/s1", "t", "$x/s1/d1", "t/s0/d0/more"), payload
}

// reportOf is all that can be seen of a program that gets some messages, with a reload halfway.
func reportOf(t *testing.T, before, after string, seed uint64, unindexed bool) (report []string, p *Program) {
	env := testEnv
	env.unindexed = unindexed
	env.Sources = map[string]SourceInfo{"in": {Topics: []string{"t/#", "t/+/d1"}}, "other": {Topics: []string{"t/s1/+"}}}
	var log strings.Builder
	env.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))
	reload := func(text string) {
		p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		env.Previous = p
	}
	reload(before)
	a := newAuthor(seed, 2)
	now := time.UnixMilli(1_700_000_000_000)
	emit := func(sink string, out *engine.Message) {
		report = append(report, record{sink, out}.String())
		out.Done()
	}
	lane := env.Previous.Lane()
	for i := range 300 {
		if i == 150 {
			reload(after)
			lane = env.Previous.Lane()
		}
		env.Previous.Tick(now, emit)
		topic, payload := a.message()
		m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: now, Meta: &engine.Meta{Source: a.pick("in", "in", "other", "local")}}
		m.Receive(nil)
		lane.Process(now, m, emit)
		m.Done()
		now = now.Add(time.Duration(a.IntN(700)) * time.Millisecond)
		if i%50 == 49 {
			report = append(report, statsText(t, env.Previous)...)
		}
	}
	return append(report, log.String()), env.Previous
}

func statsText(t *testing.T, p *Program) (list []string) {
	t.Helper()
	for _, s := range p.Stats() {
		if s.InFlight != 0 {
			t.Errorf("rule %s: %d in flight", s.Name, s.InFlight)
		}
		list = append(list, fmt.Sprintf("%+v", s))
	}
	return list
}

// TestIndexChangesNothing: random rules get random messages, with the index and without, and all that comes of it is
// the same: outputs and dead letters, in their order, each counter of each rule, the log.
func TestIndexChangesNothing(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 10
	}
	var found int
	for seed := range uint64(seeds) {
		a := newAuthor(seed, 1)
		var texts []string
		for i := range 20 + a.IntN(200) {
			texts = append(texts, a.rule(i))
		}
		before := "rules:\n" + strings.Join(texts, "")
		for range 5 {
			i := a.IntN(len(texts))
			texts[i] = a.rule(i)
		}
		after := "rules:\n" + strings.Join(texts[:len(texts)-3], "")
		want, _ := reportOf(t, before, after, seed, true)
		got, p := reportOf(t, before, after, seed, false)
		if !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("seed %d, %d of %d: with the index\n\t%s\nwithout\n\t%s", seed, i, len(want), got[i], want[i])
					break
				}
			}
			t.Fatalf("seed %d: %d lines, want %d\n%s", seed, len(got), len(want), before)
		}
		for _, one := range p.audiences {
			if one.root != nil {
				found += len(one.rules) - len(one.root.rules)
			}
		}
	}
	if found < 30*seeds {
		t.Errorf("only %d rules were found by the index", found)
	}
}

// TestIndexSeesWhatStandsBefore: what stands left of an indexed clause may fail or count, whatever that clause says.
func TestIndexSeesWhatStandsBefore(t *testing.T) {
	values := []string{"", "null", "0", "1", "2.0", "true", "false", `"x"`, `"X"`, `"1"`, "[]", `{}`}
	for _, before := range []string{
		`payload.v startsWith "x"`, `payload.v contains "x"`, `payload.v matches "x"`, `payload.v < 3`, `1 <= payload.v`, `payload.v > "a"`,
		`payload.v in [1, 2, "x"]`, `payload.v`, `not payload.v`, `not (payload.v < 2)`, `payload.v % 2 == 1`, `payload.v % 2 == nil`, `upper(payload.v) == "X"`,
		`payload.v == 1`, `1.0 == payload.v`, `payload.v != "x"`, `(payload.v == 1 or payload.v == "x")`, `(payload.v == 1 or payload.v < 2)`, `payload.v == nil`,
		`name == "x"`, `(payload.v ?? 1) == 1`, `payload.v == payload.w`, `true`,
	} {
		var texts [2]string
		for i := range texts {
			var text strings.Builder
			text.WriteString("rules:\n")
			for n := range 24 {
				topic := []string{"t/s1/{id}", "t/{id}/d1"}[n%2]
				when := fmt.Sprintf("%s and payload.a == %d", before, n/2)
				if i == 1 {
					when = fmt.Sprintf("%s and params.id in [\"%s%d\", \"q\"]", before, []string{"d", "s"}[n%2], n/2)
				}
				fmt.Fprintf(&text, "  r%d: {source: in, topic: '%s', let: {name: payload.v}, when: '%s', route: [{to: mq, topic: x}], on_error: {to: dead}}\n", n, topic, when)
			}
			texts[i] = text.String()
		}
		for _, text := range texts {
			sameWithout(t, before, text, values)
		}
	}
}

// TestIndexOfLimits: rules that compare one expression with many numbers, from both sides.
func TestIndexOfLimits(t *testing.T) {
	limits := []string{"-2", "0", "-0.0", "1", "1.5", "2", "2.0", "3", "9007199254740992", "9007199254740993", "9007199254740992.0", "1e300"}
	values := append([]string{"", "null", "true", `"2"`, "[]", "-3", "-0", "1.50", "1e400", "-1e300", "9007199254740994"}, limits...)
	for _, form := range []string{"payload.v < %s", "payload.v <= %s", "payload.v > %s", "payload.v >= %s", "%s < payload.v", "%s <= payload.v", "%s > payload.v",
		"%s >= payload.v", "payload.a == 1 and payload.v > %s", "payload.v > %s and payload.a > 0", "payload.v * 2 >= %s", "payload.v > 0 and payload.v < %s"} {
		var text strings.Builder
		text.WriteString("rules:\n")
		for n, limit := range limits {
			fmt.Fprintf(&text, "  r%d: {source: in, topic: 't/{a}/{id}', when: '%s', route: [{to: mq, topic: 'r/%d'}], on_error: {to: dead}}\n", n, fmt.Sprintf(form, limit), n)
		}
		sameWithout(t, form, text.String(), values)
	}
}

// sameWithout runs rules on values of payload.v, with the index and without.
func sameWithout(t *testing.T, name, text string, values []string) {
	t.Helper()
	var told [2][]string
	for i := range told {
		env := testEnv
		env.unindexed = i == 1
		p := loadWith(t, env, text)
		for _, value := range values {
			payload := `{"a":1`
			if value != "" {
				payload += `,"v":` + value
			}
			for _, r := range handle(t, p, "t/s1/d1", payload+"}") {
				told[i] = append(told[i], letterTime.ReplaceAllString(r.String(), ""))
			}
		}
		told[i] = append(told[i], statsText(t, p)...)
	}
	for i := range told[0] {
		if i >= len(told[1]) || told[0][i] != told[1][i] {
			t.Fatalf("%s: with the index\n\t%s\nwithout\n\t%s", name, told[0][i], told[1][min(i, len(told[1])-1)])
		}
	}
}

var letterTime = regexp.MustCompile(`"time":"[^"]*"`)

// manyRules are n rules on one topic.
func manyRules(n int, when func(n, i int) string) string {
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&text, "  r%d:\n    source: in\n    topic: hospital/{site}/device/{id}/status\n    when: '%s'\n    route: [{to: dead}]\n", i, when(n, i))
	}
	return text.String()
}
