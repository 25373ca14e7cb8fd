package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// tidy writes the position and removes segments with nothing left, in this order: were they gone and the
// position lost, nothing would be; but the other way round a power cut could bring a file back, and with it
// messages that were delivered.
func (s *diskStore) tidy() {
	q, d := s.q, s.disk
	q.mu.Lock()
	settled := numbers{d.settled.low, slices.Clone(d.settled.spans)}
	d.segments = slices.DeleteFunc(d.segments, func(one *segment) bool {
		gone := one.left == 0 && (one != s.active || s.file == nil)
		if gone {
			s.junk = append(s.junk, one.name)
		}
		return gone
	})
	s.dirty = false
	s.saved = q.engine.clock.read()
	q.mu.Unlock()

	err := writePosition(d.fs, d.dir, d.generation+1, &settled)
	if err == nil {
		d.generation++ // else the next try goes to the same file: the other one is good
	}
	before := len(s.junk)
	s.junk = slices.DeleteFunc(s.junk, func(name string) bool {
		gone := d.fs.Remove(filepath.Join(d.dir, name))
		if gone != nil && !errors.Is(gone, os.ErrNotExist) {
			err = gone
			return false
		}
		return true
	})
	q.mu.Lock()
	s.dirty = s.dirty || err != nil
	if err == nil && len(s.junk) < before && s.failing != nil { // that made room on the disk, perhaps enough
		s.again = 0
		if s.unsafe.Messages == 0 {
			s.failing, s.tries = nil, 0
		}
	}
	q.mu.Unlock()
	if err != nil {
		if s.noted.due(q.engine.clock.read()) {
			q.log.Warn("a disk buffer cannot note what is delivered, that may come again after a crash; trying again", "error", err)
		}
	}
}

// close ends the goroutine. What is not safe stays unsettled. The queue's goroutine calls it, without the lock.
func (s *diskStore) close() {
	s.q.mu.Lock()
	s.closing = true
	s.poke()
	s.q.mu.Unlock()
	<-s.done
	s.reader.close()
}

// finish leaves the disk as the next store wants it.
func (s *diskStore) finish() {
	if s.file != nil {
		_ = s.file.Close() // all in it is synced
		s.file = nil
	}
	s.q.mu.Lock()
	dirty := s.dirty || slices.ContainsFunc(s.disk.segments, func(one *segment) bool { return one.left == 0 })
	s.q.mu.Unlock()
	if dirty {
		s.tidy()
	}
	d := s.disk
	s.remains = d.left()
	if !s.removed || len(d.segments)+len(s.junk) > 0 {
		return
	}
	if d.fs.SyncDir(d.dir) != nil { // no segment may come back when the position is gone
		return
	}
	for n := range uint64(2) {
		_ = d.fs.Remove(positionFile(d.dir, n))
	}
	_ = d.fs.Remove(d.dir) // whatever else is in it keeps it
	d.generation = 0
}
