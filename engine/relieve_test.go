package engine_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// A bounded is a feed whose broker sends no more while window messages are not acknowledged, in order.
type bounded struct {
	*feed
	window      int
	count       sync.Mutex
	sent, acked int
}

func (b *bounded) sendNext() {
	b.count.Lock()
	n := b.sent
	b.sent++
	b.count.Unlock()
	b.offerQoS(1, fmt.Sprint("t", n%3), fmt.Sprint(n))
}

func (b *bounded) Full() bool {
	b.count.Lock()
	defer b.count.Unlock()
	for b.acked < b.sent && b.settled(fmt.Sprint(b.acked)) != "" {
		b.acked++
	}
	return b.sent-b.acked >= b.window
}

// A sink that is down and drops harms only itself, whatever its buffer would take; one that blocks holds its source
// back, and Stats says which it is.
func TestFullSourceAndDeadSink(t *testing.T) {
	for _, c := range []struct {
		policy engine.WhenFull
		size   int64
		sent   int
		stalls bool
		gone   bool // the sink is removed while the source is full
	}{
		{engine.Block, 0, 10, true, false},
		{engine.DropOldest, 0, 100, false, false},
		{engine.DropOldest, 0, 100, false, true},
		{engine.DropNewest, 0, 100, false, false},
		{engine.DropNewest, 300, 100, false, false}, // the two it has are the oldest: the others could not be acknowledged
	} {
		t.Run(fmt.Sprint(c.policy, c.size, c.gone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &bounded{feed: newFeed(), window: 10}
				dead, live := &sink{accept: refuse(errAway)}, &sink{}
				e := engine.New(engine.Limits{}, nil)
				e.Swap(t.Context(), engine.Set{Program: to("dead", "live"), Sources: map[string]engine.SourceSetup{"s": {Source: src}},
					Sinks: map[string]engine.SinkSetup{"live": {Sink: live}, "dead": {Sink: dead, Buffer: engine.Buffer{MaxSize: c.size, WhenFull: c.policy}}}})
				synctest.Wait()
				for i := range 1000 {
					for src.sent < 100 && !src.Full() {
						src.sendNext()
						synctest.Wait()
					}
					if i == 0 && c.gone {
						e.Swap(t.Context(), engine.Set{Program: to("live"), Sources: map[string]engine.SourceSetup{"s": {Source: src}},
							Sinks: one("live", engine.SinkSetup{Sink: live})})
					}
					pass(10 * time.Millisecond)
				}
				equal(t, "live", len(live.all()), c.sent)
				if c.gone {
					e.Stop(t.Context())
					return
				}
				st := e.Stats().Sinks["dead"]
				equal(t, "stalls", st.Stalls, c.stalls)
				if kept := st.Queued.Messages; !c.stalls && (c.size == 0 && kept == 0 || kept+int(st.Dropped.Oldest+st.Dropped.Newest) != 100) {
					t.Errorf("%d are kept, dropped are %+v", kept, st.Dropped)
				}
				e.Stop(t.Context())
			})
		})
	}
}

// QoS 0 does not wait for room in flight. A sink that hangs is not known to be down before it answers; what it
// has in hand stays.
func TestHangingSinkThatDropsLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFeed()
		hangs, live := &sink{accept: stuck}, &sink{}
		e := engine.New(engine.Limits{Messages: 100}, nil)
		e.Swap(t.Context(), engine.Set{Program: to("hangs", "live"), Sources: map[string]engine.SourceSetup{"s": {Source: src}},
			Sinks: map[string]engine.SinkSetup{"live": {Sink: live}, "hangs": {Sink: hangs, Batch: engine.Batch{MaxCount: 5}, Buffer: engine.Buffer{WhenFull: engine.DropOldest}}}})
		synctest.Wait()
		for i := range 400 {
			if !src.offer("t", fmt.Sprint(i)) {
				t.Fatalf("no room for message %d", i)
			}
			pass(20 * time.Millisecond)
		}
		equal(t, "live", len(live.all()), 400)
		e.Stop(t.Context())
	})
}
