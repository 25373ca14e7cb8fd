package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

func TestDelivers(t *testing.T) {
	a, b := &sink{}, &sink{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("a", "b"), Sinks: map[string]engine.SinkSetup{"a": {Sink: a}, "b": {Sink: b}}}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		b.set(stuck)
		f.send("t", "1")
		synctest.Wait()
		equal(t, "a", a.all(), []string{"1"})
		equal(t, "settled while b has it", f.settled("1"), "")
		s := e.Stats()
		equal(t, "in flight", s.InFlight, engine.Usage{Messages: 1, MaxMessages: 1, Bytes: 1, MaxBytes: 1})
		pass(3 * time.Second)
		equal(t, "age", e.Stats().Unsettled, 3*time.Second)

		b.set(nil)
		e.Swap(t.Context(), engine.Set{Program: to("a", "b"), Sources: sources(f), // cancels the Write
			Sinks: map[string]engine.SinkSetup{"a": {Sink: a}, "b": {Sink: &sink{}}}})
		synctest.Wait()
		equal(t, "settled", f.settled("1"), "delivered")
		equal(t, "in flight", e.Stats().InFlight.Messages, 0)
		equal(t, "closed", fmt.Sprint(a.isClosed(), b.isClosed()), "false true")
	})
}

func TestNothingKeepsIt(t *testing.T) {
	bubble(t, engine.Limits{}, func(*feed) engine.Set { return engine.Set{} }, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("t", "1")
		synctest.Wait()
		equal(t, "settled", f.settled("1"), "delivered")
	})
}

func TestUnknownSink(t *testing.T) {
	bubble(t, engine.Limits{}, func(*feed) engine.Set { return engine.Set{Program: to("nowhere")} }, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("t", "1")
		synctest.Wait()
		equal(t, "settled", f.settled("1"), "failed")
	})
}

func TestBoundOnMessagesInFlight(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  engine.Limits
		offer   []int // sizes
		taken   string
		highest engine.Usage
	}{
		{"messages", engine.Limits{Messages: 2}, []int{1, 1, 1}, "[true true false]", engine.Usage{MaxMessages: 2, MaxBytes: 2}},
		{"bytes", engine.Limits{Bytes: 10}, []int{6, 5, 4}, "[true false true]", engine.Usage{MaxMessages: 2, MaxBytes: 10}},
		{"larger than the bound", engine.Limits{Bytes: 10}, []int{11, 1}, "[true false]", engine.Usage{MaxMessages: 1, MaxBytes: 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sink{accept: stuck}
			bubble(t, c.limits, func(*feed) engine.Set {
				return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				var taken []bool
				for i, size := range c.offer {
					taken = append(taken, f.offerQoS(byte(i%2), "t", strings.Repeat("x", size)))
				}
				equal(t, "taken", fmt.Sprint(taken), c.taken)
				u := e.Stats().InFlight
				u.Messages, u.Bytes = 0, 0
				equal(t, "highest", u, c.highest)
				st := e.Stats().Sources["feed"]
				equal(t, "books", st.In+st.Overload+st.Refused, uint64(len(c.offer)))

				e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: &sink{}})})
				synctest.Wait()
				equal(t, "room again", f.offer("t", strings.Repeat("x", c.offer[0])), true)
			})
		})
	}
}

// What harms one message harms no other.
func TestPanics(t *testing.T) {
	o := &origin{panics: true}
	s := &sink{}
	p := &program{process: func(_ time.Time, m *engine.Message, emit engine.Emit) {
		if string(m.Payload) == "in the rule" {
			panic("poison")
		}
		out := &engine.Message{Topic: m.Topic, Key: string(m.Payload), Payload: m.Payload}
		out.From(m, o)
		emit("s", out)
	}, tick: func(time.Time, engine.Emit) time.Time { panic("late") }}
	bubble(t, engine.Limits{Lanes: 1}, func(*feed) engine.Set {
		return engine.Set{Program: p, Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		once := false
		s.set(func(_ context.Context, m *engine.Message) error {
			switch {
			case string(m.Payload) == "in the origin":
				return fmt.Errorf("no: %w", engine.ErrRejected)
			case string(m.Payload) == "in the sink" && !once:
				once = true
				panic("nil map")
			}
			return nil
		})
		for _, payload := range []string{"1", "in the rule", "2", "in the origin", "3", "in the sink", "4"} {
			f.send("t", payload)
		}
		pass(time.Minute)
		for payload, want := range map[string]string{"1": "delivered", "2": "delivered", "3": "delivered", "4": "delivered",
			"in the rule": "failed", "in the origin": "failed", "in the sink": "delivered"} {
			equal(t, payload, f.settled(payload), want)
		}
		equal(t, "panics are counted", e.Stats().Panics >= 3, true)
	})
}

// The clock that a program sees never goes back, and Tick comes when it said and when it asks to.
func TestTick(t *testing.T) {
	var ticks []time.Duration
	start := time.Time{}
	next := 10 * time.Second
	p := &program{}
	p.process = func(now time.Time, m *engine.Message, emit engine.Emit) {
		next = 3 * time.Second
		p.wakes <- struct{}{}
	}
	p.tick = func(now time.Time, emit engine.Emit) time.Time {
		if start.IsZero() {
			start = now
		}
		ticks = append(ticks, now.Sub(start))
		if next == 0 {
			return time.Time{}
		}
		due := now.Add(next)
		next = 0
		return due
	}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		p.wakes = make(chan struct{}, 1) // in the bubble, or waiting for it would not count as idle
		return engine.Set{Program: p}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		pass(time.Minute)
		f.send("t", "1") // at 60s: a deadline at 63s
		pass(time.Minute)
		e.Swap(t.Context(), engine.Set{Program: p, Sources: sources(f)})
		pass(time.Minute)
		equal(t, "ticks", ticks, []time.Duration{0, 10 * time.Second, 60 * time.Second, 63 * time.Second, 120 * time.Second})
	})
}
