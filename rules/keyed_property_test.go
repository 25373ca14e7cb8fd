package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// An event is a message of a random stream, at a millisecond.
type event struct {
	at  int
	key string
	v   int // -1: null
}

func (e event) payload() string {
	if e.v < 0 {
		return `{"v":null}`
	}
	return fmt.Sprintf(`{"v":%d}`, e.v)
}

func randomKeyed(random *rand.Rand) []event {
	list := make([]event, 5+random.IntN(40))
	at := 0
	for i := range list {
		switch random.IntN(4) {
		case 0: // at the same time
		case 1:
			at += 5 * random.IntN(5) // often just at an edge
		default:
			at += random.IntN(25)
		}
		list[i] = event{at, string(rune('a' + random.IntN(3))), random.IntN(7) - 1}
	}
	return list
}

// A model says in the plainest way what comes of the messages of one key, all of which it has.
type model func(history []event, end int) []string

func told(at int, text string, args ...any) string {
	return fmt.Sprint(time.Duration(at)*ms, " ", fmt.Sprintf(text, args...))
}

func show(v int) string {
	if v < 0 {
		return "null"
	}
	return fmt.Sprint(v)
}

var models = []struct {
	name, keys string
	model      model
}{
	{"dedupe", "dedupe: {by: payload.v, within: 20ms}\n    map: {v: payload.v}", func(history []event, _ int) (out []string) {
		var first []event
		for _, e := range history {
			seen := func(f event) bool { return f.v == e.v && e.at-f.at < 20 }
			if e.v >= 0 && slices.ContainsFunc(first, seen) {
				continue
			}
			first = append(first, e)
			out = append(out, told(e.at, `{"v":%s}`, show(e.v)))
		}
		return out
	}},
	{"on_change", "on_change: {of: payload.v, deadband: 2, at_least_every: 50ms}\n    map: {v: payload.v}", func(history []event, _ int) (out []string) {
		last := event{v: -9}
		for _, e := range history {
			far := e.v-last.v > 2 || last.v-e.v > 2 || (e.v < 0) != (last.v < 0)
			if last.v == -9 || far || e.at-last.at >= 50 {
				last = e
				out = append(out, told(e.at, `{"v":%s}`, show(e.v)))
			}
		}
		return out
	}},
	{"on_change in percent", "on_change: {deadband: 50%}\n    map: {v: payload.v}", func(history []event, _ int) (out []string) {
		last := event{v: -9}
		for _, e := range history {
			far := 2*(e.v-last.v) > last.v || 2*(last.v-e.v) > last.v || (e.v < 0) != (last.v < 0)
			if last.v == -9 || far && e.v != last.v {
				last = e
				out = append(out, told(e.at, `{"v":%s}`, show(e.v)))
			}
		}
		return out
	}},
	{"throttle first", "throttle: {rate: 3/20ms}\n    map: {v: payload.v}", func(history []event, _ int) (out []string) {
		credit, at := 60, 0
		for _, e := range history {
			for ; at < e.at; at++ { // millisecond by millisecond
				credit = min(credit+3, 60)
			}
			if credit >= 20 {
				credit -= 20
				out = append(out, told(e.at, `{"v":%s}`, show(e.v)))
			}
		}
		return out
	}},
	{"throttle last", "throttle: {rate: 1/20ms, keep: last}\n    map: {v: payload.v}", func(history []event, _ int) (out []string) {
		for len(history) > 0 {
			end, newest := history[0].at+20, history[0]
			for len(history) > 0 && history[0].at <= end {
				newest, history = history[0], history[1:]
			}
			out = append(out, told(end, `{"v":%s}`, show(newest.v)))
		}
		return out
	}},
	{"absent", "absent: {for: 20ms, expect: [a, b]}\n    map: {v: payload.v, absent: absent, last: last.v}", func(history []event, end int) (out []string) {
		at, v, watched := 0, -1, history[0].key != "c"
		for _, e := range history {
			if watched && e.at-at > 20 {
				out = append(out, told(at+20, `{"v":null,"absent":true,"last":%s}`, show(v)))
				out = append(out, told(e.at, `{"v":%s,"absent":false,"last":%s}`, show(e.v), show(v)))
			}
			at, v, watched = e.at, e.v, true
		}
		if end-at >= 20 {
			out = append(out, told(at+20, `{"v":null,"absent":true,"last":%s}`, show(v)))
		}
		return out
	}},
	{"state, last and lag", `when: payload.v != 0
    state: {s: {value: "payload.v != nil ? (state.s ?? 0) + payload.v : nil", ttl: 15ms}}
    map: {s: state.s, last: last.v, one: lag(payload.v), three: "lag(payload.v, 3)"}`, func(history []event, _ int) (out []string) {
		history = slices.DeleteFunc(slices.Clone(history), func(e event) bool { return e.v == 0 })
		back := func(i, n int) string {
			if i < n {
				return "null"
			}
			return show(history[i-n].v)
		}
		sum, written := -1, 0
		for i, e := range history {
			if e.at-written >= 15 {
				sum = -1
			}
			out = append(out, told(e.at, `{"s":%s,"last":%s,"one":%s,"three":%s}`, show(sum), back(i, 1), back(i, 1), back(i, 3)))
			if written = e.at; e.v < 0 {
				sum = -1
			} else {
				sum = max(sum, 0) + e.v
			}
		}
		return out
	}},
}

// TestOperatorsLikeModels runs random streams through each operator and compares what comes out, key by key, with a
// model that is as plain as can be. The stream of every third seed meets reloads that change nothing that matters.
func TestOperatorsLikeModels(t *testing.T) {
	seeds := 1000
	if testing.Short() {
		seeds = 100
	}
	for _, test := range models {
		t.Run(test.name, func(t *testing.T) {
			text := head + "    key: params.id\n    " + test.keys + "\n    route: [{to: nats, subject: \"{{ key }}\"}]\n"
			for seed := range seeds {
				random := rand.New(rand.NewPCG(uint64(seed), 7))
				stream := randomKeyed(random)
				p := load(t, text)
				y := play(t, p)
				y.until(0)
				for i, e := range stream {
					y.send(time.Duration(e.at)*ms, "hospital/H1/device/"+e.key+"/status", e.payload())
					if seed%3 == 0 && i%10 == 9 {
						y.reload(text)
					}
				}
				end := stream[len(stream)-1].at + 100
				y.until(time.Duration(end) * ms)
				for _, key := range []string{"a", "b", "c"} {
					var history []event
					for _, e := range stream {
						if e.key == key {
							history = append(history, e)
						}
					}
					var want, got []string
					if len(history) > 0 {
						want = test.model(history, end)
					} else if test.name == "absent" && key != "c" {
						want = []string{told(20, `{"v":null,"absent":true,"last":null}`)}
					}
					for _, text := range y.got {
						if at, rest, ok := strings.Cut(text, " nats "+key+" "); ok {
							got = append(got, at+" "+rest)
						}
					}
					if !slices.Equal(got, want) {
						t.Fatalf("seed %d, key %s\n%v\ngot\n\t%s\nwant\n\t%s", seed, key, history, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
					}
				}
				checkMemory(t, y.p)
				if s := y.p.Stats()[0]; s.InFlight != 0 || s.In != int64(len(stream)) {
					t.Fatalf("seed %d: book %+v", seed, s)
				}
			}
		})
	}
}
