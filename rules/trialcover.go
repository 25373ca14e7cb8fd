package rules

import (
	gocmp "cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"edge/internal/strictyaml"
)

// Coverage is what tests have reached of the rules they ran on.
type Coverage struct {
	Rules, Routes, Clauses Share
	Missing                []Uncovered // in the order of the files
}

// A Share is how many of all.
type Share struct{ Covered, Total int }

// Uncovered is something that no test has reached.
type Uncovered struct {
	Kind  string // rule: no message of a test came to it; route: it was never taken; clause: it was never true
	Pos   strictyaml.Pos
	Rule  string
	Field string // when, having, route[0] or route[0].when
	Text  string // of a clause: its source; of a route: where it goes
}

// Coverage says what the tests that ran have reached so far.
func (s *Suite) Coverage() Coverage {
	var c Coverage
	for _, m := range s.cover.marks {
		share := &c.Clauses
		switch m.Kind {
		case "rule":
			share = &c.Rules
		case "route":
			share = &c.Routes
		}
		share.Total++
		if m.reached {
			share.Covered++
		} else {
			c.Missing = append(c.Missing, m.Uncovered)
		}
	}
	slices.SortStableFunc(c.Missing, func(a, b Uncovered) int {
		return gocmp.Or(strings.Compare(a.Pos.File, b.Pos.File), gocmp.Compare(a.Pos.Line, b.Pos.Line), gocmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return c
}

// A coverage gathers marks over many compilations of the same rules.
type coverage struct {
	marks []*mark
	named map[string]*mark
}

// A mark is a rule, a route, or a clause of a condition.
type mark struct {
	Uncovered
	reached bool
}

func newCoverage() *coverage { return &coverage{named: map[string]*mark{}} }

// mark finds or makes the mark of one thing of a rule.
func (c *coverage) mark(u Uncovered, number int) *mark {
	name := u.Kind + "\x00" + u.Rule + "\x00" + u.Field + "\x00" + strconv.Itoa(number)
	m := c.named[name]
	if m == nil {
		m = &mark{Uncovered: u}
		c.named[name] = m
		c.marks = append(c.marks, m)
	}
	return m
}

// heardOf notes which rules had something to do.
func (c *coverage) heardOf(p *Program) {
	for _, r := range p.rules {
		if r.book.in.Load() > 0 || r.book.results.Load() > 0 {
			c.mark(Uncovered{Kind: "rule", Pos: r.pos, Rule: r.name}, 0).reached = true
		}
	}
}

// route gives the condition of a route, which now tells when the route is taken.
func (c *coverage) route(r *rule, when *expression, i int, spec *routeSpec) *expression {
	u := Uncovered{Kind: "route", Pos: r.pos, Rule: r.name, Field: "route[" + strconv.Itoa(i) + "]"}
	var to []string
	for _, sink := range spec.To {
		to = append(to, sink.Value)
		if len(to) == 1 {
			u.Pos = sink.Pos
		}
	}
	u.Text = "to " + strings.Join(to, ", ")
	for _, address := range [...]*strictyaml.Text{spec.Topic, spec.Subject, spec.Path} {
		if address != nil {
			u.Text += " " + address.Value
		}
	}
	m := c.mark(u, 0)
	told := &expression{eval: constant(trueValue), field: u.Field + ".when", pos: u.Pos}
	if when != nil {
		*told = *when
	}
	inner := told.eval
	told.eval = func(c *scope) (Value, error) {
		v, err := inner(c)
		m.reached = m.reached || err == nil && v == trueValue
		return v, err
	}
	return told
}

// A spotter tells which clauses of one condition are true. Its methods do nothing on nil.
type spotter struct {
	cover   *coverage
	about   Uncovered
	source  []rune
	place   func(at int) strictyaml.Pos
	clauses map[ast.Node]*mark
}

// watching gives the spotter for an expression that is a condition of a rule under test.
func (b *builder) watching(text strictyaml.Text, offset int, source, where string) *spotter {
	condition := where == "when" || where == "having" || strings.HasPrefix(where, "route[") && strings.HasSuffix(where, ".when")
	if b.trial == nil || !condition || b.what != "rule" {
		return nil
	}
	return &spotter{
		cover: b.trial.cover, about: Uncovered{Kind: "clause", Rule: b.rule.name, Field: where}, source: []rune(source),
		place: func(at int) strictyaml.Pos { return b.place(text, offset+at) }, clauses: map[ast.Node]*mark{},
	}
}

// find takes a condition apart at its and and or.
func (w *spotter) find(root ast.Node) {
	if w == nil {
		return
	}
	var clauses []ast.Node
	var cuts [][2]int // where the operators stand
	var walk func(ast.Node)
	walk = func(n ast.Node) {
		if b, size := w.joint(n); b != nil {
			walk(b.Left)
			at := b.Location().From
			cuts = append(cuts, [2]int{at, at + size})
			walk(b.Right)
			return
		}
		clauses = append(clauses, n)
	}
	walk(root)
	from := 0
	for i, n := range clauses {
		to, next := len(w.source), len(w.source)
		if i < len(cuts) {
			to, next = cuts[i][0], cuts[i][1]
		}
		start, end := w.trim(from, to)
		u := w.about
		u.Pos, u.Text = w.place(start), strings.Join(strings.Fields(string(w.source[start:end])), " ")
		w.clauses[n] = w.cover.mark(u, i)
		from = next
	}
}

// joint gives an and or an or, with the length of its operator, as it stands in the text: a < b < c is read as
// one too, and is not.
func (w *spotter) joint(n ast.Node) (*ast.BinaryNode, int) {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return nil, 0
	}
	at := b.Location().From
	for _, operator := range [...]string{"and", "or", "&&", "||"} {
		end := at + len(operator)
		if end <= len(w.source) && string(w.source[at:end]) == operator {
			return b, len(operator)
		}
	}
	return nil, 0
}

// trim takes off white space, and parentheses that have their other half outside.
func (w *spotter) trim(from, to int) (int, int) {
	for {
		for from < to && strings.ContainsRune(" \t\r\n", w.source[from]) {
			from++
		}
		for to > from && strings.ContainsRune(" \t\r\n", w.source[to-1]) {
			to--
		}
		open := unbalanced(w.source[from:to])
		switch {
		case open > 0 && w.source[from] == '(':
			from++
		case open < 0 && w.source[to-1] == ')':
			to--
		default:
			return from, to
		}
	}
}

// unbalanced counts the parentheses that are open at the end, or closed too often if it is negative.
func unbalanced(text []rune) int {
	open, quote := 0, rune(0)
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case quote != 0 && r == '\\' && quote != '`':
			i++
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case slices.Contains([]rune{'"', '\'', '`'}, r):
			quote = r
		case r == '(':
			open++
		case r == ')':
			open--
		}
	}
	return open
}

// clause gives the evaluator of a clause, which now tells when it is true.
func (w *spotter) clause(n ast.Node, eval evaluator) evaluator {
	if w == nil || w.clauses[n] == nil || eval == nil {
		return eval
	}
	m := w.clauses[n]
	return func(c *scope) (Value, error) {
		v, err := eval(c)
		m.reached = m.reached || err == nil && v == trueValue
		return v, err
	}
}
