package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A gate holds the bound on messages in flight, over all sources: what was received and is not settled.
// Brokers do not keep to the window they were told, so that this is the one bound that holds.
type gate struct {
	messages int
	bytes    int64

	mu             sync.Mutex
	use            Usage
	oldest, newest *Message // in flight, in order of arrival
}

// enter lets m in, or returns false when there is no room. One that alone is larger than the bound gets in
// when nothing else is in flight; else it could never be delivered.
func (g *gate) enter(m *Message, p *port) bool {
	size := int64(len(m.Payload))
	g.mu.Lock()
	u := &g.use
	if p.shut || u.Messages >= g.messages || (u.Messages > 0 && u.Bytes+size > g.bytes) {
		g.mu.Unlock()
		return false
	}
	u.Messages++
	u.Bytes += size
	p.in++
	*p.order++
	m.Order = *p.order
	u.MaxMessages = max(u.MaxMessages, u.Messages)
	u.MaxBytes = max(u.MaxBytes, u.Bytes)
	p.unsettled.Add(1)
	m.port = p
	m.older, m.newer = g.newest, nil
	if g.newest != nil {
		g.newest.newer = m
	} else {
		g.oldest = m
	}
	g.newest = m
	g.mu.Unlock()
	return true
}

func (g *gate) leave(m *Message) {
	g.mu.Lock()
	g.use.Messages--
	g.use.Bytes -= int64(len(m.Payload))
	if m.older != nil {
		m.older.newer = m.newer
	} else {
		g.oldest = m.newer
	}
	if m.newer != nil {
		m.newer.older = m.older
	} else {
		g.newest = m.older
	}
	m.older, m.newer, m.port = nil, nil, nil
	g.mu.Unlock()
}

// A port is a source under its name: it runs it, lets its messages in and closes it after the last of them.
type port struct {
	engine *Engine
	name   string
	source Source
	take   func(*Message) bool
	order  *uint64 // of the message that came last under this name; guarded by the gate

	ctx     context.Context // of Run
	cancel  context.CancelFunc
	removed bool          // by a swap, not by Stop; set before cancel
	stopped chan struct{} // Run has returned for good
	closed  chan struct{} // the source is closed

	filters    []string // owned by Swap, and the two below
	unretry    context.CancelFunc
	retrying   sync.WaitGroup
	shut       bool         // nothing is let in any more; guarded by the gate
	unsettled  atomic.Int64 // messages, and one for Run
	drained    chan struct{}
	in         uint64 // guarded by the gate
	overload   atomic.Uint64
	refused    atomic.Uint64
	restarts   atomic.Uint64
	mu         sync.Mutex // guards what is below
	runs       bool
	runErr     error
	topicErr   error // of Subscribe
	since      time.Time
	refusedLog minutely
}

func (e *Engine) newPort(name string, source Source) *port {
	p := &port{engine: e, name: name, source: source,
		stopped: make(chan struct{}), closed: make(chan struct{}), drained: make(chan struct{}), unretry: func() {}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.unsettled.Store(1)
	p.take = p.receive
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.order = e.orders[name]; p.order == nil {
		p.order = new(uint64)
		e.orders[name] = p.order
	}
	return p
}

// receive is the next that Run gets.
func (p *port) receive(m *Message) bool {
	if m.Received.IsZero() {
		m.Received = time.Now()
	}
	e := p.engine
	if !e.gate.enter(m, p) {
		if m.Meta == nil || m.Meta.QoS == 0 {
			p.overload.Add(1)
		} else {
			p.refused.Add(1)
		}
		if p.refusedLog.due(e.clock.read()) {
			e.log.Warn("too many messages in flight, a source is held back", "source", p.name,
				"messages", e.gate.messages, "bytes", e.gate.bytes)
		}
		return false
	}
	e.lane(m.Topic).push(m)
	return true
}

// release says that one message is settled and the source has been told.
func (p *port) release() {
	if p.unsettled.Add(-1) == 0 {
		close(p.drained)
	}
}

// live runs the source from after its predecessor under the same name has closed, since two connections of
// one client id would throw each other out, until it is closed itself.
func (p *port) live(after <-chan struct{}) {
	e := p.engine
	defer close(p.closed)
	if after != nil {
		select {
		case <-after:
		case <-p.ctx.Done():
		}
	}
	p.run()
	p.retrying.Wait()
	e.gate.mu.Lock()
	p.shut = true
	e.gate.mu.Unlock()
	p.release()
	close(p.stopped)

	if p.removed {
		timer := time.NewTimer(e.limits.StopTimeout)
		defer timer.Stop()
		select {
		case <-p.drained:
		case <-timer.C:
			e.log.Warn("a removed source is closed with messages unsettled, which its broker will send again", "source", p.name, "messages", p.unsettled.Load())
		case <-e.closing:
		}
	} else {
		<-e.closing // after the sinks: they may share its connection
	}
	if err := closing(p.source); err != nil {
		e.log.Warn("closing a source", "source", p.name, "error", err)
	}
	e.left(p)
}

// run calls Run again after an error, less and less often, until ctx ends.
func (p *port) run() {
	pause := time.Second
	for p.ctx.Err() == nil {
		p.note(true, nil)
		began := time.Now()
		err := p.runOnce()
		if p.ctx.Err() != nil {
			break
		}
		p.note(false, err)
		if err == nil {
			<-p.ctx.Done() // it has no more
			break
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		p.engine.log.Error("a source has ended, it will be started again", "source", p.name, "error", err, "in", pause)
		p.sleep(p.ctx, pause)
		pause = min(2*pause, time.Minute)
		p.restarts.Add(1)
	}
	p.note(false, nil)
}

func (p *port) runOnce() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return p.source.Run(p.ctx, p.take)
}

func (p *port) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *port) note(runs bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs, p.runErr = runs, err
	if err != nil {
		p.since = time.Now()
	}
}

// subscribe gives the source its filters, and goes on trying in the background when it does not take them.
// Only Swap calls it.
func (p *port) subscribe(ctx context.Context, filters []string) {
	p.unretry()
	p.retrying.Wait() // else the older filters could come after these
	p.filters = slices.Clone(filters)
	err := p.source.Subscribe(ctx, p.filters)
	if err == nil {
		p.subscribed(nil)
		return
	}
	retry, cancel := context.WithCancel(p.ctx)
	p.unretry = cancel
	p.retrying.Go(func() { p.resubscribe(retry, p.filters, err) })
}

func (p *port) resubscribe(ctx context.Context, filters []string, err error) {
	for pause := time.Second; err != nil && ctx.Err() == nil; pause = min(2*pause, time.Minute) {
		p.engine.log.Warn("a source does not take its topics, trying again", "source", p.name, "error", err, "in", pause)
		p.subscribed(err)
		p.sleep(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		err = p.source.Subscribe(ctx, filters)
	}
	if err == nil {
		p.subscribed(nil)
	}
}

func (p *port) subscribed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topicErr = nil
	if err != nil {
		p.topicErr, p.since = fmt.Errorf("subscribe: %w", err), time.Now()
	}
}
