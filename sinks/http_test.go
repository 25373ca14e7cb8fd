package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/tlsoptions/tlstest"
)

// A hit is a request that a test's server got.
type hit struct {
	method, host, uri, body, from string
	header                        http.Header
}

// A target is a server that notes what it gets and answers as the test says.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	hits   []hit
	answer func(w http.ResponseWriter, h hit) // 200 without it
}

func newTarget(t testing.TB, answer func(w http.ResponseWriter, h hit)) *target {
	t.Helper()
	s := &target{answer: answer}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // a client that went away
	}
	h := hit{r.Method, r.Host, r.RequestURI, string(body), r.RemoteAddr, r.Header}
	s.mu.Lock()
	s.hits = append(s.hits, h)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, h)
	}
}

func (s *target) got() []hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

func TestHTTPRequest(t *testing.T) {
	s := newTarget(t, nil)
	sink := open(t, fmt.Sprintf(`http: {url: "%s/api?v=1", method: PUT, headers: {X-Box: b-1, Content-Type: text/plain}, bearer_token: t0ken}`, s.URL))
	m := message("poses/r 1", `{"x":1}`)
	m.Headers = []engine.Header{{Name: "X-Box", Value: "mine"}, {Name: "Authorization", Value: "stolen"}, {Name: "Host", Value: "evil.test"}}
	wantResults(t, write(t, sink, m), "")
	h := s.got()[0]
	if h.method != "PUT" || h.uri != "/api/poses/r%201?v=1" || h.body != `{"x":1}` || "http://"+h.host != s.URL {
		t.Errorf("got %s %s%s %s", h.method, h.host, h.uri, h.body)
	}
	for name, want := range map[string]string{
		"X-Box": "mine", "Content-Type": "text/plain", "Authorization": "Bearer t0ken", "Idempotency-Key": m.ID,
	} {
		if got := h.header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
}

func TestHTTPLogin(t *testing.T) {
	s := newTarget(t, nil)
	for _, text := range []string{
		fmt.Sprintf(`http: {url: %q, basic_auth: {username: u, password: canary}}`, s.URL),
		fmt.Sprintf(`http: {url: "http://u:canary@%s"}`, s.Listener.Addr()),
	} {
		wantResults(t, write(t, open(t, text), message("", "1")), "")
	}
	for _, h := range s.got() {
		if got, want := h.header.Get("Authorization"), "Basic dTpjYW5hcnk="; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHTTPPath(t *testing.T) {
	s := newTarget(t, nil)
	for _, tt := range []struct{ base, path, want string }{ // want: the request's URI, or !error
		{"", "", "/"},
		{"/", "a", "/a"},
		{"", "/a/b", "/a/b"},
		{"/api/", "/a", "/api/a"},
		{"/api", "a/", "/api/a/"},
		{"/api%2Fv1", "a", "/api%2Fv1/a"},
		{"/api?k=v", "a?b=c#d", "/api/a%3Fb=c%23d?k=v"},
		{"", "a%2e%2e/b", "/a%252e%252e/b"},
		{"", "//evil.test/a", "//evil.test/a"},
		{"", "@evil.test", "/@evil.test"},
		{"", "http://evil.test/", "/http://evil.test/"},
		{"", "größe", "/gr%C3%B6%C3%9Fe"},
		{"", "a b;c", "/a%20b;c"},
		{"/api", "..", `!has a part ".."`},
		{"/api", "a/../../b", `!has a part ".."`},
		{"/api", `a\..\b`, `!has a part ".."`},
		{"/api", "./a", `!has a part "."`},
		{"/api", "a\r\nHost: evil", "!control character"},
		{"/api", "a\x00", "!control character"},
		{"/api", "a...b/..c", "/api/a...b/..c"},
	} {
		before := len(s.got())
		sink := open(t, fmt.Sprintf(`http: {url: %q}`, s.URL+tt.base))
		result := write(t, sink, message(tt.path, "1"))
		if strings.HasPrefix(tt.want, "!") {
			wantResults(t, result, tt.want)
			if len(s.got()) != before {
				t.Errorf("%q: a request was sent", tt.path)
			}
			continue
		}
		wantResults(t, result, "")
		h := s.got()[before]
		if h.uri != tt.want || "http://"+h.host != s.URL {
			t.Errorf("%q with %q: got %s%s, want %s", tt.base, tt.path, h.host, h.uri, tt.want)
		}
	}
}

func TestHTTPHeadersFromDataStayHeaders(t *testing.T) {
	s := newTarget(t, nil)
	sink := open(t, fmt.Sprintf(`http: {url: %q}`, s.URL))
	a, b, c := message("", "1"), message("", "2"), message("", "3")
	a.Headers = []engine.Header{{Name: "X-A", Value: "b\r\nX-C: d"}}
	b.Headers = []engine.Header{{Name: "X-A: b\r\nX-C", Value: "d"}}
	c.ID = "a\nb"
	wantResults(t, write(t, sink, a, b, c), "!header X-A has a control character", "!no name for a header", "!control character")
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestHTTPStatus(t *testing.T) {
	for _, tt := range []struct {
		code int
		want string
	}{
		{200, ""}, {201, ""}, {202, ""}, {204, ""},
		{400, "!400 Bad Request: because"}, {401, "!401"}, {403, "!403"}, {404, "!404"}, {409, "!409"}, {413, "!413"}, {422, "!422"},
		{408, "408"}, {425, "425"}, {429, "429"}, {500, "500"}, {502, "502"}, {503, "503 Service Unavailable: because"}, {599, "599: because"},
		{300, "300"}, {304, "304"},
	} {
		s := newTarget(t, func(w http.ResponseWriter, h hit) {
			w.WriteHeader(tt.code)
			if tt.code > 304 {
				io.WriteString(w, "because\n\x1b[31m of "+strings.Repeat("x", 1000))
			}
		})
		result := write(t, open(t, fmt.Sprintf(`http: {url: %q}`, s.URL)), message("", "1"))
		wantResults(t, result, tt.want)
		if err := result[0]; err != nil && (len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x1b")) {
			t.Errorf("%d: the error is %q", tt.code, err)
		}
	}
}

func TestHTTPRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		value     string
		low, high time.Duration // 0, 0: no pause is asked for
	}{
		{"3", 3 * time.Second, 3 * time.Second},
		{"1000000000", 5 * time.Minute, 5 * time.Minute},
		{"99999999999999999999999", 5 * time.Minute, 5 * time.Minute},
		{time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat), time.Minute, 2 * time.Minute},
		{time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat), 5 * time.Minute, 5 * time.Minute},
		{"1e9", 0, 0}, {"soon", 0, 0}, {"-1", 0, 0}, {"", 0, 0},
	} {
		s := newTarget(t, func(w http.ResponseWriter, h hit) {
			w.Header().Set("Retry-After", tt.value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		result := write(t, open(t, fmt.Sprintf(`http: {url: %q}`, s.URL)), message("", "1"))
		wantResults(t, result, "429 Too Many Requests")
		var pause *engine.RetryAfter
		if !errors.As(result[0], &pause) {
			if tt.high != 0 {
				t.Errorf("%q: no pause in %v", tt.value, result[0])
			}
			continue
		}
		if tt.high == 0 || pause.After < tt.low || pause.After > tt.high {
			t.Errorf("%q: the pause is %v, want %v to %v", tt.value, pause.After, tt.low, tt.high)
		}
	}
}

// A pause is for the whole sink: what is left of the batch is not sent into it.
// A server that drops the connection may be away, or may be unable to bear one message: that one must not
// hold back the others, and a server that is away is not asked for each of them.
func TestHTTPRedirects(t *testing.T) {
	other := newTarget(t, nil)
	s := newTarget(t, func(w http.ResponseWriter, h hit) {
		var code int
		var to string
		switch fmt.Sscanf(h.uri, "/%d/%s", &code, &to); to {
		case "other":
			w.Header().Set("Location", other.URL)
		case "file":
			w.Header().Set("Location", "file:///etc/passwd")
		case "round":
			w.Header().Set("Location", h.uri)
		case "here":
			w.Header().Set("Location", "http://"+h.host+"/done")
		default:
			return
		}
		w.WriteHeader(code)
	})
	sink := open(t, fmt.Sprintf(`http: {url: %q, bearer_token: canary}`, s.URL))
	for _, tt := range []struct{ path, want string }{
		{"307/here", ""}, {"308/here", ""},
		{"301/here", "301 Moved Permanently"}, {"302/here", "not followed"}, {"303/here", "not followed"},
		{"307/other", "not followed"}, {"308/other", "not followed"}, {"302/other", "not followed"},
		{"307/file", "not followed"}, {"307/round", "not followed"},
	} {
		before := len(s.got())
		wantResults(t, write(t, sink, message(tt.path, "body")), tt.want)
		hits := s.got()[before:]
		if last := hits[len(hits)-1]; last.method != "POST" || last.body != "body" || len(hits) > 6 {
			t.Errorf("%s: %d requests, the last %s %q", tt.path, len(hits), last.method, last.body)
		}
	}
	if n := len(other.got()); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// A batch that is refused says nothing about its messages: only what is refused alone is rejected.
func TestHTTPConnectionsAreUsedAgain(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, h hit) { io.WriteString(w, strings.Repeat("x", 10_000)) })
	sink := open(t, fmt.Sprintf(`http: {url: %q, max_in_flight: 2}`, s.URL))
	var batch []*engine.Message
	for range 100 {
		batch = append(batch, message("", "1"))
	}
	deliver(t, sink, batch...)
	conns := map[string]bool{}
	for _, h := range s.got() {
		conns[h.from] = true
	}
	if len(conns) > 10 { // where it takes long to hear that a request was written, the client gives a connection up
		t.Errorf("100 requests took %d connections", len(conns))
	}
}

func TestHTTPNoAnswer(t *testing.T) {
	hang := make(chan struct{})
	s := newTarget(t, func(w http.ResponseWriter, h hit) { <-hang })
	t.Cleanup(func() { close(hang) })
	sink := open(t, fmt.Sprintf(`http: {url: "%s/a?key=canary", timeout: 50ms}`, s.URL))
	wantResults(t, write(t, sink, message("b", "1")), "/a/b: no answer within 50ms")

	sink = open(t, fmt.Sprintf(`http: {url: %q}`, s.URL))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan []error)
	go func() {
		result := make([]error, 6)
		sink.Write(ctx, []*engine.Message{message("c", "1"), message("c", "1"), message("c", "1"),
			message("c", "1"), message("c", "1"), message("c", "1")}, result)
		done <- result
	}()
	eventually(t, "requests under way", func() bool { return len(s.got()) >= 4 })
	cancel()
	for i, err := range next(t, done) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("message %d: got %v", i, err)
		}
	}
}

func TestHTTPTLS(t *testing.T) {
	ca, other := tlstest.New(t), tlstest.New(t)
	client := ca.Issue("box", time.Hour)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = ca.Server(ca.Issue("127.0.0.1", time.Hour), true)
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct{ tls, want string }{
		{fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", ca.File, client.CertFile, client.KeyFile), ""},
		{fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", other.File, client.CertFile, client.KeyFile), "unknown authority"},
		{fmt.Sprintf("ca_file: %q", ca.File), s.URL}, // the alert, or what is left of a connection that was cut
		{fmt.Sprintf("ca_file: %q, server_name: x.test, cert_file: %q, key_file: %q", ca.File, client.CertFile, client.KeyFile), "x.test"},
	} {
		sink := open(t, fmt.Sprintf(`http: {url: %q, tls: {%s}}`, s.URL, tt.tls))
		wantResults(t, write(t, sink, message("", "1")), tt.want)
	}
}

func TestHTTPShowsNoSecrets(t *testing.T) {
	hang := make(chan struct{})
	s := newTarget(t, func(w http.ResponseWriter, h hit) {
		switch h.uri[:2] {
		case "/e": // a server that shows all it got
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, h.header.Get("Authorization"), " ", h.header.Get("X-Api-Key"))
		case "/c":
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		case "/h":
			<-hang
		}
	})
	t.Cleanup(func() { close(hang) })
	logged := &logs{}
	for _, login := range []string{
		`bearer_token: canary-1`,
		`basic_auth: {username: u, password: canary-1}`,
		`headers: {X-Api-Key: canary-1}`,
	} {
		for _, base := range []string{s.URL, "http://127.0.0.1:1", "https://" + s.Listener.Addr().String(), "http://no.such.host.invalid"} {
			if strings.HasPrefix(login, "headers") { // and so no other login
				base = strings.Replace(base, "://", "://u:canary-1@", 1)
			}
			sink := openLogged(t, fmt.Sprintf(`http: {url: "%s?key=canary-1", timeout: 100ms, %s}`, base, login), logged)
			for _, path := range []string{"e", "c", "h"} {
				err := write(t, sink, message(path, "1"))[0]
				if err == nil {
					t.Fatalf("%s, %s: no error", base, path)
				}
				for _, secret := range []string{"canary-1", "dTpjYW5hcnktMQ=="} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s, %s: the error is %v", base, path, err)
					}
				}
			}
		}
	}
	if strings.Contains(logged.String(), "canary") {
		t.Errorf("the log is %s", logged)
	}
}
