package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxFile   = 4 << 20
	maxDepth  = 100     // what nests deeper is no rule, and recursion must end somewhere
	maxCopied = 100_000 // nodes that aliases may add; a bomb of ten lines makes billions
)

// Parse checks src as YAML, expands ${VAR} in its scalars, resolves aliases and merge keys, and returns the root
// mapping, nil when it is too broken to go on. A root that came with errors can be decoded to find more of
// them: what is wrong was marked and is passed over in silence.
//
// In the nodes it returns every scalar has a tag of !!str, !!int, !!float, !!bool or !!null, all keys are
// !!str, and there are no aliases.
func (l *Loader) Parse(file string, src []byte, errs *Errors) *yaml.Node {
	root := l.ParseAny(file, src, errs)
	if root != nil && root.Kind != yaml.MappingNode {
		if !isBad(root) {
			errs.Add(PosOf(file, root), "the file wants keys and values, `name: value`, not %s", describe(root))
		}
		return nil
	}
	return root
}

// ParseAny is Parse for files whose root may also be a list, such as tables.
func (l *Loader) ParseAny(file string, src []byte, errs *Errors) *yaml.Node {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if len(src) > maxFile {
		errs.Add(Pos{file, 1, 1}, "the file has %d bytes, the limit is 4 MiB: split it", len(src))
		return nil
	}
	lines := splitLines(string(src))
	if !readable(file, lines, errs) {
		return nil
	}
	doc, second, err := parse(src)
	if err != nil {
		(&explainer{file: file, lines: lines, errs: errs, firstOnly: len(src) > maxMended}).explain(err)
		return nil
	}
	if doc == nil || isNull(doc.Content[0]) {
		errs.Add(Pos{file, 1, 1}, "the file is empty or has only comments")
		return nil
	}
	if second != nil {
		errs.Add(PosOf(file, second), "a second document begins here: keep one document in a file and remove the ---")
		return nil
	}
	root := doc.Content[0]
	t := &tree{loader: l, file: file, lines: lines, errs: errs, above: map[*yaml.Node]bool{}}
	t.check(root, "", 1)
	t.resolve(root, 1)
	return root
}

// parse reads the first document and, to be able to refuse it, the second.
func parse(src []byte) (first, second *yaml.Node, err error) {
	// yaml.v3 panics with what it takes for faults of its own. A file must not bring the program down.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	for _, doc := range []**yaml.Node{&first, &second} {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return first, second, nil
		}
		if err != nil {
			return nil, nil, err
		}
		*doc = &n
	}
	return first, second, nil
}

// readable refuses what yaml.v3 would refuse without a place, or take for another encoding.
func readable(file string, lines []string, errs *Errors) bool {
	for i, line := range lines {
		column := 0
		for at, r := range line {
			column++
			pos := Pos{file, i + 1, column}
			if r == utf8.RuneError {
				if _, size := utf8.DecodeRuneInString(line[at:]); size == 1 {
					errs.Add(pos, "this is not UTF-8: save the file as UTF-8")
					return false
				}
			}
			if (r < ' ' && r != '\t') || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0xfeff || r == 0xfffe || r == 0xffff {
				errs.Add(pos, "the character %U cannot stand in YAML: remove it, or write it as an escape in double quotes", r)
				return false
			}
		}
	}
	return true
}

// splitLines ends lines where YAML does, so that its line numbers fit: at LF, CR LF, CR, and at three
// characters that no editor takes for the end of a line.
func splitLines(src string) []string {
	src = strings.ReplaceAll(src, "\r\n", "\n")
	if strings.ContainsAny(src, "\r\u0085\u2028\u2029") {
		src = strings.NewReplacer("\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(src)
	}
	return strings.Split(src, "\n")
}

const badTag = "!!bad"

// spoil marks n as wrong and reported. It makes it a scalar, so that whoever reads nodes by himself stays out.
func spoil(n *yaml.Node) {
	*n = yaml.Node{Kind: yaml.ScalarNode, Tag: badTag, Line: n.Line, Column: n.Column}
}

func isBad(n *yaml.Node) bool { return n.Tag == badTag }

// Reported says to whoever reads nodes by himself that n is wrong, and that this has been told.
func Reported(n *yaml.Node) bool { return isBad(n) }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func isPlain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quoted == 0
}

// describe says in an error what stands there instead of what is wanted. Of an expanded value it tells what the
// author wrote: the environment holds passwords.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case isNull(n) && n.Value == "":
		return "nothing"
	case wasExpanded(n):
		return "what " + shorten(n.Anchor) + " gives"
	case !isPlain(n) && n.Tag == "!!str":
		return "the text " + quote(n.Value)
	}
	return quote(n.Value)
}

func quote(s string) string { return fmt.Sprintf("%q", shorten(s)) }

func shorten(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
