package rules

import (
	"fmt"
	"strings"
	"testing"
)

// TestConditionsOfFields: a condition of fields and literals decides, counts and fails as the same condition of lets does,
// which goes the general way.
func TestConditionsOfFields(t *testing.T) {
	parts := []string{`payload.s == "x"`, `payload.s != "x"`, `payload.n > 7`, `payload.n <= 7.5`, `payload.n != 9007199254740993`, `payload.m < 1`, `payload.m == "x"`}
	conditions := parts
	for _, left := range parts {
		for _, right := range parts {
			conditions = append(conditions, left+" and "+right, left+" or "+right, "("+left+" or "+right+") and payload.b == 1")
		}
	}
	for _, condition := range conditions {
		p := load(t, fmt.Sprintf("rules:\n  quick: {source: in, topic: t, when: '%s', route: [{to: dead}]}\n"+
			"  general: {source: in, topic: t, let: {s: payload.s, n: payload.n, m: payload.m, b: payload.b}, when: '%s', route: [{to: dead}]}\n",
			condition, strings.ReplaceAll(condition, "payload.", "")))
		if p.rules[0].when.test == nil || p.rules[1].when.test != nil {
			t.Fatalf("%s: it is not decided as this test takes it to be", condition)
		}
		for _, payload := range []string{
			`{}`, `{"s":"x","n":8,"m":0,"b":1}`, `{"s":"\u0078","n":7,"m":"x","b":1.0}`, `{"s":"y","n":7.5,"b":2}`, `{"s":null,"n":7.0}`,
			`{"s":7,"n":9007199254740993,"b":1}`, `{"s":["x"],"n":"8","b":"1"}`, `{"s":"","n":1e400,"m":true}`, `{"s":true,"n":[],"m":null}`, `{"n":9007199254740992.0}`,
		} {
			before := p.Stats()
			handle(t, p, "t", payload)
			after := p.Stats()
			quick, general := counted(before[0], after[0]), counted(before[1], after[1])
			if quick != general {
				t.Errorf("%s of %s: %s, in general %s", condition, payload, quick, general)
			}
		}
	}
}

// counted says what a message added to a book.
func counted(before, after RuleStats) string {
	errors := map[string]int64{}
	for class, n := range after.Errors {
		if n -= before.Errors[class]; n > 0 {
			errors[class] = n
		}
	}
	return fmt.Sprint("delivered ", after.Delivered-before.Delivered, ", filtered ", after.Filtered-before.Filtered, ", missing ", after.Missing-before.Missing, ", ", errors)
}

// TestMembersOfLet: a member of a let is what it is of the expression itself, before the let is read as a whole and after.
func TestMembersOfLet(t *testing.T) {
	for _, call := range []string{`transform(payload.p, "F3", "site")`, `transform(payload.p, "wgs", "utm50")`, `transform(payload.p, "site", "wgs")`,
		`transform_vector(payload.p, "F3", "site")`, `transform_pose(payload.p, "F3", "site")`, `payload.p`} {
		for _, member := range []string{"x", "y", "z", "lon", "lat", "h", "yaw", "other"} {
			p := load(t, earthFrames+fmt.Sprintf(`rules:
  first: {source: in, topic: t, let: {p: '%s'}, map: {v: 'p.%s', whole: p, again: 'p.%[2]s'}, route: [{to: dead}], on_error: {to: dead2}}
  direct: {source: in, topic: t, map: {v: '%[1]s.%[2]s', whole: '%[1]s', again: '%[1]s.%[2]s'}, route: [{to: dead}], on_error: {to: dead2}}
`, call, member))
			for _, payload := range []string{`{"p":{"x":1.5,"y":2}}`, `{"p":{"x":1,"y":2,"z":3,"yaw":1}}`, `{"p":{"lon":117.2,"lat":31.8}}`, `{"p":{"lon":117.2,"lat":31.8,"h":4}}`,
				`{"p":[117,31]}`, `{"p":{"e":1,"n":2}}`, `{"p":{"x":1}}`, `{"p":{"lon":500,"lat":2}}`, `{"p":{"x":"1","y":2}}`, `{"p":7}`, `{"p":null}`, `{}`} {
				before := p.Stats()
				got := handle(t, p, "t", payload)
				after := p.Stats()
				let, direct := counted(before[0], after[0]), counted(before[1], after[1])
				if let != direct || len(got) != 2 || got[0].sink != got[1].sink || got[0].sink == "dead" && string(got[0].Payload) != string(got[1].Payload) {
					t.Errorf("%s: %s of %s: %s, without a let %s: %v", call, member, payload, let, direct, got)
				}
			}
		}
	}
}
