package engine

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Engine carries messages from sources through a program to sinks.
type Engine struct {
	limits Limits
	log    *slog.Logger
	clock  clock
	gate   gate
	seed   maphash.Seed
	lanes  []*lane

	running atomic.Pointer[generation]
	over    atomic.Bool     // Stop ran out of time
	writes  context.Context // of all sinks; ends with abandon
	abandon context.CancelFunc
	life    context.Context // ends when Stop begins
	quit    context.CancelFunc
	rearm   chan struct{} // one slot: a swap asks the ticker to ask the new program
	drops   chan struct{} // one slot: something waits before a sink that drops
	noTick  chan struct{}
	ticked  chan struct{} // the ticker has ended, and relieve
	laned   chan struct{} // the lanes have
	closing chan struct{} // the sinks are closed, the sources may close
	empty   chan struct{} // one slot: a queue ran empty while Stop waits for that

	swapping sync.Mutex // one Swap or Stop at a time; they wait for no sink
	stopped  bool
	swaps    atomic.Uint64
	old      sync.WaitGroup // goroutines that swaps left behind

	mu      sync.Mutex // guards what follows; never held while anything is called
	ports   map[string]*port
	leaving []*port            // removed by a swap and not closed yet
	retired []*queue           // likewise
	orders  map[string]*uint64 // by name of a source: the Order given out last; what it points to is guarded by the gate

	panics                     atomic.Uint64
	panicLog, lostLog, goneLog minutely
}

// A name that left the set works off its queue for at most this long.
const longestRetirement = 10 * time.Minute

// New makes an engine that does nothing until the first Swap.
func New(l Limits, log *slog.Logger) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if l.Messages <= 0 {
		l.Messages = 1000
	}
	if l.Bytes <= 0 {
		l.Bytes = 16 << 20
	}
	if l.StopTimeout <= 0 {
		l.StopTimeout = 10 * time.Second
	}
	if l.Lanes <= 0 {
		l.Lanes = runtime.GOMAXPROCS(0)
	}
	e := &Engine{limits: l, log: log, seed: maphash.MakeSeed(), ports: map[string]*port{}, orders: map[string]*uint64{},
		rearm: make(chan struct{}, 1), empty: make(chan struct{}, 1), drops: make(chan struct{}, 1),
		noTick: make(chan struct{}), ticked: make(chan struct{}), laned: make(chan struct{}), closing: make(chan struct{})}
	e.clock.start = time.Now()
	e.gate.messages, e.gate.bytes = l.Messages, l.Bytes
	e.writes, e.abandon = context.WithCancel(context.Background())
	e.life, e.quit = context.WithCancel(context.Background())
	for i := range l.Lanes {
		e.lanes = append(e.lanes, newLane(e, i))
	}
	return e
}

// Now is the time of the engine's clock: that of the wall when the engine was made, and what has passed since.
func (e *Engine) Now() time.Time { return e.clock.time(e.clock.read()) }

// Swap makes set what runs; the first call starts the engine. It takes over the sources and sinks in set and
// closes those that set no longer has. What is the same object under the same name goes on untouched. It
// cannot fail, and it waits for no sink and no broker: ctx bounds the calls of Subscribe alone.
func (e *Engine) Swap(ctx context.Context, set Set) {
	e.swapping.Lock()
	defer e.swapping.Unlock()
	if e.stopped {
		e.refuse(set)
		return
	}
	before := e.running.Load()
	g := e.generation(set, before)
	// New names must be there before the new program emits to them, and the old ones until the old program
	// has ended.
	e.openQueues(g, before, set.Sinks)
	e.retireQueues(g, before)
	e.swaps.Add(1)
	if before != nil {
		before.next = g
	}
	e.running.Store(g)
	if before == nil {
		e.start()
	} else {
		for _, q := range before.queues {
			q.passSwap()
		}
		g.users.Add(1)
		before.leave()
		select {
		case e.rearm <- struct{}{}:
		default:
		}
	}
	e.swapSources(ctx, set.Sources)
}

// generation makes what runs from the next swap on. Lanes of a program that stays are kept.
func (e *Engine) generation(set Set, before *generation) *generation {
	g := &generation{program: set.Program, queues: make(map[string]*queue, len(set.Sinks)), gone: make(chan struct{})}
	g.users.Store(1)
	if g.program == nil {
		g.program = nothing{}
	}
	if w, ok := g.program.(Waker); ok {
		g.wakes = w.Wakes()
	}
	if before != nil && same(before.program, g.program) {
		g.lanes = before.lanes
		return g
	}
	for range e.lanes {
		g.lanes = append(g.lanes, g.program.Lane())
	}
	return g
}

// nothing is the program of a set without one: it keeps no message.
type nothing struct{}

func (nothing) Lane() Lane                         { return nothing{} }
func (nothing) Process(time.Time, *Message, Emit)  {}
func (nothing) Tick(time.Time, Emit) (_ time.Time) { return }

func (e *Engine) start() {
	var lanes sync.WaitGroup
	for _, l := range e.lanes {
		lanes.Go(l.run)
	}
	go func() {
		lanes.Wait()
		close(e.laned)
	}()
	go func() {
		defer close(e.ticked)
		var relief sync.WaitGroup
		relief.Go(e.relieve)
		e.tick()
		relief.Wait()
	}()
}

// openQueues finds or makes the queue of each name: the running one, or one that is working off what it had
// when its name left, or a new one.
func (e *Engine) openQueues(g, before *generation, sinks map[string]SinkSetup) {
	for name, s := range sinks {
		if before != nil {
			if q := before.queues[name]; q != nil && q.kind == s.Kind && q.handOver(s) {
				g.queues[name] = q
				continue
			}
		}
		if q := e.takeBack(name, s); q != nil {
			g.queues[name] = q
			continue
		}
		q := newQueue(e, name, s)
		g.queues[name] = q
		go q.run() // Stop waits for its done, or the goroutine in retireQueues does
	}
}

func (e *Engine) takeBack(name string, s SinkSetup) *queue {
	e.mu.Lock()
	retired := slices.Clone(e.retired)
	e.mu.Unlock()
	for _, q := range slices.Backward(retired) {
		if q.name == name && q.kind == s.Kind && q.handOver(s) {
			e.forget(q)
			return q
		}
	}
	return nil
}

// retireQueues lets the queues whose names left work off what they have.
func (e *Engine) retireQueues(g, before *generation) {
	if before == nil {
		return
	}
	for name, q := range before.queues {
		if g.queues[name] == q {
			continue
		}
		limit := longestRetirement
		if most := q.retryLimit(); most > 0 {
			limit = min(limit, most)
		}
		e.mu.Lock()
		e.retired = append(e.retired, q)
		e.mu.Unlock()
		life := q.retire(e.clock.read() + limit)
		e.log.Info("a sink was removed, its queue is worked off", "sink", name, "at_most", limit)
		e.old.Go(func() {
			select {
			case <-before.gone: // no lane is left that could emit to it
				q.finish(life)
			case <-q.done:
			case <-e.writes.Done():
			}
		})
	}
}

// retiredQueue is the queue that name had last, as long as it is not closed.
func (e *Engine) retiredQueue(name string) *queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range slices.Backward(e.retired) {
		if q.name == name {
			return q
		}
	}
	return nil
}

func (e *Engine) forget(q *queue) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = slices.DeleteFunc(e.retired, func(other *queue) bool { return other == q })
}

// swapSources closes the sources that left, in the background and after what they brought is settled, and
// runs the new ones. One that takes a name over begins when the one before it is closed.
func (e *Engine) swapSources(ctx context.Context, sources map[string]SourceSetup) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)() // Stop waits for Swap

	e.mu.Lock()
	ports := maps.Clone(e.ports)
	e.mu.Unlock()
	for name, p := range ports {
		if s, ok := sources[name]; ok && same(s.Source, p.source) {
			continue
		}
		delete(ports, name)
		p.removed = true
		p.cancel()
		e.mu.Lock()
		e.leaving = append(e.leaving, p)
		e.mu.Unlock()
	}
	for name, s := range sources {
		p := ports[name]
		if p != nil {
			if !equalFilters(p.filters, s.Filters) {
				p.subscribe(ctx, s.Filters)
			}
			continue
		}
		p = e.newPort(name, s.Source)
		ports[name] = p
		p.subscribe(ctx, s.Filters)
		go p.live(e.lastLeaving(name)) // Stop waits for its closed
	}
	e.mu.Lock()
	e.ports = ports
	e.mu.Unlock()
}

// subscribeTimeout bounds Subscribe in a swap; after it the source goes on trying in the background.
const subscribeTimeout = 5 * time.Second

func equalFilters(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// lastLeaving tells when the source that had the name last is closed; nil when it is.
func (e *Engine) lastLeaving(name string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range slices.Backward(e.leaving) {
		if p.name == name {
			return p.closed
		}
	}
	return nil
}

func (e *Engine) left(p *port) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaving = slices.DeleteFunc(e.leaving, func(other *port) bool { return other == p })
}
