package rules

import (
	"fmt"
	"strings"
	"testing"

	"edge/engine"
)

// What stands behind a message from a disk buffer is found by its name; it sends the dead letter and counts the
// error, but no outcome.
func TestKeptOrigin(t *testing.T) {
	p := load(t, `
rules:
  quiet: {source: in, route: [{to: nats, subject: a}]}
  loud:
    source: in
    map: {x: 1}
    route: [{to: [nats, http], subject: a}]
    on_error: {to: dead}
`)
	for _, c := range []struct {
		origin engine.Keeper
		name   string
		cause  bool
	}{
		{p.rules[0], "rule/quiet", false}, {p.rules[1], "rule/loud", true}, {(*member)(p.rules[1]), "rule/loud", true},
		{&letterOrigin{p.rules[1]}, "letter/loud", false},
	} {
		name, cause := c.origin.Keep()
		if name != c.name || cause != c.cause || p.Origin(name) == nil {
			t.Errorf("kept as %q, %v, want %q, %v", name, cause, c.name, c.cause)
		}
	}
	if p.Origin("rule/gone") != nil {
		t.Error("a rule that is gone is found")
	}

	root := &engine.Message{Topic: "hospital/a", Payload: []byte("the original"), Meta: &engine.Meta{Source: "in"}}
	root.Receive(nil)
	out := &engine.Message{Topic: "hospital/a", Payload: []byte(`{"x":1}`)}
	out.From(root, p.Origin("rule/loud"))
	root.Done()
	var letters []string
	p.Origin("rule/loud").Rejected(out, "nats", fmt.Errorf("no: %w", engine.ErrRejected), func(sink string, m *engine.Message) {
		letters = append(letters, sink+" "+string(m.Payload))
		m.Done()
	})
	out.Settle(engine.Failed)
	if len(letters) != 1 || !strings.HasPrefix(letters[0], "dead ") || !strings.Contains(letters[0], `"class":"rejected"`) || !strings.Contains(letters[0], `"payload":"the original"`) {
		t.Errorf("letters %q", letters)
	}
	st := p.Stats()[1]
	if st.Errors["rejected"] != 1 || st.In != 0 || st.Error != 0 || st.InFlight != 0 {
		t.Errorf("book %+v", st)
	}
}
