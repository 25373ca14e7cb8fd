package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// A reload that mends a bad address delivers the backlog: the queue belongs to the name.
func TestSwapMendsSink(t *testing.T) {
	dead, mended := &sink{accept: stuck}, &sink{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: dead, Kind: "nats"})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("a", "1") // being written
		synctest.Wait()
		f.send("a", "2")
		f.send("a", "3")
		synctest.Wait()
		e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: mended, Kind: "nats"})})
		synctest.Wait()
		equal(t, "got", mended.all(), numbers(1, 3))
		equal(t, "closed", fmt.Sprint(dead.isClosed(), mended.isClosed()), "true false")
		equal(t, "the source goes on", fmt.Sprint(f.starts(), f.closes(), len(f.subscribed())), "1 0 1")
		if s := e.Stats().Sinks["s"]; !s.Up || s.Retired || len(e.Stats().Sinks) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// What is the same goes on, even the Write that runs; new options alone do not replace a sink.
func TestSwapLeavesAlone(t *testing.T) {
	s := &sink{}
	release := make(chan struct{})
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		release = make(chan struct{})
		s.accept = func(ctx context.Context, _ *engine.Message) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return errors.New("cancelled")
			}
		}
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("a", "1")
		synctest.Wait()
		for i := range 3 {
			e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f),
				Sinks: one("s", engine.SinkSetup{Sink: s, Batch: engine.Batch{MaxCount: 100 + i}})})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		equal(t, "tries", s.tries(), 1)
		equal(t, "settled", f.settled("1"), "delivered")
		equal(t, "closed", s.isClosed(), false)
	})
	equal(t, "closed once", s.closes(), 1)
}

// Sinks that were replaced before they ran are closed too, and each once.
func TestSwapTwiceWhileWriting(t *testing.T) {
	first, between, last := &sink{}, &sink{}, &sink{}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		first.accept = func(context.Context, *engine.Message) error { <-time.After(time.Minute); return errAway } // does not heed ctx
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: first})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		f.send("a", "1")
		synctest.Wait()
		start := time.Now()
		e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: between})})
		e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: last})})
		equal(t, "waits for no sink", time.Since(start), 0)
		pass(time.Hour)
		equal(t, "got", last.all(), []string{"1"})
		equal(t, "closed", fmt.Sprint(first.closes(), between.closes(), last.closes()), "1 1 0")
	})
}

// A reload while a sink is down and its queue full does not stall: the lanes that wait in the old rules come
// free, and the new rules see the next message.
func TestSwapWhileLanesWait(t *testing.T) {
	dead, live := &sink{accept: stuck}, &sink{}
	sinks := map[string]engine.SinkSetup{"dead": {Sink: dead, Buffer: engine.Buffer{MaxSize: 1}}, "live": {Sink: live}}
	bubble(t, engine.Limits{Lanes: 2}, func(*feed) engine.Set {
		return engine.Set{Program: to("dead"), Sinks: sinks}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 40 {
			f.send(fmt.Sprint("t", i%8), fmt.Sprint(i))
		}
		synctest.Wait()
		start := time.Now()
		e.Swap(t.Context(), engine.Set{Program: to("live"), Sources: sources(f), Sinks: sinks})
		f.send("t", "new")
		synctest.Wait()
		equal(t, "at once", time.Since(start), 0)
		got := live.all()
		equal(t, "the new rules run", slices.Contains(got, "new"), true)
		equal(t, "nothing lost", len(got)+e.Stats().Sinks["dead"].Queued.Messages, 41)
		equal(t, "the sink was left alone", dead.tries(), 1)
	})
}

func TestRemovedSink(t *testing.T) {
	without := func(f *feed) engine.Set { return engine.Set{Program: to(), Sources: sources(f)} }
	with := func(f *feed, s *sink, kind string) engine.Set {
		return engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{Sink: s, Kind: kind, Retry: engine.Retry{MaxElapsed: time.Minute}})}
	}
	fill := func(t *testing.T, f *feed) {
		for i := range 3 {
			f.send("a", fmt.Sprint(i))
			synctest.Wait()
		}
	}
	t.Run("works off its queue", func(t *testing.T) {
		s := &sink{accept: refuse(errAway)}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { return with(f, s, "nats") }, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), without(f))
			synctest.Wait()
			equal(t, "retired", fmt.Sprint(e.Stats().Sinks["s"].Retired, s.isClosed()), "true false")
			s.set(nil)
			pass(30 * time.Second)
			equal(t, "got", s.all(), numbers(0, 2))
			equal(t, "closed", s.isClosed(), true)
			equal(t, "gone", len(e.Stats().Sinks), 0)
		})
	})
	t.Run("rejects what is left after max_elapsed", func(t *testing.T) {
		s := &sink{accept: refuse(errAway)}
		o := &origin{}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set {
			set := with(f, s, "nats")
			set.Program = through(o, "s")
			return set
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), without(f))
			pass(time.Minute)
			equal(t, "rejected", len(o.rejected()), 3)
			equal(t, "expired", errors.Is(o.rejected()[2], engine.ErrExpired) && errors.Is(o.rejected()[2], engine.ErrRejected), true)
			equal(t, "settled", f.settled("2"), "failed")
			equal(t, "closed", s.isClosed(), true)
		})
	})
	t.Run("is stuck", func(t *testing.T) { // 10 minutes without a max_elapsed
		s := &sink{accept: refuse(errAway)}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set {
			return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), without(f))
			pass(10*time.Minute - time.Second)
			equal(t, "before", f.settled("2"), "")
			pass(time.Second)
			equal(t, "after", f.settled("2"), "failed")
		})
	})
	t.Run("comes back", func(t *testing.T) {
		s, back := &sink{accept: refuse(errAway)}, &sink{}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { return with(f, s, "nats") }, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), without(f))
			pass(30 * time.Second)
			e.Swap(t.Context(), with(f, back, "nats"))
			synctest.Wait()
			equal(t, "got", back.all(), numbers(0, 2))
			equal(t, "closed", fmt.Sprint(s.isClosed(), back.isClosed()), "true false")
			pass(time.Hour)
			f.send("a", "3")
			synctest.Wait()
			equal(t, "it stays", back.all(), numbers(0, 3))
		})
	})
	t.Run("comes back as another kind", func(t *testing.T) {
		s, back := &sink{accept: refuse(errAway)}, &sink{}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { return with(f, s, "nats") }, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), with(f, back, "http"))
			f.send("a", "3")
			synctest.Wait()
			equal(t, "got", back.all(), []string{"3"})
			equal(t, "both are counted", e.Stats().Sinks["s (retired)"].Queued.Messages, 3)
			s.set(nil)
			pass(time.Minute)
			equal(t, "the old one", s.all(), numbers(0, 2))
			equal(t, "closed", fmt.Sprint(s.isClosed(), back.isClosed()), "true false")
		})
	})
	t.Run("has lanes waiting", func(t *testing.T) {
		s := &sink{accept: stuck}
		bubble(t, engine.Limits{Lanes: 1}, func(f *feed) engine.Set {
			return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxSize: 1}})}
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			fill(t, f)
			e.Swap(t.Context(), without(f))
			f.send("a", "3")
			synctest.Wait()
			equal(t, "the lane goes on", f.settled("3"), "delivered")
		})
	})
	// The lane is in the old rules for longer than the sink is away.
	t.Run("has the old rules running", func(t *testing.T) {
		s := &sink{accept: refuse(errAway)}
		back := &sink{}
		var release chan struct{}
		slow := &program{process: func(_ time.Time, m *engine.Message, emit engine.Emit) {
			<-release
			for range 3 {
				out := &engine.Message{Key: m.Key, Payload: m.Payload}
				out.From(m, nil)
				emit("s", out)
			}
		}}
		for _, returns := range []bool{false, true} {
			bubble(t, engine.Limits{Lanes: 1}, func(f *feed) engine.Set {
				release = make(chan struct{})
				set := with(f, s, "nats")
				set.Program = slow
				set.Sinks["s"] = engine.SinkSetup{Sink: s, Kind: "nats", Buffer: engine.Buffer{MaxSize: 1}}
				return set
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				f.send("a", "1")
				synctest.Wait()
				e.Swap(t.Context(), without(f))
				synctest.Wait()
				if returns {
					e.Swap(t.Context(), with(f, back, "nats"))
				}
				f.send("a", "2")
				close(release)
				synctest.Wait()
				if !returns {
					equal(t, "waits for no room", f.settled("2"), "delivered")
					return
				}
				pass(time.Minute)
				f.send("a", "3")
				synctest.Wait()
				equal(t, "got", back.all(), []string{"1", "1", "1", "2", "3"})
			})
			s = &sink{accept: refuse(errAway)}
		}
	})
}

// Rules are swapped, sinks are replaced and removed, and all the while messages run and sinks fail: nothing is
// lost, nothing is settled twice, and each key stays in order.
func TestSwapUnderLoad(t *testing.T) {
	const messages, topics = 3000, 11
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 3))
		log := &sink{} // of all sinks under the name
		made := []*sink{}
		mk := func() engine.SinkSetup {
			bad := rand.New(rand.NewPCG(r.Uint64(), 4))
			s := &sink{accept: func(ctx context.Context, m *engine.Message) error {
				switch n := bad.IntN(40); {
				case n == 0:
					return errAway
				case n == 1:
					<-time.After(10 * time.Millisecond)
				case n == 2 && bad.IntN(10) == 0:
					return stuck(ctx, m)
				}
				return nil
			}}
			made = append(made, s)
			accept := s.accept
			s.accept = func(ctx context.Context, m *engine.Message) error {
				err := accept(ctx, m)
				if err == nil {
					log.Write(ctx, []*engine.Message{m}, make([]error, 1))
				}
				return err
			}
			return engine.SinkSetup{Sink: s, Buffer: engine.Buffer{MaxSize: 1000 + r.Int64N(20_000)}}
		}
		other := &sink{}
		bubble(t, engine.Limits{Messages: 100, Lanes: 3}, func(f *feed) engine.Set {
			return engine.Set{Program: to("s", "other"), Sinks: map[string]engine.SinkSetup{"s": mk(), "other": {Sink: other}}}
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range messages {
					f.send(fmt.Sprint("t", i%topics), fmt.Sprint(i))
				}
			}()
			for swap := 0; ; swap++ {
				select {
				case <-done:
				case <-time.After(time.Duration(r.IntN(40)) * time.Millisecond):
					sinks := map[string]engine.SinkSetup{"s": mk(), "other": {Sink: other}}
					if swap%3 == 2 {
						// Its messages go to the old one, which may not accept them before it is back.
						e.Swap(t.Context(), engine.Set{Program: to("s", "other"), Sources: sources(f), Sinks: sinks})
						sinks = map[string]engine.SinkSetup{"s": mk(), "other": {Sink: other}}
					}
					e.Swap(t.Context(), engine.Set{Program: to("s", "other"), Sources: sources(f), Sinks: sinks})
					continue
				}
				break
			}
			s := engine.SinkSetup{Sink: log}
			e.Swap(t.Context(), engine.Set{Program: to("s", "other"), Sources: sources(f), Sinks: map[string]engine.SinkSetup{"s": s, "other": {Sink: other}}})
			pass(time.Hour)
			inOrder(t, fmt.Sprint("seed ", seed), log.all(), messages, topics)
			inOrder(t, "other", other.all(), messages, topics)
			for i := range messages {
				if s := f.settled(fmt.Sprint(i)); s != "delivered" {
					t.Fatalf("seed %d: message %d: %q", seed, i, s)
				}
			}
			for i, s := range made {
				if s.closes() != 1 {
					t.Errorf("sink %d of %d was closed %d times", i, len(made), s.closes())
				}
			}
		})
	}
}
