package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"edge/internal/strictyaml"
)

func TestReloadTakesEffectByItself(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.write("rules/warm.yaml", ruleNamed("hot"))
	w.wait("the new rule", func() bool { return w.ruleNames() == "hot" })
	w.write("rules/cold.yaml", ruleNamed("cold"))
	w.wait("a second file", func() bool { return w.ruleNames() == "cold hot" })
	w.must(os.Remove(w.path("rules/warm.yaml")))
	w.wait("without the first", func() bool { return w.ruleNames() == "cold" })
	w.wait("lines in the log that say what changed", func() bool {
		return strings.Contains(w.log.String(), "rules_added=[hot]") && strings.Contains(w.log.String(), "files_removed=")
	})
}

func TestBadFilesChangeNothing(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"syntax": func(w *world) { w.write("rules/warm.yaml", "rules: [") },
		"one of two files": func(w *world) {
			w.write("rules/z.yaml", "ruls: {}") // first: a look may come between the two
			w.write("rules/warm.yaml", ruleNamed("other"))
		},
		"no such sink":    func(w *world) { w.write("rules/warm.yaml", strings.Replace(oneRule, "out", "uot", 1)) },
		"edge.yaml":       func(w *world) { w.write("edge.yaml", wardConfig+"nonsense: 1\n") },
		"edge.yaml gone":  func(w *world) { w.must(os.Remove(w.path("edge.yaml"))) },
		"empty folder":    func(w *world) { w.must(os.Remove(w.path("rules/warm.yaml"))) },
		"folder gone":     func(w *world) { w.must(os.RemoveAll(w.path("rules"))) },
		"empty file":      func(w *world) { w.write("rules/warm.yaml", "# nothing\n") },
		"name used twice": func(w *world) { w.write("rules/again.yaml", oneRule) },
		"a file that a sink names": func(w *world) {
			w.write("edge.yaml", strings.Replace(wardConfig, "sinks:",
				`sinks:`+"\n"+`  fleet: {nats: {url: "nats://127.0.0.1:1", tls: {ca_file: nowhere.pem}}}`, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			before := w.config()
			spoil(w)
			w.wait("the error is shown", func() bool { return w.config().Error != nil })
			now := w.config()
			if len(now.Error.Errors) == 0 || now.Error.Errors[0].File == "" || now.Error.Errors[0].Line == 0 {
				t.Errorf("errors without a place: %+v", now.Error)
			}
			if now.Hash != before.Hash || !now.LoadedAt.Equal(before.LoadedAt) || w.ruleNames() != "warm" {
				t.Errorf("the running set changed: %+v, rules %s", now, w.ruleNames())
			}
			if _, metrics := w.get("/metrics"); !strings.Contains(metrics, "edge_config_last_reload_successful 0") {
				t.Error("the metric does not say so")
			}

			w.must(os.RemoveAll(w.path("rules")))
			w.write("edge.yaml", wardConfig)
			w.write("rules/warm.yaml", ruleNamed("mended"))
			w.wait("mended files run", func() bool { return w.config().Error == nil && w.ruleNames() == "mended" })
		})
	}
}

// Back to what runs is good again, though nothing about the running set is new.
func TestUndoClearsTheError(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.write("rules/warm.yaml", "rules: [")
	w.wait("the error is shown", func() bool { return w.config().Error != nil })
	w.write("rules/warm.yaml", oneRule)
	w.wait("the error is gone", func() bool { return w.config().Error == nil })
}

func TestErrorsAreLoggedOnce(t *testing.T) {
	w := newWorld(t)
	a := w.app()
	w.write("rules/warm.yaml", "rules: [")
	for range 5 {
		a.reload(t.Context(), false)
	}
	if n := strings.Count(w.log.String(), "the running set stays"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, w.log)
	}
	a.reload(t.Context(), true) // by SIGHUP: whoever sends one wants an answer
	if n := strings.Count(w.log.String(), "the running set stays"); n != 2 {
		t.Errorf("logged %d times after SIGHUP", n)
	}
}

// app is one that runs without a watcher, so that the test says when it looks.
func (w *world) app() *app {
	w.Helper()
	a := newApp(w.options(), w.log)
	w.must(a.start(w.Context()))
	w.Cleanup(a.end)
	return a
}

// What did not change is the same object after a reload, with its connection; what did is another.
func TestReloadKeepsWhatDidNotChange(t *testing.T) {
	w := newWorld(t)
	w.write("pw", "one")
	const text = `
sources:
  ward: {mqtt: {url: "mqtt://127.0.0.1:1", client_id: a, username: u, password_file: pw}}
  dock: {mqtt: {url: "mqtt://127.0.0.1:1", client_id: b}}
sinks:
  out: {file: {path: out.jsonl}}
  live: {mqtt: {source: ward}}
  own: {http: {url: "http://127.0.0.1:1"}}
http: {listen: off}
`
	w.write("edge.yaml", text)
	w.write("rules/warm.yaml", strings.Replace(oneRule, "source: ward", "source: ward\n    topic: ward/#", 1))
	a := w.app()
	for _, c := range []struct {
		name, file, text, changed string
	}{
		{"nothing", "edge.yaml", text, ""},
		{"a rule", "rules/warm.yaml", strings.Replace(oneRule, "source: ward", "source: ward\n    topic: ward/+", 1), ""},
		{"a limit", "edge.yaml", text + "limits: {payload: 2MiB}\n", ""},
		{"a queue", "edge.yaml", strings.Replace(text, "jsonl}}", "jsonl}, batch: {max_count: 2}}", 1), ""},
		{"topics", "edge.yaml", strings.Replace(text, "client_id: b", "client_id: b, topics: [x]", 1), ""},
		{"a sink", "edge.yaml", strings.Replace(text, "mqtt: {source: ward}", "mqtt: {source: ward, qos: 0}", 1), "live"},
		{"a source", "edge.yaml", strings.Replace(text, "client_id: b", "client_id: c", 1), "dock"},
		{"a password in a file", "pw", "two", "ward live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.write("edge.yaml", text)
			a.reload(t.Context(), true)
			before := a.running.Load()
			w.write(c.file, c.text)
			a.reload(t.Context(), c.name == "nothing")
			now := a.running.Load()
			if now == before {
				t.Fatalf("not reloaded:\n%s", w.log)
			}
			var changed []string
			for _, name := range []string{"ward", "dock"} {
				if now.sources[name].it != before.sources[name].it {
					changed = append(changed, name)
				}
			}
			for _, name := range []string{"out", "live", "own"} {
				if now.sinks[name].it != before.sinks[name].it {
					changed = append(changed, name)
				}
			}
			if got := strings.Join(changed, " "); got != c.changed {
				t.Errorf("opened anew: %q, want %q", got, c.changed)
			}
		})
	}
}

// Half of a thousand saves are bad; the last good one wins, and edge does not load each of them.
func TestReloadStorm(t *testing.T) {
	w := newWorld(t)
	w.start()
	const last = 1000
	began := time.Now()
	for i := range last {
		text := ruleNamed(fmt.Sprint("v", i))
		if i%2 == 0 {
			text = "rules: ["
		}
		w.write("rules/warm.yaml", text)
	}
	took := time.Since(began)
	w.wait("the last one", func() bool { return w.ruleNames() == fmt.Sprint("v", last-1) && w.config().Error == nil })
	// One for each 100 ms, one that was under way at the end, and the last; rescans are in the rest.
	if n := strings.Count(w.log.String(), "msg=reloaded"); float64(n) > 3+took.Seconds()/0.09 {
		t.Errorf("%d reloads in %v", n, took)
	}
}

func TestStartWithBadFiles(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", wardConfig+"nonsense: 1\n")
	w.write("rules/a.yaml", "ruls: {}")
	w.write("rules/b.yaml", "rules: {}\nrulez: {}")
	err := run(t.Context(), w.options(), w.hup, w.log)
	list, _ := err.(strictyaml.Errors)
	if len(list) != 3 {
		t.Errorf("want all three errors, got\n%v", err)
	}
}

// A box that lost power in the middle of an edit comes up with what it ran before.
func TestStartWithBadFilesRunsTheLastGoodSet(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"a bad rule":   func(w *world) { w.write("rules/warm.yaml", "rules: [") },
		"no rules":     func(w *world) { w.must(os.RemoveAll(w.path("rules"))) },
		"a bad config": func(w *world) { w.write("edge.yaml", wardConfig+"state: {dir: data}\nnonsense: 1\n") },
		"a config of zeros, and systemd knows the place": func(w *world) {
			w.write("edge.yaml", string(make([]byte, 100)))
			w.Setenv("STATE_DIRECTORY", w.path("data"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("edge.yaml", wardConfig+"state: {dir: data}\n")
			w.start()
			w.must(w.stop())
			if info, err := os.Stat(w.path("data/" + lastGood)); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("kept set: %v, %v", info, err)
			}
			spoil(w)
			w.log = &logBuffer{}
			w.start()
			if w.ruleNames() != "warm" {
				t.Errorf("rules: %s", w.ruleNames())
			}
			if w.config().Error == nil {
				t.Error("the error is not shown")
			}
			w.write("edge.yaml", wardConfig)
			w.write("rules/warm.yaml", ruleNamed("mended"))
			w.wait("mended files run", func() bool { return w.config().Error == nil && w.ruleNames() == "mended" })
		})
	}
}

// What is kept may be damaged too. It then helps no more, and does no harm.
func TestStartWithADamagedLastGoodSet(t *testing.T) {
	for _, kept := range []string{"", "{}", "null", "{", `{"config": {"name": "x", "data": "eA=="}}`} {
		w := newWorld(t)
		w.write("edge.yaml", wardConfig+"state: {dir: data}\nnonsense: 1\n")
		w.write("data/"+lastGood, kept)
		err := run(t.Context(), w.options(), w.hup, w.log)
		if list, _ := err.(strictyaml.Errors); len(list) != 1 || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("%q: got %v", kept, err)
		}
	}
}

func TestRunStopsByItself(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.stopAt = time.Nanosecond
	w.must(run(t.Context(), o, w.hup, w.log))
	if !strings.Contains(w.log.String(), "the time given by --for is over") {
		t.Errorf("the log does not say why:\n%s", w.log)
	}
}

func TestSighupReloads(t *testing.T) {
	w := newWorld(t)
	w.start()
	before := w.config().LoadedAt
	w.hup <- os.Interrupt // which signal it was, main knows
	w.wait("loaded again", func() bool { return w.config().LoadedAt.After(before) })
}

func TestLogLevelChangesAtReload(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", wardConfig+"log: {level: error, format: json}\n")
	a := w.app()
	if w.log.String() != "" {
		t.Errorf("logged below error:\n%s", w.log)
	}
	w.write("edge.yaml", wardConfig+"log: {level: info, format: json}\n")
	a.reload(t.Context(), false)
	said := map[string]bool{}
	for text := range strings.Lines(w.log.String()) { // that nobody is at the broker may be said before
		var line struct{ Msg string }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Error(err)
		}
		said[line.Msg] = true
	}
	if !said["reloaded"] {
		t.Errorf("got %q", w.log)
	}
}

// What a reload cannot go on with is said, where there was something.
func TestReloadTellsWhatIsLost(t *testing.T) {
	w := newWorld(t)
	const watching = "    key: topic\n    absent: {for: 1h, expect: [a]}\n    map: {silent: absent}\n"
	w.write("rules/warm.yaml", oneRule+watching)
	w.start()
	w.wait("a key is watched", func() bool {
		_, body := w.get("/v1/rules")
		return strings.Contains(strings.ReplaceAll(body, " ", ""), `"keys":1`)
	})
	w.write("rules/warm.yaml", oneRule)
	w.wait("the loss is told", func() bool {
		return strings.Contains(w.log.String(), "a reload loses what a rule kept") && strings.Contains(w.log.String(), "keeps nothing any more")
	})
}
