package rules

import (
	"strings"
	"unicode"

	"github.com/expr-lang/expr/ast"

	"edge/internal/jsonscan"
)

// An address is where a template stands, which decides what data may bring into it.
type address uint8

const (
	mqttTopic   address = iota // no + # NUL, no empty level, no leading $; / only from what is a topic itself
	natsSubject                // no white space * >, no empty token; . likewise
	httpPath                   // / likewise
	headerValue                // one line
)

// A template is text with {{ expressions }} in it.
type template struct {
	kind  address
	fixed string // when there is no expression at all
	parts []part
	loose bool // its own text has empty levels, so they cannot be told from those of data
}

// A part is a piece of text or an expression.
type part struct {
	text       string
	expression *expression
}

// splitTemplate takes text apart. offset is where each expression starts, in bytes of the text.
func splitTemplate(source string) (texts, expressions []string, offsets []int, bad *sourceError) {
	at := 0
	for {
		open := strings.Index(source[at:], "{{")
		if open < 0 {
			return append(texts, source[at:]), expressions, offsets, nil
		}
		open += at
		end := closing(source, open+2)
		if end < 0 {
			return nil, nil, nil, sourceErrorf(len([]rune(source[:open])), "{{ without }}")
		}
		texts = append(texts, source[at:open])
		inner := source[open+2 : end]
		trimmed := strings.TrimLeft(inner, " \t\n")
		expressions = append(expressions, strings.TrimRight(trimmed, " \t\n"))
		offsets = append(offsets, len([]rune(source[:open+2+len(inner)-len(trimmed)])))
		at = end + 2
	}
}

// closing finds the }} that ends an expression, past those in quotes and those of objects.
func closing(source string, from int) int {
	var quote byte
	depth := 0
	for i := from; i < len(source); i++ {
		switch ch := source[i]; {
		case quote != 0:
			if ch == '\\' && quote != '`' {
				i++
			} else if ch == quote {
				quote = 0
			}
		case ch == '"' || ch == '\'' || ch == '`':
			quote = ch
		case ch == '{':
			depth++
		case ch == '}' && depth > 0:
			depth--
		case ch == '}' && i+1 < len(source) && source[i+1] == '}':
			return i
		}
	}
	return -1
}

// trusted says whether an expression may bring separators into an address: a topic or a part of one may, and
// what the author has marked.
func trusted(node ast.Node) bool {
	if call, ok := node.(*ast.CallNode); ok {
		callee, ok := call.Callee.(*ast.IdentifierNode)
		return ok && callee.Value == "raw"
	}
	root, path := pathOf(node)
	return root != nil && (root.Value == "topic" && len(path) == 0 || root.Value == "params" && len(path) == 1)
}

// checkFixed says what is wrong with the author's own text of an address.
func (t *template) checkFixed() string {
	own := t.fixed
	for _, p := range t.parts {
		if p.expression != nil {
			own += "x" // of data
		}
		own += p.text
	}
	switch {
	case own == "" && (t.kind == mqttTopic || t.kind == natsSubject):
		return "it is empty: say where the message goes"
	case t.kind == natsSubject && emptyPart(own, '.'):
		return "a subject can have no empty token between its dots"
	}
	for _, p := range t.parts {
		if wrong := t.kind.wrongText(p.text); wrong != "" {
			return wrong
		}
	}
	if t.fixed != "" || len(t.parts) == 0 {
		return t.kind.wrongText(t.fixed)
	}
	return ""
}

func (a address) wrongText(s string) string {
	switch {
	case a == mqttTopic && strings.ContainsAny(s, "+#\x00"):
		return "a topic to publish to can have no wildcard + or #"
	case a == natsSubject && strings.ContainsAny(s, "*>"):
		return "a subject to publish to can have no wildcard * or >"
	case a == natsSubject && strings.ContainsFunc(s, unicode.IsSpace):
		return "a subject can have no white space"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "there is a control character in it"
	}
	return ""
}

// render gives the text for one message.
func (t *template) render(c *scope) (string, error) {
	if len(t.parts) == 0 {
		return t.fixed, nil
	}
	dst := c.arena.room()
	plain := true // all data is there and harmless, so that joined it is too
	for i := range t.parts {
		p := &t.parts[i]
		if p.expression == nil {
			dst = append(dst, p.text...)
			continue
		}
		start := len(dst)
		if s := c.copied(p.expression); s != nil && s.Kind == jsonscan.String && !s.Escaped { // as nearly always
			dst = append(dst, s.Raw[1:len(s.Raw)-1]...)
		} else {
			v, err := c.run(p.expression)
			if err != nil {
				return "", err
			}
			if dst, err = appendScalar(dst, v); err != nil {
				return "", &failure{err: err, expression: p.expression}
			}
		}
		if data := textOf(dst[start:]); data == "" || !harmless(data) {
			plain = false
			if err := t.kind.checkData(data, p.expression.trusted); err != nil {
				return "", &failure{err: err, expression: p.expression}
			}
		}
	}
	if !plain || len(dst) > maxTopic {
		if err := t.checkWhole(textOf(dst)); err != nil {
			return "", &failure{err: err, expression: t.first()}
		}
	}
	return textOf(c.arena.keep(dst)), nil
}

func (t *template) first() *expression {
	for i := range t.parts {
		if t.parts[i].expression != nil {
			return t.parts[i].expression
		}
	}
	return nil
}

// appendScalar appends text as it is and numbers and booleans as JSON writes them.
func appendScalar(dst []byte, v Value) ([]byte, error) {
	switch v.kind {
	case String:
		return append(dst, v.text...), nil
	case Escaped:
		return append(dst, v.string()...), nil
	case Bool, Int, Float:
		return v.appendJSON(dst, nil)
	case Null:
		return dst, fail(NullKey, "it is missing or null; give a default with ??")
	}
	return dst, fail(NullKey, "it is %s; only text, numbers and booleans can stand in a template", v.typeName())
}

// checkData refuses what data may not bring into an address.
func (a address) checkData(s string, trusted bool) error {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fail(BadAddress, "%q has a control character", s)
	}
	switch a {
	case mqttTopic:
		if strings.ContainsAny(s, "+#") {
			return fail(BadAddress, "%q would bring a wildcard into the topic", s)
		}
		if !trusted && strings.Contains(s, "/") {
			return fail(BadAddress, "%q would bring a / into the topic; raw(…) allows it", s)
		}
	case natsSubject:
		if strings.ContainsAny(s, "*>") || strings.ContainsFunc(s, unicode.IsSpace) {
			return fail(BadAddress, "%q would bring a wildcard or white space into the subject", s)
		}
		if !trusted && strings.Contains(s, ".") {
			return fail(BadAddress, "%q would bring a . into the subject; raw(…) allows it", s)
		}
	case httpPath:
		if !trusted && strings.Contains(s, "/") {
			return fail(BadAddress, "%q would bring a / into the path; raw(…) allows it", s)
		}
	}
	return nil
}

const maxTopic = 65535

// checkWhole refuses what only shows when the parts are joined.
func (t *template) checkWhole(s string) error {
	switch t.kind {
	case mqttTopic:
		if s == "" {
			return fail(NullAddress, "the topic is empty")
		}
		if s[0] == '$' && t.parts[0].expression != nil {
			return fail(BadAddress, "topic %q begins with $, which is the broker's", s)
		}
		if !t.loose && emptyPart(s, '/') {
			return fail(BadAddress, "topic %q has an empty level", s)
		}
		if len(s) > maxTopic {
			return fail(BadAddress, "the topic is longer than %d bytes", maxTopic)
		}
	case natsSubject:
		if s == "" {
			return fail(NullAddress, "the subject is empty")
		}
		if emptyPart(s, '.') {
			return fail(BadAddress, "subject %q has an empty token", s)
		}
	}
	return nil
}

// harmless says of most data in one go that it may stand anywhere.
func harmless(s string) bool {
	for i := 0; i < len(s); i++ {
		if !letters[s[i]] {
			return false
		}
	}
	return true
}

// letters are those of which harmless data is made.
var letters = func() (is [256]bool) {
	for b := range is {
		c := byte(b)
		is[b] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	return is
}()

// emptyPart says whether there is nothing before, after or between separators.
func emptyPart(s string, separator byte) bool {
	empty := true // the part so far
	for i := 0; i < len(s); i++ {
		if s[i] != separator {
			empty = false
		} else if empty {
			return true
		} else {
			empty = true
		}
	}
	return empty && s != ""
}
