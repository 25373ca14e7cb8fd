package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"edge/rules"
)

// What edge test --format junit prints: the part of the format that CI servers agree on.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (t *tester) writeJUnit() {
	all := junitSuites{Name: "edge test"}
	var took time.Duration
	for _, f := range t.files {
		suite := junitSuite{Name: f.name, Tests: len(f.results)}
		var sum time.Duration
		for _, r := range f.results {
			one := junitCase{Name: r.Test.Name, Class: classOf(r), File: r.Test.File, Line: r.Test.Pos.Line, Time: seconds(r.Took)}
			if !r.Passed() {
				var text strings.Builder
				(&tester{stdout: &text}).writeFailed(r)
				one.Failure = &junitMessage{r.Problems[0].Message, text.String()}
				suite.Failures++
			}
			suite.Cases = append(suite.Cases, one)
			sum += r.Took
		}
		suite.Time = seconds(sum)
		took += sum
		all.add(suite)
	}
	for _, e := range t.errs { // each is a case that could not run
		all.add(junitSuite{Name: e.Pos.File, Tests: 1, Errors: 1, Time: seconds(0), Cases: []junitCase{{
			Name: "loading", Class: e.Pos.File, File: e.Pos.File, Line: e.Pos.Line, Time: seconds(0), Error: &junitMessage{e.Message, e.Error()},
		}}})
	}
	all.Time = seconds(took)
	fmt.Fprint(t.stdout, xml.Header)
	e := xml.NewEncoder(t.stdout)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		fmt.Fprintln(t.stderr, err)
	}
	fmt.Fprintln(t.stdout)
}

func (s *junitSuites) add(suite junitSuite) {
	s.Suites = append(s.Suites, suite)
	s.Tests += suite.Tests
	s.Failures += suite.Failures
	s.Errors += suite.Errors
}

func classOf(r *rules.TestResult) string {
	if r.Test.Rule != "" {
		return r.Test.Rule
	}
	return r.Test.File
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
