package rules

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"edge/engine"
)

// A book counts what became of the messages of one rule. Every message that comes in ends in exactly one of
// the outcomes; what has not yet is in flight. Those that the index knew to be filtered are in skipped, less while they
// are under way, and neither in in nor in filtered. A book outlives a reload: it belongs to the rule's name.
type book struct {
	in, skipped, delivered, filtered, failed atomic.Int64
	suppressed, late, kept, dropped, shadow  atomic.Int64

	results atomic.Int64 // of windows and timers, which no message brings
	missing atomic.Int64 // comparisons of what was missing
	leftOut atomic.Int64 // values that collect had no room for, of the windows that have closed

	mu     sync.Mutex
	shown  int64 // of skipped
	errors map[Class]int64
	logged map[Class]time.Time
}

// settle counts one message, or element of one, as done.
func (b *book) settle(outcome engine.Outcome) {
	switch outcome {
	case engine.Failed:
		b.failed.Add(1)
	case engine.Dropped:
		b.dropped.Add(1)
	default:
		b.delivered.Add(1)
	}
}

// err counts an error and says whether it is time to log one of its class again.
func (b *book) err(class Class, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.errors == nil {
		b.errors, b.logged = map[Class]int64{}, map[Class]time.Time{}
	}
	b.errors[class]++
	if last, ok := b.logged[class]; ok && now.Sub(last) < time.Minute {
		return false
	}
	b.logged[class] = now
	return true
}

// RuleStats is a rule and its book. In is the sum of the outcomes and InFlight. With split: each element
// counts.
type RuleStats struct {
	Name        string   `json:"name"`
	File        string   `json:"file"`
	Line        int      `json:"line"`
	Description string   `json:"description,omitempty"`
	Source      []string `json:"source"`
	Topic       string   `json:"topic,omitempty"`
	Enabled     bool     `json:"enabled"`
	Mode        string   `json:"mode,omitempty"`

	In         int64            `json:"in"`
	Delivered  int64            `json:"delivered"`
	Filtered   int64            `json:"filtered"`
	Suppressed int64            `json:"suppressed"`
	Late       int64            `json:"late"`
	Kept       int64            `json:"kept"`
	Error      int64            `json:"error"`
	Dropped    int64            `json:"dropped"`
	Shadow     int64            `json:"shadow"`
	InFlight   int64            `json:"in_flight"`
	Results    int64            `json:"results"`
	Missing    int64            `json:"missing"`
	LeftOut    int64            `json:"left_out"`
	Errors     map[string]int64 `json:"errors,omitempty"` // by class

	Keys       int64 `json:"keys"`        // of which the rule keeps something
	StateBytes int64 `json:"state_bytes"` // that this takes, about
	Evicted    int64 `json:"evicted"`     // keys that were forgotten since there was no room
}

func (b *book) read(s *RuleStats) {
	// Outcomes are read before what came in, so that a message on its way is in flight and never below zero.
	s.Delivered, s.Filtered, s.Error = b.delivered.Load(), b.filtered.Load(), b.failed.Load()
	s.Dropped, s.Shadow, s.Missing = b.dropped.Load(), b.shadow.Load(), b.missing.Load()
	s.Suppressed, s.Late, s.Kept, s.Results = b.suppressed.Load(), b.late.Load(), b.kept.Load(), b.results.Load()
	s.LeftOut = b.leftOut.Load()
	s.In = b.in.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = max(b.shown, b.skipped.Load()) // no counter goes back
	s.Filtered += b.shown
	s.In += b.shown
	s.InFlight = s.In - s.Delivered - s.Filtered - s.Suppressed - s.Late - s.Kept - s.Error - s.Dropped - s.Shadow
	if len(b.errors) > 0 {
		s.Errors = map[string]int64{}
		for class, n := range maps.All(b.errors) {
			s.Errors[string(class)] = n
		}
	}
}
