package sinks

import (
	"context"
	"errors"
	"strings"
	"sync"

	"edge/engine"
)

// A group is the messages that go out in one request: those of equal path and headers.
type group struct {
	index    []int // in the batch
	messages []*engine.Message
	errs     []error
}

// writeGroups sends the batch as few requests, several at a time. A key with messages for different
// requests must not be overtaken by itself: the later request then waits until the earlier ones, and all
// beside them, have ended.
func (s *httpOut) writeGroups(ctx context.Context, batch []*engine.Message, result []error) {
	for i := range result {
		result[i] = errNotTried
	}
	held := map[string]bool{} // keys with a failure that may mend
	var p patience
	var stop error // why nothing more is sent
	for start := 0; start < len(batch) && stop == nil; {
		groups, after := wave(batch, start, held)
		stop = s.sendAll(ctx, groups, &p)
		for _, g := range groups {
			for n, i := range g.index {
				result[i] = g.errs[n]
				if !settled(g.errs[n]) {
					held[batch[i].Key] = true
				}
			}
		}
		start = after
	}
	for i, err := range result {
		if err == errNotTried && stop != nil {
			result[i] = stop
		}
	}
}

// wave groups the messages from start on, up to the first whose key is in another group already. Messages
// of held keys stay out.
func wave(batch []*engine.Message, start int, held map[string]bool) (groups []*group, after int) {
	byLook, byKey := map[string]*group{}, map[string]*group{}
	for i := start; i < len(batch); i++ {
		m := batch[i]
		if held[m.Key] {
			continue
		}
		look := lookOf(m)
		g := byLook[look]
		if other := byKey[m.Key]; other != nil && other != g {
			return groups, i
		}
		if g == nil {
			g = &group{}
			byLook[look] = g
			groups = append(groups, g)
		}
		byKey[m.Key] = g
		g.index = append(g.index, i)
		g.messages = append(g.messages, m)
		g.errs = append(g.errs, errNotTried)
	}
	return groups, len(batch)
}

// lookOf is what messages of one request have in common. Lengths keep two looks apart that read the same.
func lookOf(m *engine.Message) string {
	if len(m.Headers) == 0 {
		return m.Address
	}
	var b strings.Builder
	b.WriteString(m.Address)
	for _, h := range m.Headers {
		b.WriteByte(0)
		b.WriteString(h.Name)
		b.WriteByte(0)
		b.WriteString(h.Value)
	}
	return b.String()
}

// sendAll sends groups. An error says why it left some.
func (s *httpOut) sendAll(ctx context.Context, groups []*group, p *patience) (stop error) {
	var all sync.WaitGroup
	var mu sync.Mutex // guards p and stop
	stopped := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return stop != nil
	}
	slots := make(chan struct{}, s.limit) // bounds the requests at one time
	for _, g := range groups {
		slots <- struct{}{}
		if stopped() || ctx.Err() != nil {
			break
		}
		all.Go(func() {
			err := s.sendGroup(ctx, g)
			mu.Lock()
			if p.ends(err) {
				stop = err
			}
			mu.Unlock()
			<-slots
		})
	}
	all.Wait()
	if stop == nil {
		stop = context.Cause(ctx)
	}
	return stop
}

// sendGroup sends g as one request and returns how the last request ended. When the server refuses that
// for good, it is not known which message it means, or whether it is only their sum: each goes out alone
// before any of them counts as refused.
func (s *httpOut) sendGroup(ctx context.Context, g *group) error {
	err := s.post(ctx, g.messages)
	if !errors.Is(err, engine.ErrRejected) || len(g.messages) == 1 {
		for n := range g.errs {
			g.errs[n] = err
		}
		return err
	}
	for n := range g.messages {
		err = s.post(ctx, g.messages[n:n+1])
		g.errs[n] = err
		if !settled(err) {
			break // the rest stays errNotTried: the server has gone, or wants a pause
		}
	}
	return err
}

func (s *httpOut) post(ctx context.Context, messages []*engine.Message) error {
	r, err := s.request(ctx, messages[0], s.body(messages), batchID(messages))
	if err != nil {
		return err
	}
	return s.do(r)
}

func (s *httpOut) body(messages []*engine.Message) []byte {
	size := 2
	for _, m := range messages {
		size += len(m.Payload) + 1
	}
	b := make([]byte, 0, size)
	if s.format == ndjson {
		for _, m := range messages {
			b = append(appendJSON(b, m.Payload), '\n')
		}
		return b
	}
	b = append(b, '[')
	for n, m := range messages {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, m.Payload)
	}
	return append(b, ']')
}
