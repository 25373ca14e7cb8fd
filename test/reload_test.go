package test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is the rule of most scenarios, and its outputs say which edition of it made them.
func version(n int, route string) string {
	return strings.Replace(rule(route), "map: {", fmt.Sprintf("map: {version: %d, ", n), 1)
}

// versions takes the version out of what comes, and notes it.
type versions struct {
	mu   sync.Mutex
	seen map[int]bool
	last map[int]int // by device
	back int         // how often an older one came after a newer
}

func (v *versions) of(o *oracle) {
	v.seen, v.last = map[int]bool{}, map[int]int{}
	o.tell = func(_ string, payload []byte) {
		text := between(string(payload), `"version":`, ",")
		n, err := strconv.Atoi(text)
		device, _, ok := identify(string(payload))
		if err == nil && ok {
			v.mu.Lock()
			v.seen[n] = true
			if n < v.last[device] {
				v.back++
			}
			v.last[device] = n
			v.mu.Unlock()
		}
		o.saw([]byte(strings.Replace(string(payload), `"version":`+text+",", "", 1)))
	}
}

func (v *versions) saw(n int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen[n]
}

// TestReloadUnderLoad: 20,000 messages while the rules change; none lost, twice, or out of order, and each is
// the work of one edition or the next.
func TestReloadUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), version(0, toOut))
	b.start()
	o := newOracle(t, 9)
	var v versions
	v.of(o)
	o.watch(broker.Addr(), "out/#")
	p := o.publisher(broker.Addr())
	done := p.background(20_000)
	reloads := 0
	for running := true; running || reloads < 10; {
		reloads++
		b.reloads(func() { b.write("rules/rules.yaml", version(reloads, toOut)) })
		b.until("the new edition is at work", func() bool {
			select {
			case <-done:
				running = false
				return true
			default:
				return v.saw(reloads)
			}
		})
		if !running {
			p.publish(9)
			o.complete()
		}
	}
	o.check(false)
	_, all := o.published()
	b.settled("pass", all)
	t.Logf("%d reloads", reloads)
	for n := range reloads {
		if !v.saw(n + 1) {
			t.Errorf("there is no output of edition %d", n+1)
		}
	}
	if v.back > 0 {
		t.Errorf("%d outputs are of an older edition than the one before", v.back)
	}
	if got := b.metric(`edge_source_connects_total{source="in"}`); got != 1 {
		t.Errorf("%v connections, want that of the start only", got)
	}
	b.stop()
}

// TestReloadStorm: files that are written 300 times as fast as can be, every other time with an error, end at
// what was written last, and cost the messages that pass nothing.
func TestReloadStorm(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), version(0, toOut))
	b.start()
	o := newOracle(t, 5)
	var v versions
	v.of(o)
	o.watch(broker.Addr(), "out/#")
	p := o.publisher(broker.Addr())
	done := p.background(2000)
	began := time.Now()
	for i := range 300 {
		b.write("rules/rules.yaml", strings.Replace(version(i, toOut), "payload.id", []string{"payload.id", "paylod.id"}[i%2], 1))
	}
	b.write("rules/rules.yaml", version(1000, toOut))
	took := time.Since(began)
	<-done
	b.until("the last edition is at work", func() bool {
		p.publish(5)
		o.complete()
		return v.saw(1000)
	})
	o.check(false)
	// One for each 100 ms, that of the start, one that was under way at the end, and the last; rescans are in the rest.
	if loads := b.metric("edge_config_loads_total"); loads > 4+took.Seconds()/0.09 {
		t.Errorf("%v loads for 301 saves in %v", loads, took)
	}
	b.stop()
}
