package rules

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestOperatorsAtLoad(t *testing.T) {
	for _, test := range []struct{ rule, want string }{
		{"    throttle: {rate: 1/0s}\n", `a.yaml:5:22: rule "r": throttle: rate wants a number a unit of time, such as 1/s, 5/m or 10/30s, not "1/0s"`},
		{"    throttle: {rate: 5}\n", `5:22: rule "r": throttle: rate wants`},
		{"    throttle: {rate: 0/s}\n", `5:22: rule "r": throttle: rate wants`},
		{"    throttle: {rate: 1/fortnight}\n", `5:22: rule "r": throttle: rate wants`},
		{"    throttle: {rate: 1000000000/7d}\n", `5:22: rule "r": throttle: rate 1000000000/7d is more than can be counted`},
		{"    throttle: {rate: 10/30s, keep: last}\n", `5:22: rule "r": throttle: keep: last sends one result an interval, so write the interval, such as 1/3s`},
		{"    throttle: {rate: 1/s, keep: newest}\n", `5:33: rule "r": throttle: keep wants first or last, not "newest"`},
		{"    throttle: {keep: last}\n", `"rate"`},
		{"    on_change: {of: payload.x, deadband: wide}\n", `5:42: rule "r": on_change: deadband wants a number such as 0.05 or a share such as 5%, not "wide"`},
		{"    on_change: {of: payload.x, deadband: -1}\n", `5:42: rule "r": on_change: deadband wants`},
		{"    on_change: {of: payloud.x}\n", `5:21: rule "r": on_change.of: unknown name payloud, did you mean payload?`},
		{"    on_change: {at_least_every: 0s}\n", `on_change: at_least_every wants a duration above zero`},
		{"    absent: {for: 0s}\n", `absent: for wants a duration above zero`},
		{"    absent: {expect: [a]}\n", `"for"`},
		{"    absent: {for: 1s, expect: [a, b, a]}\n", `5:38: rule "r": absent: expect names a twice`},
		{"    absent: {for: 1s}\n    set: {x: 1}\n", `rule "r": absent: set and remove change a payload, and a silence has none; write map:`},
		{"    absent: {for: 1s, expect: [a, b]}\n    max_keys: 1\n", `absent: expect names 2 keys, max_keys allows 1`},
		{"    max_keys: 0\n", `rules/a.yaml:5:15: rule "r": max_keys wants a number above zero, not 0`},
		{"    max_keys: -1\n", `max_keys wants a number above zero, not -1`},
		{"    when: absent\n", `5:11: rule "r": when: absent is known only in a rule that has absent:`},
		{"    absent: {for: 1s}\n    key: absent\n", `6:10: rule "r": key: absent cannot be read here`},
		{"    key: lag(payload.x)\n", `5:10: rule "r": key: lag cannot be read here`},
		{"    let: {l: lag(payload.x)}\n    key: l\n", `the let l reads what the rule keeps, so it cannot be read here`},
		{"    when: lag(lag(payload.x)) == 1\n", `rule "r": when: lag inside of lag`},
		{"    when: lag(payload.x, 0) == 1\n", `5:26: rule "r": when: how many messages ago must be a whole number from 1 to 1000`},
		{"    when: lag(payload.x, 1001) == 1\n", `a whole number from 1 to 1000`},
		{"    when: lag(payload.x, payload.n) == 1\n", `a whole number from 1 to 1000`},
		{"    when: lag() == 1\n", `lag takes an expression and how many messages ago`},
		{"    when: lag == 1\n", `lag is a function: write lag(…)`},
		{"    when: lag(state.n) == 1\n    state: {n: {value: '1'}}\n", `state cannot be read here`},
		{"    when: all(payload.l, lag(#) == 1)\n", `# stands for an element`},
		{"    when: lag(nope) == 1\n", `unknown name nope`},
		{"    let: {lag: '1'}\n", `let: the name lag is taken`},
		{"    state: {last: {value: '1'}}\n", `state: the name last is taken`},
		{"    map: {x: '1'}\n    on_change: {of: out.y}\n", `map has no field y`},
	} {
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(head + test.rule + "    route: [{to: dead}]\n")}}, testEnv)
		err := errs.Err()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\tgot  %v\n\twant %s", test.rule, err, test.want)
		}
	}
}

func TestLost(t *testing.T) {
	const was = head + `    key: params.id
    absent: {for: 1h}
    dedupe: {by: payload.n, within: 1h}
    state: {a: {value: payload.n}, b: {value: payload.n}}
    map: {last: last.n, lag: lag(payload.n)}
    on_change: {of: payload.n}
    throttle: {rate: 1/s}
    route: [{to: dead}]
`
	changed := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(was) }
	for _, test := range []struct {
		name, now string
		want      []string
	}{
		{"nothing", was, nil},
		{"what may change", changed("for: 1h", "for: 2h", "within: 1h", "within: 2h", "state: {a: {value: payload.n}", "state: {a: {value: payload.n + 1}"), nil},
		{"the key", changed("params.id", "params.site"), []string{"its key, split or source is another: what it kept of 1 key begins anew"}},
		{"each", changed("by: payload.n", "by: payload.m", ", b: {value", ", c: {value", "last.n", "last.m", "lag(payload.n)", "lag(payload.m)", "of: payload.n", "of: payload.m", "1/s", "2/s", "    absent: {for: 1h}\n", ""), []string{
			"absent is gone: silences are no longer watched", "dedupe.by is another: what was seen before is forgotten", "state.b is gone",
			"the fields that are read of last are others: last is null for the next message of each key", "lag(payload.n) is gone",
			"on_change compares something else: the next message of each key passes", "throttle is another: it begins anew, and what it held goes out now"}},
		{"all", head + "    route: [{to: dead}]\n", []string{"the rule keeps nothing any more: what it kept of 1 key is dropped"}},
	} {
		before := load(t, was)
		play(t, before).send(0, topic, `{"n":1}`)
		if got := load(t, test.now).rules[0].lost(before.rules[0], false); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
	if lines := load(t, was).rules[0].lost(load(t, head+"    key: topic\n    on_change: {}\n    route: [{to: dead}]\n").rules[0], false); lines != nil {
		t.Errorf("a rule that had kept nothing yet: %q", lines)
	}
}

// What is over takes no room, whether its key comes again or not.
func TestWhatIsOverIsForgotten(t *testing.T) {
	for _, keys := range []string{
		"state: {n: {value: payload.n, ttl: 10s}}",
		"dedupe: {by: payload.n, within: 10s}",
		"on_change: {of: payload.n, at_least_every: 10s}",
		"throttle: {rate: 3/10s}",
		"state: {n: {value: payload.n, ttl: 2s}}\n    throttle: {rate: 1/10s, keep: last}",
	} {
		p := load(t, head+"    key: params.id\n    "+keys+"\n    route: [{to: dead}]\n")
		y := play(t, p)
		for i, id := range []string{"a", "b", "c", "a"} {
			y.send(seconds*dur(i), "hospital/H1/device/"+id+"/status", `{"n":1}`)
		}
		y.until(10 * seconds)
		if s := p.Stats()[0]; s.Keys != 3 || s.StateBytes == 0 {
			t.Errorf("%s: %d keys, want 3", keys, s.Keys)
		}
		y.until(15 * seconds)
		if s := p.Stats()[0]; s.Keys != 0 || s.StateBytes != 0 || s.Evicted != 0 {
			t.Errorf("%s: %d keys of %d bytes are kept, want none", keys, s.Keys, s.StateBytes)
		}
		if !p.Tick(y.now, y.emit).IsZero() {
			t.Errorf("%s: something is still due", keys)
		}
	}
}

// A state that is over goes when its key comes, even where other things of the key stay; null removes too.
func TestStateGoes(t *testing.T) {
	p := load(t, head+"    state: {n: {value: payload.n}}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, topic, `{"n":1}`)
	y.send(0, topic, `{"n":null}`)
	if s := p.Stats()[0]; s.Keys != 0 || s.StateBytes != 0 {
		t.Errorf("%d keys, %d bytes", s.Keys, s.StateBytes)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	env := testEnv
	env.Memory = 40_000
	var lines strings.Builder
	env.Log = slog.New(slog.NewTextHandler(&lines, nil))
	text := head + `    key: params.id
    absent: {for: 1h}
    map: {last: last.text, absent: absent}
    route: [{to: dead}]
  one:
    source: in
    topic: hospital/{site}/device/{id}/status
    key: '"all"'
    dedupe: {by: params.id, within: 1h}
    route: [{to: dead2}]
  quiet:
    source: in
    topic: quiet/{id}
    key: params.id
    on_change: {}
    route: [{to: dead2}]
`
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	y := play(t, p)
	y.send(0, "quiet/a", "1")
	long := strings.Repeat("x", 300)
	for i := range 2000 {
		y.send(ms*dur(i), "hospital/H1/device/"+itoa(i)+"/status", `{"text":"`+long+`"}`)
		y.send(ms*dur(i), "quiet/"+itoa(i%3), "1")
		if held := p.held.Load(); held > env.Memory {
			t.Fatalf("%d bytes are kept", held)
		}
	}
	stats := p.Stats()
	for i, s := range stats[:2] {
		if s.Evicted == 0 || s.Keys == 0 || s.StateBytes == 0 || s.InFlight != 0 {
			t.Errorf("rule %d: %+v", i, s)
		}
	}
	if s := stats[2]; s.Evicted != 0 || s.Keys != 4 {
		t.Errorf("a rule that keeps little lost %d of %d keys to others", s.Evicted, s.Keys)
	}
	if n := strings.Count(lines.String(), "rule=r "); n != 1 || !strings.Contains(lines.String(), "absent no longer watches them") {
		t.Errorf("%d lines in two seconds:\n%s", n, lines.String())
	}
	checkMemory(t, p)
}

func itoa(i int) string { return string(appendIdentity(nil, intValue(int64(i)))[1:]) }

// checkMemory holds what is counted against what is there.
func checkMemory(t testing.TB, p *Program) {
	t.Helper()
	var all int64
	for _, r := range p.timed {
		m := r.memory
		bytes, keys := 0, 0
		for k := m.oldest; k != nil; k = k.next {
			keys++
			bytes += k.size()
			for slot := range k.slots() {
				if p := k.memo(slot); p != nil {
					bytes += p.size()
				}
			}
			if m.keys[k.id] != k {
				t.Errorf("rule %s: a key is lost", r.name)
			}
		}
		if bytes != m.bytes || keys != len(m.keys) || m.charged != m.bytes {
			t.Errorf("rule %s: %d keys of %d bytes are kept, %d of %d are counted, %d charged", r.name, keys, bytes, len(m.keys), m.bytes, m.charged)
		}
		all += int64(bytes)
	}
	if held := p.held.Load(); held != all {
		t.Errorf("all rules keep %d bytes, %d are counted", all, held)
	}
}

// Slots of operators that are gone are used again, but not soon.
func TestManyReloadsTakeNoRoom(t *testing.T) {
	rule := func(i int) string {
		return head + "    key: params.id\n    dedupe: {by: payload.n + " + itoa(i) + ", within: 1h}\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n"
	}
	y := play(t, load(t, rule(0)))
	for i := range 100 {
		y.reload(rule(i))
		y.send(0, topic, `{"n":1}`)
	}
	if got := y.got[len(y.got)-1]; got != `0s dead {"n":99}` {
		t.Errorf("got %s", got)
	}
	if n := len(y.p.rules[0].memory.slots); n > longRetired+4 {
		t.Errorf("%d slots after 100 reloads", n)
	}
	checkMemory(t, y.p)
}
