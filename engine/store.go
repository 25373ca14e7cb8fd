package engine

import "time"

// An item is a message in a queue.
type item struct {
	m    *Message
	size int64
	at   time.Duration // when it came
	seq  uint64        // the how-manieth it was

	since   time.Duration // when it was taken to be tried, or to wait behind one that is
	tried   bool
	err     error // of the last try
	writing bool  // the running Write has it
	done    bool  // the last Write is done with it
	line    *line // where it waits for another try, or behind one that does

	prev, next *item

	// Of a store on disk.
	record       uint64   // its number there; 0: it is not written
	tail         bool     // it is in the store and not safe yet
	listed       bool     // it is not safe yet
	copy         *Message // it became safe while the sink had it: what takes the place of m if the sink does not take it
	older, newer *item    // neighbours of those that are not safe
}

// cost is what a message takes of a queue's bound: what it holds and about what holds it.
func cost(m *Message) int64 {
	size := 128 + len(m.Payload) + len(m.Address) + len(m.ID) + len(m.Key)
	for _, h := range m.Headers {
		size += len(h.Name) + len(h.Value)
	}
	return int64(size)
}

// A store holds what came into a queue and was not tried yet, first in, first out. The queue calls it under
// its lock. One on disk settles a message as soon as it is safe there, and gives another that says the same.
type store interface {
	put(*item)
	// peek returns the oldest without taking it, nil when there is none to be had now.
	peek() *item
	take() *item
	// size is all that was put and not taken.
	size() (messages int, bytes int64)
}

// A memory is the store of a queue that has no other.
type memory struct {
	first, last *item
	messages    int
	bytes       int64
}

func (s *memory) put(it *item) {
	it.next = nil
	if s.last != nil {
		s.last.next = it
	} else {
		s.first = it
	}
	s.last = it
	s.messages++
	s.bytes += it.size
}

func (s *memory) peek() *item { return s.first }

func (s *memory) take() *item {
	it := s.first
	if it == nil {
		return nil
	}
	s.first = it.next
	if s.first == nil {
		s.last = nil
	}
	it.next = nil
	s.messages--
	s.bytes -= it.size
	return it
}

func (s *memory) size() (int, int64) { return s.messages, s.bytes }
