package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"edge/engine"
	"edge/internal/strictyaml"
)

// openBuffers opens the disk buffers of the sinks that ask for one, and of those that asked for one before: what
// is left in it is delivered first. They stay where they were at the start, whatever state.dir says later.
func (s *set) openBuffers(before *set, log *slog.Logger, errs *strictyaml.Errors) {
	s.disks = map[string]*engine.Disk{}
	s.buffers = before.buffers
	if s.buffers == nil {
		if s.config.State.Dir == "" {
			return // no sink asks for one, see checkBuffers
		}
		s.buffers = engine.NewBuffers(filepath.Join(s.config.State.Dir, "buffers"), log)
		s.fresh = append(s.fresh, s.buffers)
	}
	left := s.buffers.Left()
	for _, e := range s.config.Sinks {
		kind, wanted := e.Value.Kind(), e.Value.Buffer.Type == engine.OnDisk
		if !wanted && !slices.ContainsFunc(left, func(l engine.Leftover) bool { return l.Sink == e.Key && l.Kind == kind }) {
			continue
		}
		d, err := s.buffers.Open(e.Key, kind)
		switch {
		case err == nil:
			s.disks[e.Key] = d
		case wanted:
			errs.Add(s.config.pos(e.Pos, "sinks", e.Key, "buffer", "type"), "%v", err)
		default:
			log.Error("what is left in a disk buffer cannot be delivered", "sink", e.Key, "error", err)
		}
	}
}

// orphans lists the disk buffers with messages for which there is no sink of that name and kind.
func (a *app) orphans() (gone []engine.Leftover) {
	s := a.running.Load()
	if s == nil || s.buffers == nil {
		return nil
	}
	stats := a.engine.Stats().Sinks
	for _, l := range s.buffers.Left() {
		if c, ok := s.config.Sinks.Get(l.Sink); ok && c.Kind() == l.Kind {
			continue
		}
		retired := false // it is still working it off
		for name, one := range stats {
			retired = retired || one.Retired && one.Kind == l.Kind && strings.TrimSuffix(name, " (retired)") == l.Sink
		}
		if !retired {
			gone = append(gone, l)
		}
	}
	return gone
}

func (a *app) warnOfOrphans() {
	for _, one := range a.orphans() {
		a.log.Warn("a disk buffer has messages and no sink; they stay until there is a sink of this name and kind, or somebody removes the folder",
			"sink", one.Sink, "kind", one.Kind, "bytes", one.Bytes, "dir", a.running.Load().buffers.Dir())
	}
}
