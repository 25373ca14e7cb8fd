package rules

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/engine"
)

// Several lanes and Tick share one key, while reloads put the rule anew, sometimes with another operator. No message
// is lost in the books, and what the memory counts is what it has. Run it with -race.
func TestLanesShareKeys(t *testing.T) {
	rule := func(i int) string {
		return head + fmt.Sprintf(`    key: '"all"'
    absent: {for: %dms}
    dedupe: {by: payload.n %% 97, within: %dms}
    state: {n: {value: '(state.n ?? 0) + 1', ttl: 1s}}
    map: {n: state.n, lag: lag(payload.n), last: last.n, absent: absent}
    route: [{to: dead}]
  held:
    source: in
    topic: hospital/{site}/device/{id}/status
    key: payload.n %% 5
    when: payload.n != lag(payload.n, 2)
    on_change: {of: "payload.n + %d", deadband: 3}
    throttle: {rate: 1/%dms, keep: last}
    route: [{to: dead2}]
`, 3+i%2, 5+i%3, i/2, 2+i%2)
	}
	var clock atomic.Int64 // the engine's: never goes back
	start := time.UnixMilli(1_700_000_000_000)
	now := func() time.Time { return start.Add(time.Duration(clock.Add(int64(20 * time.Microsecond)))) }
	var running atomic.Pointer[Program]
	running.Store(load(t, rule(0)))
	var out atomic.Int64
	emit := func(_ string, m *engine.Message) { out.Add(1); m.Done() }
	var lanes, others sync.WaitGroup
	const count, each = 4, 3000
	for i := range count {
		lanes.Go(func() {
			var p *Program
			var l engine.Lane
			topic := fmt.Sprintf("hospital/H1/device/%d/status", i)
			for n := range each {
				if next := running.Load(); next != p {
					p, l = next, next.Lane()
				}
				m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(fmt.Sprintf(`{"n":%d}`, n*count+i)), Meta: &engine.Meta{Source: "in"}}
				m.Receive(func(*engine.Message, engine.Outcome) {})
				l.Process(now(), m, emit)
				m.Done()
			}
		})
	}
	done := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				running.Load().Tick(now(), emit)
			}
		}
	})
	others.Go(func() {
		env := testEnv
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			env.Previous = running.Load()
			p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(rule(i))}}, env)
			if len(errs) > 0 {
				t.Error(errs)
				return
			}
			running.Store(p)
		}
	})
	lanes.Wait()
	close(done)
	others.Wait()
	p := running.Load()
	end := now().Add(time.Hour)
	for range 100 {
		p.Tick(end, emit)
	}
	for _, s := range p.Stats() {
		if s.In != count*each || s.InFlight != 0 || s.Error != 0 {
			t.Errorf("book %+v", s)
		}
	}
	if out.Load() == 0 {
		t.Error("nothing came out")
	}
	checkMemory(t, p)
}
