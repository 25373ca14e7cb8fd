package rules

import (
	"strings"
	"testing"
)

func TestAggregateLoadErrors(t *testing.T) {
	for _, tt := range []struct{ fields, want string }{
		{"x: payload.v", "aggregate.x: payload is of one message, and a window has many: use first() or last(), such as last(payload.name)"},
		{"x: avg(payload.v) + payload.w", "payload is of one message"},
		{"x: params.id", "params is of one message"},
		{"x: topic", "topic is of one message, and a window has many: use first() or last(), such as last(topic)"},
		{"x: meta.qos", "meta is of one message"},
		{"x: half", "half is of one message, and a window has many: use first() or last(), such as last(half)"},
		{"x: last", "last is of one message"},
		{"x: sum(avg(payload.v))", "avg inside of sum: aggregates cannot be nested"},
		{"x: avg(sum(payload.list))", "sum inside of avg: aggregates cannot be nested; of a list write reduce(list, …)"},
		{"x: avg(payload.v, payload.w)", "avg takes 1 argument, not 2"},
		{"x: avg()", ""},
		{"x: count(payload.list, # > 1)", "count takes 0 to 1 arguments, not 2"},
		{"x: avg(window.start)", "window is of a rule with window:"},
		{"x: avg(out.y)", "out is the result"},
		{"x: window.begin", "window has no begin; it has start and end, in Unix ms"},
		{"x: window.stat", "window has no stat, did you mean window.start?"},
		{"x: percentile(payload.v)", "percentile takes 2 arguments, not 1"},
		{"x: percentile(payload.v, 101)", "percentile wants a number from 0 to 100"},
		{"x: percentile(payload.v, -1)", "percentile wants a number from 0 to 100"},
		{"x: percentile(payload.v, payload.p)", "percentile wants a number from 0 to 100"},
		{"x: percentile(payload.v, count())", "percentile wants a number from 0 to 100"},
		{"x: collect(payload.v, 0)", "collect wants a whole number from 1"},
		{"x: collect(payload.v, 1.5)", "collect wants a whole number from 1"},
		{"x: collect(payload.v, 100001)", "collect wants a whole number from 1"},
		{"x: let n = 2; avg(payload.v * n)", "unknown name n"},
		{"x: filter(1..3, sum(#) > 1)", "# stands for an element"},
		{"x: out.y\ny: count()", "out.y stands below"},
		{"x: avg(paylod.v)", "unknown name paylod, did you mean payload?"},
		{"x: averag(payload.v)", "unknown function averag"},
		{"y: out.z\nz: count()", "out.z stands below"},
		{"y: count()\nx: out.z", "aggregate has no field z; it has y"},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(ruleWith(strings.ReplaceAll(tt.fields, "x: ", "x: '") + "'"))}}, testEnv)
		if strings.Contains(tt.fields, "\n") {
			_, errs = Load([]File{{Name: "rules/a.yaml", Data: []byte(ruleWith(tt.fields))}}, testEnv)
		}
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n\t%v\nwant\n\t%s", tt.fields, err, tt.want)
		}
	}
	for _, tt := range []struct{ rule, want string }{
		{"    aggregate: {n: count()}\n    map: {v: payload.v}\n", "map and aggregate exclude each other"},
		{"    aggregate: {n: count()}\n    set: {v: payload.v}\n", "set and aggregate exclude each other"},
		{"    aggregate: {n: count()}\n    remove: [v]\n", "remove goes with set"},
		{"    map: {n: count()}\n", "count cannot be used here: it belongs in aggregate:"},
		{"    map: {n: window.start}\n", "window is of a rule with window:"},
		{"    let: {window: payload.v}\n", "let: the name window is taken"},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(head + tt.rule + "    route: [{to: dead}]\n")}}, testEnv)
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n\t%v\nwant\n\t%s", tt.rule, err, tt.want)
		}
	}
}

// Equal aggregates and equal arguments are computed once.
func TestAggregatesAreShared(t *testing.T) {
	a := gather(t, `
a: avg(payload.v) + avg( payload.v )
b: sum(payload.v) - sum(payload.v + 9007199254740993) + sum(payload.v + 9007199254740995)
c: stddev(payload.v) / variance(payload.v)
d: percentile(payload.v, 50) + percentile(payload.v, 95) + median(payload.v)
e: {n: count(), of: [count(), max(payload.v)]}`).a
	if len(a.arguments) != 3 || len(a.list) != 11 || len(a.cells) != 7 {
		t.Errorf("%d arguments, %d aggregations, %d cells\n%s", len(a.arguments), len(a.list), len(a.cells), a.signature)
	}
}

// A tally is read by aggregates that mean the same.
func TestAggregateSignature(t *testing.T) {
	signature := func(fields, half string) string {
		p := load(t, strings.Replace(ruleWith(fields), "payload.v / 2", half, 1))
		return p.rules[0].aggregate.signature
	}
	for _, tt := range []struct {
		name string
		x, y string
		same bool
	}{
		{"what is made of it", signature("x: avg(payload.v)", "1"), signature("id: key\nx: avg( payload.v ) * 2", "1"), true},
		{"a let that is not read", signature("x: avg(payload.v)", "1"), signature("x: avg(payload.v)", "2"), true},
		{"a let that is read", signature("x: avg(half)", "payload.v"), signature("x: avg(half)", "payload.w"), false},
		{"another argument", signature("x: avg(payload.v)", "1"), signature("x: avg(payload.w)", "1"), false},
		{"another aggregate", signature("x: avg(payload.v)", "1"), signature("x: sum(payload.v)", "1"), false},
		{"another limit", signature("x: collect(payload.v, 2)", "1"), signature("x: collect(payload.v, 3)", "1"), false},
	} {
		if (tt.x == tt.y) != tt.same {
			t.Errorf("%s:\n%s\n%s", tt.name, tt.x, tt.y)
		}
	}
}

// What the promise of 200 bytes a key stands on.
func TestTallyIsSmall(t *testing.T) {
	g := gather(t, "n: count()\navg: avg(payload.v)\nlo: min(payload.v)\nhi: max(payload.v)\nsum: sum(payload.v)")
	if size := g.a.size(g.tally); size != 48 {
		t.Errorf("a tally of count, avg, min and max takes %d bytes", size)
	}
}
