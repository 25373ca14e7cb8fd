package rules

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// A lagRule keeps what an expression gave for the last messages of a key. Calls of lag with the same expression
// share it.
type lagRule struct {
	source string // the expression, as its signature
	value  *expression
	most   int // the largest n of the calls
	slot   int
}

// A lagCall is one lag(expr, n) of a rule.
type lagCall struct {
	of *lagRule
	n  int
}

const maxLag = 1000

// lagged are the values of one key: a ring, once it is full.
type lagged struct {
	values []Value
	newest int
	bytes  int
}

func (l *lagged) size() int { return 64 + l.bytes }

// at gives the value of n messages ago, null when there were fewer.
func (l *lagged) at(n int) Value {
	if n > len(l.values) {
		return null
	}
	i := l.newest - (n - 1)
	if i < 0 {
		i += len(l.values)
	}
	return l.values[i]
}

// straighten lays the last most values in the order in which they came.
func (l *lagged) straighten(most int) {
	n := min(most, len(l.values))
	line := make([]Value, n, most)
	for i := range line {
		line[i] = l.at(n - i)
	}
	l.values, l.newest, l.bytes = line, n-1, 0
	for _, v := range line {
		l.bytes += v.keptSize()
	}
}

func (l *lagged) push(v Value, most int) {
	if len(l.values) > most || len(l.values) < most && l.newest != len(l.values)-1 {
		l.straighten(most) // a reload has changed n
	}
	l.bytes += v.keptSize()
	if len(l.values) < most {
		l.values = append(l.values, v)
		l.newest = len(l.values) - 1
		return
	}
	l.newest = (l.newest + 1) % most
	l.bytes -= l.values[l.newest].keptSize()
	l.values[l.newest] = v
}

func (l *lagRule) write(c *scope, m *memory, v Value) {
	kept, _ := c.kept.memo(l.slot).(*lagged)
	if kept == nil {
		kept = &lagged{newest: -1}
		c.kept.set(l.slot, kept)
	} else {
		m.bytes -= kept.size()
	}
	kept.push(v.keep(), l.most)
	m.bytes += kept.size()
	m.changed(c.kept, l.slot)
}

func (call lagCall) recall(c *scope) Value {
	if kept, _ := c.kept.memo(call.of.slot).(*lagged); kept != nil {
		return kept.at(call.n)
	}
	return null
}

// lag compiles lag(expr) and lag(expr, n). The expression stands by itself: it is evaluated for every message,
// and what is missing or null in it gives null.
func (k *compiler) lag(arguments []ast.Node, at int) (evaluator, *sourceError) {
	switch {
	case k.inLag:
		return nil, sourceErrorf(at, "lag inside of lag: write lag(expression, n) for the message before the one before")
	case !k.names.kept:
		return nil, sourceErrorf(at, "lag cannot be read here")
	case len(arguments) == 0 || len(arguments) > 2:
		return nil, sourceErrorf(at, "lag takes an expression and how many messages ago, such as lag(payload.x) or lag(payload.x, 2)")
	}
	n := 1
	if len(arguments) == 2 {
		literal, ok := arguments[1].(*ast.IntegerNode)
		if !ok || literal.Value < 1 || literal.Value > maxLag {
			return nil, sourceErrorf(arguments[1].Location().From, "how many messages ago must be a whole number from 1 to %d", maxLag)
		}
		n = literal.Value
	}
	outer := *k
	k.inLag, k.inside, k.mode, k.locals = true, 0, defaulted, nil
	k.names = names{payload: true, item: outer.names.item, lets: outer.names.lets}
	value, err := k.node(arguments[0])
	k.inLag, k.inside, k.mode, k.locals, k.names = false, outer.inside, outer.mode, outer.locals, outer.names
	k.usesKept = true
	if err != nil {
		return nil, err
	}
	source := arguments[0].String()
	if len(k.tree.integers) > 0 { // the tree does not have them
		source += fmt.Sprint(k.tree.integers)
	}
	i := len(k.keeps.calls)
	k.keeps.calls = append(k.keeps.calls, lagCall{k.keeps.lagOf(source, value, n), n})
	return func(c *scope) (Value, error) {
		if i >= len(c.lags) {
			return null, nil
		}
		return c.lags[i], nil
	}, nil
}

// lagOf finds or makes what keeps the values of an expression.
func (k *keeps) lagOf(source string, value evaluator, n int) *lagRule {
	for _, l := range k.lags {
		if l.source == source {
			l.most = max(l.most, n)
			return l
		}
	}
	l := &lagRule{source: source, value: &expression{source: source, field: "lag", eval: value}, most: n}
	k.lags = append(k.lags, l)
	return l
}
