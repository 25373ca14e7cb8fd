package rules

import (
	"errors"
	"time"

	"edge/engine"
)

// Rejected sends a message that a sink refused for good to the rule's on_error.
func (r *rule) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	class := Rejected
	if errors.Is(err, engine.ErrExpired) {
		class = Expired
	}
	now := time.Now()
	failed := &evalError{Class: class, Message: "sink " + sink + ": " + err.Error(), at: -1}
	loud := r.book.err(class, now)
	letter := []byte(nil)
	for i := range r.onError {
		if r.onError[i].sink == sink {
			continue // it would be refused for the same reason
		}
		if letter == nil {
			letter = r.letter(now, out, class, failed)
		}
		in, hops := inputOf(out), hopsOf(out)
		c := &scope{now: now, rule: r, message: in, params: r.paramsOf(in), chain: &chain{hops: hops}}
		c.idBase = r.set.laneID()
		r.onError[i].send(c, r, out, letter, r.set.besides(emit, hops))
	}
	if letter == nil {
		r.log(out, class, failed, loud)
	}
}

// Keep is what a disk buffer notes, to find the rule again when a sink refuses out later. What out was made of is
// kept where a dead letter wants it.
func (r *rule) Keep() (name string, cause bool) { return keptRule + r.name, len(r.onError) > 0 }

// With these begin the names under which a disk buffer keeps what stands behind a message.
const (
	keptRule   = "rule/"
	keptLetter = "letter/"
)

// Origin finds what stands behind a message from a disk buffer, nil when its rule is gone. It counts errors, but
// no outcome: the message was counted when the disk had it.
func (p *Program) Origin(name string) engine.Origin {
	for _, r := range p.rules {
		switch name {
		case keptRule + r.name:
			return (*member)(r)
		case keptLetter + r.name:
			return &letterOrigin{r}
		}
	}
	return nil
}

// A member stands behind one of several messages that a rule made of one: the group is what is counted.
type member rule

func (o *member) Settled(*engine.Message, engine.Outcome) {}

func (o *member) Keep() (string, bool) { return (*rule)(o).Keep() }

func (o *member) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	(*rule)(o).Rejected(out, sink, err, emit)
}

// paramsOf matches a topic again, for the rare case that nobody has kept the params.
func (r *rule) paramsOf(m *engine.Message) []string {
	for _, p := range r.pattern {
		if params, ok := p.match(splitTopic(m.Topic)); ok {
			return params
		}
	}
	return nil
}
