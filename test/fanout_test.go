package test

import (
	"fmt"
	"testing"

	"edge/internal/brokertest"
)

// One message goes to three sinks, and is acknowledged when the last of them has it.
func TestThreeSinks(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	makeStream(t, s.ClientURL())
	live := newOracle(t, 5)
	js, api := live.twin(), live.twin()
	w := newWeb(t, api)
	w.down()
	config := source(broker.URL()) + fmt.Sprintf(`
sinks:
  live: {mqtt: {source: in, qos: 1}}
  js: {nats: {url: %q, jetstream: true}}
  api: {http: {url: %q}, retry: {backoff: 20ms..200ms}}
`, s.ClientURL(), w.url())
	b := newBox(t, config, rule(`{to: [live, js, api], topic: "out/{{ out.id }}", subject: "pose.{{ out.id }}"}`)+
		"  ping: {source: in, topic: ping, route: [{to: live, topic: pong}]}\n")
	b.start()
	live.watch(broker.Addr(), "out/#")
	p := live.publisher(broker.Addr())
	p.publish(100)
	live.complete() // two of the three have all
	b.until("the stream has all", func() bool { return b.metric(`edge_sink_written_total{sink="js"}`) == 100 })
	if book := b.book("pass"); book.InFlight != 100 || book.Delivered != 0 {
		t.Errorf("book %+v, want all 100 in flight", book)
	}
	b.kill()
	b.start() // the broker has got no acknowledgement, so all come again
	b.until("all came again", func() bool { return live.count() == 200 })
	w.up()
	b.settled("pass", 100) // a message of three sinks counts once
	api.check(false)
	readStream(t, s.ClientURL(), js)
	js.check(false) // JetStream has seen off those that it knew by their ids
	live.check(true)

	// What goes out over the connection of the source comes after the acknowledgements that are due.
	b.until("all are acknowledged", func() bool { return b.metric(`edge_source_unsettled_messages{source="in"}`) == 0 })
	c := brokertest.Dial(t, broker.Addr())
	c.Subscribe("pong", 1)
	c.Publish("ping", "{}", 1)
	c.Next()
	b.kill()
	b.start() // now all are acknowledged, so none comes again
	p.publish(5)
	b.settled("pass", 5)
	api.check(false)
	b.stop()
}
