package rules

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// maxFamily is how many frames one template may stand for: a slip in one of several lists multiplies.
const maxFamily = 10_000

// A namedFrame is one frame of those that an entry stands for. Its node is nil where the entry could not be read.
type namedFrame struct {
	name string
	node *yaml.Node
}

// A familyProblem is what is wrong with a template.
type familyProblem struct {
	at   *yaml.Node // nil: the name
	text string
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// expandFrame gives the frames that an entry stands for. A template that is wrong gives none.
func (s *setCompiler) expandFrame(entry *strictyaml.Entry[frameNode]) []namedFrame {
	list, wrong := family(entry.Key, entry.Value.node)
	for _, p := range wrong {
		pos := entry.Pos
		if p.at != nil {
			pos = strictyaml.PosOf(entry.Value.file, p.at)
		}
		s.errs.Add(pos, "frame %q: %s", entry.Key, p.text)
	}
	return list
}

// A variable of a template, and what it stands for.
type variable struct {
	name   string
	values []string
}

// family makes of an entry with for: {f: [F1, F2]} one frame for each value, and of several variables one for each
// way to choose a value of each. {f} is replaced in the name and in every text.
func family(name string, n *yaml.Node) (list []namedFrame, wrong []familyProblem) {
	fail := func(at *yaml.Node, format string, args ...any) {
		wrong = append(wrong, familyProblem{at, fmt.Sprintf(format, args...)})
	}
	if n == nil || n.Kind != yaml.MappingNode { // which is an error of its own
		return []namedFrame{{name, n}}, nil
	}
	each := memberOf(n, "for")
	if each == nil {
		if p := placeholder.FindString(name); p != "" {
			fail(nil, "%s in the name stands for several frames; add for: {%s: [F1, F2]}, or write the name without braces", p, strings.Trim(p, "{}"))
			return nil, wrong
		}
		return []namedFrame{{name, n}}, nil
	}
	if each.Kind != yaml.MappingNode || len(each.Content) == 0 {
		fail(each, "for wants a mapping of names to lists, such as for: {f: [F1, F2]}")
		return nil, wrong
	}
	var variables []variable
	count := 1
	for i := 0; i+1 < len(each.Content); i += 2 {
		v, problem := readVariable(each.Content[i], each.Content[i+1])
		if problem == nil && !strings.Contains(name, "{"+v.name+"}") {
			problem = &familyProblem{each.Content[i], fmt.Sprintf("the name has no {%s}, so the frames for %s would all have one name", v.name, v.name)}
		}
		if problem != nil {
			wrong = append(wrong, *problem)
			continue
		}
		variables = append(variables, v)
		count *= len(v.values)
		if count > maxFamily {
			fail(each, "for stands for more than %d frames; use shorter lists", maxFamily)
			break
		}
	}
	body := *n
	body.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i+1] != each {
			body.Content = append(body.Content, n.Content[i], n.Content[i+1])
		}
	}
	if len(wrong) == 0 {
		known := func(p string) bool {
			return slices.ContainsFunc(variables, func(v variable) bool { return p == "{"+v.name+"}" })
		}
		checkPlaceholders(&yaml.Node{Kind: yaml.ScalarNode, Value: name}, known, func(_ *yaml.Node, text string) { fail(nil, "%s", text) })
		checkPlaceholders(&body, known, func(at *yaml.Node, text string) { fail(at, "%s", text) })
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	for i := range count {
		var pairs []string
		for k := len(variables) - 1; k >= 0; k-- { // the last one changes fastest
			v := variables[k]
			pairs = append(pairs, "{"+v.name+"}", v.values[i%len(v.values)])
			i /= len(v.values)
		}
		replace := strings.NewReplacer(pairs...)
		list = append(list, namedFrame{replace.Replace(name), replaced(&body, replace)})
	}
	return list, nil
}

func readVariable(key, list *yaml.Node) (v variable, wrong *familyProblem) {
	v.name = key.Value
	if !isName(v.name) {
		return v, &familyProblem{key, fmt.Sprintf("for: %q is no name: letters, digits and _, not beginning with a digit", v.name)}
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return v, &familyProblem{list, fmt.Sprintf("for: %s wants a list of what it stands for, such as [F1, F2]", v.name)}
	}
	for _, item := range list.Content {
		switch {
		case item.Kind != yaml.ScalarNode || item.Value == "":
			return v, &familyProblem{item, fmt.Sprintf("for: %s stands for texts, such as F1", v.name)}
		case slices.Contains(v.values, item.Value):
			return v, &familyProblem{item, fmt.Sprintf("for: %s has %q twice", v.name, item.Value)}
		}
		v.values = append(v.values, item.Value)
	}
	return v, nil
}

// checkPlaceholders finds {x} that stands for nothing, and {f} that YAML took for a mapping.
func checkPlaceholders(n *yaml.Node, known func(string) bool, fail func(*yaml.Node, string)) {
	if n.Kind == yaml.ScalarNode {
		for _, p := range placeholder.FindAllString(n.Value, -1) {
			if !known(p) {
				fail(n, fmt.Sprintf("%s stands for nothing; it is no variable of for:", p))
			}
		}
		return
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && known("{"+n.Content[0].Value+"}") && n.Content[1].Tag == "!!null" {
		fail(n, fmt.Sprintf("{%s} is a mapping to YAML; quote it: \"{%s}\"", n.Content[0].Value, n.Content[0].Value))
		return
	}
	for _, child := range n.Content {
		checkPlaceholders(child, known, fail)
	}
}

// replaced copies a node with the variables replaced in its texts. Places stay those of the template.
func replaced(n *yaml.Node, replace *strings.Replacer) *yaml.Node {
	c := *n
	if n.Kind == yaml.ScalarNode {
		c.Value = replace.Replace(n.Value)
		return &c
	}
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = replaced(child, replace)
	}
	return &c
}

// namedMaps lists the map files that the frames of a rule file name. Where one of them lies in the folder of
// rules, it is not a rule file.
func namedMaps(file string, root *yaml.Node) (names []string) {
	frames := memberOf(root, "frames")
	if frames == nil || frames.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(frames.Content); i += 2 {
		if memberOf(frames.Content[i+1], "map_server") == nil {
			continue
		}
		list, _ := family(frames.Content[i].Value, frames.Content[i+1])
		for _, one := range list {
			n := memberOf(one.node, "map_server")
			if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
				continue
			}
			name := n.Value
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(file), name)
			}
			names = append(names, filepath.Clean(name))
		}
	}
	return names
}
