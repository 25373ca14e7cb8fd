package rules

import (
	"fmt"
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

// gather takes the fields of aggregate:, one a line.
func gather(t testing.TB, fields string) *gatherer {
	t.Helper()
	p := load(t, ruleWith(fields))
	a := p.rules[0].aggregate
	return &gatherer{t: t, a: a, l: p.newLane(), tally: a.start()}
}

func ruleWith(fields string) string {
	return head + "    let: {half: payload.v / 2}\n    key: params.id\n    window: {type: tumbling, size: 1m}\n    aggregate:\n      " + strings.ReplaceAll(strings.TrimSpace(fields), "\n", "\n      ") + "\n    route: [{to: dead}]\n"
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

// add takes a payload into a tally, and gives the error of the message.
func (g *gatherer) add(t *tally, at int64, payload string) error {
	values, err := g.read(payload)
	g.seq++
	if wrong := g.a.add(t, values, at, g.seq); err == nil {
		err = wrong
	}
	return err
}

// result gives what comes of a tally as JSON, or the error.
func (g *gatherer) result(t *tally) string {
	c := &g.l.scope
	c.message, c.params = &engine.Message{}, nil
	c.begin(g.a.rule)
	c.key = lazy{state: known, value: stringValue("k")}
	c.window.start, c.window.end = 60_000, 120_000
	var err error
	if c.aggregated, err = g.a.results(t, c.aggregated[:0]); err == nil {
		if err = g.a.rule.shapeResult(c); err == nil {
			return string(c.out.whole)
		}
	}
	return string(classOf(err)) + ": " + err.Error()
}

// again writes a tally and reads it back.
func (g *gatherer) again(t *tally) *tally {
	g.t.Helper()
	text := g.a.append([]byte("x"), t)[1:]
	read, rest, err := g.a.load(append(text, "rest"...))
	if err != nil || string(rest) != "rest" {
		g.t.Fatalf("load: %v, %q is left", err, rest)
	}
	return read
}

func TestAggregates(t *testing.T) {
	for _, tt := range []struct {
		expression string
		messages   string // payloads, with their time before them where it is not the one before
		want       string
	}{
		{"count()", ``, `0`},
		{"count(payload.v)", ``, `0`},
		{"count_distinct(payload.v)", ``, `0`},
		{"collect(payload.v)", ``, `[]`},
		{"[sum(payload.v), avg(payload.v), min(payload.v), max(payload.v), first(payload.v), last(payload.v)]", ``, `[null,null,null,null,null,null]`},
		{"[stddev(payload.v), variance(payload.v), stddev_pop(payload.v), variance_pop(payload.v), median(payload.v), percentile(payload.v, 95)]", ``, `[null,null,null,null,null,null]`},
		{"[stddev(payload.v), variance(payload.v), stddev_pop(payload.v), variance_pop(payload.v)]", `{"v":4}`, `[null,null,0,0]`},
		{"[stddev(payload.v), variance(payload.v), stddev_pop(payload.v), variance_pop(payload.v)]", `{"v":2} {"v":4} {"v":4} {"v":4} {"v":5} {"v":5} {"v":7} {"v":9}`, `[2.138089935299395,4.571428571428571,2,4]`},
		{"variance(payload.v)", `{"v":1000000000000004} {"v":1000000000000007} {"v":1000000000000013} {"v":1000000000000016}`, `30`},
		{"count()", `{"v":1} {} {"v":null} 5 "text"`, `5`},
		{"count(payload.v)", `{"v":1} {} {"v":null} {"v":false} {"v":true} {"v":"x"} {"v":[]}`, `4`},
		{"count(payload.v < 20)", `{"v":1} {} {"v":20} {"v":null}`, `1`},
		{"count(not (payload.v < 20))", `{"v":1} {} {"v":20}`, `1`},
		{"sum(payload.v)", `{"v":1} {"v":null} {} {"v":2}`, `3`},
		{"sum(payload.v + payload.w)", `{"v":1} {"w":1} {"v":1,"w":2}`, `3`},
		{"sum(abs(payload.v))", `{"v":-1} {}`, `1`},
		{"sum(payload.v ?? 10)", `{"v":1} {}`, `11`},
		{"sum(payload.v)", `{"v":0.1} {"v":0.2} {"v":0.3}`, `0.6`},
		{"sum(payload.v)", `{"v":1e100} {"v":1} {"v":-1e100}`, `1`},
		{"sum(payload.v)", `{"v":9223372036854775807} {"v":1}`, `9223372036854776000`},
		{"sum(payload.v)", `{"v":9223372036854775807} {"v":1} {"v":-1}`, `9223372036854775807`},
		{"sum(payload.v)", `{"v":-9223372036854775808} {"v":-9223372036854775808}`, `-18446744073709552000`},
		{"sum(payload.v)", `{"v":9007199254740993} {"v":0.5} {"v":-9007199254740993}`, `0.5`},
		{"avg(payload.v)", `{"v":1} {"v":2} {}`, `1.5`},
		{"avg(payload.v)", `{"v":9223372036854775807} {"v":9223372036854775807}`, `9223372036854776000`},
		{"sum(payload.v) / count()", `{"v":1} {"v":2} {}`, `1`},
		{"max(payload.v) - min(payload.v)", `{"v":1} {"v":5} {"v":-2}`, `7`},
		{"[min(payload.v), max(payload.v)]", `{"v":1} {"v":0.5} {"v":1.5}`, `[0.5,1.5]`},
		{"[min(payload.v), max(payload.v)]", `{"v":9007199254740993} {"v":9007199254740992.0}`, `[9007199254740992,9007199254740993]`},
		{"[min(payload.v), max(payload.v)]", `{"v":"b"} {"v":"B"} {"v":"a\u0062"} {"v":"ä"}`, `["B","ä"]`},
		{"[min(date(payload.v)), max(date(payload.v))]", `{"v":"2024-01-02T00:00:00Z"} {"v":"2024-01-02T00:30:00+01:00"}`, `["2024-01-02T00:30:00+01:00","2024-01-02T00:00:00Z"]`},
		{"[min(duration(payload.v)), max(duration(payload.v))]", `{"v":"90s"} {"v":"1m"}`, `["1m0s","1m30s"]`},
		{"min(max(payload.v, payload.w))", `{"v":1,"w":2} {"v":3,"w":0} {"v":0}`, `2`},
		{"max(count(), 3)", `{} {}`, `3`},
		{"[median(payload.v), percentile(payload.v, 25), percentile(payload.v, 0), percentile(payload.v, 100)]", `{"v":4} {"v":1} {"v":3} {"v":2}`, `[2.5,1.75,1,4]`},
		{"[median(payload.v), median(payload.w)]", `{"v":9007199254740993,"w":0.1}`, `[9007199254740993,0.1]`},
		{"percentile(payload.v, 99.9)", `{"v":1} {"v":"x"} {"v":1}`, `1`},
		{"count_distinct(payload.v)", `{"v":1} {"v":1.0} {"v":"1"} {"v":true} {"v":null} {} {"v":[1]} {"v":[1.0]} {"v":{"a":1,"b":2}} {"v":{"b":2,"a":1e0}}`, `5`},
		{"[first(payload.v), last(payload.v)]", `5:{"v":"b"} 3:{"v":"a"} 3:{"v":"a2"} 5:{"v":"b2"} 9:{"v":null}`, `["a","b2"]`},
		{"first(payload.v)", `{"v":20.50} {"v":1}`, `20.50`},
		{"last(payload.v)", `{"v":1} {"v":{"a" : 1}}`, `{"a" : 1}`},
		{"first(payload.v).a + 1", `{"v":{"a":1}}`, `2`},
		{"collect(payload.v)", `5:{"v":"b"} 3:{"v":1.50} 3:{"v":null} 5:{"v":[1 ,2]} 4:{"v":{"x":"\u0041"}}`, `[1.50,{"x":"\u0041"},"b",[1 ,2]]`},
		{"collect(payload.v, 2)", `5:{"v":5} 6:{"v":6} 4:{"v":4} 7:{"v":7}`, `[4,5]`},
		{"len(collect(payload.v))", `{"v":5} {"v":6}`, `2`},
		{"collect(half)", `{"v":5} {"v":6}`, `[2.5,3]`},
		{"last(params.id) + last(topic)", `{}`, `"r-1hospital/H1/device/r-1/status"`},
		{"last(meta.received)", `{}`, `1700000000000`},
		{"last(key) + key", `{}`, `"r-1k"`},
		{"window.end - window.start", `{}`, `60000`},
		{"window", `{}`, `{"end":120000,"start":60000}`},
		{"let n = count(); n * n", `{} {}`, `4`},
		{"avg(payload.v) ?? 0", ``, `0`},
		{"last(now()).Year()", `{}`, `2023`},
		{"count(payload.l != nil and any(payload.l, # > 1))", `{"l":[1,2]} {"l":[1]} {}`, `1`},
		{"sum(len(filter(payload.l, # > 1)))", `{"l":[1,2]} {"l":[3,3]} {}`, `3`},
	} {
		g := gather(t, "x: '"+tt.expression+"'")
		at := int64(0)
		for _, message := range splitMessages(tt.messages) {
			if before, payload, ok := strings.Cut(message, ":"); ok && before[0] != '{' {
				_, _ = fmt.Sscan(before, &at)
				message = payload
			}
			if err := g.add(g.tally, at, message); err != nil && !strings.Contains(message, `"x"`) {
				t.Errorf("%s: %s: %v", tt.expression, message, err)
			}
			g.tally = g.again(g.tally)
		}
		if got := g.result(g.tally); got != `{"x":`+tt.want+`}` {
			t.Errorf("%s of %s = %s, want %s", tt.expression, tt.messages, got, tt.want)
		}
	}
}

// splitMessages takes payloads apart at the spaces between them.
func splitMessages(text string) []string {
	var messages []string
	depth, from := 0, 0
	for i, c := range text + " " {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ' ':
			if depth == 0 {
				if i > from {
					messages = append(messages, text[from:i])
				}
				from = i + 1
			}
		}
	}
	return messages
}

// What collect has no room for is counted with the result: what is beyond its number, and beyond 4 MiB.
func TestCollectLeavesOut(t *testing.T) {
	g := gather(t, "x: len(collect(payload.v, 6))")
	add := func(at int64, length int) {
		t.Helper()
		if err := g.add(g.tally, at, `{"v":"`+strings.Repeat("x", length)+`"}`); err != nil {
			t.Error(err)
		}
	}
	for i := range 8 {
		add(int64(i), 1)
	}
	if got, left := g.result(g.tally), g.a.rule.book.leftOut.Load(); got != `{"x":6}` || left != 2 {
		t.Errorf("%s and %d left out", got, left)
	}
	g.tally = g.a.start()
	for i := range 5 {
		add(int64(i+1), 1<<20)
	}
	add(9, 1)  // not behind a gap
	add(0, 10) // the first pushes the last out
	if got, left := g.result(g.tally), g.a.rule.book.leftOut.Load()-2; got != `{"x":4}` || left != 3 {
		t.Errorf("%s and %d left out", got, left)
	}
	if size := g.a.size(g.tally); size > maxCollectedBytes+1<<10 {
		t.Errorf("it takes %d bytes", size)
	}
}

// A wrong type is an error of the message. What can take the message has taken it.
func TestAggregateErrors(t *testing.T) {
	g := gather(t, `
n: count()
some: count(payload.v)
avg: avg(payload.v)
lo: min(payload.w)
last: last(payload.v)
far: max(100 / payload.z)`)
	for _, tt := range []struct{ payload, want string }{
		{`{"v":1,"w":"a","z":5}`, ``},
		{`{"v":"x","w":"b"}`, `wrong_type aggregate.avg avg takes numbers, not text`},
		{`{"v":3,"w":1}`, `wrong_type aggregate.lo min cannot take a number and text`},
		{`{"v":3,"w":true}`, `wrong_type aggregate.lo min cannot take a boolean and text`},
		{`{"v":5,"z":0}`, `division_by_zero aggregate.far division by zero`},
		{`{"v":{}}`, `wrong_type aggregate.avg avg takes numbers, not an object`},
	} {
		got := ""
		if err := g.add(g.tally, 0, tt.payload); err != nil {
			got = fmt.Sprintf("%s %s %s", classOf(err), err.(*failure).expression.field, err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.payload, got, tt.want)
		}
	}
	if got, want := g.result(g.tally), `{"n":6,"some":6,"avg":3,"lo":"a","last":{},"far":20}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	g = gather(t, "x: sum(payload.v)")
	for range 2 {
		if err := g.add(g.tally, 0, `{"v":1e308}`); err != nil {
			t.Error(err)
		}
	}
	if got := g.result(g.tally); !strings.HasPrefix(got, "not_finite") {
		t.Error(got)
	}
	g = gather(t, "x: avg(payload.v) + 1")
	if got := g.result(g.tally); !strings.HasPrefix(got, "missing_field: avg(payload.v) is missing or null") {
		t.Error(got)
	}
}
