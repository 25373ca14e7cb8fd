package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// The policies bound the files, to a segment or so, as they bound memory.
func TestDiskFull(t *testing.T) {
	const most = 256 << 10
	for _, policy := range []engine.WhenFull{engine.Block, engine.DropOldest, engine.DropNewest} {
		t.Run(string(policy), func(t *testing.T) {
			bubbled(t, func(t *testing.T) {
				dir := t.TempDir()
				s := &sink{accept: refuse(errAway)}
				life(t, dir, s, engine.Buffer{MaxSize: most, WhenFull: policy}, func(e *engine.Engine, f *feed) {
					sent := 0
					for i := 1; i <= 1000; i++ {
						if !f.offer(fmt.Sprint("t", i%2), sized(i)) {
							t.Fatal("refused")
						}
						sent++
						synctest.Wait()
						if e.Stats().Sinks["s"].Waiting > 0 {
							break
						}
					}
					st := e.Stats().Sinks["s"]
					if got := folderSize(t, filepath.Join(dir, "s.test")); got > most+most/8+3*4096 {
						t.Errorf("%d bytes on disk", got)
					}
					if st.Queued.Messages < 130 || st.Queued.Messages > 250 {
						t.Errorf("%d messages in %d bytes", st.Queued.Messages, st.Queued.Bytes)
					}
					s.set(nil)
					pass(time.Minute)
					got := ids(s.all())
					switch policy {
					case engine.Block:
						equal(t, "stopped", sent < 250, true)
						equal(t, "got", len(got), sent)
					case engine.DropOldest:
						equal(t, "last", got[len(got)-1], "1000")
						equal(t, "dropped", int(st.Dropped.Oldest)+len(got), 1000)
					case engine.DropNewest:
						equal(t, "all are old", slices.Contains(got, fmt.Sprint(len(got))), true)
						equal(t, "dropped", int(st.Dropped.Newest)+len(got), 1000)
					}
					ordered(t, got, func(n int) int { return n % 2 })
					equal(t, "settled", f.count(), sent)
				})
			})
		})
	}
}

func folderSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		size += info.Size()
	}
	return size
}

func TestDiskMaxAge(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		buffer := engine.Buffer{MaxAge: time.Minute}
		life(t, dir, &sink{accept: refuse(errAway)}, buffer, func(e *engine.Engine, f *feed) {
			for i := 1; i <= 1000; i++ {
				f.send("t", fmt.Sprint(i))
			}
			allSettled(t, f, 1000)
			pass(50 * time.Second)
			for i := 1001; i <= 1100; i++ {
				f.send("t", fmt.Sprint(i))
			}
			allSettled(t, f, 1100)
			pass(5 * time.Second)
		})
		<-time.After(30 * time.Second)
		s := &sink{}
		life(t, dir, s, buffer, func(e *engine.Engine, f *feed) {
			pass(time.Second)
			equal(t, "got", s.all(), numbers(1001, 1100))
			equal(t, "dropped", e.Stats().Sinks["s"].Dropped.Age, 1000)
		})
	})
}
