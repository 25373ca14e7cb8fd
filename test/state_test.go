package test

import (
	"fmt"
	"strings"
	"testing"
)

// TestStateOverReloads: what a rule keeps goes on over a hundred reloads under load, and none of its messages is
// counted twice or not at all.
func TestStateOverReloads(t *testing.T) {
	broker := mosquitto(t)
	rules := func(version int) string {
		return fmt.Sprintf("# %d\n", version) + strings.NewReplacer(
			"x: payload.coordinates.x * 2", "x: \"(state.n ?? 0) * 2\"",
			"    id: params", "    key: params.id\n    state: {n: {value: \"(state.n ?? 0) + 1\"}}\n    id: params").Replace(rule(toOut))
	}
	b := newBox(t, toSource(broker.URL()), rules(0))
	b.start()
	o := newOracle(t, 5) // outputs have twice the number of messages before
	o.watch(broker.Addr(), "out/#")
	for version := range 100 {
		done := o.publisher(broker.Addr()).background(100)
		b.reloads(func() { b.write("rules/rules.yaml", rules(version+1)) })
		<-done
	}
	o.check(false)
	b.settled("pass", 10_000)
	b.stop()
}
