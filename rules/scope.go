package rules

import (
	"time"

	"edge/engine"
	"edge/internal/jsonscan"
	"edge/rules/geo"
)

// A scope is what an expression can see while a rule handles one message. A lane has one and uses it again.
type scope struct {
	now        time.Time
	rule       *rule
	message    *engine.Message
	params     []string
	sure       bool             // the index knows that the rule's condition is met
	slots      []jsonscan.Value // what the scanner found, by field
	item       Value            // of a split
	key        lazy
	lets       []lazy
	out        output
	window     struct{ start, end int64 } // Unix ms; of what a window brings
	aggregated []Value                    // what the aggregates of a window came to
	read       []Value                    // room for the arguments of the aggregates
	arena      arena

	// What the rule keeps, as it was before this message. Read under the lock of its memory.
	id       []byte  // identity of the key
	kept     *kept   // nil: nothing yet
	states   []Value // by state
	last     []Value // the fields of the last message that the rule reads; none: there was no message
	lags     []Value // by call of lag
	fences   []lazy  // what they say of this message, by fence of the rule
	noted    []Value // what the message leaves behind, before it is written
	seen     []byte  // identity of what dedupe goes by
	compared []Value // by on_change
	absent   bool    // the key has fallen silent
	order    string  // what order holds for, where that is not what it is for the message
	fired    bool    // what is made has no message as its cause, but a window or a timer

	journal *journal // of a durable rule that is at work
	row     []byte   // identity of a key that is looked up in a table
	chain   *chain   // how far the message has come through local

	idBase   string // with which the ids of this lane begin
	sequence int64

	budget  budget
	missing int64 // comparisons of what was missing
	args    []Value
	locals  []Value // let x = …; inside an expression
	loops   []loop  // predicates that are running, the innermost last
}

// A lazy value is computed when it is first read.
type lazy struct {
	state lazyState
	value Value
	err   error
	point geo.Point // in place of the value, see memberOfLet
}

type lazyState uint8

const (
	notYet lazyState = iota
	underWay
	known
	asPoint
)

// A loop is the state of a predicate: what # and its likes mean.
type loop struct {
	element Value
	index   int
	acc     Value
}

// begin makes the scope ready for one message, or one element of it, under a rule.
func (c *scope) begin(r *rule) {
	c.rule = r
	c.key = lazy{}
	if cap(c.lets) < len(r.lets) {
		c.lets = make([]lazy, len(r.lets))
	}
	c.lets = c.lets[:len(r.lets)]
	clear(c.lets)
	if cap(c.locals) < r.locals {
		c.locals = make([]Value, r.locals)
	}
	c.locals = c.locals[:r.locals]
	c.missing = 0
	c.kept, c.fired, c.absent, c.order = nil, false, false, ""
	c.states, c.last, c.lags = c.states[:0], c.last[:0], c.lags[:0]
	c.fences = c.fences[:0]
	c.out.reset()
}

// run evaluates one expression of the rule.
func (c *scope) run(e *expression) (Value, error) {
	c.budget = budget{}
	if e.copies {
		return scanned(&c.slots[e.slot]), nil
	}
	c.args, c.loops = c.args[:0], c.loops[:0]
	v, err := e.eval(c)
	if err != nil {
		return v, failed(err, e)
	}
	return v, nil
}

// copied gives the field of the payload that an expression is, nil where it is something else.
func (c *scope) copied(e *expression) *jsonscan.Value {
	if !e.copies {
		return nil
	}
	return &c.slots[e.slot]
}

// failed says which expression an error came from, unless one inside of it has said so.
func failed(err error, e *expression) error {
	if err == nil {
		return nil
	}
	if _, told := err.(*failure); told {
		return err
	}
	return &failure{err: err, expression: e}
}

// A failure is an error of a message, with the expression it came from.
type failure struct {
	err        error
	expression *expression
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// topic gives the topic of the message. A key that was expected and never seen has none.
func (c *scope) topic() (Value, error) {
	if c.fired && c.message.Topic == "" {
		return null, nil
	}
	return stringValue(c.message.Topic), nil
}

// let gives one of the rule's lets, computed when it is first read.
func (c *scope) let(i int) (Value, error) {
	l := &c.lets[i]
	switch l.state {
	case notYet:
		l.state = known
		l.value, l.err = c.nested(c.rule.lets[i])
	case asPoint:
		l.state, l.value = known, boxed(l.point)
	}
	return l.value, l.err
}

// keyValue gives the key of the message.
func (c *scope) keyValue() (Value, error) {
	if c.key.state == known {
		return c.key.value, c.key.err
	}
	c.key.state = known
	if c.rule.key == nil {
		c.key.value = stringValue(c.message.Topic)
		return c.key.value, nil
	}
	v, err := c.nested(c.rule.key)
	if err == nil {
		switch v.kind {
		case Null:
			err = &failure{err: fail(NullKey, "the key is missing or null"), expression: c.rule.key}
		case Object, Array, Boxed:
			err = &failure{err: fail(NullKey, "the key is %s; it must be text, a number or a boolean", v.typeName()), expression: c.rule.key}
		}
	}
	c.key.value, c.key.err = v, err
	return v, err
}

// nested evaluates another expression of the rule from within one: it has locals and loops of its own, and
// draws on the same budget.
func (c *scope) nested(e *expression) (Value, error) {
	locals, loops := c.locals, c.loops
	if len(locals) > 0 {
		c.locals = make([]Value, len(locals))
	}
	c.loops = nil
	v, err := e.eval(c)
	c.locals, c.loops = locals, loops
	return v, failed(err, e)
}
