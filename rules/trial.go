package rules

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// A Suite is the tests of rule files that run as one set.
type Suite struct {
	env    Env
	specs  []loaded
	tests  []*Test
	keys   map[string]string // by sink: the address key that it seems to read, where edge.yaml is not known
	cover  *coverage
	around int // of specs: files whose frames and tables the set needs, and nothing else
}

// A Test is one test of a file.
type Test struct {
	File  string
	Name  string
	Rule  string // "": all of the file run
	Pos   strictyaml.Pos
	index int // in the file
	spec  *testSpec
}

// An Output is what a rule sent during a test.
type Output struct {
	At         time.Duration // since the start
	Sink       string
	AddressKey string // topic, subject or path; "" where the sink has none
	Address    string
	ID         string // "" where the rule gives none
	Headers    []engine.Header
	Payload    []byte
}

// A TestError is an error of a message that occurred during a test.
type TestError struct {
	At      time.Duration // since the start; below zero: only that it occurred is known
	Rule    string
	Class   string
	Field   string // where the expression stands, such as map.x; "" where it is none's
	Message string
}

// A TestResult is what came of a test. It passed when there are no problems.
type TestResult struct {
	Test     *Test
	Outputs  []Output
	Errors   []TestError
	Problems []Problem
	Notes    []string // that may tell why, where it failed
	Took     time.Duration

	plan *plan // how lines and outputs belong together; nil: the test could not run
}

// Passed says whether all came as expected.
func (r *TestResult) Passed() bool { return len(r.Problems) == 0 }

// LoadSuite reads the tests of files. The frames and tables of those around, which lie in the same folder, serve
// for them too; their rules and tests do not run, and what is wrong with them is not said.
func LoadSuite(files, around []File, env Env) (*Suite, strictyaml.Errors) {
	s, errs := loadSuite(files, around, env)
	if len(errs) == 0 || len(around) == 0 {
		return s, errs
	}
	alone, aloneErrs := loadSuite(files, nil, env)
	if len(aloneErrs) == 0 {
		return alone, nil
	}
	own := slices.DeleteFunc(errs, func(e *strictyaml.Error) bool {
		return slices.ContainsFunc(around, func(f File) bool { return f.Name == e.Pos.File })
	})
	if len(own) == 0 {
		own = aloneErrs
	}
	return nil, own
}

func loadSuite(files, around []File, env Env) (*Suite, strictyaml.Errors) {
	var errs strictyaml.Errors
	env.Previous, env.Log, env.Wall = nil, nil, nil
	c := newSetCompiler(env, &errs)
	s := &Suite{env: env, specs: c.decode(files), cover: newCoverage()}
	own := c.errs
	c.errs = new(strictyaml.Errors) // what is wrong with files around is said when they are tested
	beside := c.decode(around)
	c.errs = own
	for _, l := range beside {
		l.spec.Rules, l.spec.Tests = nil, nil
		s.specs = append(s.specs, l)
		s.around++
	}
	s.keys = addressKeys(s.specs)
	c.trial = &trial{cover: s.cover, keys: s.keys}
	c.build(s.specs)
	if len(files) == 0 {
		errs.Add(strictyaml.Pos{}, "there are no rule files")
	}
	errs.Sort()
	if len(errs) > 0 {
		return nil, errs
	}
	for i := range s.specs {
		l := &s.specs[i]
		for j := range l.spec.Tests {
			t := &l.spec.Tests[j]
			s.tests = append(s.tests, &Test{l.file.Name, t.Name.Value, textOrNone(t.Rule), t.Name.Pos, j, t})
		}
	}
	return s, nil
}

// Files names the files of the suite, in order.
func (s *Suite) Files() []string {
	var names []string
	for _, l := range s.specs[:len(s.specs)-s.around] {
		if !l.table {
			names = append(names, l.file.Name)
		}
	}
	return names
}

// Tests gives the tests of one file, in its order.
func (s *Suite) Tests(file string) []*Test {
	var list []*Test
	for _, t := range s.tests {
		if t.File == file {
			list = append(list, t)
		}
	}
	return list
}

// Run runs one test, on rules that have seen nothing before.
func (s *Suite) Run(t *Test) (result *TestResult) {
	result = &TestResult{Test: t}
	started := time.Now()
	defer func() {
		if reason := recover(); reason != nil {
			result.fail(t.Pos, "panic: %v; please report it", reason)
		}
		result.Took = time.Since(started)
	}()
	var errs strictyaml.Errors
	var on *stage
	env := s.env
	env.Tables = t.tables()
	env.Local = func(out *engine.Message) {
		result.Outputs = append(result.Outputs, s.output(on.now, localName, out))
	}
	c := newSetCompiler(env, &errs)
	c.trial = &trial{cover: s.cover, keys: s.keys, test: t.spec, file: t.File}
	c.build(s.specs)
	if len(errs) > 0 {
		errs.Sort()
		for _, e := range errs {
			result.fail(e.Pos, "%s", e.Message)
		}
		return result
	}
	arrivals, ok := t.arrivals(c.program, result)
	if !ok {
		return result
	}
	on = s.stage(c.program, result)
	on.play(arrivals, t.spec.Until)
	result.unseen(c.program)
	s.cover.heardOf(c.program)
	result.compare()
	return result
}

func (r *TestResult) fail(pos strictyaml.Pos, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{Kind: BrokenTest, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// arrivals gives all that comes in, by time.
func (t *Test) arrivals(p *Program, result *TestResult) (list []incoming, ok bool) {
	for i := range t.spec.Input {
		in := &t.spec.Input[i]
		some, err := in.arrivals()
		if err != nil {
			result.fail(in.pos, "%s", err)
			return nil, false
		}
		list = append(list, some...)
	}
	for i := range list {
		a := &list[i]
		if heard := p.sourceOf(a); !heard {
			result.Notes = append(result.Notes, fmt.Sprintf("no rule that runs here hears topic %s at source %s", a.topic, a.source))
		}
	}
	slices.SortStableFunc(list, func(a, b incoming) int { return gocmp.Compare(a.at, b.at) })
	return list, true
}

// sourceOf gives an incoming that names no source the first that a rule hears its topic from, and says whether
// anything hears it.
func (p *Program) sourceOf(a *incoming) (heard bool) {
	first := ""
	levels := splitTopic(a.topic)
	for _, r := range p.hearers() {
		for _, source := range r.sources {
			if first == "" || first == localName {
				first = source
			}
			for _, pattern := range r.patternsOf(source) {
				if _, ok := pattern.match(levels); ok && (a.source == "" || a.source == source) {
					a.source = source
					return true
				}
			}
		}
	}
	if a.source == "" {
		a.source = first
	}
	return false
}

// tables gives the rows that the test puts into tables.
func (t *Test) tables() map[string]TableRows {
	n := t.spec.Tables
	if n == nil {
		return nil
	}
	rows := map[string]TableRows{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		rows[n.Content[i].Value] = TableRows{File: t.File, Node: n.Content[i+1], At: trialStart}
	}
	return rows
}

// stage is where the rules run; what they send and what goes wrong is noted in the result.
func (s *Suite) stage(p *Program, result *TestResult) *stage {
	stage := newStage(p, trialStart, func(now time.Time, sink string, out *engine.Message) {
		result.Outputs = append(result.Outputs, s.output(now, sink, out))
		out.Done()
	})
	p.witness = func(r *rule, err error) {
		e := TestError{At: stage.now.Sub(trialStart), Rule: r.name, Class: string(classOf(err)), Message: err.Error()}
		if f, ok := errors.AsType[*failure](err); ok && f.expression != nil {
			e.Field = f.expression.field
		}
		result.Errors = append(result.Errors, e)
	}
	return stage
}

// play lets time pass until the end, by default that of the last message.
func (s *stage) play(arrivals []incoming, until *time.Duration) {
	end := s.now
	for i := range arrivals {
		a := &arrivals[i]
		end = trialStart.Add(a.at)
		s.send(end, a.message(end))
	}
	if until != nil {
		end = trialStart.Add(*until)
	}
	s.until(end)
}

// output copies what lives only until the message is done.
func (s *Suite) output(now time.Time, sink string, out *engine.Message) Output {
	o := Output{
		At: now.Sub(trialStart), Sink: sink, AddressKey: s.addressKey(sink), Address: strings.Clone(out.Address),
		Headers: slices.Clone(out.Headers), Payload: slices.Clone(out.Payload),
	}
	if !strings.HasPrefix(out.ID, ownID) {
		o.ID = strings.Clone(out.ID)
	}
	for i := range o.Headers {
		o.Headers[i].Value = strings.Clone(o.Headers[i].Value)
	}
	return o
}

func (s *Suite) addressKey(sink string) string {
	if info, ok := s.env.Sinks[sink]; ok {
		return info.AddressKey
	}
	if sink == localName {
		return "topic"
	}
	return s.keys[sink]
}

// unseen adds errors that were counted and not told with their field.
func (r *TestResult) unseen(p *Program) {
	for _, rule := range p.rules {
		for class, n := range rule.book.errors {
			for _, e := range r.Errors {
				if e.Rule == rule.name && e.Class == string(class) {
					n--
				}
			}
			for ; n > 0; n-- {
				r.Errors = append(r.Errors, TestError{At: -1, Rule: rule.name, Class: string(class)})
			}
		}
		for range rule.book.late.Load() {
			r.Errors = append(r.Errors, TestError{At: -1, Rule: rule.name, Class: lateClass, Message: "all windows of the message are closed"})
		}
	}
}

// lateClass is of messages that came after their windows had closed, which is no fault: a test may expect it, and
// need not.
const lateClass = "late"

// Broken says whether the test could not run.
func (r *TestResult) Broken() bool { return r.plan == nil }
