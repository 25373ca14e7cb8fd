package strictyaml_test

import (
	"testing"

	"edge/internal/strictyaml"

	"gopkg.in/yaml.v3"
)

// Whatever a file holds: no panic, a place for every error, and either nodes as promised or an error.
func FuzzParse(f *testing.F) {
	for _, c := range traps {
		if len(c.yaml) < 1000 {
			f.Add([]byte(c.yaml))
		}
	}
	f.Add([]byte("sources: &s {h: {mqtt: {url: [a, b], password: ${P:-x}}}}\nsinks: {a: {backoff: 1s..2s}}\nrules: {r: {<<: *s, when: a, to: [b]}}\n"))
	f.Add([]byte(",!%0"))
	f.Fuzz(func(t *testing.T, src []byte) {
		var errs strictyaml.Errors
		l := &strictyaml.Loader{Env: environment("A", "1"), ReadFile: func(string) ([]byte, error) { return nil, nil }}
		root := l.Parse("f", src, &errs)
		if root == nil && len(errs) == 0 {
			t.Fatal("neither nodes nor an error")
		}
		if root != nil {
			var c config
			l.Decode("f", root, &c, &errs)
			look(t, root, 0)
		}
		for _, e := range errs {
			if e.Pos.File != "f" || e.Pos.Line < 1 || e.Pos.Column < 1 || e.Message == "" {
				t.Fatalf("%v", e)
			}
		}
	})
}

func look(t *testing.T, n *yaml.Node, depth int) {
	if depth > 100 {
		t.Fatal("too deep")
	}
	switch n.Kind {
	case yaml.AliasNode, yaml.DocumentNode:
		t.Fatalf("kind %d is left", n.Kind)
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!bad":
		default:
			t.Fatalf("tag %s is left", n.Tag)
		}
	}
	seen := map[string]bool{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if c.Kind != yaml.ScalarNode || c.Tag != "!!str" || seen[c.Value] {
				t.Fatalf("key %q, tag %s", c.Value, c.Tag)
			}
			seen[c.Value] = true
		}
		look(t, c, depth+1)
	}
}
