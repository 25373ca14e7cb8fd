package test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"edge/internal/brokertest"
)

// TestStartsWithEverythingDown: nothing that edge talks to is there. It starts, says so, and heals by itself as one
// after the other comes.
func TestStartsWithEverythingDown(t *testing.T) {
	broker := mosquitto(t)
	broker.Stop()
	live := newOracle(t, 3)
	js, api := live.twin(), live.twin()
	w := newWeb(t, api)
	w.down()
	port := brokertest.FreePort(t)
	config := source(broker.URL()) + fmt.Sprintf("sinks:\n  live: {mqtt: {source: in, qos: 1}}\n  js: {nats: {url: \"nats://127.0.0.1:%d\", jetstream: true}}\n  api: {http: {url: %q}}\n", port, w.url())
	b := newBox(t, config, rule(`{to: [live, js, api], topic: "out/{{ out.id }}", subject: "pose.{{ out.id }}"}`))
	b.launch()
	b.runs()
	if code, body := b.get("/readyz"); code != 503 || !strings.Contains(body, "source in: not connected") {
		t.Errorf("readyz %d without a broker: %s", code, body)
	}
	if code, _ := b.get("/healthz"); code != 200 {
		t.Errorf("healthz %d", code)
	}
	broker.Start()
	b.ready()
	live.watch(broker.Addr(), "out/#")
	p := live.publisher(broker.Addr())
	p.publish(30)
	live.check(false)
	w.up()
	api.check(false)
	s := natsServer(t, t.TempDir(), port) // and its stream is not there yet
	makeStream(t, s.ClientURL())
	b.settled("pass", 30)
	p.publish(3)
	b.settled("pass", 33)
	readStream(t, s.ClientURL(), js)
	js.check(false)
	live.check(false)
	api.check(false)
	b.stop()
}

func TestRunForAWhile(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {stdout: {}}}", rule(`{to: out}`))
	began := time.Now()
	b.launch("--for", "2s")
	b.ended()
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it ended after %v", took)
	}
	if !strings.Contains(b.log.String(), "--for is over") {
		t.Error("it does not say why it ended")
	}
}

// TestStartWithBadFiles: nothing runs that lint would refuse. Where a set has run before, that one runs again: a box
// that lost power in the middle of an edit must come up.
func TestStartWithBadFiles(t *testing.T) {
	broker := mosquitto(t)
	good := to("good")
	b := newBox(t, toSource(broker.URL()), strings.Replace(good, "payload.id", "paylod.id", 1))
	b.write("rules/more.yaml", "rules: {x: {source: no, route: [{to: nowhere}]}}\n")
	out, err := exec.Command(binary, "run", "-c", b.path("edge.yaml"), "-r", b.path("rules")).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit 1", err)
	}
	for _, want := range []string{"did you mean payload?", "rules/more.yaml:1:", "nowhere"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("edge does not say %q:\n%s", want, out)
		}
	}

	b.write("rules/rules.yaml", good)
	if err := os.Remove(b.path("rules/more.yaml")); err != nil {
		t.Fatal(err)
	}
	b.start()
	p := newProbe(b, broker.Addr())
	p.comes("out/good")
	b.kill()
	b.overwrite("rules/rules.yaml", good[:len(good)/2])
	b.start()
	if b.config().Error == nil {
		t.Error("/v1/config shows no error")
	}
	p.comes("out/good")
	b.write("rules/rules.yaml", to("better"))
	p.comes("out/better")
	b.until("the error is gone", func() bool { return b.config().Error == nil })
	b.stop()
}
