package rules

import "slices"

// Slidings are windows that end with each message: (t - size, t]. In processing time the result comes at once.
type slidings struct {
	*windows
	size   int64
	silent timers[*slider] // when all that a key holds is too old
}

// A slider holds the messages of a key that windows to come may need, by their time and then as they came.
type slider struct {
	timer // due: when the last of them is too old; looked at again when it is due
	kept  *kept
	of    *windows
	list  []slid
	tail  *timers[*slider]
	// Where tallies are small, list[:turned] have in theirs all from themselves to there, and forward has
	// list[turned:added].
	turned, added int
	forward       *tally
}

// A slid is one message.
type slid struct {
	at     int64
	seq    uint64
	values []Value
	told   bool   // its result was handed on, where that waits
	tally  *tally // of it and those behind it, up to slider.turned
}

func (s *slider) size() int {
	n := 128
	for i := range s.list {
		n += s.sizeOf(&s.list[i])
	}
	return n
}

// sizeOf is what a message takes, with a tally even before it has one.
func (s *slider) sizeOf(one *slid) int {
	n := 56
	if layout := &s.of.aggregate.layout; layout.parts == 0 {
		n += 8 * layout.width
	}
	for i := range one.values {
		n += one.values[i].keptSize()
	}
	return n
}

func (s *slider) leave(*memory, int) {
	s.of.open -= len(s.list)
	s.tail.remove(s)
	s.kept = nil
}

// hold adds a message to those of its key.
func (w *windows) hold(tail *timers[*slider], m *arrival, size int64) (*slider, error) {
	s, _ := m.key.memo(w.slot).(*slider)
	if s == nil {
		s = &slider{timer: timer{due: m.at + size, seq: m.seq}, kept: m.key, of: w, tail: tail}
		tail.add(s)
		w.memory.bytes += s.size()
		m.key.set(w.slot, s)
	}
	if len(s.list) >= mostSliding {
		return nil, fail(LimitReached, "a sliding window of the key has %d messages, which is the most that are kept: lower size", len(s.list))
	}
	one := slid{at: m.at, seq: m.seq, values: make([]Value, len(m.values))}
	for i := range m.values {
		one.values[i] = m.values[i].keep()
	}
	at := len(s.list)
	for at > 0 && s.list[at-1].at > one.at {
		at--
	}
	s.list = slices.Insert(s.list, at, one)
	w.memory.bytes += s.sizeOf(&one)
	w.open++
	return s, nil
}

// drop lets go of the messages at or before a time.
func (s *slider) drop(until int64) {
	n := 0
	for n < len(s.list) && s.list[n].at <= until {
		s.of.memory.bytes -= s.sizeOf(&s.list[n])
		n++
	}
	s.of.open -= n
	clear(s.list[:n])
	s.list = s.list[n:]
	s.turned, s.added = max(s.turned-n, 0), max(s.added-n, 0)
}

// retire looks at the slider of a key that was to be silent, and drops it if it is.
func (s *slider) retire(size int64) {
	if last := len(s.list) - 1; last >= 0 && s.list[last].at+size > s.due {
		s.due = s.list[last].at + size
		s.tail.moved(s)
		return
	}
	k := s.kept
	s.of.memory.empty(k, s.of.slot)
	s.of.memory.tidy(k)
}

func (s *slidings) judge(*kept, int64) verdict { return passes }

func (s *slidings) put(l *lane, r *rule, m *arrival) error {
	if have, _ := m.key.memo(s.slot).(*slider); have != nil {
		have.drop(m.at - s.size)
	}
	one, err := s.hold(&s.silent, m, s.size)
	if err != nil {
		return err
	}
	t, err := one.result(r, len(one.list))
	s.emit(l, r, m.key, s.told(r, l, m.at-s.size), s.told(r, l, m.at), t)
	return err
}

// result is the tally of the first n that are held. The error is that of the last. From one call to the next n goes
// up, but for what was dropped in between.
func (s *slider) result(r *rule, n int) (t *tally, err error) {
	a := r.aggregate
	t = a.start()
	if a.layout.parts > 0 { // tallies are large, so that not each message can have one
		for i := range s.list[:n] {
			err = s.list[i].addTo(a, t)
		}
		return t, err
	}
	// Two stacks: when the front has run empty, all that was added becomes the front, each message with a tally of
	// itself and those behind it, so that the first can be dropped. Each message is added twice, whatever the size.
	if s.turned == 0 {
		for i := s.added - 1; i >= 0; i-- {
			s.list[i].tally = a.start()
			_ = s.list[i].addTo(a, s.list[i].tally)
			if i+1 < s.added {
				a.merge(s.list[i].tally, s.list[i+1].tally)
			}
		}
		s.turned, s.forward = s.added, a.start()
	}
	for ; s.added < n; s.added++ {
		err = s.list[s.added].addTo(a, s.forward)
	}
	if s.turned > 0 {
		a.merge(t, s.list[0].tally)
	}
	a.merge(t, s.forward)
	return t, err
}

func (s *slid) addTo(a *aggregates, t *tally) error { return a.add(t, s.values, s.at, s.seq) }

func (s *slidings) first() (int64, bool) { return silence(&s.silent) }

func silence(silent *timers[*slider]) (int64, bool) {
	s, ok := silent.first()
	if !ok {
		return 0, false
	}
	return s.due, true
}

func (s *slidings) close(*lane, *rule) {
	one, _ := s.silent.first()
	one.retire(s.size)
}

func (s *slidings) latest() (int64, bool) { return 0, false }

// LateSlidings are sliding windows in event time: a message may still come before others, so that its result waits
// for the watermark.
type lateSlidings struct {
	*windows
	size    int64
	results timers[*slidResult]
	ready   []*slidResult // of one end, in order
	silent  timers[*slider]
}

// A slidResult is a window that is open, of one message.
type slidResult struct {
	timer // due: the time of the message
	of    *slider
	from  uint64 // seq of the first message of the key in the window
}

func (s *lateSlidings) judge(_ *kept, at int64) verdict {
	if s.closed(at) {
		return late
	}
	return passes
}

func (s *lateSlidings) put(_ *lane, r *rule, m *arrival) error {
	one, err := s.hold(&s.silent, m, s.size)
	if err != nil {
		return err
	}
	s.results.add(&slidResult{timer: timer{due: m.at, seq: m.seq}, of: one})
	return r.aggregate.add(r.aggregate.start(), m.values, m.at, m.seq) // what is wrong with it
}

func (s *lateSlidings) first() (int64, bool) {
	if len(s.ready) > 0 {
		return s.ready[0].due, true
	}
	first, some := silence(&s.silent)
	if one, ok := s.results.first(); ok && (!some || one.due <= first) {
		return one.due, true
	}
	return first, some
}

func (s *lateSlidings) latest() (end int64, ok bool) {
	for _, one := range s.results.list {
		if !ok || one.due > end {
			end, ok = one.due, true
		}
	}
	return end, ok
}

func (s *lateSlidings) close(l *lane, r *rule) {
	if len(s.ready) == 0 {
		if end, _ := s.first(); !s.gather(end) {
			one, _ := s.silent.first()
			one.retire(s.size)
			return
		}
	}
	one := s.ready[0]
	s.ready = s.ready[1:]
	if one.of.kept == nil {
		return // the key was forgotten
	}
	one.of.wasTold(one.seq)
	one.of.drop(one.due - s.size)
	n := len(one.of.list)
	for n > 0 && one.of.list[n-1].at > one.due {
		n--
	}
	t, _ := one.of.result(r, n) // what is wrong with a message was told when it came
	s.emit(l, r, one.of.kept, one.due-s.size, one.due, t)
}

// gather makes ready the results that end at a time, by when their keys first appeared in the window.
func (s *lateSlidings) gather(end int64) bool {
	for one, ok := s.results.first(); ok && one.due == end; one, ok = s.results.first() {
		s.results.remove(one)
		one.from = one.seq
		for i := range one.of.list {
			if m := &one.of.list[i]; m.at > end-s.size && m.at <= end {
				one.from = min(one.from, m.seq)
			}
		}
		s.ready = append(s.ready, one)
	}
	slices.SortStableFunc(s.ready, func(a, b *slidResult) int {
		if a.from < b.from {
			return -1
		}
		if a.from > b.from {
			return 1
		}
		return 0
	})
	return len(s.ready) > 0
}
