package statelog

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sort"
)

// A modelFS is a file system in memory that knows what is on the disk and what is only on its way: after crash,
// any part of what was not synced is there.
type modelFS struct {
	names   map[string]*inode // as the process sees it
	durable map[string]*inode // what the folder has on disk
	ops     int
	crashAt int                                 // the operation that does not happen any more; 0: none
	fail    func(op, name string) (bool, error) // the operation fails; true: after it has happened in part
}

type inode struct {
	data    []byte
	durable []byte
	dirty   [][2]int // ranges written since the last sync, as they were written
}

var errCrash = errors.New("the power is off")

func newModelFS() *modelFS {
	return &modelFS{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// op counts an operation that changes something.
func (m *modelFS) op(op, name string) error {
	m.ops++
	if m.crashAt != 0 && m.ops >= m.crashAt {
		return errCrash
	}
	if m.fail != nil {
		if _, err := m.fail(op, name); err != nil {
			return err
		}
	}
	return nil
}

// crash gives the file system as a machine finds it when it starts again.
func (m *modelFS) crash(r *rand.Rand) *modelFS {
	next := newModelFS()
	pick := map[string]*inode{}
	for name, n := range m.durable {
		pick[name] = n
	}
	var all []string
	for name := range m.names {
		all = append(all, name)
	}
	for name := range m.durable {
		if m.names[name] == nil {
			all = append(all, name)
		}
	}
	sort.Strings(all)
	for _, name := range all {
		if m.names[name] == m.durable[name] || r.IntN(2) == 0 {
			continue
		}
		if n := m.names[name]; n != nil {
			pick[name] = n
		} else {
			delete(pick, name)
		}
	}
	for name, n := range pick {
		data := append([]byte(nil), n.durable...)
		for _, w := range n.dirty { // each write came to the disk in any part, or not, by sectors of 16 bytes here
			for from := w[0]; from < w[1]; {
				to := min(w[1], (from/16+1)*16)
				if r.IntN(2) == 0 && to <= len(n.data) {
					for len(data) < to {
						data = append(data, 0)
					}
					copy(data[from:to], n.data[from:to])
				}
				from = to
			}
		}
		f := &inode{data: data, durable: append([]byte(nil), data...)}
		next.names[name], next.durable[name] = f, f
	}
	return next
}

func (m *modelFS) Mkdir(string) error { return nil }

func (m *modelFS) Open(name string, flag int) (file, error) {
	n := m.names[name]
	if n == nil {
		if flag&os.O_CREATE == 0 {
			return nil, os.ErrNotExist
		}
		if err := m.op("create", name); err != nil {
			return nil, err
		}
		n = &inode{}
		m.names[name] = n
	}
	if flag&os.O_TRUNC != 0 && len(n.data) > 0 {
		n = &inode{}
		m.names[name] = n
	}
	return &modelFile{m, name, n}, nil
}

func (m *modelFS) Rename(from, to string) error {
	if err := m.op("rename", from); err != nil {
		return err
	}
	m.names[to] = m.names[from]
	delete(m.names, from)
	return nil
}

func (m *modelFS) Remove(name string) error {
	if m.names[name] == nil {
		return os.ErrNotExist
	}
	if err := m.op("remove", name); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *modelFS) SyncDir(dir string) error {
	if err := m.op("syncdir", dir); err != nil {
		return err
	}
	m.durable = map[string]*inode{}
	for name, n := range m.names {
		m.durable[name] = n
	}
	return nil
}

func (m *modelFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

type modelFile struct {
	m    *modelFS
	name string
	n    *inode
}

func (f *modelFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *modelFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.m.op("write", f.name)
	if err == errCrash {
		p = p[:len(p)/2] // some of it got there
	} else if err != nil {
		return 0, err
	}
	for len(f.n.data) < int(off)+len(p) {
		f.n.data = append(f.n.data, 0)
	}
	copy(f.n.data[off:], p)
	f.n.dirty = append(f.n.dirty, [2]int{int(off), int(off) + len(p)})
	return len(p), err
}

func (f *modelFile) Size() (int64, error) { return int64(len(f.n.data)), nil }

func (f *modelFile) Truncate(size int64) error {
	if err := f.m.op("truncate", f.name); err != nil {
		return err
	}
	f.n.data = f.n.data[:size]
	return nil
}

// Sync that fails leaves what it was for in memory as if it were on the disk, as Linux does.
func (f *modelFile) Sync() error {
	err := f.m.op("sync", f.name)
	if err == errCrash {
		return err
	}
	if err != nil {
		f.n.dirty = nil
		return err
	}
	f.n.durable, f.n.dirty = append([]byte(nil), f.n.data...), nil
	return nil
}

func (f *modelFile) Close() error { return nil }
