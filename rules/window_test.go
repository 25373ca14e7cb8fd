package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

// windowed is a rule with a window, keyed by the id of the topic. The window is what stands inside of {}.
func windowed(window string) string {
	return head + "    key: params.id\n    window: {" + window + "}\n    aggregate: {k: key, v: collect(payload.v), s: window.start, e: window.end}\n    route: [{to: dead}]\n"
}

// A windowStep is a message of a device at a time, with a timestamp, both in seconds. "" only lets time pass.
type windowStep struct {
	at  float64
	key string
	ts  float64
	v   int
}

// run plays steps on a window and gives what came out, as "at key [values] start-end" in seconds, the start being
// that of the clock or of 1970 in event time.
func (y *player) run(base int64, steps ...windowStep) []string {
	y.t.Helper()
	for _, s := range steps {
		at := time.Duration(s.at * float64(time.Second))
		if s.key == "" {
			y.until(at)
			continue
		}
		y.send(at, "hospital/H1/device/"+s.key+"/status", fmt.Sprintf(`{"ts":%g,"v":%d}`, s.ts*1000, s.v))
	}
	var short []string
	for _, got := range y.got {
		var at, sink string
		_, _ = fmt.Sscan(got, &at, &sink)
		payload := parsed([]byte(got[strings.Index(got, "{"):]))
		if sink == "dead2" {
			class, _ := payload.member("class")
			original, _ := payload.member("payload")
			short = append(short, at+" "+class.string()+" "+original.string())
			continue
		}
		part := func(name string) Value { v, _ := payload.member(name); return v }
		values, _ := part("v").appendJSON(nil, nil)
		short = append(short, fmt.Sprintf("%s %s %s %g-%g", at, part("k").string(), values, float64(part("s").int()-base)/1000, float64(part("e").int()-base)/1000))
	}
	y.got = nil
	return short
}

const clockBase = 1_700_000_000_000

var windowTests = []struct {
	name   string
	window string
	base   int64
	steps  []windowStep
	want   []string
	kept   int64
	late   int64
}{
	{name: "tumbling by the clock: a message at the end is of the next", window: "type: tumbling, size: 10s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "b", 0, 2}, {9.999, "a", 0, 3}, {10, "b", 0, 4}, {60, "", 0, 0}},
		want:  []string{"10s a [1,3] 0-10", "10s b [2] 0-10", "20s b [4] 10-20"}, kept: 4},
	{name: "nothing comes of an empty window", window: "type: tumbling, size: 10s", base: clockBase,
		steps: []windowStep{{1, "a", 0, 1}, {100, "", 0, 0}, {101, "a", 0, 2}, {200, "", 0, 0}},
		want:  []string{"10s a [1] 0-10", "1m50s a [2] 100-110"}, kept: 2},
	{name: "offset", window: "type: tumbling, size: 10s, offset: 3s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {3, "a", 0, 2}, {60, "", 0, 0}},
		want:  []string{"3s a [1] -7-3", "13s a [2] 3-13"}, kept: 2},
	{name: "hopping by the clock, hop does not divide size", window: "type: hopping, size: 10s, hop: 4s", base: clockBase,
		steps: []windowStep{{1, "a", 0, 1}, {4, "a", 0, 2}, {60, "", 0, 0}},
		want:  []string{"2s a [1] -8-2", "6s a [1,2] -4-6", "10s a [1,2] 0-10", "14s a [2] 4-14"}, kept: 2},
	{name: "hop above size: between the windows a message is in none", window: "type: hopping, size: 2s, hop: 10s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "a", 0, 2}, {2, "a", 0, 3}, {9, "a", 0, 4}, {10, "a", 0, 5}, {60, "", 0, 0}},
		want:  []string{"2s a [1,2] 0-2", "12s a [5] 10-12"}, kept: 3},
	{name: "sliding by the clock: (t - size, t]", window: "type: sliding, size: 10s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {4, "a", 0, 2}, {4, "b", 0, 9}, {10, "a", 0, 3}, {13.999, "a", 0, 4}, {60, "", 0, 0}},
		want:  []string{"0s a [1] -10-0", "4s a [1,2] -6-4", "4s b [9] -6-4", "10s a [2,3] 0-10", "13.999s a [2,3,4] 3.999-13.999"}, kept: 5},
	{name: "session by the clock: gap after the last is a new one", window: "type: session, gap: 5s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {4.999, "a", 0, 2}, {9.999, "a", 0, 3}, {9.999, "b", 0, 4}, {60, "", 0, 0}},
		want:  []string{"9.999s a [1,2] 0-9.999", "14.999s a [3] 9.999-14.999", "14.999s b [4] 9.999-14.999"}, kept: 4},
	{name: "session: the order is that of the first messages", window: "type: session, gap: 5s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "b", 0, 2}, {2, "b", 0, 3}, {2, "a", 0, 4}, {60, "", 0, 0}},
		want:  []string{"7s a [1,4] 0-7", "7s b [2,3] 1-7"}, kept: 4},
	{name: "session: max_duration", window: "type: session, gap: 5s, max_duration: 8s", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {4, "a", 0, 2}, {7.999, "a", 0, 3}, {8, "a", 0, 4}, {60, "", 0, 0}},
		want:  []string{"8s a [1,2,3] 0-8", "13s a [4] 8-13"}, kept: 4},
	{name: "count", window: "type: count, count: 2", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "b", 0, 2}, {2, "a", 0, 3}, {3, "a", 0, 4}, {60, "", 0, 0}},
		want:  []string{"2s a [1,3] 0-2"}, kept: 4},
	{name: "count with hop", window: "type: count, count: 3, hop: 1", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "a", 0, 2}, {2, "a", 0, 3}, {3, "a", 0, 4}},
		want:  []string{"2s a [1,2,3] 0-2", "3s a [2,3,4] 1-3"}, kept: 4},
	{name: "count with hop above count", window: "type: count, count: 1, hop: 3", base: clockBase,
		steps: []windowStep{{0, "a", 0, 1}, {1, "a", 0, 2}, {2, "a", 0, 3}, {3, "a", 0, 4}},
		want:  []string{"0s a [1] 0-0", "3s a [4] 3-3"}, kept: 2},

	{name: "event time: out of order, late, idle", window: "type: tumbling, size: 10s, timestamp: payload.ts, grace: 2s, idle_timeout: 5s, on_late: {to: dead2}",
		steps: []windowStep{{0, "a", 3, 1}, {0, "b", 11, 2}, {0, "a", 1, 3}, {0, "a", 12, 4}, {0, "b", 9, 5}, {1, "b", 13, 6}, {60, "", 0, 0}},
		want:  []string{"0s a [3,1] 0-10", `0s late {"ts":9000,"v":5}`, "6s b [2,6] 10-20", "6s a [4] 10-20"}, kept: 5, late: 1},
	{name: "event time: without idle_timeout nothing closes the last", window: "type: tumbling, size: 10s, timestamp: payload.ts",
		steps: []windowStep{{0, "a", 3, 1}, {0, "a", 9.999, 2}, {3600, "", 0, 0}, {3600, "a", 10, 3}, {7200, "", 0, 0}},
		want:  []string{"1h0m0s a [1,2] 0-10"}, kept: 3},
	{name: "event time: after all were idle their windows are over", window: "type: tumbling, size: 10s, timestamp: payload.ts, idle_timeout: 5s, on_late: {to: dead2}",
		steps: []windowStep{{0, "a", 3, 1}, {5, "", 0, 0}, {6, "a", 4, 2}, {6, "a", 10, 3}, {20, "", 0, 0}},
		want:  []string{"5s a [1] 0-10", `6s late {"ts":4000,"v":2}`, "11s a [3] 10-20"}, kept: 2, late: 1},
	{name: "event time: before 1970", window: "type: tumbling, size: 10s, timestamp: payload.ts",
		steps: []windowStep{{0, "a", -10, 1}, {0, "a", -0.001, 2}, {0, "a", -10.001, 3}, {0, "a", 0, 4}},
		want:  []string{"0s a [1,2] -10-0"}, kept: 3, late: 1},
	{name: "event time: hopping, late in one window only", window: "type: hopping, size: 10s, hop: 5s, timestamp: payload.ts",
		steps: []windowStep{{0, "a", 6, 1}, {0, "a", 10, 2}, {0, "a", 7, 3}, {0, "a", 15, 4}},
		want:  []string{"0s a [1] 0-10", "0s a [1,3,2] 5-15"}, kept: 4},
	{name: "event time: seconds and text", window: "type: tumbling, size: 10s, timestamp_unit: s, timestamp: 'payload.v == 2 ? \"1970-01-01T00:00:09.5+00:00\" : payload.ts / 1000'",
		steps: []windowStep{{0, "a", 3, 1}, {0, "a", 0, 2}, {0, "a", 10.5, 3}},
		want:  []string{"0s a [1,2] 0-10"}, kept: 3},
	{name: "event time: sliding waits for the watermark", window: "type: sliding, size: 10s, timestamp: payload.ts, grace: 2s",
		steps: []windowStep{{0, "a", 10, 1}, {1, "a", 11, 2}, {1, "a", 9.5, 3}, {2, "a", 13, 4}, {2, "a", 11, 5}, {3, "b", 22, 6}},
		want:  []string{"2s a [3] -0.5-9.5", "2s a [3,1] 0-10", "2s a [3,1,2] 1-11", "3s a [3,1,2,4] 3-13"}, kept: 5, late: 1},
	{name: "event time: a message joins two sessions", window: "type: session, gap: 5s, timestamp: payload.ts, grace: 10s",
		steps: []windowStep{{0, "a", 0, 1}, {0, "a", 8, 2}, {0, "b", 1, 9}, {0, "a", 4, 3}, {1, "a", 30, 4}},
		want:  []string{"1s b [9] 1-6", "1s a [1,3,2] 0-13"}, kept: 5},
	{name: "event time: gap is as far as a session reaches", window: "type: session, gap: 5s, timestamp: payload.ts, grace: 10s",
		steps: []windowStep{{0, "a", 5, 1}, {0, "a", 0, 2}, {0, "a", 10, 3}, {1, "a", 40, 4}},
		want:  []string{"1s a [2] 0-5", "1s a [1] 5-10", "1s a [3] 10-15"}, kept: 4},
}

func TestWindows(t *testing.T) {
	for _, test := range windowTests {
		t.Run(test.name, func(t *testing.T) {
			y := play(t, load(t, windowed(test.window)))
			got := y.run(test.base, test.steps...)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			s := y.p.Stats()[0]
			if s.Kept != test.kept || s.Late != test.late || s.InFlight != 0 || s.Error != 0 || s.Filtered != s.In-s.Kept-s.Late {
				t.Errorf("book %+v", s)
			}
			checkMemory(t, y.p)
		})
	}
}

// Of several sources the lowest counts, of those that are not idle.
func TestWatermarkOfSources(t *testing.T) {
	text := strings.Replace(windowed("type: tumbling, size: 10s, timestamp: payload.ts, idle_timeout: 5s"), "source: in", "source: [in, bare]", 1)
	y := play(t, load(t, text))
	from := func(source string, at time.Duration, ts int) {
		t.Helper()
		if at > y.now.Sub(y.start) {
			y.until(at - 1)
			y.now = y.start.Add(at)
		}
		m := &engine.Message{Topic: topic, Payload: fmt.Appendf(nil, `{"ts":%d,"v":%d}`, ts*1000, ts), Meta: &engine.Meta{Source: source}}
		m.Receive(nil)
		y.lane.Process(y.now, m, y.emit)
		m.Done()
	}
	from("in", 0, 1)
	from("in", 0, 25)
	from("bare", 0, 2) // holds back what the other would close
	from("bare", 1*seconds, 12)
	got := y.run(0)
	from("in", 4*seconds, 26)
	got = append(got, y.run(0)...)
	y.until(6 * seconds) // bare is idle: the watermark is that of in
	got = append(got, y.run(0)...)
	from("bare", 7*seconds, 19) // late
	from("bare", 8*seconds, 31)
	y.until(8 * seconds) // in has 26
	from("in", 9*seconds, 30)
	y.until(20 * seconds)
	got = append(got, y.run(0)...)
	want := "[1s r-1 [1,2] 0-10 6s r-1 [12] 10-20 9s r-1 [25,26] 20-30 14s r-1 [30,31] 30-40]"
	if fmt.Sprint(got) != want || y.p.Stats()[0].Late != 1 {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestBadTimestamps(t *testing.T) {
	p := load(t, windowed("type: tumbling, size: 10s, timestamp: payload.ts, max_ahead: 1h")+"    on_error: {to: dead2}\n")
	y := play(t, p)
	for _, payload := range []string{`{}`, `{"ts":null}`, `{"ts":true}`, `{"ts":"yesterday"}`, `{"ts":1e300}`, `{"ts":1700000000000000}`, `{"ts":[1]}`, `{"ts":"3000-01-01T00:00:00Z"}`, `{"ts":1700003600001}`} {
		y.send(0, topic, payload)
	}
	for i, got := range y.got {
		if !strings.Contains(got, `"class":"bad_timestamp"`) {
			t.Errorf("%d: %s", i, got)
		}
	}
	y.send(0, topic, `{"ts":1700003600000}`)
	y.send(0, topic, `{"ts":"1969-12-31T23:59:59.9999Z"}`)
	y.send(0, topic, `{"ts":"1969-12-31t23:59:59z"}`)
	if s := p.Stats()[0]; s.Error != 9 || s.Kept != 1 || s.Late != 2 || s.InFlight != 0 || len(p.rules[0].memory.keys) != 1 {
		t.Errorf("book %+v", s)
	}
}

// A wrong value is an error of its message, which the window has all the same.
func TestWindowTakesWhatItCan(t *testing.T) {
	p := load(t, head+"    window: {type: hopping, size: 20s, hop: 10s}\n    aggregate: {n: count(), a: avg(payload.v), x: avg(10 / payload.v)}\n    having: out.n > 1\n    headers: {k: key, from: string(window.start)}\n    route: [{to: mq, topic: \"out/{{ window.end }}\"}]\n    on_error: {to: dead2}\n")
	y := play(t, p)
	y.send(1*seconds, topic, `{"v":"text"}`)
	y.send(2*seconds, topic, `{"v":5}`)
	y.send(3*seconds, topic, `{"v":0}`)
	y.until(60 * seconds)
	for i, got := range y.got {
		if strings.Contains(got, "dead2") {
			y.got[i] = "error"
		}
	}
	y.expect("error", "error", `10s mq out/1700000010000 {"n":3,"a":2.5,"x":2}`, `20s mq out/1700000020000 {"n":3,"a":2.5,"x":2}`)
	if s := p.Stats()[0]; s.Error != 2 || s.Kept != 1 || s.Results != 2 || s.InFlight != 0 {
		t.Errorf("book %+v", s)
	}
}

// What a reload leaves as it is goes on; what it changes begins anew, and that is said.
func TestReloadKeepsWindows(t *testing.T) {
	env := testEnv
	y := play(t, load(t, windowed("type: tumbling, size: 10s, timestamp: payload.ts")))
	env.Previous = y.p
	reload := func(text, lost string) {
		t.Helper()
		p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		y.p, y.lane, env.Previous = p, p.Lane(), p
		if got := strings.Join(p.Lost(), "\n"); !strings.Contains(got, lost) || lost == "" && got != "" {
			t.Errorf("lost %q, want %q", got, lost)
		}
	}
	got := y.run(0, windowStep{0, "a", 1, 1})
	for i := range 100 {
		reload(windowed("type: tumbling, size: 10s, timestamp: payload.ts")+fmt.Sprintf("    description: take %d\n    when: payload.v < %d\n", i, i+1000), "")
		got = append(got, y.run(0, windowStep{0, "a", 1, 1})...)
	}
	old := y.lane
	reload(windowed("type: tumbling, size: 10s, timestamp: payload.ts, idle_timeout: 5s"), "")
	got = append(got, y.run(0, windowStep{0, "b", 2, 2}, windowStep{0, "b", 10, 2})...)
	if len(got) != 2 || strings.Count(got[0], "1") < 101 || got[1] != "0s b [2] 0-10" {
		t.Errorf("got %v", got)
	}
	reload(windowed("type: tumbling, size: 20s, timestamp: payload.ts"), `rule "r": its window is another: what its open windows held is lost`)
	y.lane, old = old, y.lane // a lane that is not yet done with the old set
	got = y.run(0, windowStep{0, "b", 11, 3})
	y.lane = old
	got = append(got, y.run(0, windowStep{0, "b", 1, 4}, windowStep{0, "b", 20, 5}, windowStep{100, "", 0, 0})...)
	if fmt.Sprint(got) != "[0s b [4] 0-20]" {
		t.Errorf("got %v", got)
	}
	reload(strings.Replace(windowed("type: tumbling, size: 20s, timestamp: payload.ts"), "v: collect(payload.v)", "v: collect(payload.w)", 1), "its aggregate is another")
	y.until(100 * seconds)
	reload(windowed("type: tumbling, size: 20s, timestamp: payload.ts"), "") // it holds nothing
	y.run(0, windowStep{100, "b", 50, 6})
	reload(strings.Replace(windowed("type: tumbling, size: 20s, timestamp: payload.ts"), "key: params.id", "key: params.site", 1), "its key, split or source is another")
	checkMemory(t, y.p)
}

// When the wall clock is set, open windows close as planned, and the next align anew.
func TestWallClockIsSet(t *testing.T) {
	for _, step := range []time.Duration{1*time.Hour + 3*seconds, -1*time.Hour + 4*seconds, 900 * time.Millisecond} {
		y := play(t, load(t, windowed("type: tumbling, size: 10s")))
		jump := time.Duration(0)
		y.p.wall = func() time.Time { return y.now.Add(jump) }
		got := y.run(clockBase, windowStep{1, "a", 0, 1})
		jump = step
		got = append(got, y.run(clockBase, windowStep{6, "b", 0, 2}, windowStep{12, "a", 0, 3}, windowStep{25, "", 0, 0})...)
		want := map[time.Duration]string{
			1*time.Hour + 3*seconds:  "[10s a [1] 0-10 10s b [2] 0-10 17s a [3] 3610-3620]",
			-1*time.Hour + 4*seconds: "[10s a [1] 0-10 10s b [2] 0-10 16s a [3] -3590--3580]",
			900 * time.Millisecond:   "[10s a [1] 0-10 10s b [2] 0-10 20s a [3] 10-20]",
		}[step]
		if fmt.Sprint(got) != want {
			t.Errorf("step %v\ngot  %v\nwant %v", step, got, want)
		}
	}
	y := play(t, load(t, windowed("type: hopping, size: 10s, hop: 5s")))
	jump := time.Duration(0)
	y.p.wall = func() time.Time { return y.now.Add(jump) }
	got := y.run(clockBase, windowStep{1, "a", 0, 1})
	jump = 2 * seconds
	got = append(got, y.run(clockBase, windowStep{6, "a", 0, 2}, windowStep{11, "a", 0, 3}, windowStep{60, "", 0, 0})...)
	if want := "[5s a [1] -5-5 10s a [1,2] 0-10 13s a [3] 5-15 18s a [3] 10-20]"; fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWindowsForgetEvictedKeys(t *testing.T) {
	for _, window := range []string{"type: tumbling, size: 10s", "type: hopping, size: 10s, hop: 1s", "type: sliding, size: 10s", "type: session, gap: 10s", "type: count, count: 5, hop: 2",
		"type: sliding, size: 10s, timestamp: payload.ts, grace: 1h", "type: session, gap: 10s, timestamp: payload.ts, grace: 1h"} {
		y := play(t, load(t, windowed(window)+"    max_keys: 3\n"))
		for i := range 300 {
			y.run(0, windowStep{0, fmt.Sprint("k", i), 5, i}, windowStep{0, fmt.Sprint("k", i), 6, i})
		}
		checkMemory(t, y.p)
		w := y.p.rules[0].window.open
		if len(y.p.rules[0].memory.keys) != 3 || w.open > 3*12 || y.p.Stats()[0].Evicted != 297 {
			t.Errorf("%s: %d keys, %d open", window, len(y.p.rules[0].memory.keys), w.open)
		}
		y.run(0, windowStep{100, "k0", 100, 1}, windowStep{1000, "", 0, 0})
		checkMemory(t, y.p)
	}
}
