// Package test runs the real binary against real brokers: one scenario a file. What they share is in
// harness_test.go (edge and its folder), oracle_test.go (what was sent and what came) and servers_test.go.
package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/internal/brokertest"
)

const patience = brokertest.Patience

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "edge-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "edge")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "../cmd/edge")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// A box is a folder with the files of one edge, and the process that runs on them.
type box struct {
	t    testing.TB
	dir  string
	env  []string
	cmd  *exec.Cmd
	log  *logs
	gone chan struct{} // closed when the process has ended; then err says how
	err  error
	api  string
}

const common = "\nhttp: {listen: 127.0.0.1:0}\nlog: {level: debug}\nstate: {dir: state}\n"

// newBox writes edge.yaml and one rule file. The API listens on a free port; {{DIR}} is the box's folder.
func newBox(t testing.TB, config, rules string) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	b.write("edge.yaml", config+common)
	b.write("rules/rules.yaml", rules)
	return b
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

// write replaces a file as editors do: beside it, then a rename.
func (b *box) write(name, text string) {
	b.t.Helper()
	path := b.path(name)
	b.overwrite(name+"~", text)
	if err := os.Rename(path+"~", path); err != nil {
		b.t.Fatal(err)
	}
}

// overwrite empties a file and fills it again, as a shell's > does.
func (b *box) overwrite(name, text string) {
	b.t.Helper()
	path := b.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "{{DIR}}", b.dir)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) read(name string) string {
	text, err := os.ReadFile(b.path(name))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return string(text)
}

var listening = regexp.MustCompile(`msg="http listening" addr=(\S+)`)

// launch starts edge and returns when its API listens.
func (b *box) launch(args ...string) {
	b.t.Helper()
	b.log = &logs{}
	b.cmd = exec.Command(binary, append([]string{"run", "-c", b.path("edge.yaml"), "-r", b.path("rules")}, args...)...)
	b.cmd.Env = append(os.Environ(), b.env...)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	cmd, log, gone := b.cmd, b.log, make(chan struct{})
	b.gone = gone
	go func() {
		defer close(gone)
		b.err = cmd.Wait()
	}()
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-gone // before its folder is removed
		if b.t.Failed() && log == b.log {
			b.t.Logf("edge said:\n%s", log.tail(6000))
		}
	})
	b.until("edge listens", func() bool {
		found := listening.FindStringSubmatch(log.String())
		if found != nil {
			b.api = "http://" + found[1]
			return true
		}
		select {
		case <-gone:
			b.t.Fatalf("edge ended: %v", b.err)
		default:
		}
		return false
	})
}

// start launches edge and waits until it is ready.
func (b *box) start() {
	b.t.Helper()
	b.launch()
	b.runs()
	b.ready()
}

// runs waits until the first set is what runs, and is kept and shown.
func (b *box) runs() {
	b.t.Helper()
	b.until("edge runs", func() bool { return strings.Contains(b.log.String(), `msg="edge runs"`) })
}

func (b *box) ready() {
	b.t.Helper()
	b.until("edge is ready", func() bool { code, _ := b.get("/readyz"); return code == 200 })
}

func (b *box) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatal(err)
	}
}

// stop ends edge as a service manager does.
func (b *box) stop() {
	b.t.Helper()
	b.signal(syscall.SIGTERM)
	b.ended()
}

// ended waits until edge has ended by itself with success.
func (b *box) ended() {
	b.t.Helper()
	select {
	case <-b.gone:
		if b.err != nil {
			b.t.Fatalf("edge ended: %v", b.err)
		}
	case <-time.After(patience):
		b.t.Fatal("edge does not end")
	}
}

// kill ends edge as a power cut does.
func (b *box) kill() {
	b.t.Helper()
	if err := b.cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	<-b.gone
}

func (b *box) get(path string) (int, string) {
	resp, err := http.Get(b.api + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// until waits for what can be observed.
func (b *box) until(what string, ok func() bool) {
	b.t.Helper()
	waitFor(b.t, what, ok)
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// metric is a value of /metrics, say metric(`edge_sink_up{sink="out"}`).
func (b *box) metric(name string) float64 {
	b.t.Helper()
	_, body := b.get("/metrics")
	for line := range strings.Lines(body) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				b.t.Fatal(err)
			}
			return v
		}
	}
	b.t.Fatalf("/metrics has no %s", name)
	return 0
}

// loaded is what /v1/config says.
type loaded struct {
	Hash  string
	Error *struct {
		Errors []struct {
			File         string
			Line, Column int
			Message      string
		}
	}
}

func (b *box) config() (c loaded) {
	b.t.Helper()
	_, body := b.get("/v1/config")
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		b.t.Fatalf("/v1/config: %v\n%s", err, body)
	}
	return c
}

// reloads changes the files and waits until the set that they make runs.
func (b *box) reloads(change func()) {
	b.t.Helper()
	before := b.config().Hash
	change()
	b.until("the new set runs", func() bool { now := b.config(); return now.Hash != before && now.Error == nil })
}

// ruleBook is what /v1/rules says of one rule.
type ruleBook struct {
	Name                                                                             string
	In, Delivered, Filtered, Suppressed, Late, Kept, Error, Dropped, Shadow, Results int64
	InFlight                                                                         int64 `json:"in_flight"`
	Errors                                                                           map[string]int64
}

// book gives the book of a rule, and holds those of all rules to their promise: they balance at any moment.
func (b *box) book(rule string) (found ruleBook) {
	b.t.Helper()
	_, body := b.get("/v1/rules")
	var books struct{ Rules []ruleBook }
	if err := json.Unmarshal([]byte(body), &books); err != nil {
		b.t.Fatalf("/v1/rules: %v\n%s", err, body)
	}
	for _, book := range books.Rules {
		if sum := book.Delivered + book.Filtered + book.Suppressed + book.Late + book.Kept + book.Error + book.Dropped + book.Shadow + book.InFlight; book.In != sum {
			b.t.Errorf("the book of %s does not balance: in %d, sum %d", book.Name, book.In, sum)
		}
		if book.Name == rule {
			found = book
		}
	}
	return found
}

// settled waits until a rule has delivered n messages and none is in flight.
func (b *box) settled(rule string, n int) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s has delivered %d", rule, n), func() bool {
		book := b.book(rule)
		return book.Delivered >= int64(n) && book.InFlight == 0
	})
	if book := b.book(rule); book.Delivered != int64(n) {
		b.t.Errorf("book %+v, want %d delivered", book, n)
	}
}

// balanced waits until nothing is in flight. How much was delivered nobody knows after a crash.
func (b *box) balanced(rule string) {
	b.t.Helper()
	b.until("nothing is in flight", func() bool { return b.book(rule).InFlight == 0 })
}

// logs keeps what a process says.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) tail(n int) string {
	text := l.String()
	if len(text) > n {
		text = "…" + text[len(text)-n:]
	}
	return text
}
