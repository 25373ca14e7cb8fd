package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// An app is a running edge: the set that runs, and what became of the files since. Its methods are called by
// one goroutine; others read status and running through their pointers.
type app struct {
	options runOptions
	log     *slog.Logger
	level   *slog.LevelVar
	engine  *engine.Engine
	server  *server // nil when http.listen is off
	state   state

	processors *processors // nil outside of run

	running atomic.Pointer[set]
	status  atomic.Pointer[status]
	counts  struct{ loads, failures atomic.Uint64 }
	stop    atomic.Bool // no longer ready

	watched atomic.Pointer[[]string] // files beside edge.yaml and the rules that a load depends on
	named   []string                 // of these, those that edge.yaml names
	tables  []string                 // and the tables that the rules name
	tried   string                   // stamp of the files that were loaded last, with or without success
	wanted  string                   // http.listen of files that are good but for that port, which is in use
}

// A status is what became of the files. It is what /v1/config shows.
type status struct {
	Hash     string       `json:"hash"` // of the set that runs
	LoadedAt time.Time    `json:"loaded_at"`
	Files    []string     `json:"files"`
	Error    *statusError `json:"error"` // of files that were changed since and do not run
}

type statusError struct {
	At     time.Time  `json:"at"`
	Errors []oneError `json:"errors"`
}

// oneError is an error as JSON has it, here and in lint.
type oneError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func listErrors(errs strictyaml.Errors) []oneError {
	list := make([]oneError, 0, len(errs))
	for _, e := range errs {
		list = append(list, oneError{e.Pos.File, e.Pos.Line, e.Pos.Column, e.Message})
	}
	return list
}

// start loads the files and sets the engine going. With errors nothing runs, unless there is a set that ran
// before: a box that lost power in the middle of an edit must come up.
func (a *app) start(ctx context.Context) error {
	f := a.read()
	next, config, errs := load(&f, nil, &a.state, a.log)
	a.depend(config, f)
	bad := errs
	if len(errs) > 0 {
		a.counts.failures.Add(1)
		good, ok := readLastGood(stateDir(config))
		if !ok {
			return errs
		}
		if next, _, errs = load(&good, nil, &a.state, a.log); len(errs) > 0 {
			return bad
		}
	}
	a.engine = engine.New(engine.Limits{
		Messages: next.config.Limits.InflightMessages, Bytes: next.config.Limits.InflightBytes,
		StopTimeout: next.config.Limits.StopTimeout,
	}, a.log)
	server, err := a.listen(next.config)
	if err != nil {
		next.discard()
		return err
	}
	if len(bad) > 0 { // before anybody can ask and be told that all is well
		a.refuse(bad, "the files have errors, the last good set runs instead")
	}
	a.swap(ctx, next, server)
	return nil
}

// read reads the files until two looks in a row see the same: not a folder while it is written to, nor a
// ConfigMap half before and half after its symlink is turned round.
func (a *app) read() files {
	f := readFiles(a.options.config, a.options.rules)
	for range 20 { // a folder that never rests is loaded as it is; the next look comes soon
		time.Sleep(20 * time.Millisecond)
		again := readFiles(a.options.config, a.options.rules)
		if a.stamp(&again, nil) == a.stamp(&f, nil) {
			break
		}
		f = again
	}
	return f
}

// reload looks at the files, and when they are others than were loaded last, or forced, loads them. Nothing
// of what runs is touched unless all of them are good.
func (a *app) reload(ctx context.Context, forced bool) {
	f := readFiles(a.options.config, a.options.rules)
	if !forced && a.stamp(&f, nil) == a.tried && !a.portFree() {
		return
	}
	f = a.read()
	a.wanted = ""
	running := a.running.Load()
	next, config, errs := load(&f, running, &a.state, a.log)
	a.depend(config, f)
	if len(errs) > 0 {
		a.counts.failures.Add(1)
		a.refuse(errs, "the files have errors, the running set stays")
		return
	}
	server := a.server
	if next.config.HTTP.Listen != running.config.HTTP.Listen {
		var err error
		if server, err = a.listen(next.config); err != nil {
			next.discard()
			a.counts.failures.Add(1)
			pos := next.config.pos(strictyaml.Pos{File: next.config.file, Line: 1, Column: 1}, "http", "listen")
			a.refuse(strictyaml.Errors{{Pos: pos, Message: err.Error()}}, "the files cannot run, the running set stays")
			a.wanted = next.config.HTTP.Listen
			return
		}
	}
	a.swap(ctx, next, server)
}

// portFree says that what kept the last files from running is over, which no file tells.
func (a *app) portFree() bool {
	if a.wanted == "" {
		return false
	}
	l, err := net.Listen("tcp", a.wanted)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// swap puts next in the place of what runs. Everything that can fail has been done.
func (a *app) swap(ctx context.Context, next *set, server *server) {
	before := a.running.Load()
	next.fresh = nil // the engine closes them from here on
	a.level.Set(a.options.logLevel(next.config))
	limitMemory(next.config.Limits.Memory)
	a.engine.Swap(ctx, next.engineSet())
	a.running.Store(next)
	now := &status{Hash: next.files.setHash(), LoadedAt: time.Now(), Files: next.files.names()}
	if before == nil { // what is wrong at the start is wrong with other files than these
		now.Error = a.status.Load().Error
	}
	a.status.Store(now)
	a.counts.loads.Add(1)
	a.wanted = ""
	if server != a.server {
		a.server.close()
		a.server = server
	}
	if before != nil {
		a.log.Info("reloaded", append([]any{"files", len(next.files.rules) + 1, "rules", next.program.Rules()}, next.news(before)...)...)
		for _, line := range next.program.Lost() {
			a.log.Warn("a reload loses what a rule kept", "what", line)
		}
		a.warnOfRestart(before.config, next.config)
	}
	a.warnOfOrphans()
	debug.FreeOSMemory() // what reading and compiling took, which is several times what stays
	giveBackCode()
	if dir := next.config.State.Dir; dir != "" {
		if err := writeLastGood(dir, next.files); err != nil {
			a.log.Warn("cannot keep the good set for a start with bad files", "dir", dir, "error", err)
		}
	}
}

// refuse shows errors of files that do not run: in the log, once for each content of the files, and in the
// status until files are good again.
func (a *app) refuse(errs strictyaml.Errors, message string) {
	now := *a.status.Load()
	now.Error = &statusError{At: time.Now(), Errors: listErrors(errs)}
	a.status.Store(&now)
	for _, e := range errs {
		a.log.Error(message, "at", e.Pos.String(), "error", e.Message)
	}
}

// warnOfRestart names the settings that are read at the start only.
func (a *app) warnOfRestart(before, now *Config) {
	warn := func(key string, same bool) {
		if !same {
			a.log.Warn("a setting takes effect at the next start", "key", key)
		}
	}
	warn("limits.inflight_messages", before.Limits.InflightMessages == now.Limits.InflightMessages)
	warn("limits.inflight_bytes", before.Limits.InflightBytes == now.Limits.InflightBytes)
	warn("limits.stop_timeout", before.Limits.StopTimeout == now.Limits.StopTimeout)
	warn("state.dir", before.State.Dir == now.State.Dir)
	warn("log.format", before.Log.Format == now.Log.Format)
}

// depend notes which other files the load of f looked at, and the stamp of them all.
func (a *app) depend(config *Config, f files) {
	if config != nil {
		a.named = config.namedFiles()
	}
	a.tables = slices.Sorted(maps.Keys(f.prints))
	watched := slices.Concat(a.named, a.tables)
	a.watched.Store(&watched)
	a.tried = a.stamp(&f, f.prints)
}

// stamp is equal when the files, and those that they name, are. It is not shown to anybody: it is made of
// secrets too. prints are those of tables that were read; the others are looked at.
func (a *app) stamp(f *files, prints map[string]string) string {
	h := sha256.New()
	io.WriteString(h, f.hash())
	for _, name := range a.named {
		digestFile(h, name)
	}
	for _, name := range a.tables {
		print, known := prints[name]
		if !known {
			print = tablePrint(name)
		}
		io.WriteString(h, print)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// paths is what the watcher looks after.
func (a *app) paths() []string {
	paths := []string{a.options.config, a.options.rules}
	if names, err := ruleFiles(a.options.rules, a.options.config); err == nil {
		paths = append(paths, names...) // they may be symlinks to elsewhere
	}
	if named := a.watched.Load(); named != nil {
		paths = append(paths, *named...)
	}
	return paths
}

// limitMemory tells the collector what edge may use, unless whoever started it knows better: the user's
// bound on messages and state, and what an idle edge needs besides.
func limitMemory(bound int64) {
	const base = 32 << 20
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bound + base)
	}
}
