package engine

import "time"

// hungry tells that the next message is on disk only.
func (s *diskStore) hungry(now time.Duration) bool {
	return s.attached && s.window.messages == 0 && s.unread > 0 && now >= s.readAgain
}

// refill reads messages into the window. The queue's goroutine calls it, without the lock.
func (s *diskStore) refill() {
	q := s.q
	q.mu.Lock()
	seg := s.find()
	if seg == nil {
		s.unread, s.unreadBytes = 0, 0
		q.mu.Unlock()
		return
	}
	next, off := s.readNext, s.readOff
	what := *seg // as it is now: it may grow
	q.mu.Unlock()

	records, end, skipped, err := s.reader.read(&what, off)

	q.mu.Lock()
	defer q.mu.Unlock()
	if s.readNext != next || s.readSeg != seg {
		return // some were dropped meanwhile
	}
	if err != nil {
		s.unreadable(seg, err)
		return
	}
	s.readTries = 0
	lost := 0
	for _, one := range records {
		n := numberOf(one.body)
		if n < s.readNext {
			continue
		}
		if n > what.last { // written once, never safe, and written again elsewhere
			end = what.size
			break
		}
		lost += s.lose(s.readNext, n-1)
		s.readNext = n + 1
		if s.disk.settled.has(n) {
			continue
		}
		s.unread--
		if it := s.itemOf(n, one.body); it != nil {
			s.window.put(it)
		} else {
			lost += int(s.disk.settle(n, n))
		}
	}
	s.passed(0, seg, end)
	if end >= what.size { // the end of what was safe when it was read
		lost += s.lose(s.readNext, what.last)
		s.readNext = max(s.readNext, what.last+1)
	}
	if lost > 0 {
		s.stats.Damaged += uint64(lost)
		s.moved()
		q.log.Error("a disk buffer is damaged, some messages are lost", "file", seg.name, "messages", lost, "bytes", skipped)
	}
	s.passed(0, seg, end)
}

// find gives the segment that has the first unread record; nil when there is none.
func (s *diskStore) find() *segment {
	d := s.disk
	i := d.search(s.readNext)
	if i == len(d.segments) {
		return nil
	}
	seg := d.segments[i]
	s.readNext = max(s.readNext, seg.first)
	if seg != s.readSeg {
		s.readSeg, s.readOff = seg, int64(segmentHeader)
	}
	return seg
}

// lose gives up the records first to last, which were unread and are not there, and tells how many.
func (s *diskStore) lose(first, last uint64) int {
	if first > last {
		return 0
	}
	n := int(s.disk.settle(first, last))
	s.unread -= n
	return n
}

// itemOf makes an item of a record; nil when its body does not read.
func (s *diskStore) itemOf(number uint64, body []byte) *item {
	m, at, err := parseBody(body, s.q.recall)
	if err != nil {
		return nil
	}
	it := s.q.item()
	it.m, it.size, it.record = m, cost(m), number
	now := s.q.engine.clock.read()
	it.at = min(now, at.Sub(s.q.engine.clock.start))
	if at.Year() < 2000 {
		it.at = now // the machine did not know what time it was
	}
	return it
}

// unreadable tries again later. When that does not help, the rest of the segment is left as it is, for the next
// start: perhaps it is the machine, and not the file.
func (s *diskStore) unreadable(seg *segment, err error) {
	const most = 10 // tries, over about a minute
	s.readTries++
	s.readAgain = s.q.engine.clock.read() + min(10*time.Second, 100*time.Millisecond<<s.readTries)
	if s.readTries == 1 {
		s.q.log.Warn("a disk buffer cannot be read, trying again", "file", seg.name, "error", err)
	}
	if s.readTries < most {
		return
	}
	s.readTries, s.readAgain = 0, 0
	from := max(s.readNext, seg.first)
	n := int(seg.last - from + 1 - s.disk.settled.count(from, seg.last))
	s.stats.Damaged += uint64(n)
	s.q.log.Error("a disk buffer cannot be read, the messages stay there until the next start", "file", seg.name, "messages", n, "error", err)
	s.passed(n, seg, seg.size)
	s.readNext = seg.last + 1
	s.roll = true // nothing more goes into it
}

// A keptOrigin stands behind a message on disk. It finds the rule by its name, in the program that runs when
// the message is rejected.
type keptOrigin struct {
	engine *Engine
	name   string
}

// recall is the Origin for a name in a record.
func (q *queue) recall(name string) Origin { return &keptOrigin{q.engine, name} }

// Settled counts nothing: the message was settled when the disk had it.
func (o *keptOrigin) Settled(*Message, Outcome) {}

func (o *keptOrigin) Rejected(out *Message, sink string, err error, emit Emit) {
	if f, ok := o.engine.running.Load().program.(Finder); ok {
		if origin := f.Origin(o.name); origin != nil {
			origin.Rejected(out, sink, err, emit)
			return
		}
	}
	if o.engine.goneLog.due(o.engine.clock.read()) {
		o.engine.log.Error("a message from a disk buffer is rejected, and what made it is gone", "made_by", o.name, "sink", sink, "topic", out.Topic, "error", err)
	}
}
