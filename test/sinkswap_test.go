package test

import (
	"fmt"
	"testing"
)

// TestSinksComeAndGoUnderLoad: edge.yaml changes while messages pass. A new sink gets what comes from then on, one
// whose address is mended gets what has waited for it, and nothing else notices.
func TestSinksComeAndGoUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 5)
	api := o.twin()
	w := newWeb(t, api)
	config := func(api, more string) string {
		return source(broker.URL()) + fmt.Sprintf("sinks:\n  out: {mqtt: {source: in, qos: 1}}\n  api: {http: {url: %q}}\n%s", api, more) + common
	}
	both := `{to: [out, api], topic: "out/{{ out.id }}"}`
	b := newBox(t, "", rule(both))
	b.write("edge.yaml", config("http://127.0.0.1:1", "")) // nobody is there
	b.start()
	o.watch(broker.Addr(), "out/#")
	second := o.twin()
	second.watch(broker.Addr(), "second/#")
	p := o.publisher(broker.Addr())
	p.publish(200)
	o.complete()
	if book := b.book("pass"); book.InFlight != 200 {
		t.Errorf("book %+v, want 200 in flight", book)
	}

	// The reload does not wait for the sink that is down, and mends it.
	done := p.background(3000)
	b.reloads(func() { b.write("edge.yaml", config(w.url(), "")) })
	waitFor(t, "the backlog is delivered", func() bool { return api.count() > 200 })

	b.reloads(func() { b.write("edge.yaml", config(w.url(), "  second: {mqtt: {source: in, qos: 1}}\n")) })
	b.reloads(func() { b.write("rules/rules.yaml", rule(both+`, {to: second, topic: "second/{{ out.id }}"}`)) })
	<-done
	p.publish(500)
	o.check(false)
	api.check(false)
	b.settled("pass", 3700)
	for device := range 5 {
		var seqs []int
		waitFor(t, "the new sink got the last message", func() bool {
			seqs = second.sequence(device)
			return len(seqs) > 0 && seqs[len(seqs)-1] == 739
		})
		if len(seqs) < 100 {
			t.Errorf("the new sink got %d messages of device %d, at least the last 100 were for it", len(seqs), device)
		}
		for i := 1; i < len(seqs); i++ {
			if seqs[i] != seqs[i-1]+1 {
				t.Errorf("the new sink got %d after %d", seqs[i], seqs[i-1])
			}
		}
	}

	// And it goes again.
	b.reloads(func() { b.write("rules/rules.yaml", rule(both)) })
	b.reloads(func() { b.write("edge.yaml", config(w.url(), "")) })
	n := second.count()
	p.publish(100)
	o.check(false)
	api.check(false)
	if second.count() != n {
		t.Errorf("a removed sink got %d more", second.count()-n)
	}
	if got := b.metric(`edge_source_connects_total{source="in"}`); got != 1 {
		t.Errorf("%v connections, want that of the start only", got)
	}
	b.stop()
}
