// Package statelog keeps in one file what is known of many keys, as changes that are appended: a change is safe
// when Commit has returned. From time to time what still holds is copied into a new file, which takes the place of
// the old one.
package statelog

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// ErrLocked is wrapped when another process has the folder.
var ErrLocked = errors.New("another process uses it")

// A Space is a set of keys: those of one rule.
type Space uint64

// SpaceOf makes a space of the name of its owner and of what makes its keys.
func SpaceOf(name, signature string) Space { return Space(digest(name + "\x00" + signature)) }

// SlotOf makes the number of a slot, of which each key has one value.
func SlotOf(signature string) uint64 { return digest(signature) }

func digest(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.LittleEndian.Uint64(sum[:])
}

// A Log is the file. Commit, Due, Compact, Finish, Abandon and Close are called by one goroutine; the others by any.
type Log struct {
	dir  string
	name string // in dir
	fs   files
	log  *slog.Logger
	lock io.Closer

	marker  uint32 // with which each frame begins
	suspect bool   // a sync has failed: what it was for may never come to the disk, whatever later ones say
	damage  damage // found by Open, and still in the file
	inline  bool   // compact without a goroutine, for tests that need each step in its place
	copying *compaction

	moving sync.RWMutex // held to read by who reads the file, to write while another takes its place
	mu     sync.RWMutex // guards what follows against those other goroutines
	f      file         // nil: there is none yet
	end    int64        // of what is safe
	base   int64        // where it ended after it was last compacted
	clock  int64        // the newest that was committed
	spaces map[Space]Info
	stats  Stats
}

// Info says whose a space is.
type Info struct{ Name, Signature string }

// Stats are what a log has done.
type Stats struct {
	Bytes       int64 // of the file
	Written     int64 // bytes, compactions included
	Commits     int64
	Compactions int64
	Damaged     int64 // places of the file that could not be read
}

const (
	logName = "log"
	// minGrowth is how much the file grows before it is compacted, however little it holds.
	minGrowth = 4 << 20
)

// Open opens the log in dir, or begins one. What is damaged is skipped and said in the log; only what will be so at
// each start is an error.
func Open(dir string, log *slog.Logger) (*Log, error) { return open(osFiles{}, dir, log) }

func open(fs files, dir string, log *slog.Logger) (*Log, error) {
	if err := fs.Mkdir(dir); err != nil {
		return nil, err
	}
	lock, err := fs.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	l := &Log{dir: dir, name: logName, fs: fs, log: log.With("dir", dir), lock: lock, spaces: map[Space]Info{}}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	l.marker = binary.LittleEndian.Uint32(random[:]) | 0x80000001
	for {
		again, err := l.read()
		if err != nil {
			lock.Close()
			return nil, err
		}
		if !again {
			return l, nil
		}
	}
}

func (l *Log) path(suffix string) string { return filepath.Join(l.dir, l.name+suffix) }

// read opens the file under the log's name and looks at all of it. It says again when another name or an empty
// place is to be tried.
func (l *Log) read() (again bool, err error) {
	if err := l.fs.Remove(l.path(".new")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	f, err := l.fs.Open(l.path(""), os.O_RDWR)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h, err := readHeader(f)
	switch {
	case err == nil && h.version > version && l.name == logName:
		f.Close()
		l.log.Error("the state was written by a newer edge: it stays as it is, and rules start empty", "file", l.name, "version", h.version, "known", version)
		l.name = fmt.Sprintf("%s.v%d", l.name, version)
		return true, nil
	case errors.Is(err, errBegun):
		// The power went while the file was made, with nothing in it yet.
		f.Close()
		l.log.Warn("the state file was never finished: it is made anew", "file", l.name)
		return false, l.fs.Remove(l.path(""))
	case err == nil && h.version != version:
		err = fmt.Errorf("its version is %d, and this edge knows %d", h.version, version)
	case err == nil:
		l.marker = h.marker
		err = l.scanAll(f)
	}
	if err == nil {
		l.f = f
		return false, nil
	}
	f.Close()
	l.log.Error("the state cannot be read: the file is set aside, and rules start empty", "file", l.name, "aside", l.name+".bad", "error", err)
	return true, l.fs.Rename(l.path(""), l.path(".bad"))
}

// scanAll finds out what the file holds and where it ends.
func (l *Log) scanAll(f file) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	l.spaces, l.clock, l.base = map[Space]Info{}, 0, 0
	s := &scanner{f: f, off: headerSize, end: size, marker: l.marker}
	for {
		at, payload, ok := s.next()
		if !ok {
			break
		}
		whole := each(payload, func(_ int, r *Record) {
			l.learn(r)
			if r.Kind == based {
				l.base = s.off
			}
		})
		if !whole {
			s.damage.add(at, int64(len(payload)))
		}
	}
	if s.err != nil {
		return s.err
	}
	l.end, l.damage = s.off, s.damage
	if size > l.end {
		l.log.Info("the end of the state was not whole, as after a power cut: it is cut off", "bytes", size-l.end)
		if err := f.Truncate(l.end); err != nil {
			return err
		}
	}
	if d := l.damage; d.places > 0 {
		l.stats.Damaged = d.places
		l.log.Error("the state is damaged: what could not be read is lost, the rest is kept", "places", d.places, "bytes", d.bytes, "first_at", d.first)
	}
	l.stats.Bytes = l.end
	return nil
}

// learn notes what a record says of the log itself.
func (l *Log) learn(r *Record) {
	switch r.Kind {
	case Name:
		l.spaces[r.Space] = Info{string(r.Key), string(r.Parts)}
	case Drop:
		delete(l.spaces, r.Space)
	case Clock:
		l.clock = max(l.clock, r.Time)
	}
}

// Clock is the newest time that was committed, 0 if none ever was.
func (l *Log) Clock() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.clock
}

// Spaces gives what spaces the log has something of.
func (l *Log) Spaces() map[Space]Info {
	l.mu.RLock()
	defer l.mu.RUnlock()
	spaces := make(map[Space]Info, len(l.spaces))
	for space, info := range l.spaces {
		spaces[space] = info
	}
	return spaces
}

// Stats gives the counters.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stats
}

// Scan hands the records that were committed to do, the oldest first. What do gets is its own for the call only.
func (l *Log) Scan(do func(r *Record)) error {
	l.moving.RLock()
	defer l.moving.RUnlock()
	l.mu.RLock()
	f, end := l.f, l.end
	l.mu.RUnlock()
	if f == nil {
		return nil
	}
	s := &scanner{f: f, off: headerSize, end: end, marker: l.marker}
	for {
		_, payload, ok := s.next()
		if !ok {
			return s.err
		}
		each(payload, func(_ int, r *Record) { do(r) })
	}
}

// Commit makes b safe. After an error nothing of it is promised, and the same batch is to be committed again: no
// other may be in its place.
func (l *Log) Commit(b *Batch) error {
	if len(b.buf) == 0 {
		return nil
	}
	if l.f == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if l.suspect {
		if err := l.renew(); err != nil {
			return err
		}
	}
	if _, err := l.f.WriteAt(b.bytes(), l.end); err != nil {
		return err
	}
	if err := l.f.Sync(); err != nil {
		l.suspect = true
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end += int64(len(b.buf))
	l.stats.Bytes = l.end
	l.stats.Written += int64(len(b.buf))
	l.stats.Commits++
	for i := range b.notes {
		l.learn(&b.notes[i])
	}
	return nil
}

// begin makes the file.
func (l *Log) begin() error {
	f, err := l.fs.Open(l.path(""), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(header(l.marker), 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		f.Close()
		return errors.Join(err, l.fs.Remove(l.path("")))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f, l.end, l.base = f, headerSize, headerSize
	return nil
}

// Close gives the folder back.
func (l *Log) Close() error {
	l.Abandon()
	l.moving.Lock()
	defer l.moving.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.f != nil {
		err = l.f.Close()
		l.f = nil
	}
	return errors.Join(err, l.lock.Close())
}
