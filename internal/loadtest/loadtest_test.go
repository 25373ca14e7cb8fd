package loadtest

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Percentiles are never below the true ones and at most 1.6 % above, over all that a duration may be.
func TestPercentiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []time.Duration{100, 10_000, time.Millisecond, 3 * time.Second, 20 * time.Minute} {
		var l Latency
		var all []time.Duration
		for range 10_000 {
			d := time.Duration(r.Int64N(int64(most)))
			all = append(all, d)
			l.Add(d)
		}
		slices.Sort(all)
		for _, p := range []float64{0.01, 50, 90, 99, 99.9, 100} {
			want := all[max(0, int(float64(len(all))*p/100+0.5)-1)]
			got := l.Percentile(p)
			if got < want || float64(got) > float64(want)*1.016+1 {
				t.Errorf("up to %v: p%v is %v, want %v", most, p, got, want)
			}
		}
		if l.Max() != all[len(all)-1] || l.Count() != 10_000 {
			t.Errorf("%v %d", l.Max(), l.Count())
		}
		l.Reset()
		if l.Max() != 0 || l.Count() != 0 || l.Percentile(99) != 0 {
			t.Error("not forgotten")
		}
	}
}

func TestBuckets(t *testing.T) {
	for i := range len(new(Latency).buckets) {
		if got := bucket(upper(i)); got != i {
			t.Fatalf("the end of bucket %d is in %d", i, got)
		}
		if i > 0 && bucket(upper(i-1)+1) != i {
			t.Fatalf("bucket %d does not begin where the one before ends", i)
		}
	}
	var l Latency
	l.Add(-1) // a clock may be odd
	l.Add(1 << 62)
	if l.Count() != 2 || l.Max() != 1<<62 || l.Percentile(100) > 1<<62 {
		t.Error(l.Max(), l.Percentile(100))
	}
}

// What is due is sent, however late, and says when it was due.
func TestPlanCatchesUp(t *testing.T) { synctest.Test(t, catchesUp) }

func catchesUp(t *testing.T) {
	p := Plan{Rate: 1000, N: 100}
	var dues []time.Duration
	var began time.Time
	sent := p.Run(t.Context(), func(i int64, due time.Time) bool {
		if i == 0 {
			began = due
		}
		if i == 10 {
			<-time.After(50 * time.Millisecond) // a stall
		}
		dues = append(dues, due.Sub(began))
		return true
	})
	if sent.Messages != 100 || sent.Planned != 100 || sent.Late < 40 || sent.MostLate < 45*time.Millisecond {
		t.Errorf("%+v", sent)
	}
	for i, due := range dues {
		if due != time.Duration(i)*time.Millisecond {
			t.Fatalf("message %d was due after %v", i, due)
		}
	}
	if took := sent.Ended.Sub(sent.Began); took < 99*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestPlanEnds(t *testing.T) { synctest.Test(t, ends) }

func ends(t *testing.T) {
	yes := func(int64, time.Time) bool { return true }
	step := func(int64, time.Time) bool { <-time.After(time.Millisecond); return true }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	stall := func(i int64, _ time.Time) bool { <-time.After(10 * time.Millisecond); return true }
	for _, test := range []struct {
		name          string
		ctx           context.Context
		plan          Plan
		send          func(int64, time.Time) bool
		least, most   int64
		planned       int64
		plannedIsSent bool
	}{
		{"n", t.Context(), Plan{N: 7}, yes, 7, 7, 7, false},
		{"for", t.Context(), Plan{For: 10 * time.Millisecond}, step, 11, 11, 0, true},
		{"the earlier", t.Context(), Plan{For: time.Hour, N: 3}, yes, 3, 3, 3, false},
		{"schedule of a time", t.Context(), Plan{Rate: 1000, For: 20 * time.Millisecond}, yes, 20, 20, 20, false},
		{"ctx", ended, Plan{For: time.Hour}, yes, 0, 0, 0, false},
		{"send", t.Context(), Plan{N: 7}, func(i int64, _ time.Time) bool { return i < 3 }, 3, 3, 3, false},
		{"a schedule that cannot be kept", t.Context(), Plan{Rate: 1000, N: 1000}, stall, 1, 302, 1000, false},
	} {
		sent := test.plan.Run(test.ctx, test.send)
		if test.plannedIsSent {
			test.planned = sent.Messages
		}
		if sent.Messages < test.least || sent.Messages > test.most || sent.Planned != test.planned {
			t.Errorf("%s: %+v", test.name, sent)
		}
	}
	if w := (Plan{For: 5 * time.Second, Rate: 10}).WarmUp(); w.For != 500*time.Millisecond || w.Rate != 10 {
		t.Errorf("%+v", w)
	}
	if w := (Plan{N: 5}).WarmUp(); w.N != 1 {
		t.Errorf("%+v", w)
	}
}

func TestLedger(t *testing.T) {
	l := NewLedger(100)
	at := time.Now()
	came := func(n int64, topic string) { l.Came(n, true, topic, at.Add(time.Second)) }
	l.Sent(1, 0, at, true)
	came(1, "out")
	l.Begin(2)
	came(1, "out") // of the warm-up
	for n := int64(2); n <= 10; n++ {
		l.Sent(n, int(n%2), at, n != 10)
	}
	came(2, "out")
	came(2, "other") // another topic is no duplicate
	came(2, "out")   // duplicate
	came(4, "out")
	came(3, "out") // of another input topic: in order
	came(8, "out")
	came(6, "out") // out of order
	came(6, "other")
	came(10, "out") // not expected
	came(99, "out") // never sent
	l.Came(0, false, "out", at)
	l.Unsent(7)
	select {
	case <-l.Room():
	default:
		t.Error("no room was told of")
	}
	want := Counts{Expected: 7, Seen: 5, Lost: 2, Outputs: 11, Duplicates: 1, OutOfOrder: 1, Unexpected: 1, Unnumbered: 2, WarmUp: 1}
	if got := l.Counts(); got != want || l.Awaited() != 2 || l.Latency.Count() != 8 {
		t.Errorf("got  %+v\nwant %+v, awaited %d, latencies %d", got, want, l.Awaited(), l.Latency.Count())
	}
}

// It remembers a bounded number of inputs: one that comes out after it is forgotten counts as lost.
func TestLedgerForgets(t *testing.T) {
	l := NewLedger(0)
	for n := int64(1); n <= remembered+1; n++ {
		l.Sent(n, 0, time.Time{}, true)
	}
	l.Came(1, true, "out", time.Time{})
	l.Came(2, true, "out", time.Time{})
	if c := l.Counts(); c.Unnumbered != 1 || c.Seen != 1 || c.Lost != remembered || len(l.entries) != remembered {
		t.Errorf("%+v", c)
	}
}

func TestUsage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process uses is read from /proc, which this system has not")
	}
	own, err := UsageOf(os.Getpid())
	for u := own; err == nil && u.CPU < own.CPU+30*time.Millisecond; u, err = UsageOf(os.Getpid()) {
	}
	if err != nil || own.Peak < 1<<20 {
		t.Errorf("%+v %v", own, err)
	}
	if _, err := UsageOf(999999999); err == nil {
		t.Error("no error for a process that is not there")
	}
}
