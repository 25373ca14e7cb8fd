package engine

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// An unsynced is a message that is just being written. The item may be done, and in use for another message,
// before that has ended; it is the same as long as it has the number.
type unsynced struct {
	it         *item
	m          *Message
	number     uint64
	at         time.Duration
	begin, end int // of its record in buf
}

// run writes and syncs what is pushed, and keeps the position, until close.
func (s *diskStore) run() {
	defer close(s.done)
	s.disk.use.Lock() // waits for the queue before, which ends
	defer s.disk.use.Unlock()
	s.timer = time.NewTimer(time.Hour)
	defer s.timer.Stop()
	s.q.order(s.attach)
	for s.turn() {
	}
	s.finish()
}

func (s *diskStore) turn() bool {
	q := s.q
	q.mu.Lock()
	if s.closing {
		q.mu.Unlock()
		return false
	}
	now := q.engine.clock.read()
	roll, size := s.roll, s.segmentSize()
	picked := s.pick(now, size)
	tidy, wait := s.due(now)
	if !picked && !tidy {
		s.asleep = true
		q.mu.Unlock()
		s.sleep(wait - now)
		return true
	}
	if picked {
		s.roll = false
	}
	q.mu.Unlock()
	if picked {
		s.sync(roll, size)
	}
	if tidy {
		s.tidy() // after the sync: the position must not know of records that may yet fail to get there
	}
	return true
}

// sleep waits for d to pass or for a poke.
func (s *diskStore) sleep(d time.Duration) {
	s.timer.Reset(d)
	select {
	case <-s.wake:
		return
	case <-s.timer.C:
	}
	s.q.mu.Lock()
	asleep := s.asleep
	s.asleep = false
	s.q.mu.Unlock()
	if !asleep {
		<-s.wake // somebody was about to
	}
}

// due tells whether the position is to be written and files are to be removed, and else when to look again.
func (s *diskStore) due(now time.Duration) (tidy bool, wait time.Duration) {
	wait = never
	if s.unsafe.Messages > 0 && !s.leaving {
		wait = s.again
	}
	if s.dirty || len(s.junk) > 0 {
		if next := s.saved + saveEvery; next > now {
			return s.empty(), min(wait, next)
		}
		return true, wait
	}
	return false, wait
}

// pick takes all that is not safe into the batch, up to a segment. With the lock.
func (s *diskStore) pick(now time.Duration, most int64) bool {
	s.batch = s.batch[:0]
	if s.leaving || now < s.again {
		return false
	}
	bytes := int64(0)
	for it := s.oldest; it != nil && (bytes == 0 || bytes+it.size <= most); it = it.newer {
		it.record = s.disk.next
		s.disk.next++
		it.m.Hold() // it may be settled before it is written
		s.batch = append(s.batch, unsynced{it: it, m: it.m, number: it.record, at: it.at})
		bytes += it.size
	}
	s.syncing = len(s.batch) > 0
	return s.syncing
}

// sync makes the batch safe, or leaves it as it was.
func (s *diskStore) sync(roll bool, size int64) {
	q := s.q
	err := s.write(roll, size)
	burned := err != nil && !s.seal()

	q.mu.Lock()
	before := s.failing
	var safe []*Message
	if err != nil {
		s.undo(err, burned)
	} else {
		safe = s.publish()
	}
	s.syncing = false
	since := s.since
	q.room.Broadcast()
	wake := q.asleep && (q.draining || q.retired || q.final || s.leaving)
	if wake {
		q.asleep = false
	}
	q.mu.Unlock()
	if wake {
		q.wake <- struct{}{}
	}

	if err != nil && before == nil {
		q.log.Error("a disk buffer cannot be written, messages stay in memory and are not acknowledged; trying again", "error", err)
	}
	if err == nil && before != nil {
		q.log.Info("a disk buffer is written again", "after", time.Since(since).Round(time.Millisecond))
	}
	for _, m := range safe {
		q.settle(m, Delivered)
	}
	for i := range s.batch {
		q.settle(s.batch[i].m, Delivered) // the Hold of pick
	}
	clear(s.batch)
}

// write writes the batch to the segment, a new one if that is full, and waits until it is on the disk.
func (s *diskStore) write(roll bool, size int64) error {
	first := s.batch[0].number
	bytes := int64(0)
	for i := range s.batch {
		bytes += cost(s.batch[i].m)
	}
	if s.file != nil && (roll || s.active.last >= s.active.first && s.active.size+bytes > size) {
		if err := s.file.Close(); err != nil {
			s.file = nil
			return err
		}
		s.file = nil
	}
	if s.file == nil {
		if err := s.begin(first); err != nil {
			return err
		}
	}
	s.buf = s.buf[:0]
	if cap(s.buf) > 2*segmentMost {
		s.buf = nil
	}
	for i := range s.batch {
		one := &s.batch[i]
		one.begin = len(s.buf)
		s.buf = appendRecord(s.buf, s.active.salt, one.number, s.q.engine.clock.time(one.at), one.m)
		one.end = len(s.buf)
	}
	if _, err := s.file.WriteAt(s.buf, s.active.size); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	if s.fresh {
		if err := s.disk.fs.SyncDir(s.disk.dir); err != nil {
			return err
		}
		s.fresh = false
	}
	return nil
}

// begin makes a new segment.
func (s *diskStore) begin(first uint64) error {
	d := s.disk
	if err := d.fs.Mkdir(d.dir); err != nil {
		return err
	}
	salt := newSalt()
	seg := &segment{name: segmentName(first, salt), salt: salt, size: int64(segmentHeader), first: first, last: first - 1}
	f, err := d.fs.Open(filepath.Join(d.dir, seg.name), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	s.active, s.file, s.fresh = seg, f, true
	_, err = f.WriteAt(appendSegmentHeader(nil, salt), 0)
	return err
}

// seal ends the segment after an error: what the disk has of it nobody knows, and a second sync would say that
// all is well. The next batch begins a new one, with the same numbers; ok is false when these are spent, since
// a file with them cannot be removed.
func (s *diskStore) seal() (ok bool) {
	if s.file == nil {
		return true
	}
	err := errors.Join(s.file.Truncate(s.active.size), s.file.Close())
	s.file = nil
	if s.active.last < s.active.first {
		return s.disk.fs.Remove(filepath.Join(s.disk.dir, s.active.name)) == nil
	}
	_ = err // nobody reads what is behind its size: their numbers are those of the next segment
	return true
}

// undo makes the batch what it was before. With the lock.
func (s *diskStore) undo(err error, burned bool) {
	d := s.disk
	first := s.batch[0].number
	for i := range s.batch {
		if one := &s.batch[i]; one.it.record == one.number {
			one.it.record = 0
		}
	}
	d.settled.cut(first)
	if burned {
		d.settled.add(first, d.next-1)
	} else {
		d.next = first
	}
	now := s.q.engine.clock.read()
	if s.failing == nil {
		s.since = time.Now()
	}
	s.failing = err
	s.again = now + min(10*time.Second, 100*time.Millisecond<<min(s.tries, 10))
	s.tries++
}

// publish says that the batch is safe, and returns what is to be settled. With the lock.
func (s *diskStore) publish() (safe []*Message) {
	d, seg, base := s.disk, s.active, s.active.size
	if seg.last < seg.first {
		d.segments = append(d.segments, seg)
	}
	last := s.batch[len(s.batch)-1]
	d.add(seg, s.batch[0].number, last.number, int64(last.end))
	s.failing, s.tries, s.again = nil, 0, 0
	s.stats.Syncs++
	s.stats.Synced += uint64(len(s.batch))
	for i := range s.batch {
		one := &s.batch[i]
		it := one.it
		kept := true // in memory, or not needed any more
		if it.record == one.number {
			s.unlist(it)
			switch {
			case it.writing: // sort exchanges the message when the sink does not take it
				it.copy = s.copyOf(one)
			case !it.tail:
				safe = append(safe, it.m)
				it.m = s.copyOf(one)
			default:
				safe = append(safe, it.m)
				kept = s.keep(s.takeTail(), one)
			}
		}
		if kept && s.unread == 0 {
			s.readSeg, s.readOff, s.readNext = seg, base+int64(one.end), one.number+1
		}
	}
	if s.empty() {
		s.dirty = true
	}
	return safe
}

// keep moves it, the first of the tail, to the window. When that is full it is on disk only from now on.
func (s *diskStore) keep(it *item, one *unsynced) bool {
	w := &s.window
	if s.unread == 0 && (w.messages == 0 || w.messages < readMost && w.bytes+it.size <= windowBytes) {
		it.m = s.copyOf(one)
		w.put(it)
		return true
	}
	s.unread++
	s.unreadBytes += int64(one.end - one.begin)
	s.q.recycle(it)
	return false
}

// copyOf reads back what was written, so that the original can be settled.
func (s *diskStore) copyOf(one *unsynced) *Message {
	m, _, err := parseBody(s.buf[one.begin+recordHeader:one.end], s.q.recall)
	if err != nil {
		panic("engine: a record that was just written does not read")
	}
	return m
}
