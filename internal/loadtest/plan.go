package loadtest

import (
	"context"
	"math"
	"time"
)

// A Plan says how many messages are sent, and when.
type Plan struct {
	Rate float64       // a second: message i is due i/Rate after the start. 0: as fast as they are taken
	N    int64         // how many; 0: no bound
	For  time.Duration // how long; 0: no bound. One of the two is set

	// Sleeper gives what a schedule sleeps with, and ends it; nil: the runtime's, which rounds to a millisecond.
	Sleeper func() (sleep func(time.Duration), end func())
}

// Sent is what became of a Plan.
type Sent struct {
	Began, Ended time.Time
	Messages     int64
	Planned      int64 // by the schedule; without one as many as were sent
	Late         int64 // sent more than a millisecond after they were due
	MostLate     time.Duration
}

// Messages that are later than this are counted as late.
const lateAfter = time.Millisecond

// Planned is how many messages a schedule has; 0 without one and without N.
func (p Plan) Planned() int64 {
	if p.Rate <= 0 || p.For <= 0 {
		return p.N
	}
	n := int64(math.Ceil(p.Rate * p.For.Seconds()))
	if p.N > 0 {
		n = min(n, p.N)
	}
	return n
}

// Run calls send for one message after the other, with its number from 0 on and when it was due: without a schedule that is
// now. send may wait for room, and returns false when there is no sense in going on; that message does not count.
//
// What is due is sent however late: to leave it out would leave out the worst of the latencies. But a schedule that takes
// more than twice its time is given up.
func (p Plan) Run(ctx context.Context, send func(i int64, due time.Time) bool) Sent {
	planned := p.Planned()
	s := Sent{Began: time.Now()}
	sleep := time.Sleep
	var until time.Time
	switch {
	case p.Rate > 0:
		if p.Sleeper != nil {
			exact, end := p.Sleeper()
			defer end()
			sleep = exact
		}
		until = s.Began.Add(2*p.due(planned) + time.Second)
	case p.For > 0:
		until = s.Began.Add(p.For)
	}
	for i := int64(0); planned == 0 || i < planned; i++ {
		now := time.Now()
		due := now
		if p.Rate > 0 {
			due = s.Began.Add(p.due(i))
			now = sleepUntil(ctx, sleep, now, due)
			late := now.Sub(due)
			if late > lateAfter {
				s.Late++
			}
			s.MostLate = max(s.MostLate, late)
		}
		if !until.IsZero() && now.After(until) || ctx.Err() != nil || !send(i, due) {
			break
		}
		s.Messages++
	}
	s.Ended = time.Now()
	s.Planned = s.Messages
	if p.Rate > 0 {
		s.Planned = planned
	}
	return s
}

func (p Plan) due(i int64) time.Duration {
	return time.Duration(float64(i) / p.Rate * float64(time.Second))
}

// sleepUntil returns the time it is then. It looks at ctx now and then.
func sleepUntil(ctx context.Context, sleep func(time.Duration), now, due time.Time) time.Time {
	const most = 50 * time.Millisecond
	for now.Before(due) && ctx.Err() == nil {
		sleep(min(due.Sub(now), most))
		now = time.Now()
	}
	return now
}

// WarmUp is what is sent before p and not counted: a tenth of it, at most a second or 10,000 messages.
func (p Plan) WarmUp() Plan {
	w := Plan{Rate: p.Rate, N: 10_000, For: time.Second, Sleeper: p.Sleeper}
	if p.For > 0 {
		w.For = min(w.For, p.For/10)
	}
	if p.N > 0 {
		w.N = max(1, min(w.N, p.N/10))
	}
	return w
}
