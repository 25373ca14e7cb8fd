package rules

import (
	"sync"
	"time"

	"edge/engine"
)

// localMeta is what is known of a message that came through local: where from, and no more.
var localMeta = &engine.Meta{Source: localName}

const (
	maxHops   = 16      // times that a message may go through local
	maxCaused = 100_000 // messages that one input may bring to local, lest many routes in a circle make it all of them
)

// A chain is how far the message that is handled has come through local, and what its input has brought there.
type chain struct{ hops, caused int }

// step counts one more message to local, or says why there must not be one.
func (h *chain) step() error {
	if h.hops >= maxHops {
		return fail(Hops, "the message has come through local %d times: do rules send it round in a circle?", maxHops)
	}
	if h.caused++; h.caused > maxCaused {
		return fail(LimitReached, "one message may bring %d messages to local", maxCaused)
	}
	return nil
}

// An errand is a message to local that waits for its rules.
type errand struct {
	out  *engine.Message
	hops int
}

// toLocal makes out a message that rules with `source: local` get.
func toLocal(out *engine.Message, topic string) {
	out.Topic, out.Key, out.Address, out.Meta = topic, topic, topic, localMeta
}

// outlet is the emit of a lane. Messages to local wait until the rules of their cause are done.
func (l *lane) outlet(sink string, out *engine.Message) {
	if sink != localName {
		l.sinks(sink, out)
		return
	}
	l.await(errand{out, l.chain.hops + 1})
}

func (l *lane) await(e errand) {
	if tell := l.program.tell; tell != nil {
		tell(e.out)
	}
	l.errands = append(l.errands, e)
}

// begin makes the lane ready for one input.
func (l *lane) begin(now time.Time, emit engine.Emit) {
	l.sinks, l.emit = emit, l.out
	l.scope.now = now
	l.chain = chain{}
}

// follow runs the rules on what has come to local, and on what comes of that, in order. No lock is held.
func (l *lane) follow(now time.Time) {
	if len(l.errands) == 0 {
		return
	}
	done := 0
	defer func() { // only after a panic is anything left
		for _, left := range l.errands[done:] {
			left.out.Settle(engine.Failed)
		}
		clear(l.errands)
		l.errands = l.errands[:0]
		l.chain = chain{}
	}()
	for ; done < len(l.errands); done++ {
		next := l.errands[done]
		l.chain.hops = next.hops
		l.handle(now, next.out)
		next.out.Done()
	}
}

// An inbox takes what comes to local from outside of the lanes: dead letters of what a sink refused. The ticker
// handles it, since a queue must not wait for a lane that waits for the queue. Programs share it over a reload.
type inbox struct {
	mu   sync.Mutex
	list []errand
}

func (b *inbox) put(e errand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, e)
}

func (b *inbox) empty() []errand {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}

// besides is an emit for what a rule sends when a sink has refused its message.
func (p *Program) besides(emit engine.Emit, hops int) engine.Emit {
	return func(sink string, out *engine.Message) {
		if sink != localName {
			emit(sink, out)
			return
		}
		p.inbox.put(errand{out, hops + 1})
		select {
		case p.wakes <- struct{}{}:
		default: // the ticker has yet to come for the one before
		}
	}
}

// inputOf is the message that a rule made out of: what it got from a source, or through local.
func inputOf(out *engine.Message) *engine.Message {
	for m := out.Parent(); m != nil; m = m.Parent() {
		if m.Meta != nil {
			return m
		}
	}
	return out.Root()
}

// hopsOf counts how often what out was made of has gone through local.
func hopsOf(out *engine.Message) (hops int) {
	for m := out; m != nil; m = m.Parent() {
		if m.Meta == localMeta {
			hops++
		}
	}
	return hops
}
