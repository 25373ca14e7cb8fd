package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"edge/engine"
	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
	"edge/rules"
	"edge/sinks"
	"edge/sources"
)

// A set is one whole good state of the files: parsed, compiled, opened, ready to be swapped in.
type set struct {
	files   files
	config  *Config
	program *rules.Program
	sources map[string]opened[engine.Source]
	sinks   map[string]opened[engine.Sink]
	buffers *engine.Buffers         // on disk; nil without state.dir
	disks   map[string]*engine.Disk // of sinks that have one
	fresh   []io.Closer             // what was opened for this set and no other has
}

// opened is a source or a sink and the settings it was opened with.
type opened[T any] struct {
	it    T
	print fingerprint
}

// load makes a set of files. What is as it was in before, which may be nil, is the same object again. With
// errors nothing is left open.
//
// The config comes back even with errors, as far as it could be read, for the files that it names, and f has the
// tables that were read.
func load(f *files, before *set, st *state, log *slog.Logger) (*set, *Config, strictyaml.Errors) {
	errs := slices.Clone(f.errs)
	config, more := parseConfig(strictyaml.Loader{}, f.config)
	if f.config.Data != nil || len(errs) == 0 { // else it could not be read, and that is said already
		errs = append(errs, more...)
	}
	env := rules.Env{Log: log, Getenv: os.LookupEnv}
	if config != nil {
		var running *rules.Program
		if before != nil {
			running = before.program
		}
		env = config.rulesEnv(log, running)
		env.Store, env.Now = st.opener(config.State.Dir), st.now
	}
	env.ReadFile = f.tableReader()
	var program *rules.Program
	if len(f.rules) > 0 {
		program, more = rules.Load(f.rules, env)
		errs = append(errs, more...)
	}
	errs.Sort()
	if len(errs) > 0 {
		return nil, config, errs
	}
	s := &set{files: *f, config: config, program: program}
	if errs := s.open(before, log); len(errs) > 0 {
		s.discard()
		return nil, config, errs
	}
	return s, config, nil
}

// open opens what differs from before and takes over what does not.
func (s *set) open(before *set, log *slog.Logger) (errs strictyaml.Errors) {
	s.sources, s.sinks = map[string]opened[engine.Source]{}, map[string]opened[engine.Sink]{}
	if before == nil {
		before = &set{}
	}
	if dir := s.config.State.Dir; dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			errs.Add(s.config.pos(strictyaml.Pos{File: s.config.file, Line: 1, Column: 1}, "state", "dir"),
				"cannot keep state there: %v", err)
		}
	}
	for _, e := range s.config.Sources {
		print := s.config.sourcePrint(e.Key)
		if was, ok := before.sources[e.Key]; ok && was.print == print {
			s.sources[e.Key] = was
			continue
		}
		source, err := e.Value.Open(e.Key, sources.Deps{Log: log, InflightMessages: s.config.Limits.InflightMessages})
		if err != nil {
			errs.Add(e.Pos, "%v", err)
			continue
		}
		s.fresh = append(s.fresh, source)
		s.sources[e.Key] = opened[engine.Source]{source, print}
	}
	s.openBuffers(before, log, &errs)
	deps := sinks.Deps{Log: log, Dir: s.config.State.Dir, MQTT: s.connection}
	for _, e := range s.config.Sinks {
		print := s.config.sinkPrint(e.Key)
		if was, ok := before.sinks[e.Key]; ok && was.print == print {
			s.sinks[e.Key] = was
			continue
		}
		sink, err := e.Value.Open(e.Key, deps)
		if err != nil {
			errs.Add(e.Pos, "%v", err)
			continue
		}
		s.fresh = append(s.fresh, sink)
		s.sinks[e.Key] = opened[engine.Sink]{sink, print}
	}
	return errs
}

// connection is the MQTT connection of a source, for the sinks that publish over it.
func (s *set) connection(source string) (*mqttconn.Conn, error) {
	if o, ok := s.sources[source]; ok {
		if c, ok := o.it.(interface{ Conn() *mqttconn.Conn }); ok {
			return c.Conn(), nil
		}
	}
	return nil, fmt.Errorf("source %s has no MQTT connection", source)
}

// discard closes what was opened for a set that is not going to run.
func (s *set) discard() {
	for _, c := range slices.Backward(s.fresh) {
		_ = c.Close() // nothing went through it
	}
}

// engineSet is what the engine gets of s.
func (s *set) engineSet() engine.Set {
	e := engine.Set{Program: s.program, Sources: map[string]engine.SourceSetup{}, Sinks: map[string]engine.SinkSetup{}}
	for name, o := range s.sources {
		e.Sources[name] = engine.SourceSetup{Source: o.it, Filters: s.program.Filters(name)}
	}
	for _, c := range s.config.Sinks {
		e.Sinks[c.Key] = engine.SinkSetup{
			Sink: s.sinks[c.Key].it, Kind: c.Value.Kind(),
			Batch: c.Value.Batch, Retry: c.Value.Retry, Buffer: c.Value.Buffer, Disk: s.disks[c.Key],
		}
	}
	return e
}

// news is what is different from before, as pairs for the log.
func (s *set) news(before *set) (pairs []any) {
	tell := func(what string, added, removed, changed []string) {
		for _, n := range []struct {
			how   string
			names []string
		}{{"added", added}, {"removed", removed}, {"changed", changed}} {
			if len(n.names) > 0 {
				slices.Sort(n.names)
				pairs = append(pairs, what+"_"+n.how, n.names)
			}
		}
	}
	added, removed, changed := s.files.changes(&before.files)
	tell("files", added, removed, changed)
	added, removed, changed = compare(before.sources, s.sources)
	tell("sources", added, removed, changed)
	added, removed, changed = compare(before.sinks, s.sinks)
	tell("sinks", added, removed, changed)
	added, removed, _ = compare(ruleNames(before.program), ruleNames(s.program))
	tell("rules", added, removed, nil)
	return pairs
}

func ruleNames(p *rules.Program) map[string]opened[struct{}] {
	names := map[string]opened[struct{}]{}
	for _, r := range p.Stats() {
		names[r.Name] = opened[struct{}]{}
	}
	return names
}

func compare[T any](before, now map[string]opened[T]) (added, removed, changed []string) {
	for name, is := range now {
		if was, ok := before[name]; !ok {
			added = append(added, name)
		} else if was.print != is.print {
			changed = append(changed, name)
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok {
			removed = append(removed, name)
		}
	}
	return added, removed, changed
}
