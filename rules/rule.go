package rules

import (
	"errors"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// A rule is compiled and never changes; lanes share it.
type rule struct {
	set         *Program
	name        string
	pos         strictyaml.Pos
	description string
	topic       string // as written
	sources     []string
	pattern     []*pattern // by source: the rule's own topic, or the source's topics
	enabled     bool
	shadow      bool

	split   *expression
	lets    []*expression
	when    *expression
	key     *expression
	shape   shape
	setAt   *expression // where set or remove stands, for errors
	id      *expression
	routes  []route
	first   bool // match: first
	onError []letterTarget

	locals int  // that its expressions need
	reads  bool // the payload is scanned for it
	whole  int  // the field that is the whole payload, where the rule needs it
	book   *book
}

// A route is a way out of a rule.
type route struct {
	when    *expression
	payload *expression
	headers []header
	targets []target
}

// A header is a name and what makes its value.
type header struct {
	name  string
	value *template
}

// A target is one sink of a route.
type target struct {
	sink    string
	address *template // nil: the sink has none
	usesID  bool
	suffix  string // makes ids of several messages to one sink differ
}

// Settled counts a message that the rule made alone, or all that it made of one message.
func (r *rule) Settled(_ *engine.Message, outcome engine.Outcome) { r.book.settle(outcome) }

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
		c := &scope{now: now, rule: r, message: out.Root(), params: r.paramsOf(out.Root())}
		c.idBase = r.set.laneID()
		r.onError[i].send(c, r, out, letter, emit)
	}
	if letter == nil {
		r.log(class, failed, loud)
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

// process runs the rule for one message. What it emits holds m.
func (r *rule) process(l *lane, m *engine.Message, params []string) {
	c := &l.scope
	c.message, c.params = m, params
	if r.split == nil {
		r.element(l, null)
		return
	}
	c.begin(r)
	list, err := c.run(r.split)
	if err == nil && !list.isNull() {
		elements, ok := list.list()
		if ok && len(elements) > 0 {
			for _, element := range elements {
				r.element(l, unbox(element))
			}
			return
		}
		if !ok {
			err = &failure{err: fail(WrongType, "split takes a list, not %s", list.typeName()), expression: r.split}
		}
	}
	r.book.in.Add(1)
	if err != nil {
		r.fail(l, err)
		return
	}
	r.book.filtered.Add(1)
}

// fail settles an element as an error.
func (r *rule) fail(l *lane, err error) {
	r.fault(&l.scope, l.scope.message, err, l.emit)
	r.book.failed.Add(1)
}

// element runs the rule for one message, or one element of it.
func (r *rule) element(l *lane, item Value) {
	c := &l.scope
	c.begin(r)
	c.item = item
	r.book.in.Add(1)
	defer func() {
		if reason := recover(); reason != nil {
			l.made = l.made[:0]
			r.fail(l, fail(Panic, "%v", reason))
		}
	}()
	pass, err := c.condition(r.when)
	if err == nil && pass {
		err = r.compute(c)
	}
	if c.missing > 0 {
		r.book.missing.Add(c.missing)
	}
	switch {
	case err != nil:
		r.fail(l, err)
	case !pass:
		r.book.filtered.Add(1)
	default:
		r.deliver(l)
	}
}

// condition evaluates a condition; there is none that is not met.
func (c *scope) condition(e *expression) (bool, error) {
	if e == nil {
		return true, nil
	}
	v, err := c.run(e)
	if err != nil {
		return false, err
	}
	switch v.kind {
	case Bool:
		return v.bits == 1, nil
	case Null:
		c.missing++
		return false, nil
	}
	return false, &failure{err: fail(NotBoolean, "the condition gives %s, not true or false", v.typeName()), expression: e}
}

// compute makes the key and the result.
func (r *rule) compute(c *scope) error {
	if r.key != nil {
		if _, err := c.keyValue(); err != nil {
			return err
		}
	}
	if err := c.fill(); err != nil {
		return err
	}
	if _, err := c.result(); err != nil {
		return err
	}
	return nil
}

// deliver makes a message for each target of each route that matches, and emits them when all are made.
func (r *rule) deliver(l *lane) {
	c := &l.scope
	var id string
	if r.id != nil {
		v, err := c.run(r.id)
		if err == nil {
			id, err = v.identity(r.id)
		}
		if err != nil {
			r.fail(l, err)
			return
		}
	}
	failed := false
	l.made = l.made[:0]
	for i := range r.routes {
		matched, err := l.route(r, &r.routes[i], id)
		if err != nil {
			failed = true
			r.fault(c, c.message, err, l.emit)
		}
		if matched && r.first {
			break
		}
	}
	switch {
	case len(l.made) == 0 && failed:
		r.book.failed.Add(1)
	case len(l.made) == 0:
		r.book.filtered.Add(1)
	case r.shadow && failed:
		r.book.failed.Add(1)
	case r.shadow:
		r.book.shadow.Add(1)
	default:
		l.send(r, failed)
	}
	l.made = l.made[:0]
}

func (v Value) identity(e *expression) (string, error) {
	text, err := appendScalar(nil, v)
	if err != nil {
		return "", &failure{err: err, expression: e}
	}
	if len(text) == 0 {
		return "", &failure{err: fail(NullKey, "the id is empty"), expression: e}
	}
	return string(text), nil
}

// A draft is a message that was made and not yet emitted.
type draft struct {
	sink string
	out  *engine.Message
}

// route makes the messages of one route, all or none.
func (l *lane) route(r *rule, way *route, id string) (matched bool, err error) {
	c := &l.scope
	was := c.missing
	matched, err = c.condition(way.when)
	if counted := c.missing - was; counted > 0 {
		r.book.missing.Add(counted)
	}
	if !matched || err != nil {
		return matched, err
	}
	payload := c.out.whole
	if way.payload != nil {
		v, err := c.run(way.payload)
		if err != nil {
			return true, err
		}
		text, err := v.appendJSON(c.arena.room(), &c.budget)
		if err != nil {
			return true, &failure{err: err, expression: way.payload}
		}
		payload = c.arena.keep(text)
	}
	var headers []engine.Header
	if len(way.headers) > 0 {
		headers = make([]engine.Header, len(way.headers))
		for i := range way.headers {
			headers[i].Name = way.headers[i].name
			if headers[i].Value, err = way.headers[i].value.render(c); err != nil {
				return true, err
			}
		}
	}
	before := len(l.made)
	var last *template
	var address string
	for i := range way.targets {
		to := &way.targets[i]
		if to.address != nil && to.address != last {
			if address, err = to.address.render(c); err != nil {
				l.made = l.made[:before]
				return true, err
			}
			last = to.address
		}
		out := l.message()
		out.Topic, out.Key, out.Payload, out.Headers = c.message.Topic, c.message.Key, payload, headers
		out.Received = c.message.Received
		if to.address != nil {
			out.Address = address
		}
		if to.usesID {
			out.ID = id + to.suffix
			if id == "" {
				out.ID = c.identity()
			}
		}
		l.made = append(l.made, draft{to.sink, out})
	}
	return true, nil
}

// send emits what a rule made of one message. A single one is counted by itself, several as a group.
func (l *lane) send(r *rule, failed bool) {
	cause := l.scope.message
	if len(l.made) == 1 && !failed {
		made := l.made[0]
		made.out.From(cause, r)
		l.emit(made.sink, made.out)
		return
	}
	group := l.message()
	group.Topic, group.Key, group.Payload = cause.Topic, cause.Key, cause.Payload
	group.From(cause, r)
	for _, made := range l.made {
		made.out.From(group, (*member)(r))
		l.emit(made.sink, made.out)
	}
	if failed {
		group.Settle(engine.Failed)
	} else {
		group.Done()
	}
}
