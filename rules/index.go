package rules

import (
	"encoding/binary"
	"slices"
	"sort"
)

// The index finds, of many rules on one topic, those whose condition may be met, without asking the others. It hashes
// clauses such as E == literal: E is evaluated once a message for all rules that have it, and its value leads to the
// rules that want it. What remains of them is split again by the next clause. See docs/decisions/0006-rule-index.md.
//
// It changes nothing but the cost. A rule is passed over only where a clause is known to be false, and nothing to the
// left of that clause fails or counts; what the rule would have counted is put into its book (see ledger).

// A branch is what is left to ask when all clauses that lead here are true.
type branch struct {
	rules    []uint32 // that are asked themselves, in order; with sureRule where their whole condition is met
	clusters []*cluster
}

// A cluster is the rules of a branch that compare one expression with literals.
type cluster struct {
	probe  *probe
	in     bool
	loose  bool    // some rule has a clause left of this one that has not been looked at
	guards []guard // what must hold for such clauses to have no effect
	rules  []uint32
	gap    *gap

	order   string  // <, <=, > or >=: the rules want a value on this side of a limit; else equal to a word
	limits  []limit // in order
	texts   map[string]*branch
	numbers map[uint64]*branch // by the bits of an int64
	others  map[word]*branch   // fractions, booleans, null
}

// A guard is a clause that is passed over.
type guard struct {
	probe *probe
	need  need
}

// A limit is where the value of a probe begins, or ends, to be what a rule wants.
type limit struct {
	value Value
	rule  uint32 // with sureRule where its whole condition is met then
}

// sureRule in a number of a rule says that all of its condition is known to be true.
const sureRule = 1 << 31

// Limits of the index.
const (
	fewRules  = 8  // that are asked one by one, index or not
	fewShared = 4  // rules that must share an expression for it to be evaluated apart
	maxCopies = 64 // branches that one rule may be in, through lists of literals
)

// A candidate is a rule while the index is built.
type candidate struct {
	rule    uint32
	clauses []clause
	whole   bool   // the clauses are all of the condition
	known   uint32 // clauses that are true in this branch, as a set of bits
	copies  int
}

// number is the rule as a branch has it.
func (c *candidate) number() uint32 {
	if c.whole && c.known == 1<<len(c.clauses)-1 {
		return c.rule | sureRule
	}
	return c.rule
}

// A way is a clause by which a rule can be found.
type way struct {
	shared
	clause int
	guards []guard
}

// ways gives the clauses by which a rule can be found in a branch: those with an order, or the others.
func (c *candidate) ways(ordered bool) (list []way) {
	loose := false
	var guards []guard
	for i := range c.clauses {
		one := &c.clauses[i]
		if c.known&(1<<i) != 0 {
			continue
		}
		if n := len(one.want); n > 0 && n*c.copies <= maxCopies && (one.order != "") == ordered {
			list = append(list, way{sharedBy(one, loose, guards), i, slices.Clip(guards)})
		}
		loose = true
		if g := (guard{one.probe, one.need}); one.need != needNothing && !slices.Contains(guards, g) {
			guards = append(guards, g)
		}
	}
	return list
}

// A shared tells which rules can be in one cluster.
type shared struct {
	probe  *probe
	in     bool
	order  string
	loose  bool
	guards string
}

func sharedBy(c *clause, loose bool, guards []guard) shared {
	s := shared{probe: c.probe, in: c.in, order: c.order, loose: loose}
	if len(guards) > 0 {
		var text []byte
		for _, g := range guards {
			text = append(binary.LittleEndian.AppendUint32(text, uint32(g.probe.number)), byte(g.need))
		}
		s.guards = string(text)
	}
	return s
}

// A found is a value of a cluster, by which rules are found.
type found struct {
	shared
	word word
}

// A joining is a candidate on its way into a cluster.
type joining struct {
	candidate
	want []word
}

// newBranch builds the index of some rules, which are in order.
func newBranch(rules []candidate) *branch {
	b := &branch{}
	if len(rules) >= fewRules {
		rules = b.cluster(rules, false)
		rules = b.cluster(rules, true)
	}
	for i := range rules {
		b.rules = append(b.rules, rules[i].number())
	}
	return b
}

// cluster puts rules that share an expression into a cluster, each by the clause that fewest others share, and gives
// those that are left.
func (b *branch) cluster(rules []candidate, ordered bool) (left []candidate) {
	ways := make([][]way, len(rules))
	sizes, hits := map[shared]int{}, map[found]int{}
	for i := range rules {
		ways[i] = rules[i].ways(ordered)
		for _, w := range ways[i] {
			sizes[w.shared]++
			for _, one := range rules[i].clauses[w.clause].want {
				hits[found{w.shared, one}]++
			}
		}
	}
	clusters, members := map[shared]*cluster{}, map[shared][]joining{}
	for i, c := range rules {
		var best *way
		least := 0
		for j := range ways[i] {
			w := &ways[i][j]
			if sizes[w.shared] < fewShared {
				continue
			}
			met := 0
			for _, one := range c.clauses[w.clause].want {
				met += hits[found{w.shared, one}]
			}
			if best == nil || met < least || met == least && sizes[w.shared] > sizes[best.shared] {
				best, least = w, met
			}
		}
		if best == nil {
			left = append(left, c)
			continue
		}
		if clusters[best.shared] == nil {
			g := &cluster{probe: best.shared.probe, in: best.shared.in, order: best.shared.order, loose: best.shared.loose, guards: best.guards, gap: &gap{}}
			clusters[best.shared] = g
			b.clusters = append(b.clusters, g)
		}
		want := c.clauses[best.clause].want
		c.known |= 1 << best.clause
		c.copies *= len(want)
		members[best.shared] = append(members[best.shared], joining{c, want})
	}
	for key, list := range members {
		if ordered {
			clusters[key].rank(list)
		} else {
			clusters[key].fill(list)
		}
	}
	return left
}

// rank puts rules in the order of their limits.
func (g *cluster) rank(members []joining) {
	for _, m := range members {
		g.rules = append(g.rules, m.rule)
		g.limits = append(g.limits, limit{Value{kind: m.want[0].kind, bits: m.want[0].bits}, m.number()})
	}
	slices.SortStableFunc(g.limits, func(a, b limit) int { return compareNumbers(a.value, b.value) })
}

// within gives the limits on whose right side a number is.
func (g *cluster) within(v Value) []limit {
	beyond := g.order == "<" || g.order == ">=" // the limits that equal v stand before the cut
	at := sort.Search(len(g.limits), func(i int) bool {
		order := compareNumbers(g.limits[i].value, v)
		return order > 0 || order == 0 && !beyond
	})
	if g.order[0] == '<' {
		return g.limits[at:]
	}
	return g.limits[:at]
}

// fill puts rules under the values that they want.
func (g *cluster) fill(members []joining) {
	under := map[word][]candidate{}
	for _, m := range members {
		g.rules = append(g.rules, m.rule)
		for _, one := range m.want {
			under[one] = append(under[one], m.candidate)
		}
	}
	for one, rules := range under {
		b := newBranch(rules)
		switch one.kind {
		case String:
			if g.texts == nil {
				g.texts = map[string]*branch{}
			}
			g.texts[one.text] = b
		case Int:
			if g.numbers == nil {
				g.numbers = map[uint64]*branch{}
			}
			g.numbers[one.bits] = b
		default:
			if g.others == nil {
				g.others = map[word]*branch{}
			}
			g.others[one] = b
		}
	}
}

// find gives the branch of a value, nil if no rule wants it.
func (g *cluster) find(v Value) *branch {
	w, ok := wordOf(v)
	switch {
	case !ok:
		return nil
	case w.kind == String:
		return g.texts[w.text]
	case w.kind == Int:
		return g.numbers[w.bits]
	}
	return g.others[w]
}

// Bounds of what a probe may cost. Far below those of an expression, so that none of the clauses that are passed over
// could have met its limit: a condition has 1,000 parts at most.
const (
	probeSteps = 256
	probeBytes = 16 << 10
	indexed    = 64 << 10 // bytes of payload and topic: beyond, all rules are asked
)

// look evaluates a probe, and says how much was missing. What is not sound the rules have to see themselves.
func (l *lane) look(p *probe) (v Value, missing int64, sound bool) {
	c := &l.scope
	c.budget, c.missing = budget{}, 0
	c.args, c.loops = c.args[:0], c.loops[:0]
	v, err := p.eval(c)
	missing, c.missing = c.missing, 0
	return v, missing, err == nil && c.budget.steps <= probeSteps && c.budget.bytes <= probeBytes
}

// holds says whether a clause that is passed over has no effect.
func (l *lane) holds(g guard) bool {
	v, missing, sound := l.look(g.probe)
	switch {
	case !sound || missing > 0:
		return false
	case g.need == needValue:
		return !v.isNull()
	case g.need == needNumber:
		return v.isNumber()
	case g.need == needText:
		return v.isString()
	}
	return true
}

// walk adds those rules of a branch to the hits that have to be asked.
func (l *lane) walk(b *branch, mark uint64) {
	for _, r := range b.rules {
		l.hit(r, mark)
	}
	for _, g := range b.clusters {
		l.search(g, mark|fromIndex)
	}
}

func (l *lane) hit(r uint32, mark uint64) {
	hit := uint64(r&^sureRule)<<32 | mark
	if r&sureRule != 0 {
		hit |= sureHit
	}
	l.hits = append(l.hits, hit)
}

// search adds those rules of a cluster to the hits that have to be asked: all, where only they can say what is wrong.
func (l *lane) search(g *cluster, mark uint64) {
	v, missing, sound := l.look(g.probe)
	if (g.in || g.order != "") && v.isNull() {
		missing++
	}
	below := g.find(v)
	sound = sound && (g.order == "" || v.isNumber() || v.isNull())
	for i := 0; sound && i < len(g.guards); i++ {
		sound = l.holds(g.guards[i])
	}
	switch {
	case !sound || missing > 0 && (g.loose || below != nil):
		for _, r := range g.rules {
			l.hit(r, mark)
		}
	case missing > 0:
		l.gaps = append(l.gaps, missed{g.gap, missing})
	case below != nil:
		l.walk(below, mark)
	case g.order != "":
		for _, one := range g.within(v) {
			l.hit(one.rule, mark)
		}
	}
}

// passes evaluates the condition of the rule, unless the index has.
func (c *scope) passes(r *rule) (bool, error) {
	if c.sure {
		return true, nil
	}
	return c.condition(r.when)
}
