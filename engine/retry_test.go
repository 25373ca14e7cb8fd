package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// Thousands of messages of many keys go to sinks that fail in all ways there are. Each sink gets each key's
// messages in order, each once, and each message is settled once.
func TestOrderThroughFailingSinks(t *testing.T) {
	const messages, topics = 4000, 17
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var mu sync.Mutex
			r := rand.New(rand.NewPCG(seed, 2))
			draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
			fails := map[string]func(context.Context, []*engine.Message, []error) bool{
				"never": nil,
				"now and then a message": func(_ context.Context, b []*engine.Message, res []error) bool {
					return false // see accept
				},
				"often as a whole": func(_ context.Context, b []*engine.Message, res []error) bool {
					if draw(3) > 0 {
						return false
					}
					for i := range res {
						res[i] = errAway
					}
					return true
				},
				"by panic": func(context.Context, []*engine.Message, []error) bool {
					if draw(4) == 0 {
						panic("sink")
					}
					return false
				},
				"asking for time": func(_ context.Context, b []*engine.Message, res []error) bool {
					if draw(5) > 0 {
						return false
					}
					for i := range res {
						res[i] = &engine.RetryAfter{After: time.Duration(draw(500)) * time.Millisecond, Err: errAway}
					}
					return true
				},
				"slowly": func(context.Context, []*engine.Message, []error) bool {
					<-time.After(time.Duration(draw(30)) * time.Millisecond)
					return false
				},
			}
			all := map[string]*sink{}
			setups := map[string]engine.SinkSetup{}
			var names []string
			for name, write := range fails {
				s := &sink{write: write}
				if strings.HasPrefix(name, "now") {
					s.accept = func(_ context.Context, m *engine.Message) error {
						if draw(10) == 0 {
							return errAway
						}
						return nil
					}
				}
				all[name] = s
				names = append(names, name)
				setups[name] = engine.SinkSetup{Sink: s, Batch: engine.Batch{MaxCount: 1 + draw(100)},
					Buffer: engine.Buffer{MaxSize: int64(1000 + draw(50_000))}}
			}
			o := &origin{}
			bubble(t, engine.Limits{Messages: 300, Lanes: 4}, func(*feed) engine.Set {
				return engine.Set{Program: through(o, names...), Sinks: setups}
			}, func(t *testing.T, e *engine.Engine, f *feed) {
				for i := range messages {
					f.send(fmt.Sprint("t", i%topics), fmt.Sprint(i))
				}
				pass(time.Hour)
				for name, s := range all {
					inOrder(t, name, s.all(), messages, topics)
					st := e.Stats().Sinks[name]
					equal(t, name+" written", st.Written, uint64(messages))
					if limit := setups[name].Buffer.MaxSize; st.Queued.MaxBytes > limit {
						t.Errorf("%s: %d bytes queued, the bound is %d", name, st.Queued.MaxBytes, limit)
					}
				}
				for i := range messages {
					if s := f.settled(fmt.Sprint(i)); s != "delivered" {
						t.Fatalf("message %d: %q", i, s)
					}
				}
				equal(t, "outputs settled", len(o.outcomes), messages*len(names))
				if u := e.Stats().InFlight; u.Messages != 0 || u.Bytes != 0 || u.MaxMessages > 300 {
					t.Errorf("in flight: %+v", u)
				}
			})
		})
	}
}

func inOrder(t *testing.T, name string, got []string, messages, topics int) {
	t.Helper()
	if len(got) != messages {
		t.Errorf("%s: got %d of %d", name, len(got), messages)
	}
	last := map[int]int{}
	for _, payload := range got {
		n, err := strconv.Atoi(payload)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := last[n%topics]; ok && n != before+topics {
			t.Fatalf("%s: %d after %d of one key", name, n, before)
		}
		last[n%topics] = n
	}
}

// One bad key does not stop the others, whether they come together or one by one.
func TestBadKeyHarmsOnlyItself(t *testing.T) {
	s := &sink{accept: func(_ context.Context, m *engine.Message) error {
		if strings.HasPrefix(m.Key, "bad") {
			return errAway
		}
		return nil
	}}
	for _, bad := range []int{1, 2, 40} { // with more than one the sink may be taken for down, but not for ever
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			for _, count := range []int{1, 256} {
				s.got, s.batches = nil, nil
				bubble(t, engine.Limits{Messages: 10_000}, func(*feed) engine.Set {
					return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Batch: engine.Batch{MaxCount: count}})}
				}, func(t *testing.T, e *engine.Engine, f *feed) {
					for i := range bad {
						f.send(fmt.Sprint("bad", i), "x")
						f.send(fmt.Sprint("bad", i), "y")
					}
					pass(time.Minute)
					if bad == 1 {
						f.send("good19", "-1")
						synctest.Wait()
						equal(t, "one bad key says nothing about the sink", s.all(), []string{"-1"})
					}
					for i := range 200 {
						f.send(fmt.Sprint("good", i%20), fmt.Sprint(i))
					}
					pass(time.Duration(bad) * 20 * time.Second)
					inOrder(t, "good", s.all()[min(1, len(s.all())-200):], 200, 20)
					if n := s.tries(); n > 400+200*bad {
						t.Errorf("%d Writes: the bad ones do not wait", n)
					}
					for i := range 100 {
						start := time.Now()
						f.send("good", fmt.Sprint("later ", i))
						pass(time.Second)
						if got := s.all(); got[len(got)-1] != fmt.Sprint("later ", i) {
							t.Fatalf("message %d is late, at %v", i, start)
						}
					}
				})
			}
		})
	}
}

// A dead sink is tried seldom, and all of it is delivered in order soon after it is back.
func TestDown(t *testing.T) {
	s := &sink{accept: refuse(errAway)}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 500 {
			f.send(fmt.Sprint("t", i%50), fmt.Sprint(i))
		}
		pass(time.Hour)
		st := e.Stats().Sinks["s"]
		equal(t, "up", st.Up, false)
		equal(t, "error", st.Error, errAway.Error())
		equal(t, "nothing settled", f.count(), 0)
		if n := s.tries(); n < 360 || n > 2000 { // 10s at most, 5s on average
			t.Errorf("%d tries in an hour", n)
		}
		if st.DownFor < 59*time.Minute {
			t.Errorf("down for %v", st.DownFor)
		}
		s.set(nil)
		pass(10 * time.Second)
		inOrder(t, "s", s.all(), 500, 50)
		equal(t, "up again", e.Stats().Sinks["s"].Up, true)

		// A success starts the pauses over.
		s.set(refuse(errAway))
		f.send("t", "500")
		synctest.Wait()
		s.set(nil)
		pass(200 * time.Millisecond)
		equal(t, "soon", f.settled("500"), "delivered")
	})
}

// A sink that goes down in the middle of a Write is down all the same, though something got through in that
// Write, and though each key has failed by its end.
func TestDownInTheMiddle(t *testing.T) {
	for _, keys := range []int{1, 2, 7} {
		taken := 0
		s := &sink{accept: func(context.Context, *engine.Message) error {
			if taken++; taken > keys+1 {
				return errAway
			}
			return nil
		}}
		bubble(t, engine.Limits{}, func(*feed) engine.Set {
			return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s, Batch: engine.Batch{MaxCount: 1000, MaxWait: time.Second}})}
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			for i := range 100 {
				f.send(fmt.Sprint("t", i%keys), fmt.Sprint(i))
			}
			pass(time.Minute)
			st := e.Stats().Sinks["s"]
			equal(t, fmt.Sprint("up, with ", keys), st.Up, false)
			if st.DownFor < 50*time.Second {
				t.Errorf("down for %v", st.DownFor)
			}
			s.set(nil)
			pass(10 * time.Second)
			inOrder(t, "s", s.all(), 100, keys)
			equal(t, "up again", e.Stats().Sinks["s"].Up, true)
		})
	}
}

func TestRetryAfter(t *testing.T) {
	s := &sink{accept: refuse(fmt.Errorf("http: %w", &engine.RetryAfter{After: 42 * time.Second, Err: errAway}))}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: to("s"), Sinks: one("s", engine.SinkSetup{Sink: s})}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		start := time.Now()
		f.send("a", "1")
		synctest.Wait()
		s.set(nil)
		f.send("b", "2") // the destination meant all of them
		pass(time.Minute)
		equal(t, "got", s.all(), []string{"1", "2"})
		for _, at := range s.at[1:] {
			equal(t, "after", at.Sub(start), 42*time.Second)
		}
	})
}

func TestMaxElapsed(t *testing.T) {
	s, letters := &sink{accept: refuse(errAway)}, &sink{}
	o := &origin{letters: "letters"}
	bubble(t, engine.Limits{}, func(*feed) engine.Set {
		return engine.Set{Program: through(o, "s"), Sinks: map[string]engine.SinkSetup{"letters": {Sink: letters},
			"s": {Sink: s, Retry: engine.Retry{MaxElapsed: time.Minute}}}}
	}, func(t *testing.T, e *engine.Engine, f *feed) {
		for i := range 300 { // more than one Write of them
			f.send(fmt.Sprint("t", i%3), fmt.Sprint(i))
		}
		pass(59 * time.Second)
		equal(t, "before", f.count(), 0)
		pass(2 * time.Second)
		equal(t, "all, tried or held back by others", f.count(), 300)
		err := o.rejected()[0]
		if !errors.Is(err, engine.ErrExpired) || !errors.Is(err, engine.ErrRejected) || !errors.Is(err, errAway) {
			t.Errorf("error: %v", err)
		}
		equal(t, "error", err.Error(), "expired, and so rejected after 1m0s: connection refused")
		inOrderOf := map[byte]int{}
		for _, l := range letters.all() {
			n, _ := strconv.Atoi(strings.TrimPrefix(l, "dead "))
			if last, ok := inOrderOf[byte(n%3)]; ok && n < last {
				t.Fatalf("letter %d after %d", n, last)
			}
			inOrderOf[byte(n%3)] = n
		}
		st := e.Stats().Sinks["s"]
		equal(t, "expired", st.Expired, uint64(300))
		equal(t, "queued", st.Queued.Messages, 0)
	})
}

func TestBackoffScalar(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"500ms..30s", "{500ms 30s}"},
		{" 1s .. 1d12h", "{1s 36h0m0s}"},
		{"2s", "{2s 2s}"},
		{"30s..500ms", `wants the shorter pause first and above zero, such as 500ms..30s, not "30s..500ms"`},
		{"0s..1s", `wants the shorter pause first and above zero, such as 500ms..30s, not "0s..1s"`},
		{"1..2", `wants a range of durations such as 500ms..30s, not "1..2"`},
		{"-1d..2d", `wants a range of durations such as 500ms..30s, not "-1d..2d"`},
		{"", `wants a range of durations such as 500ms..30s, not ""`},
	} {
		var b engine.Backoff
		got := ""
		if err := b.DecodeScalar(c.text); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(b)
		}
		equal(t, c.text, got, c.want)
	}
	var w engine.WhenFull
	equal(t, "policy", w.DecodeScalar("drop"), errors.New(`wants block, drop_oldest or drop_newest, not "drop"`))
	equal(t, "policy", w.DecodeScalar("drop_newest"), nil)
	var b engine.BufferType
	equal(t, "type", b.DecodeScalar("ssd"), errors.New(`wants memory or disk, not "ssd"`))
	equal(t, "type", b.DecodeScalar("disk"), nil)
}
