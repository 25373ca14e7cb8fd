package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/loadtest"
	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
	"edge/rules"
)

// benchInProcess runs the rules of the user in an engine of their own, between sources that are fed from memory and sinks
// that accept at once. Nothing of edge.yaml is connected to, and what the rules keep on disk is in a folder that goes.
func benchInProcess(ctx context.Context, o *benchOptions, stderr io.Writer) (*benchReport, error) {
	messages, err := o.newTraffic(false)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "edge-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, errs := newBenchEngine(o, dir, log)
	if len(errs) > 0 {
		return nil, errs
	}
	defer b.close()
	processors := startProcessors() // as edge run does
	defer processors.end()
	notes, err := b.address(messages)
	if err != nil {
		return nil, err
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	limitMemory(b.config.Limits.Memory + 2*messages.bytes)

	r := &benchReport{Mode: "in_process", Target: fmt.Sprintf("%d rules of %s", b.program.Rules(), o.rules),
		What: messages.what, Notes: notes, Cores: processors.all, own: messages.bytes}
	cost := b.cost(ctx, o.plan())
	b.start(ctx)
	plan := o.plan()
	b.run(ctx, plan.WarmUp())
	if left := b.drain(); left > 0 {
		r.note("%d messages of the warm-up were not settled when the measurement began", left)
	}
	b.measure(ctx, plan, cost, r)
	return r, nil
}

// A benchEngine is an engine with the rules of the user, and the generator that feeds it. Its methods are called by one
// goroutine; messages are settled by others.
type benchEngine struct {
	*set
	engine   *engine.Engine
	state    state
	feeds    map[string]*feed
	messages *traffic

	free    chan *parcel // also the bound on messages in flight: who finds none waits for one that is settled
	room    chan struct{}
	held    atomic.Bool // a message was refused, for its size
	number  int64       // of the message sent last
	settled atomic.Int64
	last    atomic.Int64 // when one was settled last, Unix ns
	latency loadtest.Latency
}

// A parcel is a message that is sent again when it is settled.
type parcel struct {
	engine.Message
	due  time.Time
	text []byte
	done func(*engine.Message, engine.Outcome)
}

// A feed is a source that the generator fills.
type feed struct {
	meta  engine.Meta
	next  func(*engine.Message) bool // set before ready is closed
	ready chan struct{}
}

func (f *feed) Run(ctx context.Context, next func(*engine.Message) bool) error {
	f.next = next
	close(f.ready)
	<-ctx.Done()
	return nil
}

func (f *feed) Subscribe(context.Context, []string) error { return nil }
func (f *feed) Close() error                              { return nil }

// accepts is a sink that takes everything at once.
type accepts struct{}

func (accepts) Write(_ context.Context, _ []*engine.Message, result []error) { clear(result) }
func (accepts) Close() error                                                 { return nil }

// newBenchEngine reads and compiles the files as edge run does, with dir in place of state.dir.
func newBenchEngine(o *benchOptions, dir string, log *slog.Logger) (*benchEngine, strictyaml.Errors) {
	f := readFiles(o.config, o.rules)
	errs := f.errs
	config, more := parseConfig(strictyaml.Loader{SkipSecrets: true}, f.config)
	if f.config.Data != nil || len(errs) == 0 {
		errs = append(errs, more...)
	}
	if config == nil {
		return nil, errs
	}
	if config.State.Dir != "" {
		config.State.Dir = dir
	}
	b := &benchEngine{set: &set{files: f, config: config}, feeds: map[string]*feed{}, room: make(chan struct{}, 1)}
	b.engine = engine.New(engine.Limits{
		Messages: config.Limits.InflightMessages, Bytes: config.Limits.InflightBytes, StopTimeout: config.Limits.StopTimeout}, log)
	b.state = state{log: log, now: b.engine.Now}
	env := config.rulesEnv(log, nil)
	env.Store, env.Now, env.ReadFile = b.state.opener(config.State.Dir), b.engine.Now, readTableFile
	if len(f.rules) > 0 {
		b.program, more = rules.Load(f.rules, env)
		errs = append(errs, more...)
	}
	if len(errs) == 0 {
		b.openBuffers(&set{}, log, &errs)
	}
	if len(errs) > 0 {
		errs.Sort()
		b.close()
		return nil, errs
	}
	b.sources, b.sinks = map[string]opened[engine.Source]{}, map[string]opened[engine.Sink]{}
	for _, s := range config.Sources {
		f := &feed{meta: engine.Meta{Source: s.Key, QoS: 1}, ready: make(chan struct{})}
		b.feeds[s.Key] = f
		b.sources[s.Key] = opened[engine.Source]{it: f}
	}
	for _, s := range config.Sinks {
		b.sinks[s.Key] = opened[engine.Sink]{it: accepts{}}
	}
	b.free = make(chan *parcel, config.Limits.InflightMessages)
	for range cap(b.free) {
		p := &parcel{}
		p.done = func(*engine.Message, engine.Outcome) { b.settle(p) }
		b.free <- p
	}
	return b, nil
}

// address finds the source of each message, the first of which a rule hears its topic, and leaves out those that no rule hears.
func (b *benchEngine) address(t *traffic) (notes []string, err error) {
	b.messages = t
	filters := map[string][]string{}
	var all []string
	for _, s := range b.config.Sources {
		filters[s.Key] = b.program.Filters(s.Key)
		all = append(all, filters[s.Key]...)
	}
	if len(all) == 0 {
		return nil, errors.New("no rule hears any topic, so there is nothing to measure")
	}
	hears := func(source, topic string) bool {
		return slices.ContainsFunc(filters[source], func(f string) bool { return mqttconn.Matches(f, topic) })
	}
	known := map[[2]string]string{} // the source for a topic, and for what a line said
	kept := make([]benchMessage, 0, len(t.messages))
	for _, m := range t.messages {
		if m.source != "" && b.feeds[m.source] == nil {
			return nil, fmt.Errorf("line %d of the messages: no source %q in %s", m.line, m.source, b.config.file)
		}
		asked := [2]string{m.source, m.topic}
		source, found := known[asked]
		if !found {
			for _, s := range b.config.Sources {
				if (m.source == "" || m.source == s.Key) && hears(s.Key, m.topic) {
					source = s.Key
					break
				}
			}
			known[asked] = source
		}
		if m.source = source; source != "" {
			kept = append(kept, m)
		}
	}
	left := len(t.messages) - len(kept)
	switch {
	case len(kept) == 0:
		return nil, fmt.Errorf("no rule hears any of the %s; rules hear %s: give messages for them with --messages FILE",
			t.what, strings.Join(all[:min(len(all), 5)], ", "))
	case left > 0:
		notes = append(notes, fmt.Sprintf("%d of %d messages are on topics that no rule hears, and were left out", left, len(t.messages)))
	}
	t.messages = kept
	return notes, nil
}

// start runs the engine, and returns when the sources do.
func (b *benchEngine) start(ctx context.Context) {
	b.engine.Swap(ctx, b.engineSet())
	for _, f := range b.feeds {
		<-f.ready
	}
}

// close ends what runs, in the order of app.end.
func (b *benchEngine) close() {
	b.engine.Stop(context.Background())
	b.state.close()
	if b.buffers != nil {
		_ = b.buffers.Close() // its folder goes
	}
}

// run sends what plan says.
func (b *benchEngine) run(ctx context.Context, plan loadtest.Plan) loadtest.Sent {
	base := b.number
	sent := plan.Run(ctx, func(i int64, due time.Time) bool {
		m := b.messages.at(base + i)
		return b.send(ctx, m, base+i+1, due, plan.Rate > 0, b.feeds[m.source])
	})
	b.number += sent.Messages
	return sent
}

// send gives a message to its source, when there is room for it.
func (b *benchEngine) send(ctx context.Context, m *benchMessage, number int64, due time.Time, scheduled bool, f *feed) bool {
	var p *parcel
	select {
	case p = <-b.free:
	default:
		select {
		case p = <-b.free:
		case <-ctx.Done():
			return false
		}
		if !scheduled {
			due = time.Now()
		}
	}
	p.due = due
	p.text = m.payload(p.text[:0], number, due)
	p.Topic, p.Key, p.Payload, p.Received, p.Meta = m.topic, m.topic, p.text, due, &f.meta
	p.Receive(p.done)
	for !f.next(&p.Message) {
		b.held.Store(true)
		if f.next(&p.Message) { // room may have come before held was set
			break
		}
		select {
		case <-b.room:
		case <-ctx.Done():
			b.free <- p
			return false
		}
	}
	return true
}

func (b *benchEngine) settle(p *parcel) {
	now := time.Now()
	b.latency.Add(now.Sub(p.due))
	b.last.Store(now.UnixNano())
	b.settled.Add(1)
	b.free <- p
	if b.held.Load() {
		select {
		case b.room <- struct{}{}:
		default:
		}
	}
}

// drain waits until all is settled, and says how much is not: what a sink's batch waits for may take a while.
func (b *benchEngine) drain() (left int) {
	all := make([]*parcel, 0, cap(b.free))
	timer := time.NewTimer(b.config.Limits.StopTimeout)
	defer timer.Stop()
	for len(all) < cap(b.free) && left == 0 {
		select {
		case p := <-b.free:
			all = append(all, p)
		case <-timer.C:
			left = cap(b.free) - len(all)
		}
	}
	for _, p := range all {
		b.free <- p
	}
	return left
}

// cost measures what the generator takes for a message: all that it does, on the schedule of plan, with an engine that settles
// at once. The lowest of a few tries counts, since others use the machine too.
func (b *benchEngine) cost(ctx context.Context, plan loadtest.Plan) (lowest time.Duration) {
	f := &feed{next: func(m *engine.Message) bool { m.Done(); return true }}
	try := loadtest.Plan{N: 10_000}
	if plan.Rate > 0 { // it wakes up for single messages, which is most of it
		try = loadtest.Plan{Rate: plan.Rate, N: int64(math.Ceil(plan.Rate / 5)), Sleeper: exactSleep}
	}
	for range 3 {
		before, known := ownUsage()
		sent := try.Run(ctx, func(i int64, due time.Time) bool {
			return b.send(ctx, b.messages.at(i), i, due, plan.Rate > 0, f)
		})
		after, _ := ownUsage()
		if !known || sent.Messages == 0 {
			return 0
		}
		if took := (after.CPU - before.CPU) / time.Duration(sent.Messages); lowest == 0 || took < lowest {
			lowest = took
		}
	}
	return lowest
}

// A look is what was used and counted until a moment.
type look struct {
	at      time.Time
	usage   loadtest.Usage
	known   bool
	mallocs uint64
	rules   []rules.RuleStats
	sinks   map[string]engine.SinkStats
}

func (b *benchEngine) look() (l look) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	l.mallocs, l.rules, l.sinks = memory.Mallocs, b.program.Stats(), b.engine.Stats().Sinks
	l.usage, l.known = ownUsage()
	l.at = time.Now()
	return l
}

// measure runs plan and writes what was seen into r.
func (b *benchEngine) measure(ctx context.Context, plan loadtest.Plan, cost time.Duration, r *benchReport) {
	b.latency.Reset()
	b.settled.Store(0)
	before := b.look()
	sent := b.run(ctx, plan)
	settled := b.settled.Load()
	if left := b.drain(); left > 0 {
		r.note("%d messages were not settled %v after the last was sent", left, b.config.Limits.StopTimeout)
	}
	after := b.look()

	r.setSent(sent, plan, ctx.Err() != nil)
	r.setLatency(&b.latency)
	// At full speed the end, when what is left waits for a batch to fill, says nothing about the speed.
	r.Seconds = sent.Ended.Sub(sent.Began).Seconds()
	if 2*settled < sent.Messages {
		settled, r.Seconds = sent.Messages, time.Unix(0, b.last.Load()).Sub(sent.Began).Seconds()
	}
	if r.Seconds > 0 {
		r.PerSecond = float64(settled) / r.Seconds
	}
	r.setUsage(before, after, cost)
	r.Rules = ruleDifference(before.rules, after.rules)
	r.Sinks = sinkDifference(before.sinks, after.sinks)
}
