package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Each message is in one window, and each window gives one result, by the clock and by event time: on several lanes,
// without any grace, over reloads under load. What was taken is acknowledged at once.
func TestWindows(t *testing.T) {
	const devices, each = 20, 1000
	broker := mosquitto(t)
	rules := func(n int) string {
		text := fmt.Sprintf("# %d\nrules:\n", n)
		for name, window := range map[string]string{
			"by_clock":      "{type: tumbling, size: 100ms}",
			"by_event_time": "{type: tumbling, size: 100ms, timestamp: payload.seq, idle_timeout: 10s}",
			"sessions":      "{type: session, gap: 1s}",
		} {
			text += fmt.Sprintf("  %s:\n    source: in\n    topic: hospital/{site}/device/{id}/status\n    key: params.id\n    window: %s\n"+
				"    aggregate: {rule: '%q', id: key, n: count(), from: window.start, first: first(payload.seq), last: last(payload.seq)}\n    route: [{to: out}]\n", name, window, name)
		}
		return text
	}
	b := newBox(t, source(broker.URL())+"sinks: {out: {file: {path: out.jsonl}}}\n", rules(0))
	b.start()
	o := newOracle(t, devices)
	done := o.publisher(broker.Addr()).background(devices * each)
	for n := 1; ; n++ {
		b.reloads(func() { b.write("rules/rules.yaml", rules(n)) })
		select {
		case <-done:
		default:
			continue
		}
		break
	}
	type result struct {
		Rule, ID       string
		N, First, Last int
		From           int64
	}
	var results []result
	sums := map[string]int{}
	b.until("all windows are closed", func() bool {
		results, sums = nil, map[string]int{}
		for line := range strings.Lines(b.read("out.jsonl")) {
			var r result
			if json.Unmarshal([]byte(line), &r) == nil {
				results = append(results, r)
				sums[r.Rule] += r.N
			}
		}
		return sums["by_clock"] >= devices*each && sums["by_event_time"] >= devices*each && sums["sessions"] >= devices*each
	})
	seen := map[string]bool{}
	next := map[string]int{}
	for _, r := range results {
		window, key := fmt.Sprint(r.Rule, r.ID, r.From), r.Rule+r.ID
		if seen[window] || r.First != next[key] || r.Last != r.First+r.N-1 || r.Rule == "by_event_time" && r.N != 100 {
			t.Errorf("%+v, want the %d. message of its key first", r, next[key])
		}
		seen[window], next[key] = true, r.Last+1
	}
	for _, name := range []string{"by_clock", "by_event_time", "sessions"} {
		if book := b.book(name); sums[name] != devices*each || book.Kept != devices*each || book.Late != 0 || book.InFlight != 0 {
			t.Errorf("%s has %d messages in its windows, want %d; book %+v", name, sums[name], devices*each, book)
		}
	}
	b.stop()
}
