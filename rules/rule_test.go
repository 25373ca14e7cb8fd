package rules

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

const head = `rules:
  r:
    source: in
    topic: hospital/{site}/device/{id}/status
`

const topic = "hospital/H1/device/r-1/status"

func TestResults(t *testing.T) {
	for _, test := range []struct{ name, rule, payload, want string }{
		{"passes on byte for byte", ``, `{"b": 1.0,  "a":9007199254740993}`, `{"b": 1.0,  "a":9007199254740993}`},
		{"what nobody reads need not be JSON", ``, "\xff\x00", "\xff\x00"},
		{"map keeps the author's order", "    map: {z: payload.a, a: 1, m: true, t: '\"x\"'}\n", `{"a":[1, 2]}`, `{"z":[1, 2],"a":1,"m":true,"t":"x"}`},
		{"literals of map", "    map: {a: 1.50, b: -3, c: 1e3, d: false}\n", `{}`, `{"a":1.5,"b":-3,"c":1000,"d":false}`},
		{"large literals of map keep their digits", "    map: {a: 12345678901234567890, b: -123456789012345678901, c: -9223372036854775808}\n", `{}`, `{"a":12345678901234567890,"b":-123456789012345678901,"c":-9223372036854775808}`},
		{"references are copied as written", "    map: {a: payload.a, b: payload.b, c: payload.c}\n", `{"a":9007199254740993,"b":1e2,"c":"\u00e9\/"}`, `{"a":9007199254740993,"b":1e2,"c":"\u00e9\/"}`},
		{"copies inside of lists and objects too", "    map: {a: '[payload.a, payload.b]', o: '{x: payload.a, y: payload.c}', f: 'filter(payload.l, true)', m: 'map(payload.l, #)', v: values(payload.o)}\n",
			`{"a":12345678901234567890,"b":-0,"c":"\u00e9\/","l":[-0,1e2,{"k":1.50}],"o":{"k":1E+2}}`,
			`{"a":[12345678901234567890,-0],"o":{"x":12345678901234567890,"y":"\u00e9\/"},"f":[-0,1e2,{"k":1.50}],"m":[-0,1e2,{"k":1.50}],"v":[1E+2]}`},
		{"an element of a split is copied as written", "    split: payload.l\n", `{"l":[ {"b": 1e2,"a":-0} ]}`, `{"b": 1e2,"a":-0}`},
		{"set keeps an element of a split as written", "    split: payload.l\n    set: {c: 1}\n", `{"l":[{"b": 1e2,"a":-0}]}`, `{"b":1e2,"a":-0,"c":1}`},
		{"missing is null", "    map: {a: payload.a.b}\n", `{}`, `{"a":null}`},
		{"the last of two keys wins", "    map: {a: payload.a}\n", `{"a":1,"a":{"x":2}}`, `{"a":{"x":2}}`},
		{"fields read fields above", "    map: {x: payload.x * 2, y: out.x + 1}\n", `{"x":3}`, `{"x":6,"y":7}`},
		{"lets are computed when read", "    let: {bad: payload.no + 1, good: payload.x + 1, better: good * 2}\n    map: {a: better}\n", `{"x":3}`, `{"a":8}`},
		{"objects and lists inside of map", "    map:\n      pos: {x: payload.x, at: [1, payload.x]}\n", `{"x":3}`, `{"pos":{"x":3,"at":[1,3]}}`},
		{"set keeps the place of what it changes", "    set: {b: payload.b + 1, d: '\"new\"'}\n", `{"a":1,"b":2,"c":3}`, `{"a":1,"b":3,"c":3,"d":"new"}`},
		{"set below", "    set: {pos.x: 5, new.deep: 1}\n    remove: [pos.z, a]\n", `{"a":1,"pos":{"x":1,"y":2,"z":3}}`, `{"pos":{"x":5,"y":2},"new":{"deep":1}}`},
		{"remove alone", "    remove: [a, b.c]\n", `{"a":1,"b":{"c":1,"d":2}}`, `{"b":{"d":2}}`},
		{"params as an object", "    map: {p: params, n: len(params), k: '\"id\" in params'}\n", `{}`, `{"p":{"id":"r-1","site":"H1"},"n":2,"k":true}`},
		{"state as an object", "    state: {a: {value: payload.x}, b: {value: payload.y}}\n    map: {s: state}\n", `{"x":1}`, `{"s":{}}`},
		{"the smallest integer", "    map: {a: '-9223372036854775808', b: '[-9223372036854775808]', c: 'payload.x == -9223372036854775808'}\n", `{"x":-9223372036854775808}`, `{"a":-9223372036854775808,"b":[-9223372036854775808],"c":true}`},
		{"params and topic", "    map: {s: params.site, i: params.id, t: topic}\n", `{}`, `{"s":"H1","i":"r-1","t":"hospital/H1/device/r-1/status"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := load(t, head+test.rule+"    route: [{to: dead}]\n")
			expect(t, handle(t, p, topic, test.payload), "dead "+test.want)
			balance(t, p, "r")
		})
	}
}

func TestConditions(t *testing.T) {
	for _, test := range []struct {
		when, payload string
		passes        bool
		missing       int
		class         string
	}{
		{`payload.battery < 20`, `{"battery":10}`, true, 0, ""},
		{`payload.battery < 20`, `{}`, false, 1, ""},
		{`payload.battery < 20`, `{"battery":null}`, false, 1, ""},
		{`not (payload.battery < 20)`, `{}`, true, 1, ""},
		{`payload.battery < 20`, `{"battery":"10"}`, false, 0, "wrong_type"},
		{`payload.battery == "10"`, `{"battery":10}`, false, 0, ""},
		{`payload.a != 1`, `{}`, true, 0, ""},
		{`payload.a == nil`, `{}`, true, 0, ""},
		{`payload.a.b.c == 1`, `{}`, false, 0, ""},
		{`payload.a startsWith "x"`, `{}`, false, 1, ""},
		{`payload.a contains "x"`, `{}`, false, 1, ""},
		{`payload.a matches "x"`, `{}`, false, 1, ""},
		{`payload.a in [1, 2]`, `{}`, false, 1, ""},
		{`len(payload.a) > 1`, `{}`, false, 2, ""},
		{`payload.a and true`, `{}`, false, 1, ""},
		{`payload.a`, `{}`, false, 1, ""},
		{`payload.a`, `{"a":83}`, false, 0, "not_boolean"},
		{`(payload.battery ?? 100) < 20`, `{}`, false, 0, ""},
		{`payload.a % 10 == 3`, `{"a":13}`, true, 0, ""},
		{`payload.a / 0 > 1`, `{"a":13}`, false, 0, "division_by_zero"},
		{`key == topic`, `{}`, true, 0, ""},
		{`meta.qos == 1 and meta.source == "in" and meta.received == 1700000000000`, `{}`, true, 0, ""},
	} {
		t.Run(test.when+" "+test.payload, func(t *testing.T) {
			p := load(t, head+fmt.Sprintf("    when: %q\n    route: [{to: dead}]\n", test.when))
			got := handle(t, p, topic, test.payload)
			if passed := len(got) == 1; passed != test.passes {
				t.Errorf("passes: %v", passed)
			}
			s := p.Stats()[0]
			if s.Missing != int64(test.missing) {
				t.Errorf("missing: %d, want %d", s.Missing, test.missing)
			}
			if test.class != "" && s.Errors[test.class] != 1 {
				t.Errorf("errors: %v, want %s", s.Errors, test.class)
			}
			balance(t, p, "r")
		})
	}
}

func TestRoutes(t *testing.T) {
	p := load(t, head+`    map: {id: params.id, battery: payload.battery}
    id: params.id + "/" + string(payload.seq)
    headers: {X-Site: params.site, X-Fixed: "v-{{ params.id }}"}
    route:
      - to: mq
        topic: map/{{ params.site }}/{{ out.id }}
      - to: [nats, dead]
        subject: pose.{{ out.id }}
        headers: {x-site: '"other"'}
      - when: payload.battery < 20
        to: nats
        subject: alert
        payload: "{\"low\": out.battery}"
`)
	got := handle(t, p, topic, `{"battery":10,"seq":7}`)
	body := `{"id":"r-1","battery":10}`
	expect(t, got, "mq map/H1/r-1 "+body, "nats pose.r-1 "+body, "dead "+body, `nats alert {"low":10}`)
	if got[0].ID != "" || got[1].ID != "r-1/7" || got[3].ID != "r-1/7/1" {
		t.Errorf("ids %q %q %q", got[0].ID, got[1].ID, got[3].ID)
	}
	if h := fmt.Sprint(got[0].Headers, got[1].Headers); h != "[{X-Site H1} {X-Fixed v-r-1}] [{x-site other} {X-Fixed v-r-1}]" {
		t.Errorf("headers %s", h)
	}
	if text := balance(t, p, "r"); text != "in 1 delivered 1 filtered 0 error 0 dropped 0 shadow 0 missing 0 map[]" {
		t.Error(text)
	}
	expect(t, handle(t, p, topic, `{"battery":90,"seq":8}`), "mq map/H1/r-1 {\"id\":\"r-1\",\"battery\":90}", "nats pose.r-1 {\"id\":\"r-1\",\"battery\":90}", "dead {\"id\":\"r-1\",\"battery\":90}")
}

func TestDeadLettersStandInTheOrderOfTheRoutes(t *testing.T) {
	p := load(t, head+"    route: [{to: dead, payload: payload.a + 1}, {to: mq, topic: one}, {to: dead, payload: payload.b + 1}, {to: mq, topic: two}, {to: dead, when: payload.c}]\n    on_error: {to: dead2}\n")
	var got []string
	for _, r := range handle(t, p, topic, `{"c":1}`) {
		var letter struct{ Expression string }
		if err := json.Unmarshal(r.Payload, &letter); err != nil {
			t.Fatal(err)
		}
		got = append(got, r.sink+" "+r.Address+letter.Expression)
	}
	if want := []string{"dead2 payload.a + 1", "mq one", "dead2 payload.b + 1", "mq two", "dead2 payload.c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if text := balance(t, p, "r"); text != "in 1 delivered 0 filtered 0 error 1 dropped 0 shadow 0 missing 0 map[missing_field:2 not_boolean:1]" {
		t.Error(text)
	}
}

func TestFirstRouteOnly(t *testing.T) {
	p := load(t, head+"    match: first\n    route: [{to: dead, when: payload.a == 1}, {to: dead2}]\n")
	expect(t, handle(t, p, topic, `{"a":1}`), `dead {"a":1}`)
	expect(t, handle(t, p, topic, `{"a":2}`), `dead2 {"a":2}`)
}

func TestIdsWithoutOneOfTheRule(t *testing.T) {
	p := load(t, head+"    route: [{to: nats, subject: a}, {to: http}]\n")
	seen := map[string]bool{}
	for range 3 {
		for _, r := range handle(t, p, topic, `{}`) {
			if r.ID == "" || seen[r.ID] {
				t.Errorf("id %q", r.ID)
			}
			seen[r.ID] = true
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ route, id, want, class string }{
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "b", "a/b", ""},
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "b/c", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ raw(payload.id) }}'}", "b/c", "a/b/c", ""},
		{"{to: mq, topic: 'a/{{ raw(payload.id) }}'}", "b//c", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "+", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "#", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ payload.id }}/c'}", "", "", "bad_address"},
		{"{to: mq, topic: '{{ payload.id }}/c'}", "$SYS", "", "bad_address"},
		{"{to: mq, topic: 'x{{ payload.id }}/c'}", "$SYS", "x$SYS/c", ""},
		{"{to: mq, topic: '{{ payload.id }}'}", "", "", "null_address"},
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "\\u0000", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ payload.id }}'}", "\\u0085", "", "bad_address"},
		{"{to: mq, topic: 'a/{{ payload.none }}'}", "", "", "null_key"},
		{"{to: mq, topic: 'a/{{ payload }}'}", "", "", "null_key"},
		{"{to: mq, topic: 'a/{{ topic }}'}", "", "a/" + topic, ""},
		{"{to: mq, topic: \"a/{{ {'x': payload.id}.x }}\"}", "q", "a/q", ""},
		{"{to: nats, subject: 'a.{{ payload.id }}'}", "b.c", "", "bad_address"},
		{"{to: nats, subject: 'a.{{ raw(payload.id) }}'}", "b.c", "a.b.c", ""},
		{"{to: nats, subject: 'a.{{ raw(payload.id) }}'}", "b..c", "", "bad_address"},
		{"{to: nats, subject: 'a.{{ payload.id }}'}", "b c", "", "bad_address"},
		{"{to: nats, subject: 'a.{{ payload.id }}'}", ">", "", "bad_address"},
		{"{to: nats, subject: 'a.{{ payload.id }}'}", "", "", "bad_address"},
		{"{to: http, path: '/p/{{ payload.id }}'}", "a/b", "", "bad_address"},
		{"{to: http, headers: {X: payload.id}}", "a\\r\\nEvil: 1", "", "bad_address"},
	} {
		t.Run(test.route+" "+test.id, func(t *testing.T) {
			p := load(t, head+"    route: ["+test.route+"]\n")
			got := handle(t, p, topic, `{"id":"`+test.id+`"}`)
			if test.class == "" && (len(got) != 1 || got[0].Address != test.want) {
				t.Errorf("got %v, %v", got, p.Stats()[0].Errors)
			}
			if test.class != "" && (len(got) != 0 || p.Stats()[0].Errors[test.class] != 1) {
				t.Errorf("got %v, %v", got, p.Stats()[0].Errors)
			}
			balance(t, p, "r")
		})
	}
}

func TestSplit(t *testing.T) {
	p := load(t, head+"    split: payload.list\n    when: item.v > 1\n    map: {v: item.v * 2, id: params.id}\n    route: [{to: dead}]\n")
	expect(t, handle(t, p, topic, `{"list":[{"v":1},{"v":2},{"v":"x"},{"v":3}]}`), `dead {"v":4,"id":"r-1"}`, `dead {"v":6,"id":"r-1"}`)
	handle(t, p, topic, `{}`)
	handle(t, p, topic, `{"list":[]}`)
	handle(t, p, topic, `{"list":5}`)
	if text := balance(t, p, "r"); text != "in 7 delivered 2 filtered 3 error 2 dropped 0 shadow 0 missing 0 map[wrong_type:2]" {
		t.Error(text)
	}
}

func TestOneRoutesErrorLeavesTheOthers(t *testing.T) {
	p := load(t, head+"    route: [{to: mq, topic: 'a/{{ payload.none }}'}, {to: dead2}]\n    on_error: {to: dead}\n")
	got := handle(t, p, topic, `{}`)
	if len(got) != 2 || got[0].sink != "dead" || got[1].sink != "dead2" {
		t.Errorf("got %v", got)
	}
	if text := balance(t, p, "r"); text != "in 1 delivered 0 filtered 0 error 1 dropped 0 shadow 0 missing 0 map[null_key:1]" {
		t.Error(text)
	}
}

func TestDeadLetter(t *testing.T) {
	p := load(t, head+"    when: payload.a > 1\n    route: [{to: dead2}]\n    on_error: {to: dead}\n")
	for payload, want := range map[string]string{
		`{"a":"x"}`: `{"source":"in","topic":"hospital/H1/device/r-1/status","meta":{"qos":1,"retain":false,"received":1700000000000},"rule":"r","file":"rules/a.yaml","line":5,"class":"wrong_type","error":"\u003e cannot take text and a number","expression":"payload.a \u003e 1","payload":"{\"a\":\"x\"}"}`,
		"\xff":      `{"source":"in","topic":"hospital/H1/device/r-1/status","meta":{"qos":1,"retain":false,"received":1700000000000},"rule":"r","file":"rules/a.yaml","line":2,"class":"bad_payload","expression":"","payload_base64":"/w=="}`,
	} {
		got := handle(t, p, topic, payload)
		if len(got) != 1 || got[0].sink != "dead" {
			t.Fatalf("%q: got %v", payload, got)
		}
		var letter, wanted map[string]any
		if err := json.Unmarshal(got[0].Payload, &letter); err != nil {
			t.Fatalf("%s: %v", got[0].Payload, err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse(time.RFC3339, letter["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(letter, "time")
		if wanted["error"] == nil {
			delete(letter, "error")
		}
		if fmt.Sprint(letter) != fmt.Sprint(wanted) {
			t.Errorf("got\n%v\nwant\n%v", letter, wanted)
		}
	}
}

// Without on_error the first of each class in a minute is logged, with the topic that it came on.
func TestErrorsAreLogged(t *testing.T) {
	var lines strings.Builder
	env := testEnv
	env.Log = slog.New(slog.NewTextHandler(&lines, nil))
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(head + "    map: {x: payload.x + 1}\n    route: [{to: dead}]\n")}}, env)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	y := play(t, p)
	for _, payload := range []string{`{"x":"a"}`, `{}`, `{"x":"b"}`, `{"x"`} {
		y.send(0, topic, payload)
	}
	said := strings.Split(strings.TrimSpace(lines.String()), "\n")
	if len(said) != 3 {
		t.Fatalf("%d lines: %s", len(said), lines.String())
	}
	for i, class := range []string{"wrong_type", "missing_field", "bad_payload"} {
		if !strings.Contains(said[i], "rule=r class="+class) || !strings.Contains(said[i], " topic="+topic) {
			t.Errorf("no %s on %s: %s", class, topic, said[i])
		}
	}
}

func TestBadPayloadGoesOnceToEachSink(t *testing.T) {
	rule := func(name, when, sink string) string {
		return "  " + name + ":\n    source: in\n" + when + "    route: [{to: dead2}]\n    on_error: {to: " + sink + "}\n"
	}
	reads := "    when: payload.a == 1\n"
	p := load(t, "rules:\n"+rule("a", reads, "dead")+rule("b", reads, "dead")+rule("c", reads, "dead2")+rule("d", "", "dead"))
	got := handle(t, p, "hospital/x", "{")
	var letter struct{ Rule string }
	if len(got) != 3 || got[0].sink != "dead" || got[1].sink != "dead2" || string(got[2].Payload) != "{" {
		t.Fatalf("got %v", got)
	}
	if _ = json.Unmarshal(got[0].Payload, &letter); letter.Rule != "a" {
		t.Errorf("rule %s", letter.Rule)
	}
	for _, name := range []string{"a", "b", "c"} {
		if text := balance(t, p, name); text != "in 1 delivered 0 filtered 0 error 1 dropped 0 shadow 0 missing 0 map[bad_payload:1]" {
			t.Error(name, text)
		}
	}
	if text := balance(t, p, "d"); text != "in 1 delivered 1 filtered 0 error 0 dropped 0 shadow 0 missing 0 map[]" {
		t.Error(text)
	}
}

func TestRejectedMessages(t *testing.T) {
	p := load(t, head+"    route: [{to: dead2}, {to: mq, topic: x}]\n    on_error: {to: [dead, dead2]}\n")
	var outs []record
	settled := 0
	m := &engine.Message{Topic: topic, Payload: []byte(`{}`), Meta: &engine.Meta{Source: "in"}}
	m.Receive(func(*engine.Message, engine.Outcome) { settled++ })
	emit := func(sink string, out *engine.Message) { outs = append(outs, record{sink, out}) }
	p.Lane().Process(time.Now(), m, emit)
	m.Done()
	refused := outs[0]
	outs = outs[1:]
	(*member)(p.rules[0]).Rejected(refused.Message, "dead2", fmt.Errorf("status 413: %w", engine.ErrRejected), emit)
	refused.Settle(engine.Failed)
	if len(outs) != 2 || outs[1].sink != "dead" {
		t.Fatalf("got %v", outs)
	}
	for _, out := range outs {
		if settled != 0 {
			t.Error("settled before all branches were")
		}
		out.Done()
	}
	if settled != 1 {
		t.Errorf("settled %d times", settled)
	}
	if text := balance(t, p, "r"); text != "in 1 delivered 0 filtered 0 error 1 dropped 0 shadow 0 missing 0 map[rejected:1]" {
		t.Error(text)
	}
}

func TestShadowSendsNothing(t *testing.T) {
	p := load(t, head+"    mode: shadow\n    route: [{to: dead}]\n")
	expect(t, handle(t, p, topic, `{}`))
	if text := balance(t, p, "r"); text != "in 1 delivered 0 filtered 0 error 0 dropped 0 shadow 1 missing 0 map[]" {
		t.Error(text)
	}
}

func TestTooLargeAndTooDeep(t *testing.T) {
	env := testEnv
	env.Payload, env.Depth = 100, 3
	p, errs := Load([]File{{Name: "a.yaml", Data: []byte(head + "    when: payload.a == nil\n    route: [{to: dead}]\n")}}, env)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	handle(t, p, topic, `{"b":"`+string(make([]byte, 100))+`"}`)
	handle(t, p, topic, `{"b":[[[[1]]]]}`)
	handle(t, p, topic, `{"b":[[1]]}`)
	if text := balance(t, p, "r"); text != "in 3 delivered 1 filtered 0 error 2 dropped 0 shadow 0 missing 0 map[bad_payload:1 too_large:1]" {
		t.Error(text)
	}
}

func TestKey(t *testing.T) {
	p := load(t, head+"    key: payload.id\n    map: {k: key}\n    route: [{to: dead}]\n")
	expect(t, handle(t, p, topic, `{"id":7}`), `dead {"k":7}`)
	expect(t, handle(t, p, topic, `{"id":false}`), `dead {"k":false}`)
	expect(t, handle(t, p, topic, `{"id":""}`), `dead {"k":""}`)
	for _, bad := range []string{`{}`, `{"id":null}`, `{"id":[1]}`, `{"id":{}}`} {
		expect(t, handle(t, p, topic, bad))
	}
	if text := balance(t, p, "r"); text != "in 7 delivered 3 filtered 0 error 4 dropped 0 shadow 0 missing 0 map[null_key:4]" {
		t.Error(text)
	}
}

func TestFrames(t *testing.T) {
	p := load(t, `frames:
  building: {}
  F3: {parent: building, translation: [40, 25], rotation: {yaw_deg: 90}, scale: 0.05}
  moon: {}
`+head+`    let: {p: 'transform(payload.c, "F3", "building")'}
    map: {x: p.x, y: p.y, all: p, v: 'transform_vector(payload.c, payload.from, "building")', pose: 'transform_pose({"x": 0, "y": 0, "yaw": 0}, "F3", "building").x'}
    route: [{to: dead}]
    on_error: {to: dead2}
`)
	expect(t, handle(t, p, topic, `{"from":"F3","c":{"x":20,"y":-40}}`), `dead {"x":42,"y":26,"all":{"x":42,"y":26},"v":{"x":2,"y":1},"pose":40}`)
	for _, payload := range []string{`{"from":"F9","c":{"x":1,"y":1}}`, `{"from":"moon","c":{"x":1,"y":1}}`, `{"from":"F3","c":{"x":"1","y":1}}`, `{"from":"F3","c":{"x":1}}`, `{"from":"F3"}`, `{"from":"F3","c":7}`} {
		handle(t, p, topic, payload)
	}
	want := map[string]int64{"unknown_frame": 1, "not_connected": 1, "wrong_type": 2, "missing_field": 2}
	if got := p.Stats()[0].Errors; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("errors %v", got)
	}
}

func TestBooksGoOnOverAReload(t *testing.T) {
	p := load(t, head+"    route: [{to: dead}]\n")
	handle(t, p, topic, `{}`)
	env := testEnv
	env.Previous = p
	next, errs := Load([]File{{Name: "rules/b.yaml", Data: []byte(head + "    when: payload.a == 1\n    route: [{to: dead}]\n")}}, env)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	handle(t, next, topic, `{}`)
	if text := balance(t, next, "r"); text != "in 2 delivered 1 filtered 1 error 0 dropped 0 shadow 0 missing 0 map[]" {
		t.Error(text)
	}
}
