package test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"edge/internal/brokertest"
)

// ReloadUnderLoad: 20,000 messages while the rules change; none lost, twice, or out of order.
func TestReloadUnderLoad(t *testing.T) {
	broker := mosquitto(t)
	version := func(n int) string {
		return strings.Replace(rule(toSameBroker), "map: {", fmt.Sprintf("map: {version: %d, ", n), 1)
	}
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", version(0))
	b.start()
	o := newOracle(t, 9)
	o.watch(broker.Addr(), "out/#")
	done := make(chan struct{})
	p := o.publisher(broker.Addr())
	go func() {
		defer close(done)
		p.publish(20_000)
	}()
	reloads := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		reloads++
		_, before := b.get("/v1/config")
		b.write("rules/rules.yaml", version(reloads))
		b.until("the new set runs", func() bool { _, now := b.get("/v1/config"); return hashOf(now) != hashOf(before) })
	}
	o.check(false)
	b.settled("pass", 20_000)
	t.Logf("%d reloads", reloads)
	b.stop()
}

func hashOf(config string) string { return between(config, `"hash":`, ",") }

func TestReloadOfFiles(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", rule(`{to: out, topic: out/one}`))
	b.start()
	c := brokertest.Dial(t, broker.Addr())
	c.Subscribe("out/#", 1)
	// comes publishes until an output comes on a topic: the reload is seen by what it does.
	comes := func(topic string) {
		t.Helper()
		for range 1000 {
			c.Publish(topicOf(1), payloadOf(1, 1), 1)
			if c.Next().Topic == topic {
				return
			}
		}
		t.Fatalf("nothing comes on %s", topic)
	}
	comes("out/one")
	b.write("rules/rules.yaml", rule(`{to: out, topic: out/two}`))
	comes("out/two")

	// A bad file changes nothing, and says why.
	b.write("rules/bad.yaml", "rules:\n  other: {source: in, when: paylod, route: [{to: out, topic: x}]}\n")
	b.until("the error is shown", func() bool { _, body := b.get("/v1/config"); return strings.Contains(body, "did you mean payload") })
	if _, body := b.get("/v1/config"); !strings.Contains(body, `"line":2`) && !strings.Contains(body, `"line": 2`) {
		t.Errorf("config %s", body)
	}
	comes("out/two")
	b.write("rules/bad.yaml", strings.Replace(rule(`{to: out, topic: out/three}`), "  pass:", "  other:", 1))
	comes("out/three")
	b.until("the error is gone", func() bool {
		_, body := b.get("/v1/config")
		return strings.Contains(body, `"error":null`) || strings.Contains(body, `"error": null`)
	})

	// A file that goes takes its rules along; an empty folder is an error and changes nothing.
	if err := os.Remove(b.path("rules/bad.yaml")); err != nil {
		t.Fatal(err)
	}
	b.until("the rule is gone", func() bool { _, body := b.get("/v1/rules"); return !strings.Contains(body, `"other"`) })
	if err := os.RemoveAll(b.path("rules")); err != nil {
		t.Fatal(err)
	}
	b.until("the error is shown", func() bool {
		_, body := b.get("/v1/config")
		return !strings.Contains(body, `"error":null`) && !strings.Contains(body, `"error": null`)
	})
	b.write("rules/rules.yaml", rule(`{to: out, topic: out/four}`))
	comes("out/four")

	// A new sink of edge.yaml works without a restart.
	b.write("edge.yaml", source(broker.URL())+"sinks:\n  out: {mqtt: {source: in, qos: 1}}\n  second: {mqtt: {source: in, qos: 1}}\nhttp: {listen: 127.0.0.1:0}\nlog: {level: debug}\nstate: {dir: state}\n")
	b.write("rules/rules.yaml", rule(`{to: second, topic: out/five}`))
	comes("out/five")
	b.stop()
}

func TestSecretsAreShownNowhere(t *testing.T) {
	const canary = "canary-7f3a91c2"
	config := fmt.Sprintf(`
sources: {in: {mqtt: {url: "mqtt://127.0.0.1:%d", client_id: edge, username: u, password: %s-1}}}
sinks:
  a: {nats: {url: "nats://user:%s-2@127.0.0.1:%d", token: %s-3}}
  b: {http: {url: "http://127.0.0.1:%d/x?token=%s-6", bearer_token: %s-4}}
  c: {mqtt: {url: "mqtt://127.0.0.1:%d", client_id: other, username: u, password: "${SECRET}"}}
`, brokertest.FreePort(t), canary, canary, brokertest.FreePort(t), canary, brokertest.FreePort(t), canary, canary, brokertest.FreePort(t))
	config = strings.Replace(config, ", token: "+canary+"-3", "", 1)
	b := newBox(t, config, rule(`{to: [a, b, c], subject: x, topic: x}`))
	b.env = []string{"SECRET=" + canary + "-5"}
	b.launch()
	b.until("attempts were logged", func() bool { return strings.Contains(b.log.String(), "in") && strings.Count(b.log.String(), "\n") > 5 })
	said := b.log.String()
	for _, path := range []string{"/metrics", "/v1/config", "/v1/rules", "/readyz"} {
		_, body := b.get(path)
		said += body
	}
	b.stop()
	said += b.log.String()
	if at := strings.Index(said, canary); at >= 0 {
		t.Errorf("a secret is shown: …%s…", said[max(0, at-200):min(len(said), at+100)])
	}
}
