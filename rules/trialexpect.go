package rules

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"edge/internal/strictyaml"
)

// A Problem is one thing in which a test failed.
type Problem struct {
	Kind        string
	Pos         strictyaml.Pos // of the line of expect or errors; where there is none, of the test
	Message     string
	Want        string       // of missing: the payload of the line, as JSON; "" where it says none
	Differences []Difference // of different
	Got         *Output      // of different and unexpected
}

// The kinds of problems.
const (
	MissingOutput    = "missing"    // a line of expect has no output
	DifferentOutput  = "different"  // an output is not like its line
	UnexpectedOutput = "unexpected" // an output has no line
	MiscountedOutput = "count"      // not as many outputs match a line as it says
	WrongError       = "errors"     // an error did not occur, or occurred and was not to
	BrokenTest       = "broken"     // the test could not run
)

// A plan says how the lines of expect and the outputs belong together.
type plan struct {
	compared bool
	counted  bool  // every line has a count: no pairs, but numbers
	outputs  []int // that were compared, of all
	pairs    []pair
	numbers  map[int]int // by line: how many outputs match it, where that is not what it says
	errors   bool        // those that occurred are not those that were expected
}

// A pair is a line and the output that was held against it; -1: there is none.
type pair struct {
	line, output int
	differences  []Difference
}

// compare finds the problems.
func (r *TestResult) compare() {
	t := r.Test.spec
	r.plan = &plan{numbers: map[int]int{}}
	r.compareErrors()
	lines := t.lines()
	onlyErrors := len(lines) == 0 && len(t.Expect) > 0
	if t.Nothing == nil && (t.Expect == nil || onlyErrors) {
		return
	}
	p := r.plan
	p.compared = true
	local := slices.ContainsFunc(lines, func(i int) bool { return textOrNone(t.Expect[i].Sink) == localName })
	for i := range r.Outputs {
		if r.Outputs[i].Sink != localName || local {
			p.outputs = append(p.outputs, i)
		}
	}
	p.counted = len(lines) > 0
	for _, i := range lines {
		p.counted = p.counted && t.Expect[i].number() >= 0
	}
	if p.counted {
		r.compareNumbers(lines)
	} else {
		r.compareInOrder(lines)
	}
}

// lines gives the indices of those lines of expect that are about outputs.
func (t *testSpec) lines() []int {
	var lines []int
	for i := range t.Expect {
		e := &t.Expect[i]
		filtered := e.Sink != nil || e.At != nil || e.ID != nil || e.Headers != nil || len(e.addresses()) > 0
		if filtered || e.hasPayload() || e.number() >= 0 || len(e.Errors) == 0 {
			lines = append(lines, i)
		}
	}
	return lines
}

func (e *expectSpec) hasPayload() bool {
	return e.Payload != nil || e.PayloadBase64 != nil || e.Contains != nil
}

// number is how many outputs a line is about, -1 where it does not say.
func (e *expectSpec) number() int {
	switch {
	case e.Nothing != nil:
		return 0
	case e.Count != nil:
		return *e.Count
	}
	return -1
}

// compareNumbers deals with lines that all have a count: so many outputs match each, in any order, and every
// output matches one.
func (r *TestResult) compareNumbers(lines []int) {
	p := r.plan
	counts := map[int]int{}
	for _, o := range p.outputs {
		known := false
		for _, i := range lines {
			if len(r.Test.spec.Expect[i].differences(&r.Outputs[o])) == 0 {
				counts[i]++
				known = true
			}
		}
		if !known {
			p.pairs = append(p.pairs, pair{-1, o, nil})
			r.unexpected(o)
		}
	}
	for _, i := range lines {
		if e := &r.Test.spec.Expect[i]; counts[i] != e.number() {
			p.numbers[i] = counts[i]
			r.Problems = append(r.Problems, Problem{Kind: MiscountedOutput, Pos: e.pos, Message: fmt.Sprintf("expected %s %s, got %d", outputs(e.number()), e.describe(), counts[i])})
		}
	}
}

func outputs(n int) string {
	switch n {
	case 0:
		return "no output"
	case 1:
		return "1 output"
	}
	return fmt.Sprintf("%d outputs", n)
}

// compareInOrder holds the outputs against the lines, in the order of both.
func (r *TestResult) compareInOrder(lines []int) {
	p, t := r.plan, r.Test.spec
	var units []int // lines, as often as they want an output
	for _, i := range lines {
		e := &t.Expect[i]
		if e.number() == 0 {
			for _, o := range p.outputs {
				if len(e.differences(&r.Outputs[o])) == 0 {
					p.numbers[i]++
				}
			}
			if p.numbers[i] > 0 {
				r.Problems = append(r.Problems, Problem{Kind: MiscountedOutput, Pos: e.pos, Message: fmt.Sprintf("expected no output %s, got %d", e.describe(), p.numbers[i])})
			}
			continue
		}
		for range max(e.number(), 1) {
			units = append(units, i)
		}
	}
	p.pairs = r.align(units)
	for i := range p.pairs {
		one := &p.pairs[i]
		switch {
		case one.output < 0:
			e := &t.Expect[one.line]
			r.Problems = append(r.Problems, Problem{Kind: MissingOutput, Pos: e.pos, Message: "expected an output " + e.describe() + ", and none came", Want: e.want()})
		case one.line < 0:
			r.unexpected(one.output)
		case len(one.differences) > 0:
			e := &t.Expect[one.line]
			r.Problems = append(r.Problems, Problem{
				Kind: DifferentOutput, Pos: e.pos, Differences: one.differences, Got: &r.Outputs[one.output],
				Message: "expected an output " + e.describe() + ", and another came",
			})
		}
	}
}

func (r *TestResult) unexpected(output int) {
	r.Problems = append(r.Problems, Problem{Kind: UnexpectedOutput, Pos: r.Test.Pos, Message: "an output came that was not expected", Got: &r.Outputs[output]})
}

// differences says in what an output is not like a line.
func (e *expectSpec) differences(o *Output) []Difference {
	var list []Difference
	text := func(path, want, got string) {
		if want != got {
			d := Difference{Path: path, Want: showText(want)}
			if got != "" {
				d.Got = showText(got)
			}
			list = append(list, d)
		}
	}
	if e.At != nil {
		text("at", ShortDuration(*e.At), ShortDuration(o.At))
	}
	if e.Sink != nil {
		text("sink", e.Sink.Value, o.Sink)
	}
	for key, want := range e.addresses() {
		if o.AddressKey != "" && o.AddressKey != key {
			list = append(list, Difference{Path: key, Want: showText(want)}, Difference{Path: o.AddressKey, Got: showText(o.Address)})
			continue
		}
		text(key, want, o.Address)
	}
	if e.ID != nil {
		text("id", *e.ID, o.ID)
	}
	for _, h := range e.Headers {
		got := ""
		for _, have := range o.Headers {
			if strings.EqualFold(have.Name, h.Key) {
				got = have.Value
			}
		}
		text("headers."+h.Key, h.Value, got)
	}
	switch {
	case e.PayloadBase64 != nil:
		if want, _ := base64.StdEncoding.DecodeString(*e.PayloadBase64); !bytes.Equal(want, o.Payload) {
			list = append(list, Difference{"payload_base64", showText(*e.PayloadBase64), showText(base64.StdEncoding.EncodeToString(o.Payload))})
		}
	case e.Payload != nil:
		list = append(list, comparePayload(payloadOf(e.Payload), isText(e.Payload), false, o.Payload)...)
	case e.Contains != nil:
		list = append(list, comparePayload(payloadOf(e.Contains), isText(e.Contains), true, o.Payload)...)
	}
	return list
}

// want is the payload that a line asks for, as JSON.
func (e *expectSpec) want() string {
	switch {
	case e.PayloadBase64 != nil:
		return showText(*e.PayloadBase64)
	case e.Payload != nil:
		return showPayload(payloadOf(e.Payload))
	case e.Contains != nil:
		return showPayload(payloadOf(e.Contains))
	}
	return ""
}

// describe says in a few words what a line expects: where and when, not what.
func (e *expectSpec) describe() string {
	var words []string
	if e.Sink != nil {
		words = append(words, "at "+e.Sink.Value)
	}
	for key, value := range e.addresses() {
		words = append(words, key+" "+value)
	}
	if e.At != nil {
		words = append(words, "after "+ShortDuration(*e.At))
	}
	if len(words) == 0 && e.hasPayload() {
		words = append(words, "with its payload")
	} else if len(words) == 0 {
		words = append(words, "of any kind")
	}
	return strings.Join(words, ", ")
}

// compareErrors holds the errors that occurred against those that must: each of these has occurred, and none of
// another class.
func (r *TestResult) compareErrors() {
	t := r.Test.spec
	listed := slices.Clone(t.Errors)
	for i := range t.Expect {
		listed = append(listed, t.Expect[i].Errors...)
	}
	if t.Errors == nil && len(listed) == 0 {
		return
	}
	wrong := func(pos strictyaml.Pos, format string, args ...any) {
		r.plan.errors = true
		r.Problems = append(r.Problems, Problem{Kind: WrongError, Pos: pos, Message: fmt.Sprintf(format, args...)})
	}
	used := make([]bool, len(r.Errors))
	for _, want := range listed {
		found := false
		for i, e := range r.Errors {
			if !found && !used[i] && e.Class == want.Class && want.isAt(e.Field) {
				found, used[i] = true, true
			}
		}
		if !found && want.Field != nil {
			wrong(want.pos, "expected an error %s at %s, and none occurred", want.Class, *want.Field)
		} else if !found {
			wrong(want.pos, "expected an error %s, and none occurred", want.Class)
		}
	}
	for i, e := range r.Errors {
		known := func(want errorSpec) bool { return want.Class == e.Class }
		if !used[i] && e.Class != lateClass && !slices.ContainsFunc(listed, known) {
			wrong(r.Test.Pos, "an error occurred that was not expected: %s", e)
		}
	}
}

// isAt says whether an error is of the field that is meant: x stands for map.x too.
func (e *errorSpec) isAt(field string) bool {
	return e.Field == nil || *e.Field == field || strings.HasSuffix(field, "."+*e.Field)
}

// String says what happened, for people.
func (e TestError) String() string {
	s := "rule " + e.Rule + ": " + e.Class
	if e.Field != "" {
		s += " at " + e.Field
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.At < 0 {
		return s
	}
	return ShortDuration(e.At) + " " + s
}

// String says where and what came, for people.
func (o Output) String() string {
	s := ShortDuration(o.At) + " " + o.Sink
	if o.Address != "" {
		s += " " + o.Address
	}
	if o.ID != "" {
		s += " id " + o.ID
	}
	for _, h := range o.Headers {
		s += " " + h.Name + ": " + h.Value
	}
	if _, ok := decodeDocument(o.Payload); ok {
		return s + " " + string(o.Payload)
	}
	if !utf8.Valid(o.Payload) {
		return s + " base64 " + base64.StdEncoding.EncodeToString(o.Payload)
	}
	return s + " " + showText(string(o.Payload))
}
