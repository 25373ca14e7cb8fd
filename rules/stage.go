package rules

import (
	"time"

	"edge/engine"
)

// trialStart is `at: 0s` of every test.
var trialStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A stage runs a program on a clock of its own, as the engine does on the world's: what is due before a message
// fires before it, what is due at the same instant fires after all messages of that instant.
type stage struct {
	program engine.Program
	lane    engine.Lane
	now     time.Time
	emit    engine.Emit
}

func newStage(p engine.Program, start time.Time, emit func(now time.Time, sink string, out *engine.Message)) *stage {
	s := &stage{program: p, lane: p.Lane(), now: start}
	s.emit = func(sink string, out *engine.Message) { emit(s.now, sink, out) }
	return s
}

// send hands in a message at a time that is not before any other.
func (s *stage) send(at time.Time, m *engine.Message) {
	if at.After(s.now) {
		s.until(at.Add(-1))
		s.now = at
	}
	s.lane.Process(s.now, m, s.emit)
	m.Done()
}

// until lets time pass, and fires what is due by end, each at its time.
func (s *stage) until(end time.Time) {
	for {
		next := s.program.Tick(s.now, s.emit)
		if next.IsZero() || next.After(end) {
			s.now = end
			return
		}
		s.now = next
	}
}
