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
