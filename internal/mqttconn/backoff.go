package mqttconn

import (
	"math/rand/v2"
	"time"
)

// How long to wait before the next attempt.
const (
	shortestWait = 250 * time.Millisecond
	longestWait  = 30 * time.Second
	steady       = 60 * time.Second // a connection that lived this long was a good one
)

type backoff struct {
	wait      time.Duration
	takeovers []time.Time
}

func (b *backoff) reset() { b.wait = 0 }

// next doubles from the shortest to the longest, with jitter, so that a fleet does not come back in step.
func (b *backoff) next() time.Duration {
	b.wait = min(max(2*b.wait, shortestWait), longestWait)
	return b.wait/2 + rand.N(b.wait/2)
}

// takeover notes one and says whether it is the third within half a minute.
func (b *backoff) takeover() bool {
	b.takeovers = append(b.takeovers, time.Now())
	if len(b.takeovers) < 3 {
		return false
	}
	b.takeovers = b.takeovers[len(b.takeovers)-3:]
	return time.Since(b.takeovers[0]) < 30*time.Second
}
