package test

import (
	"fmt"
	"syscall"
	"testing"
)

// TestRestartOfTheBroker: a broker that keeps its sessions is restarted while messages are under way. None is lost,
// and none comes twice: what was settled is acknowledged from memory.
func TestRestartOfTheBroker(t *testing.T) {
	broker := mosquitto(t)
	target := mosquitto(t) // outputs go to a broker that stays, so that all can be seen
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {mqtt: {url: %q, client_id: edge-out, qos: 1}}}", target.URL()), rule(toOut))
	b.start()
	o := newOracle(t, 5)
	o.watch(target.Addr(), "out/#")
	for range 2 {
		b.signal(syscall.SIGSTOP) // so that all of them are under way
		o.publisher(broker.Addr()).publish(500)
		before := o.count()
		b.signal(syscall.SIGCONT)
		waitFor(t, "some came out", func() bool { return o.count() > before+100 })
		broker.Stop()
		broker.Start()
	}
	b.ready()
	o.publisher(broker.Addr()).publish(100)
	o.check(false)
	b.settled("pass", 1100)
	if got := b.metric(`edge_source_session_lost_total{source="in"}`); got != 0 {
		t.Errorf("%v sessions lost", got)
	}
	b.stop()
}

// TestBrokerThatForgets: a broker that loses power loses its sessions with it. edge says so, subscribes again, and
// goes on.
func TestBrokerThatForgets(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), rule(toOut))
	b.start()
	o := newOracle(t, 5)
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(100)
	o.check(false)
	b.settled("pass", 100) // edge too knows that the broker has them all
	broker.Kill()
	broker.Start()
	b.until("the loss is counted", func() bool { return b.metric(`edge_source_session_lost_total{source="in"}`) == 1 })
	b.ready() // on the new connection, with its subscriptions
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(100)
	o.check(false)
	b.settled("pass", 200)
	b.stop()
}
