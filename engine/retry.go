package engine

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// How a queue treats what its sink did not take:
//
// A failed message holds back only its key: it, and what comes behind it, form a line. After a pause the head
// of the line is tried alone; once the sink has accepted or rejected it, the rest follow. Other keys go on.
//
// When nothing gets through and more than one key has failed, it is the sink that is down. Then all is held,
// and after each pause a few are tried; one of a key that never failed is among them, so that a handful of
// bad keys cannot keep a good sink shut.

// A line is the messages of one key that wait for another try, in order, and those behind them.
type line struct {
	key    string
	items  []*item // the first out of them are in the running Write
	out    int
	due    time.Duration
	tries  int           // failures in a row of its head; 0: all may go
	failed bool          // in the last Write
	known  bool          // to be bad: others got through in a later Write than its first
	after  time.Duration // what the destination asked for in it
}

// probes is how many messages are tried on a sink that is down.
const probes = 16

// longestAfter bounds what a destination may ask for with RetryAfter.
const longestAfter = time.Hour

// gather fills batch with what is to be written now, and aged and expired with what is to be given up. When
// all stay empty, it returns when to ask again; a push that is of use wakes the goroutine earlier. With the
// lock.
func (q *queue) gather(now time.Duration) (again time.Duration) {
	q.batch, q.aged, q.expired = q.batch[:0], q.aged[:0], q.expired[:0]
	q.giveUp(now)
	again = min(q.nextExpiry(), q.nextAge())
	if q.retired && q.until > now {
		again = min(again, q.until)
	}
	if q.disk != nil && q.disk.unread > 0 && q.disk.readAgain > now {
		again = min(again, q.disk.readAgain)
	}
	q.wakeCount, q.wakeBytes = 1<<30, 1<<62
	if now < q.hold {
		return min(again, q.hold)
	}
	room, bytes := q.setup.Batch.MaxCount, q.setup.Batch.MaxBytes
	if q.hold > 0 {
		room = min(room, probes)
	}
	if now >= q.due {
		bytes = q.gatherLines(now, room, bytes)
	}
	linger := q.gatherStore(now, room, bytes)
	return min(again, q.due, linger)
}

// giveUp takes out what is too old, what was tried for too long, and all of a queue whose time is over. Nothing
// is being written.
func (q *queue) giveUp(now time.Duration) {
	if age := q.setup.Buffer.MaxAge; age > 0 {
		for it := q.oldest(); it != nil && now-it.at >= age; it = q.oldest() {
			q.evict()
			if q.disk != nil {
				q.disk.forget(it)
			}
			q.stats.Dropped.Age++
			q.aged = append(q.aged, it.m)
			q.recycle(it)
		}
	}
	if q.retired && now >= q.until {
		if q.disk != nil { // what is safe stays there
			for it := q.evictUnsafe(); it != nil; it = q.evictUnsafe() {
				q.expired = append(q.expired, it)
			}
			return
		}
		for it := q.evict(); it != nil; it = q.evict() {
			q.expired = append(q.expired, it)
		}
	}
	for q.nextExpiry() <= now {
		it := q.evict()
		if q.disk != nil {
			q.disk.reject(it)
		}
		if it.err == nil {
			it.err = q.lastErr
		}
		q.expired = append(q.expired, it)
	}
}

// nextExpiry is when the oldest has been tried, or has waited for others to be tried, for too long.
func (q *queue) nextExpiry() time.Duration {
	limit := q.setup.Retry.MaxElapsed
	if limit <= 0 {
		return never
	}
	if q.first != nil {
		return q.first.since + limit
	}
	if it := q.store.peek(); it != nil && q.hold > 0 {
		return max(it.at, q.held) + limit
	}
	return never
}

func (q *queue) oldest() *item {
	if q.first != nil {
		return q.first
	}
	return q.store.peek()
}

func (q *queue) nextAge() time.Duration {
	if it := q.oldest(); it != nil && q.setup.Buffer.MaxAge > 0 {
		return it.at + q.setup.Buffer.MaxAge
	}
	return never
}

// gatherLines takes from the lines whose time has come, the one with the oldest message first, and returns
// the bytes that are left.
func (q *queue) gatherLines(now time.Duration, room int, bytes int64) int64 {
	q.lined, q.due = q.lined[:0], never
	for _, l := range q.lines {
		if l.due <= now {
			q.lined = append(q.lined, l)
		} else {
			q.due = min(q.due, l.due)
		}
	}
	if q.hold > 0 && q.store.peek() != nil {
		// Leave room for one of a key that never failed; where there is room for one only, take turns.
		if room--; room == 0 && q.pauses%2 == 0 {
			room = 1
		}
	}
	slices.SortFunc(q.lined, func(a, b *line) int { return cmp.Compare(a.items[0].seq, b.items[0].seq) })
	for _, l := range q.lined {
		n := len(l.items)
		if l.tries > 0 {
			n = 1
		}
		for _, it := range l.items[:n] {
			if len(q.batch) >= room || (len(q.batch) > 0 && it.size > bytes) {
				q.due = now // some are left
				return bytes
			}
			l.out++
			q.put(it)
			bytes -= it.size
		}
	}
	return bytes
}

// gatherStore takes what was not tried yet, or puts it behind the line of its key. It returns until when it
// rather waits for more.
func (q *queue) gatherStore(now time.Duration, room int, bytes int64) (linger time.Duration) {
	b := &q.setup.Batch
	q.wakeCount, q.wakeBytes = 1, 0
	it := q.store.peek()
	if it != nil && b.MaxWait > 0 && len(q.batch) == 0 && now < it.at+b.MaxWait && !q.draining && !q.retired {
		if messages, size := q.store.size(); messages < b.MaxCount && size < b.MaxBytes {
			q.wakeCount, q.wakeBytes = b.MaxCount, b.MaxBytes
			return it.at + b.MaxWait
		}
	}
	for untried := 0; it != nil; it = q.store.peek() {
		// The look-up costs more than the rest of the loop, and mostly there is no line.
		if len(q.lines) > 0 {
			if l := q.lines[it.m.Key]; l != nil {
				if q.disk != nil && q.taken.Bytes >= linedMost {
					break
				}
				q.link(q.store.take(), now)
				it.line = l
				l.items = append(l.items, it)
				continue
			}
		}
		if len(q.batch) >= room || (len(q.batch) > 0 && it.size > bytes) || (q.hold > 0 && untried > 0) {
			break
		}
		q.link(q.store.take(), now)
		q.put(it)
		bytes -= it.size
		untried++
	}
	return never
}

func (q *queue) put(it *item) {
	it.writing = true
	if it.tried {
		q.stats.Retries++
	}
	it.tried = true
	q.batch = append(q.batch, it)
}

// sort puts back what the last Write did not deliver and forgets what it did. With the lock. What it returns
// is to be logged without.
func (q *queue) sort(now time.Duration) change {
	through, doubt := false, false // doubt: it may be the sink
	var after time.Duration
	var last error
	hold := q.hold
	q.lined, q.safe = q.lined[:0], q.safe[:0]
	for _, it := range q.batch {
		it.writing = false
		if it.line != nil {
			it.line.out--
		}
	}
	for i, it := range q.batch {
		l := it.line
		if it.done {
			through = true
			if l != nil {
				l.tries, l.due, l.known = 0, now, false // the rest may follow
			}
			q.remove(it)
			q.recycle(it)
			continue
		}
		if it.copy != nil {
			q.safe = append(q.safe, it.m)
			it.m, it.copy = it.copy, nil
		}
		it.err = q.results[i]
		last = it.err
		if l == nil {
			l = q.lines[it.m.Key]
			if l == nil {
				l = &line{key: strings.Clone(it.m.Key)} // the message may be settled, and in use again, before the line ends
				q.lines[l.key] = l
				q.failed++
			}
			it.line = l
			l.items = append(l.items, it)
		}
		doubt = doubt || !l.known
		if !l.failed {
			l.failed = true
			q.lined = append(q.lined, l)
		}
		var asked *RetryAfter
		if errors.As(it.err, &asked) {
			l.after = max(l.after, min(asked.After, longestAfter))
			after = max(after, l.after)
		}
	}
	for _, l := range q.lined {
		l.tries++
		l.due = now + cmp.Or(l.after, q.pause(l.tries))
	}
	if last != nil {
		q.lastErr, q.stats.ErrorAt = last, time.Now()
	}
	what := q.judge(now, through, doubt, after)
	if hold == 0 && q.hold > 0 {
		q.held = now
	}
	q.due = never
	for _, l := range q.lines {
		l.failed, l.after = false, 0
		q.due = min(q.due, l.due)
	}
	return what
}

// A change is what a Write taught about the sink.
type change struct {
	down, up bool
	after    time.Duration // how long it was down
}

// judge tells a sink that is down from keys that are bad.
func (q *queue) judge(now time.Duration, through, doubt bool, after time.Duration) (what change) {
	if through {
		q.hold, q.pauses, q.failed = 0, 0, 0
		for _, l := range q.lines {
			switch {
			case l.failed && l.tries == 1 && !l.known:
				q.failed++ // perhaps the first of those that the sink, going down, did not take
			case l.tries > 0:
				l.known = true
			}
		}
		if q.sick.IsZero() {
			return what
		}
		what.up, what.after = true, time.Since(q.sick)
		q.sick = time.Time{}
		// Those that failed because the sink was down need not wait for their time.
		for _, l := range q.lines {
			if !l.failed {
				l.tries, l.due = 0, now
			}
		}
		return what
	}
	if after > 0 {
		q.hold = now + after
	}
	if q.sick.IsZero() {
		if !doubt {
			return what // keys known to be bad, which says nothing of the others
		}
		q.sick = time.Now()
		what.down = true
	}
	if after == 0 && (q.failed > 1 || q.hold > 0) {
		q.pauses++
		q.hold = now + q.pause(q.pauses)
		for _, l := range q.lined {
			l.due = q.hold
		}
	}
	return what
}

// pause draws how long to wait after so many failures in a row.
func (q *queue) pause(failures int) time.Duration {
	b := q.setup.Retry.Backoff
	most := b.Max
	if n := failures - 1; n < 32 && b.Min<<n>>n == b.Min {
		most = min(b.Max, b.Min<<n)
	}
	return 1 + rand.N(most)
}

// hurry makes everything due that waits for another try. With the lock.
func (q *queue) hurry() {
	q.hold = min(q.hold, 1)
	q.due = 0
	for _, l := range q.lines {
		l.due = 0
	}
}

// leaveLine takes it out of its line. It is the first, or the first that is not being written.
func (q *queue) leaveLine(it *item) {
	l := it.line
	it.line = nil
	if l.items[0] == it {
		l.items[0] = nil
		l.items = l.items[1:]
	} else if i := slices.Index(l.items, it); i > 0 {
		l.items = slices.Delete(l.items, i, i+1)
	}
	if len(l.items) == 0 {
		delete(q.lines, l.key)
	}
}
