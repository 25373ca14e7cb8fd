package test

import (
	"fmt"
	"testing"

	"edge/internal/brokertest"
)

// TestMochi: the other broker that edge is held against. What comes in is of QoS 0, since version 2.7.9 can lock
// itself up when it sends a client messages of QoS 1 while that client sends it something: NextImmediate takes a
// read lock twice, and whoever waits to write comes in between.
func TestMochi(t *testing.T) {
	broker := brokertest.StartMochi(t)
	config := fmt.Sprintf("sources: {in: {mqtt: {url: %q, client_id: edge, qos: 0}}}\n", broker.URL()) +
		"sinks:\n  out: {mqtt: {source: in, qos: 2}}\n  log: {file: {path: out.jsonl}}\n"
	b := newBox(t, config, rule(`{to: [out, log], topic: "out/{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 5)
	file := o.twin()
	o.watch(broker.Addr(), "out/#")
	p := o.publisher(broker.Addr())
	for n := range 5 { // at QoS 0 what exceeds the bound in flight is dropped
		p.publish(200)
		o.complete()
		b.settled("pass", 200*(n+1))
	}
	o.check(false)
	file.sawFile(b.read("out.jsonl"))
	file.check(false)
	b.stop()
}
