package statelog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRealFiles uses the machine's file system.
func TestRealFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, quiet); !errors.Is(err, ErrLocked) {
		t.Errorf("a second one opens it: %v", err)
	}
	b := l.NewBatch()
	b.Change(testSpace, "k", part(0, Whole, "v"))
	if err := l.Commit(b); err != nil {
		t.Fatal(err)
	}
	<-l.Compact(nil)
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if l, err = Open(dir, quiet); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, l); got["7/k/0"] != "v" {
		t.Error(got)
	}
	l.Close()
}

// TestForeignFiles: what is no state file is set aside, what is of a newer edge is left alone, with a line each.
func TestForeignFiles(t *testing.T) {
	newer := header(99)
	newer[8] = version + 1
	newer = slices.Concat(withSum(newer[:copySize]), withSum(newer[:copySize]), []byte("what a newer edge writes"))
	for name, c := range map[string]struct {
		data   string
		line   string
		stays  string // where the bytes are afterwards
		useful string // the file that is used
	}{
		"text":  {"this is no state file, but somebody's notes, long enough", "set aside", "/s/log.bad", "/s/log"},
		"newer": {string(newer), "newer edge", "/s/log", "/s/log.v1"},
		"short": {"hello", "set aside", "/s/log.bad", "/s/log"},
	} {
		fs := newModelFS()
		fs.names["/s/log"] = &inode{data: []byte(c.data)}
		var said bytes.Buffer
		l, err := open(fs, "/s", slog.New(slog.NewTextHandler(io.Writer(&said), nil)))
		if err != nil {
			t.Fatal(name, err)
		}
		if !strings.Contains(said.String(), c.line) {
			t.Errorf("%s: said %s", name, said.String())
		}
		b := l.NewBatch()
		b.Change(testSpace, "k", part(0, Whole, "v"))
		if err := l.Commit(b); err != nil {
			t.Fatal(err)
		}
		if string(fs.names[c.stays].data) != c.data || fs.names[c.useful] == nil {
			t.Errorf("%s: files %v", name, slices.Collect(maps.Keys(fs.names)))
		}
		if got := contents(t, mustOpen(t, fs)); got["7/k/0"] != "v" {
			t.Errorf("%s: after a restart %v", name, got)
		}
	}
}

func withSum(h []byte) []byte {
	h = slices.Clone(h)
	sum := crc32.Checksum(h[:copySize-4], castagnoli)
	return append(h[:copySize-4], byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// FuzzOpen: no file makes it panic or hang.
func FuzzOpen(f *testing.F) {
	fs := newModelFS()
	l := mustOpen(f, fs)
	b := l.NewBatch()
	b.Name(testSpace, Info{"r", "s"})
	b.Change(testSpace, "k", append(part(0, Whole, "v"), part(1, Growth, "w")...))
	b.Gone(testSpace, "k")
	b.Clock(1)
	_ = l.Commit(b)
	f.Add(fs.names["/s/log"].data, uint16(50), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, bits byte) {
		if len(data) > 0 {
			data = slices.Clone(data)
			data[int(at)%len(data)] ^= bits
		}
		reopen(t, data)
	})
}

// BenchmarkCommit: batches of changes of 100 bytes each, on the machine's disk.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, err := Open(b.TempDir(), quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			batch := l.NewBatch()
			parts := part(1, Whole, strings.Repeat("x", 60))
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				for i := range n {
					batch.Change(testSpace, "device-0042"[:10]+string(rune('0'+i%10)), parts)
				}
				if err := l.Commit(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
