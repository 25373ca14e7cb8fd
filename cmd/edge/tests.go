package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"edge/internal/strictyaml"
	"edge/rules"
)

func testCommand(stdout, stderr io.Writer) *cobra.Command {
	t := tester{paths: paths{stderr: stderr}, stdout: stdout, format: "text"}
	c := &cobra.Command{
		Use:   "test PATH...",
		Short: "Run the tests in rule files, on a clock of their own",
		Long: `Run the tests: of rule files, in files and folders. A folder stands for the *.yaml and
*.yml in it. Time is virtual: a test of a week takes milliseconds.

It tells what came instead of what was expected, and which routes and conditions no test
has reached. edge.yaml is found as edge lint finds it. docs/testing.md has more.`,
		Example: `  edge test rules/
  edge test rules/robots.yaml -run 'battery' -v
  edge test rules/ --update
  edge test rules/ --format junit > report.xml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the files or folders to test, such as: edge test rules/")
			}
			return nil
		},
		RunE: checked(func(_ *cobra.Command, args []string) error { return t.test(args) }),
	}
	f := c.Flags()
	f.StringVarP(&t.config, "config", "c", "", "the edge.yaml that the rules will run with")
	f.Var((*pattern)(&t.only), "run", "only tests whose name this regular expression matches, anywhere in it (-run will do)")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "show the tests that passed too, and what came out")
	f.BoolVar(&t.update, "update", false, "write what came into the files, in place of what failed tests expect")
	f.Var(&choice{&t.format, []string{"text", "json", "junit"}}, "format", "text, json or junit")
	return c
}

// withLongRun lets -run be written as go test has it: else it would be -r, -u and -n.
func withLongRun(args []string) []string {
	if len(args) == 0 || args[0] != "test" {
		return args
	}
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "-run" || strings.HasPrefix(arg, "-run=") {
			args[i] = "-" + arg
		}
	}
	return args
}

// A pattern is a flag that takes a regular expression.
type pattern struct{ *regexp.Regexp }

func (p *pattern) Set(s string) (err error) {
	p.Regexp, err = regexp.Compile(s)
	return err
}

func (p *pattern) String() string {
	if p.Regexp == nil {
		return ""
	}
	return p.Regexp.String()
}

func (*pattern) Type() string { return "regexp" }

// A tester runs the tests that one call names.
type tester struct {
	paths
	stdout          io.Writer
	format          string
	only            pattern
	verbose, update bool

	files    []*tested
	coverage rules.Coverage
}

// A tested file is what came of its tests.
type tested struct {
	name    string
	all     int // tests, also those that were not to run
	results []*rules.TestResult
	updated int    // of the tests, whose expectation was rewritten
	stuck   string // why what failed was not rewritten
}

func (t *tester) test(list []string) error {
	t.gather(list, strictyaml.Loader{SkipSecrets: true})
	for _, folder := range t.folders {
		t.folder(folder)
	}
	t.errs.Sort()
	t.reportSkipped()
	passed, failed := t.count()
	if t.only.Regexp != nil && passed+failed == 0 && len(t.errs) == 0 {
		return fmt.Errorf("no test has a name that %q matches", t.only.String())
	}
	switch t.format {
	case "json":
		t.writeJSON()
	case "junit":
		t.writeJUnit()
	default:
		t.writeText()
	}
	if failed > 0 || len(t.errs) > 0 {
		return errReported
	}
	return nil
}

func (t *tester) count() (passed, failed int) {
	for _, f := range t.files {
		for _, r := range f.results {
			if r.Passed() {
				passed++
			} else {
				failed++
			}
		}
	}
	return passed, failed
}

// folder runs the tests of the files of one folder, which are a set.
func (t *tester) folder(folder string) {
	env := t.env(folder)
	files, around := t.rules[folder], t.around(folder)
	suite, errs := rules.LoadSuite(files, around, env)
	if len(errs) > 0 {
		t.errs = append(t.errs, errs...)
		return
	}
	for _, name := range suite.Files() {
		f := &tested{name: name, all: len(suite.Tests(name))}
		t.files = append(t.files, f)
		for _, test := range suite.Tests(name) {
			if t.only.Regexp == nil || t.only.MatchString(test.Name) {
				f.results = append(f.results, suite.Run(test))
			}
		}
		failed := slices.ContainsFunc(f.results, func(r *rules.TestResult) bool { return !r.Passed() })
		if t.update && failed {
			if err := f.rewrite(suite, files, around, env); err != nil {
				f.stuck = err.Error()
			}
		}
	}
	c := suite.Coverage()
	for _, share := range [...]struct{ all, more *rules.Share }{{&t.coverage.Rules, &c.Rules}, {&t.coverage.Routes, &c.Routes}, {&t.coverage.Clauses, &c.Clauses}} {
		share.all.Covered += share.more.Covered
		share.all.Total += share.more.Total
	}
	t.coverage.Missing = append(t.coverage.Missing, c.Missing...)
}

// around gives the other rule files of a folder: frames and tables of a set may lie in files of their own. What
// cannot be read there is no fault of the files that are tested.
func (t *tester) around(folder string) []rules.File {
	names, _ := ruleFiles(folder, "")
	var list []rules.File
	for _, name := range names {
		if abs, err := filepath.Abs(name); err != nil || t.seen[abs] {
			continue
		}
		data, err := readFile(name)
		if f := (rules.File{Name: name, Data: data}); err == nil && !looksLikeConfig(f) {
			list = append(list, f)
		}
	}
	return list
}

// rewrite puts what came in the place of what failed tests expect, once it is sure that they pass with it.
func (f *tested) rewrite(suite *rules.Suite, files, around []rules.File, env rules.Env) error {
	text, err := suite.Update(f.name, f.results)
	if err != nil {
		return err
	}
	files = slices.Clone(files)
	at := slices.IndexFunc(files, func(file rules.File) bool { return file.Name == f.name })
	files[at].Data = text
	next, errs := rules.LoadSuite(files, around, env)
	if len(errs) > 0 {
		return fmt.Errorf("what came cannot be written there: %w", errs[0])
	}
	var results []*rules.TestResult
	updated := 0
	for _, was := range f.results {
		same := func(test *rules.Test) bool { return test.Name == was.Test.Name }
		tests := next.Tests(f.name)
		i := slices.IndexFunc(tests, same)
		if i < 0 {
			return fmt.Errorf("test %q: it would be lost", was.Test.Name)
		}
		now := next.Run(tests[i])
		if !was.Passed() && !was.Broken() {
			updated++
		}
		if !now.Passed() && !was.Broken() {
			return fmt.Errorf("test %q: what came cannot be written there, change it by hand", was.Test.Name)
		}
		results = append(results, now)
	}
	// A link stays one: it is what it leads to that changes.
	name, err := filepath.EvalSymlinks(f.name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if err := writeWhole(name, text, info.Mode().Perm()); err != nil {
		return errors.New(reason(err))
	}
	f.results, f.updated = results, updated
	return nil
}

// uncovered gives what is worth telling of what no test reached: of a rule that nothing came to, that alone.
func (t *tester) uncovered() []rules.Uncovered {
	silent := map[[2]string]bool{}
	for _, u := range t.coverage.Missing {
		if u.Kind == "rule" {
			silent[[2]string{u.Pos.File, u.Rule}] = true
		}
	}
	list := slices.DeleteFunc(slices.Clone(t.coverage.Missing), func(u rules.Uncovered) bool {
		return u.Kind != "rule" && silent[[2]string{u.Pos.File, u.Rule}]
	})
	slices.SortStableFunc(list, func(a, b rules.Uncovered) int { return cmp.Compare(a.Pos.File, b.Pos.File) })
	return list
}
