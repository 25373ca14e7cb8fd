package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"edge/internal/strictyaml"
	"edge/rules"
)

func lintCommand(stdout, stderr io.Writer) *cobra.Command {
	l := linter{paths: paths{stderr: stderr}, stdout: stdout, format: "text"}
	c := &cobra.Command{
		Use:     "lint PATH...",
		Aliases: []string{"validate"},
		Short:   "Check files and folders, as edge run would before it runs them",
		Long: `Check files and folders: rule files and edge.yaml, in any mix. A folder stands for the
*.yaml and *.yml in it. Rule files of one folder are checked together, as they would run.

Names of sources and sinks are checked against the edge.yaml given by -c or among the
paths, else one in the working directory, else one beside the rules or above them.`,
		Example: `  edge lint edge.yaml rules/
  edge lint --format github rules/ci.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the files or folders to check, such as: edge lint edge.yaml rules/")
			}
			return nil
		},
		RunE: checked(func(_ *cobra.Command, args []string) error { return l.lint(args) }),
	}
	f := c.Flags()
	f.StringVarP(&l.config, "config", "c", "", "the edge.yaml that the rules will run with; it is checked too")
	f.Var(&choice{&l.format, []string{"text", "json", "github"}}, "format", "text, json or github")
	return c
}

// A linter checks what one call names.
type linter struct {
	paths
	stdout io.Writer
	format string
	count  int // of rules that were good
}

func (l *linter) lint(paths []string) error {
	l.gather(paths, strictyaml.Loader{})
	for _, folder := range l.folders {
		l.check(folder)
	}
	l.errs.Sort()
	l.report()
	if len(l.errs) > 0 {
		return errReported
	}
	return nil
}

// check loads the rules of one folder as one set.
func (l *linter) check(folder string) {
	env := l.env(folder)
	env.Previous, env.Supposed = l.last(folder), true
	program, errs := rules.Load(l.rules[folder], env)
	l.errs = append(l.errs, errs...)
	if program == nil {
		return
	}
	l.count += program.Rules()
	for _, line := range program.Lost() {
		fmt.Fprintf(l.stderr, "put in the place of what ran here last: %s\n", line)
	}
}

// last gives the rules that ran last on this machine, nil where none did or they cannot be read any more: what they
// keep may be lost when those that are checked take their place.
func (l *linter) last(folder string) *rules.Program {
	c, _ := l.find(folder)
	if c == nil {
		return nil
	}
	f, ok := readLastGood(c.State.Dir)
	if !ok {
		return nil
	}
	env := c.rulesEnv(nil, nil)
	env.ReadFile = f.tableReader()
	program, _ := rules.Load(f.rules, env)
	return program
}

func (l *linter) report() {
	l.reportSkipped()
	switch l.format {
	case "json":
		data, _ := json.MarshalIndent(listErrors(l.errs), "", "  ") // of texts and numbers: cannot fail
		fmt.Fprintf(l.stdout, "%s\n", data)
		return
	case "github":
		for _, e := range l.errs {
			fmt.Fprintf(l.stdout, "::error file=%s,line=%d,col=%d::%s\n",
				githubProperty(e.Pos.File), e.Pos.Line, e.Pos.Column, githubMessage(e.Message))
		}
	default:
		for _, e := range l.errs {
			fmt.Fprintln(l.stdout, e)
		}
	}
	if len(l.errs) == 0 {
		files := len(l.configs)
		for _, list := range l.rules {
			files += len(list)
		}
		fmt.Fprintf(l.stdout, "%s, %s: ok\n", plural(files, "file"), plural(l.count, "rule"))
	}
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// A workflow command ends at the line's end, its properties at commas and colons.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
)
