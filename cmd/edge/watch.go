package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A watcher says when the files it looks after may have changed. What changed it does not say: whoever is
// told reads them all and compares what they hold. So an event too many costs nothing, and one that is lost
// (network file systems send none, a full queue drops them) is made good by the next rescan.
//
// It watches directories, never files: an editor that saves by renaming, and a ConfigMap that turns a
// symlink round, leave a watch on a file looking at what nobody reads any more.
type watcher struct {
	paths   func() []string // files and folders to look after; asked again before each look
	changed chan struct{}   // holds one: told twice before anybody looked is told once
	log     *slog.Logger

	quiet  time.Duration // told when nothing happened for so long,
	latest time.Duration // and at the latest so long after the first event
	rescan time.Duration // told every so often in any case

	fs    *fsnotify.Watcher      // nil: no events on this machine, rescans only
	dirs  map[string]os.FileInfo // what is watched, as it was when the watch was set; owned by run
	names map[string]bool        // names that occur in the paths
}

func newWatcher(paths func() []string, log *slog.Logger) *watcher {
	w := &watcher{
		paths: paths, changed: make(chan struct{}, 1), log: log,
		quiet: 100 * time.Millisecond, latest: 500 * time.Millisecond, rescan: 3 * time.Second,
		dirs: map[string]os.FileInfo{},
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file events, changes are found by rescans only", "every", w.rescan, "error", err)
		return w
	}
	w.fs = fs
	w.look()
	return w
}

// run tells until ctx ends.
func (w *watcher) run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var failures <-chan error
	if w.fs != nil {
		events, failures = w.fs.Events, w.fs.Errors
	}
	w.look() // the paths may be others since the first look
	rescan := time.NewTicker(w.rescan)
	defer rescan.Stop()

	var quiet, latest <-chan time.Time // nil while no event waits to be told
	stir := func() {
		quiet = time.After(w.quiet)
		if latest == nil {
			latest = time.After(w.latest)
		}
	}
	tell := func() {
		quiet, latest = nil, nil
		w.look()
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if w.concerns(event) {
				// At once, not when it is quiet: a directory that was made again is written to now.
				w.look()
				stir()
			}
		case err := <-failures:
			// Most of all an overflow of the queue: something was missed, so look at everything.
			w.log.Debug("watching files", "error", err)
			stir()
		case <-quiet:
			tell()
		case <-latest:
			tell()
		case <-rescan.C:
			tell()
		}
	}
}

// close ends the watches. run has returned, or was never called.
func (w *watcher) close() {
	if w.fs != nil {
		_ = w.fs.Close()
	}
}

// concerns keeps a log file beside edge.yaml, or a busy /etc, from causing a look for each of its writes.
func (w *watcher) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Base(event.Name)
	return ruleFile(name) || strings.HasPrefix(name, "..") || w.names[name]
}

// look sets the watches that the paths need as they are now, and ends the others.
func (w *watcher) look() {
	if w.fs == nil {
		return
	}
	want := map[string]os.FileInfo{}
	w.names = map[string]bool{}
	for _, path := range w.paths() {
		path, err := filepath.Abs(path)
		if err != nil {
			continue
		}
		w.want(path, want)
		if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
			w.want(target, want)
		}
	}
	alive := w.fs.WatchList()
	for dir, was := range w.dirs {
		// Another directory may be there under the same name; the watch went away with the old one.
		if now, ok := want[dir]; !ok || !os.SameFile(was, now) || !slices.Contains(alive, dir) {
			_ = w.fs.Remove(dir) // fails where it is gone already
			delete(w.dirs, dir)
		}
	}
	for dir, info := range want {
		if _, ok := w.dirs[dir]; ok {
			continue
		}
		if err := w.fs.Add(dir); err != nil {
			w.log.Debug("cannot watch a directory, changes in it are found by rescans only", "dir", dir, "error", err)
			continue
		}
		w.dirs[dir] = info
	}
}

// want adds the nearest directory that is there, path itself or one above it, and the one above that, where
// path shows up again after it was deleted.
func (w *watcher) want(path string, want map[string]os.FileInfo) {
	for _, name := range strings.Split(path, string(filepath.Separator)) {
		if name != "" {
			w.names[name] = true
		}
	}
	for dir, found := path, 0; found < 2; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			if info, err := os.Stat(real); err == nil && info.IsDir() {
				want[real] = info
				found++
			}
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}
