package rules

import (
	"slices"
	"strings"
)

// An entry is what all messages of one topic have in common.
type entry struct {
	tables  []written
	matches []matched // the rules, where they are few and there is no index
	heard   []hearing // else: who they are of
	levels  []string  // of the topic
	mark    *passMark // of the source; nil: no rule hears it
	reads   bool      // a rule or table of them reads the payload
	guess   uint8     // what its payloads are likely to look like
}

type written struct {
	table  *table
	params []string
}

type matched struct {
	rule   *rule
	params []string
}

const maxCached = 4096 // topics that a lane remembers

// find gives the rules for a topic.
func (l *lane) find(source, topic string) *entry {
	known := l.known
	if source != l.source || known == nil {
		known = l.topics[source]
		l.source, l.known = source, known
	}
	if e := known[topic]; e != nil {
		return e
	}
	if l.cached >= maxCached {
		clear(l.topics)
		l.cached, known = 0, nil
	}
	if known == nil {
		known = map[string]*entry{}
		l.topics[source], l.known = known, known
	}
	e := &entry{mark: l.markOf(source)}
	topic = strings.Clone(topic)
	if tree := l.program.sources[source]; tree != nil {
		e.levels = splitTopic(topic)
		found := tree.find(e.levels, nil)
		slices.Sort(found)
		for _, i := range slices.Compact(found) {
			if i < 0 { // see setCompiler.listen
				e.write(l.program.tables[len(l.program.tables)+i], source, e.levels)
				continue
			}
			a := l.program.audiences[i]
			if params, ok := a.match(e.levels); ok {
				e.heard = append(e.heard, hearing{a, params})
				e.reads = e.reads || a.reads
			}
		}
		l.flatten(e)
	}
	known[topic] = e
	l.cached++
	return e
}

// flatten lists the rules of a topic that has only few.
func (l *lane) flatten(e *entry) {
	rules := 0
	for _, h := range e.heard {
		if rules += len(h.rules); (h.root != nil || rules > fewMatches) && !l.program.unindexed {
			return
		}
	}
	l.hits = l.hits[:0]
	for i, h := range e.heard {
		for _, r := range h.rules {
			l.hits = append(l.hits, uint64(r)<<32|uint64(i))
		}
	}
	slices.Sort(l.hits)
	for _, hit := range l.hits {
		e.matches = append(e.matches, l.matched(e, hit))
	}
	e.heard, e.levels = nil, nil
}

const fewMatches = 32

func (l *lane) matched(e *entry, hit uint64) matched {
	return matched{l.program.rules[hit>>32], e.heard[hit&whichMask].params}
}

// all lists the rules of a topic.
func (l *lane) all(e *entry) []matched {
	if e.heard == nil {
		return e.matches
	}
	l.gather(e, true)
	list := make([]matched, len(l.hits))
	for i, hit := range l.hits {
		list[i] = l.matched(e, hit)
	}
	return list
}

// write adds a table, if its pattern matches.
func (e *entry) write(t *table, source string, levels []string) {
	for _, pattern := range t.stream.patternsOf(source) {
		if params, ok := pattern.match(levels); ok {
			e.tables = append(e.tables, written{t, params})
			e.reads = e.reads || t.stream.reads
			return
		}
	}
}
