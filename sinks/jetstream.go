package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"edge/engine"
)

// natsJetStream publishes into streams. A message is accepted when the stream's leader says that it is
// stored. Each publish has a reply subject of its own under one subscription: the client's PublishAsync does
// the same with five times the allocations, stalls when its window is full, and repeats publishes on its own.
type natsJetStream struct {
	natsOut
	pipe pipeline

	mu      sync.Mutex
	batch   []*engine.Message // what is being written, nil between writes
	awaited []bool            // by message, whether an answer is due
	ended   chan end          // has room for all of batch
	base    uint64            // number of the first message of batch; numbers never come twice
}

func newJetStream(out natsOut, pending int) *natsJetStream {
	if pending == 0 {
		pending = 256
	}
	s := &natsJetStream{natsOut: out}
	s.pipe = pipeline{limit: pending, quiet: natsAnswer, hurry: &s.conn.urgent}
	s.conn.setup = s.listen
	s.conn.denied = func(_ *natsLink, _ error, subject string) { s.refuse(subject) }
	return s
}

// listen subscribes to the answers that will come on a new connection.
func (s *natsJetStream) listen(l *natsLink) error {
	l.inbox = nats.NewInbox() + "."
	sub, err := l.nc.Subscribe(l.inbox+"*", s.answer)
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(-1, -1) // bounded by what we ask
}

// answer runs on the client's goroutine, one answer at a time.
func (s *natsJetStream) answer(m *nats.Msg) {
	number, err := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 36, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := number - s.base
	if i >= uint64(len(s.batch)) {
		return // it comes after its write was given up
	}
	s.end(int(i), s.verdict(m, s.batch[i].Address))
}

// end is called with mu held. It never waits: each start has one end.
func (s *natsJetStream) end(i int, err error) {
	if s.awaited[i] {
		s.awaited[i] = false
		s.ended <- end{i, err}
	}
}

func (s *natsJetStream) verdict(m *nats.Msg, subject string) error {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return fmt.Errorf("no JetStream stream takes subject %q", subject)
	}
	// What nearly all answers look like needs no decoding.
	if bytes.HasPrefix(m.Data, []byte(`{"stream":"`)) && !bytes.Contains(m.Data, []byte(`"error"`)) {
		return nil
	}
	var a jsAnswer
	return a.parse(m.Data)
}

// refuse ends all messages on a subject that we may not publish on: no answer will come for them.
func (s *natsJetStream) refuse(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.batch {
		if m.Address == subject {
			s.end(i, natsDenied(subject))
		}
	}
}

func (s *natsJetStream) Write(ctx context.Context, batch []*engine.Message, result []error) {
	link, err := s.conn.link(ctx)
	if err != nil {
		for i := range result {
			result[i] = err
		}
		return
	}
	s.mu.Lock()
	s.batch, s.ended = batch, make(chan end, len(batch))
	s.awaited = append(s.awaited[:0], make([]bool, len(batch))...)
	base := s.base
	s.mu.Unlock()

	var reply []byte
	s.pipe.start = func(i int) error {
		s.mu.Lock()
		s.awaited[i] = true
		s.mu.Unlock()
		reply = strconv.AppendUint(append(reply[:0], link.inbox...), base+uint64(i), 36)
		return s.publish(link.nc, batch[i], string(reply))
	}
	s.pipe.ended, s.pipe.lost = s.ended, link.gone
	s.pipe.why = func() error { return fmt.Errorf("the connection to %s ended: %w", s.conn.server, link.why()) }
	s.pipe.run(ctx, batch, result)

	s.mu.Lock()
	s.base += uint64(len(batch))
	s.batch = nil
	s.mu.Unlock()
	for i, err := range result {
		if errors.Is(err, errQuiet) {
			result[i] = s.silent(link)
		}
	}
}

// silent says why no answer came.
func (s *natsJetStream) silent(l *natsLink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return fmt.Errorf("the answers of %s cannot be heard: %w", s.conn.server, l.broken)
	}
	return fmt.Errorf("JetStream at %s did not answer within %s", s.conn.server, natsAnswer)
}

func (s *natsJetStream) Close() error { s.conn.close(); return nil }

// jsAnswer is what JetStream replies to a publish.
type jsAnswer struct {
	Stream string `json:"stream"`
	Error  *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

func (a *jsAnswer) parse(data []byte) error {
	if err := json.Unmarshal(data, a); err != nil || a.Error == nil && a.Stream == "" {
		return errors.New("the answer is none of JetStream's: does another service listen on the subject?")
	}
	if a.Error == nil {
		return nil
	}
	err := fmt.Errorf("JetStream: %s (%d)", strings.TrimSpace(a.Error.Description), a.Error.Code)
	if jsFinal[a.Error.Code] {
		return fmt.Errorf("%w: %w", engine.ErrRejected, err)
	}
	return err
}

// jsFinal are the answers that blame the message: its size, or a header that asks for what the stream does
// not do. All others (no space, no leader, a full stream, an id that is just being stored) may pass.
var jsFinal = map[int]bool{
	10054: true, // larger than the stream's max_msg_size
	10097: true, // headers too large
	10060: true, // Nats-Expected-Stream names another
	10070: true, // Nats-Expected-Last-Msg-Id
	10071: true, // Nats-Expected-Last-Sequence
	10164: true, // the same
	10193: true, // Nats-Expected-Last-Subject-Sequence
	10111: true, // Nats-Rollup
	10165: true, // Nats-TTL
	10166: true, // Nats-TTL
}
