package test

import "testing"

const toSameBroker = `{to: out, topic: "out/{{ out.id }}"}`

// FiftyStops: a stop under load loses nothing and brings nothing twice.
func TestFiftyStopsUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", rule(toSameBroker))
	o := newOracle(t, 5)
	o.watch(broker.Addr(), "out/#")
	b.start()
	for range 50 {
		p := o.publisher(broker.Addr())
		done := make(chan struct{})
		before := o.count()
		go func() {
			defer close(done)
			p.publish(200)
		}()
		waitFor(t, "some came out", func() bool { return o.count() > before })
		b.stop()
		<-done
		b.start()
	}
	o.check(false)
	b.stop()
}

// TwentyKills: whatever the moment, nothing is lost.
func TestTwentyKillsUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", rule(toSameBroker))
	o := newOracle(t, 5)
	o.watch(broker.Addr(), "out/#")
	b.start()
	for i := range 20 {
		p := o.publisher(broker.Addr())
		done := make(chan struct{})
		before := o.count()
		go func() {
			defer close(done)
			p.publish(200)
		}()
		waitFor(t, "some came out", func() bool { return o.count() > before+i })
		b.kill()
		<-done
		b.start()
	}
	o.check(true)
	b.stop()
}

func TestRestartOfTheBroker(t *testing.T) {
	broker := mosquitto(t)
	target := mosquitto(t) // outputs go to a broker that stays, so that all can be seen
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {url: \""+target.URL()+"\", qos: 1}}}", rule(toSameBroker))
	b.start()
	o := newOracle(t, 5)
	o.watch(target.Addr(), "out/#")
	for range 3 {
		o.publisher(broker.Addr()).publish(500)
		broker.Stop()
		broker.Start()
	}
	b.ready()
	o.publisher(broker.Addr()).publish(100)
	o.check(true)
	b.stop()
}

func TestStartsWithEverythingDown(t *testing.T) {
	broker := mosquitto(t)
	broker.Stop()
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", rule(toSameBroker))
	b.launch()
	if code, _ := b.get("/readyz"); code != 503 {
		t.Errorf("readyz %d without a broker", code)
	}
	if code, _ := b.get("/healthz"); code != 200 {
		t.Errorf("healthz %d", code)
	}
	broker.Start()
	b.ready()
	o := newOracle(t, 3)
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(30)
	o.check(false)
	b.stop()
}

func TestRunForAWhile(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {stdout: {}}}", rule(`{to: out}`))
	b.launch("--for", "300ms")
	b.ended()
}
