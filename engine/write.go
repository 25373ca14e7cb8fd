package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"time"
)

// errNoResult stands for each message until the sink says what became of it.
var errNoResult = errors.New("the sink did not say what became of the message")

// run writes to the sink until the queue ends, and closes it.
func (q *queue) run() {
	defer close(q.done)
	defer q.timer.Stop()
	for q.turn() {
	}
	q.endDisk()
	q.engine.forget(q)
	q.stop()
	q.close(append(q.left, q.setup.Sink))
}

// turn is one round: take out, write, sort. False when the queue has ended.
func (q *queue) turn() bool {
	now := q.engine.clock.read()
	q.mu.Lock()
	if q.next != nil {
		old := q.replace(now)
		q.mu.Unlock()
		q.close(old)
		return true
	}
	if q.abandoned {
		q.mu.Unlock()
		return false
	}
	if left := q.leaveDisk(); left != nil {
		q.mu.Unlock()
		left.close()
		return true
	}
	rest := q.resting(now)
	if !rest && q.disk != nil && q.disk.hungry(now) {
		q.mu.Unlock()
		q.disk.refill()
		return true
	}
	again := never
	if !rest {
		again = q.gather(now)
	} else {
		q.batch, q.aged, q.expired = q.batch[:0], q.aged[:0], q.expired[:0]
		q.wakeCount, q.wakeBytes = 1, 0
	}
	if len(q.batch)+len(q.aged)+len(q.expired) == 0 {
		messages, _ := q.size()
		rest = rest || messages == 0
		draining := q.draining && rest
		q.ended = q.final && rest
		q.asleep = !q.ended
		ended := q.ended
		q.mu.Unlock()
		if draining {
			select {
			case q.engine.empty <- struct{}{}:
			default: // Stop has yet to look at the one before
			}
		}
		if ended {
			return false
		}
		q.sleep(again - now)
		return true
	}
	retired := q.retired && now >= q.until
	q.stats.Expired += uint64(len(q.expired))
	if len(q.aged)+len(q.expired) > 0 {
		q.room.Broadcast()
	}
	q.mu.Unlock()

	if len(q.aged) > 0 {
		q.drop(q.aged, "too old")
		clear(q.aged)
	}
	for _, it := range q.expired {
		q.reject(it.m, expired(it, now, retired))
	}
	clear(q.expired)
	if len(q.batch) > 0 {
		q.deliver()
	}
	return true
}

func expired(it *item, now time.Duration, retired bool) error {
	switch {
	case retired && it.err == nil:
		return fmt.Errorf("%w: its sink was removed", ErrExpired)
	case retired:
		return fmt.Errorf("%w: its sink was removed: %w", ErrExpired, it.err)
	}
	return fmt.Errorf("%w after %v: %w", ErrExpired, (now - it.at).Round(time.Millisecond), it.err)
}

// deliver writes the batch and settles what is done.
func (q *queue) deliver() {
	q.messages, q.results = q.messages[:0], q.results[:0]
	for _, it := range q.batch {
		q.messages = append(q.messages, it.m)
		q.results = append(q.results, errNoResult)
	}
	q.write()
	q.count()
	for i, it := range q.batch {
		switch err := q.results[i]; {
		case err == nil:
			it.done = true
			q.settle(it.m, Delivered)
		case errors.Is(err, ErrRejected):
			it.done = true
			q.reject(it.m, err)
		}
	}
	clear(q.messages)

	now := q.engine.clock.read()
	q.mu.Lock()
	what := q.sort(now)
	clear(q.batch)
	q.room.Broadcast()
	messages, _ := q.size()
	last := q.lastErr
	q.mu.Unlock()
	clear(q.results)
	for _, m := range q.safe {
		q.settle(m, Delivered)
	}
	clear(q.safe)

	if q.ctx.Err() != nil {
		return // cancelled, which says nothing about the sink
	}
	if what.down {
		q.log.Warn("nothing gets through to a sink, trying again", "error", last, "queued", messages)
	}
	if what.up {
		q.log.Info("a sink takes messages again", "after", what.after.Round(time.Millisecond), "queued", messages)
	}
}

func (q *queue) write() {
	defer func() {
		if r := recover(); r != nil {
			if q.panicLog.due(q.engine.clock.read()) {
				q.log.Error("panic in a sink, the batch is tried again", "panic", r, "stack", string(debug.Stack()))
			}
			// Also where it says nil, which may be from before it began: better twice than never.
			err := fmt.Errorf("panic: %v", r)
			for i := range q.results {
				q.results[i] = err
			}
		}
	}()
	q.setup.Sink.Write(q.ctx, q.messages, q.results)
}

// count notes what the sink has taken or refused, before that is settled: who knows of a message that it is
// settled finds it in the books of its sink. The store is told, too: what is settled cannot be written to disk any more.
func (q *queue) count() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Batches++
	for i, it := range q.batch {
		switch err := q.results[i]; {
		case err == nil:
			q.stats.Written++
			if q.disk != nil {
				q.disk.forget(it)
			}
		case errors.Is(err, ErrRejected):
			q.stats.Rejected++
			if q.disk != nil {
				q.disk.reject(it)
			}
		}
	}
}

// resting tells that what is left may stay where it is, on disk, at a stop or with a sink that was removed. A
// sink that takes messages gets those that are in memory already.
func (q *queue) resting(now time.Duration) bool {
	s := q.disk
	if s == nil || s.unsafe.Messages > 0 {
		return false
	}
	return q.retired && now >= q.until || q.draining && (s.unread > 0 || !s.attached || !q.sick.IsZero() || len(q.lines) > 0)
}

// endDisk closes the disk buffer of a queue that has ended.
func (q *queue) endDisk() {
	s := q.disk
	if s == nil {
		return
	}
	q.mu.Lock()
	s.removed = q.retired
	q.mu.Unlock()
	s.close()
	if n := s.remains; s.removed && n > 0 {
		q.log.Warn("a sink was removed, and its disk buffer has messages left; they stay there, and go to a sink of this name and kind", "kind", q.kind, "messages", n, "dir", s.disk.dir)
	}
}

// sleep waits for d to pass, or for a push or an order that wakes the goroutine.
func (q *queue) sleep(d time.Duration) {
	q.timer.Reset(d)
	select {
	case <-q.wake:
		return
	case <-q.timer.C:
	}
	q.mu.Lock()
	asleep := q.asleep
	q.asleep = false
	q.mu.Unlock()
	if !asleep {
		<-q.wake // somebody was about to
	}
}

// order changes what the goroutine looks at and wakes it, and those who wait for room.
func (q *queue) order(change func()) {
	q.mu.Lock()
	change()
	asleep := q.asleep
	q.asleep = false
	q.room.Broadcast()
	q.mu.Unlock()
	if asleep {
		q.wake <- struct{}{}
	}
}

// handOver gives the queue to the sink of s, false when it has ended. When that is another sink, the running
// Write is cancelled; what it did not deliver stays in its place and goes to the new one.
func (q *queue) handOver(s SinkSetup) (ok bool) {
	s = s.withDefaults()
	q.order(func() {
		if q.ended || q.abandoned {
			return
		}
		ok = true
		q.retired, q.final = false, false
		q.lives++
		latest := q.setup
		if q.next != nil {
			latest = *q.next
		}
		if !same(latest.Sink, s.Sink) {
			if q.next != nil && !same(latest.Sink, q.setup.Sink) {
				q.left = append(q.left, latest.Sink)
			}
			q.stop()
		} else if latest.Batch == s.Batch && latest.Retry == s.Retry && latest.Buffer == s.Buffer && latest.Disk == s.Disk {
			return
		}
		q.next = &s
	})
	return ok
}

// replace makes the next setup the running one and returns the sinks that are to be closed. With the lock.
func (q *queue) replace(now time.Duration) []Sink {
	old := q.left
	q.left = nil
	if !same(q.setup.Sink, q.next.Sink) {
		old = append(old, q.setup.Sink)
	}
	q.setup, q.next = *q.next, nil
	q.useBuffer()
	if q.ctx.Err() != nil {
		q.ctx, q.stop = context.WithCancel(q.engine.writes)
	}
	// What the old sink could not deliver says nothing about the new one.
	q.hold, q.pauses, q.failed, q.sick = 0, 0, 0, time.Time{}
	q.due = now
	for _, l := range q.lines {
		l.tries, l.due = 0, now
	}
	return old
}

// retire lets the queue work off what it has until then. It returns a number for finish.
func (q *queue) retire(until time.Duration) (life uint64) {
	q.order(func() {
		q.retired, q.until = true, until
		q.lives++
		life = q.lives
	})
	return life
}

// finish says that nobody pushes any more, unless the queue was handed over since.
func (q *queue) finish(life uint64) {
	q.order(func() {
		if q.lives == life {
			q.final = true
		}
	})
}

// retryLimit is how long it may take to work the queue off.
func (q *queue) retryLimit() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.setup.Retry.MaxElapsed
}

// passSwap lets those in who wait for room since before a swap, so that the new rules can begin.
func (q *queue) passSwap() { q.order(func() { q.swaps++ }) }

func (q *queue) close(sinks []Sink) {
	for _, s := range sinks {
		if err := closing(s); err != nil {
			q.log.Warn("closing a sink", "error", err)
		}
	}
}

// closing closes a sink or a source, whose panic is its own.
func closing(c io.Closer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return c.Close()
}

// same tells whether two sources, sinks or programs are one. What cannot be compared is not.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
