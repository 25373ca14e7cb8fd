package engine

import (
	"hash/maphash"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A clock counts from the engine's start with the monotonic clock, so that a step of the wall clock moves no
// deadline. What it reads never goes back, whichever goroutine reads.
type clock struct {
	start time.Time
	high  atomic.Int64 // the latest that was read
}

func (c *clock) read() time.Duration {
	d := int64(time.Since(c.start))
	for {
		high := c.high.Load()
		if d <= high {
			return time.Duration(high)
		}
		if c.high.CompareAndSwap(high, d) {
			return time.Duration(d)
		}
	}
}

func (c *clock) time(d time.Duration) time.Time { return c.start.Add(d) }

// A generation is a program and the queues it emits to, from one swap to the next. It stays until the last
// lane has left it, so that what a lane has in hand when a swap comes finishes with the set it began with.
type generation struct {
	program Program
	lanes   []Lane
	wakes   <-chan struct{}
	queues  map[string]*queue

	users atomic.Int64  // lanes and the ticker while they are in it, its being the current one, and the one before
	next  *generation   // set before its being the current one ends
	gone  chan struct{} // closed when nobody is in it or in an older one
}

// use takes the running generation; leave gives it back.
func (e *Engine) use() *generation {
	for {
		g := e.running.Load()
		// None left means that a swap came between the two lines.
		if n := g.users.Load(); n > 0 && g.users.CompareAndSwap(n, n+1) {
			return g
		}
	}
}

func (g *generation) leave() {
	for g != nil && g.users.Add(-1) == 0 {
		close(g.gone)
		g = g.next
	}
}

// A lane is one goroutine that runs the program. All messages of a topic go to the same, in order.
type lane struct {
	engine *Engine
	index  int
	emit   Emit // made once, not for each message

	mu     sync.Mutex
	inbox  []*Message // bounded by the gate: whatever is in it is in flight
	asleep bool
	closed bool
	wake   chan struct{} // one slot, filled only when the lane sleeps: a send for each message would cost more than the rest

	// Owned by the goroutine.
	spare  []*Message // the inbox of the time before, to be the next
	in     *generation
	at     time.Duration // now, read once for each inbox
	now    time.Time     // the same
	waited bool          // an emit waited, so that at is of the past
}

func newLane(e *Engine, index int) *lane {
	l := &lane{engine: e, index: index, wake: make(chan struct{}, 1)}
	l.emit = func(sink string, out *Message) {
		if e.emit(l.in, sink, out, l.at) {
			l.waited = true
		}
	}
	return l
}

// lane is where messages of a topic go.
func (e *Engine) lane(topic string) *lane {
	if len(e.lanes) == 1 {
		return e.lanes[0]
	}
	return e.lanes[maphash.String(e.seed, topic)%uint64(len(e.lanes))]
}

func (l *lane) push(m *Message) {
	l.mu.Lock()
	l.inbox = append(l.inbox, m)
	asleep := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if asleep {
		l.wake <- struct{}{} // has room: only who finds the lane asleep sends
	}
}

// close ends the lane once its inbox is empty. Nothing is pushed after it.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	asleep := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if asleep {
		l.wake <- struct{}{}
	}
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.inbox) == 0 {
			if l.closed {
				l.mu.Unlock()
				return
			}
			l.asleep = true
			l.mu.Unlock()
			<-l.wake
			continue
		}
		batch := l.inbox
		l.inbox = l.spare[:0]
		l.mu.Unlock()

		l.work(batch)
		clear(batch) // what is settled must not be kept from the collector
		l.spare = batch
	}
}

func (l *lane) work(batch []*Message) {
	e := l.engine
	l.in = e.use()
	l.tell(e.clock.read())
	for _, m := range batch {
		if e.over.Load() {
			break // Stop ran out of time: what is left stays unacknowledged
		}
		if l.waited {
			l.waited = false
			l.tell(e.clock.read())
		} else if high := time.Duration(e.clock.high.Load()); high > l.at {
			l.tell(high) // Tick or another lane has gone ahead
		}
		// Asked for each message, since the one before may have waited in emit while rules were swapped.
		if e.running.Load() != l.in {
			l.in.leave()
			l.in = e.use()
		}
		l.process(m)
	}
	l.in.leave()
	l.in = nil
}

func (l *lane) tell(at time.Duration) { l.at, l.now = at, l.engine.clock.time(at) }

func (l *lane) process(m *Message) {
	processed := false
	defer func() {
		if r := recover(); r != nil {
			l.engine.panicked("a rule", m.Topic, r)
			if !processed {
				m.Settle(Failed)
			}
		}
	}()
	l.in.lanes[l.index].Process(l.now, m, l.emit)
	processed = true
	m.Done()
}

// panicked counts a panic of a program and logs it with its stack, at most once a minute: a poison message
// may come a thousand times a second.
func (e *Engine) panicked(who, topic string, reason any) {
	e.panics.Add(1)
	if e.panicLog.due(e.clock.read()) {
		e.log.Error("panic, the message is settled as failed", "in", who, "topic", topic, "panic", reason, "stack", string(debug.Stack()))
	}
}

// tick calls the program when it said that it is due, and asks anew after a swap or when the program says
// that one of its lanes set an earlier deadline.
func (e *Engine) tick() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g := e.use()
		next := e.tickOnce(g)
		wakes := g.wakes
		g.leave()

		var due <-chan time.Time
		if !next.IsZero() {
			// A program that is always due must not keep a core busy.
			timer.Reset(max(next.Sub(e.clock.time(e.clock.read())), time.Millisecond))
			due = timer.C
		}
		select {
		case <-due:
		case <-wakes:
		case <-e.rearm:
		case <-e.noTick:
			return
		}
	}
}

func (e *Engine) tickOnce(g *generation) (next time.Time) {
	at := e.clock.read()
	now := e.clock.time(at)
	defer func() {
		if r := recover(); r != nil {
			e.panicked("a timer of the rules", "", r)
			next = now.Add(time.Second)
		}
	}()
	return g.program.Tick(now, func(sink string, out *Message) {
		e.emit(g, sink, out, e.clock.read())
	})
}

// emit passes out to the queue of a sink and tells whether it had to wait.
func (e *Engine) emit(g *generation, sink string, out *Message, at time.Duration) bool {
	if q := g.queues[sink]; q != nil {
		return q.push(out, at, false)
	}
	e.lost(sink, out)
	return false
}

// emitRejected is the Emit that an Origin gets. The rules may be of an older set than the one that runs, so
// that a sink whose name is gone counts for as long as it works off its queue.
func (e *Engine) emitRejected(sink string, out *Message) {
	q := e.running.Load().queues[sink]
	if q == nil {
		q = e.retiredQueue(sink)
	}
	if q == nil {
		e.lost(sink, out)
		return
	}
	q.push(out, e.clock.read(), true)
}

// lost settles a message for a sink that does not exist: loading rules should have found that.
func (e *Engine) lost(sink string, out *Message) {
	if e.lostLog.due(e.clock.read()) {
		e.log.Error("a message for a sink that does not exist is settled as failed", "sink", sink, "topic", out.Topic)
	}
	out.Settle(Failed)
}

// A minutely lets one log line pass a minute.
type minutely struct{ next atomic.Int64 }

func (l *minutely) due(now time.Duration) bool {
	next := l.next.Load()
	return int64(now) >= next && l.next.CompareAndSwap(next, int64(now+time.Minute))
}
