// Package loadtest is what a load test needs whatever it tests: when each message is due, how long each took, and which
// inputs came out, once and in order.
package loadtest

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A Latency counts durations in buckets that are at most 1.6 % wide. Add is for many goroutines, and cheap enough to be
// called for each message: no lock, no allocation. (A sketch as rules use it has float logarithms and needs a lock.)
type Latency struct {
	buckets [64*34 + 128]atomic.Uint64
	max     atomic.Int64
}

// Add counts one. Beyond half an hour all are alike.
func (l *Latency) Add(d time.Duration) {
	d = max(d, 0)
	l.buckets[bucket(d)].Add(1)
	for {
		most := l.max.Load()
		if int64(d) <= most || l.max.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// Reset forgets all. Nobody calls Add meanwhile.
func (l *Latency) Reset() {
	for i := range l.buckets {
		l.buckets[i].Store(0)
	}
	l.max.Store(0)
}

// Count is how many there were.
func (l *Latency) Count() (n uint64) {
	for i := range l.buckets {
		n += l.buckets[i].Load()
	}
	return n
}

// Max is the longest, exactly.
func (l *Latency) Max() time.Duration { return time.Duration(l.max.Load()) }

// Percentile gives the duration that p % were not above: never less than it was, and at most 1.6 % more. 0 if there were none.
func (l *Latency) Percentile(p float64) time.Duration {
	rank := uint64(math.Ceil(p / 100 * float64(l.Count())))
	seen := uint64(0)
	for i := range l.buckets {
		if seen += l.buckets[i].Load(); seen >= rank && seen > 0 {
			return min(upper(i), l.Max())
		}
	}
	return l.Max()
}

// bucket: durations below 128 ns have one each; above, each doubling has 64.
func bucket(d time.Duration) int {
	v := uint64(d)
	e := max(bits.Len64(v)-7, 0)
	if e > 34 {
		return 64*34 + 127
	}
	return e*64 + int(v>>e)
}

// upper is the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < 128 {
		return time.Duration(i)
	}
	e := i/64 - 1
	return time.Duration((uint64(i-e*64)+1)<<e - 1)
}
