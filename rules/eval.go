package rules

import (
	"errors"
	"fmt"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// Eval computes one expression over a message and gives its value as JSON. The files' frames, zones and tables can be used.
func Eval(source string, payload []byte, topic string, files []File, env Env) ([]byte, error) {
	e, err := newExpression(source, strict, files, env)
	if err != nil {
		return nil, err
	}
	if err := e.begin(topic, payload); err != nil {
		return nil, err
	}
	v, err := e.eval(&e.lane.scope)
	if err == nil {
		var out []byte
		if out, err = v.appendJSON(nil, &e.lane.scope.budget); err == nil {
			return out, nil
		}
	}
	return nil, e.explain(err)
}

// A Condition is an expression that stands alone and is true or false, as when of a rule is. It is for one goroutine.
type Condition struct{ *single }

// CompileCondition compiles one, over payload and topic.
func CompileCondition(source string, env Env) (*Condition, error) {
	e, err := newExpression(source, lenient, nil, env)
	if err != nil {
		return nil, err
	}
	return &Condition{e}, nil
}

// Holds says whether it is true of a message.
func (c *Condition) Holds(topic string, payload []byte) (bool, error) {
	if err := c.begin(topic, payload); err != nil {
		return false, err
	}
	v, err := c.eval(&c.lane.scope)
	switch {
	case err != nil:
		return false, c.explain(err)
	case v.kind == Bool:
		return v.bits == 1, nil
	case v.kind == Null:
		return false, nil
	}
	return false, c.explain(fail(NotBoolean, "the condition gives %s, not true or false", v.typeName()))
}

// A single is an expression without a rule.
type single struct {
	source      string
	eval        evaluator
	lane        *lane
	rule        *rule
	usesPayload bool
	message     engine.Message
}

func newExpression(source string, m mode, files []File, env Env) (*single, error) {
	var errs strictyaml.Errors
	s := newSetCompiler(env, &errs)
	specs := s.decode(files)
	s.loadFrames(specs)
	s.loadZones(specs)
	s.loadTables(specs)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	k := &compiler{set: s, stateless: true}
	eval, bad := k.compile(source, m, names{payload: true, key: true})
	if bad != nil {
		return nil, errors.New(bad.message + picture(source, bad.at))
	}
	s.finish()
	return &single{source: source, eval: eval, lane: s.program.newLane(), rule: &rule{set: s.program, locals: k.most}, usesPayload: k.usesPayload}, nil
}

// begin makes the message what eval sees.
func (e *single) begin(topic string, payload []byte) error {
	m := &e.message
	*m = engine.Message{Topic: topic, Payload: payload, Received: time.Now(), Meta: &engine.Meta{}}
	c := &e.lane.scope
	c.now, c.message, c.budget = m.Received, m, budget{}
	c.args, c.loops = c.args[:0], c.loops[:0]
	c.begin(e.rule)
	if e.usesPayload {
		if err := e.rule.set.plan.Scan(payload, e.rule.set.depth, c.slots); err != nil {
			return fmt.Errorf("the payload is not JSON: %w", err)
		}
	}
	return nil
}

// explain shows where in the expression an error is.
func (e *single) explain(err error) error {
	at := -1
	if known, ok := err.(*evalError); ok {
		at = known.at
	}
	return fmt.Errorf("%s: %s%s", classOf(err), err, picture(e.source, at))
}

// A Topic is text with {{ expressions }} over a payload, that stands alone. It is for one goroutine.
type Topic struct {
	texts []string // one more than expressions, which are between them
	parts []*single
}

// CompileTopic compiles one.
func CompileTopic(source string, env Env) (*Topic, error) {
	texts, expressions, _, bad := splitTemplate(source)
	if bad != nil {
		return nil, errors.New(bad.message + picture(source, bad.at))
	}
	t := &Topic{texts: texts}
	for _, expression := range expressions {
		e, err := newExpression(expression, strict, nil, env)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, e)
	}
	return t, nil
}

// Of gives the topic for a payload.
func (t *Topic) Of(payload []byte) (string, error) {
	dst := []byte(t.texts[0])
	for i, e := range t.parts {
		if err := e.begin("", payload); err != nil {
			return "", err
		}
		v, err := e.eval(&e.lane.scope)
		if err == nil {
			dst, err = appendScalar(dst, v)
		}
		if err != nil {
			return "", e.explain(err)
		}
		dst = append(dst, t.texts[i+1]...)
	}
	return string(dst), nil
}
