package main

import (
	"fmt"
	"strings"

	"edge/rules"
)

// writeText tells people what came of the tests.
func (t *tester) writeText() {
	for _, e := range t.errs {
		fmt.Fprintln(t.stdout, e)
	}
	for _, f := range t.files {
		t.writeFile(f)
	}
	if t.only.Regexp == nil {
		t.writeCoverage()
	}
	t.writeSummary()
}

func (t *tester) writeFile(f *tested) {
	failed := 0
	for _, r := range f.results {
		if !r.Passed() {
			failed++
			t.writeFailed(r)
		} else if t.verbose {
			fmt.Fprintf(t.stdout, "ok    %s: %s\n", r.Test.Pos, r.Test.Name)
			t.writeWhatCame(r)
		}
	}
	if f.stuck != "" {
		fmt.Fprintf(t.stdout, "      %s is as it was: %s\n", f.name, f.stuck)
	}
	switch {
	case f.all == 0:
		fmt.Fprintf(t.stdout, "ok    %s: no tests\n", f.name)
	case len(f.results) == 0: // none of them was to run
	case failed > 0:
		fmt.Fprintf(t.stdout, "FAIL  %s: %d of %s failed\n", f.name, failed, plural(len(f.results), "test"))
	case f.updated > 0:
		fmt.Fprintf(t.stdout, "ok    %s: %s, %d updated\n", f.name, plural(len(f.results), "test"), f.updated)
	default:
		fmt.Fprintf(t.stdout, "ok    %s: %s\n", f.name, plural(len(f.results), "test"))
	}
}

func (t *tester) writeFailed(r *rules.TestResult) {
	fmt.Fprintf(t.stdout, "FAIL  %s: %s\n", r.Test.Pos, r.Test.Name)
	for _, p := range r.Problems {
		fmt.Fprintf(t.stdout, "      %s: %s\n", p.Pos, indented(p.Message))
		for _, d := range p.Differences {
			fmt.Fprintf(t.stdout, "          %s: want %s, got %s\n", d.Path, orNothing(d.Want), orNothing(d.Got))
		}
		if p.Want != "" {
			fmt.Fprintf(t.stdout, "          want %s\n", p.Want)
		}
		if p.Got != nil {
			fmt.Fprintf(t.stdout, "          came %s\n", *p.Got)
		}
	}
	if len(r.Errors) > 0 {
		fmt.Fprintln(t.stdout, "      errors that occurred:")
		for _, e := range r.Errors {
			fmt.Fprintf(t.stdout, "          %s\n", indented(e.String()))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(t.stdout, "      note: %s\n", note)
	}
}

// writeWhatCame shows the outputs and errors of a test that passed.
func (t *tester) writeWhatCame(r *rules.TestResult) {
	for _, o := range r.Outputs {
		fmt.Fprintf(t.stdout, "          came %s\n", o)
	}
	for _, e := range r.Errors {
		fmt.Fprintf(t.stdout, "          error %s\n", indented(e.String()))
	}
	if len(r.Outputs)+len(r.Errors) == 0 {
		fmt.Fprintln(t.stdout, "          nothing came")
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// indented keeps a text of several lines below its first.
func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n          ") }

func (t *tester) writeCoverage() {
	missing := t.uncovered()
	if len(missing) > 0 {
		fmt.Fprintln(t.stdout, "not reached by any test:")
	}
	for _, u := range missing {
		fmt.Fprintf(t.stdout, "      %s: rule %q: %s\n", u.Pos, u.Rule, whatIsMissing(u))
	}
	c := t.coverage
	if c.Rules.Total > 0 && len(t.errs) == 0 {
		fmt.Fprintf(t.stdout, "covered: %d of %s, %d of %s, %d of %s\n", c.Rules.Covered, plural(c.Rules.Total, "rule"),
			c.Routes.Covered, plural(c.Routes.Total, "route"), c.Clauses.Covered, plural(c.Clauses.Total, "clause"))
	}
}

func whatIsMissing(u rules.Uncovered) string {
	switch u.Kind {
	case "rule":
		return "no message came to it"
	case "route":
		return fmt.Sprintf("%s (%s) was never taken", u.Field, u.Text)
	}
	return fmt.Sprintf("%s: `%s` was never true", u.Field, u.Text)
}

func (t *tester) writeSummary() {
	passed, failed := t.count()
	files := 0
	for _, f := range t.files {
		if len(f.results) > 0 {
			files++
		}
	}
	summary := fmt.Sprintf("%s in %s", plural(passed+failed, "test"), plural(files, "file"))
	switch {
	case len(t.errs) > 0 && passed+failed == 0:
		summary = fmt.Sprintf("%s, so no test ran", plural(len(t.errs), "error"))
	case len(t.errs) > 0:
		summary += fmt.Sprintf(": %d passed, %d failed; %s in other files", passed, failed, plural(len(t.errs), "error"))
	case failed > 0:
		summary += fmt.Sprintf(": %d passed, %d failed", passed, failed)
	default:
		summary += ": ok"
	}
	fmt.Fprintln(t.stdout, summary)
}
