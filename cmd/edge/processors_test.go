package main

import (
	"testing"
	"time"
)

// One processor until it is nearly used up, all until little has been used for some time, and for longer by those
// who come back at once.
func TestDemand(t *testing.T) {
	var d demand
	var at, cpu time.Duration
	pass := func(took time.Duration, used float64) {
		for end := at + took; at < end; {
			at += demandInterval
			cpu += time.Duration(used * float64(demandInterval))
			d.sample(at, cpu)
		}
	}
	want := func(all bool) {
		t.Helper()
		if d.all != all {
			t.Errorf("at %v: all %v, want %v", at, d.all, all)
		}
	}
	pass(time.Second, 5) // the first sample has nothing to compare with
	d = demand{at: at, cpu: cpu}
	pass(time.Hour, 0.6)
	want(false)
	pass(demandInterval, 0.9)
	want(true)
	pass(time.Hour, 0.6) // what one processor did not do
	want(true)
	pass(leastWait-demandInterval, 0.3)
	pass(demandInterval, 0.6)
	pass(leastWait, 0.3)
	want(true)
	pass(demandInterval, 0.3)
	want(false)
	pass(demandInterval, 0.9) // back at once
	pass(leastWait+demandInterval, 0.3)
	want(true)
	pass(leastWait, 0.3)
	want(false)
	pass(time.Minute, 0.3)
	pass(demandInterval, 0.9) // much later
	pass(leastWait+demandInterval, 0.3)
	want(false)
	d.skip = true // files are loaded
	pass(demandInterval, 2)
	want(false)
}
