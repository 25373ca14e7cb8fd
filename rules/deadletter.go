package rules

import (
	"encoding/base64"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"edge/engine"
	"edge/internal/jsonscan"
)

// A letter target is where a rule's on_error sends what went wrong.
type letterTarget struct {
	sink    string
	address *template // nil: the sink has none
}

// fault handles an error of a message: counts it, and sends a dead letter or logs. It settles nothing.
func (r *rule) fault(c *scope, m *engine.Message, err error, emit engine.Emit) {
	class := classOf(err)
	r.witnessed(err)
	loud := r.book.err(class, c.now)
	if len(r.onError) == 0 {
		r.log(m, class, err, loud)
		return
	}
	letter := r.letter(c.now, m, class, err)
	for i := range r.onError {
		r.onError[i].send(c, r, m, letter, emit)
	}
}

// witnessed tells the test that runs of an error.
func (r *rule) witnessed(err error) {
	if r.set.witness != nil {
		r.set.witness(r, err)
	}
}

func (r *rule) log(m *engine.Message, class Class, err error, loud bool) {
	if !loud {
		return
	}
	attrs := []any{"rule", r.name, "class", string(class), "error", err.Error(), "at", r.place()}
	if topic := m.Root().Topic; topic != "" { // a window's result has none
		attrs = append(attrs, "topic", topic)
	}
	var f *failure
	if errors.As(err, &f) && f.expression != nil {
		attrs = append(attrs, "field", f.expression.field, "expression", f.expression.source)
	}
	r.set.logger.Warn("a message could not be handled; the next of this rule and class is logged in a minute", attrs...)
}

func (r *rule) place() string { return r.pos.File + ":" + strconv.Itoa(r.pos.Line) }

// send emits a letter. Its address may need the message, so there can be an error in it too; that one is
// logged, for it has nowhere else to go.
func (t *letterTarget) send(c *scope, r *rule, m *engine.Message, letter []byte, emit engine.Emit) {
	out := &engine.Message{Topic: m.Topic, Key: m.Key, ID: c.identity(), Payload: letter, Received: m.Received}
	if t.address != nil {
		var err error
		if out.Address, err = t.address.render(c); err != nil {
			r.witnessed(err)
			r.log(m, classOf(err), err, r.book.err(classOf(err), c.now))
			return
		}
	}
	if t.sink == localName {
		if err := c.chain.step(); err != nil {
			r.witnessed(err)
			r.log(m, classOf(err), err, r.book.err(classOf(err), c.now))
			return
		}
		toLocal(out, out.Address)
	}
	out.From(m, c.letterOrigin(r))
	emit(t.sink, out)
}

// A letterOrigin stands behind dead letters: one that is refused is logged and counted, and that is the end.
type letterOrigin struct{ rule *rule }

func (o *letterOrigin) Settled(*engine.Message, engine.Outcome) {}

func (o *letterOrigin) Keep() (string, bool) { return keptLetter + o.rule.name, false }

func (o *letterOrigin) Rejected(letter *engine.Message, sink string, err error, _ engine.Emit) {
	class := Rejected
	if errors.Is(err, engine.ErrExpired) {
		class = Expired
	}
	o.rule.log(letter, class, err, o.rule.book.err(class, time.Now()))
	_ = sink
}

// letter makes the JSON of a dead letter for m.
func (r *rule) letter(now time.Time, m *engine.Message, class Class, err error) []byte {
	root := m.Root()
	line, expression := r.pos.Line, ""
	var f *failure
	if errors.As(err, &f) && f.expression != nil {
		line, expression = f.expression.pos.Line, f.expression.source
	}
	source := ""
	if root.Meta != nil {
		source = root.Meta.Source
	}
	dst := make([]byte, 0, len(root.Payload)+len(root.Payload)/8+512)
	text := func(name, value string) {
		dst = append(jsonscan.AppendString(append(dst, ','), name), ':')
		dst = jsonscan.AppendString(dst, value)
	}
	dst = append(dst, `{"time":"`...)
	dst = now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, '"')
	text("source", source)
	text("topic", root.Topic)
	dst = append(dst, `,"meta":`...)
	dst = appendMeta(dst, root)
	text("rule", r.name)
	text("file", r.pos.File)
	dst = strconv.AppendInt(append(dst, `,"line":`...), int64(line), 10)
	text("class", string(class))
	text("error", err.Error())
	text("expression", expression)
	if utf8.Valid(root.Payload) {
		text("payload", string(root.Payload))
	} else {
		text("payload_base64", base64.StdEncoding.EncodeToString(root.Payload))
	}
	return append(dst, '}')
}
