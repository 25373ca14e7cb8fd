package rules

import (
	"encoding/base64"
	"slices"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// classes are all that a test can expect, and a dead letter can have.
var classes = []string{
	"bad_payload", "too_large", "missing_field", "wrong_type", "overflow", "division_by_zero", "not_finite", "not_boolean",
	"null_key", "null_address", "bad_address", "bad_timestamp", "late", "limit", "hops", "panic", "rejected", "expired",
	"latitude_out_of_range", "unknown_frame", "not_connected", "unknown_zone", "outside_domain", "no_convergence",
}

type addError func(pos strictyaml.Pos, format string, args ...any)

// checkTests holds the tests of a file against the set.
func (s *setCompiler) checkTests(l loaded) {
	if s.trial != nil && s.trial.test != nil { // they were checked before the first of them ran
		return
	}
	seen := map[string]strictyaml.Pos{}
	for i := range l.spec.Tests {
		t := &l.spec.Tests[i]
		add := func(pos strictyaml.Pos, format string, args ...any) {
			s.errs.Add(pos, "test %q: "+format, append([]any{t.Name.Value}, args...)...)
		}
		if other, twice := seen[t.Name.Value]; twice {
			add(t.Name.Pos, "the name stands twice, first at %s", other)
		}
		seen[t.Name.Value] = t.Name.Pos
		if _, ok := s.named[textOrNone(t.Rule)]; t.Rule != nil && !ok {
			hint := "; the file has none, and a test runs the rules that stand in its file or folder"
			if len(s.named) > 0 {
				hint = didYouMean(t.Rule.Value, keysOf(s.named))
			}
			add(t.Rule.Pos, "no rule %q%s", t.Rule.Value, hint)
		}
		s.checkTables(t, l.file.Name, add)
		for j := range t.Input {
			s.checkInput(&t.Input[j], t.Name.Pos, add)
		}
		for j := range t.Expect {
			s.checkExpect(&t.Expect[j], t.Name.Pos, add)
		}
		checkErrors(t.Errors, t.Name.Pos, add)
		checkWhole(t, add)
	}
}

// checkWhole looks at what the parts of a test say together.
func checkWhole(t *testSpec, add addError) {
	switch {
	case t.Nothing != nil && !*t.Nothing:
		add(t.Name.Pos, "nothing wants true; leave it out where something comes out")
	case t.Nothing != nil && len(t.Expect) > 0:
		add(t.Name.Pos, "nothing and expect exclude each other: nothing means that no output comes")
	case t.Nothing == nil && t.Expect == nil && t.Errors == nil:
		add(t.Name.Pos, "there is nothing to compare: write `expect:` with the outputs in order, `nothing: true` where none may come, "+
			"or `errors:` with those that must occur")
	}
	if t.Until == nil {
		return
	}
	for i := range t.Input {
		if in := &t.Input[i]; in.At > *t.Until {
			add(placeOr(in.pos, t.Name.Pos), "the input comes at %s, after the end of the test (until: %s)", ShortDuration(in.At), ShortDuration(*t.Until))
		}
	}
}

// checkTables looks whether there are the tables that a test fills.
func (s *setCompiler) checkTables(t *testSpec, file string, add addError) {
	if t.Tables == nil {
		return
	}
	if t.Tables.Kind != yaml.MappingNode {
		add(strictyaml.PosOf(file, t.Tables), "tables wants a mapping, `NAME: rows`")
		return
	}
	for i := 0; i+1 < len(t.Tables.Content); i += 2 {
		if name := t.Tables.Content[i]; s.tables[name.Value] == nil {
			add(strictyaml.PosOf(file, name), "no table %q%s", name.Value, didYouMeanTable(name.Value, s.tables))
		}
	}
}

func placeOr(pos, instead strictyaml.Pos) strictyaml.Pos {
	if pos.File == "" {
		return instead
	}
	return pos
}

func checkErrors(list []errorSpec, pos strictyaml.Pos, add addError) {
	for _, e := range list {
		if e.Class != "" && !slices.Contains(classes, e.Class) {
			add(placeOr(e.pos, pos), "no class %q%s", e.Class, didYouMean(e.Class, classes))
		}
	}
}

func (s *setCompiler) checkExpect(e *expectSpec, pos strictyaml.Pos, add addError) {
	pos = placeOr(e.pos, pos)
	if _, ok := s.sink(textOrNone(e.Sink)); e.Sink != nil && s.env.Sinks != nil && !ok {
		add(e.Sink.Pos, "no sink %q%s", e.Sink.Value, didYouMean(e.Sink.Value, keysOf(s.env.Sinks)))
	}
	bodies := 0
	for _, given := range [...]bool{e.Payload != nil, e.PayloadBase64 != nil, e.Contains != nil} {
		if given {
			bodies++
		}
	}
	switch {
	case bodies > 1 && e.PayloadBase64 == nil:
		add(strictyaml.PosOf(pos.File, e.Contains), "payload (the whole) and contains (a part) exclude each other")
	case bodies > 1:
		add(pos, "a line has one of payload, payload_base64 and contains")
	case len(e.addresses()) > 1:
		add(pos, "a line has one of topic, subject and path: what its sink reads")
	case e.Count != nil && *e.Count < 0:
		add(pos, "count wants 0 or more")
	case e.Nothing != nil && !*e.Nothing:
		add(pos, "nothing wants true; leave it out where something comes out")
	case e.Nothing != nil && e.Count != nil:
		add(pos, "nothing and count exclude each other: nothing is count: 0")
	}
	checkPayload(e.Payload, e.PayloadBase64, pos, add)
	checkPayload(e.Contains, nil, pos, add)
	checkErrors(e.Errors, pos, add)
}

// checkPayload refuses what no message can be.
func checkPayload(n *yaml.Node, text *string, pos strictyaml.Pos, add addError) {
	if n != nil {
		if _, wrong, err := appendYAML(nil, n); err != nil {
			add(strictyaml.PosOf(pos.File, wrong), "%s", err)
		}
	}
	if text != nil {
		if _, err := base64.StdEncoding.DecodeString(*text); err != nil {
			add(pos, "payload_base64: %s", err)
		}
	}
}

func (s *setCompiler) checkInput(in *inputSpec, pos strictyaml.Pos, add addError) {
	pos = placeOr(in.pos, pos)
	bodies := 0
	for _, given := range [...]bool{in.Payload != nil, in.PayloadBase64 != nil, in.File != nil} {
		if given {
			bodies++
		}
	}
	if in.Topic != nil {
		pos = in.Topic.Pos
	}
	switch {
	case bodies > 1:
		add(pos, "an input has one of payload, payload_base64 and file")
	case in.Topic == nil && in.File == nil:
		add(pos, "an input needs a topic")
	case in.At < 0:
		add(pos, "at cannot be before the start")
	case in.Meta != nil && in.Meta.QoS != nil && *in.Meta.QoS > 2:
		add(pos, "meta: qos wants 0, 1 or 2")
	}
	if in.Topic != nil && (in.Topic.Value == "" || hasWildcard(in.Topic.Value)) {
		add(pos, "an input comes on one topic, without wildcards, not on %q", in.Topic.Value)
	}
	checkPayload(in.Payload, in.PayloadBase64, pos, add)
	_, ok := s.env.Sources[textOrNone(in.Source)]
	if in.Source != nil && s.env.Sources != nil && !ok && in.Source.Value != localName {
		add(in.Source.Pos, "no source %q%s", in.Source.Value, didYouMean(in.Source.Value, keysOf(s.env.Sources)))
	}
}

func textOrNone(t *strictyaml.Text) string {
	if t == nil {
		return ""
	}
	return t.Value
}
