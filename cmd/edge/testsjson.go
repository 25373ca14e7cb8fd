package main

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"edge/rules"
)

// What edge test --format json prints. docs/testing.md describes it.
type testReport struct {
	OK       bool         `json:"ok"`
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Errors   []oneError   `json:"errors"` // of files that could not be loaded
	Files    []fileReport `json:"files"`
	Coverage *coverReport `json:"coverage"` // null with -run: then only a part ran
}

type fileReport struct {
	File    string      `json:"file"`
	Updated int         `json:"updated"`
	Tests   []oneReport `json:"tests"`
}

type oneReport struct {
	Name       string          `json:"name"`
	Rule       string          `json:"rule,omitempty"`
	File       string          `json:"file"`
	Line       int             `json:"line"`
	Column     int             `json:"column"`
	OK         bool            `json:"ok"`
	DurationMS float64         `json:"duration_ms"`
	Problems   []problemReport `json:"problems"`
	Outputs    []outputReport  `json:"outputs"`
	Errors     []errorReport   `json:"errors"`
	Notes      []string        `json:"notes,omitempty"`
}

type problemReport struct {
	Kind        string             `json:"kind"`
	File        string             `json:"file"`
	Line        int                `json:"line"`
	Column      int                `json:"column"`
	Message     string             `json:"message"`
	Differences []differenceReport `json:"differences,omitempty"`
	Want        json.RawMessage    `json:"want,omitempty"`
	Got         *outputReport      `json:"got,omitempty"`
}

// A difference whose want or got is missing has nothing there.
type differenceReport struct {
	Path string          `json:"path"`
	Want json.RawMessage `json:"want,omitempty"`
	Got  json.RawMessage `json:"got,omitempty"`
}

type outputReport struct {
	At            string            `json:"at"`
	Sink          string            `json:"sink"`
	Topic         string            `json:"topic,omitempty"`
	Subject       string            `json:"subject,omitempty"`
	Path          string            `json:"path,omitempty"`
	ID            string            `json:"id,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	Payload       json.RawMessage   `json:"payload,omitempty"` // JSON as it is, other text as a string
	PayloadBase64 []byte            `json:"payload_base64,omitempty"`
}

type errorReport struct {
	At      string `json:"at,omitempty"`
	Rule    string `json:"rule"`
	Class   string `json:"class"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message,omitempty"`
}

type coverReport struct {
	Rules   shareReport     `json:"rules"`
	Routes  shareReport     `json:"routes"`
	Clauses shareReport     `json:"clauses"`
	Missing []missingReport `json:"missing"`
}

type shareReport struct {
	Covered int `json:"covered"`
	Total   int `json:"total"`
}

type missingReport struct {
	Kind   string `json:"kind"` // rule, route or clause
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Rule   string `json:"rule"`
	Field  string `json:"field,omitempty"`
	Text   string `json:"text,omitempty"`
}

func (t *tester) writeJSON() {
	passed, failed := t.count()
	r := testReport{OK: failed == 0 && len(t.errs) == 0, Passed: passed, Failed: failed, Errors: listErrors(t.errs), Files: []fileReport{}}
	for _, f := range t.files {
		file := fileReport{File: f.name, Updated: f.updated, Tests: []oneReport{}}
		for _, result := range f.results {
			file.Tests = append(file.Tests, reportTest(result))
		}
		r.Files = append(r.Files, file)
	}
	if t.only.Regexp == nil {
		c := t.coverage
		r.Coverage = &coverReport{shareReport(c.Rules), shareReport(c.Routes), shareReport(c.Clauses), []missingReport{}}
		for _, u := range c.Missing {
			r.Coverage.Missing = append(r.Coverage.Missing, missingReport{u.Kind, u.Pos.File, u.Pos.Line, u.Pos.Column, u.Rule, u.Field, u.Text})
		}
	}
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		fmt.Fprintln(t.stderr, err)
	}
}

func reportTest(r *rules.TestResult) oneReport {
	one := oneReport{
		Name: r.Test.Name, Rule: r.Test.Rule, File: r.Test.File, Line: r.Test.Pos.Line, Column: r.Test.Pos.Column, OK: r.Passed(),
		DurationMS: float64(r.Took.Microseconds()) / 1000, Problems: []problemReport{}, Outputs: []outputReport{}, Errors: []errorReport{}, Notes: r.Notes,
	}
	for _, p := range r.Problems {
		problem := problemReport{Kind: p.Kind, File: p.Pos.File, Line: p.Pos.Line, Column: p.Pos.Column, Message: p.Message, Want: json.RawMessage(p.Want)}
		for _, d := range p.Differences {
			problem.Differences = append(problem.Differences, differenceReport{d.Path, json.RawMessage(d.Want), json.RawMessage(d.Got)})
		}
		if p.Got != nil {
			got := reportOutput(p.Got)
			problem.Got = &got
		}
		one.Problems = append(one.Problems, problem)
	}
	for i := range r.Outputs {
		one.Outputs = append(one.Outputs, reportOutput(&r.Outputs[i]))
	}
	for _, e := range r.Errors {
		one.Errors = append(one.Errors, errorReport{since(e.At), e.Rule, e.Class, e.Field, e.Message})
	}
	return one
}

func reportOutput(o *rules.Output) outputReport {
	out := outputReport{At: since(o.At), Sink: o.Sink, ID: o.ID}
	switch o.AddressKey {
	case "subject":
		out.Subject = o.Address
	case "path":
		out.Path = o.Address
	default:
		out.Topic = o.Address
	}
	for _, h := range o.Headers {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[h.Name] = h.Value
	}
	switch {
	case json.Valid(o.Payload):
		out.Payload = o.Payload
	case utf8.Valid(o.Payload):
		out.Payload, _ = json.Marshal(string(o.Payload)) // text: cannot fail
	default:
		out.PayloadBase64 = o.Payload
	}
	return out
}

func since(d time.Duration) string {
	if d < 0 {
		return ""
	}
	return rules.ShortDuration(d)
}
