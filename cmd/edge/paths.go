package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
	"edge/rules"
)

// Paths are the files and folders that a call of edge lint or edge test names, and the edge.yaml for each.
type paths struct {
	stderr io.Writer
	config string // given by -c

	errs    strictyaml.Errors
	configs []rules.File            // named by the call
	folders []string                // of rules, in the order of the call
	rules   map[string][]rules.File // by folder
	seen    map[string]bool         // files, so that none is read twice
	known   map[string]*Config      // by path
	skipped []string                // why names of sources and sinks are not checked, for each folder without a readable edge.yaml
}

// gather reads what the call names.
func (p *paths) gather(list []string, loader strictyaml.Loader) {
	p.rules, p.seen, p.known = map[string][]rules.File{}, map[string]bool{}, map[string]*Config{}
	if p.config != "" {
		p.add(p.config, isConfig)
	}
	for _, path := range list {
		p.addPath(path)
	}
	for _, f := range p.configs {
		c, errs := parseConfig(loader, f)
		p.errs = append(p.errs, errs...)
		p.known[f.Name] = c
	}
}

// env is what the rules of a folder are loaded into.
func (p *paths) env(folder string) rules.Env {
	env := rules.Env{Getenv: os.LookupEnv}
	switch c, path := p.find(folder); {
	case c != nil:
		env = c.rulesEnv(nil, nil)
	case path == "":
		p.skipped = append(p.skipped, fmt.Sprintf("no edge.yaml found for %s (give one with -c)", folder))
	default:
		p.skipped = append(p.skipped, fmt.Sprintf("%s does not read", path))
	}
	env.ReadFile = readTableFile
	return env
}

func (p *paths) reportSkipped() {
	for _, why := range p.skipped {
		fmt.Fprintf(p.stderr, "%s: names of sources and sinks are not checked\n", why)
	}
}

func (p *paths) fail(path string, format string, args ...any) {
	p.errs.Add(strictyaml.Pos{File: path, Line: 1, Column: 1}, format, args...)
}

func (p *paths) addPath(path string) {
	info, err := os.Stat(path)
	if err != nil {
		p.fail(path, "%s", reason(err))
		return
	}
	if !info.IsDir() {
		p.add(path, unknown)
		return
	}
	// A folder with an edge.yaml is one that edge run is pointed at: its rules are in the folder beside it.
	files, err := ruleFiles(path, "")
	beside := filepath.Join(path, "rules")
	if info, missing := os.Stat(beside); missing == nil && info.IsDir() && hasConfig(path) {
		more, failed := ruleFiles(beside, "")
		if failed != nil {
			p.fail(beside, "%s", reason(failed))
		}
		files = append(files, more...)
	}
	if err != nil {
		p.fail(path, "%s", reason(err))
	}
	for _, name := range files {
		p.add(name, unknown)
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

func (p *paths) add(path string, kind fileKind) {
	path = filepath.Clean(path)
	key := path
	if real, err := filepath.Abs(path); err == nil {
		key = real
	}
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	data, err := readFile(path)
	if err != nil {
		p.fail(path, "%s", reason(err))
		return
	}
	f := rules.File{Name: path, Data: data}
	if kind == isConfig || looksLikeConfig(f) {
		p.configs = append(p.configs, f)
		return
	}
	folder := filepath.Dir(path)
	if _, ok := p.rules[folder]; !ok {
		p.folders = append(p.folders, folder)
	}
	p.rules[folder] = append(p.rules[folder], f)
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

// find gives the edge.yaml for the rules of a folder, no path where there is none, and nil where it cannot be read. One
// that the call did not name serves for its names only: whoever writes rules need not have its secrets.
func (p *paths) find(folder string) (c *Config, path string) {
	switch {
	case p.config != "":
		path = filepath.Clean(p.config)
	case len(p.configs) == 1:
		path = p.configs[0].Name
	default:
		path = p.search(folder)
	}
	if path == "" {
		return nil, path
	}
	if c, ok := p.known[path]; ok {
		return c, path
	}
	data, err := readFile(path)
	if err != nil {
		return nil, path
	}
	c, errs := parseConfig(strictyaml.Loader{SkipSecrets: true}, rules.File{Name: path, Data: data})
	if len(errs) > 0 {
		fmt.Fprintf(p.stderr, "%s has errors itself, `edge lint %s` shows them\n", path, path)
	}
	p.known[path] = c
	return c, path
}

// search looks in the working directory, then beside the rules and above them.
func (p *paths) search(folder string) string {
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
