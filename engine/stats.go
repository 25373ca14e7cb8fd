package engine

import (
	"cmp"
	"time"
)

// Stats is a snapshot of an engine, for metrics and status pages. Counters only grow for as long as a name
// lives.
type Stats struct {
	InFlight   Usage         // received and not settled yet
	Unsettled  time.Duration // age of the oldest of them
	Lanes      int
	Backlog    int    // messages that wait for their lane
	Panics     uint64 // of the program
	Generation uint64 // counts the swaps

	Sources map[string]SourceStats
	Sinks   map[string]SinkStats
}

// Usage is what of a bound is in use, and the most that ever was.
type Usage struct {
	Messages, MaxMessages int
	Bytes, MaxBytes       int64
}

// SourceStats is the part of a source.
type SourceStats struct {
	In        uint64 // messages taken
	Overload  uint64 // QoS 0 messages refused at the bound; they are lost
	Refused   uint64 // others refused at the bound; they come again
	Unsettled int    // messages taken and not settled yet
	Running   bool
	Restarts  uint64    // of Run, after an error
	Error     string    // the last error of Run or Subscribe, empty once it runs again
	Since     time.Time // of Error
}

// SinkStats is the part of a sink and its queue.
type SinkStats struct {
	Kind     string
	Queued   Usage
	Failing  int // keys that wait for another try
	Batches  uint64
	Written  uint64 // messages accepted by the sink
	Retries  uint64 // tries after the first, counted by message
	Rejected uint64 // refused for good by the sink
	Expired  uint64 // rejected because retry.max_elapsed or the queue's own end came
	Dropped  Drops
	Up       bool   // false while nothing gets through
	Error    string // the last one, kept when the sink is up again
	ErrorAt  time.Time
	DownFor  time.Duration
	Retired  bool // its name is gone; it works off what it has
	Waiting  int  // lanes that wait for room in it
	Stalls   bool // a source gets no more before what is in it is settled
	Disk     DiskStats
}

// Drops counts messages dropped by policy.
type Drops struct{ Oldest, Newest, Age uint64 }

// Stats takes a snapshot. It waits for no sink.
func (e *Engine) Stats() Stats {
	s := Stats{Lanes: len(e.lanes), Panics: e.panics.Load(), Generation: e.swaps.Load(),
		Sources: map[string]SourceStats{}, Sinks: map[string]SinkStats{}}
	e.gate.mu.Lock()
	s.InFlight = e.gate.use
	if m := e.gate.oldest; m != nil {
		s.Unsettled = time.Since(m.Received)
	}
	e.gate.mu.Unlock()
	for _, l := range e.lanes {
		l.mu.Lock()
		s.Backlog += len(l.inbox)
		l.mu.Unlock()
	}
	if e.running.Load() == nil {
		return s
	}
	e.mu.Lock()
	for name, p := range e.ports {
		s.Sources[name] = p.snapshot()
	}
	e.mu.Unlock()
	b := e.bounds()
	for _, q := range e.allQueues() {
		name := q.name
		snap := q.snapshot(b)
		if now := e.running.Load().queues[name]; now != nil && now != q {
			name += " (retired)" // the name has a queue of another kind now
		}
		s.Sinks[name] = snap
	}
	return s
}

func (p *port) snapshot() SourceStats {
	gate := &p.engine.gate
	gate.mu.Lock()
	in := p.in
	gate.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := SourceStats{In: in, Overload: p.overload.Load(), Refused: p.refused.Load(),
		Unsettled: int(p.unsettled.Load()), Running: p.runs, Restarts: p.restarts.Load(), Since: p.since}
	select {
	case <-p.stopped:
	default:
		s.Unsettled-- // that of Run
	}
	if err := cmp.Or(p.runErr, p.topicErr); err != nil {
		s.Error = err.Error()
	}
	return s
}

func (q *queue) snapshot(b bounds) SinkStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Kind, s.Retired, s.Failing, s.Up = q.kind, q.retired, len(q.lines), q.sick.IsZero()
	s.Queued = q.max
	s.Queued.Messages, s.Queued.Bytes = q.size()
	s.Waiting = q.waiting
	s.Stalls = b.full && q.lingers(q.engine.clock.read())
	if q.disk != nil {
		s.Disk = q.disk.snapshot()
	}
	if q.lastErr != nil {
		s.Error = q.lastErr.Error()
	}
	if !s.Up {
		s.DownFor = time.Since(q.sick)
	}
	return s
}
