package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"edge/internal/strictyaml"
)

// runOptions are the flags of edge run.
type runOptions struct {
	config string
	rules  string // a folder, or one file
	stopAt time.Duration
	level  string // both: "" leaves it to edge.yaml
	format string
}

// run runs edge until ctx ends or its time is over. A value on hup has it load the files again. What is
// wrong with the files comes back as strictyaml.Errors, all of it at once.
func run(ctx context.Context, o runOptions, hup <-chan os.Signal, stderr io.Writer) error {
	began := time.Now()
	a := newApp(o, stderr)
	w := newWatcher(a.paths, a.log) // before the files are read, so that no change falls in between
	defer w.close()
	if err := a.start(ctx); err != nil {
		a.state.close()
		return err
	}
	a.processors = startProcessors()
	defer a.processors.end()
	s := a.running.Load()
	a.log.Info("edge runs", "version", thisVersion().String(), "config", o.config, "files", len(s.files.rules)+1,
		"rules", s.program.Rules(), "sources", len(s.sources), "sinks", len(s.sinks), "took", time.Since(began).Round(time.Millisecond))
	a.follow(ctx, w, hup)
	a.end()
	a.log.Info("edge stopped", "ran", time.Since(began).Round(time.Second))
	return nil
}

func newApp(o runOptions, stderr io.Writer) *app {
	a := &app{options: o, level: new(slog.LevelVar)}
	a.log = o.logger(stderr, a.level)
	a.state = state{log: a.log, now: a.now}
	a.status.Store(&status{Files: []string{}})
	return a
}

// now is the engine's clock, which starts as the wall clock.
func (a *app) now() time.Time {
	if a.engine == nil {
		return time.Now()
	}
	return a.engine.Now()
}

// end delivers what is under way and stops, within limits.stop_timeout. The API is last: whoever watches
// sees it stop.
func (a *app) end() {
	a.stop.Store(true)
	// The context of run has ended; the engine bounds its own stop.
	a.engine.Stop(context.Background())
	a.state.close()
	if b := a.running.Load().buffers; b != nil {
		_ = b.Close() // a lock is let go in any case
	}
	a.server.close()
}

// follow reloads as the files change, until it is time to stop.
func (a *app) follow(ctx context.Context, w *watcher, hup <-chan os.Signal) {
	watching, enough := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run(watching)
	}()
	defer func() {
		enough()
		<-ended
	}()

	var over <-chan time.Time // never, without --for
	if a.options.stopAt > 0 {
		timer := time.NewTimer(a.options.stopAt)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			a.log.Info("stopping", "why", context.Cause(ctx))
			return
		case <-over:
			a.log.Info("stopping", "why", "the time given by --for is over", "for", a.options.stopAt)
			return
		case <-hup:
			a.log.Info("reloading on SIGHUP")
			a.processors.load(func() { a.reload(ctx, true) })
		case <-w.changed:
			a.processors.load(func() { a.reload(ctx, false) })
		}
	}
}

// logger writes as edge.yaml wants it, as far as that can be known before it is checked.
func (o *runOptions) logger(w io.Writer, level *slog.LevelVar) *slog.Logger {
	c, _ := parseConfig(strictyaml.Loader{SkipSecrets: true}, readFiles(o.config, o.rules).config)
	if c == nil {
		c = defaults()
	}
	level.Set(o.logLevel(c))
	format := o.format
	if format == "" {
		format = c.Log.Format
	}
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (o *runOptions) logLevel(c *Config) slog.Level {
	if o.level != "" {
		return slogLevel(o.level)
	}
	return slogLevel(c.Log.Level)
}
