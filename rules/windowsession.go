package rules

import (
	"math"
	"slices"
)

// Sessions are windows that go on as long as messages come: one that comes gap or more after the last begins a new
// one. In event time a message may come in before others, and join two sessions to one.
type sessions struct {
	*windows
	gap, most int64 // most: max_duration
	ends      timers[*oneSession]
}

// A oneSession is one session of a key. Its timer is not moved for each message, but looks again when it is due:
// its due is never later than its end, and its seq that of its first message.
type oneSession struct {
	timer
	kept     *kept
	from, to int64 // its first and last message
	messages *tally
}

const sessionBytes = 96

// end is when a session ends that has these as its first and last message.
func (s *sessions) end(from, to int64) int64 {
	end := to + s.gap
	if s.most != math.MaxInt64 {
		end = min(end, from+s.most)
	}
	return end
}

// keySessions are the open ones of a key, the earliest first.
type keySessions struct {
	of   *sessions
	list []*oneSession
}

func (k *keySessions) size() int {
	n := 32
	for _, one := range k.list {
		n += sessionBytes + k.of.aggregate.size(one.messages)
	}
	return n
}

func (k *keySessions) leave(*memory, int) {
	for _, one := range k.list {
		k.of.ends.remove(one)
		k.of.open--
	}
}

// takes says whether a session that is open takes a message of a time, and is open with it too: an earlier first
// message brings the end by max_duration forward.
func (s *sessions) takes(one *oneSession, at int64) bool {
	return !s.closed(s.end(one.from, one.to)) && !s.closed(s.end(min(one.from, at), max(one.to, at))) && at < one.to+s.gap && at > one.from-s.gap && s.fits(one.from, one.to, at, at)
}

// fits says whether two spans together are short enough for one session.
func (s *sessions) fits(from, to, otherFrom, otherTo int64) bool {
	return max(to, otherTo)-min(from, otherFrom) < s.most
}

func (s *sessions) judge(k *kept, at int64) verdict {
	if s.event == nil || !s.closed(s.end(at, at)) {
		return passes
	}
	if have, _ := k.memo(s.slot).(*keySessions); have != nil {
		for _, one := range have.list {
			if s.takes(one, at) {
				return passes
			}
		}
	}
	return late
}

func (s *sessions) put(_ *lane, r *rule, m *arrival) error {
	have, _ := m.key.memo(s.slot).(*keySessions)
	if have == nil {
		have = &keySessions{of: s}
		s.memory.bytes += have.size()
		m.key.set(s.slot, have)
	}
	var one *oneSession
	for _, other := range have.list {
		switch {
		case !s.takes(other, m.at):
		case one == nil:
			one = other
			one.from, one.to = min(one.from, m.at), max(one.to, m.at)
		case s.fits(one.from, one.to, other.from, other.to):
			s.join(r, one, other)
		}
	}
	if one == nil {
		one = &oneSession{kept: m.key, from: m.at, to: m.at, messages: s.start(r, sessionBytes)}
		one.due, one.seq = s.end(m.at, m.at), m.seq
		s.ends.add(one)
		have.list = append(have.list, one)
	} else {
		have.list = slices.DeleteFunc(have.list, func(other *oneSession) bool { return other.kept == nil })
	}
	slices.SortFunc(have.list, func(a, b *oneSession) int {
		if a.from < b.from {
			return -1
		}
		return 1
	})
	if end := s.end(one.from, one.to); end < one.due {
		one.due = end
	}
	s.ends.moved(one)
	return s.add(r, one.messages, m)
}

// join makes one session of two. The other has no key then.
func (s *sessions) join(r *rule, one, other *oneSession) {
	before := s.aggregate.size(one.messages)
	r.aggregate.merge(one.messages, other.messages)
	s.memory.bytes += s.aggregate.size(one.messages) - before
	one.from, one.to, one.seq = min(one.from, other.from), max(one.to, other.to), min(one.seq, other.seq)
	s.ends.remove(other)
	s.ended(other.messages, sessionBytes)
	other.kept = nil
}

func (s *sessions) first() (int64, bool) {
	one, ok := s.ends.first()
	if !ok {
		return 0, false
	}
	return one.due, true
}

func (s *sessions) latest() (end int64, ok bool) {
	for _, one := range s.ends.list {
		if at := s.end(one.from, one.to); !ok || at > end {
			end, ok = at, true
		}
	}
	return end, ok
}

func (s *sessions) close(l *lane, r *rule) {
	one, _ := s.ends.first()
	end := s.end(one.from, one.to)
	if one.due < end {
		one.due = end
		s.ends.moved(one)
		return
	}
	s.ends.remove(one)
	s.ended(one.messages, sessionBytes)
	k := one.kept
	have := k.memo(s.slot).(*keySessions)
	have.list = slices.DeleteFunc(have.list, func(other *oneSession) bool { return other == one })
	if len(have.list) == 0 {
		s.memory.bytes -= have.size()
		k.set(s.slot, nil)
	}
	s.emit(l, r, k, s.told(r, l, one.from), s.told(r, l, end), one.messages)
}
