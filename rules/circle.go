package rules

import (
	"slices"
	"strings"
)

// checkCircles reports rules that feed each other through local for ever. Only certain circles are errors: where
// a condition or an operator could break one, the limit of hops ends what it does not.
func (s *setCompiler) checkCircles() {
	var certain []*rule
	for _, r := range s.program.rules {
		if r.enabled && !r.shadow && !r.mayStop() && slices.Contains(r.sources, localName) {
			certain = append(certain, r)
		}
	}
	feeds := make([][]int, len(certain))
	for i, r := range certain {
		for j, to := range certain {
			if r.feeds(to) {
				feeds[i] = append(feeds[i], j)
			}
		}
	}
	told := make([]bool, len(certain))
	for i := range certain {
		around := circle(feeds, i)
		if around == nil || slices.ContainsFunc(around, func(j int) bool { return told[j] }) {
			continue
		}
		var names []string
		for _, j := range around {
			told[j] = true
			names = append(names, certain[j].name)
		}
		r := certain[i]
		s.errs.Add(r.pos, "rule %q: its messages go round in a circle through local, for ever: %s; give one of these a when:",
			r.name, strings.Join(append(names, r.name), " → "))
	}
}

// mayStop says whether the rule has anything that could keep a message from its routes, but for errors.
func (r *rule) mayStop() bool {
	return r.when != nil || r.split != nil || r.absent != nil || r.dedupe != nil || r.window != nil || r.onChange != nil || r.throttle != nil
}

// circle is the shortest way from a node back to it, nil if there is none.
func circle(feeds [][]int, start int) []int {
	from := map[int]int{}
	queue := []int{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, next := range feeds[at] {
			if next == start {
				way := []int{at}
				for at != start {
					at = from[at]
					way = append(way, at)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := from[next]; !seen {
				from[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// feeds says whether each message of r certainly brings one to another rule, through local.
func (r *rule) feeds(to *rule) bool {
	for i := range r.routes {
		way := &r.routes[i]
		if way.when != nil && way.when.source != "" { // a trial gives all routes a when, to see which are taken
			if r.first {
				return false // it may be the only one
			}
			continue
		}
		for _, target := range way.targets {
			if target.sink != localName || target.address == nil {
				continue
			}
			levels, open := target.address.levels(r)
			if slices.ContainsFunc(to.pattern, func(p *pattern) bool { return p.certain(levels, open) }) {
				return true
			}
		}
		if r.first {
			return false
		}
	}
	return false
}

const (
	someLevel  = "\x00" // text that is not known, within one level of a topic
	someLevels = "\x01" // the same, with any number of levels
)

// unknown makes of a filter the topics that it matches.
var unknown = strings.NewReplacer("+", someLevel, "#", someLevels)

// levels gives the topics that a template can make: what is not known holds someLevel, and open says that there
// may be more behind them.
func (t *template) levels(r *rule) (levels []string, open bool) {
	text := t.fixed
	for _, p := range t.parts {
		switch {
		case p.expression == nil:
			text += p.text
		case p.expression.source == "topic" && len(r.pattern) == 1:
			text += unknown.Replace(strings.Join(r.pattern[0].levels, "/"))
		case !p.expression.trusted || r.singleParam(p.expression.source):
			text += someLevel
		default:
			text += someLevels
		}
	}
	levels = strings.Split(text, "/")
	for i, level := range levels {
		if strings.Contains(level, someLevels) {
			return levels[:i], true
		}
	}
	return levels, false
}

// singleParam says whether an expression is a param that stands for one level.
func (r *rule) singleParam(source string) bool {
	name, ok := strings.CutPrefix(source, "params.")
	if !ok {
		return false
	}
	for _, p := range r.pattern {
		i := slices.Index(p.params, name)
		if i < 0 || i == len(p.params)-1 && p.levels[len(p.levels)-1] == "#" {
			return false
		}
	}
	return true
}

// certain says whether a pattern matches all the topics.
func (p *pattern) certain(levels []string, open bool) bool {
	if len(levels) > 0 && strings.HasPrefix(levels[0], "$") && (p.levels[0] == "+" || p.levels[0] == "#") {
		return false
	}
	for i, level := range p.levels {
		switch {
		case level == "#":
			return i <= len(levels)
		case i >= len(levels):
			return false
		case level == "+":
		case level != levels[i]:
			return false
		}
	}
	return !open && len(levels) == len(p.levels)
}
