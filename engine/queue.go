package engine

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// A queue stands before a sink, under the sink's name: what waits in it outlives the sink, so that a reload
// that mends a bad address delivers the backlog. Lanes push; one goroutine, which owns the sink, writes.
//
// A message is in the store until its first try. Then it is among the taken, older than all in the store,
// until the sink has accepted it or it is given up.
type queue struct {
	engine *Engine
	name   string
	kind   string
	log    *slog.Logger
	wake   chan struct{} // one slot, filled only when the goroutine sleeps
	done   chan struct{} // the goroutine has ended and the sink is closed

	mu    sync.Mutex
	room  sync.Cond // there may be room, or no more need to wait for it
	setup SinkSetup // of the sink that runs, its options with their defaults
	next  *SinkSetup
	stop  context.CancelFunc // ends the running Write

	store       store
	disk        *diskStore // the same, when it is one
	first, last *item      // taken, in order of arrival
	taken       Usage
	max         Usage // the most that was in store and taken together
	pushes      uint64
	free        *item // for use again
	freed       int

	asleep    bool
	wakeCount int // what must be in the store for a push to wake the goroutine
	wakeBytes int64

	waiting   int    // pushes that wait for room
	swaps     uint64 // a push that waits since before a swap is let in over the bound: new rules must not wait for a dead sink
	lives     uint64 // counts retire, so that a late finish does not end a queue that was taken over again
	retired   bool
	until     time.Duration // end of a retired queue, what is left then is rejected
	draining  bool          // Stop is waiting
	final     bool          // nobody pushes any more: ends when empty
	abandoned bool          // Stop is over: what is left stays unsettled
	ended     bool

	// What waits for another try, see retry.go. Changed by the goroutine, and by evict, under the lock.
	lines   map[string]*line
	due     time.Duration // of the earliest line that is to come
	hold    time.Duration // until then nothing is written, the sink is down; 0: it is not
	held    time.Duration // since when there is a hold
	pauses  int           // holds since anything got through
	sick    time.Time     // since when nothing gets through; zero: it does
	failed  int           // keys that began to fail since anything got through
	lastErr error         // of the sink
	stats   SinkStats

	// Owned by the goroutine.
	ctx      context.Context // of Write
	timer    *time.Timer
	batch    []*item
	messages []*Message
	results  []error
	lined    []*line    // scratch
	aged     []*Message // taken out by gather, to be settled without the lock
	safe     []*Message // on the disk since the sink had them, to be settled likewise
	expired  []*item
	left     []Sink // replaced before they ran, to be closed

	fullLog, rejectLog, panicLog minutely
}

const (
	never   = time.Duration(1<<63 - 1)
	maxFree = 1024 // items kept for use again
)

func newQueue(e *Engine, name string, s SinkSetup) *queue {
	q := &queue{engine: e, name: name, kind: s.Kind, log: e.log.With("sink", name),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		setup: s.withDefaults(), store: &memory{}, lines: map[string]*line{}, due: never,
		timer: time.NewTimer(time.Hour)}
	q.room.L = &q.mu
	q.ctx, q.stop = context.WithCancel(e.writes)
	q.mu.Lock()
	q.useBuffer() // whose goroutine starts
	q.mu.Unlock()
	return q
}

func (s SinkSetup) withDefaults() SinkSetup {
	s.Batch.MaxCount = cmp.Or(s.Batch.MaxCount, 256)
	s.Batch.MaxBytes = cmp.Or(s.Batch.MaxBytes, 1<<20)
	s.Retry.Backoff.Min = cmp.Or(s.Retry.Backoff.Min, 200*time.Millisecond)
	s.Retry.Backoff.Max = max(cmp.Or(s.Retry.Backoff.Max, 10*time.Second), s.Retry.Backoff.Min)
	s.Buffer.Type = cmp.Or(s.Buffer.Type, InMemory)
	if s.Disk == nil {
		s.Buffer.Type = InMemory
	}
	if s.Buffer.Type == OnDisk {
		s.Buffer.MaxSize = cmp.Or(s.Buffer.MaxSize, defaultDisk)
	}
	s.Buffer.MaxSize = cmp.Or(s.Buffer.MaxSize, 4<<20)
	s.Buffer.WhenFull = cmp.Or(s.Buffer.WhenFull, Block)
	return s
}

// push takes over the one branch that m has. When there is no room it does as the policy says; a forced
// message never waits. It tells whether it waited.
func (q *queue) push(m *Message, at time.Duration, forced bool) (waited bool) {
	size := cost(m)
	var dropped []*Message
	evicted := false // messages from the disk, which are settled
	q.mu.Lock()
	swaps := q.swaps
	for !q.fits(size) && !q.abandoned && !q.ended {
		if q.blocks(size) {
			if forced || q.retired || swaps != q.swaps {
				break
			}
			waited = true
			q.waiting++
			q.room.Wait()
			q.waiting--
			continue
		}
		if q.setup.Buffer.WhenFull == DropNewest {
			q.stats.Dropped.Newest++
		} else {
			if n := q.evictSafe(size); n > 0 {
				q.stats.Dropped.Oldest += uint64(n)
				evicted = true
				continue
			}
			q.stats.Dropped.Oldest++
			if it := q.evictOldest(); it != nil {
				dropped = append(dropped, it.m)
				q.recycle(it)
				continue
			}
			// The sink has all others in hand, which makes m itself the oldest that can go.
		}
		q.mu.Unlock()
		q.drop(append(dropped, m), "full")
		return waited
	}
	if q.abandoned {
		q.mu.Unlock()
		return waited // m stays unsettled, and what it was made of unacknowledged
	}
	if q.ended {
		q.mu.Unlock()
		q.engine.lost(q.name, m)
		return waited
	}
	if waited {
		at = q.engine.clock.read()
	}
	it := q.item()
	q.pushes++
	it.m, it.size, it.at, it.seq = m, size, at, q.pushes
	q.store.put(it)
	messages, bytes := q.size()
	q.max.MaxMessages = max(q.max.MaxMessages, messages)
	q.max.MaxBytes = max(q.max.MaxBytes, bytes)
	wake := false
	if q.asleep {
		messages, bytes := q.store.size()
		wake = messages >= q.wakeCount || bytes >= q.wakeBytes
		q.asleep = !wake
	}
	drops := q.setup.Buffer.WhenFull != Block && q.disk == nil
	q.mu.Unlock()
	if drops {
		select {
		case q.engine.drops <- struct{}{}:
		default:
		}
	}
	if wake {
		q.wake <- struct{}{} // has room: only who finds the goroutine asleep sends
	}
	if len(dropped) > 0 || evicted {
		q.drop(dropped, "full")
	}
	return waited
}

// size is all that the queue holds.
func (q *queue) size() (messages int, bytes int64) {
	messages, bytes = q.store.size()
	return messages + q.taken.Messages, bytes + q.taken.Bytes
}

// fits tells whether there is room. One that alone is larger than the bound gets in when the queue is empty;
// else it would wait for ever.
func (q *queue) fits(size int64) bool {
	messages, bytes := q.size()
	if q.disk != nil {
		return messages == 0 || q.disk.fits(size)
	}
	return messages == 0 || bytes+size <= q.setup.Buffer.MaxSize
}

// blocks tells whether a push waits for room, rather than that something is dropped: that is the policy, or it
// is only until the disk has what it is being given.
func (q *queue) blocks(size int64) bool {
	policy := q.setup.Buffer.WhenFull
	if policy != DropOldest && policy != DropNewest {
		return true
	}
	s := q.disk
	if s == nil || !s.settles() {
		return false
	}
	return s.crowded(size) || policy == DropOldest && (!s.attached || s.disk.used == 0)
}

// evictOldest is evict for a full queue: with a disk, that is full of what is not on it.
func (q *queue) evictOldest() *item {
	if q.disk != nil {
		return q.evictUnsafe()
	}
	return q.evict()
}

// evict takes out the oldest that is not being written, nil when there is none. A disk still has it.
func (q *queue) evict() *item {
	it := q.first
	for it != nil && it.writing {
		it = it.next
	}
	if it == nil {
		return q.store.take()
	}
	q.remove(it)
	return it
}

// link puts it, just taken from the store, at the end of the taken.
func (q *queue) link(it *item, now time.Duration) {
	it.since = now
	it.prev, it.next = q.last, nil
	if q.last != nil {
		q.last.next = it
	} else {
		q.first = it
	}
	q.last = it
	q.taken.Messages++
	q.taken.Bytes += it.size
}

// remove takes it out of the taken and of its line.
func (q *queue) remove(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		q.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		q.last = it.prev
	}
	it.prev, it.next = nil, nil
	q.taken.Messages--
	q.taken.Bytes -= it.size
	if it.line != nil {
		q.leaveLine(it)
	}
}

func (q *queue) item() *item {
	it := q.free
	if it == nil {
		return new(item)
	}
	q.free, it.next = it.next, nil
	q.freed--
	return it
}

func (q *queue) recycle(it *item) {
	if q.freed >= maxFree {
		return
	}
	*it = item{next: q.free}
	q.free = it
	q.freed++
}

// drop settles what a policy took out. Without the lock.
func (q *queue) drop(dropped []*Message, why string) {
	if q.fullLog.due(q.engine.clock.read()) {
		q.mu.Lock()
		drops := q.stats.Dropped
		q.mu.Unlock()
		q.log.Warn("messages dropped by policy", "why", why, "oldest", drops.Oldest, "newest", drops.Newest, "age", drops.Age)
	}
	for _, m := range dropped {
		q.settle(m, Dropped)
	}
}

// settle settles m; a panic of what is told of it must not take the queue with it.
func (q *queue) settle(m *Message, outcome Outcome) {
	defer q.guard("settling a message", m)
	m.Settle(outcome)
}

// reject lets the rule that made m act on it, then settles it.
func (q *queue) reject(m *Message, err error) {
	if m.origin == nil {
		if q.rejectLog.due(q.engine.clock.read()) {
			q.log.Error("a message is rejected", "topic", m.Topic, "address", m.Address, "error", err)
		}
	} else {
		q.tellRejected(m, err)
	}
	q.settle(m, Failed)
}

func (q *queue) tellRejected(m *Message, err error) {
	defer q.guard("handling a rejected message", m)
	m.origin.Rejected(m, q.name, err, q.engine.emitRejected)
}

func (q *queue) guard(doing string, m *Message) {
	if r := recover(); r != nil {
		q.engine.panicked(doing, m.Topic, r)
	}
}
