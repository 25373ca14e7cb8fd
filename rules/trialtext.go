package rules

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// An updater changes the text of a YAML file at the places of its nodes.
type updater struct {
	text    []byte
	starts  []int // of the lines
	splices []splice
}

// A splice puts text in the place of a part.
type splice struct {
	from, to int
	text     string
}

func newUpdater(text []byte) *updater {
	u := &updater{text: text, starts: []int{0}}
	for i, c := range text {
		if c == '\n' {
			u.starts = append(u.starts, i+1)
		}
	}
	return u
}

func (u *updater) put(from, to int, text string) {
	u.splices = append(u.splices, splice{from, to, text})
}

// done gives the changed text.
func (u *updater) done() []byte {
	slices.SortStableFunc(u.splices, func(a, b splice) int { return gocmp.Or(gocmp.Compare(a.from, b.from), gocmp.Compare(a.to, b.to)) })
	var out []byte
	at := 0
	for _, s := range u.splices {
		if s.from < at { // inside of what was replaced
			continue
		}
		out = append(append(out, u.text[at:s.from]...), s.text...)
		at = s.to
	}
	return append(out, u.text[at:]...)
}

// offset gives the place of a line and a column, which count from 1, the column in characters.
func (u *updater) offset(line, column int) int {
	if line < 1 || line > len(u.starts) {
		return len(u.text)
	}
	at := u.starts[line-1]
	for ; column > 1 && at < len(u.text); column-- {
		_, size := utf8.DecodeRune(u.text[at:])
		at += size
	}
	return at
}

// span is where a value begins and ends. flow says that it stands inside of {} or [].
func (u *updater) span(n *yaml.Node, flow bool) (from, to int, err error) {
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return 0, 0, fmt.Errorf("line %d: a value with an anchor or a tag: change it by hand", n.Line)
	}
	from = u.offset(n.Line, n.Column)
	rest := u.text[from:]
	switch {
	case n.Kind == yaml.AliasNode:
		return from, from + 1 + len(n.Value), nil
	case n.Kind != yaml.ScalarNode && isFlow(n):
		to = from + bracketEnd(rest)
	case n.Kind != yaml.ScalarNode && len(n.Content) > 0:
		_, to, err = u.span(n.Content[len(n.Content)-1], flow)
		return from, to, err
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		to = from + quoteEnd(rest)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		to = from + blockEnd(rest)
	case bytes.HasPrefix(rest, []byte(n.Value)):
		to = from + len(n.Value)
	}
	if to <= from {
		return 0, 0, fmt.Errorf("line %d: a value over several lines: change it by hand", n.Line)
	}
	return from, to, nil
}

// valueSpan is the span of the value of a key, from behind the colon where it begins on a line of its own.
func (u *updater) valueSpan(key, n *yaml.Node, flow bool) (from, to int, err error) {
	from, to, err = u.span(n, flow)
	if err != nil {
		return 0, 0, err
	}
	_, behind, err := u.span(key, flow)
	if err != nil {
		return 0, 0, err
	}
	colon := bytes.IndexByte(u.text[behind:from], ':')
	if colon < 0 {
		return 0, 0, fmt.Errorf("line %d: a key without a colon", key.Line)
	}
	return behind + colon + 1, to, nil
}

// replace writes text in the place of a value. It stands on the line of its key.
func (u *updater) replace(key, n *yaml.Node, text string, flow bool) error {
	from, to, err := u.span(n, flow)
	if err == nil && key != nil && n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode && !isFlow(n) {
		from, to, err = u.valueSpan(key, n, flow)
		text = " " + text
	}
	if err != nil {
		return err
	}
	u.put(from, to, text)
	return nil
}

// row is the lines of an entry of a block list, from its dash to the end of its last line.
func (u *updater) row(list, item *yaml.Node) (from, to int, err error) {
	if _, to, err = u.span(item, false); err != nil {
		return 0, 0, err
	}
	if end := bytes.IndexByte(u.text[to:], '\n'); end >= 0 {
		to += end + 1
	} else {
		to = len(u.text)
	}
	for line := item.Line; line >= list.Line; line-- {
		dash := u.offset(line, list.Column)
		before := strings.TrimSpace(string(u.text[u.starts[line-1]:dash]))
		if dash < len(u.text) && u.text[dash] == '-' && before == "" {
			return u.starts[line-1], to, nil
		}
	}
	return 0, 0, fmt.Errorf("line %d: a line without its dash: change it by hand", item.Line)
}

// bracketEnd finds the end of a value in {} or [].
func bracketEnd(text []byte) int {
	depth := 0
	last := byte(0) // the last character that is not white space
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case (c == '"' || c == '\'') && strings.IndexByte("[{,:", last) >= 0:
			end := quoteEnd(text[i:])
			if end == 0 {
				return 0
			}
			i += end - 1
		case c == '#' && i > 0 && strings.IndexByte(" \t\n", text[i-1]) >= 0:
			if end := bytes.IndexByte(text[i:], '\n'); end >= 0 {
				i += end
			}
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			last = c
		}
	}
	return 0
}

// quoteEnd finds the end of a text in quotes.
func quoteEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] == text[0] && text[0] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return 0
}

// blockEnd finds the end of a text after | or >, without its last line break.
func blockEnd(text []byte) int {
	end, indent := 0, 0
	for at := bytes.IndexByte(text, '\n'); at >= 0 && at+1 < len(text); {
		line := text[at+1:]
		if next := bytes.IndexByte(line, '\n'); next >= 0 {
			line = line[:next]
		}
		content := strings.TrimRight(string(line), " \t\r")
		depth := len(content) - len(strings.TrimLeft(content, " "))
		if content != "" {
			if indent == 0 {
				indent = depth
			}
			if depth < indent || depth == 0 {
				break
			}
			end = at + 1 + len(content)
		}
		at += 1 + len(line)
		if at >= len(text) {
			break
		}
	}
	return end
}

// flowYAML writes JSON as people write YAML on one line, in the order of the JSON.
func flowYAML(payload []byte) string {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var b strings.Builder
	writeFlow(&b, d)
	return b.String()
}

func writeFlow(b *strings.Builder, d *json.Decoder) {
	token, err := d.Token()
	if err != nil {
		return
	}
	switch v := token.(type) {
	case json.Delim:
		open, shut := "[", "]"
		if v == '{' {
			open, shut = "{", "}"
		}
		b.WriteString(open)
		for i := 0; d.More(); i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			if v == '{' {
				writeFlow(b, d)
				b.WriteString(": ")
			}
			writeFlow(b, d)
		}
		_, _ = d.Token()
		b.WriteString(shut)
	case string:
		b.WriteString(flowText(v))
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
	notText   = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n|nan|inf)$`)
)

// flowText writes text so that YAML reads it as that text, inside of {} too.
func flowText(s string) string {
	if plainText.MatchString(s) && !notText.MatchString(s) {
		return s
	}
	return yamlQuote(s)
}

// yamlQuote writes text in double quotes, with the escapes of YAML.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ReplaceAll(s, "${", "$${") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
