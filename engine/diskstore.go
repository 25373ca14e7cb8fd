package engine

import "time"

// A diskStore is the store of a queue whose messages are to outlive the process. What is pushed is written and
// synced by a goroutine of its own, all that came during one sync with the next; then it is safe: the message
// is settled, and a copy of it, which belongs to the store, goes on to the sink. A sink that is fast may be done
// with a message before it is written; then it never is.
//
// In order, oldest first: what the queue has taken, the window, what is on disk only, the tail. Only the tail,
// and those taken from it, are not safe yet. But for the part of the goroutine, all is guarded by the queue's lock.
type diskStore struct {
	q    *queue
	disk *Disk
	wake chan struct{} // one slot, filled only when the goroutine sleeps
	done chan struct{}

	attached bool // the store before it, of a queue that ends, has let go of the disk
	leaving  bool // the buffer is to be in memory: nothing more is written
	closing  bool
	asleep   bool
	removed  bool // with the sink: no trace is left when nothing is in it
	remains  int  // messages on the disk at the end

	window         memory // safe, and in memory
	unread         int    // safe, on disk only
	unreadBytes    int64
	tail           memory
	oldest, newest *item // not safe, taken or in the tail, in order
	unsafe         Usage
	syncing        bool // some of them are just being synced

	// Where the first that is unread stands: readNext is its number.
	readNext  uint64
	readSeg   *segment // nil: to be found
	readOff   int64
	readTries int           // that failed
	readAgain time.Duration // not before
	reader    reader        // of the queue's goroutine

	roll    bool // the next batch begins a segment
	dirty   bool // more is settled than the position says
	saved   time.Duration
	again   time.Duration // no sync before
	tries   int           // syncs that failed, since one did not
	failing error         // the last of them
	since   time.Time
	stats   DiskStats

	// Owned by the goroutine.
	timer  *time.Timer
	batch  []unsynced
	buf    []byte
	active *segment // that is written to
	file   file     // nil: none is
	fresh  bool     // the folder may not have it yet, should the power fail
	junk   []string // that could not be removed
	noted  minutely // that the position cannot be written
}

// DiskStats is the part of a disk buffer.
type DiskStats struct {
	Used     bool  // there is one
	Messages int   // on disk and not settled
	Bytes    int64 // of the files that hold them
	Syncs    uint64
	Synced   uint64 // messages
	Damaged  uint64 // messages that were on disk and do not read
	Error    string // why nothing can be written; empty while it can
	Since    time.Time
}

const (
	windowBytes = 1 << 20 // read ahead
	unsafeMost  = 4 << 20 // waits in memory to be written
	linedMost   = 4 << 20 // of messages behind a key that fails; the rest stays on disk until it gets through
	segmentMost = 4 << 20
	defaultDisk = 256 << 20
	saveEvery   = time.Second // how old the position on disk may be: what comes again after a crash
)

// useDisk puts the messages of q on d, those that wait in memory too. With the lock; nothing is being written.
func (q *queue) useDisk(d *Disk) {
	s := &diskStore{q: q, disk: d, wake: make(chan struct{}, 1), done: make(chan struct{}), reader: reader{fs: d.fs, dir: d.dir}}
	for it := q.first; it != nil; it = it.next {
		s.list(it)
	}
	for it := q.store.take(); it != nil; it = q.store.take() {
		s.put(it)
	}
	q.store, q.disk = s, s
	go s.run() // the queue's goroutine ends it with close
}

// useBuffer makes the store what the setup says. With the lock.
func (q *queue) useBuffer() {
	if q.disk == nil && q.setup.Disk != nil {
		q.useDisk(q.setup.Disk)
	}
	if q.disk != nil {
		q.disk.leaving = q.setup.Buffer.Type != OnDisk
		q.disk.poke()
	}
}

// leaveDisk tells that the last message of a buffer that is to be in memory has left the disk, and puts the
// rest into memory. With the lock; nothing is being written.
func (q *queue) leaveDisk() (left *diskStore) {
	s := q.disk
	if s == nil || !s.leaving || !s.attached || s.syncing || s.window.messages+s.unread > 0 || s.disk.left() > 0 {
		return nil
	}
	for s.oldest != nil {
		s.unlist(s.oldest)
	}
	q.store, q.disk = &s.tail, nil
	s.removed = true
	return s
}

func (s *diskStore) put(it *item) {
	it.tail = true
	s.tail.put(it)
	s.list(it)
	if !s.leaving {
		s.poke()
	}
}

func (s *diskStore) peek() *item {
	if s.window.first != nil {
		return s.window.first
	}
	if s.attached && s.unread == 0 {
		return s.tail.first
	}
	return nil
}

func (s *diskStore) take() *item {
	if s.window.first != nil {
		return s.window.take()
	}
	if !s.attached || s.unread > 0 {
		return nil
	}
	return s.takeTail()
}

func (s *diskStore) takeTail() *item {
	it := s.tail.take()
	if it != nil {
		it.tail = false
	}
	return it
}

func (s *diskStore) size() (int, int64) {
	return s.window.messages + s.unread + s.tail.messages, s.window.bytes + s.unreadBytes + s.tail.bytes
}

// list notes that it is not safe yet, the newest of those.
func (s *diskStore) list(it *item) {
	it.listed = true
	it.older, it.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = it
	} else {
		s.oldest = it
	}
	s.newest = it
	s.unsafe.Messages++
	s.unsafe.Bytes += it.size
}

func (s *diskStore) unlist(it *item) {
	it.listed = false
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		s.oldest = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		s.newest = it.older
	}
	it.older, it.newer = nil, nil
	s.unsafe.Messages--
	s.unsafe.Bytes -= it.size
}

// forget says that it need not be safe any more. It comes before it is settled, since a message that is
// settled cannot be written down.
func (s *diskStore) forget(it *item) {
	if it.listed {
		s.unlist(it)
	}
	if it.record > 0 {
		s.disk.settle(it.record, it.record)
		it.record = 0
		s.moved()
	}
}

// reject is forget for what is given up. Its record stays until what the rule makes of that, a dead letter, is
// settled: a message that is safe has no source any more that would send it again.
func (s *diskStore) reject(it *item) {
	if it.record == 0 || it.listed || it.copy != nil {
		s.forget(it) // m is the original
		return
	}
	number := it.record
	it.record = 0
	it.m.Root().settled = func(*Message, Outcome) {
		s.q.order(func() { // there may be room now, or nothing left
			if !s.closing {
				s.disk.settle(number, number)
				s.moved()
			}
		})
	}
}

// moved has the position written soon, and at once what is empty removed.
func (s *diskStore) moved() {
	if !s.dirty || s.empty() {
		s.dirty = true
		s.poke()
	}
}

// empty tells that the oldest segment can be removed.
func (s *diskStore) empty() bool {
	d := s.disk
	return len(d.segments) > 1 && d.segments[0].left == 0
}

// poke wakes the goroutine.
func (s *diskStore) poke() {
	if s.asleep {
		s.asleep = false
		s.wake <- struct{}{} // has room: only who finds it asleep sends
	}
}

// attach begins where the disk stands.
func (s *diskStore) attach() {
	s.attached = true
	s.saved = s.q.engine.clock.read()
	s.readNext = s.disk.settled.low + 1
	for _, one := range s.disk.segments {
		s.unread += int(one.left)
		if one.left > 0 {
			s.unreadBytes += one.size
		}
	}
	if s.unread > 0 {
		s.q.log.Info("a disk buffer has messages", "messages", s.unread, "bytes", s.disk.used)
	}
}

// fits tells whether there is room on the disk, and in memory for what is not there yet.
func (s *diskStore) fits(size int64) bool {
	if s.leaving {
		return s.unsafe.Messages == 0 || s.unsafe.Bytes+size <= s.q.setup.Buffer.MaxSize
	}
	used := int64(0)
	if s.attached { // else it is another's to look at
		used = s.disk.used
	}
	return !s.crowded(size) && used+s.unsafe.Bytes+size <= s.q.setup.Buffer.MaxSize
}

func (s *diskStore) crowded(size int64) bool {
	return s.unsafe.Messages > 0 && s.unsafe.Bytes+size > unsafeMost
}

// settles says that waiting makes room: the disk is just being written to.
func (s *diskStore) settles() bool { return !s.leaving && s.failing == nil && s.unsafe.Messages > 0 }

// segmentSize is how large a segment gets: small enough for the bound to be one.
func (s *diskStore) segmentSize() int64 {
	return min(segmentMost, max(s.q.setup.Buffer.MaxSize/8, 16<<10))
}

// evictSafe makes room on the disk, if that is what lacks for size: it drops the messages of the oldest segment
// but for those that are being written, and tells how many. A file that is removed is room, a record is not.
func (q *queue) evictSafe(size int64) (dropped int) {
	s := q.disk
	if s == nil || !s.attached || s.leaving || s.crowded(size) {
		return 0
	}
	d := s.disk
	for i, seg := range d.segments {
		if seg.left == 0 {
			continue
		}
		before := seg.left
		for it := q.first; it != nil; {
			next := it.next
			if !it.writing && it.safeIn(seg) {
				q.remove(it)
				s.forget(it)
				q.recycle(it)
			}
			it = next
		}
		for range s.window.messages {
			if it := s.window.take(); it.safeIn(seg) {
				s.forget(it)
				q.recycle(it)
			} else {
				s.window.put(it)
			}
		}
		if seg.last >= s.readNext {
			s.skip(seg, seg.size)
			s.moved()
		}
		if dropped = int(before - seg.left); dropped > 0 {
			s.roll = s.roll || i == len(d.segments)-1
			return dropped
		}
	}
	return 0
}

func (it *item) safeIn(s *segment) bool { return it.record >= s.first && it.record <= s.last }

// skip settles the records of seg from the first that is unread on, and goes on at off, behind them.
func (s *diskStore) skip(seg *segment, off int64) (count int) {
	count = int(s.disk.settle(max(s.readNext, seg.first), seg.last))
	s.passed(count, seg, off)
	s.readNext = seg.last + 1
	return count
}

// passed says that count of the unread are not any more, and that reading goes on at off of seg.
func (s *diskStore) passed(count int, seg *segment, off int64) {
	s.unread -= count
	if seg == s.readSeg {
		s.unreadBytes -= off - s.readOff
	} else {
		s.unreadBytes -= off - int64(segmentHeader)
	}
	s.readSeg, s.readOff = seg, off
	if s.unread <= 0 {
		s.unread, s.unreadBytes = 0, 0
	}
	s.unreadBytes = max(0, s.unreadBytes)
}

// evictUnsafe takes out the oldest that is not safe and not being written.
func (q *queue) evictUnsafe() *item {
	it := q.disk.oldest
	for it != nil && it.writing {
		it = it.newer
	}
	if it == nil {
		return nil
	}
	if it.tail {
		q.disk.takeTail() // the first of it
	} else {
		q.remove(it)
	}
	q.disk.forget(it)
	return it
}

func (s *diskStore) snapshot() DiskStats {
	st := s.stats
	st.Used = true
	if !s.attached {
		return st
	}
	st.Messages = s.disk.left()
	for _, one := range s.disk.segments {
		st.Bytes += one.size
	}
	if s.failing != nil {
		st.Error, st.Since = s.failing.Error(), s.since
	}
	return st
}
