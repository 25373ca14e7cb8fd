package rules

import (
	"fmt"
	"testing"
)

// Each list of payloads is sent in turn, one a second; want names by index those that pass.
func TestOnChange(t *testing.T) {
	for _, test := range []struct {
		name, keys string
		payloads   []string
		want       []int
	}{
		{"any change without a deadband", "on_change: {of: payload.x}", []string{`{"x":1}`, `{"x":1}`, `{"x":1.0}`, `{"x":2}`, `{"x":1}`}, []int{0, 3, 4}},
		{"null and text are changes, missing is null", "on_change: {of: payload.x, deadband: 5}",
			[]string{`{"x":null}`, `{}`, `{"x":1}`, `{"x":"1"}`, `{"x":1}`, `{}`}, []int{0, 2, 3, 4, 5}},
		{"strictly more, from what was let through", "on_change: {of: payload.x, deadband: 5}",
			[]string{`{"x":10}`, `{"x":15}`, `{"x":5}`, `{"x":15.5}`, `{"x":11}`, `{"x":10}`}, []int{0, 3, 5}},
		{"decimals are decimals", "on_change: {of: payload.x, deadband: 0.05}",
			[]string{`{"x":1.0}`, `{"x":1.05}`, `{"x":0.95}`, `{"x":1.0501}`, `{"x":1.0}`}, []int{0, 3, 4}},
		{"integers beyond a float", "on_change: {of: payload.x, deadband: 1}",
			[]string{`{"x":9007199254740993}`, `{"x":9007199254740994}`, `{"x":9007199254740995}`, `{"x":-9223372036854775808}`, `{"x":9223372036854775807}`}, []int{0, 2, 3, 4}},
		{"a percentage of what it was", `on_change: {of: payload.x, deadband: "10%"}`,
			[]string{`{"x":-100}`, `{"x":-110}`, `{"x":-111}`, `{"x":-100}`, `{"x":-99}`}, []int{0, 2, 4}},
		{"any change from 0", `on_change: {of: payload.x, deadband: 5%}`, []string{`{"x":0}`, `{"x":0.0}`, `{"x":0.001}`, `{"x":0}`, `{"x":0}`}, []int{0, 2, 3}},
		{"any of several", "on_change: {of: [payload.x, payload.y], deadband: 1}",
			[]string{`{"x":0,"y":0}`, `{"x":1,"y":1}`, `{"x":1,"y":2}`, `{"x":2,"y":2}`, `{"x":2.5,"y":2}`}, []int{0, 2, 4}},
		{"lists and objects by value", "on_change: {of: payload.x}",
			[]string{`{"x":{"a":[1,2],"b":1}}`, `{"x":{"b":1.0,"a":[1,2]}}`, `{"x":{"a":[2,1],"b":1}}`, `{"x":[]}`, `{"x":[]}`}, []int{0, 2, 3}},
		{"all of out, field by field", "map: {a: payload.a, b: payload.b}\n    on_change: {deadband: 1}",
			[]string{`{"a":1,"b":"x"}`, `{"a":2,"b":"x","c":1}`, `{"a":2.5,"b":"x"}`, `{"a":2.5,"b":"y"}`}, []int{0, 2, 3}},
		{"all of the payload, field by field", "on_change: {deadband: 1}",
			[]string{`{"a":1,"b":2}`, `{"b":1,"a":2}`, `{"a":1,"b":2,"c":null}`, `{"a":1,"b":2,"c":0}`, `{"a":1,"b":2}`, `[1]`, `[ 1.0 ]`}, []int{0, 3, 4, 5}},
		{"at least every", "on_change: {of: payload.x, at_least_every: 3s}",
			[]string{`{"x":1}`, `{"x":1}`, `{"x":1}`, `{"x":1}`, `{"x":1}`, `{"x":2}`, `{"x":2}`, `{"x":2}`, `{"x":2}`}, []int{0, 3, 5, 8}},
		{"points", `map: {p: '{x: payload.x, y: 1}', l: '[payload.x]'}` + "\n    on_change: {}",
			[]string{`{"x":1}`, `{"x":1}`, `{"x":2}`}, []int{0, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := load(t, head+"    "+test.keys+"\n    route: [{to: dead, payload: payload}]\n")
			y := play(t, p)
			var want []string
			for i, payload := range test.payloads {
				y.send(seconds*1*dur(i), topic, payload)
			}
			for _, i := range test.want {
				want = append(want, fmt.Sprintf("%ds dead %s", i, test.payloads[i]))
			}
			y.expect(want...)
			if s := p.Stats()[0]; int(s.Suppressed) != len(test.payloads)-len(test.want) || s.InFlight != 0 {
				t.Errorf("book %+v", s)
			}
		})
	}
}

// What map makes of points is compared as what it looks like.
func TestOnChangeOfPoints(t *testing.T) {
	p := load(t, `frames: {a: {}, b: {parent: a, translation: [1, 2]}}
`+head+`    map: {p: 'transform(payload.p, "b", "a")', l: '[transform(payload.p, "b", "a")]'}
    on_change: {}
    route: [{to: dead, payload: payload.n}]
`)
	y := play(t, p)
	y.send(0, topic, `{"n":1,"p":{"x":1,"y":1}}`)
	y.send(0, topic, `{"n":2,"p":{"x":1,"y":1}}`)
	y.send(0, topic, `{"n":3,"p":{"x":1,"y":2}}`)
	y.expect("0s dead 1", "0s dead 3")
}

// Each key is compared with itself; a broken payload is an error, not a change.
func TestOnChangeByKey(t *testing.T) {
	p := load(t, head+"    key: params.id\n    on_change: {}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, "hospital/H1/device/a/status", `1`)
	y.send(0, "hospital/H1/device/b/status", `1`)
	y.send(0, "hospital/H2/device/a/status", `1`)
	y.send(0, "hospital/H2/device/a/status", `{`)
	y.expect("0s dead 1", "0s dead 1")
	if s := p.Stats()[0]; s.Error != 1 || s.Suppressed != 1 || s.Keys != 2 {
		t.Errorf("book %+v", s)
	}
}
