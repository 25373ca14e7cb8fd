package rules

import (
	"testing"
)

func TestLag(t *testing.T) {
	p := load(t, head+`    key: params.id
    let: {speed: payload.x * 10, before: lag(payload.x)}
    when: payload.x != lag(payload.x)
    map: {x: payload.x, one: before, two: 'lag(payload.x, 2)', three: "lag(payload.x, 3)", speed: lag(speed), id: lag(params.id), list: 'lag(payload.l)?.[0]', sum: lag(payload.no + 1)}
    route: [{to: nats, subject: "n.{{ lag(payload.x) ?? 0 }}", payload: '[out.x, out.one, out.two, out.three, out.speed, out.id, out.list, out.sum, lag(payload.x, 2)]'}]
`)
	y := play(t, p)
	y.send(0, topic, `{"x":1,"l":[5]}`)
	y.send(0, topic, `{"x":1,"l":[6]}`) // filtered, so lag does not see it
	y.send(0, topic, `{"x":2}`)
	y.send(0, "hospital/H1/device/b/status", `{"x":2}`)
	y.send(0, topic, `{"x":3}`)
	y.send(0, topic, `{"x":4}`)
	y.send(0, topic, `{"x":5}`)
	y.expect(`0s nats n.0 [1,null,null,null,null,null,null,null,null]`, `0s nats n.1 [2,1,null,null,10,"r-1",5,null,null]`,
		`0s nats n.0 [2,null,null,null,null,null,null,null,null]`, `0s nats n.2 [3,2,1,null,20,"r-1",null,null,1]`,
		`0s nats n.3 [4,3,2,1,30,"r-1",null,null,2]`, `0s nats n.4 [5,4,3,2,40,"r-1",null,null,3]`)
	if r := p.rules[0]; len(r.lags) != 5 || r.lags[0].most != 3 {
		t.Errorf("%d lags, want one for each expression", len(r.lags))
	}
}

// After dedupe, before the result: what map makes wrong is seen all the same.
func TestLagOfErrors(t *testing.T) {
	y := play(t, load(t, head+"    dedupe: {by: payload.id, within: 1h}\n    map: {x: payload.x + 0, was: lag(payload.x)}\n    route: [{to: dead}]\n"))
	y.send(0, topic, `{"id":1,"x":1}`)
	y.send(0, topic, `{"id":1,"x":2}`)
	y.send(0, topic, `{"id":2,"x":"no"}`)
	y.send(0, topic, `{"id":3,"x":3}`)
	y.expect(`0s dead {"x":1,"was":null}`, `0s dead {"x":3,"was":"no"}`)
}

// A reload that looks further back or less far keeps what there is.
func TestLagReload(t *testing.T) {
	rule := func(n string) string {
		return head + "    map: {was: 'lag(payload, " + n + ")'}\n    route: [{to: dead}]\n"
	}
	y := play(t, load(t, rule("2")))
	for _, n := range []string{"1", "2", "3"} {
		y.send(0, topic, n)
	}
	y.reload(rule("4"))
	y.send(0, topic, "4")
	y.send(0, topic, "5")
	y.send(0, topic, "6")
	y.reload(rule("1"))
	y.send(0, topic, "7")
	y.reload(rule("2"))
	y.send(0, topic, "8")
	y.send(0, topic, "9")
	y.expect(`0s dead {"was":null}`, `0s dead {"was":null}`, `0s dead {"was":1}`,
		`0s dead {"was":null}`, `0s dead {"was":null}`, `0s dead {"was":2}`, `0s dead {"was":6}`, `0s dead {"was":null}`, `0s dead {"was":7}`)
}

// In a split rule last is the payload that the element before came in; lag looks at elements.
func TestLastAfterSplit(t *testing.T) {
	y := play(t, load(t, head+`    split: payload.list
    key: item.id
    when: item.x != lag(item.x)
    map: {x: item.x, was: lag(item.x), n: last.n}
    route: [{to: dead}]
`))
	y.send(0, topic, `{"n":1,"list":[{"id":1,"x":1},{"id":2,"x":1},{"id":1,"x":2},{"id":1,"x":2}]}`)
	y.send(0, topic, `{"n":2,"list":[{"id":2,"x":3}]}`)
	y.expect(`0s dead {"x":1,"was":null,"n":null}`, `0s dead {"x":1,"was":null,"n":null}`, `0s dead {"x":2,"was":1,"n":1}`, `0s dead {"x":3,"was":1,"n":1}`)
	balance(t, y.p, "r")
}
