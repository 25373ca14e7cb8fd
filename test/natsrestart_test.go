package test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"edge/internal/brokertest"
)

// TestRestartsOfJetStream: the server goes and comes back with its data, under load. The stream has each id once.
func TestRestartsOfJetStream(t *testing.T) {
	broker := mosquitto(t)
	port, dir := brokertest.FreePort(t), t.TempDir()
	s := natsServer(t, dir, port)
	makeStream(t, s.ClientURL())
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {nats: {url: %q, jetstream: true}, retry: {backoff: 20ms..200ms}}}", s.ClientURL()), rule(`{to: out, subject: "pose.{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 7)
	p := o.publisher(broker.Addr())
	for range 3 {
		written := b.metric(`edge_sink_written_total{sink="out"}`)
		done := p.background(1000)
		b.until("some are in the stream", func() bool { return b.metric(`edge_sink_written_total{sink="out"}`) > written+50 })
		stopNATS(s)
		<-done
		p.publish(500) // while it is away
		if code, _ := b.get("/readyz"); code != 200 {
			t.Errorf("readyz %d: a sink that is away is no reason", code)
		}
		s = natsServer(t, dir, port)
	}
	p.publish(7)
	b.settled("pass", 4507)
	readStream(t, s.ClientURL(), o)
	o.check(false)
	b.stop()
}

// TestRestartsOfNATS: core NATS keeps nothing, so who listens must be there before edge is. The proxy keeps edge
// away for so long.
func TestRestartsOfNATS(t *testing.T) {
	broker := mosquitto(t)
	port := brokertest.FreePort(t)
	s := natsServer(t, t.TempDir(), port)
	proxy := brokertest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", port))
	o := newOracle(t, 7)
	listen := func() *nats.Conn {
		c := natsClient(t, s.ClientURL())
		if _, err := c.Subscribe("pose.>", func(m *nats.Msg) { o.saw(m.Data) }); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := listen()
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {nats: {url: %q}, retry: {backoff: 20ms..200ms}}}", "nats://"+proxy.Addr()), rule(`{to: out, subject: "pose.{{ out.id }}"}`))
	b.start()
	p := o.publisher(broker.Addr())
	for range 3 {
		before := o.count()
		done := p.background(2000)
		waitFor(t, "some came out", func() bool { return o.count() > before+50 })
		proxy.SetDown(true)
		if err := c.Drain(); err != nil { // what the server has accepted, the listener sees: Close would drop what waits
			t.Fatal(err)
		}
		waitFor(t, "the listener saw all", c.IsClosed)
		stopNATS(s)
		<-done
		s = natsServer(t, t.TempDir(), port)
		c = listen()
		proxy.SetDown(false)
	}
	p.publish(7)
	o.check(true) // again, where the connection was cut before the server had answered
	b.settled("pass", 6007)
	b.stop()
}
