package test

import "testing"

// TestFiftyStopsUnderLoad: a stop under load loses nothing and brings nothing twice, to a sink that shares the
// source's connection and to one that does not.
func TestFiftyStopsUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks:\n  out: {mqtt: {source: in, qos: 1}}\n  log: {file: {path: out.jsonl}}\n",
		rule(`{to: [out, log], topic: "out/{{ out.id }}"}`))
	o := newOracle(t, 5)
	o.watch(broker.Addr(), "out/#")
	b.start()
	for i := range 50 {
		before := o.count()
		done := o.publisher(broker.Addr()).background(200)
		waitFor(t, "some came out", func() bool { return o.count() > before+2*i })
		b.stop()
		<-done
		b.start()
	}
	o.publisher(broker.Addr()).publish(5)
	o.check(false)
	b.balanced("pass")
	file := o.twin()
	file.sawFile(b.read("out.jsonl"))
	file.check(false)
	b.stop()
}
