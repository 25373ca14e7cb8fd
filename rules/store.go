package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"edge/engine"
	"edge/internal/statelog"
)

// A Store keeps on disk what durable rules keep. One goroutine writes: what became ready while the last write was
// under way goes into the next, so that a slow disk makes writes larger and not more.
type Store struct {
	file   *statelog.Log
	logger *slog.Logger
	wake   chan struct{} // one slot
	stop   chan struct{}
	done   chan struct{}

	mu       sync.Mutex
	journals []*journal // with something that can be written
	notes    []note     // about spaces, to be written before what follows
	busy     bool
	idle     []chan struct{} // of Settle, closed when nothing is left to be written
	used     map[statelog.Space]*journal
	told     map[statelog.Space]bool // that their rules are gone
	failing  failing
	restored int

	// Held by who begins to use a space, and while a file takes its place that may not have the space any more.
	moving sync.Mutex

	// Owned by the goroutine.
	batch     *statelog.Batch
	causes    []*engine.Message
	dropping  map[statelog.Space]bool // by the compaction that is under way
	compacted <-chan struct{}
}

type failing struct {
	since time.Time // zero: it works
	err   error
	times int64
}

// A note is something about a space.
type note struct {
	space statelog.Space
	drop  bool
	info  statelog.Info // nameless: none
}

// OpenStore opens the state under dir. What is damaged there is said in the log and left out.
func OpenStore(dir string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	file, err := statelog.Open(dir, log)
	if errors.Is(err, statelog.ErrLocked) {
		return nil, fmt.Errorf("%s is in use by another edge; give each its own state.dir", dir)
	}
	if err != nil {
		return nil, err
	}
	s := newStore(file, log)
	go s.run() // Close waits for it
	return s, nil
}

func newStore(file *statelog.Log, log *slog.Logger) *Store {
	return &Store{file: file, logger: log, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		used: map[statelog.Space]*journal{}, told: map[statelog.Space]bool{}, batch: file.NewBatch()}
}

// list says that a journal may have something that can be written.
func (s *Store) list(j *journal) {
	s.mu.Lock()
	if !j.listed {
		j.listed = true
		s.journals = append(s.journals, j)
	}
	s.mu.Unlock()
	s.rouse()
}

func (s *Store) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
			s.commit()
		case <-s.compacted:
			s.finishCompaction()
		case <-s.stop:
			return
		}
	}
}

// commit writes what is ready, and settles the messages that were held for it.
func (s *Store) commit() {
	s.mu.Lock()
	journals, notes := s.journals, s.notes
	s.journals, s.notes, s.busy = nil, nil, true
	for _, j := range journals {
		j.listed = false
	}
	s.mu.Unlock()

	b := s.batch
	b.Reset()
	causes := s.causes[:0]
	for _, n := range notes {
		if n.drop {
			b.Drop(n.space)
		}
		if n.info.Name != "" {
			b.Name(n.space, n.info)
		}
	}
	var clock int64 // the latest of the engine's clock
	for _, j := range journals {
		var more bool
		j.memory.mu.Lock()
		clock = max(clock, nanos(j.memory.at))
		causes, more = j.take(b, causes)
		j.memory.mu.Unlock()
		if more {
			s.list(j)
		}
	}
	if b.Len() > 0 && clock > 0 {
		b.Clock(clock)
	}
	if s.write(b) {
		for _, m := range causes {
			m.Done()
		}
	}
	clear(causes)
	s.causes = causes[:0]
	if s.compacted == nil && s.file.Due() {
		s.compact()
	}
	s.mu.Lock()
	s.busy = false
	if len(s.journals) == 0 && len(s.notes) == 0 {
		for _, waiting := range s.idle {
			close(waiting)
		}
		s.idle = nil
	}
	s.mu.Unlock()
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// write makes b safe, however long that takes: nothing else may be written before it. It is false when the store
// is closed first.
func (s *Store) write(b *statelog.Batch) bool {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := s.file.Commit(b)
		if err == nil {
			s.works()
			return true
		}
		s.fails(err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.stop:
			timer.Stop()
			return false
		}
	}
}

func (s *Store) fails(err error) {
	s.mu.Lock()
	first := s.failing.since.IsZero()
	if first {
		s.failing.since = time.Now()
	}
	s.failing.err = err
	s.failing.times++
	s.mu.Unlock()
	if first {
		s.logger.Error("the state cannot be written: messages of durable rules are not acknowledged until it can", "error", err)
	}
}

func (s *Store) works() {
	s.mu.Lock()
	since := s.failing.since
	s.failing.since, s.failing.err = time.Time{}, nil
	s.mu.Unlock()
	if !since.IsZero() {
		s.logger.Info("the state can be written again", "after", time.Since(since).Round(time.Millisecond))
	}
}

// compact begins to copy what still holds. Spaces that no rule uses any more are left out.
func (s *Store) compact() {
	s.mu.Lock()
	s.dropping = map[statelog.Space]bool{}
	for space := range s.file.Spaces() {
		if s.told[space] && s.used[space] == nil {
			s.dropping[space] = true
		}
	}
	dropping := s.dropping
	s.mu.Unlock()
	s.compacted = s.file.Compact(func(space statelog.Space) bool { return !dropping[space] })
}

func (s *Store) finishCompaction() {
	s.moving.Lock()
	defer s.moving.Unlock()
	s.compacted = nil
	s.mu.Lock()
	spaces := s.file.Spaces()
	for space := range s.dropping {
		if s.used[space] != nil {
			s.mu.Unlock()
			s.file.Abandon()
			s.rouse() // it is still time to compact
			return
		}
	}
	s.mu.Unlock()
	if err := s.file.Finish(); err != nil {
		s.logger.Warn("the state could not be compacted; it is tried again when it has grown further", "error", err)
		return
	}
	for space := range s.dropping {
		s.logger.Info("the state of a rule that is gone was dropped", "rule", spaces[space].Name)
	}
}

// Settle waits until all that is ready is on disk and settled, or ctx ends.
func (s *Store) Settle(ctx context.Context) {
	waiting := make(chan struct{})
	s.mu.Lock()
	s.idle = append(s.idle, waiting)
	s.mu.Unlock()
	s.rouse()
	select {
	case <-waiting:
	case <-ctx.Done():
	case <-s.done:
	}
}

// Close ends the store. What is not on disk by then is not settled either.
func (s *Store) Close() error {
	close(s.stop)
	<-s.done
	return s.file.Close()
}

// StoreStats is what a store does.
type StoreStats struct {
	Bytes       int64 // of the file
	Written     int64
	Commits     int64
	Compactions int64
	Damaged     int64
	Restored    int           // keys, at the start
	Failures    int64         // writes that failed
	Error       string        // why nothing can be written
	FailingFor  time.Duration // 0: it works
}

// Stats gives the counters.
func (s *Store) Stats() StoreStats {
	file := s.file.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := StoreStats{Bytes: file.Bytes, Written: file.Written, Commits: file.Commits, Compactions: file.Compactions,
		Damaged: file.Damaged, Restored: s.restored, Failures: s.failing.times}
	if s.failing.err != nil {
		stats.Error = s.failing.err.Error()
		stats.FailingFor = time.Since(s.failing.since)
	}
	return stats
}

func (s *Store) tooLong(key string, n int) {
	s.logger.Error("what a durable rule keeps of a key is too long to be written, and is lost at a restart", "key", keyOf(key).asKey(), "bytes", n)
}
