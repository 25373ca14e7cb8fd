package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDurableWindows plays one stream to two edges, of which one crashes at any moment and gets again what it had
// not settled: both bring the same results, and the one that crashes brings some again at most.
func TestDurableWindows(t *testing.T) {
	const all = "    aggregate: {id: key, n: count(), s: sum(payload.v), lo: min(payload.v), m: median(payload.v), f: first(payload.v), l: 'collect(payload.v, 3)', d: count_distinct(payload.v), from: window.start, to: window.end}\n"
	for name, window := range map[string]string{
		"tumbling":       "{type: tumbling, size: 5s}",
		"hopping":        "{type: hopping, size: 6s, hop: 2s}",
		"sliding":        "{type: sliding, size: 5s}",
		"session":        "{type: session, gap: 3s, max_duration: 10s}",
		"count":          "{type: count, count: 4}",
		"count, hop":     "{type: count, count: 4, hop: 6}",
		"count, overlap": "{type: count, count: 4, hop: 2}",
		"event tumbling": "{type: tumbling, size: 5s, timestamp: payload.ts, grace: 2s, on_late: {to: dead2}}",
		"event hopping":  "{type: hopping, size: 6s, hop: 2s, timestamp: payload.ts, grace: 1s, on_late: {to: dead2}}",
		"event sliding":  "{type: sliding, size: 5s, timestamp: payload.ts, grace: 2s, on_late: {to: dead2}}",
		"event session":  "{type: session, gap: 3s, timestamp: payload.ts, grace: 2s, on_late: {to: dead2}}",
	} {
		text := head + "    key: payload.k\n    durable: true\n    window: " + window + "\n" + all + "    route: [{to: dead}]\n"
		t.Run(name, func(t *testing.T) {
			for seed := range 6 {
				twins(t, text, uint64(seed))
			}
		})
	}
}

func twins(t *testing.T, text string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	steady, shaky := newMachine(t, text), newMachine(t, text)
	var want, got []string
	settle := func(m *machine, texts *[]string, n int) {
		for range n {
			if len(m.out) > 0 {
				text := m.deliver(0)
				if strings.HasPrefix(text, "dead2") {
					_, text, _ = strings.Cut(text, `"payload":`) // when it was found to be late may differ
				}
				*texts = append(*texts, text)
			}
		}
	}
	crashes := 0
	for id := range 150 {
		wait := time.Duration(r.IntN(1200)) * time.Millisecond
		ts := steady.now.Add(wait - time.Duration(r.IntN(5000))*time.Millisecond).UnixMilli()
		payload := fmt.Sprintf(`{"k":%q,"id":%d,"v":%d,"ts":%d}`, string(rune('a'+r.IntN(3))), id, r.IntN(20), ts)
		for _, m := range []*machine{steady, shaky} {
			m.tick(wait)
			m.send(topic, payload)
		}
		settle(steady, &want, len(steady.out))
		settle(shaky, &got, r.IntN(3))
		if r.IntN(3) == 0 {
			shaky.store.commit()
		}
		if r.IntN(12) == 0 {
			crashes++
			if !strings.Contains(text, "timestamp") { // what comes again comes later, and so into another window
				settle(shaky, &got, len(shaky.out))
				shaky.store.commit()
			}
			again := slices.Clone(shaky.open)
			shaky.crash()
			for _, payload := range again {
				shaky.send(topic, payload)
			}
		}
	}
	for _, m := range []*machine{steady, shaky} {
		m.send(topic, fmt.Sprintf(`{"k":"end","v":0,"ts":%d}`, m.now.Add(time.Hour).UnixMilli()))
		m.tick(time.Hour)
	}
	settle(steady, &want, len(steady.out))
	settle(shaky, &got, len(shaky.out))
	if shaky.store.commit(); len(shaky.open) > 0 {
		t.Errorf("seed %d: not settled: %v", seed, shaky.open)
	}
	distinct := func(list []string) []string {
		list = slices.Clone(list)
		slices.Sort(list)
		return slices.Compact(list)
	}
	if w, g := distinct(want), distinct(got); !slices.Equal(w, g) {
		for _, one := range w {
			if !slices.Contains(g, one) {
				t.Errorf("seed %d: missing %s", seed, one)
			}
		}
		for _, one := range g {
			if !slices.Contains(w, one) {
				t.Errorf("seed %d: unknown %s", seed, one)
			}
		}
	}
	if len(want) < 10 || crashes == 0 {
		t.Errorf("seed %d: only %d results and %d crashes", seed, len(want), crashes)
	}
	steady.store.file.Close()
	shaky.store.file.Close()
}
