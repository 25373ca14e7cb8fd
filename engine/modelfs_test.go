package engine_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"edge/engine"
)

// A model is a file system in memory that knows what a power cut leaves of it: what was synced, and of the rest
// any part: each write whole, not at all, or some of its sectors; each file made or removed, or not.
type model struct {
	mu      sync.Mutex
	random  *rand.Rand
	files   map[string]*node // as programs see it
	durable map[string]*node
	entries []entry // made or removed, in order, since the last sync of their folder

	fail    func(op, name string) error // before each operation, nil: none
	ops     int                         // that change something
	crashAt int                         // the power fails in this one; 0: never
	left    *model                      // what that left
}

type node struct {
	data    []byte
	durable []byte
	pending []change
}

// A change is a write, or, without data, a truncation.
type change struct {
	data []byte
	off  int64
}

type entry struct {
	name string
	node *node // nil: removed
}

var errPower = errors.New("the power is off")

func newModel(seed uint64) *model {
	return &model{random: rand.New(rand.NewPCG(seed, 7)), files: map[string]*node{}, durable: map[string]*node{}}
}

// begin counts an operation; a change that the power cut comes in the middle of may have happened or not.
func (f *model) begin(op, name string, change func()) error {
	if f.left != nil {
		return errPower
	}
	if f.fail != nil {
		if err := f.fail(op, name); err != nil {
			if op == "sync" {
				// What could not be written is dropped, and the next sync knows nothing of it.
				n := f.files[name]
				n.durable = f.survive(n)
				n.pending = nil
			}
			if op == "write" && f.random.IntN(2) == 0 && change != nil {
				change() // some of it got there
			}
			return err
		}
	}
	if change == nil {
		return nil
	}
	f.ops++
	if f.ops == f.crashAt {
		if f.random.IntN(2) == 0 {
			change()
		}
		f.left = f.crash()
		return errPower
	}
	change()
	return nil
}

// after is what the power cut left, nil before it.
func (f *model) after() *model {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}

// crash gives what is there after a power cut.
func (f *model) crash() *model {
	after := newModel(f.random.Uint64())
	kept := map[string]*node{}
	for name, n := range f.durable {
		kept[name] = n
	}
	for _, e := range f.entries {
		switch {
		case f.random.IntN(2) == 0:
		case e.node == nil:
			delete(kept, e.name)
		default:
			kept[e.name] = e.node
		}
	}
	for name, n := range kept {
		data := f.survive(n)
		after.files[name] = &node{data: slices.Clone(data), durable: data}
		after.durable[name] = after.files[name]
	}
	return after
}

// survive is what the disk has of a file when its last changes got there in part.
func (f *model) survive(n *node) []byte {
	data := slices.Clone(n.durable)
	for _, c := range n.pending {
		switch f.random.IntN(3) {
		case 0:
		case 1:
			data = c.apply(data)
		default:
			if c.data == nil {
				continue
			}
			for at := 0; at < len(c.data); at += 512 {
				if f.random.IntN(2) == 0 {
					part := change{c.data[at:min(at+512, len(c.data))], c.off + int64(at)}
					data = part.apply(data)
				}
			}
		}
	}
	return data
}

func (c change) apply(data []byte) []byte {
	if c.data == nil {
		return data[:min(int64(len(data)), c.off)]
	}
	if missing := c.off + int64(len(c.data)) - int64(len(data)); missing > 0 {
		data = append(data, make([]byte, missing)...)
	}
	copy(data[c.off:], c.data)
	return data
}

func (f *model) Mkdir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin("mkdir", dir, nil)
}

func (f *model) List(dir string) (names []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("list", dir, nil); err != nil {
		return nil, err
	}
	for name := range f.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			names = append(names, first)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (f *model) Open(name string, flag int) (engine.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, os.ErrNotExist
	case n != nil && flag&os.O_EXCL != 0:
		return nil, os.ErrExist
	case n != nil:
		return &handle{f, name, n}, f.begin("open", name, nil)
	}
	err := f.begin("create", name, func() {
		n = &node{}
		f.files[name] = n
		f.entries = append(f.entries, entry{name, n})
	})
	if err != nil {
		return nil, err
	}
	return &handle{f, name, n}, nil
}

func (f *model) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files[name] == nil {
		return os.ErrNotExist
	}
	return f.begin("remove", name, func() {
		delete(f.files, name)
		f.entries = append(f.entries, entry{name, nil})
	})
}

func (f *model) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin("syncdir", dir, func() {
		f.entries = slices.DeleteFunc(f.entries, func(e entry) bool {
			if filepath.Dir(e.name) != dir {
				return false
			}
			if e.node == nil {
				delete(f.durable, e.name)
			} else {
				f.durable[e.name] = e.node
			}
			return true
		})
	})
}

func (f *model) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// names lists the files whose names end so, in order.
func (f *model) names(end string) (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.files {
		if strings.HasSuffix(name, end) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// clone is another file system with the same files, all of them synced.
func (f *model) clone() *model {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := newModel(1)
	for name, n := range f.files {
		same.files[name] = &node{data: slices.Clone(n.data), durable: slices.Clone(n.data)}
		same.durable[name] = same.files[name]
	}
	return same
}

type handle struct {
	f    *model
	name string
	node *node
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if err := h.f.begin("read", h.name, nil); err != nil {
		return 0, err
	}
	return bytes.NewReader(h.node.data).ReadAt(p, off)
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if err := h.f.begin("write", h.name, func() { h.change(change{slices.Clone(p), off}) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *handle) Truncate(size int64) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return h.f.begin("truncate", h.name, func() { h.change(change{nil, size}) })
}

func (h *handle) change(c change) {
	h.node.data = c.apply(h.node.data)
	h.node.pending = append(h.node.pending, c)
}

func (h *handle) Sync() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return h.f.begin("sync", h.name, func() {
		for _, c := range h.node.pending {
			h.node.durable = c.apply(h.node.durable)
		}
		h.node.pending = nil
	})
}

func (h *handle) Size() (int64, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return int64(len(h.node.data)), nil
}

func (h *handle) Close() error { return nil }
