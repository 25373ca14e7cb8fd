package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// sized is a payload that takes a bit more than 1000 bytes in a queue.
func sized(n int) string { return fmt.Sprintf("%-1000d", n) }

func ids(payloads []string) []string {
	for i, p := range payloads {
		payloads[i] = strings.TrimSpace(p)
	}
	return payloads
}

// A queue of 4000 bytes holds three of about 1200; the first of them is being written.
func TestFull(t *testing.T) {
	for _, c := range []struct {
		policy  engine.WhenFull
		got     []string
		dropped []string
		drops   engine.Drops
		waits   bool
	}{
		{engine.Block, numbers(1, 6), nil, engine.Drops{}, true},
		{"", numbers(1, 6), nil, engine.Drops{}, true},
		{engine.DropOldest, []string{"1", "5", "6"}, []string{"2", "3", "4"}, engine.Drops{Oldest: 3}, false},
		{engine.DropNewest, []string{"1", "2", "3"}, []string{"4", "5", "6"}, engine.Drops{Newest: 3}, false},
	} {
		t.Run(string(c.policy), func(t *testing.T) {
			s := &sink{}
			release := make(chan struct{})
			bubble(t, engine.Limits{}, func(*feed) engine.Set {
				release = make(chan struct{})
				s.accept = func(ctx context.Context, m *engine.Message) error { <-release; return nil }
				return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s,
					Buffer: engine.Buffer{MaxSize: 4000, WhenFull: c.policy}})}
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				for i := 1; i <= 6; i++ {
					f.send("t", sized(i))
					synctest.Wait()
				}
				st := e.Stats()
				equal(t, "dropped", st.Sinks["s"].Dropped, c.drops)
				equal(t, "queued", fmt.Sprint(st.Sinks["s"].Queued.Messages), "3")
				if most := st.Sinks["s"].Queued.MaxBytes; most > 4000 {
					t.Errorf("the queue held %d bytes of 4000", most)
				}
				equal(t, "others wait for their lane", st.InFlight.Messages > 3, c.waits)
				close(release)
				synctest.Wait()
				equal(t, "got", ids(s.all()), c.got)
				for i := 1; i <= 6; i++ {
					want := "delivered"
					if slices.Contains(c.dropped, fmt.Sprint(i)) {
						want = "dropped"
					}
					equal(t, fmt.Sprint(i), f.settled(sized(i)), want)
				}
			})
		})
	}
}

// What waits for another try is the oldest, and goes first.
func TestDropOldestWhileDown(t *testing.T) {
	s := &sink{accept: refuse(errAway)}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s,
			Buffer: engine.Buffer{MaxSize: 4000, WhenFull: engine.DropOldest}})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := 1; i <= 9; i++ {
			f.send(fmt.Sprint("t", i%2), sized(i))
			synctest.Wait()
		}
		s.set(nil)
		pass(time.Minute)
		got := ids(s.all())
		slices.Sort(got)
		equal(t, "got", got, []string{"7", "8", "9"})
		equal(t, "queued", e.Stats().Sinks["s"].Queued.Messages, 0)
	})
}

func TestLargerThanTheQueue(t *testing.T) {
	s := &sink{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxSize: 100}})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 3 {
			f.send("t", sized(i))
		}
		synctest.Wait()
		equal(t, "got", ids(s.all()), numbers(0, 2))
	})
}

func TestMaxAge(t *testing.T) {
	s := &sink{accept: refuse(errAway)}
	o := &origin{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: through(o, "s"), Sinks: one("s", engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxAge: time.Minute}})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("a", "1")
		f.send("b", "2")
		pass(40 * time.Second)
		f.send("c", "3")
		pass(19 * time.Second)
		equal(t, "before", f.settled("1"), "")
		pass(2 * time.Second)
		equal(t, "after", f.settled("1")+" "+f.settled("2")+" "+f.settled("3"), "dropped dropped ")
		equal(t, "drops", e.Stats().Sinks["s"].Dropped, engine.Drops{Age: 2})
		s.set(nil)
		pass(20 * time.Second)
		equal(t, "got", s.all(), []string{"3"})
		equal(t, "that is no rejection", len(o.rejected()), 0)
	})
}

// What arrives during one Write goes out with the next.
func TestBatchesFormByThemselves(t *testing.T) {
	s := &sink{accept: func(context.Context, *engine.Message) error { <-time.After(time.Second); return nil }}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("t", "1")
		synctest.Wait()
		for i := 2; i <= 4; i++ {
			f.send("t", fmt.Sprint(i))
		}
		pass(time.Minute)
		equal(t, "batches", s.batches, [][]string{{"1"}, {"2", "3", "4"}})
	})
}

func TestBatchLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch engine.Batch
		sizes string
	}{
		{"count", engine.Batch{MaxCount: 2}, "[1 2 2]"},
		{"bytes", engine.Batch{MaxBytes: 3600}, "[1 3 1]"},
		{"one over", engine.Batch{MaxBytes: 1}, "[1 1 1 1 1]"},
		{"wait", engine.Batch{MaxWait: time.Second}, "[5]"},
		{"wait for count", engine.Batch{MaxWait: time.Hour, MaxCount: 5}, "[5]"},
		{"wait for bytes", engine.Batch{MaxWait: time.Hour, MaxBytes: 4500}, "[3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sink{}
			bubble(t, engine.Limits{}, func(*feed) engine.Set {
				return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Batch: c.batch})}
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				if c.batch.MaxWait == 0 {
					s.set(func(context.Context, *engine.Message) error { <-time.After(time.Second); return nil })
				}
				f.send("t", sized(0))
				synctest.Wait()
				for i := 1; i < 5; i++ {
					f.send("t", sized(i))
				}
				pass(time.Minute)
				var sizes []int
				for _, b := range s.batches {
					sizes = append(sizes, len(b))
				}
				equal(t, "sizes", fmt.Sprint(sizes), c.sizes)
			})
		})
	}
}

func TestMaxWaitEnds(t *testing.T) {
	s := &sink{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Batch: engine.Batch{MaxCount: 100, MaxWait: time.Second}})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		start := time.Now()
		f.send("t", "1")
		pass(600 * time.Millisecond)
		f.send("t", "2")
		pass(time.Minute)
		equal(t, "batches", s.batches, [][]string{{"1", "2"}})
		equal(t, "after", s.at[0].Sub(start), time.Second)
	})
}

// A sink that forgets a message has not delivered it.
func TestNoResultIsNoSuccess(t *testing.T) {
	first := true
	s := &sink{}
	s.write = func(context.Context, []*engine.Message, []error) bool { was := first; first = false; return was }
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("t", "1")
		pass(time.Second)
		equal(t, "got", s.all(), []string{"1"})
	})
}

// A refusal for good goes to the rule's origin; the letter it sends passes even where lanes must wait.
func TestRejected(t *testing.T) {
	bad := fmt.Errorf("413: %w", engine.ErrRejected)
	s, letters := &sink{}, &sink{accept: stuck}
	s.accept = func(_ context.Context, m *engine.Message) error {
		if m.Topic == "bad" {
			return bad
		}
		return nil
	}
	o := &origin{letters: "letters"}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: through(o, "s"), Sinks: map[string]engine.SinkSetup{"s": {Sink: s},
			"letters": {Sink: letters, Buffer: engine.Buffer{MaxSize: 1}}}}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 5 {
			f.send("bad", fmt.Sprint(i))
			f.send("good", fmt.Sprint("good ", i))
		}
		synctest.Wait()
		equal(t, "told", len(o.rejected()), 5)
		equal(t, "why", errors.Is(o.rejected()[0], bad), true)
		equal(t, "held by its letter", f.settled("0"), "")
		equal(t, "others", f.settled("good 4"), "delivered")
		equal(t, "letters wait over the bound", e.Stats().Sinks["letters"].Queued.Messages, 5)
		equal(t, "counted", e.Stats().Sinks["s"].Rejected, uint64(5))

		mended := &sink{}
		e.Swap(t.Context(), engine.Set{Program: through(o, "s"), Sources: sources(f),
			Sinks: map[string]engine.SinkSetup{"s": {Sink: s}, "letters": {Sink: mended}}})
		synctest.Wait()
		equal(t, "letters", mended.all(), []string{"dead 0", "dead 1", "dead 2", "dead 3", "dead 4"})
		equal(t, "settled", f.settled("0"), "failed")
		equal(t, "tries", e.Stats().Sinks["s"].Retries, uint64(0))
	})
}
