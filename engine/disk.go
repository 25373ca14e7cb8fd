package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Buffers are the disk buffers under one directory, which belongs to one process at a time. Each is a folder
// under the name and the kind of its sink, since messages for a sink of one kind mean nothing to another.
type Buffers struct {
	dir string
	log *slog.Logger
	fs  filesystem

	mu    sync.Mutex
	lock  io.Closer // nil until the first is opened
	disks map[string]*Disk
}

var errLocked = errors.New("it is in use by another process")

// NewBuffers touches nothing until the first Open.
func NewBuffers(dir string, log *slog.Logger) *Buffers {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Buffers{dir: dir, log: log, fs: osFiles{}, disks: map[string]*Disk{}}
}

// Dir is where they are.
func (b *Buffers) Dir() string { return b.dir }

// Open opens the buffer of a sink: makes its folder, or reads where the one that is there stands. One that is
// open is the same again. What is damaged is no error, it is found and counted when its turn comes.
func (b *Buffers) Open(name, kind string) (*Disk, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	folder := bufferFolder(name, kind)
	if d := b.disks[folder]; d != nil {
		return d, nil
	}
	if err := b.take(); err != nil {
		return nil, err
	}
	d := &Disk{fs: b.fs, dir: filepath.Join(b.dir, folder), log: b.log.With("sink", name)}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("cannot use the disk buffer: %w", err)
	}
	b.disks[folder] = d
	return d, nil
}

func (b *Buffers) take() error {
	if b.lock != nil {
		return nil
	}
	if err := b.fs.Mkdir(b.dir); err != nil {
		return fmt.Errorf("cannot make a folder for disk buffers: %w", err)
	}
	lock, err := b.fs.Lock(filepath.Join(b.dir, "lock"))
	if err != nil {
		return fmt.Errorf("cannot use the disk buffers in %s: %w", b.dir, err)
	}
	b.lock = lock
	return nil
}

// Close lets other processes use the directory. No engine uses the buffers any more.
func (b *Buffers) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lock == nil {
		return nil
	}
	clear(b.disks)
	lock := b.lock
	b.lock = nil
	return lock.Close()
}

// A Leftover is a buffer with messages in it.
type Leftover struct {
	Sink  string `json:"sink"`
	Kind  string `json:"kind"`
	Bytes int64  `json:"bytes"`
}

// Left lists the buffers that have messages, or had some when their sink stopped, by name. Whoever knows which
// sinks there are finds those in it that are gone.
func (b *Buffers) Left() []Leftover {
	folders, err := b.fs.List(b.dir)
	if err != nil {
		return nil // none was ever made
	}
	slices.Sort(folders)
	var all []Leftover
	for _, folder := range folders {
		name, kind, ok := parseBufferFolder(folder)
		if !ok {
			continue
		}
		files, _ := b.fs.List(filepath.Join(b.dir, folder))
		size, found := int64(0), false
		for _, file := range files {
			if _, ok := parseSegmentName(file); ok {
				found = true
				size += b.sizeOf(filepath.Join(b.dir, folder, file))
			}
		}
		if found {
			all = append(all, Leftover{name, kind, size})
		}
	}
	return all
}

func (b *Buffers) sizeOf(name string) int64 {
	f, err := b.fs.Open(name, os.O_RDONLY)
	if err != nil {
		return 0
	}
	defer f.Close()
	size, _ := f.Size() // it is for people to look at
	return size
}

// bufferFolder is fleet.nats for the sink fleet of kind nats. What has a meaning in a path is escaped.
func bufferFolder(name, kind string) string { return escape(name) + "." + escape(kind) }

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), ".", "%2E") }

func parseBufferFolder(folder string) (name, kind string, ok bool) {
	name, kind, ok = strings.Cut(folder, ".")
	name, err := url.QueryUnescape(name)
	kind, err2 := url.QueryUnescape(kind)
	return name, kind, ok && err == nil && err2 == nil
}

// A Disk is the buffer of one sink. One store uses it at a time, and owns what is in it meanwhile.
type Disk struct {
	fs  filesystem
	dir string
	log *slog.Logger
	use sync.Mutex // held by the store that uses it

	segments   []*segment // oldest first
	settled    numbers
	next       uint64 // the number of the next record
	used       int64  // bytes of segments with something left
	generation uint64 // of the position
}

// open reads where the buffer stands: the position, the names of the segments, and of the last one the
// records, for a power cut may have torn its end.
func (d *Disk) open() error {
	if err := d.fs.Mkdir(d.dir); err != nil {
		return err
	}
	if err := d.probe(); err != nil {
		return err
	}
	settled, generation, damaged, err := readPosition(d.fs, d.dir)
	if err != nil {
		return err
	}
	if damaged && generation == 0 {
		d.log.Warn("the position of a disk buffer does not read, what was delivered of it may come again", "dir", d.dir)
	}
	d.settled, d.generation = settled, generation
	names, err := d.fs.List(d.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if s, ok := parseSegmentName(name); ok {
			d.segments = append(d.segments, s)
		}
	}
	slices.SortFunc(d.segments, func(a, b *segment) int { return strings.Compare(a.name, b.name) })
	for _, s := range d.segments {
		if err := d.look(s); err != nil {
			return err
		}
	}
	if err := d.dropTwins(); err != nil {
		return err
	}
	for i := 1; i < len(d.segments); i++ {
		d.segments[i-1].last = d.segments[i].first - 1
	}
	if n := len(d.segments); n > 0 {
		if err := d.findEnd(d.segments[n-1]); err != nil {
			return err
		}
		d.settled.add(1, d.segments[0].first-1) // they are gone
		d.next = d.segments[n-1].last
	}
	d.next = max(d.next, d.settled.most()) + 1
	for _, s := range d.segments {
		d.add(s, s.first, s.last, 0)
	}
	return nil
}

// probe finds out at the start that the folder cannot be written to. That the disk is full is no reason not
// to start: what is on it is to be delivered.
func (d *Disk) probe() error {
	name := filepath.Join(d.dir, "probe")
	f, err := d.fs.Open(name, os.O_RDWR|os.O_CREATE)
	if err == nil {
		err = errors.Join(f.Close(), d.fs.Remove(name))
	}
	if noSpace(err) {
		return nil
	}
	return err
}

// look reads the size and the version of a segment.
func (d *Disk) look(s *segment) error {
	name := filepath.Join(d.dir, s.name)
	f, err := d.fs.Open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if s.size, err = f.Size(); err != nil {
		return err
	}
	header := make([]byte, segmentHeader)
	n, err := readAt(f, header, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if version, ok := segmentVersion(header[:n]); ok && version > diskVersion {
		return &newerError{name, version}
	}
	return nil
}

// dropTwins leaves one of the segments that begin with the same number: a crash that leaves a new one empty, and
// another that brings it back after it was removed, and the one in its place was written, make such.
func (d *Disk) dropTwins() error {
	for i := 1; i < len(d.segments); {
		one, two := d.segments[i-1], d.segments[i]
		if one.first != two.first {
			i++
			continue
		}
		if err := errors.Join(d.findEnd(one), d.findEnd(two)); err != nil {
			return err
		}
		empty := i - 1
		if one.last > two.last {
			empty = i
		}
		_ = d.fs.Remove(filepath.Join(d.dir, d.segments[empty].name)) // else the next start does
		d.segments = slices.Delete(d.segments, empty, empty+1)
	}
	return nil
}

// findEnd finds the last record of the last segment. What is behind it was torn by a crash before it was safe,
// and is cut off.
func (d *Disk) findEnd(s *segment) error {
	r := reader{fs: d.fs, dir: d.dir}
	defer r.close()
	good := int64(segmentHeader)
	s.last = s.first - 1
	for off := good; off < s.size; {
		records, next, _, err := r.read(s, off)
		if err != nil {
			return err
		}
		for _, one := range records {
			if n := numberOf(one.body); n > s.last && n < numberMost {
				s.last, good = n, one.end
			}
		}
		off = next
	}
	if good < s.size {
		d.log.Info("the end of a disk buffer was torn by a crash, it is cut off", "file", s.name, "bytes", s.size-good)
		d.truncate(s, good)
	}
	s.size = good
	return nil
}

// truncate cuts off what is behind size, as well as it can: nobody reads it in any case.
func (d *Disk) truncate(s *segment, size int64) {
	f, err := d.fs.Open(filepath.Join(d.dir, s.name), os.O_RDWR)
	if err != nil {
		return
	}
	_ = errors.Join(f.Truncate(size), f.Close())
}

// newSalt draws a salt that is not zero, as which an unwritten block reads.
func newSalt() uint32 {
	for {
		if salt := rand.Uint32(); salt != 0 {
			return salt
		}
	}
}

// add says that s has the records first to last too, and bytes more. Some may be settled already.
func (d *Disk) add(s *segment, first, last uint64, bytes int64) {
	if s.left > 0 {
		d.used -= s.size
	}
	if first <= last {
		s.left += last - first + 1 - d.settled.count(first, last)
		s.last = last
	}
	s.size += bytes
	if s.left > 0 {
		d.used += s.size
	}
}

// settle says that the records first to last need not be delivered any more, and tells how many those were.
func (d *Disk) settle(first, last uint64) (count uint64) {
	for i := d.search(first); i < len(d.segments) && d.segments[i].first <= last; i++ {
		s := d.segments[i]
		from, to := max(first, s.first), min(last, s.last)
		if from > to {
			continue
		}
		n := to - from + 1 - d.settled.count(from, to)
		count += n
		if s.left -= n; s.left == 0 && n > 0 {
			d.used -= s.size
		}
	}
	d.settled.add(first, last)
	return count
}

// search finds the segment that has record n, or the next one behind it.
func (d *Disk) search(n uint64) int {
	return sort.Search(len(d.segments), func(i int) bool { return d.segments[i].last >= n })
}

// left is how many messages are on disk that are not settled.
func (d *Disk) left() (n int) {
	for _, s := range d.segments {
		n += int(s.left)
	}
	return n
}
