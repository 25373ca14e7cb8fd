package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
	"edge/sinks"
)

// load reads the settings of one sink, as edge.yaml has them.
func load(t testing.TB, text string) (*sinks.Config, error) {
	t.Helper()
	var errs strictyaml.Errors
	var c sinks.Config
	var l strictyaml.Loader
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if n := l.Parse(file, []byte(text), &errs); n != nil {
		l.Decode(file, n, &c, &errs)
	}
	return &c, errs.Err()
}

// open makes a sink that ends with the test.
func open(t testing.TB, text string) engine.Sink {
	t.Helper()
	return openLogged(t, text, &logs{})
}

func openLogged(t testing.TB, text string, log *logs) engine.Sink {
	t.Helper()
	c, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open("out", sinks.Deps{Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// logs is what was logged, at every level.
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

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// write writes a batch once.
func write(t testing.TB, s engine.Sink, batch ...*engine.Message) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	result := make([]error, len(batch))
	for i := range result {
		result[i] = errors.New("the sink set no result")
	}
	s.Write(ctx, batch, result)
	if ctx.Err() != nil {
		t.Fatalf("the write took too long: %v", result)
	}
	return result
}

// deliver writes a batch as the engine does: what failed is tried again, in its order, until all is settled.
// It returns those that were refused for good.
func deliver(t testing.TB, s engine.Sink, batch ...*engine.Message) (rejected []*engine.Message) {
	t.Helper()
	late := time.After(60 * time.Second)
	for len(batch) > 0 {
		var again []*engine.Message
		var last error
		for i, err := range write(t, s, batch...) {
			switch {
			case errors.Is(err, engine.ErrRejected):
				rejected = append(rejected, batch[i])
			case err != nil:
				again, last = append(again, batch[i]), err
			}
		}
		if len(again) == len(batch) { // a pause only where nothing went
			select {
			case <-late:
				t.Fatalf("%d messages are left: %v", len(again), last)
			case <-time.After(20 * time.Millisecond):
			}
		}
		batch = again
	}
	return rejected
}

// message has a key and an id that no other has, unless they are set later.
func message(address, payload string) *engine.Message {
	n := made.Add(1)
	return &engine.Message{
		Address: address, Payload: []byte(payload),
		ID: fmt.Sprintf("id-%d", n), Key: fmt.Sprintf("key-%d", n),
	}
}

var made atomic.Int64

// ofKeys makes n messages of each key, in turns: the payload is {"k":key,"n":number}.
func ofKeys(keys, n int, address func(key int) string) (batch []*engine.Message) {
	for i := range n {
		for k := range keys {
			m := message(address(k), fmt.Sprintf(`{"k":%d,"n":%d}`, k, i))
			m.Key = fmt.Sprint("k", k)
			batch = append(batch, m)
		}
	}
	return batch
}

// wantResults checks a batch's results: "" is accepted, "!text" is refused for good with that text in the
// error, and "text" is an error with it that another try may mend.
func wantResults(t *testing.T, got []error, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d results, want %d", len(got), len(want))
	}
	for i, err := range got {
		text, final := strings.CutPrefix(want[i], "!")
		switch {
		case want[i] == "" && err == nil:
		case err == nil || want[i] == "":
			t.Errorf("message %d: got %v, want %q", i, err, want[i])
		case !strings.Contains(err.Error(), text) || errors.Is(err, engine.ErrRejected) != final:
			t.Errorf("message %d: got %v (final: %t), want %q", i, err, errors.Is(err, engine.ErrRejected), want[i])
		}
	}
}

// eventually waits for what other goroutines bring about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	for !is() {
		select {
		case <-late:
			t.Fatalf("it never came about: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
