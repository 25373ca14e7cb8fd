package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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
