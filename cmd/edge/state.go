package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"edge/rules"
)

// stateFolder is where, under state.dir, durable rules keep what they keep.
const stateFolder = "state"

// A state is that of durable rules on disk. It is opened when a rule first wants it, or at the start where there is
// one from before, and stays until the end.
type state struct {
	log   *slog.Logger
	now   func() time.Time
	store *rules.Store
}

// opener is what rules open it with. A change of state.dir takes effect at the next start.
func (s *state) opener(dir string) func(needed bool) (*rules.Store, error) {
	return func(needed bool) (*rules.Store, error) {
		if s.store != nil || dir == "" {
			return s.store, nil
		}
		place := filepath.Join(dir, stateFolder)
		if _, err := os.Stat(filepath.Join(place, "log")); err != nil && !needed {
			return nil, nil // there is none, and none is wanted
		}
		store, err := rules.OpenStore(place, s.log)
		if err != nil {
			return nil, err
		}
		s.store = store
		return store, nil
	}
}

// close ends it when the engine has stopped: what is settled until then is on disk.
func (s *state) close() {
	if s.store == nil {
		return
	}
	if err := s.store.Close(); err != nil {
		s.log.Warn("closing the state of durable rules", "error", err)
	}
}
