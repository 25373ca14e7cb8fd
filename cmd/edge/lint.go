package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
	"edge/rules"
)

func lintCommand(stdout, stderr io.Writer) *cobra.Command {
	l := linter{stdout: stdout, stderr: stderr, format: "text"}
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
	stdout, stderr io.Writer
	config         string
	format         string

	errs    strictyaml.Errors
	configs []rules.File            // named by the call
	folders []string                // of rules, in the order of the call
	rules   map[string][]rules.File // by folder
	seen    map[string]bool         // files, so that none is checked twice
	skipped []string                // folders whose rules have no edge.yaml
	count   int                     // of rules that were good
}

func (l *linter) lint(paths []string) error {
	l.rules, l.seen = map[string][]rules.File{}, map[string]bool{}
	if l.config != "" {
		l.add(l.config, isConfig)
	}
	for _, path := range paths {
		l.addPath(path)
	}
	known := map[string]*Config{}
	for _, f := range l.configs {
		c, errs := parseConfig(strictyaml.Loader{}, f)
		l.errs = append(l.errs, errs...)
		known[f.Name] = c
	}
	for _, folder := range l.folders {
		l.check(folder, known)
	}
	l.errs.Sort()
	l.report()
	if len(l.errs) > 0 {
		return errReported
	}
	return nil
}

func (l *linter) fail(path string, format string, args ...any) {
	l.errs.Add(strictyaml.Pos{File: path, Line: 1, Column: 1}, format, args...)
}

func (l *linter) addPath(path string) {
	info, err := os.Stat(path)
	if err != nil {
		l.fail(path, "%s", reason(err))
		return
	}
	if !info.IsDir() {
		l.add(path, unknown)
		return
	}
	// A folder with an edge.yaml is one that edge run is pointed at: its rules are in the folder beside it.
	files, err := ruleFiles(path, "")
	beside := filepath.Join(path, "rules")
	if info, missing := os.Stat(beside); missing == nil && info.IsDir() && hasConfig(path) {
		more, failed := ruleFiles(beside, "")
		if failed != nil {
			l.fail(beside, "%s", reason(failed))
		}
		files = append(files, more...)
	}
	if err != nil {
		l.fail(path, "%s", reason(err))
	}
	for _, name := range files {
		l.add(name, unknown)
	}
}

var configNames = []string{"edge.yaml", "edge.yml"}

func hasConfig(folder string) bool { return configIn(folder) != "" }

func configIn(folder string) string {
	for _, name := range configNames {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

type fileKind int

const (
	unknown fileKind = iota
	isConfig
)

func (l *linter) add(path string, kind fileKind) {
	path = filepath.Clean(path)
	key := path
	if real, err := filepath.Abs(path); err == nil {
		key = real
	}
	if l.seen[key] {
		return
	}
	l.seen[key] = true
	data, err := readFile(path)
	if err != nil {
		l.fail(path, "%s", reason(err))
		return
	}
	f := rules.File{Name: path, Data: data}
	if kind == isConfig || looksLikeConfig(f) {
		l.configs = append(l.configs, f)
		return
	}
	folder := filepath.Dir(path)
	if _, ok := l.rules[folder]; !ok {
		l.folders = append(l.folders, folder)
	}
	l.rules[folder] = append(l.rules[folder], f)
}

// looksLikeConfig tells edge.yaml from rules by its name, or by its keys.
func looksLikeConfig(f rules.File) bool {
	if slices.Contains(configNames, filepath.Base(f.Name)) {
		return true
	}
	var keys map[string]yaml.Node
	if yaml.Unmarshal(f.Data, &keys) != nil {
		return false
	}
	_, sources := keys["sources"]
	_, sinks := keys["sinks"]
	_, hasRules := keys["rules"]
	return (sources || sinks) && !hasRules
}

// check loads the rules of one folder as one set.
func (l *linter) check(folder string, known map[string]*Config) {
	env := rules.Env{Getenv: os.LookupEnv}
	if c := l.find(folder, known); c != nil {
		env = c.rulesEnv(nil, nil)
	} else {
		l.skipped = append(l.skipped, folder)
	}
	program, errs := rules.Load(l.rules[folder], env)
	l.errs = append(l.errs, errs...)
	if program != nil {
		l.count += program.Rules()
	}
}

// find gives the edge.yaml for the rules of a folder, nil where there is none or it cannot be read. One
// that the call did not name serves for its names only: whoever writes rules need not have its secrets.
func (l *linter) find(folder string, known map[string]*Config) *Config {
	path := ""
	switch {
	case l.config != "":
		path = filepath.Clean(l.config)
	case len(l.configs) == 1:
		path = l.configs[0].Name
	default:
		path = l.search(folder)
	}
	if path == "" {
		return nil
	}
	if c, ok := known[path]; ok {
		return c
	}
	data, err := readFile(path)
	if err != nil {
		return nil
	}
	c, errs := parseConfig(strictyaml.Loader{SkipSecrets: true}, rules.File{Name: path, Data: data})
	if len(errs) > 0 {
		fmt.Fprintf(l.stderr, "%s has errors itself, `edge lint %s` shows them\n", path, path)
	}
	known[path] = c
	return c
}

// search looks in the working directory, then beside the rules and above them.
func (l *linter) search(folder string) string {
	if path := configIn("."); path != "" {
		return path
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return ""
	}
	for {
		if path := configIn(dir); path != "" {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

func (l *linter) report() {
	for _, folder := range l.skipped {
		fmt.Fprintf(l.stderr, "no edge.yaml found for %s (give one with -c): names of sources and sinks are not checked\n", folder)
	}
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
