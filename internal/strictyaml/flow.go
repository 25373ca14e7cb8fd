package strictyaml

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Where YAML reads an expression as something else without a word, this file finds it by what is left over:
// brackets and quotes that open and do not close.

// An unclosed is what is left open in a text that may be an expression.
type unclosed struct {
	opens, closes int  // brackets without their partner
	quote         rune // the quote that is open at the end
}

func (u unclosed) none() bool { return u == unclosed{} }

// scan knows the quotes of expr. One behind a letter or digit is an apostrophe, or inches.
func scan(s string) (u unclosed) {
	before, escaped := ' ', false
	for _, r := range s {
		switch {
		case u.quote != 0:
			if escaped {
				escaped = false
			} else if r == '\\' && u.quote != '`' {
				escaped = true
			} else if r == u.quote {
				u.quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			if !unicode.IsLetter(before) && !unicode.IsDigit(before) {
				u.quote = r
			}
		case strings.ContainsRune("([{", r):
			u.opens++
		case strings.ContainsRune(")]}", r):
			if u.opens > 0 {
				u.opens--
			} else {
				u.closes++
			}
		}
		before = r
	}
	return u
}

// isTemplate spoils a mapping that was meant for a text: {{ key }}.
func (t *tree) isTemplate(n *yaml.Node) bool {
	if n.Style&yaml.FlowStyle == 0 || len(n.Content) != 2 {
		return false
	}
	rest := t.rest(n.Line, n.Column)
	if n.Content[0].Kind != yaml.MappingNode || !strings.HasPrefix(rest, "{{") {
		return false
	}
	t.fail(n, "%s", templateMessage(templates(rest)))
	spoil(n)
	return true
}

func templateMessage(text string) string {
	return "a value that begins with {{ is read as a YAML mapping: quote it, " + quoted(text)
}

// checkFlowMapping finds values that a comma cut in two: of {x: round(p.x, 3)} YAML makes x: "round(p.x" and
// an empty value under the key "3)".
func (t *tree) checkFlowMapping(n *yaml.Node) {
	if n.Style&yaml.FlowStyle == 0 {
		return
	}
	kept := make([]*yaml.Node, 0, len(n.Content))
	last := ""
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if isNullKey(k, v) && scan(k.Value).closes > 0 {
			t.fail(k, "inside {} a comma ends a value, and `%s` is left over: quote the whole value", shown(k.Value, last))
			continue
		}
		last = k.Value
		kept = append(kept, k, v)
		if !isCut(v) {
			continue
		}
		text, end := v.Value, i
		for !scan(text).none() && end+3 < min(len(n.Content), i+2*maxPieces) && isNullKey(n.Content[end+2], n.Content[end+3]) {
			end += 2
			text = t.joined(v, n.Content[end], text)
		}
		switch {
		case end == i && (i+3 >= len(n.Content) || scan(n.Content[i+3].Value).closes == 0):
			continue // nothing that could be its other half: who compiles the expression says what is wrong
		case scan(text).none() && !isSecretKey(k.Value):
			t.fail(v, "inside {} a comma ends a value: quote it, %s: %s", k.Value, quoted(text))
		default:
			t.fail(v, "inside {} a comma ends a value: quote the whole value")
		}
		spoil(v)
		i = end
	}
	n.Content = kept
}

func (t *tree) checkFlowList(n *yaml.Node, key string) {
	if n.Style&yaml.FlowStyle == 0 {
		return
	}
	kept := make([]*yaml.Node, 0, len(n.Content))
	for i := 0; i < len(n.Content); i++ {
		v := n.Content[i]
		kept = append(kept, v)
		if !isCut(v) {
			continue
		}
		text, end := v.Value, i
		for !scan(text).none() && end+1 < min(len(n.Content), i+maxPieces) && isPlain(n.Content[end+1]) {
			end++
			text = t.joined(v, n.Content[end], text)
		}
		if !scan(text).none() {
			continue // the brackets do not come out even with the others either
		}
		if isSecretKey(key) {
			t.fail(v, "inside [] a comma ends a value: quote it")
		} else {
			t.fail(v, "inside [] a comma ends a value: quote it, %s", quoted(text))
		}
		spoil(v)
		i = end
	}
	n.Content = kept
}

// maxPieces is of how many parts a cut value is put together again: arguments of a call, not pages of data.
const maxPieces = 16

func isNullKey(k, v *yaml.Node) bool { return isPlain(k) && isNull(v) && v.Value == "" }

func isCut(n *yaml.Node) bool {
	if !isPlain(n) {
		return false
	}
	u := scan(n.Value)
	return u.opens > 0 || u.quote != 0
}

// joined is what the author wrote from one node to the end of another.
func (t *tree) joined(from, to *yaml.Node, text string) string {
	if from.Line == to.Line && to.Column > from.Column {
		rest, tail := t.rest(from.Line, from.Column), t.rest(to.Line, to.Column)
		if len(rest) > len(tail) && strings.HasPrefix(tail, to.Value) {
			return rest[:len(rest)-len(tail)+len(to.Value)]
		}
	}
	return text + ", " + to.Value
}

// shown is text for a message, unless key says that it is a secret.
func shown(text, key string) string {
	if isSecretKey(key) {
		return "…"
	}
	return shorten(text)
}

// isCutByComment finds a # that was meant to be part of the value, as in payload.t == "a #b": what is open
// before it closes behind it.
func (t *tree) isCutByComment(n *yaml.Node, key string) bool {
	u := scan(n.Value)
	if u.none() {
		return false
	}
	tail, ok := strings.CutPrefix(t.rest(n.Line, n.Column), n.Value)
	comment := strings.TrimLeft(tail, " \t")
	if !ok || !strings.HasPrefix(comment, "#") {
		return false
	}
	if u.quote != 0 && !strings.ContainsRune(comment, u.quote) || u.quote == 0 && scan(comment).closes == 0 {
		return false
	}
	t.errs.Add(Pos{t.file, n.Line, n.Column + utf8.RuneCountInString(n.Value+tail) - utf8.RuneCountInString(comment)},
		"the # begins a comment, so the value ends at `%s`: quote the whole value, or write it on the next line after |", shown(n.Value, key))
	return true
}

// quoted puts a text into the YAML quotes that leave it as it is, if they can.
func quoted(s string) string {
	s = shorten(s)
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}
