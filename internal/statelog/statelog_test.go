package statelog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var quiet = slog.New(slog.DiscardHandler)

const testSpace = Space(7)

func part(slot uint64, form Form, text string) []byte {
	p := append(BeginPart(nil, slot), text...)
	p, _ = EndPart(p, 0, form)
	return p
}

// contents reads a log as its users do: values by key and slot, growth appended.
func contents(t testing.TB, l *Log) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := l.Scan(func(r *Record) {
		id := func(slot uint64) string { return fmt.Sprintf("%d/%s/%d", r.Space, r.Key, slot) }
		switch r.Kind {
		case Change, Anew:
			if r.Kind == Anew {
				maps.DeleteFunc(got, func(k, _ string) bool { return strings.HasPrefix(k, fmt.Sprintf("%d/%s/", r.Space, r.Key)) })
			}
			for rest := r.Parts; ; {
				p, next, ok := NextPart(rest)
				if !ok {
					break
				}
				switch p.Form {
				case Whole:
					got[id(p.Slot)] = string(p.Bytes)
				case Growth:
					got[id(p.Slot)] += string(p.Bytes)
				case Empty:
					delete(got, id(p.Slot))
				}
				rest = next
			}
		case Gone:
			maps.DeleteFunc(got, func(k, _ string) bool { return strings.HasPrefix(k, fmt.Sprintf("%d/%s/", r.Space, r.Key)) })
		case Drop:
			maps.DeleteFunc(got, func(k, _ string) bool { return strings.HasPrefix(k, fmt.Sprintf("%d/", r.Space)) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustOpen(t testing.TB, fs files) *Log {
	t.Helper()
	l, err := open(fs, "/s", quiet)
	if err != nil {
		t.Fatal(err)
	}
	l.inline = true
	return l
}

// A writer makes random batches and knows what they mean.
type writer struct {
	r    *rand.Rand
	want map[string]string
	n    int
}

// An effect is what one record does to the contents.
type effect func(c map[string]string)

func (w *writer) fill(b *Batch) (next map[string]string, each []effect) {
	next = maps.Clone(w.want)
	do := func(e effect) {
		e(next)
		each = append(each, e)
	}
	for range 1 + w.r.IntN(4) {
		w.n++
		space := Space(1 + w.r.IntN(2))
		key := fmt.Sprint("k", w.r.IntN(4))
		id := func(slot int) string { return fmt.Sprintf("%d/%s/%d", space, key, slot) }
		forget := func(prefix string, args ...any) effect {
			prefix = fmt.Sprintf(prefix, args...)
			return func(c map[string]string) {
				maps.DeleteFunc(c, func(k, _ string) bool { return strings.HasPrefix(k, prefix) })
			}
		}
		text, filler := fmt.Sprint("+", w.n), strings.Repeat("x", w.r.IntN(40))
		switch w.r.IntN(14) {
		case 0:
			b.Gone(space, key)
			do(forget("%d/%s/", space, key))
		case 1:
			b.Drop(space)
			do(forget("%d/", space))
		case 2:
			b.Change(space, key, part(0, Empty, ""))
			do(func(c map[string]string) { delete(c, id(0)) })
		case 3, 4:
			b.Anew(space, key, part(0, Whole, text))
			do(func(c map[string]string) {
				forget("%d/%s/", space, key)(c)
				c[id(0)] = text
			})
		case 5, 6, 7:
			b.Change(space, key, part(1, Growth, text))
			do(func(c map[string]string) { c[id(1)] += text })
		default:
			b.Change(space, key, append(part(0, Whole, text), part(2, Whole, filler)...))
			do(func(c map[string]string) { c[id(0)], c[id(2)] = text, filler })
		}
	}
	b.Clock(int64(w.n))
	return next, each
}

// possible says whether got is what was committed, without or with what was under way.
func possible(got, committed map[string]string, under []effect) bool {
	if maps.Equal(got, committed) {
		return true
	}
	c := maps.Clone(committed)
	for _, e := range under {
		e(c)
	}
	return maps.Equal(got, c)
}

// TestCrashAnywhere cuts the power at each operation on the file system in turn: what was committed is there,
// and the batch that was under way is or is not, as a whole.
func TestCrashAnywhere(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		for crashAt := 1; ; crashAt++ {
			fs := newModelFS()
			fs.crashAt = crashAt
			committed, under, done := drive(t, fs, uint64(seed))
			r := rand.New(rand.NewPCG(uint64(seed), uint64(crashAt)))
			l := mustOpen(t, fs.crash(r))
			got := contents(t, l)
			if !possible(got, committed, under) {
				t.Fatalf("seed %d crash at %d: got %v\ncommitted %v and %d records", seed, crashAt, got, committed, len(under))
			}
			// It goes on from there.
			b := l.NewBatch()
			b.Change(testSpace, "after", part(0, Whole, "1"))
			if err := l.Commit(b); err != nil {
				t.Fatal(err)
			}
			if contents(t, l)["7/after/0"] != "1" {
				t.Fatal("nothing is kept after a crash")
			}
			if done {
				break
			}
		}
	}
}

// drive commits batches until all are, or the power is off, with compactions in between.
func drive(t *testing.T, fs *modelFS, seed uint64) (committed map[string]string, under []effect, done bool) {
	w := &writer{r: rand.New(rand.NewPCG(seed, 1)), want: map[string]string{}}
	l, err := open(fs, "/s", quiet)
	if err != nil {
		return w.want, nil, false
	}
	l.inline = true
	for i := range 12 {
		b := l.NewBatch()
		next, each := w.fill(b)
		if err := l.Commit(b); err != nil {
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			return w.want, each, false
		}
		w.want = next
		if i%4 == 3 {
			<-l.Compact(nil)
			if i%8 == 7 { // something comes between
				b.Reset()
				next, each := w.fill(b)
				if err := l.Commit(b); err != nil {
					return w.want, each, false
				}
				w.want = next
			}
			if err := l.Finish(); err != nil {
				return w.want, nil, false
			}
		}
	}
	return w.want, nil, true
}

// TestEveryByte flips and cuts a small log at every byte: it opens, loses what was hit and nothing else.
func TestEveryByte(t *testing.T) {
	fs := newModelFS()
	l := mustOpen(t, fs)
	var ends []int64
	for i := range 6 {
		b := l.NewBatch()
		b.Change(testSpace, fmt.Sprint("k", i), part(0, Whole, strings.Repeat(fmt.Sprint(i), 20)))
		if err := l.Commit(b); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, l.end)
	}
	whole := slices.Clone(fs.names["/s/log"].data)
	for at := range whole {
		data := slices.Clone(whole)
		data[at] ^= 1 << (at % 8)
		got := reopen(t, data)
		want := 6
		if int64(at) >= headerSize {
			want = 5
		}
		if len(got) != want {
			t.Fatalf("flip at %d: %d of 6 keys are left: %v", at, len(got), got)
		}
	}
	for at := range whole {
		got := reopen(t, whole[:at])
		want := 0
		for _, end := range ends {
			if int64(at) >= end {
				want++
			}
		}
		if len(got) != want {
			t.Fatalf("cut at %d: %d keys are left, want %d", at, len(got), want)
		}
	}
	for _, tail := range [][]byte{make([]byte, 5000), bytes.Repeat([]byte{0xff}, 100), whole[:headerSize]} {
		if got := reopen(t, append(slices.Clone(whole), tail...)); len(got) != 6 {
			t.Fatalf("a tail of %.10x: %d keys are left", tail, len(got))
		}
	}
}

func reopen(t *testing.T, data []byte) map[string]string {
	t.Helper()
	fs := newModelFS()
	n := &inode{data: slices.Clone(data), durable: data}
	fs.names["/s/log"], fs.durable["/s/log"] = n, n
	l := mustOpen(t, fs)
	before := contents(t, l)
	if l.Due() { // because of damage: then the damage goes
		<-l.Compact(nil)
		if err := l.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	b := l.NewBatch()
	b.Change(testSpace, "last", part(0, Whole, "1"))
	if err := l.Commit(b); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, fs)
	if again.damage.places > 0 {
		t.Error("the damage is still there")
	}
	after := contents(t, again)
	delete(after, "7/last/0")
	if !maps.Equal(before, after) {
		t.Fatalf("before %v, after %v", before, after)
	}
	return before
}

// TestFailures: an operation that fails promises nothing, and when it works again all is there.
func TestFailures(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "syncdir", "rename", "remove"} {
		for first := range 12 {
			fs := newModelFS()
			l := mustOpen(t, fs)
			w := &writer{r: rand.New(rand.NewPCG(uint64(first), 3)), want: map[string]string{}}
			seen := 0
			fs.fail = func(what, name string) (bool, error) {
				if what == op {
					if seen++; seen > first && seen <= first+3 {
						return false, errors.New("no space left on device")
					}
				}
				return false, nil
			}
			for i := range 20 {
				b := l.NewBatch()
				next, each := w.fill(b)
				for tries := 0; ; tries++ {
					err := l.Commit(b)
					// Whatever happens now, what was committed before is on the disk.
					survivor := mustOpen(t, fs.crash(rand.New(rand.NewPCG(uint64(i), uint64(first)))))
					if got := contents(t, survivor); err == nil && !maps.Equal(got, next) || !possible(got, w.want, each) {
						t.Fatalf("%s %d: after batch %d: %v, want %v (%v)", op, first, i, got, next, err)
					}
					if err == nil {
						break
					}
					if tries > 10 {
						t.Fatal("it does not heal")
					}
				}
				w.want = next
				if i%5 == 4 {
					<-l.Compact(nil)
					_ = l.Finish() // may fail, and then nothing has changed
				}
			}
			fs.fail = nil
			if got := contents(t, mustOpen(t, fs)); !maps.Equal(got, w.want) {
				t.Fatalf("%s %d: %v, want %v", op, first, got, w.want)
			}
		}
	}
}

func TestCompactionForgets(t *testing.T) {
	fs := newModelFS()
	l := mustOpen(t, fs)
	b := l.NewBatch()
	b.Name(3, Info{"empty", "c"})
	b.Name(1, Info{"gone", "a"})
	b.Name(2, Info{"stays", "b"})
	for i := range 1000 {
		b.Change(1, "k", part(0, Whole, fmt.Sprint(i)))
		b.Change(2, "k", part(0, Whole, fmt.Sprint(i)))
		b.Change(2, fmt.Sprint("k", i), part(0, Whole, "x"))
		if i > 10 {
			b.Gone(2, fmt.Sprint("k", i))
		}
	}
	b.Clock(42)
	if err := l.Commit(b); err != nil {
		t.Fatal(err)
	}
	<-l.Compact(func(s Space) bool { return s != 1 })
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Log{l, mustOpen(t, fs)} {
		got := contents(t, l)
		if len(got) != 12 || got["2/k/0"] != "999" || l.Clock() != 42 || len(l.Spaces()) != 2 || l.Spaces()[2].Name != "stays" || l.end > 1000 {
			t.Errorf("%d bytes, clock %d, spaces %v: %v", l.end, l.Clock(), l.Spaces(), got)
		}
	}
}
