package rules

import (
	"strings"
	"testing"
	"time"

	"edge/engine"
)

// A gatherer adds payloads to a tally of a rule, without a window.
type gatherer struct {
	t     testing.TB
	a     *aggregates
	l     *lane
	tally *tally
	seq   uint64
}

func gather(t testing.TB, fields string) *gatherer {
	t.Helper()
	p := load(t, head+"    window: {type: tumbling, size: 1m}\n    aggregate:\n      "+strings.ReplaceAll(strings.TrimSpace(fields), "\n", "\n      ")+"\n    route: [{to: dead}]\n")
	a := p.rules[0].aggregate
	l := p.newLane()
	return &gatherer{t: t, a: a, l: l, tally: a.start()}
}

// read evaluates the arguments for a payload.
func (g *gatherer) read(payload string) ([]Value, error) {
	c, r := &g.l.scope, g.a.rule
	m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: time.UnixMilli(1_700_000_000_000), Meta: &engine.Meta{Source: "in"}}
	entry := g.l.find("in", topic)
	c.now, c.message, c.params = m.Received, m, entry.matches[0].params
	if err := r.set.plan.Scan(m.Payload, r.set.depth, c.slots); err != nil {
		g.t.Fatal(err)
	}
	c.begin(r)
	return g.a.read(c, nil)
}

// add takes a payload in, and gives the error of the message.
func (g *gatherer) add(at int64, payload string) error {
	values, err := g.read(payload)
	g.seq++
	if wrong := g.a.add(g.tally, values, at, g.seq); err == nil {
		err = wrong
	}
	return err
}

// result gives what comes of it as JSON, or the error.
func (g *gatherer) result() string {
	c := &g.l.scope
	m := &engine.Message{}
	c.message, c.params = m, nil
	c.begin(g.a.rule)
	c.key = lazy{state: known, value: stringValue("k")}
	c.window.start, c.window.end = 60_000, 120_000
	var err error
	if c.aggregated, err = g.a.results(g.tally, c.aggregated[:0]); err == nil {
		if err = g.a.rule.shapeResult(c); err == nil {
			return string(c.out.whole)
		}
	}
	return string(classOf(err)) + ": " + err.Error()
}

func TestAggregatesOfNumbers(t *testing.T) {
	g := gather(t, `
id: key
n: count()
low: count(payload.v < 2)
of: count(payload.v)
sum: sum(payload.v)
avg: avg(payload.v)
range: max(payload.v) - min(payload.v)
var: variance(payload.v)
pop: variance_pop(payload.v)
double: out.n * 2
from: window.start`)
	for _, payload := range []string{`{"v":1}`, `{"v":null}`, `{}`, `{"v":2.5}`} {
		if err := g.add(0, payload); err != nil {
			t.Error(err)
		}
	}
	const want = `{"id":"k","n":4,"low":1,"of":2,"sum":3.5,"avg":1.75,"range":1.5,"var":1.125,"pop":0.5625,"double":8,"from":60000}`
	if got := g.result(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
