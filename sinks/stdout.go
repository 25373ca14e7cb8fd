package sinks

import (
	"context"
	"io"
	"os"
	"sync"

	"edge/engine"
)

// Stdout writes each payload as a line of JSON to the program's standard output. It has no settings.
type Stdout struct{}

// stdoutLock keeps the lines of several sinks whole.
var stdoutLock sync.Mutex

func (c *Stdout) open(string, Deps) (engine.Sink, error) { return &stdoutOut{w: os.Stdout}, nil }

type stdoutOut struct {
	w    io.Writer
	text []byte
}

func (s *stdoutOut) Write(_ context.Context, batch []*engine.Message, result []error) {
	s.text = s.text[:0]
	for _, m := range batch {
		s.text = append(appendJSON(s.text, m.Payload), '\n')
	}
	stdoutLock.Lock()
	_, err := s.w.Write(s.text)
	stdoutLock.Unlock()
	for i := range result {
		result[i] = err
	}
}

func (s *stdoutOut) Close() error { return nil }
