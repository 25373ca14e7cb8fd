package rules

import "edge/engine"

// This file is about the outputs of durable rules: who stands behind one hears when it is settled.

// origin stands behind what r makes of the message, or of a result, in hand.
func (c *scope) origin(r *rule) engine.Origin {
	if c.fired {
		return c.resultOrigin(r)
	}
	if c.journal != nil {
		return (*loudOutput)(c.journal.output())
	}
	return r
}

func (c *scope) resultOrigin(r *rule) engine.Origin {
	if c.journal != nil {
		return (*quietOutput)(c.journal.output())
	}
	return (*member)(r)
}

func (c *scope) letterOrigin(r *rule) engine.Origin {
	if c.journal != nil {
		return (*letterOutput)(c.journal.output())
	}
	return &letterOrigin{r}
}

func (j *journal) output() *group {
	g := j.last()
	g.rule = j.rule
	g.outputs++
	g.unsettled.Add(1)
	return g
}

// settle settles one output.
func (g *group) settle() {
	if g.unsettled.Add(-1) == 0 {
		g.journal.store.list(g.journal)
	}
}

// A loudOutput is an origin that counts what became of a message.
type loudOutput group

func (o *loudOutput) Settled(_ *engine.Message, outcome engine.Outcome) {
	o.rule.book.settle(outcome)
	(*group)(o).settle()
}

func (o *loudOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	o.rule.Rejected(out, sink, err, emit)
}

// A quietOutput is of a window or a timer, which no message is counted for.
type quietOutput group

func (o *quietOutput) Settled(*engine.Message, engine.Outcome) { (*group)(o).settle() }

func (o *quietOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	o.rule.Rejected(out, sink, err, emit)
}

// A letterOutput is a dead letter.
type letterOutput group

func (o *letterOutput) Settled(*engine.Message, engine.Outcome) { (*group)(o).settle() }

func (o *letterOutput) Rejected(out *engine.Message, sink string, err error, emit engine.Emit) {
	(&letterOrigin{o.rule}).Rejected(out, sink, err, emit)
}
