package rules

import (
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
