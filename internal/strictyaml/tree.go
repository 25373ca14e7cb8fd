package strictyaml

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// A tree is a parsed file on its way to nodes that mean what they seem to.
type tree struct {
	loader *Loader
	file   string
	lines  []string
	errs   *Errors

	measured int   // the line, from 1, that starts is about
	starts   []int // where its characters begin

	above  map[*yaml.Node]bool // the nodes that resolve is inside of
	copied int
}

func (t *tree) fail(n *yaml.Node, format string, args ...any) {
	t.errs.Add(PosOf(t.file, n), format, args...)
}

// check goes through the nodes as they were written. key is what leads to n.
func (t *tree) check(n *yaml.Node, key string, depth int) {
	if depth > maxDepth {
		t.fail(n, "this nests deeper than %d levels", maxDepth)
		spoil(n)
		return
	}
	if n.Kind == yaml.AliasNode {
		return
	}
	if !t.checkTag(n, key) {
		spoil(n)
		return
	}
	t.skipProperties(n)
	n.Anchor = "" // Alias points to the node; the field is free to keep what was expanded
	switch n.Kind {
	case yaml.MappingNode:
		t.checkMapping(n, depth)
	case yaml.SequenceNode:
		t.checkFlowList(n, key)
		for _, item := range n.Content {
			if isNull(item) && item.Value == "" {
				t.moveEmpty(item, item.Line, max(item.Column-1, 1))
			}
			t.check(item, key, depth+1)
		}
	case yaml.ScalarNode:
		t.checkScalar(n, key)
	}
}

func (t *tree) checkMapping(n *yaml.Node, depth int) {
	if t.isTemplate(n) {
		return
	}
	t.checkFlowMapping(n)
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	kept := n.Content[:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !t.checkKey(k) {
			continue
		}
		if was, twice := first[k.Value]; twice {
			t.fail(k, "key %q stands here for the second time, the first is at %s: remove one", k.Value, PosOf(t.file, was))
			continue
		}
		first[k.Value] = k
		if isNull(v) && v.Value == "" {
			t.moveEmpty(v, k.Line, k.Column)
		}
		t.check(v, k.Value, depth+1)
		kept = append(kept, k, v)
	}
	n.Content = kept
}

const emptyKey = "a key is empty: write a name before the colon"

func (t *tree) checkKey(k *yaml.Node) bool {
	if k.Kind != yaml.ScalarNode {
		what := "a list or mapping"
		if k.Kind == yaml.AliasNode {
			what = "an alias"
		}
		t.fail(k, "a key is a plain name, not %s: quote it if it is text", what)
		return false
	}
	if !t.checkTag(k, "") {
		return false
	}
	if k.Value == "" && isPlain(k) {
		t.fail(k, emptyKey)
		return false
	}
	if k.Tag != mergeTag { // 1: and true: are names like others
		k.Tag = "!!str"
	}
	k.Anchor = ""
	return true
}

// moveEmpty gives an empty value the place of its key or dash: it has none of its own. A comment in its stead
// may be what the author meant for a value (topic: #).
func (t *tree) moveEmpty(n *yaml.Node, line, column int) {
	n.LineComment = ""
	if rest := strings.TrimLeft(t.rest(n.Line, n.Column), ": \t"); strings.HasPrefix(rest, "#") {
		n.LineComment = "#"
	}
	n.Line, n.Column = line, column
}

// rest is the text of a line from a column on. It is asked for nearly every node, in the order of the file, and
// a file can be one line of millions of characters: where they begin is kept for the line asked last.
func (t *tree) rest(line, column int) string {
	if line < 1 || line > len(t.lines) || column < 1 {
		return ""
	}
	text := t.lines[line-1]
	if t.measured != line {
		t.measured, t.starts = line, t.starts[:0]
		for at := range text {
			t.starts = append(t.starts, at)
		}
	}
	if column > len(t.starts) {
		return ""
	}
	return text[t.starts[column-1]:]
}

var properties = regexp.MustCompile(`^(?:&\S+|!\S*)[ \t]+`)

// skipProperties moves the place of a value from its anchor or tag to the value itself.
func (t *tree) skipProperties(n *yaml.Node) {
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return
	}
	rest := t.rest(n.Line, n.Column)
	for {
		m := properties.FindString(rest)
		if m == "" || len(m) == len(rest) {
			return
		}
		rest = rest[len(m):]
		n.Column += len([]rune(m))
	}
}

var kindOfTag = map[string]yaml.Kind{
	"!!str": yaml.ScalarNode, "!!int": yaml.ScalarNode, "!!float": yaml.ScalarNode, "!!bool": yaml.ScalarNode,
	"!!null": yaml.ScalarNode, "!!map": yaml.MappingNode, "!!seq": yaml.SequenceNode,
}

// checkTag refuses tags but those of YAML itself. A tag is what becomes of `when: !payload.ok`, with nothing
// left of the value.
func (t *tree) checkTag(n *yaml.Node, key string) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		// yaml.v3 passes over a tag that is a mere "!", and the not is lost.
		if n.Kind != yaml.ScalarNode || !isPlain(n) || !strings.HasPrefix(t.rest(n.Line, n.Column), "! ") {
			return true
		}
		t.fail(n, "%s", tagMessage("!", n.Value, key))
		return false
	}
	if kindOfTag[n.Tag] == n.Kind {
		return true
	}
	value := ""
	if n.Kind == yaml.ScalarNode {
		value = n.Value
	}
	t.fail(n, "%s", tagMessage(n.Tag, value, key))
	return false
}

func tagMessage(tag, value, key string) string {
	if isSecretKey(key) {
		return "a value that begins with ! is read as a YAML tag: quote it"
	}
	text := strings.TrimPrefix(tag, "!")
	if value != "" {
		text = strings.TrimSpace(text + " " + value)
	}
	if text == "" || strings.HasPrefix(text, "!") {
		return "`" + shorten(tag) + "` is read as a YAML tag; quote the value"
	}
	return "`" + shorten(tag) + "` is read as a YAML tag; quote it or write not " + shorten(text)
}

// isSecretKey tells which values the messages about YAML itself do not repeat: those that look like secrets,
// since what a key is for is known only later.
func isSecretKey(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "passphrase", "secret", "token", "credential", "auth", "cookie", "api_key", "apikey", "api-key"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
