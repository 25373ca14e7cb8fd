package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// watching runs a watcher over edge.yaml and rules in dir until the test ends.
func watching(t *testing.T, dir string, change func(*watcher)) *watcher {
	return watchingPaths(t, filepath.Join(dir, "edge.yaml"), filepath.Join(dir, "rules"), change)
}

func watchingPaths(t *testing.T, config, folder string, change func(*watcher)) *watcher {
	w := newWatcher(func() []string {
		names, _ := ruleFiles(folder, config)
		return append(names, config, folder)
	}, slog.New(slog.DiscardHandler))
	w.rescan = time.Hour // what is found is found by events
	change(w)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { w.run(ctx) })
	t.Cleanup(func() { cancel(); ended.Wait(); w.close() })
	return w
}

// sees waits until the watcher told and the files are those that want has.
func sees(t *testing.T, w *watcher, dir, want string) {
	t.Helper()
	seesPaths(t, w, filepath.Join(dir, "edge.yaml"), filepath.Join(dir, "rules"), want)
}

func seesPaths(t *testing.T, w *watcher, config, folder, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case <-w.changed:
			if content(readFiles(config, folder)) == want {
				return
			}
		case <-late:
			t.Fatalf("not told; on disk %s, want %s", content(readFiles(config, folder)), want)
		}
	}
}

func content(f files) string {
	s := string(f.config.Data)
	for _, r := range f.rules {
		s += " " + filepath.Base(r.Name) + "=" + string(r.Data)
	}
	return s
}

func put(t *testing.T, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Each way in which editors, deployment tools and people change files ends at the right set. All of them
// again and again: a watch that was lost the first time misses the next.
func TestWatcherFindsEveryWayToSave(t *testing.T) {
	for name, save := range map[string]func(t *testing.T, dir, text string){
		"in place": func(t *testing.T, dir, text string) {
			put(t, dir+"/rules/a.yaml", text)
		},
		"renamed into place": func(t *testing.T, dir, text string) {
			put(t, dir+"/rules/.a.yaml.tmp", text)
			ok(t, os.Rename(dir+"/rules/.a.yaml.tmp", dir+"/rules/a.yaml"))
		},
		"old one renamed away first": func(t *testing.T, dir, text string) {
			ok(t, os.Rename(dir+"/rules/a.yaml", dir+"/rules/a.yaml~"))
			put(t, dir+"/rules/a.yaml", text)
			ok(t, os.Remove(dir+"/rules/a.yaml~"))
		},
		"in pieces": func(t *testing.T, dir, text string) {
			f, err := os.Create(dir + "/rules/a.yaml")
			ok(t, err)
			for _, b := range []byte(text) {
				_, err := f.Write([]byte{b})
				ok(t, err)
				ok(t, f.Sync())
			}
			ok(t, f.Close())
		},
		"folder deleted and made again": func(t *testing.T, dir, text string) {
			ok(t, os.RemoveAll(dir+"/rules"))
			put(t, dir+"/rules/a.yaml", text)
		},
		"folder renamed away, another in its place": func(t *testing.T, dir, text string) {
			put(t, dir+"/next/a.yaml", text)
			ok(t, os.Rename(dir+"/rules", dir+"/old"+text))
			ok(t, os.Rename(dir+"/next", dir+"/rules"))
		},
		"the folder above renamed away, another in its place": func(t *testing.T, dir, text string) {
			put(t, dir+".next/edge.yaml", "config")
			put(t, dir+".next/rules/a.yaml", "not yet")
			ok(t, os.Rename(dir, dir+".old"+text))
			ok(t, os.Rename(dir+".next", dir))
			put(t, dir+"/rules/a.yaml", text)
		},
		"everything deleted and made again": func(t *testing.T, dir, text string) {
			ok(t, os.RemoveAll(dir))
			put(t, dir+"/edge.yaml", "config")
			put(t, dir+"/rules/a.yaml", text)
		},
		"file is a symlink to elsewhere": func(t *testing.T, dir, text string) {
			put(t, dir+"/store/"+text, text)
			_ = os.Remove(dir + "/rules/a.yaml")
			ok(t, os.Symlink(dir+"/store/"+text, dir+"/rules/a.yaml"))
		},
		"folder is a symlink": func(t *testing.T, dir, text string) {
			put(t, dir+"/releases/"+text+"/a.yaml", text)
			_ = os.RemoveAll(dir + "/rules")
			ok(t, os.Symlink(dir+"/releases/"+text, dir+"/rules"))
		},
		"ConfigMap": func(t *testing.T, dir, text string) {
			put(t, dir+"/rules/..data_"+text+"/a.yaml", text)
			ok(t, os.Symlink("..data_"+text, dir+"/rules/..data_tmp"))
			ok(t, os.Rename(dir+"/rules/..data_tmp", dir+"/rules/..data"))
			if i, err := os.Lstat(dir + "/rules/a.yaml"); err != nil || i.Mode().IsRegular() {
				_ = os.Remove(dir + "/rules/a.yaml")
				ok(t, os.Symlink("..data/a.yaml", dir+"/rules/a.yaml"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/edge"
			put(t, dir+"/edge.yaml", "config")
			put(t, dir+"/rules/a.yaml", "0")
			w := watching(t, dir, func(*watcher) {})
			for round := range 3 {
				text := fmt.Sprint("v", round+1)
				save(t, dir, text)
				sees(t, w, dir, "config a.yaml="+text)
				put(t, dir+"/rules/a.yaml", text+"!") // whatever it is now, it is watched
				sees(t, w, dir, "config a.yaml="+text+"!")
			}
		})
	}
}

// The target of a symlink changes in its own folder, which nobody named.
func TestWatcherFollowsSymlinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/etc/edge.yaml", "config")
	put(t, dir+"/store/a.yaml", "0")
	ok(t, os.Mkdir(dir+"/etc/rules", 0o755))
	ok(t, os.Symlink(dir+"/store/a.yaml", dir+"/etc/rules/a.yaml"))
	w := watching(t, dir+"/etc", func(*watcher) {})
	put(t, dir+"/store/a.yaml", "1")
	sees(t, w, dir+"/etc", "config a.yaml=1")
}

// The rules are a symlink in a folder of their own that is turned to the next release.
func TestWatcherFollowsASymlinkedFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/etc/edge.yaml", "config")
	for _, version := range []string{"1", "2", "3"} {
		put(t, dir+"/releases/"+version+"/a.yaml", version)
	}
	put(t, dir+"/srv/note", "")
	turn := func(version string) {
		ok(t, os.Symlink(dir+"/releases/"+version, dir+"/srv/next"))
		ok(t, os.Rename(dir+"/srv/next", dir+"/srv/rules"))
	}
	turn("1")
	w := watchingPaths(t, dir+"/etc/edge.yaml", dir+"/srv/rules", func(*watcher) {})
	for _, version := range []string{"2", "3"} {
		turn(version)
		seesPaths(t, w, dir+"/etc/edge.yaml", dir+"/srv/rules", "config a.yaml="+version)
	}
}

func TestWatcherFindsNewAndDeletedFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/edge.yaml", "config")
	put(t, dir+"/rules/a.yaml", "1")
	w := watching(t, dir, func(*watcher) {})
	put(t, dir+"/rules/b.yml", "2")
	sees(t, w, dir, "config a.yaml=1 b.yml=2")
	ok(t, os.Remove(dir+"/rules/a.yaml"))
	sees(t, w, dir, "config b.yml=2")
	put(t, dir+"/edge.yaml", "other")
	sees(t, w, dir, "other b.yml=2")
}

// Network file systems send no events, and some machines have no watch left to give.
func TestWatcherRescansWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/edge.yaml", "config")
	put(t, dir+"/rules/a.yaml", "0")
	w := watching(t, dir, func(w *watcher) {
		ok(t, w.fs.Close())
		w.fs, w.rescan = nil, 10*time.Millisecond
	})
	put(t, dir+"/rules/a.yaml", "1")
	late := time.After(20 * time.Second)
	for {
		select {
		case <-w.changed:
			if content(readFiles(dir+"/edge.yaml", dir+"/rules")) == "config a.yaml=1" {
				return
			}
		case <-late:
			t.Fatal("not told")
		}
	}
}

// A log that is written beside edge.yaml must not have everything looked at for each of its lines.
func TestWatcherIgnoresOtherFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/edge.yaml", "config")
	put(t, dir+"/rules/a.yaml", "0")
	var looks atomic.Int64
	w := watching(t, dir, func(w *watcher) {
		paths := w.paths
		w.paths = func() []string {
			looks.Add(1)
			return paths()
		}
	})
	for i := range 100 {
		put(t, fmt.Sprint(dir, "/dead_letters.", i, ".jsonl"), "{}")
	}
	put(t, dir+"/rules/a.yaml", "1") // its events come after those of the log
	sees(t, w, dir, "config a.yaml=1")
	if n := looks.Load(); n > 50 {
		t.Errorf("looked %d times", n)
	}
}

func TestRuleFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yml", "edge.yaml", ".hidden.yaml", ".b.yaml.swp", "b.yaml~", "#b.yaml#", "note.txt"} {
		put(t, dir+"/"+name, "x")
	}
	ok(t, os.Mkdir(dir+"/sub.yaml", 0o755))
	names, err := ruleFiles(dir, dir+"/edge.yaml")
	ok(t, err)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	if want := []string{"a.yml", "b.yaml"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
