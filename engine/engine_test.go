package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// All tests of running engines are in a bubble of synctest: time is virtual, and a goroutine that outlives
// Stop fails the test.

// A feed is a source that a test feeds by hand.
type feed struct {
	name   string
	events *events

	mu       sync.Mutex
	next     func(*engine.Message) bool
	started  int
	filters  [][]string
	runs     []error // what the first Runs return at once
	refuse   int     // how many calls of Subscribe fail
	closed   int
	outcomes map[string][]engine.Outcome // by payload
	room     chan struct{}               // has something when a message was settled
}

func newFeed() *feed {
	return &feed{name: "feed", outcomes: map[string][]engine.Outcome{}, room: make(chan struct{}, 1)}
}

func (f *feed) Run(ctx context.Context, next func(*engine.Message) bool) error {
	f.mu.Lock()
	f.started++
	if len(f.runs) > 0 {
		err := f.runs[0]
		f.runs = f.runs[1:]
		f.mu.Unlock()
		return err
	}
	f.next = next
	f.mu.Unlock()
	f.events.add("run " + f.name)
	<-ctx.Done()
	f.events.add("ran " + f.name)
	return ctx.Err()
}

func (f *feed) Subscribe(_ context.Context, filters []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse > 0 {
		f.refuse--
		return errors.New("not now")
	}
	f.filters = append(f.filters, filters)
	return nil
}

func (f *feed) Close() error {
	f.mu.Lock()
	f.closed++
	f.mu.Unlock()
	f.events.add("close " + f.name)
	return nil
}

// offer hands a message to the engine and tells whether it took it.
func (f *feed) offer(topic, payload string) bool { return f.offerQoS(0, topic, payload) }

func (f *feed) offerQoS(qos byte, topic, payload string) bool {
	m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: time.Now(), Meta: &engine.Meta{QoS: qos}}
	m.Receive(func(m *engine.Message, o engine.Outcome) {
		f.mu.Lock()
		f.outcomes[payload] = append(f.outcomes[payload], o)
		f.mu.Unlock()
		select {
		case f.room <- struct{}{}:
		default:
		}
	})
	f.mu.Lock()
	next := f.next
	f.mu.Unlock()
	return next(m)
}

// send waits for room.
func (f *feed) send(topic, payload string) {
	for !f.offer(topic, payload) {
		<-f.room
	}
}

// settled tells how a payload was settled: "" for not yet.
func (f *feed) settled(payload string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch o := f.outcomes[payload]; len(o) {
	case 0:
		return ""
	case 1:
		return [...]string{"delivered", "dropped", "failed"}[o[0]]
	default:
		return fmt.Sprint("settled ", len(o), " times")
	}
}

func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.outcomes)
}

func (f *feed) starts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

func (f *feed) closes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func (f *feed) subscribed() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.filters)
}

// A sink records what it accepts; accept decides what that is.
type sink struct {
	name   string
	events *events
	accept func(ctx context.Context, m *engine.Message) error // nil: all
	write  func(ctx context.Context, batch []*engine.Message, result []error) bool

	mu      sync.Mutex
	got     []string
	batches [][]string
	at      []time.Time
	closed  int
}

func (s *sink) Write(ctx context.Context, batch []*engine.Message, result []error) {
	s.mu.Lock()
	var all []string
	for _, m := range batch {
		all = append(all, string(m.Payload))
	}
	s.batches = append(s.batches, all)
	s.at = append(s.at, time.Now())
	write, accept := s.write, s.accept
	s.mu.Unlock()
	if write != nil && write(ctx, batch, result) {
		return
	}
	failed := map[string]bool{}
	for i, m := range batch {
		result[i] = nil
		if failed[m.Key] {
			result[i] = errors.New("behind a failed one")
		} else if accept != nil {
			result[i] = accept(ctx, m)
		}
		if result[i] == nil {
			s.mu.Lock()
			s.got = append(s.got, string(m.Payload))
			s.mu.Unlock()
		} else if !errors.Is(result[i], engine.ErrRejected) {
			failed[m.Key] = true
		}
	}
}

func (s *sink) Close() error {
	s.mu.Lock()
	s.closed++
	s.mu.Unlock()
	s.events.add("close " + s.name)
	return nil
}

func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func (s *sink) set(accept func(context.Context, *engine.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept = accept
}

func (s *sink) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}

func (s *sink) closes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *sink) isClosed() bool { return s.closes() > 0 }

// stuck is a destination that does not answer until ctx ends.
func stuck(ctx context.Context, _ *engine.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

func refuse(err error) func(context.Context, *engine.Message) error {
	return func(context.Context, *engine.Message) error { return err }
}

var errAway = errors.New("connection refused")

// A program calls process for each message and tick when it is due.
type program struct {
	process func(now time.Time, m *engine.Message, emit engine.Emit)
	tick    func(now time.Time, emit engine.Emit) time.Time
	wakes   chan struct{}
}

func (p *program) Lane() engine.Lane      { return p }
func (p *program) Wakes() <-chan struct{} { return p.wakes }
func (p *program) Process(now time.Time, m *engine.Message, emit engine.Emit) {
	p.process(now, m, emit)
}
func (p *program) Tick(now time.Time, emit engine.Emit) time.Time {
	if p.tick == nil {
		return time.Time{}
	}
	return p.tick(now, emit)
}

// to is a program that passes each message to all of the sinks.
func to(sinks ...string) *program { return through(nil, sinks...) }

func through(origin engine.Origin, sinks ...string) *program {
	return &program{process: func(_ time.Time, m *engine.Message, emit engine.Emit) {
		for _, name := range sinks {
			out := &engine.Message{Topic: m.Topic, Key: m.Key, Payload: m.Payload}
			out.From(m, origin)
			emit(name, out)
		}
	}}
}

// An origin records rejections and sends dead letters.
type origin struct {
	letters string // the sink for them, or none
	panics  bool

	mu       sync.Mutex
	errs     []error
	outcomes []engine.Outcome
}

func (o *origin) Settled(_ *engine.Message, outcome engine.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = append(o.outcomes, outcome)
}

func (o *origin) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	o.mu.Lock()
	o.errs = append(o.errs, err)
	o.mu.Unlock()
	if o.panics {
		panic("no letters today")
	}
	if o.letters != "" {
		letter := &engine.Message{Topic: out.Topic, Key: out.Key, Payload: []byte("dead " + string(out.Payload))}
		letter.From(out, nil)
		emit(o.letters, letter)
	}
}

func (o *origin) rejected() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.errs)
}

type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(s string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, s)
}

func (e *events) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// bubble runs an engine with one feed in virtual time; set is what it starts with.
func bubble(t *testing.T, l engine.Limits, set func(f *feed) engine.Set, test func(t *testing.T, e *engine.Engine, f *feed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		e := engine.New(l, quiet)
		s := set(f)
		if s.Sources == nil {
			s.Sources = sources(f)
		}
		e.Swap(t.Context(), s)
		synctest.Wait() // Run has been called
		test(t, e, f)
		e.Stop(context.Background())
	})
}

func sources(f *feed) map[string]engine.SourceSetup {
	return map[string]engine.SourceSetup{"feed": {Source: f, Filters: []string{"#"}}}
}

func one(name string, s engine.SinkSetup) map[string]engine.SinkSetup {
	return map[string]engine.SinkSetup{name: s}
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func numbers(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

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
