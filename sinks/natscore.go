package sinks

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"edge/engine"
)

// natsCore publishes to whoever listens. A message is accepted when the server has answered a ping sent
// after it: it has read all that came before.
type natsCore struct {
	natsOut
	seen error // the refusal that was dealt with last

	mu      sync.Mutex
	refused []refusal     // in the order the server sent them
	came    chan struct{} // one more refusal is there
}

type refusal struct {
	link    *natsLink
	err     error
	subject string
}

func newNATSCore(out natsOut) *natsCore {
	s := &natsCore{natsOut: out, came: make(chan struct{}, 1)}
	s.conn.denied = func(l *natsLink, err error, subject string) {
		s.mu.Lock()
		s.refused = append(s.refused, refusal{l, err, subject})
		s.mu.Unlock()
		select {
		case s.came <- struct{}{}:
		default:
		}
	}
	return s
}

func (s *natsCore) Write(ctx context.Context, batch []*engine.Message, result []error) {
	for i := range result {
		result[i] = nil
	}
	if err := s.write(ctx, batch, result); err != nil {
		for i, e := range result {
			if !errors.Is(e, engine.ErrRejected) {
				result[i] = err
			}
		}
	}
}

// write refuses single messages in result; its own error stands for all others.
func (s *natsCore) write(ctx context.Context, batch []*engine.Message, result []error) error {
	link, err := s.conn.link(ctx)
	if err != nil {
		return err
	}
	for i, m := range batch {
		err := s.publish(link.nc, m, "")
		if err != nil && !errors.Is(err, engine.ErrRejected) {
			return err
		}
		result[i] = err
	}
	wait, cancel := context.WithTimeout(ctx, natsAnswer)
	defer cancel()
	if err := link.nc.FlushWithContext(wait); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if wait.Err() != nil {
			link.nc.Close() // a server that does not answer a ping is not there any more
			return fmt.Errorf("%s did not answer within %s", s.conn.server, natsAnswer)
		}
		return fmt.Errorf("the connection to %s ended: %w", s.conn.server, link.why())
	}
	return s.refuse(wait, link, batch, result)
}

// refuse finds what the server refused. The client notes the last refusal before it sees the answer to the
// ping, but reports each of them later and in order: so all are known once the last was reported.
func (s *natsCore) refuse(ctx context.Context, link *natsLink, batch []*engine.Message, result []error) error {
	last := link.nc.LastError()
	if last == s.seen || !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	if _, ok := quoted(last.Error(), "Publish to "); !ok {
		return nil
	}
	for {
		if refused := s.until(last); refused != nil {
			s.seen = last
			for i, m := range batch {
				for _, r := range refused {
					if r.link == link && r.subject == m.Address {
						result[i] = natsDenied(m.Address)
					}
				}
			}
			return nil
		}
		select {
		case <-s.came:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// until takes the refusals, once the last of them is there.
func (s *natsCore) until(last error) []refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.refused)
	if n == 0 || s.refused[n-1].err != last {
		return nil
	}
	refused := s.refused
	s.refused = nil
	return refused
}

func (s *natsCore) Close() error { s.conn.close(); return nil }
