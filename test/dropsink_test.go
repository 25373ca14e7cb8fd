package test

import (
	"testing"
)

// TestDeadSinkThatDrops: a sink that nobody answers for, with a drop policy, harms only itself: another one gets all,
// many times what may be in flight.
func TestDeadSinkThatDrops(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 5)
	config := source(broker.URL()) + "sinks:\n  out: {mqtt: {source: in, qos: 1}}\n" +
		"  dead: {http: {url: \"http://127.0.0.1:1\"}, buffer: {when_full: drop_oldest}}\n"
	b := newBox(t, config, rule(`{to: [out, dead], topic: "out/{{ out.id }}"}`))
	b.start()
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(3000)
	o.check(false)
	b.until("the books tell what was dropped", func() bool {
		book := b.book("pass")
		return book.In == 3000 && book.InFlight < 1000 && b.metric(`edge_sink_dropped_total{reason="oldest",sink="dead"}`) == float64(3000-book.InFlight)
	})
	if up := b.metric(`edge_sink_up{sink="dead"}`); up != 0 {
		t.Errorf("up is %v", up)
	}
	b.stop()
}
