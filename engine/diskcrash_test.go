package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// A world is one buffer over several lives of an engine: what was sent, what was settled, what came.
type world struct {
	t       *testing.T
	random  *rand.Rand
	settled map[int]bool
	offered map[int]string // in this life: payloads

	mu   sync.Mutex
	up   bool // the sink takes what comes
	sent int
	came map[int]bool
	last map[string]int // to come in this life, by key

	strict  bool   // nothing comes twice in one life
	started func() // called when the buffer is open
}

const crashKeys = 3

func newWorld(t *testing.T, seed uint64) *world {
	return &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), settled: map[int]bool{}, came: map[int]bool{}}
}

// accept judges what comes: known, in order, and noted.
func (w *world) accept(_ context.Context, m *engine.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up {
		return errAway
	}
	text, _, _ := strings.Cut(string(m.Payload), " ")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > w.sent || m.Key != fmt.Sprint("t", n%crashKeys) {
		w.t.Errorf("unknown message %q of key %s", m.Payload, m.Key)
	}
	if n <= w.last[m.Key] && (w.strict || !w.came[n]) {
		w.t.Errorf("%d came after %d", n, w.last[m.Key])
	}
	w.last[m.Key] = n
	w.came[n] = true
	return nil
}

// send offers one message. The sink may go or come back before it.
func (w *world) send(f *feed, always bool) {
	payload := " " + strings.Repeat("x", w.random.IntN(1500))
	w.mu.Lock()
	if w.random.IntN(8) == 0 {
		w.up = always || !w.up
	}
	w.sent++
	n := w.sent
	w.mu.Unlock()
	payload = fmt.Sprint(n) + payload
	if f.offer(fmt.Sprint("t", n%crashKeys), payload) {
		w.offered[n] = payload
		return
	}
	w.mu.Lock()
	w.sent--
	w.mu.Unlock()
}

// live runs an engine on fs. It sends n messages, at times that differ, to a sink that is up or not.
func (w *world) live(fs *model, n int, buffer engine.Buffer, always bool) {
	t := w.t
	b := engine.NewBuffers("/buffers", quiet).On(fs)
	d, err := b.Open("s", "test")
	if err != nil {
		if fs.after() == nil {
			t.Fatalf("the buffer does not open: %v", err)
		}
		return // the power failed while it was opened
	}
	if w.started != nil {
		w.started()
	}
	w.up, w.last, w.offered = always, map[string]int{}, map[int]string{}
	f := newFeed()
	e := engine.New(engine.Limits{Lanes: 1, Messages: 20}, quiet)
	set := engine.Set{Program: to("s"), Sources: sources(f), Sinks: one("s", engine.SinkSetup{
		Sink: &sink{accept: w.accept}, Kind: "test", Disk: d, Buffer: buffer,
		Retry: engine.Retry{Backoff: engine.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond}}})}
	e.Swap(t.Context(), set)
	synctest.Wait()
	for range n {
		w.send(f, always)
		switch w.random.IntN(6) {
		case 0:
			synctest.Wait()
		case 1:
			pass(time.Duration(w.random.IntN(1500)) * time.Millisecond)
		}
		if fs.after() != nil {
			break
		}
	}
	if always {
		pass(time.Minute)
	}
	e.Stop(context.Background())
	for n, payload := range w.offered {
		switch got := f.settled(payload); got {
		case "delivered":
			w.settled[n] = true
		case "":
		default:
			t.Errorf("%d is %s", n, got)
		}
	}
}

// check says that nothing that was settled is lost.
func (w *world) check() {
	w.t.Helper()
	for n := range w.settled {
		if !w.came[n] {
			w.t.Errorf("%d was settled and never came", n)
		}
	}
}

// seeds runs test for many seeds, each in a bubble.
func seeds(t *testing.T, n int, test func(t *testing.T, seed uint64)) {
	if testing.Short() || raceEnabled {
		n /= 10
	}
	for seed := range uint64(n) {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			test(t, seed)
		})
	}
}

// The power fails in any operation on the file system, twice; what was not synced is there in any part. All
// that was settled comes.
func TestDiskPowerCuts(t *testing.T) {
	crashes := 0
	seeds(t, 600, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		w.strict = true
		fs := newModel(seed)
		buffer := engine.Buffer{Type: engine.OnDisk, MaxSize: 64 << 10}
		for range 2 {
			fs.crashAt = 1 + w.random.IntN(60)
			w.live(fs, 40, buffer, false)
			if left := fs.after(); left != nil {
				fs = left
				crashes++
			}
			fs.ops, fs.crashAt = 0, 0
		}
		w.live(fs, 10, buffer, true)
		w.check()
	})
	t.Logf("%d power cuts", crashes)
}

// Operations fail for a while: nothing is settled that is not safe, and afterwards all goes on by itself. Some
// seeds cut the power then, too.
func TestDiskFaults(t *testing.T) {
	seeds(t, 300, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		fs := newModel(seed)
		buffer := engine.Buffer{Type: engine.OnDisk, MaxSize: 64 << 10}
		errs := []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
		bad := map[string]bool{}
		for _, op := range []string{"write", "sync", "syncdir", "create", "remove", "truncate", "mkdir"} {
			bad[op] = w.random.IntN(3) == 0
		}
		count, started := 0, false
		fs.fail = func(op, name string) error {
			if !bad[op] || !started || strings.HasSuffix(name, "probe") {
				return nil
			}
			if count++; count/7%3 == 0 { // in bursts
				return errs[count/21%3]
			}
			return nil
		}
		if seed%3 == 0 {
			fs.crashAt = 1 + w.random.IntN(80)
		}
		w.started = func() { started = true }
		w.live(fs, 60, buffer, false)
		if left := fs.after(); left != nil {
			fs = left
		}
		fs.fail, fs.ops, fs.crashAt = nil, 0, 0
		w.live(fs, 10, buffer, true)
		w.check()
	})
}

// While the disk is full messages are not settled, the sink gets those that wait all the same, and when there
// is room again they are written.
func TestDiskNoSpace(t *testing.T) {
	for _, c := range []struct {
		op  string
		err error
	}{
		{"write", syscall.ENOSPC}, {"write", syscall.EIO}, {"sync", syscall.EIO}, {"sync", syscall.ENOSPC},
		{"create", syscall.EROFS}, {"syncdir", syscall.EIO},
	} {
		t.Run(c.op+" "+c.err.Error(), func(t *testing.T) {
			bubbled(t, func(t *testing.T) {
				fs := newModel(1)
				full := false
				fs.fail = func(op, name string) error {
					if full && (op == c.op && strings.HasSuffix(name, ".log") || op == "create" || op == "syncdir") {
						return c.err
					}
					return nil
				}
				set := func(is bool) {
					fs.mu.Lock()
					full = is
					fs.mu.Unlock()
				}
				b := engine.NewBuffers("/buffers", quiet).On(fs)
				s := &sink{accept: refuse(errAway)}
				lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(e *engine.Engine, f *feed) {
					send := func(from, to int) {
						for i := from; i <= to; i++ {
							f.send("t", fmt.Sprint(i))
						}
						pass(time.Second)
					}
					disk := func() engine.DiskStats { return e.Stats().Sinks["s"].Disk }
					set(true)
					send(1, 20)
					equal(t, "settled", f.count(), 0)
					if disk().Error == "" || disk().Since.IsZero() {
						t.Errorf("nothing is said: %+v", disk())
					}
					equal(t, "in flight", e.Stats().InFlight.Messages, 20)
					set(false)
					pass(20 * time.Second)
					equal(t, "healed", fmt.Sprint(f.count(), disk().Messages)+disk().Error, "20 20")
					set(true)
					send(21, 30)
					if c.op == "write" || c.op == "sync" { // the others are needed for a new file only
						equal(t, "settled", f.count(), 20)
					}
					s.set(nil)
					pass(time.Minute)
					equal(t, "drained", s.all(), numbers(1, 30))
					equal(t, "settled", f.count(), 30)
					equal(t, "on disk", disk().Messages, 0)
				})
			})
		})
	}
}

// A reader that fails is tried again; one that goes on failing leaves its file for the next start.
func TestDiskUnreadable(t *testing.T) {
	for _, passes := range []bool{true, false} {
		bubbled(t, func(t *testing.T) {
			fs := newModel(1)
			b := engine.NewBuffers("/buffers", quiet).On(fs)
			lifeOn(t, b, to("s"), one("s", onDisk(t, b, &sink{accept: refuse(errAway)}, engine.Buffer{MaxSize: 200 << 10})), func(e *engine.Engine, f *feed) {
				for i := 1; i <= 100; i++ {
					f.send("t", sized(i))
				}
				allSettled(t, f, 100)
			})
			all := fs.names(".log")
			if len(all) < 4 {
				t.Fatalf("segments: %v", all)
			}
			setup := onDisk(t, b, nil, engine.Buffer{})
			fs.fail = func(op, name string) error {
				if op == "read" && name == all[1] {
					return syscall.EIO
				}
				return nil
			}
			s := &sink{}
			setup.Sink = s
			lifeOn(t, b, to("s"), one("s", setup), func(e *engine.Engine, f *feed) {
				pass(5 * time.Second)
				before := len(s.all())
				if before == 0 || before == 100 {
					t.Errorf("%d came", before)
				}
				if passes {
					fs.mu.Lock()
					fs.fail = nil
					fs.mu.Unlock()
				}
				pass(2 * time.Minute)
				st := e.Stats().Sinks["s"].Disk
				equal(t, "all came, or are counted", len(s.all())+int(st.Damaged), 100)
				equal(t, "damaged", st.Damaged == 0, passes)
				if !passes && len(s.all()) == before {
					t.Error("the others did not come")
				}
			})
			fs.fail = nil
			lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(*engine.Engine, *feed) { pass(time.Second) })
			equal(t, "came", len(s.all()), 100)
		})
	}
}
