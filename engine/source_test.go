package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

func TestSources(t *testing.T) {
	set := func(s *sink, sources map[string]engine.SourceSetup) engine.Set {
		return engine.Set{Program: to("s"), Sources: sources, Sinks: one("s", engine.SinkSetup{Sink: s})}
	}
	t.Run("subscribe only to what changed", func(t *testing.T) {
		bubble(t, engine.Limits{}, func(*feed) engine.Set { return engine.Set{} }, func(t *testing.T, e *engine.Engine, f *feed) {
			for _, filters := range [][]string{{"b", "a"}, {"a", "b"}, {"a", "c"}} {
				e.Swap(t.Context(), engine.Set{Sources: map[string]engine.SourceSetup{"feed": {Source: f, Filters: filters}}})
			}
			equal(t, "subscribed", f.subscribed(), [][]string{{"#"}, {"b", "a"}, {"a", "c"}})
		})
	})
	t.Run("subscribe until it works, to the newest", func(t *testing.T) {
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { f.refuse = 2; return engine.Set{} }, func(t *testing.T, e *engine.Engine, f *feed) {
			equal(t, "error", e.Stats().Sources["feed"].Error, "subscribe: not now")
			e.Swap(t.Context(), engine.Set{Sources: map[string]engine.SourceSetup{"feed": {Source: f, Filters: []string{"new"}}}})
			pass(time.Minute)
			equal(t, "subscribed", f.subscribed(), [][]string{{"new"}})
			equal(t, "error", e.Stats().Sources["feed"].Error, "")
		})
	})
	t.Run("run again after an error", func(t *testing.T) {
		bubble(t, engine.Limits{}, func(f *feed) engine.Set {
			f.runs = []error{errAway, errAway}
			return engine.Set{}
		}, func(t *testing.T, e *engine.Engine, f *feed) {
			st := e.Stats().Sources["feed"]
			equal(t, "error", fmt.Sprint(st.Error, " ", st.Running), "connection refused false")
			pass(999 * time.Millisecond)
			equal(t, "patient", f.starts(), 1)
			pass(3 * time.Second)
			st = e.Stats().Sources["feed"]
			equal(t, "runs", fmt.Sprint(f.starts(), st.Running, st.Restarts), "3 true 2")
		})
	})
	t.Run("close after the last message is settled", func(t *testing.T) {
		s := &sink{accept: stuck}
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { return set(s, sources(f)) }, func(t *testing.T, e *engine.Engine, f *feed) {
			f.send("a", "1")
			synctest.Wait()
			e.Swap(t.Context(), set(s, nil))
			synctest.Wait()
			equal(t, "takes no more", f.offer("a", "2"), false)
			pass(5 * time.Second)
			equal(t, "closed", f.closes(), 0)
			e.Swap(t.Context(), set(&sink{}, nil))
			synctest.Wait()
			equal(t, "settled", f.settled("1"), "delivered")
			equal(t, "closed", f.closes(), 1)
		})
	})
	t.Run("close all the same after the time to stop", func(t *testing.T) {
		s := &sink{accept: stuck}
		bubble(t, engine.Limits{StopTimeout: 20 * time.Second}, func(f *feed) engine.Set { return set(s, sources(f)) }, func(t *testing.T, e *engine.Engine, f *feed) {
			f.send("a", "1")
			synctest.Wait()
			e.Swap(t.Context(), set(s, nil))
			pass(20 * time.Second)
			equal(t, "closed", f.closes(), 1)
		})
	})
	t.Run("one that takes over waits for the other to close", func(t *testing.T) {
		ev := &events{}
		s := &sink{accept: stuck}
		var f2 *feed
		bubble(t, engine.Limits{}, func(f *feed) engine.Set { f.events = ev; return set(s, sources(f)) }, func(t *testing.T, e *engine.Engine, f *feed) {
			f2 = newFeed()
			f2.name, f2.events = "second", ev
			f.send("a", "1")
			synctest.Wait()
			e.Swap(t.Context(), set(s, sources(f2)))
			synctest.Wait()
			equal(t, "not yet", strings.Join(ev.list(), ", "), "run feed, ran feed")
			e.Swap(t.Context(), set(&sink{}, sources(f2)))
			synctest.Wait()
			equal(t, "order", strings.Join(ev.list(), ", "), "run feed, ran feed, close feed, run second")
		})
	})
}

// Messages are numbered by the name of their source, in the order of arrival, also over a swap of the source and
// without a gap.
func TestOrder(t *testing.T) {
	var mu sync.Mutex
	got := map[string][]uint64{}
	count := &program{process: func(_ time.Time, m *engine.Message, _ engine.Emit) {
		mu.Lock()
		defer mu.Unlock()
		got[m.Topic] = append(got[m.Topic], m.Order)
	}}
	set := func(f, other *feed) engine.Set {
		return engine.Set{Program: count, Sources: map[string]engine.SourceSetup{"feed": {Source: f}, "other": {Source: other}}}
	}
	other := newFeed()
	bubble(t, engine.Limits{Lanes: 1, Bytes: 100}, func(f *feed) engine.Set { return set(f, other) }, func(t *testing.T, e *engine.Engine, f *feed) {
		offer := func(f *feed, source, payload string) {
			f.offer(source, payload)
			synctest.Wait()
		}
		offer(f, "feed", "1")
		offer(f, "feed", "2")
		offer(other, "other", "1")
		next := newFeed()
		e.Swap(t.Context(), set(next, other))
		synctest.Wait()
		offer(next, "feed", "3")
		offer(other, "other", "2")
	})
	equal(t, "orders", fmt.Sprint(got), "map[feed:[1 2 3] other:[1 2]]")
}
