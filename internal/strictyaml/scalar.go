package strictyaml

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]`)
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (t *tree) checkScalar(n *yaml.Node, key string) {
	if isPlain(n) {
		if t.isCutByComment(n, key) {
			spoil(n)
			return
		}
		if why := oddNumber(n); why != "" {
			t.fail(n, "%s", why)
			spoil(n)
			return
		}
	}
	if n.Tag == "!!timestamp" || n.Tag == mergeTag {
		n.Tag = "!!str" // a date is text like any other; << is a merge only as a key
	}
	if !strings.Contains(n.Value, "${") {
		return
	}
	text, err := t.loader.expand(n.Value)
	if err != nil {
		t.fail(n, "%s", err)
		spoil(n)
		return
	}
	n.Anchor, n.Value = n.Value, text
	if isPlain(n) && n.Style&yaml.TaggedStyle == 0 {
		n.Tag = tagOf(text)
	}
}

// oddNumber finds the spellings of numbers that YAML reads as another number than people do.
func oddNumber(n *yaml.Node) string {
	if n.Tag != "!!int" && n.Tag != "!!float" {
		return ""
	}
	if leadingZero.MatchString(n.Value) {
		return "YAML may read a number with a leading zero as octal: drop the zero, or quote the value if it is text"
	}
	if strings.Contains(n.Value, "_") {
		return "YAML leaves out the _ in a number: drop it, or quote the value if it is text"
	}
	return ""
}

// tagOf is the type of a plain scalar. Of what comes from the environment only what is clearly a number or a
// boolean is one: 007 is the name of a device.
func tagOf(text string) string {
	if text == "" {
		return "!!null"
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	n.Tag = n.ShortTag()
	if n.Tag == "!!bool" || (n.Tag == "!!int" || n.Tag == "!!float") && oddNumber(n) == "" {
		return n.Tag
	}
	return "!!str"
}

// wasExpanded tells of a scalar from Parse whether its value came from ${}. Its Anchor then keeps what was
// written, for messages.
func wasExpanded(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Anchor != "" }

// expand replaces ${VAR} and ${VAR:-default}; the default also stands in for a variable that is empty, as in a
// shell. What comes from the environment is not expanded again.
func (l *Loader) expand(s string) (string, error) {
	env := l.Env
	if env == nil {
		env = os.LookupEnv
	}
	var b strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if at > 0 && s[at-1] == '$' {
			b.WriteString(s[:at-1] + "${")
			s = s[at+2:]
			continue
		}
		b.WriteString(s[:at])
		body, after, closed := strings.Cut(s[at+2:], "}")
		if !closed {
			return "", fmt.Errorf("${ is not closed: write ${NAME} or ${NAME:-default}, or $${ for the characters themselves")
		}
		name, standIn, hasDefault := strings.Cut(body, ":-")
		if !variable.MatchString(name) {
			return "", fmt.Errorf("%s is no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters themselves", shorten("${"+body+"}"))
		}
		if strings.Contains(standIn, "${") {
			return "", fmt.Errorf("the default of ${%s} holds another ${: write a plain text there", name)
		}
		value, set := env(name)
		if value == "" && hasDefault {
			value, set = standIn, true
		}
		if !set {
			return "", fmt.Errorf("the environment variable %s is not set: set it, or write ${%s:-default}", name, name)
		}
		b.WriteString(value)
		s = after
	}
}
