package rules

import (
	"fmt"
	"strings"
)

// aggregates are what aggregate: gathers of the messages of a window. They are compiled and shared; what has
// been gathered is in a tally.
type aggregates struct {
	rule      *rule
	signature string // equal: a tally of the one is a tally of the other
	arguments []argument
	list      []aggregation
	cells     []cell
	layout    layout
}

// An argument is an expression that is computed once a message, for all aggregates of it.
type argument struct {
	text       string // equal for equal ones
	expression *expression
}

// An aggregation is one call of a function of aggregate:, equal ones being one.
type aggregation struct {
	name     string
	argument int     // index; -1: count() has none
	percent  float64 // of percentile and median
	limit    int     // of collect

	at         int // where it stands in its expression
	expression *expression
	cell       int // what it reads of a tally
}

// aggregation finds or adds one, and gives its index.
func (a *aggregates) aggregation(wanted aggregation) int {
	for i, known := range a.list {
		if known.name == wanted.name && known.argument == wanted.argument && known.percent == wanted.percent && known.limit == wanted.limit {
			return i
		}
	}
	a.list = append(a.list, wanted)
	return len(a.list) - 1
}

// place says in which expression those stand that have been added while it was compiled.
func (a *aggregates) place(e *expression) {
	for i := range a.arguments {
		if inner := a.arguments[i].expression; inner.source == "" {
			inner.source, inner.field, inner.pos = e.source, e.field, e.pos
		}
	}
	for i := range a.list {
		if a.list[i].expression == nil {
			a.list[i].expression = e
		}
	}
}

// lay decides how a tally lies in memory, when all is compiled.
func (a *aggregates) lay() {
	var signature strings.Builder
	numeric := make([]bool, len(a.arguments))
	for _, g := range a.list {
		switch g.name {
		case "sum", "avg", "stddev", "stddev_pop", "variance", "variance_pop", "median", "percentile":
			numeric[g.argument] = true
		}
	}
	for i := range a.list {
		g := &a.list[i]
		text := ""
		if g.argument >= 0 {
			text = a.arguments[g.argument].text
		}
		fmt.Fprintf(&signature, "%s(%s) %v %d\n", g.name, text, g.percent, g.limit)
		g.cell = a.cellOf(g, numeric)
	}
	a.signature = signature.String()
	a.layout.settle(a.cells)
}

// read evaluates all arguments for one message and appends their values to into. What an error keeps from being
// computed is null, so that the values can be added all the same; the error is the message's. The values are of
// the message: add keeps what it stores.
func (a *aggregates) read(c *scope, into []Value) ([]Value, error) {
	var first error
	for i := range a.arguments {
		v, err := c.run(a.arguments[i].expression)
		if err != nil {
			v = null
			if first == nil {
				first = err
			}
		}
		into = append(into, v)
	}
	return into, first
}

// add takes the values of one message into a tally. at is its time, of the event or of arrival, and seq its place
// in the order of arrival. All cells take what they can; the error is that of the first one that could not.
func (a *aggregates) add(t *tally, values []Value, at int64, seq uint64) error {
	words := a.layout.words(t)
	var first error
	for i := range a.cells {
		cell := &a.cells[i]
		if cell.kind == messages {
			words[cell.word]++
			continue
		}
		v := &values[cell.argument]
		if v.kind == Null {
			continue
		}
		if err := cell.add(t, words, v, at, seq); err != nil && first == nil {
			first = &failure{err: locate(err, cell.at), expression: cell.expression}
		}
	}
	return first
}

// merge takes all that is in from into a tally, as if its messages had been added there.
func (a *aggregates) merge(into, from *tally) {
	to, of := a.layout.words(into), a.layout.words(from)
	for i := range a.cells {
		a.cells[i].merge(into, from, to, of)
	}
}

// results appends what each aggregation comes to.
func (a *aggregates) results(t *tally, into []Value) ([]Value, error) {
	words := a.layout.words(t)
	for i := range a.list {
		g := &a.list[i]
		v, err := a.cells[g.cell].result(g, t, words)
		if err != nil {
			return into, &failure{err: locate(err, g.at), expression: g.expression}
		}
		into = append(into, v)
		if a.cells[g.cell].kind == collected {
			if l, ok := t.extra(a.cells[g.cell].part).(*collection); ok && l.left > 0 {
				a.rule.book.leftOut.Add(int64(l.left))
			}
		}
	}
	return into, nil
}
