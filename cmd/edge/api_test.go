package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/brokertest"
)

func TestAPI(t *testing.T) {
	w := newWorld(t)
	w.start()
	for path, want := range map[string]string{
		"/healthz":   "ok\n",
		"/v1/config": `"error": null`,
		"/v1/rules":  `"name": "warm"`,
		"/metrics":   `edge_rule_outcomes_total{outcome="delivered",rule="warm"} 0`,
	} {
		if code, body := w.get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, name := range []string{"keys", "state_bytes", "evicted"} {
		if _, body := w.get("/v1/rules"); !strings.Contains(body, `"`+name+`": 0`) {
			t.Errorf("/v1/rules has no %s: %s", name, body)
		}
	}
	for _, name := range []string{"keys", "state_bytes", "evicted_total"} {
		if _, body := w.get("/metrics"); !strings.Contains(body, "edge_rule_"+name+`{rule="warm"} 0`) {
			t.Errorf("/metrics has no rule_%s", name)
		}
	}
	if code, _ := w.get("/v1/nothing"); code != http.StatusNotFound {
		t.Errorf("unknown path: %d", code)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		r, err := http.NewRequest(method, "http://"+w.addr()+"/v1/config", nil)
		w.must(err)
		answer, err := http.DefaultClient.Do(r)
		w.must(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, answer.StatusCode)
		}
	}
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	w.start()
	code, body := w.get("/readyz")
	var r readiness
	w.must(json.Unmarshal([]byte(body), &r))
	if code != http.StatusServiceUnavailable || r.Ready || len(r.Reasons) != 1 || !strings.HasPrefix(r.Reasons[0], "source ward: not connected") {
		t.Errorf("%d %s", code, body)
	}
	w.write("edge.yaml", `
sinks: {out: {file: {path: out.jsonl}}}
http: {listen: "127.0.0.1:0"}
`)
	w.write("rules/warm.yaml", "rules: {}")
	w.wait("ready without the source", func() bool { code, _ := w.get("/readyz"); return code == http.StatusOK })
}

// A page of any web site can have its name point to 127.0.0.1. What it then reads must not be ours.
func TestHostIsChecked(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, port, _ := net.SplitHostPort(w.addr())
	for host, want := range map[string]int{
		"localhost": 200, "localhost:" + port: 200, "127.0.0.1:" + port: 200, "127.8.8.8": 200,
		"[::1]:" + port: 200, "[::1]": 200, "127.0.0.1": 200,
		"evil.test": 421, "evil.test:" + port: 421, "localhost.evil.test": 421, "192.0.2.1": 421, "": 421,
	} {
		c, err := net.Dial("tcp", w.addr())
		w.must(err)
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		w.must(err)
		c.Close()
		if r.StatusCode != want {
			t.Errorf("host %q: %d, want %d", host, r.StatusCode, want)
		}
	}
}

// No secret is in what edge logs or serves, whatever goes wrong.
func TestSecretsStayIn(t *testing.T) {
	const canary = "c4n4ry"
	w := newWorld(t)
	w.write("pw", canary+"-file\n")
	w.Setenv("CANARY", canary+"-env")
	w.write("edge.yaml", `
sources:
  ward: {mqtt: {url: "mqtt://127.0.0.1:1", username: u, password_file: pw, topics: ["ward/#"]}}
sinks:
  out: {http: {url: "http://127.0.0.1:1", bearer_token: c4n4ry-bearer}}
  basic: {http: {url: "http://127.0.0.1:1", basic_auth: {username: u, password: "${CANARY}"}}}
  fleet: {nats: {url: "nats://127.0.0.1:1", user: u, password: c4n4ry-nats}}
  token: {nats: {url: "nats://127.0.0.1:1", token: c4n4ry-token}}
http: {listen: "127.0.0.1:0"}
log: {level: debug}
`)
	w.start()
	w.wait("a failed connection", func() bool { return strings.Contains(w.log.String(), "cannot connect") })
	look := func(when string) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/config", "/v1/rules"} {
			if _, body := w.get(path); strings.Contains(body, canary) {
				t.Errorf("%s: %s shows a secret:\n%s", when, path, body)
			}
		}
		if strings.Contains(w.log.String(), canary) {
			t.Errorf("%s: the log shows a secret:\n%s", when, w.log)
		}
	}
	look("running")
	w.write("edge.yaml", `
sources:
  ward: {mqtt: {url: "mqtt://u:c4n4ry-url@127.0.0.1:1", password: [c4n4ry-list]}}
sinks:
  out: {http: {url: "http://u:c4n4ry-url@127.0.0.1:1", bearer_token: {x: c4n4ry-map}, timeout: "${CANARY}"}}
  fleet: {nats: {url: "nats://u:c4n4ry-url@127.0.0.1:1", jetstream: "${CANARY}"}}
limits: {payload: "${CANARY}"}
http: {listen: "${CANARY}"}
log: {level: "${CANARY}"}
`)
	w.wait("the errors are shown", func() bool { return w.config().Error != nil })
	look("with errors")
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer l.Close()
	w := newWorld(t)
	w.write("edge.yaml", strings.Replace(wardConfig, "127.0.0.1:0", l.Addr().String(), 1))
	err = run(t.Context(), w.options(), w.hup, w.log)
	if err == nil || !strings.Contains(err.Error(), "http.listen: "+l.Addr().String()+" is in use by another program") {
		t.Errorf("got %v", err)
	}
}

// The new address is opened before the old one is closed, and one that cannot be opened changes nothing.
func TestListenElsewhere(t *testing.T) {
	w := newWorld(t)
	at := func(addr string) {
		w.write("edge.yaml", strings.Replace(wardConfig, "127.0.0.1:0", addr, 1))
	}
	free := func() string { return fmt.Sprintf("127.0.0.1:%d", brokertest.FreePort(t)) } // also of others, when we close it
	first := free()
	at(first)
	a := w.app()
	listen := func(addr string) {
		at(addr)
		a.reload(t.Context(), false)
	}
	taken, err := net.Listen("tcp", free())
	ok(t, err)
	listen(taken.Addr().String())
	if code, _ := w.get("/healthz"); code != 200 || w.config().Error == nil {
		t.Errorf("port in use: %d, %+v", code, w.config())
	}
	ok(t, taken.Close())
	a.reload(t.Context(), false) // as at the next look, with the same files
	if w.addr() != taken.Addr().String() || w.config().Error != nil {
		t.Errorf("the port is free: at %s, %+v", w.addr(), w.config())
	}
	if c, err := net.Dial("tcp", first); err == nil {
		c.Close()
		t.Error("the old address is still open")
	}
	_, port, _ := net.SplitHostPort(w.addr())
	listen("0.0.0.0:" + port) // we are in our own way
	if code, _ := w.get("/healthz"); code != 200 || !strings.Contains(w.log.String(), "listens beyond this machine") {
		t.Errorf("same port: %d\n%s", code, w.log)
	}
	listen("off")
	if _, err := http.Get("http://127.0.0.1:" + port + "/healthz"); err == nil {
		t.Error("off, and still there")
	}
	listen("127.0.0.1:0")
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("on again: %d", code)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	l = limit(l, 1)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		ok(t, err)
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Error("two at a time")
	default:
	}
	ok(t, first.Close())
	second := <-accepted // blocks for ever where the slot was not given back
	_ = first.Close()    // twice, as net/http may
	ok(t, l.Close())
	if _, more := <-accepted; more {
		t.Error("accepted after Close")
	}
	ok(t, second.Close())
}

func TestHoldsBack(t *testing.T) {
	full := engine.SinkStats{Queued: engine.Usage{Messages: 4, Bytes: 100}}
	for name, c := range map[string]struct {
		buffer engine.Buffer
		stats  engine.SinkStats
		want   bool
	}{
		"no room for one more": {engine.Buffer{MaxSize: 120}, full, true},
		"room":                 {engine.Buffer{MaxSize: 125}, full, false},
		"the default bound":    {engine.Buffer{}, full, false},
		"it drops instead":     {engine.Buffer{MaxSize: 100, WhenFull: engine.DropOldest}, full, false},
		"empty":                {engine.Buffer{MaxSize: 1}, engine.SinkStats{}, false},
		"a source waits":       {engine.Buffer{}, engine.SinkStats{Stalls: true, Queued: full.Queued}, true},
	} {
		if got := holdsBack(c.buffer, c.stats); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Slow clients are the server's to end, not for us to wait for.
func TestCloseDoesNotWaitForClients(t *testing.T) {
	s, err := serve("127.0.0.1:0", http.NewServeMux(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	ok(t, err)
	done := make(chan struct{})
	go func() {
		s.close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("close hangs")
	}
}
