package rules

import (
	"math"
	"time"
)

// An onChange lets a message through when something has changed since the last one that it let through.
type onChange struct {
	of       []*expression // none: all of the result
	deadband float64       // how far a number may move
	percent  bool          // deadband is in percent of what the number was
	every    time.Duration // lets a message through although nothing has changed; 0: never
	slot     int
}

// A passage is what was compared in the last message that was let through.
type passage struct {
	values []Value
	at     int64
}

func (p *passage) size() int {
	n := 56
	for i := range p.values {
		n += p.values[i].keptSize()
	}
	return n
}

// changed says whether the message is let through, and notes it if it is.
func (o *onChange) changed(c *scope, m *memory) (bool, error) {
	values, whole, err := o.values(c)
	if err != nil {
		return false, err
	}
	now := nanos(m.at)
	p, _ := c.kept.memo(o.slot).(*passage)
	if p != nil && (o.every == 0 || now-p.at < int64(o.every)) {
		moved, err := o.differ(&c.budget, p.values, values, whole)
		if err != nil || !moved {
			return false, err
		}
	}
	if p == nil {
		p = &passage{}
		c.kept.set(o.slot, p)
	} else {
		m.bytes -= p.size()
	}
	p.at, p.values = now, p.values[:0]
	for _, v := range values {
		p.values = append(p.values, v.keep())
	}
	m.bytes += p.size()
	m.changed(c.kept, o.slot)
	return true, nil
}

// values gives what is compared. whole: it is one value, all of the result, and is compared by its fields.
func (o *onChange) values(c *scope) (values []Value, whole bool, err error) {
	c.compared = c.compared[:0]
	switch {
	case len(o.of) > 0:
		for _, e := range o.of {
			v, err := c.run(e)
			if err != nil {
				return nil, false, err
			}
			c.compared = append(c.compared, v)
		}
	case c.rule.shape.kind == mapped:
		for i := range c.out.values {
			c.compared = append(c.compared, c.outValue(i))
		}
	default:
		raw, err := c.result()
		if err != nil {
			return nil, false, err
		}
		c.compared, whole = append(c.compared, parsed(raw)), true
	}
	for i, v := range c.compared {
		if v.kind == Boxed { // as it is kept: points become objects, times text
			text, err := v.appendJSON(nil, &c.budget)
			if err != nil {
				return nil, false, err
			}
			c.compared[i] = parsed(text)
		}
	}
	return c.compared, whole, nil
}

func (o *onChange) differ(b *budget, was, is []Value, whole bool) (bool, error) {
	*b = budget{}
	if len(was) != len(is) {
		return true, nil
	}
	for i := range is {
		different := o.different
		if whole && was[i].kind == Object && is[i].kind == Object {
			different = o.fieldsDiffer
		}
		if moved, err := different(b, was[i], is[i]); moved || err != nil {
			return moved, err
		}
	}
	return false, nil
}

// fieldsDiffer compares two objects field by field. A field that is missing is null.
func (o *onChange) fieldsDiffer(b *budget, was, is Value) (bool, error) {
	if was.text == is.text {
		return false, nil
	}
	before, _ := was.box().(map[string]any)
	after, _ := is.box().(map[string]any)
	for name, value := range after {
		if moved, err := o.different(b, unbox(before[name]), unbox(value)); moved || err != nil {
			return moved, err
		}
	}
	for name, value := range before {
		if _, both := after[name]; !both && value != nil {
			return true, nil
		}
	}
	return false, nil
}

// different compares two values: numbers by deadband, others by whether they are equal.
func (o *onChange) different(b *budget, was, is Value) (bool, error) {
	if was.isNumber() && is.isNumber() {
		return o.moved(was, is), nil
	}
	same, err := equal(b, was, is)
	return !same, err
}

// moved says whether a number has moved by more than the deadband. Decimals are not exact in binary, so 1.05 - 1
// comes out a little above 0.05: a difference that small is none.
func (o *onChange) moved(was, is Value) bool {
	if compareNumbers(was, is) == 0 {
		return false
	}
	f, _ := was.number()
	g, _ := is.number()
	limit := o.deadband
	if o.percent {
		limit = math.Abs(f) * o.deadband / 100
	}
	if limit == 0 {
		return true
	}
	if was.kind == Int && is.kind == Int {
		return distance(was.int(), is.int()) > limit+spacing(limit)
	}
	return math.Abs(g-f) > limit+spacing(limit)+spacing(math.Max(math.Abs(f), math.Abs(g)))
}

// distance of two integers, without overflow.
func distance(x, y int64) float64 {
	if x < y {
		x, y = y, x
	}
	return float64(uint64(x) - uint64(y))
}

// spacing is how far the next smaller float64 is.
func spacing(f float64) float64 { return f - math.Nextafter(f, 0) }
