package sinks_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/engine"
)

func bodies(hits []hit) (list []string) {
	for _, h := range hits {
		list = append(list, h.body)
	}
	return list
}

func TestHTTPPauseEndsTheBatch(t *testing.T) {
	for _, format := range []string{"single", "json_array"} {
		s := newTarget(t, func(w http.ResponseWriter, h hit) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		sink := open(t, fmt.Sprintf(`http: {url: %q, format: %s, max_in_flight: 2}`, s.URL, format))
		batch := make([]*engine.Message, 50)
		for i := range batch {
			batch[i] = message(fmt.Sprint(i), "1")
		}
		for i, err := range write(t, sink, batch...) {
			var pause *engine.RetryAfter
			if !errors.As(err, &pause) {
				t.Fatalf("%s: message %d: got %v", format, i, err)
			}
		}
		if n := len(s.got()); n > 4 {
			t.Errorf("%s: %d requests were sent", format, n)
		}
	}
}

func TestHTTPDroppedConnections(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, h hit) {
		if strings.HasPrefix(h.uri, "/bad") {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				conn.Close()
			}
		}
	})
	for _, format := range []string{"single", "ndjson"} {
		sink := open(t, fmt.Sprintf(`http: {url: %q, format: %s, max_in_flight: 1}`, s.URL, format))
		wantResults(t, write(t, sink, message("a", "1"), message("bad", "1"), message("b", "1"), message("c", "1")),
			"", "POST "+s.URL+"/bad: EOF", "", "")
		before := len(s.got())
		batch := make([]*engine.Message, 50)
		for i := range batch {
			batch[i] = message(fmt.Sprint("bad/", i), "1")
		}
		for i, err := range write(t, sink, batch...) {
			if err == nil {
				t.Errorf("%s: message %d counts as delivered", format, i)
			}
		}
		if n := len(s.got()) - before; n > 4 { // the client repeats one by itself
			t.Errorf("%s: %d requests were sent", format, n)
		}
	}
}

func TestHTTPBatches(t *testing.T) {
	s := newTarget(t, nil)
	binary := message("p", "\xff\xfe")
	batch := []*engine.Message{message("p", `{"a":1}`), message("p", "{\n \"b\": 2\n}"), message("p", `plain "text"`), binary}
	var ids []string
	for _, m := range batch {
		ids = append(ids, m.ID)
	}
	hash := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	id := hex.EncodeToString(hash[:])
	for _, tt := range []struct{ format, kind, body string }{
		{"json_array", "application/json", `[{"a":1},{"b":2},"plain \"text\"",{"payload_base64":"//4="}]`},
		{"ndjson", "application/x-ndjson", `{"a":1}` + "\n" + `{"b":2}` + "\n" + `"plain \"text\""` + "\n" + `{"payload_base64":"//4="}` + "\n"},
	} {
		before := len(s.got())
		sink := open(t, fmt.Sprintf(`http: {url: %q, format: %s}`, s.URL, tt.format))
		wantResults(t, write(t, sink, batch...), "", "", "", "")
		hits := s.got()[before:]
		if len(hits) != 1 {
			t.Fatalf("%s: %d requests", tt.format, len(hits))
		}
		h := hits[0]
		if h.body != tt.body || h.header.Get("Content-Type") != tt.kind || h.header.Get("Idempotency-Key") != id {
			t.Errorf("%s: got %s as %s with id %s", tt.format, h.body, h.header.Get("Content-Type"), h.header.Get("Idempotency-Key"))
		}
	}
	binary.ID = "" // then nothing tells this batch from another
	before := len(s.got())
	wantResults(t, write(t, open(t, fmt.Sprintf(`http: {url: %q, format: ndjson}`, s.URL)), batch...), "", "", "", "")
	if id := s.got()[before].header.Get("Idempotency-Key"); id != "" {
		t.Errorf("the id is %q", id)
	}
}

func TestHTTPBatchesByPathAndHeaders(t *testing.T) {
	s := newTarget(t, nil)
	sink := open(t, fmt.Sprintf(`http: {url: %q, format: json_array, max_in_flight: 1}`, s.URL))
	with := func(path, payload, key string, headers ...engine.Header) *engine.Message {
		m := message(path, payload)
		m.Key, m.Headers = key, headers
		return m
	}
	wantResults(t, write(t, sink,
		with("a", "1", "k"), with("b", "2", "l"), with("a", "3", "m"),
		with("a", "4", "n", engine.Header{Name: "X", Value: "y"}),
		with("b", "5", "k"), // behind 1, so not in one wave with it
		with("a", "6", "k"), // and this behind 5
		with("b", "7", "l"),
	), "", "", "", "", "", "", "")
	var got []string
	for _, h := range s.got() {
		got = append(got, h.uri+h.header.Get("X")+h.body)
	}
	want := "/a[1,3] /b[2] /ay[4] /b[5] /a[6] /b[7]"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

func TestHTTPBatchRefused(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, h hit) {
		switch {
		case strings.Contains(h.body, "bad"):
			w.WriteHeader(http.StatusUnprocessableEntity)
		case len(h.body) > 20:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	sink := open(t, fmt.Sprintf(`http: {url: %q, format: json_array}`, s.URL))
	batch := []*engine.Message{message("", `"good 1"`), message("", `"bad"`), message("", `"good 2"`)}
	wantResults(t, write(t, sink, batch...), "", "!422 Unprocessable Entity", "")
	if got := strings.Join(bodies(s.got()), " "); got != `["good 1","bad","good 2"] ["good 1"] ["bad"] ["good 2"]` {
		t.Errorf("got %s", got)
	}
	// Too large together, small enough alone.
	wantResults(t, write(t, sink, message("", `"0123456789"`), message("", `"0123456789"`)), "", "")
}

func TestHTTPGzip(t *testing.T) {
	s := newTarget(t, nil)
	sink := open(t, fmt.Sprintf(`http: {url: %q, gzip: true}`, s.URL))
	want := map[string]bool{}
	var batch []*engine.Message
	for i := range 30 {
		batch = append(batch, message("", strings.Repeat(fmt.Sprint(i), 100)))
		want[string(batch[i].Payload)] = true
	}
	deliver(t, sink, batch...)
	for _, h := range s.got() {
		r, err := gzip.NewReader(strings.NewReader(h.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || h.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%v, headers %v", err, h.header)
		}
		delete(want, string(text))
	}
	if len(want) != 0 {
		t.Errorf("%d bodies did not come", len(want))
	}
}

func TestHTTPOrderUnderFailures(t *testing.T) {
	for _, format := range []string{"single", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			var mu sync.Mutex
			var taken [][]byte
			var now, most, calls int
			both := make(chan struct{}) // the second request has come
			s := newTarget(t, func(w http.ResponseWriter, h hit) {
				mu.Lock()
				now++
				calls++
				most = max(most, now)
				n := calls
				mu.Unlock()
				switch {
				case n == 1 && format == "single":
					select {
					case <-both:
					case <-time.After(20 * time.Second): // it does not come beside the first
					}
				case n == 2:
					close(both)
				}
				left := sync.OnceFunc(func() { mu.Lock(); now--; mu.Unlock() })
				defer left() // and then the answer goes out
				switch {
				case n%7 == 0:
					w.WriteHeader(http.StatusInternalServerError)
					return
				case n%11 == 0: // no answer at all
					conn, _, err := w.(http.Hijacker).Hijack()
					if err == nil {
						left()
						conn.Close()
					}
					return
				}
				mu.Lock()
				taken = append(taken, bytes.Split(bytes.TrimSpace([]byte(h.body)), []byte("\n"))...)
				mu.Unlock()
			})
			const keys, n = 20, 30
			sink := open(t, fmt.Sprintf(`http: {url: %q, format: %s, max_in_flight: 5, timeout: 60s}`, s.URL, format))
			// Some keys share a path and some change it, so that groups meet keys of other groups.
			batch := ofKeys(keys, n, func(k int) string { return fmt.Sprint("p", k%3) })
			for i, m := range batch {
				if m.Key == "k1" || m.Key == "k4" {
					m.Address = fmt.Sprint("p", i/keys%2)
				}
			}
			for len(batch) > 0 {
				size := min(100, len(batch))
				deliver(t, sink, batch[:size]...)
				batch = batch[size:]
			}
			mu.Lock() // the handlers have ended, but nothing else tells the race detector so
			defer mu.Unlock()
			wantOrder(t, taken, keys, n)
			if most > 5 || format == "single" && most < 2 {
				t.Errorf("up to %d requests were under way at one time", most)
			}
		})
	}
}
