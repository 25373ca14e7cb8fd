package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// onDisk is a sink with its buffer in dir.
func onDisk(t *testing.T, b *engine.Buffers, s engine.Sink, buffer engine.Buffer) engine.SinkSetup {
	t.Helper()
	d, err := b.Open("s", "test")
	if err != nil {
		t.Fatal(err)
	}
	if buffer.Type == "" {
		buffer.Type = engine.OnDisk
	}
	return engine.SinkSetup{Sink: s, Kind: "test", Buffer: buffer, Disk: d}
}

// life runs an engine with one sink that has its buffer in dir, from start to stop.
func life(t *testing.T, dir string, s *sink, buffer engine.Buffer, test func(e *engine.Engine, f *feed)) {
	t.Helper()
	b := engine.NewBuffers(dir, quiet)
	lifeOn(t, b, to("s"), map[string]engine.SinkSetup{"s": onDisk(t, b, s, buffer)}, test)
}

func lifeOn(t *testing.T, b *engine.Buffers, p engine.Program, sinks map[string]engine.SinkSetup, test func(e *engine.Engine, f *feed)) {
	t.Helper()
	f := newFeed()
	e := engine.New(engine.Limits{Lanes: 1}, quiet)
	e.Swap(t.Context(), engine.Set{Program: p, Sources: sources(f), Sinks: sinks})
	synctest.Wait()
	test(e, f)
	e.Stop(context.Background())
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// bubbled is a test in virtual time.
func bubbled(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }

// allSettled waits until the feed has n messages settled.
func allSettled(t *testing.T, f *feed, n int) {
	t.Helper()
	for f.count() < n {
		select {
		case <-f.room:
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d are settled", f.count(), n)
		}
	}
}

// What waits for a sink is settled by the disk, and delivered after a restart: once, in order.
func TestDiskKeeps(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		life(t, dir, &sink{accept: refuse(errAway)}, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			for i := 1; i <= 3000; i++ {
				f.send(fmt.Sprint("t", i%3), fmt.Sprint(i))
			}
			allSettled(t, f, 3000)
			for i := 1; i <= 3000; i++ {
				equal(t, "settled", f.settled(fmt.Sprint(i)), "delivered")
			}
			st := e.Stats()
			equal(t, "in flight", st.InFlight.Messages, 0)
			d := st.Sinks["s"].Disk
			equal(t, "on disk", fmt.Sprint(d.Used, d.Messages, d.Synced)+d.Error, "true 3000 3000")
			if d.Syncs == 0 || d.Syncs > 2000 || d.Bytes < 3000*50 {
				t.Errorf("%+v", d)
			}
			equal(t, "queued", st.Sinks["s"].Queued.Messages, 3000)
			start := time.Now()
			e.Stop(context.Background())
			if took := time.Since(start); took > 0 {
				t.Errorf("the stop waited %v for a sink that is down", took)
			}
		})
		equal(t, "left", len(engine.NewBuffers(dir, nil).Left()), 1)
		s := &sink{}
		life(t, dir, s, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			for i := 3001; i <= 3100; i++ {
				f.send("t", fmt.Sprint(i))
			}
			pass(time.Second)
			equal(t, "got", s.all(), numbers(1, 3100))
			equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 0)
		})
		equal(t, "left", len(engine.NewBuffers(dir, nil).Left()), 0)
		again := &sink{}
		life(t, dir, again, engine.Buffer{}, func(*engine.Engine, *feed) { pass(time.Second) })
		equal(t, "again", again.all(), []string(nil))
	})
}

// A clean stop in the middle of the backlog doubles nothing, wherever it comes.
func TestDiskCleanStops(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		life(t, dir, &sink{accept: refuse(errAway)}, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			for i := 1; i <= 2000; i++ {
				f.send(fmt.Sprint("t", i%5), fmt.Sprint(i))
			}
			allSettled(t, f, 2000)
		})
		var got []string
		for n := 0; len(got) < 2000 && n < 100; n++ {
			s := &sink{}
			left := 37 + n*31
			s.accept = func(_ context.Context, m *engine.Message) error {
				if left--; left < 0 {
					return errAway
				}
				return nil
			}
			life(t, dir, s, engine.Buffer{}, func(*engine.Engine, *feed) { pass(time.Second) })
			got = append(got, s.all()...)
		}
		equal(t, "got", len(got), 2000)
		ordered(t, got, func(n int) int { return n % 5 })
	})
}

// ordered holds numbers to their order by key, and to come once.
func ordered(t *testing.T, got []string, key func(n int) int) {
	t.Helper()
	last, seen := map[int]int{}, map[int]bool{}
	for _, text := range got {
		var n int
		fmt.Sscan(text, &n)
		if seen[n] {
			t.Errorf("%d came twice", n)
		}
		if n < last[key(n)] {
			t.Errorf("%d came after %d", n, last[key(n)])
		}
		seen[n], last[key(n)] = true, max(n, last[key(n)])
	}
}

// One key that fails leaves the others their way, and a restart in between neither loses nor doubles.
func TestDiskBadKey(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		s := &sink{accept: func(_ context.Context, m *engine.Message) error {
			if m.Key == "t1" {
				return errAway
			}
			return nil
		}}
		life(t, dir, s, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			for i := 1; i <= 900; i++ {
				f.send(fmt.Sprint("t", i%3), fmt.Sprint(i))
			}
			allSettled(t, f, 900)
			pass(time.Minute)
			equal(t, "got", len(s.all()), 600)
			equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 300)
		})
		s.set(nil)
		life(t, dir, s, engine.Buffer{}, func(*engine.Engine, *feed) { pass(time.Minute) })
		equal(t, "got", len(s.all()), 900)
		ordered(t, s.all(), func(n int) int { return n % 3 })
	})
}

// From memory to disk and back, with messages that wait, none is lost and the order stays.
func TestDiskSwitch(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		b := engine.NewBuffers(dir, quiet)
		s := &sink{accept: refuse(errAway)}
		memory := engine.SinkSetup{Sink: s, Kind: "test"}
		disk := onDisk(t, b, s, engine.Buffer{})
		set := func(e *engine.Engine, f *feed, setup engine.SinkSetup) {
			e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", setup)})
			synctest.Wait() // the queue's goroutine has taken it over
		}
		lifeOn(t, b, to("s"), one("s", memory), func(e *engine.Engine, f *feed) {
			send := func(from, to int) {
				for i := from; i <= to; i++ {
					f.send("t", fmt.Sprint(i))
				}
				synctest.Wait()
			}
			send(1, 400)
			equal(t, "in memory", f.count(), 0)
			set(e, f, disk)
			send(401, 800)
			allSettled(t, f, 800)
			equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 800)
			set(e, f, memory)
			send(801, 1000)
			pass(time.Second)
			equal(t, "in memory again", f.count(), 800)
			set(e, f, disk)
			allSettled(t, f, 1000)
			set(e, f, memory)
			send(1001, 1200)
			s.set(nil)
			pass(time.Minute)
			equal(t, "got", s.all(), numbers(1, 1200))
			allSettled(t, f, 1200)
			equal(t, "disk", e.Stats().Sinks["s"].Disk.Used, false)
			if _, err := os.Stat(filepath.Join(dir, "s.test")); !os.IsNotExist(err) {
				t.Errorf("the folder is still there: %v", err)
			}
			set(e, f, disk)
			send(1201, 1300)
			pass(time.Second)
			equal(t, "got", s.all(), numbers(1, 1300))
		})
	})
}

// A buffer that is in memory since the last start works off what is on disk first.
func TestDiskLeftToMemory(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		life(t, dir, &sink{accept: refuse(errAway)}, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			for i := 1; i <= 600; i++ {
				f.send("t", fmt.Sprint(i))
			}
			allSettled(t, f, 600)
		})
		s := &sink{}
		life(t, dir, s, engine.Buffer{Type: engine.InMemory}, func(e *engine.Engine, f *feed) {
			for i := 601; i <= 700; i++ {
				f.send("t", fmt.Sprint(i))
			}
			pass(time.Second)
			equal(t, "got", s.all(), numbers(1, 700))
			equal(t, "disk", e.Stats().Sinks["s"].Disk.Used, false)
		})
	})
}

// A removed sink works off its buffer; what is left when its time is over stays on disk, for the next of its name.
func TestDiskRemovedSink(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		b := engine.NewBuffers(dir, quiet)
		s := &sink{accept: refuse(errAway)}
		disk := onDisk(t, b, s, engine.Buffer{})
		lifeOn(t, b, to("s"), one("s", disk), func(e *engine.Engine, f *feed) {
			for i := 1; i <= 500; i++ {
				f.send("t", fmt.Sprint(i))
			}
			allSettled(t, f, 500)
			e.Swap(t.Context(), engine.Set{Program: to(), Sources: sources(f)})
			pass(9 * time.Minute)
			equal(t, "works", len(e.Stats().Sinks), 1)
			pass(2 * time.Minute)
			equal(t, "gone", len(e.Stats().Sinks), 0)
			equal(t, "closed", s.closes(), 1)
			equal(t, "left", b.Left()[0].Sink+" "+b.Left()[0].Kind, "s test")

			next := &sink{}
			disk.Sink = next
			e.Swap(t.Context(), engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", disk)})
			pass(time.Second)
			equal(t, "got", next.all(), numbers(1, 500))
			e.Swap(t.Context(), engine.Set{Program: to(), Sources: sources(f)})
			pass(time.Second)
			equal(t, "left", len(b.Left()), 0)
		})
	})
}

// A stop does not wait for a removed sink whose messages are safe.
func TestDiskStopWithRemovedSink(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		b := engine.NewBuffers(t.TempDir(), quiet)
		s := &sink{accept: refuse(errAway)}
		lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(e *engine.Engine, f *feed) {
			f.send("t", "1")
			allSettled(t, f, 1)
			e.Swap(t.Context(), engine.Set{Program: to(), Sources: sources(f)})
			pass(time.Second)
			start := time.Now()
			e.Stop(context.Background())
			equal(t, "took", time.Since(start), 0)
			equal(t, "left", len(b.Left()), 1)
		})
	})
}

func TestDiskLock(t *testing.T) {
	dir := t.TempDir()
	b, other := engine.NewBuffers(dir, nil), engine.NewBuffers(dir, nil)
	if _, err := b.Open("s", "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open("s", "test"); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("error %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := other.Open("s", "test"); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}
