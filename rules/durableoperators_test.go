package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestDurableOperators: what each operator keeps is there after a restart, and times go on.
func TestDurableOperators(t *testing.T) {
	at := func(rest string) string { return head + "    key: params.id\n    durable: true\n" + rest }
	for name, c := range map[string]struct {
		text string
		run  func(m *machine)
	}{
		"last and lag": {at("    map: {last: last.v, lag: 'lag(payload.v, 2)'}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"v":"a\u0041"}`)
			m.send(topic, `{"v":1.50}`)
			m.expects(`dead {"last":null,"lag":null}`, `dead {"last":"a\u0041","lag":null}`)
			m.crash()
			m.send(topic, `{"v":1}`)
			m.expects(`dead {"last":1.50,"lag":"a\u0041"}`)
		}},
		"geofence": {"frames: {F: {}}\nzones: {z: {frame: F, box: [0, 0, 1, 1], dwell: 10s}}\n" + at("    when: 'geofence(payload.p, \"z\") != \"none\"'\n    map: {key: 'geofence(payload.p, \"z\")', id: 'geofence(payload.p, \"z\", payload.id)'}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"id":1,"p":[0,0]}`)
			m.send(topic, `{"id":1,"p":[5,0]}`)
			m.expects(`dead {"key":"inside","id":"inside"}`, `dead {"key":"inside","id":"inside"}`)
			m.crash()
			m.now = m.now.Add(10 * seconds)
			m.send(topic, `{"id":2,"p":[5,0]}`)
			m.send(topic, `{"id":1,"p":[5,0]}`)
			m.expects(`dead {"key":"exit","id":"outside"}`, `dead {"key":"outside","id":"exit"}`)
		}},
		"on_change": {at("    on_change: {of: payload.v, deadband: 1, at_least_every: 1m}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"v":5}`)
			m.expects(`dead {"v":5}`)
			m.crash()
			m.send(topic, `{"v":6}`)
			m.expects()
			m.now = m.now.Add(time.Minute)
			m.crash()
			m.send(topic, `{"v":6}`)
			m.expects(`dead {"v":6}`)
		}},
		"throttle first": {at("    throttle: {rate: 1/m}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"v":5}`)
			m.expects(`dead {"v":5}`)
			m.crash()
			m.now = m.now.Add(59 * seconds)
			m.send(topic, `{"v":6}`)
			m.expects()
			m.now = m.now.Add(seconds)
			m.send(topic, `{"v":7}`)
			m.expects(`dead {"v":7}`)
		}},
		"throttle last": {at("    throttle: {rate: 1/m, keep: last}\n    route: [{to: [mq, nats], topic: 'o/{{ key }}', subject: 'o.{{ key }}'}]\n"), func(m *machine) {
			m.send(topic, `{"v":5}`)
			m.send(topic, `{"v":6}`)
			m.expects()
			m.now = m.now.Add(30 * seconds)
			m.crash()
			m.tick(29 * seconds)
			m.expects()
			m.tick(seconds)
			m.store.commit()
			m.crash() // what went out was not settled
			m.tick(0)
			m.expects(`mq o/r-1 {"v":6}`, `nats o.r-1 {"v":6}`)
			m.crash()
			m.tick(time.Hour)
			m.expects()
		}},
		"absent": {at("    absent: {for: 30s, expect: [never]}\n    map: {id: key, gone: absent, v: last.v, on: topic}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"v":5}`)
			m.expects()
			m.now = m.now.Add(time.Hour)
			m.crash()
			m.tick(29 * seconds)
			m.expects()
			m.tick(seconds)
			m.store.commit()
			m.crash() // the result did not arrive
			m.tick(30 * seconds)
			m.expects(`dead {"id":"never","gone":true,"v":null,"on":null}`, `dead {"id":"r-1","gone":true,"v":5,"on":"`+topic+`"}`)
			m.crash()
			m.tick(time.Hour)
			m.expects()
			m.send(topic, `{"v":6}`)
			m.expects(`dead {"id":"r-1","gone":false,"v":5,"on":"` + topic + `"}`)
		}},
		"ttl": {at("    state: {v: {value: payload.v, ttl: 1m}}\n    map: {v: state.v}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"v":5}`)
			m.expects(`dead {"v":null}`)
			m.now = m.now.Add(59 * seconds)
			m.crash()
			m.send(topic, `{"v":6}`)
			m.expects(`dead {"v":5}`)
			m.now = m.now.Add(60 * seconds)
			m.crash()
			m.send(topic, `{"v":7}`)
			m.expects(`dead {"v":null}`)
		}},
		"the wall clock was set back": {at("    state: {v: {value: payload.v, ttl: 1m}}\n    map: {v: state.v}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send("hospital/H1/device/r-2/status", `{"v":4}`)
			m.now = m.now.Add(40 * seconds)
			m.send(topic, `{"v":5}`)
			m.expects(`dead {"v":null}`, `dead {"v":null}`)
			m.now = m.now.Add(-20 * 365 * 24 * time.Hour)
			m.crash()
			m.now = m.now.Add(30 * seconds) // 70 s and 30 s old, by what passed
			m.send("hospital/H1/device/r-2/status", `{"v":6}`)
			m.send(topic, `{"v":6}`)
			m.expects(`dead {"v":null}`, `dead {"v":5}`)
		}},
		"values": {at("    state: {t: {value: date(payload.t)}, d: {value: duration(payload.d)}, o: {value: payload.o}, f: {value: payload.f / 2}}\n    map: {t: 'state.t', d: state.d, o: state.o, f: state.f}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"t":"2024-01-02T00:30:00.5+01:00","d":"90s","o":{"a" : [1,2.0]},"f":1}`)
			m.expects(`dead {"t":null,"d":null,"o":null,"f":null}`)
			m.crash()
			m.send(topic, `{"t":"2024-01-02T00:00:00Z","d":"1s","o":null,"f":1}`)
			m.expects(`dead {"t":"2024-01-02T00:30:00.5+01:00","d":"1m30s","o":{"a" : [1,2.0]},"f":0.5}`)
			m.crash()
			m.send(topic, `{"t":"2024-01-02T00:00:00Z","d":"1s","o":1,"f":1}`)
			m.expects(`dead {"t":"2024-01-02T00:00:00Z","d":"1s","o":null,"f":0.5}`)
		}},
		"event time": {at("    window: {type: tumbling, size: 10s, timestamp: payload.ts, idle_timeout: 5s, on_late: {to: dead2}}\n    aggregate: {n: count(), from: window.start}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"ts":1700000001000}`)
			m.expects()
			m.tick(5 * seconds)
			m.expects(`dead {"n":1,"from":1700000000000}`)
			m.crash() // a window that has closed does not open again, also when it closed because nothing came
			m.send(topic, `{"ts":1700000002000}`)
			if m.store.commit(); len(m.out) != 1 || m.out[0].sink != "dead2" {
				m.t.Errorf("got %v", m.out)
			}
			m.deliverAll()
			m.send(topic, `{"ts":1700000012000}`)
			m.expects()
			m.crash()
			m.send(topic, `{"ts":1700000013000}`)
			m.expects()
			m.crash()
			m.tick(4 * seconds)
			m.expects()
			m.tick(seconds)
			m.expects(`dead {"n":2,"from":1700000010000}`)
		}},
		"max_keys": {at("    max_keys: 2\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {id: params.id, n: state.n}\n    route: [{to: dead}]\n"), func(m *machine) {
			for _, id := range []string{"a", "b", "a", "c"} {
				m.send("hospital/H1/device/"+id+"/status", "{}")
			}
			m.deliverAll()
			m.expects()
			m.crash()
			for _, id := range []string{"a", "c", "b"} {
				m.send("hospital/H1/device/"+id+"/status", "{}")
			}
			m.expects(`dead {"id":"a","n":2}`, `dead {"id":"c","n":1}`, `dead {"id":"b","n":null}`)
		}},
		"a failed map": {at("    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n, x: payload.x / 2}\n    on_error: {to: dead2}\n    route: [{to: dead}]\n"), func(m *machine) {
			m.send(topic, `{"x":"no"}`)
			m.store.commit()
			if len(m.open) != 1 || len(m.out) != 1 || m.out[0].sink != "dead2" {
				m.t.Errorf("open %v, out %v", m.open, m.out)
			}
			m.crash()
			m.send(topic, `{"x":"no"}`)
			m.deliverAll()
			m.expects()
			m.crash()
			m.send(topic, `{"x":2}`)
			m.expects(`dead {"n":1,"x":1}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.text)
			m.t = t
			c.run(m)
			balance(t, m.p, "r")
		})
	}
}

// same compares what is on disk with what is in memory, when all is settled: what an operator changes without
// saying so shows here.
func (m *machine) same() {
	m.t.Helper()
	m.deliverAll()
	m.store.commit()
	env := testEnv
	env.Store = func(bool) (*Store, error) { return m.store, nil }
	env.Now = func() time.Time { return m.now }
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(m.text)}}, env)
	if err := errs.Err(); err != nil {
		m.t.Fatal(err)
	}
	is, read := m.p.rules[0].memory, newMemory("")
	fresh := &rule{name: "r", set: p, memory: read, durable: true, maxKeys: defaultMaxKeys}
	*read = memory{signature: is.signature, keys: map[string]*kept{}, slots: slices.Clone(is.slots)}
	if w := p.rules[0].window; w != nil {
		w.open = newWindows(p.rules[0], read, w.slot)
		read.slots[w.slot].operator, read.slots[w.slot].schedule = w, w.open
	}
	p.restore([]*rule{fresh}, nanos(m.now))
	if len(is.keys) < len(read.keys) {
		m.t.Errorf("%d keys in memory, %d on disk", len(is.keys), len(read.keys))
	}
	if read.stale {
		m.t.Error("not all on disk can be read")
	}
	for id, k := range is.keys {
		other := read.keys[id]
		for slot := range k.slots() {
			want, got := k.memo(slot), other.memo(slot)
			if want == nil && got == nil {
				continue
			}
			if v, ok := want.(*stateValue); ok && got == nil && nanos(m.now)-v.written >= int64(10*seconds) {
				continue // its ttl is over, and nobody has looked
			}
			if seen, ok := want.(*sightings); ok && got != nil { // on disk may be some that are over
				list := got.(*sightings).order
				if len(list) < len(seen.order) || !slices.Equal(list[len(list)-len(seen.order):], seen.order) {
					m.t.Fatalf("%s: in memory %v, on disk %v", id, seen.order, list)
				}
				for _, one := range seen.order {
					if got.(*sightings).first[one.id] != one.at {
						m.t.Fatalf("%s: %v is on disk as of %d", id, one, got.(*sightings).first[one.id])
					}
				}
				continue
			}
			if want == nil || got == nil || !bytes.Equal(want.append(nil), got.append(nil)) {
				m.t.Fatalf("%s, slot %q: in memory %v, on disk %v", id, is.slots[slot].signature, want, got)
			}
			if m.p.rules[0].window == nil && want.size() != got.size() {
				m.t.Errorf("%s, slot %q: %d bytes, %d when loaded", id, is.slots[slot].signature, want.size(), got.size())
			}
		}
	}
}

func TestDurableSame(t *testing.T) {
	const operators = `    dedupe: {by: payload.d, within: 20s}
    state:
      n: {value: '(state.n ?? 0) + 1'}
      o: {value: payload.o, ttl: 10s}
    map: {n: state.n, o: state.o, v: payload.v, lv: last.v, lag: 'lag(payload.v, 3)'}
`
	for name, text := range map[string]string{
		"all":      operators + "    on_change: {of: out.v, deadband: 3, at_least_every: 7s}\n    throttle: {rate: 2/5s}\n",
		"last":     operators + "    throttle: {rate: 1/4s, keep: last}\n    on_error: {to: dead2}\n",
		"absent":   operators + "    absent: {for: 6s, expect: [x, a]}\n",
		"few keys": operators + "    max_keys: 2\n",
		"swept":    "    dedupe: {by: payload.d, within: 3s}\n",
		"tumbling": "    window: {type: tumbling, size: 5s}\n    aggregate: {n: count(), l: collect(payload.v), o: last(payload.o)}\n",
		"hopping":  "    window: {type: hopping, size: 5s, hop: 2s, timestamp: payload.ts}\n    aggregate: {n: count(), m: median(payload.v)}\n",
		"sliding":  "    window: {type: sliding, size: 5s, timestamp: payload.ts, grace: 1s}\n    aggregate: {n: count(), m: max(payload.v)}\n",
		"session":  "    window: {type: session, gap: 2s}\n    aggregate: {n: count(), m: stddev(payload.v)}\n",
		"count":    "    window: {type: count, count: 3, hop: 5}\n    aggregate: {n: count(), m: stddev(payload.v)}\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			m := newMachine(t, head+"    key: payload.k\n    durable: true\n"+text+"    route: [{to: dead}]\n")
			for i := range 600 {
				m.tick(time.Duration(r.IntN(1500)) * time.Millisecond)
				o := []string{"null", `"text"`, `{"a" : 1}`, "1.50", "7"}[r.IntN(5)]
				m.send(topic, fmt.Sprintf(`{"k":%q,"d":%d,"v":%d,"o":%s,"i":%d,"ts":%d}`, string(rune('a'+r.IntN(4))), r.IntN(30), r.IntN(20), o, i, m.now.UnixMilli()-int64(r.IntN(3000))))
				if r.IntN(8) == 0 {
					m.same()
				}
			}
			m.same()
		})
	}
}
