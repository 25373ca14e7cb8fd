package test

import (
	"strings"
	"testing"

	"edge/internal/brokertest"
)

// TestTopicsNoLongerWanted: after a reload the broker sends what the new rules listen to, and no more.
func TestTopicsNoLongerWanted(t *testing.T) {
	broker := mosquitto(t)
	listen := func(topic string) string {
		return strings.Replace(rule(`{to: out, topic: "out/{{ topic }}"}`), "hospital/{site}/device/{id}/status", topic+"/{site}/{id}", 1)
	}
	b := newBox(t, toSource(broker.URL()), listen("a")+strings.Replace(listen("b"), "rules:\n  pass:", "  other:", 1))
	b.start()
	c := brokertest.Dial(t, broker.Addr())
	c.Subscribe("out/#", 1)
	send := func(topic string) { c.Publish(topic, payloadOf(1, 1), 1) }
	expect := func(topic string) {
		t.Helper()
		if got := c.Next().Topic; got != "out/"+topic {
			t.Errorf("%s came, want out/%s", got, topic)
		}
	}
	send("a/H1/1")
	expect("a/H1/1")
	send("b/H1/1")
	expect("b/H1/1")
	b.reloads(func() {
		b.write("rules/rules.yaml", listen("b")+strings.Replace(listen("c"), "rules:\n  pass:", "  other:", 1))
	})
	b.until("the broker sends no more of a/#", func() bool {
		before := b.metric(`edge_source_received_total{source="in"}`)
		send("a/H1/2")
		send("b/H1/2")
		expect("b/H1/2")
		return b.metric(`edge_source_received_total{source="in"}`) == before+1
	})
	send("c/H1/2")
	expect("c/H1/2")
	b.stop()
	b.start() // nor does the session remember it
	send("a/H1/3")
	send("c/H1/3")
	expect("c/H1/3")
	if got := b.metric(`edge_source_received_total{source="in"}`); got != 1 {
		t.Errorf("after a restart the broker has sent %v messages, want 1", got)
	}
	b.stop()
}
