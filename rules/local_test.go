package rules

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

// chainOf is a first rule that listens to the world, and others behind it.
const chainOf = `rules:
  first:
    source: in
    topic: hospital/{site}/device/{id}/status
    route: [{to: local, topic: "bed/{{ params.id }}"}]
`

func TestLocal(t *testing.T) {
	p := load(t, chainOf+`  second:
    source: local
    topic: bed/{id}
    map: {topic: topic, key: key, id: params.id, source: meta.source, qos: meta.qos, retain: meta.retain, props: meta.properties, received: meta.received, n: payload.n}
    route: [{to: dead}, {to: local, topic: "third/{{ params.id }}"}]
  third: {source: [in, local], topic: "third/{x}", map: {n: payload.n, x: params.x}, route: [{to: dead2}]}
`)
	if got := strings.Join(p.Filters("in"), " "); got != "hospital/+/device/+/status third/+" {
		t.Error(got)
	}
	got := handle(t, p, topic, `{"n":9007199254740993}`)
	expect(t, got, `dead {"topic":"bed/r-1","key":"bed/r-1","id":"r-1","source":"local","qos":null,"retain":null,"props":null,"received":1700000000000,"n":9007199254740993}`,
		`dead2 {"n":9007199254740993,"x":"r-1"}`)
	if got[0].Key != "bed/r-1" || got[0].Root().Topic != topic || got[0].Parent().Root() == got[0].Parent() {
		t.Errorf("%+v", got[0])
	}
	for name, want := range map[string]string{"first": "in 1 delivered 1", "second": "in 1 delivered 1", "third": "in 1 delivered 1"} {
		if got := balance(t, p, name); !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	expect(t, handle(t, p, "third/y", `{"n":1}`), `dead2 {"n":1,"x":"y"}`)
}

// What a message causes is done in order, and before the next message: all rules of one, then what they sent.
func TestLocalOrder(t *testing.T) {
	p := load(t, `rules:
  a: {source: in, topic: hospital/#, split: payload.list, map: {v: item}, route: [{to: local, topic: x}, {to: dead}]}
  b: {source: in, topic: hospital/#, map: {v: '"b"'}, route: [{to: dead}, {to: local, topic: y}]}
  c: {source: local, topic: '{any}', map: {c: payload.v, on: topic}, route: [{to: dead}, {to: local, topic: 'z/{{ params.any }}'}]}
  d: {source: local, topic: 'z/{any}', map: {d: payload.c}, route: [{to: dead}]}
`)
	y := play(t, p)
	y.send(0, "hospital/1", `{"list":[1,2]}`)
	y.send(0, "hospital/1", `{"list":[3]}`)
	y.expect(`0s dead {"v":1}`, `0s dead {"v":2}`, `0s dead {"v":"b"}`,
		`0s dead {"c":1,"on":"x"}`, `0s dead {"c":2,"on":"x"}`, `0s dead {"c":"b","on":"y"}`,
		`0s dead {"d":1}`, `0s dead {"d":2}`, `0s dead {"d":"b"}`,
		`0s dead {"v":3}`, `0s dead {"v":"b"}`, `0s dead {"c":3,"on":"x"}`, `0s dead {"c":"b","on":"y"}`, `0s dead {"d":3}`, `0s dead {"d":"b"}`)
	for _, s := range p.Stats() {
		if s.InFlight != 0 || s.Delivered != s.In {
			t.Errorf("%+v", s)
		}
	}
}

// The source is told when all is settled that a message has caused, and the books with the worst that came of it.
func TestLocalSettles(t *testing.T) {
	p := load(t, chainOf+"  second: {source: local, topic: bed/#, route: [{to: dead}, {to: dead2}]}\n")
	settled, outcome := false, engine.Delivered
	m := &engine.Message{Topic: topic, Payload: []byte(`{}`), Meta: &engine.Meta{Source: "in"}}
	m.Receive(func(_ *engine.Message, o engine.Outcome) { settled, outcome = true, o })
	var out []*engine.Message
	p.Lane().Process(time.UnixMilli(1), m, func(_ string, o *engine.Message) { out = append(out, o) })
	m.Done()
	if len(out) != 2 {
		t.Fatal(out)
	}
	out[0].Settle(engine.Failed)
	if s := p.Stats()[0]; settled || s.InFlight != 1 {
		t.Errorf("settled too early: %v %+v", settled, s)
	}
	out[1].Done()
	if !settled || outcome != engine.Failed {
		t.Error(settled, outcome)
	}
	for _, name := range []string{"first", "second"} {
		if got := balance(t, p, name); !strings.HasPrefix(got, "in 1 delivered 0 filtered 0 error 1") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What nobody hears, and what every rule turns away, is settled at once.
func TestLocalWithoutListeners(t *testing.T) {
	p := load(t, chainOf)
	expect(t, handle(t, p, topic, `{}`))
	if got := balance(t, p, "first"); !strings.HasPrefix(got, "in 1 delivered 1") {
		t.Error(got)
	}
	p = load(t, strings.Replace(chainOf, "source: in\n", "source: in\n    mode: shadow\n", 1)+"  second: {source: local, topic: bed/#, route: [{to: dead}]}\n")
	expect(t, handle(t, p, topic, `{}`))
	if got := balance(t, p, "second"); !strings.HasPrefix(got, "in 0") {
		t.Error(got)
	}
}

func TestLocalHops(t *testing.T) {
	p := load(t, `rules:
  start: {source: in, topic: hospital/#, map: {n: 0}, route: [{to: local, topic: round}]}
  round:
    source: local
    topic: round
    when: payload.n < 100
    map: {n: payload.n + 1}
    route: [{to: local, topic: round}, {to: dead}]
    on_error: {to: [dead2, local], topic: errors}
  errors: {source: local, topic: errors, route: [{to: dead2}]}
`)
	got := handle(t, p, "hospital/1", `{"first":true}`)
	if len(got) != 17 {
		t.Fatal(got)
	}
	letter := got[15].String() + got[16].String()
	if !strings.Contains(letter, `"rule":"round"`) || !strings.Contains(letter, `"class":"hops"`) || !strings.Contains(letter, `{\"first\":true}`) || !strings.Contains(letter, `dead {"n":16}`) {
		t.Error(letter)
	}
	// The letter to local would be one hop too many itself: it is counted and that is the end. The worst that came
	// of a message is in the books of all rules it came through.
	if got := balance(t, p, "round"); got != "in 16 delivered 0 filtered 0 error 16 dropped 0 shadow 0 missing 0 map[hops:2]" {
		t.Error(got)
	}
}

// A circle that grows at each step ends by the number of its messages.
func TestLocalExplosion(t *testing.T) {
	p := load(t, `rules:
  start: {source: in, topic: hospital/#, route: [{to: local, topic: round}]}
  round:
    source: local
    topic: round
    when: payload.on
    route: [{to: local, topic: round}, {to: local, topic: round}, {to: local, topic: round}]
`)
	handle(t, p, "hospital/1", `{"on":true}`)
	s := p.Stats()[1]
	if s.In > maxCaused || s.Errors["limit"] == 0 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// Errors of one rule can be the messages of another; so can what a sink has refused, at the next Tick.
func TestLocalOnError(t *testing.T) {
	p := load(t, `rules:
  a: {source: in, topic: 'hospital/{id}', map: {n: payload.n + 1}, route: [{to: dead}], on_error: {to: local, topic: 'errors/{{ params.id }}'}}
  b: {source: local, topic: 'errors/{id}', map: {id: params.id, class: payload.class, payload: payload.payload}, route: [{to: dead2}], on_error: {to: local, topic: 'b/{{ params.id }}'}}
  c: {source: local, topic: 'b/{id}', map: {c: params.id, rule: payload.rule}, route: [{to: dead}]}
`)
	expect(t, handle(t, p, "hospital/1", `{}`), `dead2 {"id":"1","class":"missing_field","payload":"{}"}`)

	refused := handleRefused(t, p, "hospital/2", `{"n":1}`, p.rules[0])
	expect(t, refused, `dead2 {"id":"2","class":"rejected","payload":"{\"n\":1}"}`)
	refused = handleRefused(t, p, "hospital/3", `{}`, p.rules[1])
	expect(t, refused, `dead {"c":"3","rule":"b"}`)
}

// handleRefused runs a message of which a sink refuses what a rule makes, and the tick after it. It gives what
// came of it then.
func handleRefused(t *testing.T, p *Program, topic, payload string, by *rule) (got []record) {
	t.Helper()
	settled := false
	m := &engine.Message{Topic: topic, Payload: []byte(payload), Meta: &engine.Meta{Source: "in"}}
	m.Receive(func(*engine.Message, engine.Outcome) { settled = true })
	p.Lane().Process(time.UnixMilli(5), m, func(sink string, out *engine.Message) {
		by.Rejected(out, sink, fmt.Errorf("status 413: %w", engine.ErrRejected), func(string, *engine.Message) { t.Error("sent past local") })
		out.Settle(engine.Failed)
	})
	m.Done()
	select {
	case <-p.Wakes():
	default:
		t.Error("the ticker is not woken")
	}
	if settled {
		t.Error("settled before what it caused is")
	}
	p.Tick(time.UnixMilli(6), func(sink string, out *engine.Message) {
		got = append(got, record{sink, out})
		out.Done()
	})
	if !settled {
		t.Error("not settled")
	}
	return got
}

// A circle that nothing can break is an error at load, named with its rules; one that may end is not.
func TestLocalCircles(t *testing.T) {
	const a, b = "rules:\n  a: {source: local, topic: x, route: [{to: local, topic: y}]}\n", "  b: {source: local, topic: '{any}', route: [{to: local, topic: x}]}\n"
	for _, test := range []struct{ text, want string }{
		{a + b, `rules/a.yaml:2:3: rule "a": its messages go round in a circle through local, for ever: a → b → a; give one of these a when:`},
		{a + "  b: {source: local, topic: y, when: payload.n > 1, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, route: [{to: local, topic: x, when: payload.n > 1}]}\n", ""},
		{a + "  b: {source: local, topic: y, split: payload.l, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, dedupe: {by: payload.n, within: 1s}, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, state: {n: {value: payload.n}}, map: {d: 'payload.n - (last.n ?? 0)'}, route: [{to: local, topic: x}]}\n", "a → b → a"},
		{a + "  b: {source: local, topic: y, enabled: false, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, mode: shadow, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: in, topic: y, route: [{to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, match: first, route: [{to: dead, when: payload.n > 1}, {to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, match: first, route: [{to: dead}, {to: local, topic: x}]}\n", ""},
		{a + "  b: {source: local, topic: y, match: first, route: [{to: local, topic: x}, {to: dead}]}\n", "a → b → a"},
		{a, ""},
		{"rules:\n  a: {source: local, topic: 'x/{id}', route: [{to: local, topic: 'x/{{ payload.id }}'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/{id}', route: [{to: local, topic: 'x/{{ params.id }}'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/1', route: [{to: local, topic: 'x/{{ payload.id }}'}]}\n", ""},
		{"rules:\n  a: {source: local, topic: 'x/{id}/y', route: [{to: local, topic: 'x/{{ payload.id }}'}]}\n", ""},
		{"rules:\n  a: {source: local, topic: 'x/{rest...}', route: [{to: local, topic: 'x/{{ raw(payload.id) }}/y'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/{id}', route: [{to: local, topic: 'x/{{ raw(payload.id) }}'}]}\n", ""},
		{"rules:\n  a: {source: local, topic: 'x/{rest...}', route: [{to: local, topic: 'y/{{ params.rest }}'}]}\n", ""},
		{"rules:\n  a: {source: local, topic: '#', route: [{to: local, topic: '{{ topic }}'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/{id}', route: [{to: local, topic: '{{ topic }}'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/{rest...}', route: [{to: local, topic: '{{ topic }}/y'}]}\n", "for ever: a → a"},
		{"rules:\n  a: {source: local, topic: 'x/{id}', route: [{to: local, topic: '{{ topic }}/y'}]}\n", ""},
		{"rules:\n  a: {source: local, topic: '#', route: [{to: local, topic: $x}]}\n", ""},
		{"rules:\n  a: {source: local, topic: x, route: [{to: local, topic: y}]}\n  b: {source: local, topic: y, route: [{to: local, topic: z}, {to: local, topic: w}]}\n  c: {source: local, topic: w, route: [{to: local, topic: y}]}\n", "rules/a.yaml:3:3: rule \"b\": its messages go round in a circle through local, for ever: b → c → b"},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(test.text)}}, testEnv)
		if len(errs) > 1 {
			t.Errorf("%s\n%d errors: %s", test.text, len(errs), errs)
		}
		got := errs.Error()
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
		_, errs = LoadSuite([]File{{Name: "rules/a.yaml", Data: []byte(test.text)}}, nil, testEnv)
		if tested := errs.Error(); tested != got {
			t.Errorf("%s\nedge test says %s\nnot %s", test.text, tested, got)
		}
	}
}

func TestLocalErrors(t *testing.T) {
	unknown := testEnv
	unknown.Sources, unknown.Sinks = nil, nil
	for _, env := range []Env{testEnv, unknown} {
		for _, test := range []struct{ text, want string }{
			{"rules:\n  r: {source: in, topic: a, route: [{to: local}]}\n", `route[0]: sink "local" needs topic:, where the message goes`},
			{"rules:\n  r: {source: in, topic: a, route: [{to: local, topic: a/+}]}\n", "a topic to publish to can have no wildcard"},
			{"rules:\n  r: {source: in, topic: a, on_error: {to: local}, route: [{to: dead}]}\n", `on_error: sink "local" needs topic:`},
			{"rules:\n  r: {source: local, route: [{to: dead}]}\n", `rules/a.yaml:2:15: rule "r": topic is missing: say which of the messages of local it hears`},
		} {
			if _, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(test.text)}}, env); !strings.Contains(errs.Error(), test.want) {
				t.Errorf("%s\ngot  %v\nwant %s", test.text, errs, test.want)
			}
		}
	}
	const mixed = "rules:\n  r: {source: in, topic: a, route: [{to: [mq, local], topic: b}, {to: local, topic: c}]}\n" +
		"tests:\n  - {name: x, input: [{source: local, topic: a, payload: {}}], expect: [{sink: local, topic: b}]}\n"
	var told []string
	env := testEnv
	env.Local = func(out *engine.Message) { told = append(told, out.Topic+" "+string(out.Payload)) }
	expect(t, handle(t, loadWith(t, env, mixed), "a", "1"), "mq b 1")
	if !slices.Equal(told, []string{"b 1", "c 1"}) {
		t.Error(told)
	}
}

// A rule that keeps something hands on its messages to local when its lock is free: it may be where they lead.
func TestLocalBackIntoTheSameMemory(t *testing.T) {
	p := load(t, `tables: {seen: {source: local, topic: 'again/{n}', key: params.n}}
rules:
  r:
    source: [in, local]
    topic: '{kind}/{n}'
    key: '"one"'
    state: {sum_of_n: {value: '(state.sum_of_n ?? 0) + payload.n'}}
    map: {n: payload.n - 1, sum: state.sum_of_n, rows: len(seen)}
    route: [{to: local, topic: 'again/{{ out.n }}', when: out.n > 0}, {to: dead}]
`)
	y := play(t, p)
	y.send(0, "in/3", `{"n":3}`)
	y.expect(`0s dead {"n":2,"sum":null,"rows":0}`, `0s dead {"n":1,"sum":3,"rows":1}`, `0s dead {"n":0,"sum":5,"rows":2}`)
	if got := balance(t, p, "r"); !strings.HasPrefix(got, "in 3 delivered 3") {
		t.Error(got)
	}
}

// A panic of a rule settles what waits behind it, so that nothing holds its source for ever.
// broken panics where the log is written, which is outside of any rule.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("broken") }

func TestLocalPanic(t *testing.T) {
	p := load(t, chainOf+"  second: {source: local, topic: bed/#, route: [{to: dead}]}\n  third: {source: in, topic: 'hospital/{a}/device/{b}/status', route: [{to: local, topic: x}]}\n")
	settled := false
	m := &engine.Message{Topic: topic, Payload: []byte(`{`), Meta: &engine.Meta{Source: "in"}}
	m.Receive(func(*engine.Message, engine.Outcome) { settled = true })
	l := p.Lane()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		p.rules[1].reads = true
		for _, a := range p.audiences {
			a.reads = true
		}
		p.logger = slog.New(slog.NewTextHandler(broken{}, nil))
		l.Process(time.UnixMilli(1), m, func(string, *engine.Message) {})
	}()
	m.Done()
	if !settled {
		t.Error("not settled")
	}
}
