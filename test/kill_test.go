package test

import (
	"fmt"
	"testing"
)

// TestTwentyKillsUnderLoad cuts the power at moments that differ: whichever it is, no sink misses a message.
// Where the receiver looks at ids, none comes twice either.
func TestTwentyKillsUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	makeStream(t, s.ClientURL())
	live := newOracle(t, 5)
	js, api := live.twin(), live.twin()
	w := newWeb(t, api)
	config := source(broker.URL()) + fmt.Sprintf("sinks:\n  live: {mqtt: {source: in, qos: 1}}\n  js: {nats: {url: %q, jetstream: true}}\n  api: {http: {url: %q}}\n", s.ClientURL(), w.url())
	b := newBox(t, config, rule(`{to: [live, js, api], topic: "out/{{ out.id }}", subject: "pose.{{ out.id }}"}`))
	live.watch(broker.Addr(), "out/#")
	b.start()
	for i := range 20 {
		done := live.publisher(broker.Addr()).background(300)
		seen := []*oracle{live, api}[i%2]
		before := seen.count()
		waitFor(t, "some came out", func() bool { return seen.count() > before+7*i })
		b.kill()
		if i%5 == 4 { // and once more while it starts
			b.launch()
			b.kill()
		}
		<-done
		b.start()
	}
	live.publisher(broker.Addr()).publish(5)
	live.check(true)
	api.check(false)
	b.balanced("pass")
	readStream(t, s.ClientURL(), js)
	js.check(false)
	t.Logf("the HTTP server was sent %d of them again", w.repeats())
	b.stop()
}
