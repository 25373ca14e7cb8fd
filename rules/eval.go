package rules

import (
	"errors"
	"fmt"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// Eval computes one expression over a message and gives its value as JSON. The files' frames can be used.
func Eval(source string, payload []byte, topic string, files []File, env Env) ([]byte, error) {
	var errs strictyaml.Errors
	s := newSetCompiler(env, &errs)
	specs := s.decode(files)
	s.loadFrames(specs)
	s.loadTables(specs)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	k := &compiler{set: s}
	eval, bad := k.compile(source, strict, names{payload: true, key: true})
	if bad != nil {
		return nil, errors.New(bad.message + picture(source, bad.at))
	}
	s.finish()
	m := &engine.Message{Topic: topic, Payload: payload, Received: time.Now(), Meta: &engine.Meta{}}
	l := s.program.newLane()
	c := &l.scope
	c.now, c.message = m.Received, m
	c.begin(&rule{set: s.program, locals: k.most})
	if k.usesPayload {
		if err := s.program.plan.Scan(payload, s.program.depth, c.slots); err != nil {
			return nil, fmt.Errorf("the payload is not JSON: %w", err)
		}
	}
	v, err := eval(c)
	if err == nil {
		var out []byte
		if out, err = v.appendJSON(nil, &c.budget); err == nil {
			return out, nil
		}
	}
	at := -1
	if known, ok := err.(*evalError); ok {
		at = known.at
	}
	return nil, fmt.Errorf("%s: %s%s", classOf(err), err, picture(source, at))
}
