package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameEveryFunction: the reference lists what there is, and nothing else.
func TestDocsNameEveryFunction(t *testing.T) {
	text, err := os.ReadFile("../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Functions")
	section, _, _ = strings.Cut(section, "`count avg")
	words := strings.FieldsFunc(section, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", r)
	})
	for _, name := range functionNames() {
		if !slices.Contains(words, name) {
			t.Errorf("%s is not in docs/expressions.md", name)
		}
	}
	for i, quoted := range strings.Split(section, "`") {
		names := strings.Fields(quoted)
		if i%2 == 0 || len(names) < 3 || strings.ContainsAny(quoted, ".,#") {
			continue // not code, or an example
		}
		for _, name := range names {
			name = strings.TrimSuffix(name, "()")
			if functionNamed(name) == nil && !isPredicate(name) && !geoFunctionNamed(name) {
				t.Errorf("docs/expressions.md has %s, which does not exist", name)
			}
		}
	}
}

// TestDocsOfCoordinates: the blocks of the page are one set, and its examples give what it says.
func TestDocsOfCoordinates(t *testing.T) {
	text, err := os.ReadFile("../docs/coordinates.md")
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	var geoJSON, examples string
	for i, block := range strings.Split(string(text), "```") {
		language, rest, _ := strings.Cut(block, "\n")
		switch {
		case i%2 == 0:
		case language == "yaml":
			files = append(files, File{Name: fmt.Sprintf("%d.yaml", i), Data: []byte(rest)})
		case language == "json":
			geoJSON = rest
		case language == "js":
			examples = rest
		}
	}
	env := Env{ReadFile: readZones(map[string]string{"zones/campus.geojson": geoJSON})}
	if _, errs := Load(files, env); len(errs) > 0 {
		t.Fatal(errs.Err())
	}
	shown := map[string]bool{}
	for line := range strings.Lines(examples) {
		source, want, ok := strings.Cut(line, "//")
		got, err := Eval(strings.TrimSpace(source), []byte("null"), "", files, env)
		if !ok || err != nil || string(got) != strings.TrimSpace(want) {
			t.Errorf("%s gives %s, %v", strings.TrimSpace(line), got, err)
		}
		for _, name := range functionNames() {
			shown[name] = shown[name] || strings.Contains(source, name+"(")
		}
	}
	for _, name := range append(keysOf(coordinateFunctions), zoneFunctionNames...) {
		if !shown[name] {
			t.Errorf("%s has no example", name)
		}
	}
}

// TestDocsLoad: the examples of the reference are rule files without errors.
func TestDocsLoad(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, block := range strings.Split(string(text), "```") {
		block, ok := strings.CutPrefix(block, "yaml\n")
		if !ok || i%2 == 0 || !strings.HasPrefix(block, "rules:") {
			continue
		}
		found++
		if _, errs := Load([]File{{Name: "docs/rules.md", Data: []byte(block)}}, Env{}); len(errs) > 0 {
			t.Errorf("%v\n%s", errs.Err(), block)
		}
	}
	if found == 0 {
		t.Error("no examples were found")
	}
}
