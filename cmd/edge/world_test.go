package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A world is a folder with edge.yaml and rules, and perhaps an edge that runs on it.
type world struct {
	*testing.T
	dir  string
	hup  chan os.Signal
	log  *logBuffer
	stop func() error // ends edge and gives what run returned
}

const oneRule = `
rules:
  warm:
    source: ward
    when: payload.t > 30
    route: [{to: out}]
`

// wardConfig has a broker that is never there: what is tested here must not need one.
const wardConfig = `
sources:
  ward: {mqtt: {url: "mqtt://127.0.0.1:1", client_id: edge-test, topics: ["ward/#"]}}
sinks:
  out: {file: {path: out.jsonl}}
http: {listen: "127.0.0.1:0"}
`

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), hup: make(chan os.Signal, 1), log: &logBuffer{}}
	w.write("edge.yaml", wardConfig)
	w.write("rules/warm.yaml", oneRule)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write saves a file as most editors do: under another name, then renamed.
func (w *world) write(name, text string) {
	w.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.Fatal(err)
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) options() runOptions {
	return runOptions{config: w.path("edge.yaml"), rules: w.path("rules")}
}

// start runs edge until the test ends, and waits until its API answers.
func (w *world) start() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = run(ctx, w.options(), w.hup, w.log)
	}()
	w.stop = func() error {
		cancel()
		<-done
		return err
	}
	w.Cleanup(func() { _ = w.stop() })
	w.wait("edge runs", func() bool {
		select {
		case <-done:
			w.Fatalf("edge ended: %v", err)
		default:
		}
		return strings.Contains(w.log.String(), "edge runs")
	})
}

var listening = regexp.MustCompile(`http listening" addr=(\S+)`)

// addr is where the API listens now.
func (w *world) addr() string {
	w.Helper()
	all := listening.FindAllStringSubmatch(w.log.String(), -1)
	if len(all) == 0 {
		w.Fatalf("the API does not listen; log:\n%s", w.log)
	}
	return all[len(all)-1][1]
}

func (w *world) get(path string) (code int, body string) {
	w.Helper()
	r, err := http.Get("http://" + w.addr() + path)
	if err != nil {
		w.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	w.must(err)
	return r.StatusCode, string(data)
}

func (w *world) config() (s status) {
	w.Helper()
	_, body := w.get("/v1/config")
	w.must(json.Unmarshal([]byte(body), &s))
	return s
}

// ruleNames lists the rules that run.
func (w *world) ruleNames() string {
	w.Helper()
	_, body := w.get("/v1/rules")
	var answer struct{ Rules []struct{ Name string } }
	w.must(json.Unmarshal([]byte(body), &answer))
	var names []string
	for _, r := range answer.Rules {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

// wait asks again and again. It bounds how long a broken edge holds up the tests, not how fast a good one is.
func (w *world) wait(what string, is func() bool) {
	w.Helper()
	waitFor(w.T, what, is, func() string { return w.log.String() })
}

func waitFor(t *testing.T, what string, is func() bool, more func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s\n%s", what, more())
		}
	}
}

// ruleNamed is a rule file with one rule.
func ruleNamed(name string) string { return strings.Replace(oneRule, "warm", name, 1) }

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// command runs one command line.
func command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}
