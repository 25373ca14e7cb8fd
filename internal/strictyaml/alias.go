package strictyaml

import "gopkg.in/yaml.v3"

const mergeTag = "!!merge"

// resolve puts copies in the place of aliases and merges << into its mapping. An anchor stands before its
// aliases, so what an alias names is resolved already, or it is around the alias.
func (t *tree) resolve(n *yaml.Node, depth int) {
	if n.Kind == yaml.AliasNode {
		t.replace(n, depth)
		return
	}
	if len(n.Content) == 0 {
		return
	}
	t.above[n] = true
	merges := false
	for i, c := range n.Content {
		t.resolve(c, depth+1)
		merges = merges || n.Kind == yaml.MappingNode && i%2 == 0 && c.Tag == mergeTag
	}
	delete(t.above, n)
	if merges {
		t.merge(n)
	}
}

// replace makes the alias n a copy of what it names. The copy keeps the places of the original: that is where
// the author mends it.
func (t *tree) replace(n *yaml.Node, depth int) {
	target := n.Alias
	if t.above[target] {
		t.fail(n, "the alias *%s stands inside of what it names", n.Value)
		spoil(n)
		return
	}
	if t.copied > maxCopied { // reported
		spoil(n)
		return
	}
	line, column, name := n.Line, n.Column, n.Value
	*n = *t.copy(target, depth)
	switch {
	case t.copied > maxCopied:
		t.errs.Add(Pos{t.file, line, column}, "the aliases of this file stand for more than %d values: write fewer", maxCopied)
	case isBad(n) && !isBad(target):
		t.errs.Add(Pos{t.file, line, column}, "with the alias *%s this nests deeper than %d levels", name, maxDepth)
	}
}

// copy gives up at the limits with a spoiled node.
func (t *tree) copy(n *yaml.Node, depth int) *yaml.Node {
	c := *n
	c.Content = nil
	t.copied++
	if t.copied > maxCopied || depth > maxDepth {
		spoil(&c)
		return &c
	}
	for _, child := range n.Content {
		one := t.copy(child, depth+1)
		if isBad(one) && !isBad(child) {
			spoil(&c)
			return &c
		}
		c.Content = append(c.Content, one)
	}
	return &c
}

// merge puts the keys of what << names in its place, but those that the mapping gives itself. Of several
// mappings the earlier one counts.
func (t *tree) merge(n *yaml.Node) {
	have := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		have[n.Content[i].Value] = n.Content[i].Tag != mergeTag
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Tag != mergeTag {
			merged = append(merged, k, v)
			continue
		}
		from := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			from = v.Content
		}
		for _, m := range from {
			if m.Kind != yaml.MappingNode {
				if !isBad(m) {
					t.fail(m, "<< wants a mapping or a list of mappings, not %s", describe(m))
				}
				continue
			}
			for j := 0; j+1 < len(m.Content); j += 2 {
				if key := m.Content[j].Value; !have[key] {
					have[key] = true
					merged = append(merged, m.Content[j], m.Content[j+1])
				}
			}
		}
	}
	n.Content = merged
}
