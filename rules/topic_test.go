package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, test := range []struct{ pattern, filter, topic, params string }{
		{"a/{id}/c", "a/+/c", "a/b/c", "b"},
		{"a/{id}/c", "a/+/c", "a//c", ""},
		{"a/{id}/c", "a/+/c", "a/b/d", "no"},
		{"a/{id}/c", "a/+/c", "a/b/c/d", "no"},
		{"a/{rest...}", "a/#", "a/b/c", "b/c"},
		{"a/{rest...}", "a/#", "a", ""},
		{"a/#", "a/#", "a/b", "b"},
		{"{x}/{y}", "+/+", "/a", ",a"},
		{"{all...}", "#", "a/b", "a/b"},
		{"{all...}", "#", "$SYS/b", "no"},
		{"+/b", "+/b", "$SYS/b", "no"},
		{"$SYS/{x}", "$SYS/+", "$SYS/b", "b"},
		{"a", "a", "a/", "no"},
	} {
		p, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		params, ok := p.match(splitTopic(test.topic))
		got := strings.Join(params, ",")
		if !ok {
			got = "no"
		}
		if p.filter != test.filter || got != test.params {
			t.Errorf("%s on %s: filter %s, params %s", test.pattern, test.topic, p.filter, got)
		}
	}
	for _, bad := range []string{"", "a/#/b", "a/b+", "a/{}", "a/{x-y}", "{a}/{a}", "{r...}/a", "a/{x", "$share/g/a"} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// matches is MQTT's rule for filters as its specification has it, level by level.
func matches(filter, topic []string) bool {
	if len(filter) == 0 {
		return len(topic) == 0
	}
	if filter[0] == "#" {
		return true
	}
	if len(topic) == 0 {
		return false
	}
	return (filter[0] == "+" || filter[0] == topic[0]) && matches(filter[1:], topic[1:])
}

// FuzzMatch: the trie and the patterns agree with a naive matcher.
func FuzzMatch(f *testing.F) {
	f.Add("a/+/c", "a/#", "a/b/c")
	f.Add("#", "$SYS/+", "$SYS/x")
	f.Add("+/+", "a", "/")
	f.Fuzz(func(t *testing.T, one, two, topic string) {
		if topic == "" || strings.ContainsAny(topic, "+#{}") {
			return
		}
		levels := splitTopic(topic)
		tree := &trie{}
		var want []int
		for i, source := range []string{one, two} {
			p, err := parsePattern(source)
			if err != nil {
				continue
			}
			tree.add(p.levels, i)
			naive := matches(p.levels, levels) && !(strings.HasPrefix(topic, "$") && (p.levels[0] == "+" || p.levels[0] == "#"))
			if _, ok := p.match(levels); ok != naive {
				t.Errorf("%q on %q: %v", source, topic, ok)
			}
			if naive {
				want = append(want, i)
			}
		}
		found := tree.find(levels, nil)
		slices.Sort(found)
		if !slices.Equal(found, want) {
			t.Errorf("%q and %q on %q: found %v, want %v", one, two, topic, found, want)
		}
	})
}
