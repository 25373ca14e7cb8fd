package rules

import (
	"fmt"
	"strings"
)

// A pattern is a rule's topic: levels, {name} for one of them, {rest...} for all that are left.
type pattern struct {
	filter string   // as MQTT writes it
	levels []string // of the filter
	params []string // names in the order of the wildcards; "" where a wildcard has none
}

// parsePattern reads a topic of a rule file. MQTT's own + and # are allowed too.
func parsePattern(source string) (*pattern, error) {
	if source == "" {
		return nil, fmt.Errorf("the topic is empty")
	}
	p := &pattern{}
	if strings.HasPrefix(source, "$share/") {
		return nil, fmt.Errorf("write share: GROUP at the source instead of $share in a topic")
	}
	levels := strings.Split(source, "/")
	for i, level := range levels {
		switch {
		case level == "+":
			p.params = append(p.params, "")
		case level == "#":
			if i < len(levels)-1 {
				return nil, fmt.Errorf("# must be the last level of a topic")
			}
			p.params = append(p.params, "")
		case strings.HasPrefix(level, "{") && strings.HasSuffix(level, "...}"):
			name := level[1 : len(level)-4]
			if i < len(levels)-1 {
				return nil, fmt.Errorf("{%s...} must be the last level of a topic", name)
			}
			if err := p.name(name); err != nil {
				return nil, err
			}
			level = "#"
		case strings.HasPrefix(level, "{") && strings.HasSuffix(level, "}"):
			if err := p.name(level[1 : len(level)-1]); err != nil {
				return nil, err
			}
			level = "+"
		case strings.ContainsAny(level, "+#{}\x00"):
			return nil, fmt.Errorf("level %q of the topic is not valid: a wildcard takes a whole level, {name} or {rest...}", level)
		}
		p.levels = append(p.levels, level)
	}
	p.filter = strings.Join(p.levels, "/")
	return p, nil
}

func (p *pattern) name(name string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return fmt.Errorf("{%s} is no name: letters, digits and _ only", name)
	}
	for _, other := range p.params {
		if other == name {
			return fmt.Errorf("{%s} stands twice in the topic", name)
		}
	}
	p.params = append(p.params, name)
	return nil
}

// match says whether a topic matches, and gives the values of the params. levels is the topic, split.
func (p *pattern) match(levels []string) ([]string, bool) {
	if strings.HasPrefix(levels[0], "$") && (p.levels[0] == "+" || p.levels[0] == "#") {
		return nil, false
	}
	var values []string
	for i, level := range p.levels {
		if level == "#" {
			rest := ""
			if i < len(levels) {
				rest = strings.Join(levels[i:], "/")
			}
			return append(values, rest), true
		}
		if i >= len(levels) {
			return nil, false
		}
		if level == "+" {
			values = append(values, levels[i])
		} else if level != levels[i] {
			return nil, false
		}
	}
	return values, len(levels) == len(p.levels)
}

// A trie finds the rules whose patterns can match a topic without asking them all.
type trie struct {
	exact map[string]*trie
	any   *trie // +
	rules []int // that end here
	rest  []int // that end here with #
}

func (t *trie) add(levels []string, rule int) {
	for i, level := range levels {
		switch level {
		case "#":
			t.rest = append(t.rest, rule)
			return
		case "+":
			if t.any == nil {
				t.any = &trie{}
			}
			t = t.any
		default:
			if t.exact == nil {
				t.exact = map[string]*trie{}
			}
			if t.exact[level] == nil {
				t.exact[level] = &trie{}
			}
			t = t.exact[level]
		}
		if i == len(levels)-1 {
			t.rules = append(t.rules, rule)
		}
	}
}

// find adds the rules that match to found, in no order.
func (t *trie) find(levels []string, found []int) []int {
	return t.walk(levels, found, strings.HasPrefix(levels[0], "$"))
}

func (t *trie) walk(levels []string, found []int, system bool) []int {
	if !system {
		found = append(found, t.rest...)
	}
	if len(levels) == 0 {
		return append(found, t.rules...)
	}
	if next := t.exact[levels[0]]; next != nil {
		found = next.walk(levels[1:], found, false)
	}
	if t.any != nil && !system {
		found = t.any.walk(levels[1:], found, false)
	}
	return found
}
