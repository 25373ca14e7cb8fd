package rules

import (
	"strings"
	"testing"
)

func TestLoadErrors(t *testing.T) {
	const rule = "rules:\n  r:\n    source: in\n"
	const out = "    route: [{to: dead}]\n"
	for _, test := range []struct{ text, want string }{
		{rule + "    when: paylod.a == 1\n" + out, "rules/a.yaml:4:11: rule \"r\": when: unknown name paylod, did you mean payload?\n | paylod.a == 1\n | ^"},
		{rule + "    when: payload.a == abc\n" + out, "rules/a.yaml:4:24: rule \"r\": when: unknown name abc;"},
		{rule + "    when: 'payload.a == abc'\n" + out, "rules/a.yaml:4:25: "},
		{rule + "    when: |\n      payload.a == 1 and\n      payload.b == abc\n" + out, "rules/a.yaml:6:20: rule \"r\": when: unknown name abc;"},
		{rule + "    route: [{to: pln}]\n", "rules/a.yaml:4:18: rule \"r\": no sink \"pln\"; there are dead, dead2, http, mq, nats"},
		{rule + "    route: [{to: dea}]\n", "no sink \"dea\", did you mean \"dead\"?"},
		{rule + "    route: [{to: mq}]\n", "route[0]: sink \"mq\" needs topic:, where the message goes"},
		{rule + "    route: [{to: mq, subject: a}]\n", "rules/a.yaml:4:31: rule \"r\": route[0]: none of its sinks reads subject:, write topic:"},
		{rule + "    route: [{to: dead, headers: {A: topic}}]\n", "rules/a.yaml:4:34: rule \"r\": route[0]: none of its sinks reads headers:"},
		{rule + "    route: [{to: local, topic: a, headers: {A: topic}}]\n", "none of its sinks reads headers:"},
		{rule + "    route: [{to: mq, topic: a/+}]\n", "route[0].topic: a topic to publish to can have no wildcard + or #"},
		{rule + "    route: [{to: nats, subject: 'a.>'}]\n", "a subject to publish to can have no wildcard"},
		{rule + "    route: [{to: mq, topic: 'a/{{ payload.x'}]\n", "route[0].topic: {{ without }}"},
		{rule + "    route: [{to: mq, topic: 'a/{{ paylod.x }}'}]\n", "rules/a.yaml:4:35: rule \"r\": route[0].topic: unknown name paylod"},
		{"rules:\n  r:\n" + out, "rules/a.yaml:2:3: rule \"r\": source is missing"},
		{"rules:\n  r:\n    source: inn\n" + out, "no source \"inn\", did you mean \"in\"?"},
		{"rules:\n  r:\n    source: bare\n" + out, "topic is missing, and source \"bare\" has no topics of its own"},
		{rule, "there is no route"},
		{rule + "    map: {a: 1}\n    set: {b: 2}\n" + out, "rules/a.yaml:5:10: rule \"r\": map and set exclude each other"},
		{rule + "    map: {a: out.b}\n" + out, "rule \"r\": map.a: map has no field b; it has a"},
		{rule + "    map: {a: out.b, b: 1}\n" + out, "map.a: out.b stands below"},
		{rule + "    map: {unit: m}\n" + out, "map.unit: unknown name m; text needs quotes: \"m\""},
		{rule + "    let: {topic: 1}\n" + out, "rules/a.yaml:4:11: rule \"r\": let: the name topic is taken"},
		{rule + "    let: {nil: 1}\n" + out, "let: the name nil is taken"},
		{rule + "    state: {not: {value: 1}}\n" + out, "state: the name not is taken"},
		{"tables:\n  in: {source: in, key: payload.id}\n" + rule + out, "table: the name in is taken"},
		{rule + "    map: {a: .inf}\n" + out, "rules/a.yaml:4:14: rule \"r\": map.a: \".inf\" is no number of JSON"},
		{rule + "    map: {a: .nan}\n" + out, "is no number of JSON"},
		{rule + "    map: {a: null}\n" + out, "rules/a.yaml:4:14: rule \"r\": map.a: null is an empty value of YAML: write nil, or leave the field out"},
		{rule + "    when: payload.a == null\n" + out, "unknown name null, did you mean nil?"},
		{rule + "    when: payload.a == True\n" + out, "unknown name True, did you mean true?"},
		{rule + "    when: payload.a == #1\n" + out, "rules/a.yaml:4:22: rule \"r\": when: the expression ends too early: the # behind it begins a comment, quote the whole value"},
		{rule + "    when: 'payload.a ==' # not 1\n" + out, "rule \"r\": when: the expression ends too early: something must follow"},
		{rule + "    route: [{to: []}]\n", "rules/a.yaml:4:18: \"to\" is an empty list: it needs an entry"},
		{rule + out + "    on_error: {to: []}\n", "\"to\" is an empty list: it needs an entry"},
		{rule + "    route: [{to: ''}]\n", "rules/a.yaml:4:18: rule \"r\": route[0]: to is empty: name a sink of edge.yaml"},
		{"rules:\n  r:\n    source: ''\n" + out, "rules/a.yaml:3:13: rule \"r\": source is empty: name a source of edge.yaml"},
		{rule + "    map: {a: state}\n" + out, "state is empty: the rule has no state:"},
		{rule + "    map: {a: 2001-11-11}\n" + out, "would be a subtraction"},
		{rule + "    topic: a/#\n    map: {a: params.x}\n" + out, "unknown param x: the rule's topic has no {x}"},
		{rule + "    route: [{to: mq, topic: ''}]\n", "rules/a.yaml:4:29: rule \"r\": route[0].topic: it is empty"},
		{rule + "    route: [{to: nats, subject: ''}]\n", "route[0].subject: it is empty"},
		{rule + "    route: [{to: nats, subject: 'a..b'}]\n", "route[0].subject: a subject can have no empty token"},
		{rule + "    route: [{to: nats, subject: 'a.{{ topic }}.'}]\n", "a subject can have no empty token"},
		{rule + out + "    on_error: {to: mq, topic: ''}\n", "on_error.topic: it is empty"},
		{rule + "    let: {a: b, b: 1}\n" + out, "let.a: unknown name b"},
		{rule + "    match: last\n" + out, "match wants first or all, not \"last\""},
		{rule + "    topic: a/{id}/{id}\n" + out, "topic: {id} stands twice in the topic"},
		{rule + "    topic: a/#/b\n" + out, "# must be the last level"},
		{rule + "    wen: true\n" + out, "rules/a.yaml:4:5: unknown key \"wen\""},
		{rule + out + "  r:\n    source: in\n" + out, "rules/a.yaml:5:3: "},
		{"frames:\n  a: {parent: b, translation: [1, 2]}\n" + rule + out, "rules/a.yaml:2:15: frame \"a\": "},
		{"frames:\n  a: {}\n" + rule + "    when: transform(payload.p, \"a\", \"c\").x > 1\n" + out, "rule \"r\": when: no frame \"c\""},
		{rule + out + "tests:\n  - {name: x, rule: rr, input: [{topic: a, payload: {a: 1}}], expect: []}\n", "test \"x\": no rule \"rr\", did you mean \"r\"?"},
		{"tests:\n  - {name: x, rule: r, input: [], expect: []}\n", "test \"x\": no rule \"r\"; the file has none, and a test runs"},
		{rule + out + "tests:\n  - {name: x, input: [{topic: a}], expect: [{sink: ded}]}\n", "test \"x\": no sink \"ded\", did you mean \"dead\"?"},
		{rule + out + "tests:\n  - {name: x, input: [{payload: a}], expect: []}\n", "an input needs a topic"},
		{rule + "    key: let_that\n    let: {let_that: key}\n" + out, "key: the let let_that reads key"},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(test.text)}}, testEnv)
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot  %v\nwant %s", test.text, err, test.want)
		}
	}
}

// TestOneErrorOfAValue: of what YAML has refused nothing else is said, however deep it stands.
func TestOneErrorOfAValue(t *testing.T) {
	for line, want := range map[string]string{
		"map: {a: [012]}":               "leading zero",
		"map: {a: {b: {c: 012}}}":       "leading zero",
		"map: {a: {b: '${NO_SUCH_X}'}}": "NO_SUCH_X is not set",
		"map: {a: [!x y]}":              "is read as a YAML tag",
		"map: {a: {b: , c: 1}}":         "map.a.b is empty: give it a value or leave it out",
		"max_keys: many":                `"max_keys" wants a whole number, not "many"`,
	} {
		_, errs := Load([]File{{Name: "a.yaml", Data: []byte(head + "    " + line + "\n    route: [{to: dead}]\n")}}, testEnv)
		if len(errs) != 1 || !strings.Contains(errs.Error(), want) {
			t.Errorf("%s: %v", line, errs)
		}
	}
}

// TestOneErrorOfATemplate: of a wrong expression nothing else is said.
func TestOneErrorOfATemplate(t *testing.T) {
	for _, route := range []string{"{to: mq, topic: '{{ paylod.x }}'}", "{to: nats, subject: 'a.{{ paylod.x }}.b'}"} {
		_, errs := Load([]File{{Name: "a.yaml", Data: []byte(head + "    route: [" + route + "]\n")}}, testEnv)
		if len(errs) != 1 || !strings.Contains(errs.Error(), "unknown name paylod") {
			t.Errorf("%s: %v", route, errs)
		}
	}
}

func TestLoadReportsAllErrorsOfAllFiles(t *testing.T) {
	_, errs := Load([]File{
		{Name: "b.yaml", Data: []byte("rules:\n  x: {source: in, when: paylod, key: topc, route: [{to: dead}]}\n")},
		{Name: "a.yaml", Data: []byte("rules:\n  x: {source: in, route: [{to: nowhere}]}\n  y: [\n")},
	}, testEnv)
	text := errs.Error()
	for _, want := range []string{"a.yaml:", "b.yaml:2:25:", "b.yaml:2:38:"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
}

func TestRuleNamedTwiceInTwoFiles(t *testing.T) {
	const text = "rules:\n  x: {source: in, route: [{to: dead}]}\n"
	_, errs := Load([]File{{Name: "b.yaml", Data: []byte(text)}, {Name: "a.yaml", Data: []byte(text)}}, testEnv)
	if got := errs.Error(); got != `b.yaml:2:3: rule "x" is defined twice, first at a.yaml:2:3` {
		t.Error(got)
	}
}

func TestFiltersAndOrder(t *testing.T) {
	p, errs := Load([]File{
		{Name: "b.yaml", Data: []byte("rules:\n  z: {source: in, topic: \"a/{id}/c\", route: [{to: dead}]}\n")},
		{Name: "a.yaml", Data: []byte("rules:\n  y: {source: in, topic: \"a/{rest...}\", route: [{to: dead2}]}\n  x: {source: in, enabled: false, topic: q, route: [{to: dead}]}\n  w: {source: in, route: [{to: mq, topic: x}]}\n")},
	}, testEnv)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Filters("in"), " "); got != "a/# a/+/c hospital/#" {
		t.Error(got)
	}
	expect(t, handle(t, p, "a/b/c", `{}`), "dead2 {}", "dead {}")
	expect(t, handle(t, p, "a", `{}`), "dead2 {}")
	expect(t, handle(t, p, "q", `{}`))
}

// FuzzLoad: whatever a rule file holds, loading gives errors with places, and never panics.
func FuzzLoad(f *testing.F) {
	f.Add(head + "    when: payload.a > 1 and key in [1]\n    let: {a: payload.b ?? 2}\n    map: {x: a, y: [1, {z: out.x}]}\n    route: [{to: mq, topic: 'a/{{ out.x }}'}]\n")
	f.Add("frames: {a: {parent: b, scale: 2}, b: {}}\n" + head + "    set: {a.b: 1}\n    remove: [c]\n    route: [{to: dead}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, errs := Load([]File{{Name: "a.yaml", Data: []byte(text)}}, testEnv)
		for _, err := range errs {
			if err.Pos.Line < 1 || err.Pos.Column < 1 {
				t.Errorf("%q: no place in %v", text, err)
			}
		}
		if p != nil {
			handle(t, p, topic, robot)
		}
	})
}
