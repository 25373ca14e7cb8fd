package rules

import (
	"encoding/base64"
	"slices"

	"edge/internal/strictyaml"
)

// classes are all that a test can expect, and a dead letter can have.
var classes = []string{
	"bad_payload", "too_large", "missing_field", "wrong_type", "overflow", "division_by_zero", "not_finite", "not_boolean",
	"null_key", "null_address", "bad_address", "bad_timestamp", "late", "limit", "hops", "panic", "rejected", "expired",
	"latitude_out_of_range", "unknown_frame", "not_connected", "unknown_zone", "outside_domain", "no_convergence",
}

// checkTests holds the tests of a file against the set.
func (s *setCompiler) checkTests(l loaded) {
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
			add(t.Rule.Pos, "no rule %q%s", t.Rule.Value, didYouMean(t.Rule.Value, keysOf(s.named)))
		}
		for j := 0; t.Tables != nil && j+1 < len(t.Tables.Content); j += 2 {
			if name := t.Tables.Content[j]; s.tables[name.Value] == nil {
				add(strictyaml.PosOf(l.file.Name, name), "no table %q%s", name.Value, didYouMeanTable(name.Value, s.tables))
			}
		}
		for j := range t.Input {
			s.checkInput(&t.Input[j], t.Name.Pos, add)
		}
		wrongClass := func(list []errorSpec) {
			for _, e := range list {
				if !slices.Contains(classes, e.Class) {
					add(t.Name.Pos, "no class %q%s", e.Class, didYouMean(e.Class, classes))
				}
			}
		}
		wrongClass(t.Errors)
		for j := range t.Expect {
			e := &t.Expect[j]
			if _, ok := s.sink(textOrNone(e.Sink)); e.Sink != nil && s.env.Sinks != nil && !ok {
				add(e.Sink.Pos, "no sink %q%s", e.Sink.Value, didYouMean(e.Sink.Value, keysOf(s.env.Sinks)))
			}
			if e.Payload != nil && e.Contains != nil {
				add(strictyaml.PosOf(t.Name.Pos.File, e.Contains), "payload (the whole) and contains (a part) exclude each other")
			}
			wrongClass(e.Errors)
		}
	}
}

type addError func(pos strictyaml.Pos, format string, args ...any)

func (s *setCompiler) checkInput(in *inputSpec, pos strictyaml.Pos, add addError) {
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
	}
	if in.PayloadBase64 != nil {
		if _, err := base64.StdEncoding.DecodeString(*in.PayloadBase64); err != nil {
			add(pos, "payload_base64: %s", err)
		}
	}
	if _, ok := s.env.Sources[textOrNone(in.Source)]; in.Source != nil && in.Source.Value != localName && s.env.Sources != nil && !ok {
		add(in.Source.Pos, "no source %q%s", in.Source.Value, didYouMean(in.Source.Value, keysOf(s.env.Sources)))
	}
}

func textOrNone(t *strictyaml.Text) string {
	if t == nil {
		return ""
	}
	return t.Value
}
