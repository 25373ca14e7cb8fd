package rules

import (
	"slices"

	"edge/internal/strictyaml"
)

// A trial is what a set is compiled for when it is tested. There is none, nil, when it is to run: all that
// testing needs is put in while rules are compiled, so that messages pay nothing for it.
type trial struct {
	cover *coverage
	keys  map[string]string // by sink: its address key
	test  *testSpec         // nil: all rules are compiled, to see what there is
	file  string            // of the test
}

// ownID begins the ids of messages whose rule gives none: a test does not show them.
const ownID = "\x00"

// wants says whether the test needs a rule.
func (t *trial) wants(entry strictyaml.Entry[ruleSpec]) bool {
	switch {
	case t == nil || t.test == nil:
		return true
	case t.test.Rule != nil:
		return t.test.Rule.Value == entry.Key
	}
	return entry.Pos.File == t.file
}

// listen lets rules that leave their topic to the source hear all topics, where edge.yaml is not known.
func (t *trial) listen(p *Program, sources map[string]SourceInfo) {
	if t == nil {
		return
	}
	p.run = ownID
	if sources != nil {
		return
	}
	for _, r := range p.hearers() {
		for _, source := range r.sources {
			if p.defaults[source] == nil {
				everything, _ := parsePattern("#")
				p.defaults[source] = []*pattern{everything}
			}
		}
	}
}

// hearers are all that messages come to: the rules, and the streams of tables.
func (p *Program) hearers() []*rule {
	list := slices.Clone(p.rules)
	for _, t := range p.tables {
		if t.stream != nil {
			list = append(list, t.stream)
		}
	}
	return list
}

// addressKey chooses one of the address keys of a route for a sink of which nothing is known.
func (t *trial) addressKey(sink string, keys []string) string {
	if t != nil && slices.Contains(keys, t.keys[sink]) {
		return t.keys[sink]
	}
	if len(keys) == 0 {
		return ""
	}
	return keys[len(keys)-1]
}

// addressKeys finds out which address key sinks read, where edge.yaml does not tell: what a test expects there,
// else the one that a route gives.
func addressKeys(specs []loaded) map[string]string {
	keys := map[string]string{}
	note := func(sink string, given map[string]string) {
		if _, known := keys[sink]; known || len(given) != 1 {
			return
		}
		for key := range given {
			keys[sink] = key
		}
	}
	for i := range specs {
		for j := range specs[i].spec.Tests {
			for k := range specs[i].spec.Tests[j].Expect {
				e := &specs[i].spec.Tests[j].Expect[k]
				note(textOrNone(e.Sink), e.addresses())
			}
		}
	}
	for most := 1; most <= 3; most++ { // routes that give one key say it plainly
		for i := range specs {
			for _, entry := range specs[i].spec.Rules {
				ways := entry.Value.Route
				if e := entry.Value.OnError; e != nil {
					ways = append(slices.Clone(ways), routeSpec{To: e.To, Topic: e.Topic, Subject: e.Subject, Path: e.Path})
				}
				for _, way := range ways {
					given := keysOf(addressSpecs{"topic": way.Topic, "subject": way.Subject, "path": way.Path}.given())
					if len(given) != most {
						continue
					}
					for _, to := range way.To {
						note(to.Value, map[string]string{given[len(given)-1]: ""})
					}
				}
			}
		}
	}
	return keys
}

// given drops the keys that are not there.
func (specs addressSpecs) given() addressSpecs {
	given := addressSpecs{}
	for key, text := range specs {
		if text != nil {
			given[key] = text
		}
	}
	return given
}

// rehearse makes a rule that is tested run whatever its switches say, show its ids at every sink, and tell which
// of its routes are reached.
func (b *builder) rehearse(spec *ruleSpec) {
	if b.trial == nil {
		return
	}
	r := b.rule
	if b.trial.test != nil {
		r.enabled, r.shadow = true, false
	}
	b.trial.cover.mark(Uncovered{Kind: "rule", Pos: r.pos, Rule: r.name}, 0)
	for i := range r.routes {
		way := &r.routes[i]
		for j := range way.targets {
			way.targets[j].usesID = way.targets[j].usesID || r.id != nil
		}
		way.when = b.trial.cover.route(r, way.when, i, &spec.Route[i])
	}
}
