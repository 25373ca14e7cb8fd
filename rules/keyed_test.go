package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const seconds = time.Second

func TestDedupe(t *testing.T) {
	p := load(t, head+"    key: params.id\n    dedupe: {by: payload.n, within: 10s}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, topic, `{"n":1}`)
	y.send(1*seconds, topic, `{"n":1}`)
	y.send(2*seconds, topic, `{"n":1.0}`)
	y.send(3*seconds, topic, `{"n":"1"}`)
	y.send(4*seconds, "hospital/H1/device/r-2/status", `{"n":1}`)
	y.send(5*seconds, topic, `{}`)
	y.send(6*seconds, topic, `{"n":null}`)
	y.send(9999*time.Millisecond, topic, `{"n":1}`)
	y.send(10*seconds, topic, `{"n":1}`)
	y.expect(`0s dead {"n":1}`, `3s dead {"n":"1"}`, `4s dead {"n":1}`, `5s dead {}`, `6s dead {"n":null}`, `10s dead {"n":1}`)
	if s := p.Stats()[0]; s.Suppressed != 3 || s.InFlight != 0 {
		t.Errorf("book %+v", s)
	}
}

// Equal values are one sighting, however they are written.
func TestDedupeByListsAndObjects(t *testing.T) {
	y := play(t, load(t, head+"    dedupe: {by: payload.v, within: 10s}\n    map: {i: payload.i}\n    route: [{to: dead}]\n"))
	for i, v := range []string{`{"a":1,"b":[2]}`, `{"a": 1, "b": [2]}`, `{"b":[2.0],"a":1}`, `{"a":1,"b":["2"]}`, `[1,2]`, `[1.0,2e0]`, `[2,1]`} {
		y.send(0, topic, fmt.Sprintf(`{"i":%d,"v":%s}`, i, v))
	}
	y.expect(`0s dead {"i":0}`, `0s dead {"i":3}`, `0s dead {"i":4}`, `0s dead {"i":6}`)
}

func TestState(t *testing.T) {
	p := load(t, head+`    state:
      total: {value: "(state.total ?? 0) + payload.n", ttl: 10s}
      before: {value: state.total}
    map: {old: state.total, older: state.before, last: last.n, n: payload.n}
    route: [{to: dead}]
`)
	y := play(t, p)
	y.send(0, topic, `{"n":1}`)
	y.send(1*seconds, topic, `{"n":2}`)
	y.send(2*seconds, topic, `{"n":4}`)
	y.send(12*seconds, topic, `{"n":8}`)
	y.expect(`0s dead {"old":null,"older":null,"last":null,"n":1}`, `1s dead {"old":1,"older":null,"last":1,"n":2}`,
		`2s dead {"old":3,"older":1,"last":2,"n":4}`, `12s dead {"old":null,"older":3,"last":4,"n":8}`)
	balance(t, p, "r")
}

// What stays the same in a rule goes on over a reload, what does not begins anew.
func TestReloadKeepsState(t *testing.T) {
	const rule = head + "    key: params.id\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n"
	before := load(t, rule)
	y := play(t, before)
	y.send(0, topic, `{}`)
	env := testEnv
	env.Previous = before
	reload := func(text string) {
		t.Helper()
		p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		y.p, y.lane, env.Previous = p, p.Lane(), p
	}
	reload(rule + "    description: other\n")
	y.send(0, topic, `{}`)
	reload(rule + "    when: payload.x == nil\n")
	y.send(0, topic, `{}`)
	y.expect(`0s dead {"n":null}`, `0s dead {"n":1}`, `0s dead {"n":2}`)
	reload(head + "    key: params.site\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n")
	y.send(0, topic, `{}`)
	y.expect(`0s dead {"n":null}`)
}

func TestMaxKeys(t *testing.T) {
	p := load(t, head+"    key: params.id\n    max_keys: 2\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n")
	y := play(t, p)
	for _, id := range []string{"a", "b", "a", "c", "a", "b"} {
		y.send(0, "hospital/H1/device/"+id+"/status", `{}`)
	}
	y.expect(`0s dead {"n":null}`, `0s dead {"n":null}`, `0s dead {"n":1}`, `0s dead {"n":null}`, `0s dead {"n":2}`, `0s dead {"n":null}`)
}

// Where when reads what hangs on the key, directly or through a let, the key comes first: a message without one is an
// error even if when would have turned it away. Elsewhere when comes first.
func TestKeyBeforeWhen(t *testing.T) {
	for _, test := range []struct {
		keys  string
		first bool
	}{
		{"when: payload.ok == true", false},
		{"when: payload.ok == true\n    state: {n: {value: payload.n}}", false},
		{"when: payload.ok == true and key == 1", true},
		{"let: {k: key}\n    when: payload.ok == true and k == 1", true},
		{"let: {k: key, l: k}\n    when: payload.ok == true\n    map: {l: l}", false},
		{"let: {k: last.n, l: k}\n    when: payload.ok == true and l == 1", true},
		{"when: payload.ok == true and last == nil", true},
		{"when: payload.ok == true and state.n == nil\n    state: {n: {value: payload.n}}", true},
		{"when: payload.ok == true and lag(payload.n) == nil", true},
		{"split: payload.list\n    when: item.ok == true and lag(item.n) == nil\n    map: {n: 1}", true},
		{"split: payload.list\n    when: item.ok == true\n    on_change: {}", false},
	} {
		key := "payload.id"
		if strings.Contains(test.keys, "split") {
			key = "item.id"
		}
		p := load(t, head+"    key: "+key+"\n    "+test.keys+"\n    route: [{to: dead}]\n")
		y := play(t, p)
		y.send(0, topic, `{"list":[{}]}`)
		s := p.Stats()[0]
		if first := s.Error == 1 && s.Errors["null_key"] == 1; first != test.first || s.Error+s.Filtered != 1 {
			t.Errorf("%s: %+v", test.keys, s)
		}
		y.send(0, topic, `{"ok":true,"list":[{"ok":true}]}`)
		if s := p.Stats()[0]; s.InFlight != 0 || s.Errors["null_key"] == 0 {
			t.Errorf("%s: %+v", test.keys, s)
		}
	}
}

// A panic under the lock of a rule's memory harms what was being done, not who comes next.
func TestPanicFreesTheMemory(t *testing.T) {
	p := load(t, head+"    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, topic, `{}`)
	func() {
		defer func() { _ = recover() }()
		p.rules[0].remembering(p.newLane(), func() { panic("a schedule") })
		t.Error("no panic")
	}()
	if !p.rules[0].memory.mu.TryLock() {
		t.Fatal("the memory is locked for good")
	}
	p.rules[0].memory.mu.Unlock()
	y.send(1*seconds, topic, `{}`)
	y.expect(`0s dead {"n":null}`, `1s dead {"n":1}`)
}
