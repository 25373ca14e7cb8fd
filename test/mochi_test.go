package test

import (
	"fmt"
	"testing"

	"edge/internal/brokertest"
)

// TestMochi: the other broker that edge is held against. It stalls when a client's Receive Maximum is reached, so
// that is above the number of messages.
func TestMochi(t *testing.T) {
	broker := brokertest.StartMochi(t)
	config := fmt.Sprintf("sources: {in: {mqtt: {url: %q, client_id: edge, receive_maximum: 10000}}}\n", broker.URL()) +
		"sinks:\n  out: {mqtt: {source: in, qos: 2}}\n  log: {file: {path: out.jsonl}}\n"
	b := newBox(t, config, rule(`{to: [out, log], topic: "out/{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 5)
	file := o.twin()
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(1000)
	o.check(false)
	b.settled("pass", 1000)
	file.sawFile(b.read("out.jsonl"))
	file.check(false)
	b.stop()
}
