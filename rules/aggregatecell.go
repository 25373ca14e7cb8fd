package rules

import (
	"math"
	"time"
)

// A cell is a part of each tally that takes in the values of one argument. Several aggregations may read it, as
// sum and avg do.
type cell struct {
	kind     cellKind
	name     string // of the first aggregation that reads it
	argument int
	limit    int  // of collect
	numeric  bool // least and greatest: of numbers only, and so without a part

	word int // the first of its words
	bits bitField
	part int
	of   *layout

	at         int
	expression *expression
}

type cellKind uint8

const (
	messages cellKind = iota // a counter
	truths                   // a counter
	total                    // a counter and two words
	spread                   // a counter, the mean, and the sum of the squares of the differences to it
	least                    // a word or a part
	greatest                 // a word or a part
	earliest                 // and from here on a part
	latest
	collected
	ranks
	distinct
)

var cellKinds = map[string]cellKind{
	"sum": total, "avg": total, "min": least, "max": greatest, "first": earliest, "last": latest,
	"stddev": spread, "stddev_pop": spread, "variance": spread, "variance_pop": spread,
	"median": ranks, "percentile": ranks, "count_distinct": distinct, "collect": collected,
}

// cellOf finds or adds the cell that an aggregation reads.
func (a *aggregates) cellOf(g *aggregation, numeric []bool) int {
	kind := cellKinds[g.name]
	if g.name == "count" {
		kind = messages
		if g.argument >= 0 {
			kind = truths
		}
	}
	for i, c := range a.cells {
		if c.kind == kind && c.argument == g.argument && c.limit == g.limit {
			return i
		}
	}
	c := cell{kind: kind, name: g.name, argument: g.argument, limit: g.limit, at: g.at, expression: g.expression}
	// Where avg and the like stand beside min and max of the same, it is held to be numbers for all of them, so
	// that a tally of these is nothing but words.
	c.numeric = (kind == least || kind == greatest) && numeric[g.argument]
	a.cells = append(a.cells, c)
	return len(a.cells) - 1
}

// add takes a value that is not null.
func (c *cell) add(t *tally, words []uint64, v *Value, at int64, seq uint64) error {
	switch c.kind {
	case truths:
		if v.kind != Bool || v.bits == 1 {
			words[c.word]++
		}
		return nil
	case total:
		return c.addTotal(words, v)
	case spread:
		f, ok := v.number()
		if !ok {
			return c.wrong(v)
		}
		c.addSpread(words, f)
		return nil
	case least, greatest:
		return c.addExtreme(t, words, v)
	}
	switch slot := c.of.slot(t, c.part); c.kind {
	case ranks:
		return c.addRanked(slot, v)
	case distinct:
		return c.addDistinct(slot, v)
	case collected:
		c.addCollected(slot, v, place{at, seq})
	default:
		c.addFirstOrLast(slot, v, place{at, seq})
	}
	return nil
}

// wrong is the error of a value that is no number.
func (c *cell) wrong(v *Value) error {
	return fail(WrongType, "%s takes numbers, not %s", c.name, v.typeName())
}

// What the bits of an extreme say of its word.
const (
	isNothing uint64 = iota
	isInt
	isFloat
	isDuration
	isPart
)

// held gives the extreme so far.
func (c *cell) held(t *tally, words []uint64) Value {
	switch w := words[c.word]; c.bits.get(words) {
	case isInt:
		return intValue(int64(w))
	case isFloat:
		return Value{kind: Float, bits: w}
	case isDuration:
		return boxed(time.Duration(w))
	case isPart:
		if p, ok := t.extra(c.part).(*heldValue); ok {
			return p.Value
		}
	}
	return null
}

// A heldValue is an extreme that is no number.
type heldValue struct{ Value }

func (h *heldValue) size() int { return h.keptSize() }

func (c *cell) addExtreme(t *tally, words []uint64, v *Value) error {
	have := c.bits.get(words)
	switch { // nearly all are of these
	case v.kind == Float && have == isFloat:
		if f, g := v.float(), math.Float64frombits(words[c.word]); (f < g) == (c.kind == least) && f != g {
			words[c.word] = v.bits
		}
		return nil
	case v.kind == Int && have == isInt:
		if i, j := v.int(), int64(words[c.word]); (i < j) == (c.kind == least) && i != j {
			words[c.word] = v.bits
		}
		return nil
	}
	if c.numeric && !v.isNumber() {
		return c.wrong(v)
	}
	if have == isNothing {
		if !ordered(v) {
			return fail(WrongType, "%s takes numbers, text or times, not %s", c.name, v.typeName())
		}
	} else {
		order, err := compare(c.name, *v, c.held(t, words))
		if err != nil || order == 0 || (order < 0) != (c.kind == least) {
			return err
		}
	}
	c.hold(t, words, v)
	return nil
}

// ordered says whether there are greater and lesser ones of v's type.
func ordered(v *Value) bool {
	_, err := compare("<", *v, *v)
	return err == nil
}

// hold makes v the extreme.
func (c *cell) hold(t *tally, words []uint64, v *Value) {
	switch v.kind {
	case Int:
		c.bits.set(words, isInt)
		words[c.word] = v.bits
	case Float:
		c.bits.set(words, isFloat)
		words[c.word] = v.bits
	default:
		if d, ok := v.ref.(time.Duration); ok {
			c.bits.set(words, isDuration)
			words[c.word] = uint64(d)
			return
		}
		c.bits.set(words, isPart)
		*c.of.slot(t, c.part) = &heldValue{keptOf(v)}
	}
}

// merge takes in what another tally has in this cell.
func (c *cell) merge(into, from *tally, to, of []uint64) {
	switch c.kind {
	case messages, truths:
		to[c.word] += of[c.word] & counterMask
	case total:
		c.mergeTotal(to, of)
	case spread:
		c.mergeSpread(to, of)
	case least, greatest:
		if v := c.held(from, of); !v.isNull() {
			_ = c.addExtreme(into, to, &v) // of another type: what was there first stays, as in add
		}
	default:
		switch e := from.extra(c.part).(type) {
		case *ranked:
			c.mergeRanked(c.of.slot(into, c.part), e)
		case *distinctValues:
			c.mergeDistinct(c.of.slot(into, c.part), e)
		case *firstOrLast:
			c.addFirstOrLast(c.of.slot(into, c.part), &e.value, e.place)
		case *collection:
			c.mergeCollected(c.of.slot(into, c.part), e)
		}
	}
}

// result is what an aggregation that reads the cell comes to.
func (c *cell) result(g *aggregation, t *tally, words []uint64) (Value, error) {
	switch c.kind {
	case messages, truths:
		return intValue(int64(words[c.word] & counterMask)), nil
	case total:
		return c.totalResult(g, words)
	case spread:
		return c.spreadResult(g, words)
	case least, greatest:
		return c.held(t, words), nil
	}
	switch p := t.extra(c.part); c.kind {
	case ranks:
		r, _ := p.(*ranked)
		return r.percentile(g.percent)
	case distinct:
		d, _ := p.(*distinctValues)
		return intValue(d.len()), nil
	case collected:
		l, _ := p.(*collection)
		return l.result()
	default:
		if f, ok := p.(*firstOrLast); ok {
			return f.value, nil
		}
	}
	return null, nil
}

const (
	defaultCollected = 1000    // values that collect keeps, where it is not told how many
	mostCollected    = 100_000 // that it may be told to keep
)
