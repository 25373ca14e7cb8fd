package statelog

import (
	"cmp"
	"errors"
	"os"
	"slices"
)

// A compaction copies what still holds of a file, up to where it was when the compaction began, into a new one.
// It runs beside commits, in a goroutine of its own: until the end it shares nothing with them.
type compaction struct {
	log  *Log
	f    file
	upTo int64
	keep func(Space) bool
	out  file
	end  int64 // of out
	buf  []byte
	stop chan struct{}
	done chan struct{}
	err  error
}

// Due says that the file has grown so much that it is time to compact it.
func (l *Log) Due() bool {
	return l.copying == nil && l.f != nil && (l.end > 2*l.base+minGrowth || l.damage.places > 0)
}

// Compact begins to copy what holds of the spaces that keep wants. When the channel is closed, Finish is to be
// called.
func (l *Log) Compact(keep func(Space) bool) <-chan struct{} {
	c := l.compaction(keep)
	l.copying = c
	if l.inline {
		c.run()
	} else {
		go c.run() // Finish or Close waits for it
	}
	return c.done
}

func (l *Log) compaction(keep func(Space) bool) *compaction {
	return &compaction{log: l, f: l.f, upTo: l.end, keep: keep, stop: make(chan struct{}), done: make(chan struct{})}
}

// Finish puts what Compact made in the place of the file. After an error the file stays as it was.
func (l *Log) Finish() error {
	c := l.copying
	<-c.done
	l.copying = nil
	return l.put(c)
}

// put adds to the new file what was committed meanwhile, and lets it take the place of the old one.
func (l *Log) put(c *compaction) error {
	err := c.err
	if err == nil && c.f != l.f {
		err = errors.New("the file is another by now")
	}
	if err == nil {
		err = c.tail(l.end)
	}
	if err == nil {
		err = c.out.Sync()
	}
	if err == nil {
		if err = l.fs.Rename(l.path(".new"), l.path("")); err != nil {
			l.suspect = true // it may have happened all the same
		}
	}
	if err != nil {
		if c.out != nil {
			err = errors.Join(err, c.out.Close(), l.fs.Remove(l.path(".new")))
		}
		l.base, l.damage = l.end, damage{} // try again when it has grown further
		return err
	}
	l.moving.Lock()
	defer l.moving.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.f
	l.f, l.base, l.end, l.suspect, l.damage = c.out, c.end-(l.end-c.upTo), c.end, false, damage{}
	l.stats.Bytes = l.end
	l.stats.Written += l.end
	l.stats.Compactions++
	for space := range l.spaces {
		if c.keep != nil && !c.keep(space) {
			delete(l.spaces, space)
		}
	}
	// From here on the new file counts, whether or not the folder says so after a power cut: both have the same.
	// But what is committed from now on is in the new one only.
	if err := l.fs.SyncDir(l.dir); err != nil {
		l.suspect = true
		return errors.Join(err, old.Close())
	}
	return old.Close()
}

// renew copies the whole file, here and now: what was written to it cannot be relied on to get to the disk.
func (l *Log) renew() error {
	l.Abandon()
	c := l.compaction(nil)
	c.run()
	return l.put(c)
}

// Abandon ends a compaction that is under way, for nothing.
func (l *Log) Abandon() {
	c := l.copying
	if c == nil {
		return
	}
	l.copying = nil
	close(c.stop)
	<-c.done
	if c.out != nil {
		c.out.Close()
	}
	_ = l.fs.Remove(l.path(".new")) // else the next start does
}

var errStopped = errors.New("stopped")

func (c *compaction) run() {
	defer close(c.done)
	c.err = c.copy()
}

func (c *compaction) copy() error {
	var err error
	if c.out, err = c.log.fs.Open(c.log.path(".new"), os.O_RDWR|os.O_CREATE|os.O_TRUNC); err != nil {
		return err
	}
	c.buf = append(c.buf, header(c.log.marker)...)
	// The index of what holds is made for a part of the keys at a time, so that a large file needs no large index.
	rounds := uint64(1 + c.upTo>>26)
	for round := range rounds {
		x, err := c.index(round, rounds)
		if err != nil {
			return err
		}
		if err := c.write(x); err != nil {
			return err
		}
	}
	b := c.log.NewBatch()
	b.finish(b.record(based, 0))
	c.buf = append(c.buf, b.bytes()...)
	return c.flush()
}

// An index knows where in the file lies what still holds.
type index struct {
	keys  map[Space]map[string]*places
	names map[Space]Info
	clock int64
}

// places are where the values of a key lie, in the order in which they are to be read.
type places struct {
	space Space
	key   string
	last  int64 // where the key was last written
	parts []place
}

type place struct {
	slot uint64
	form Form
	at   int64 // of the bytes
	n    int
}

func (c *compaction) index(round, rounds uint64) (*index, error) {
	x := &index{keys: map[Space]map[string]*places{}, names: map[Space]Info{}}
	s := &scanner{f: c.f, off: headerSize, end: c.upTo, marker: c.log.marker}
	for {
		at, payload, ok := s.next()
		if !ok {
			return x, s.err
		}
		select {
		case <-c.stop:
			return nil, errStopped
		default:
		}
		each(payload, func(begin int, r *Record) {
			switch r.Kind {
			case Clock:
				x.clock = max(x.clock, r.Time)
			case Name:
				x.names[r.Space] = Info{string(r.Key), string(r.Parts)}
			case Drop:
				delete(x.keys, r.Space)
				delete(x.names, r.Space)
			case Change, Anew, Gone:
				if (c.keep == nil || c.keep(r.Space)) && hash(r.Key)%rounds == round {
					x.note(r, at+frameSize+int64(begin))
				}
			}
		})
	}
}

func hash(key []byte) uint64 { // FNV-1a
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// note takes in a record of a key that lies at a place of the file.
func (x *index) note(r *Record, at int64) {
	keys := x.keys[r.Space]
	if r.Kind != Change {
		delete(keys, string(r.Key))
	}
	if r.Kind == Gone {
		return
	}
	if keys == nil {
		keys = map[string]*places{}
		x.keys[r.Space] = keys
	}
	k := keys[string(r.Key)]
	if k == nil {
		k = &places{space: r.Space, key: string(r.Key)}
		keys[k.key] = k
	}
	k.last = at
	parts := at + int64(r.partsAt)
	for rest := r.Parts; ; {
		p, next, ok := NextPart(rest)
		if !ok {
			return
		}
		begin := parts + int64(len(r.Parts)-len(rest)) + partHead
		if p.Form != Growth {
			k.parts = slices.DeleteFunc(k.parts, func(other place) bool { return other.slot == p.Slot })
		}
		if p.Form != Empty {
			k.parts = append(k.parts, place{p.Slot, p.Form, begin, len(p.Bytes)})
		}
		rest = next
	}
}

// write copies what an index has, in the order in which keys were written last.
func (c *compaction) write(x *index) error {
	b := c.log.NewBatch()
	b.Clock(x.clock)
	for space, info := range x.names { // also where there are no keys: more may come
		if c.keep == nil || c.keep(space) {
			b.Name(space, info)
		}
	}
	var all []*places
	for _, keys := range x.keys {
		for _, k := range keys {
			if len(k.parts) > 0 {
				all = append(all, k)
			}
		}
	}
	slices.SortFunc(all, func(a, b *places) int { return cmp.Compare(a.last, b.last) })
	for _, k := range all {
		if err := c.copyKey(b, k); err != nil {
			return err
		}
		if b.Len() >= 64<<10 {
			c.buf = append(c.buf, b.bytes()...)
			b.Reset()
		}
		if len(c.buf) >= chunk {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	c.buf = append(c.buf, b.bytes()...)
	return nil
}

// copyKey writes in one record all that holds of a key.
func (c *compaction) copyKey(b *Batch, k *places) error {
	start := b.keyed(Change, k.space, k.key)
	for _, p := range k.parts {
		part := len(b.buf)
		b.buf = BeginPart(b.buf, p.slot)
		b.buf = slices.Grow(b.buf, p.n)
		b.buf = b.buf[:len(b.buf)+p.n]
		if _, err := c.f.ReadAt(b.buf[len(b.buf)-p.n:], p.at); err != nil {
			return err
		}
		b.buf, _ = EndPart(b.buf, part, p.form)
	}
	b.finish(start)
	return nil
}

// flush writes and syncs piece by piece, so that the sync at the end, for which commits wait, is short.
func (c *compaction) flush() error {
	select {
	case <-c.stop:
		return errStopped
	default:
	}
	if len(c.buf) == 0 {
		return nil
	}
	if _, err := c.out.WriteAt(c.buf, c.end); err != nil {
		return err
	}
	c.end += int64(len(c.buf))
	c.buf = c.buf[:0]
	return c.out.Sync()
}

// tail copies the frames that came after the compaction began, as they are.
func (c *compaction) tail(end int64) error {
	for at := c.upTo; at < end; {
		n := min(chunk, end-at)
		c.buf = append(c.buf, make([]byte, n)...)
		if _, err := c.f.ReadAt(c.buf, at); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		at += n
	}
	return nil
}
