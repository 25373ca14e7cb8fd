package test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// durableRule counts, for each device, the messages that it has not seen yet: so message n is the n-th, whatever
// happens to edge.
const durableRule = `
rules:
  pass:
    source: in
    topic: hospital/{site}/device/{id}/status
    key: payload.id
    durable: true
    dedupe: {by: payload.seq, within: 1h}
    state:
      n:
        value: (state.n ?? 0) + 1
    map:
      id: payload.id
      seq: payload.seq
      n: (state.n ?? 0) + 1
    route: [{to: out, topic: "out/{{ out.id }}"}]
`

func countedOf(device, n int) string {
	return fmt.Sprintf(`{"id":"r-%d","seq":%d,"n":%d}`, device, n, n+1)
}

// TestDurableKills cuts the power ten times under load: no message is lost, none is counted twice, and none is
// suppressed by its own first pass.
func TestDurableKills(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), durableRule)
	o := newOracle(t, 5)
	o.want = countedOf
	o.watch(broker.Addr(), "out/#")
	b.start()
	for i := range 10 {
		before := o.count()
		done := o.publisher(broker.Addr()).background(600)
		waitFor(t, "some came out", func() bool { return o.count() > before+37*i })
		b.kill()
		if i%4 == 3 { // and once more while it starts
			b.launch()
			b.kill()
		}
		<-done
		b.start()
	}
	o.publisher(broker.Addr()).publish(5)
	o.check(true)
	b.balanced("pass")
	b.stop()
}

// TestDurableStops: what is held is on disk and acknowledged before edge ends, so that nothing comes twice.
func TestDurableStops(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), durableRule)
	o := newOracle(t, 5)
	o.want = countedOf
	o.watch(broker.Addr(), "out/#")
	b.start()
	for i := range 10 {
		before := o.count()
		done := o.publisher(broker.Addr()).background(300)
		waitFor(t, "some came out", func() bool { return o.count() > before+11*i })
		b.stop()
		<-done
		b.start()
		if n := b.metric("edge_state_damaged_places"); n != 0 {
			t.Errorf("%v places are damaged", n)
		}
	}
	o.publisher(broker.Addr()).publish(5)
	o.check(false)
	if book := b.book("pass"); book.Suppressed != 0 {
		t.Errorf("book %+v: something came twice", book)
	}
	b.stop()
}

// TestDurableDiskFull: while the disk is full nothing is acknowledged and it is told; when there is room it goes on.
func TestDurableDiskFull(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), durableRule)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "none", mkdir(t, b.path("state"))).CombinedOutput(); err != nil {
		t.Skipf("no small disk to be had here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", b.path("state")).Run() })
	o := newOracle(t, 5)
	o.want = countedOf
	o.watch(broker.Addr(), "out/#")
	b.start()
	o.publisher(broker.Addr()).publish(20)
	b.settled("pass", 20)
	filler := b.path("state/filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // as much as there is room for
	o.publisher(broker.Addr()).publish(300)
	b.until("it is told", func() bool {
		_, body := b.get("/readyz")
		return strings.Contains(body, "no space left") && b.metric("edge_state_failing") == 1
	})
	if n := b.metric("edge_in_flight_messages"); n == 0 {
		t.Error("acknowledged what is not on disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.until("it goes on", func() bool { return b.metric("edge_state_failing") == 0 && b.metric("edge_in_flight_messages") == 0 })
	o.check(false)
	b.stop()
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDurableDamagedFile: edge starts on whatever is in the file, and says so.
func TestDurableDamagedFile(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), durableRule)
	b.write("state/state/log", "these are not the bytes that edge has written")
	o := newOracle(t, 2)
	o.want = countedOf
	o.watch(broker.Addr(), "out/#")
	b.start()
	if !strings.Contains(b.log.String(), "rules start empty") {
		t.Errorf("edge does not say that the state is damaged")
	}
	o.publisher(broker.Addr()).publish(10)
	o.check(false)

	second := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in}}}\n", durableRule)
	config := strings.Replace(second.read("edge.yaml"), "{dir: state}", "{dir: "+b.path("state")+"}", 1)
	second.write("edge.yaml", config)
	out, err := exec.Command(binary, "run", "-c", second.path("edge.yaml"), "-r", second.path("rules")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is in use by another edge") {
		t.Errorf("a second edge runs on the same state: %v\n%s", err, out)
	}
	b.stop()
}
