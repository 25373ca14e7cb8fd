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

// Stop delivers what is in hand, then closes the sinks, then the sources, whose acknowledgements come last.
func TestStopDrains(t *testing.T) {
	ev := &events{}
	s := &sink{name: "s", events: ev}
	letters := &sink{name: "letters", events: ev}
	bubble(t, engine.Limits{}, func(f *feed) engine.Set {
		f.events = ev
		s.accept = func(_ context.Context, m *engine.Message) error {
			<-time.After(10 * time.Millisecond)
			if string(m.Payload) == "7" {
				return fmt.Errorf("no: %w", engine.ErrRejected)
			}
			return nil
		}
		return engine.Set{Program: through(&origin{letters: "letters"}, "s"), Sinks: map[string]engine.SinkSetup{
			"s":       {Sink: s, Buffer: engine.Buffer{MaxSize: 500}},
			"letters": {Sink: letters, Batch: engine.Batch{MaxWait: time.Hour}}}}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 100 {
			f.send("t", fmt.Sprint(i))
		}
		e.Stop(t.Context())
		equal(t, "delivered", len(s.all()), 99)
		equal(t, "letters", letters.all(), []string{"dead 7"})
		equal(t, "settled", f.count(), 100)
		all := ev.list()
		equal(t, "first", strings.Join(all[:2], ", "), "run feed, ran feed")
		equal(t, "last", all[len(all)-1], "close feed")
		equal(t, "all", len(all), 5)
		equal(t, "takes no more", f.offer("t", "late"), false)
		e.Stop(t.Context())
		equal(t, "once", fmt.Sprint(s.closes(), f.closes()), "1 1")
	})
}

// What cannot be delivered in time stays unacknowledged, and Stop returns in time whatever hangs.
func TestStopInTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		accept func(context.Context, *engine.Message) error
		stop   time.Duration
	}{
		{"a sink is down", refuse(errAway), 0},
		{"a sink hangs", stuck, 0},
		{"a sink does not heed ctx", func(context.Context, *engine.Message) error { <-time.After(time.Hour); return errAway }, 0},
		{"the caller is in a hurry", stuck, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sink{accept: c.accept}
			bubble(t, engine.Limits{Lanes: 2}, func(*feed) engine.Set {
				return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxSize: 300}})}
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				for i := range 50 { // more than the queue takes: the lanes wait
					f.send(fmt.Sprint("t", i), fmt.Sprint(i))
				}
				synctest.Wait()
				most := 10 * time.Second
				ctx := context.Background()
				if c.stop > 0 {
					most = c.stop
					short, cancel := context.WithTimeout(ctx, c.stop)
					defer cancel()
					ctx = short
				}
				start := time.Now()
				e.Stop(ctx)
				if took := time.Since(start); took > most {
					t.Errorf("took %v", took)
				}
				synctest.Wait()
				equal(t, "settled", f.count(), 0)
				equal(t, "the source is closed", f.closes(), 1)
				pass(2 * time.Hour)
				equal(t, "the sink too", s.closes(), 1)
			})
		})
	}
}

// A sink that came back while its queue was in a long pause gets what it has before the end.
func TestStopTriesOnceMore(t *testing.T) {
	s := &sink{accept: refuse(&engine.RetryAfter{After: 30 * time.Minute, Err: errAway})}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("a", "1")
		f.send("b", "2")
		synctest.Wait()
		s.set(nil)
		pass(time.Minute)
		equal(t, "patient", len(s.all()), 0)
		e.Stop(t.Context())
		equal(t, "got", len(s.all()), 2)
	})
}

func TestStopBeforeSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine.New(engine.Limits{}, nil)
		e.Stop(t.Context())
		e.Stats()
		f, s := newFeed(), &sink{}
		e.Swap(t.Context(), engine.Set{Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: s})})
		equal(t, "what comes too late is closed", fmt.Sprint(f.closes(), s.closes(), f.starts()), "1 1 0")
	})
}

// A stop while a removed sink and a removed source still work things off.
func TestStopAfterRemoval(t *testing.T) {
	s := &sink{accept: refuse(errAway)}
	bubble(t, engine.Limits{}, func(f *feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("t", "1")
		synctest.Wait()
		e.Swap(t.Context(), engine.Set{Sources: map[string]engine.SourceSetup{"other": {Source: newFeed()}}})
		s.set(nil)
		e.Stop(t.Context())
		equal(t, "settled", f.settled("1"), "delivered")
		equal(t, "closed", fmt.Sprint(s.closes(), f.closes()), "1 1")
	})
}

// Timers that emit into a full queue do not hold up Stop either.
func TestStopWhileTickWaits(t *testing.T) {
	s := &sink{accept: stuck}
	p := &program{tick: func(now time.Time, emit engine.Emit) time.Time {
		m := &engine.Message{Payload: []byte("tick")}
		m.Receive(nil)
		emit("s", m)
		return now.Add(time.Second)
	}}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: p, Sinks: one("s", engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxSize: 1}})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		pass(time.Minute)
		start := time.Now()
		e.Stop(t.Context())
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A program that holds messages settles them when the queues are drained and before the sources close.
func TestStopSettles(t *testing.T) {
	ev := &events{}
	s := &sink{name: "s", events: ev}
	p := &holder{to: to("s"), events: ev}
	bubble(t, engine.Limits{}, func(f *feed) engine.Set {
		f.events = ev
		return engine.Set{Program: p, Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 10 {
			f.send("t", fmt.Sprint(i))
		}
		synctest.Wait()
		equal(t, "settled before", f.count(), 0)
		e.Stop(t.Context())
		equal(t, "delivered", len(s.all()), 10)
		equal(t, "settled", f.count(), 10)
		all := ev.list()
		equal(t, "last", all[len(all)-1], "close feed")
		equal(t, "settles", strings.Count(strings.Join(all, " "), "settle"), 1)
	})
}

// A holder holds all messages that go through another program.
type holder struct {
	to     engine.Program
	events *events
	held   []*engine.Message
}

func (h *holder) Lane() engine.Lane { return &holding{h, h.to.Lane()} }

func (h *holder) Tick(now time.Time, emit engine.Emit) time.Time { return h.to.Tick(now, emit) }

func (h *holder) Settle(context.Context) {
	h.events.add("settle")
	for _, m := range h.held {
		m.Done()
	}
}

type holding struct {
	holder *holder
	to     engine.Lane
}

func (l *holding) Process(now time.Time, m *engine.Message, emit engine.Emit) {
	m.Hold()
	l.holder.held = append(l.holder.held, m)
	l.to.Process(now, m, emit)
}
