package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"edge/internal/strictyaml"
	"edge/rules"
)

// files is what edge.yaml and the rules said when they were read.
type files struct {
	config rules.File
	rules  []rules.File
	errs   strictyaml.Errors // what could not be read

	tables []rules.File      // that the rules name, once they were loaded
	prints map[string]string // what the files of tables were when they were read, by name
}

// maxFile is what is read of a file at most: one byte more than a file may have, so that the parser sees
// that it is too long and says so.
const maxFile = 4<<20 + 1

// readFiles reads edge.yaml and the rules: a folder, or one file.
func readFiles(config, rulesPath string) (f files) {
	f.config.Name = config
	data, err := readFile(config)
	if err != nil {
		f.errs.Add(strictyaml.Pos{File: config, Line: 1, Column: 1}, "%s", reason(err))
	}
	f.config.Data = data

	names, err := ruleFiles(rulesPath, config)
	if err != nil {
		f.errs.Add(strictyaml.Pos{File: rulesPath, Line: 1, Column: 1}, "%s", reason(err))
	}
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			f.errs.Add(strictyaml.Pos{File: name, Line: 1, Column: 1}, "%s", reason(err))
			continue
		}
		f.rules = append(f.rules, rules.File{Name: name, Data: data})
	}
	return f
}

// errNoRules refuses a folder without rules: it is far more often a mount that is missing or a deployment
// half done than the wish to run nothing.
var errNoRules = errors.New("holds no rule file (*.yaml, *.yml); to run no rules, leave one with `rules: {}`")

// ruleFiles names the rule files of a folder in the order of their names, leaving out edge.yaml where it lies
// in the same one. A path that is a file stands for itself.
func ruleFiles(path, config string) (names []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	own, _ := os.Stat(config)
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if !ruleFile(e.Name()) {
			continue
		}
		// Stat follows symlinks. What is gone by now, or a link to nothing, is reported by the read.
		if info, err := os.Stat(name); err == nil && (info.IsDir() || own != nil && os.SameFile(info, own)) {
			continue
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, errNoRules
	}
	return names, nil
}

// ruleFile tells rule files from hidden ones, which are what editors and ConfigMaps keep beside them.
func ruleFile(name string) bool {
	ext := filepath.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, ".")
}

// readFile reads a regular file: a pipe under that name would hold up the reload for ever.
func readFile(name string) ([]byte, error) { return readAtMost(name, maxFile) }

func readAtMost(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is no regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// reason is what is wrong with a file, without its name, which stands before it already.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read, check its owner and mode"
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return err.Error()
}

// all lists the files, edge.yaml first.
func (f *files) all() []rules.File {
	return slices.Concat([]rules.File{f.config}, f.rules, f.tables)
}

// setHash is equal for sets of files of equal names and contents.
func (f *files) setHash() string {
	if len(f.tables) == 0 {
		return f.hash()
	}
	h := sha256.New()
	io.WriteString(h, f.hash())
	for _, file := range f.tables {
		fmt.Fprintf(h, "%d %s %x ", len(file.Name), file.Name, sha256.Sum256(file.Data))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hash is equal for edge.yaml and rules of equal names and contents.
func (f *files) hash() string {
	h := sha256.New()
	add := func(file rules.File) {
		fmt.Fprintf(h, "%d %s %d ", len(file.Name), file.Name, len(file.Data))
		h.Write(file.Data)
	}
	add(f.config)
	for _, file := range f.rules {
		add(file)
	}
	for _, err := range f.errs {
		fmt.Fprintln(h, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// names lists the files, edge.yaml first.
func (f *files) names() []string {
	var names []string
	for _, file := range f.all() {
		names = append(names, file.Name)
	}
	return names
}

// changes says which of the files are new, gone or different from before.
func (f *files) changes(before *files) (added, removed, changed []string) {
	old := map[string]string{}
	for _, file := range before.all() {
		old[file.Name] = string(file.Data)
	}
	for _, file := range f.all() {
		data, ok := old[file.Name]
		switch {
		case !ok:
			added = append(added, file.Name)
		case data != string(file.Data):
			changed = append(changed, file.Name)
		}
		delete(old, file.Name)
	}
	for _, name := range before.names() {
		if _, gone := old[name]; gone {
			removed = append(removed, name)
		}
	}
	return added, removed, changed
}
