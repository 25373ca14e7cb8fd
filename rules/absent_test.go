package rules

import (
	"testing"
)

const offline = head + `    key: payload.id
    absent: {for: 30s}
    map: {id: key, online: not absent, last: last.ts, now: payload.ts}
    route: [{to: mq, topic: "online/{{ params.id }}/{{ key }}"}]
`

func TestAbsent(t *testing.T) {
	p := load(t, offline)
	y := play(t, p)
	y.send(0, topic, `{"id":"r-1","ts":1}`)
	y.send(10*seconds, topic, `{"id":"r-1","ts":2}`)
	y.send(40*seconds, topic, `{"id":"r-1","ts":3}`) // at the very end: not silent
	y.until(69 * seconds)
	y.expect()
	y.send(70*seconds-1, topic, `{"id":7,"ts":9}`)
	y.until(80 * seconds)
	y.expect(`1m10s mq online/r-1/r-1 {"id":"r-1","online":false,"last":3,"now":null}`)
	y.send(90*seconds, "hospital/H2/device/other/status", `{"id":"r-1","ts":4}`)
	y.send(91*seconds, topic, `{"id":"r-1","ts":5}`)
	y.expect(`1m30s mq online/other/r-1 {"id":"r-1","online":true,"last":3,"now":4}`)
	y.until(1000 * seconds)
	y.expect(`1m39.999999999s mq online/r-1/7 {"id":7,"online":false,"last":9,"now":null}`,
		`2m1s mq online/r-1/r-1 {"id":"r-1","online":false,"last":5,"now":null}`)
	if s := p.Stats()[0]; s.In != 6 || s.Kept != 5 || s.Delivered != 1 || s.Results != 3 || s.InFlight != 0 || s.Keys != 2 {
		t.Errorf("book %+v", s)
	}
}

// The silence and the return of a key hold the order of the key, whatever topics it comes on.
func TestAbsentOrder(t *testing.T) {
	p := load(t, offline)
	y := play(t, p)
	y.send(0, topic, `{"id":7}`)
	y.until(30 * seconds)
	y.send(31*seconds, "hospital/H2/device/other/status", `{"id":7}`)
	if len(y.keys) != 2 || y.keys[0] != "7" || y.keys[1] != "7" {
		t.Errorf("order holds for %q", y.keys)
	}
}

func TestAbsentExpect(t *testing.T) {
	rule := head + `    key: payload.id
    absent: {for: 30s, expect: [a, "7", 7]}
    map: {id: key, absent: absent, last: last, topic: topic, site: params.site, payload: payload, lag: 'lag(payload.n)', got: meta.source}
    route: [{to: dead}]
`
	p := load(t, rule)
	y := play(t, p)
	y.until(5 * seconds)
	y.send(10*seconds, topic, `{"id":"7","n":1}`)
	y.until(35 * seconds)
	y.expect(`30s dead {"id":"a","absent":true,"last":null,"topic":null,"site":null,"payload":null,"lag":null,"got":null}`,
		`30s dead {"id":7,"absent":true,"last":null,"topic":null,"site":null,"payload":null,"lag":null,"got":null}`)
	y.send(36*seconds, topic, `{"id":"a","n":2}`)
	y.until(40 * seconds)
	y.expect(`36s dead {"id":"a","absent":false,"last":null,"topic":"`+topic+`","site":"H1","payload":{"id":"a","n":2},"lag":null,"got":"in"}`,
		`40s dead {"id":"7","absent":true,"last":{"id":"7","n":1},"topic":"`+topic+`","site":"H1","payload":null,"lag":1,"got":null}`)
}

// Over a reload the watches go on: with the new for, the keys that are newly expected from now, those that no
// longer are not at all.
func TestAbsentReload(t *testing.T) {
	rule := func(absent string) string {
		return head + "    key: payload.id\n    absent: " + absent + "\n    map: {id: key, absent: absent}\n    route: [{to: dead}]\n"
	}
	y := play(t, load(t, rule("{for: 30s, expect: [a, b]}")))
	y.send(0, topic, `{"id":"r-1"}`)
	y.send(10*seconds, topic, `{"id":"r-2"}`)
	y.reload(rule("{for: 30s, expect: [b, c]}"))
	y.until(29 * seconds)
	y.expect()
	y.until(30 * seconds)
	y.expect(`30s dead {"id":"b","absent":true}`, `30s dead {"id":"r-1","absent":true}`)
	y.reload(rule("{for: 60s, expect: [b, c]}"))
	y.send(35*seconds, topic, `{"id":"r-1"}`) // was told to be away
	y.until(70 * seconds)
	y.expect(`35s dead {"id":"r-1","absent":false}`, `1m10s dead {"id":"r-2","absent":true}`, `1m10s dead {"id":"c","absent":true}`)
	y.reload(head + "    key: payload.id\n    state: {n: {value: payload.id}}\n    map: {id: key}\n    route: [{to: dead}]\n")
	y.send(80*seconds, topic, `{"id":"r-1"}`)
	y.until(1000 * seconds)
	y.expect(`1m20s dead {"id":"r-1"}`)
}

// A set that was loaded and never ran takes nothing away from the one that runs.
func TestLoadedButNeverRun(t *testing.T) {
	y := play(t, load(t, offline))
	y.send(0, topic, `{"id":1,"ts":1}`)
	env := testEnv
	env.Previous = y.p
	if _, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(head + "    key: payload.id\n    on_change: {}\n    route: [{to: dead}]\n")}}, env); len(errs) > 0 {
		t.Fatal(errs)
	}
	y.until(100 * seconds)
	y.expect(`30s mq online/r-1/1 {"id":1,"online":false,"last":1,"now":null}`)
}

// Absent comes before dedupe: a copy is a sign of life, but last is not of it.
func TestAbsentAndTheOthers(t *testing.T) {
	y := play(t, load(t, head+`    key: payload.id
    absent: {for: 30s}
    dedupe: {by: payload.n, within: 1h}
    state: {total: {value: "(state.total ?? 0) + payload.n"}}
    map: {absent: absent, last: last.n, total: state.total, lag: "lag(payload.n, 2)"}
    on_change: {of: out.absent}
    route: [{to: dead}]
`))
	y.send(0, topic, `{"id":1,"n":1}`)
	y.send(10*seconds, topic, `{"id":1,"n":2}`)
	y.send(20*seconds, topic, `{"id":1,"n":1}`) // a copy
	y.until(50 * seconds)
	y.expect(`50s dead {"absent":true,"last":2,"total":3,"lag":1}`)
	y.send(60*seconds, topic, `{"id":1,"n":2}`) // a copy too, but it is back
	y.send(61*seconds, topic, `{"id":1,"n":4}`)
	y.expect(`1m0s dead {"absent":false,"last":2,"total":3,"lag":1}`)
	y.until(91 * seconds)
	y.expect(`1m31s dead {"absent":true,"last":4,"total":7,"lag":2}`)
	if s := y.p.Stats()[0]; s.Suppressed != 1 || s.Kept != 3 || s.Delivered != 1 || s.InFlight != 0 {
		t.Errorf("book %+v", s)
	}
}

// What does not pass when is no sign of life; without map the payload of a silence is null.
func TestAbsentWhen(t *testing.T) {
	y := play(t, load(t, head+"    when: payload.ok\n    absent: {for: 30s}\n    route: [{to: dead}]\n"))
	y.send(0, topic, `{"ok":false}`)
	y.send(1*seconds, topic, `{"ok":true}`)
	y.send(5*seconds, topic, `{"ok":false}`)
	y.until(40 * seconds)
	y.expect(`31s dead null`)
	y.send(41*seconds, topic, `{"ok":false}`)
	y.send(42*seconds, topic, `{"ok":true,"back":1}`)
	y.expect(`42s dead {"ok":true,"back":1}`)
}

func TestAbsentAfterSplit(t *testing.T) {
	y := play(t, load(t, head+`    split: payload
    key: item.id
    absent: {for: 30s}
    map: {id: key, absent: absent, item: item, topic: topic}
    route: [{to: dead}]
`))
	y.send(0, topic, `[{"id":1},{"id":2}]`)
	y.send(20*seconds, topic, `[{"id":2}]`)
	y.until(40 * seconds)
	y.expect(`30s dead {"id":1,"absent":true,"item":null,"topic":"` + topic + `"}`)
	y.send(41*seconds, topic, `[{"id":2},{"id":1}]`)
	y.expect(`41s dead {"id":1,"absent":false,"item":{"id":1},"topic":"` + topic + `"}`)
}
