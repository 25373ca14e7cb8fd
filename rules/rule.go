package rules

import (
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// A rule is compiled and never changes; lanes share it. What each message needs stands first: of ten thousand rules most
// are not in the processor's cache, and a rule that is asked costs what it takes to fetch it.
type rule struct {
	set      *Program
	book     *book
	memory   *memory // nil: it keeps nothing from one message to the next
	split    *expression
	when     *expression
	key      *expression
	id       *expression
	routes   []route
	lets     []*expression
	throttle *throttle
	locals   int // that its expressions need
	enabled  bool
	shadow   bool
	first    bool // match: first
	keyFirst bool // when, or a let that it uses, reads what the rule keeps
	reads    bool // the payload is scanned for it
	durable  bool // what it keeps is on disk before a message is settled
	circles  bool // what it sends may come back to it
	decided  bool // clauses are all of when
	portable bool // a later program can have it as it is
	shape    shape

	name        string
	pos         strictyaml.Pos
	description string
	topic       string // as written
	sources     []string
	pattern     []*pattern  // by source: the rule's own topic, or the source's topics
	clauses     []clause    // of when, for the index
	fields      []int32     // of the payload, that its expressions read
	whole       int         // the field that is the whole payload, where the rule needs it
	setAt       *expression // where set or remove stands, for errors
	onError     []letterTarget

	window    *window     // nil: its results are of one message each
	aggregate *aggregates // what of many messages a window brings
	absent    *absence    // and what follows: its operators, nil where it has none
	dedupe    *dedupe
	states    []*stateRule
	last      *lastRule
	lags      []*lagRule
	lagCalls  []lagCall
	fences    []*fence
	onChange  *onChange
	serial    int           // orders the rules that share a memory: later ones are newer
	life      time.Duration // for how long anything of a key lasts; 0: for ever
	sweep     int           // the slot of what forgets keys after that
	maxKeys   int
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

// fail settles an element as an error.
func (r *rule) fail(l *lane, err error) {
	c := &l.scope
	r.fault(c, c.message, err, l.emit)
	c.count(&r.book.failed)
}

// count adds to an outcome of the book, which is of messages: what a window or a timer makes has none.
func (c *scope) count(outcome *atomic.Int64) {
	if !c.fired {
		outcome.Add(1)
	}
}

// A verdict is what the operators of a rule say of a message that nothing is wrong with.
type verdict uint8

const (
	passes     verdict = iota // on to the routes
	filtered                  // a condition was not met
	suppressed                // dedupe, on_change or throttle holds it back for good
	late                      // its windows are closed
	taken                     // a window, a state or a timer has it
)

// element runs the rule for one message, or one element of it.
func (r *rule) element(l *lane, item Value) {
	c := &l.scope
	c.begin(r)
	c.item = item
	r.book.in.Add(1)
	if r.memory == nil {
		r.judge(l, (*rule).compute)
		return
	}
	if !r.keyFirst && !r.admit(l) {
		return
	}
	for due := r.due(); due != 0 && due < nanos(c.now); due = r.due() { // in batches, so that the lock is free between them
		r.remembering(l, func() { r.memory.fire(l, r, nanos(c.now), false, fireBatch) })
	}
	r.remembering(l, func() {
		r.memory.fire(l, r, nanos(c.now), false, unlimited)
		r.memory.begin(l, r, c.message)
		r.judge(l, (*rule).remember)
		r.memory.end(l)
		r.memory.tidy(c.kept)
	})
}

// judge finds the verdict on a message and acts on it.
func (r *rule) judge(l *lane, find func(*rule, *lane) (verdict, error)) {
	c := &l.scope
	defer func() {
		if reason := recover(); reason != nil {
			l.made = l.made[:0]
			r.fail(l, fail(Panic, "%v", reason))
		}
	}()
	v, err := find(r, l)
	if c.missing > 0 {
		r.book.missing.Add(c.missing)
		c.missing = 0
	}
	if err != nil {
		r.fail(l, err)
		return
	}
	switch v {
	case filtered:
		c.count(&r.book.filtered)
	case suppressed:
		c.count(&r.book.suppressed)
	case late:
		c.count(&r.book.late)
	case taken:
		c.count(&r.book.kept)
	default:
		r.deliver(l)
	}
}

// compute is the way of a message through a rule that keeps nothing.
func (r *rule) compute(l *lane) (verdict, error) {
	c := &l.scope
	if r.keyFirst {
		if _, err := c.keyValue(); err != nil {
			return passes, err
		}
	}
	if pass, err := c.passes(r); !pass || err != nil {
		return filtered, err
	}
	if r.key != nil {
		if _, err := c.keyValue(); err != nil {
			return passes, err
		}
	}
	return passes, r.shapeResult(c)
}

// shapeResult makes the result of map or set.
func (r *rule) shapeResult(c *scope) error {
	if err := c.fill(); err != nil {
		return err
	}
	_, err := c.result()
	return err
}

// condition evaluates a condition; there is none that is not met.
func (c *scope) condition(e *expression) (bool, error) {
	if e == nil {
		return true, nil
	}
	if e.test != nil {
		if holds, known := e.test(c); known {
			return holds, nil
		}
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
	l.made, l.failed = l.made[:0], l.failed[:0]
	for i := range r.routes {
		matched, err := l.route(r, &r.routes[i], id)
		if err != nil {
			l.failed = append(l.failed, routeFailure{err, len(l.made)})
		}
		if matched && r.first {
			break
		}
	}
	failed := len(l.failed) > 0
	if held := r.throttle != nil && r.throttle.newest; len(l.made) == 0 || r.shadow || held {
		l.fault(r, len(l.made))
	}
	switch {
	case len(l.made) == 0 && failed:
		c.count(&r.book.failed)
	case len(l.made) == 0:
		c.count(&r.book.filtered)
	case r.shadow && failed:
		c.count(&r.book.failed)
	case r.shadow:
		c.count(&r.book.shadow)
	case r.throttle != nil && r.throttle.newest:
		r.hold(l, failed)
	default:
		l.send(r, failed)
	}
	l.made, l.failed = l.made[:0], l.failed[:0]
}

// A routeFailure is an error of one route, and how many messages the routes before it made: its dead letter goes
// out behind them.
type routeFailure struct {
	err    error
	behind int
}

// fault handles the failures of routes that stand before the nth message.
func (l *lane) fault(r *rule, n int) {
	for len(l.failed) > 0 && l.failed[0].behind <= n {
		r.fault(&l.scope, l.scope.message, l.failed[0].err, l.emit)
		l.failed = l.failed[1:]
	}
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
		if to.sink == localName {
			if err = c.chain.step(); err != nil {
				l.made = l.made[:before]
				return true, err
			}
		}
		out := l.message()
		out.Topic, out.Key, out.Payload, out.Headers = c.message.Topic, c.message.Key, payload, headers
		out.Received = c.message.Received
		if c.order != "" {
			out.Key = c.order
		}
		if to.address != nil {
			out.Address = address
		}
		if to.sink == localName {
			toLocal(out, address)
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
	origin := l.scope.origin(r)
	if len(l.made) == 1 && !failed {
		made := l.made[0]
		made.out.From(cause, origin)
		l.emit(made.sink, made.out)
		return
	}
	group := l.message()
	group.Topic, group.Key, group.Payload = cause.Topic, cause.Key, cause.Payload
	group.From(cause, origin)
	for i, made := range l.made {
		l.fault(r, i)
		made.out.From(group, (*member)(r))
		l.emit(made.sink, made.out)
	}
	l.fault(r, len(l.made))
	if failed {
		group.Settle(engine.Failed)
	} else {
		group.Done()
	}
}
