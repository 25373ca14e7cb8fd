package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func diskSink(url string) string {
	return fmt.Sprintf("sinks:\n  out:\n    http: {url: %q}\n    retry: {backoff: 20ms..200ms}\n    buffer: {type: disk, max_size: 64MiB}\n  dead: {file: {path: dead.jsonl}}\n", url)
}

// TestDiskBuffer: the server is away, and all is settled nevertheless; then edge is killed. What was acknowledged is
// on disk, and comes when both are back, in order for each device. What the server refuses then is still a dead
// letter, with the original payload.
func TestDiskBuffer(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 7)
	w := newWeb(t, o)
	w.down()
	b := newBox(t, source(broker.URL())+diskSink(w.url()),
		strings.Replace(rule(`{to: out}`), "    headers:", "    on_error: {to: dead}\n    headers:", 1))
	b.start()
	p := o.publisher(broker.Addr())
	p.publish(2000)
	b.settled("pass", 2000)
	b.until("nothing is in flight", func() bool { return b.metric("edge_in_flight_messages") == 0 })
	if n := b.metric(`edge_sink_disk_messages{sink="out"}`); n != 2000 {
		t.Errorf("%v on disk", n)
	}
	t.Logf("%v syncs for 2000 messages", b.metric(`edge_sink_disk_syncs_total{sink="out"}`))
	if o.count() > 0 {
		t.Errorf("%d came", o.count())
	}
	b.kill()

	b.start()
	if n := b.metric(`edge_sink_disk_messages{sink="out"}`); n != 2000 {
		t.Errorf("%v on disk after the kill", n)
	}
	w.up()
	o.check(false) // none of them was delivered before the kill
	before := b.metric(`edge_sink_disk_synced_total{sink="out"}`)
	p.publish(700)
	o.check(false)
	t.Logf("%v of 700 messages were written while the server was there", b.metric(`edge_sink_disk_synced_total{sink="out"}`)-before)
	b.until("the disk is empty", func() bool { return b.metric(`edge_sink_disk_messages{sink="out"}`) == 0 })

	// Refused long after it was settled, by an edge that never saw the original.
	w.down()
	p.publish(7)
	b.settled("pass", 707)
	b.stop()
	w.answers(func(out http.ResponseWriter, r *http.Request, body string) bool {
		if device, _, _ := identify(body); device != 3 {
			return false
		}
		out.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	})
	w.up()
	b.start()
	b.until("the refused one is a dead letter", func() bool { return strings.HasSuffix(b.read("dead.jsonl"), "\n") })
	var letter struct{ Rule, Class, Payload, Source string }
	if err := json.Unmarshal([]byte(b.read("dead.jsonl")), &letter); err != nil {
		t.Fatal(err)
	}
	each, _ := o.published()
	if letter.Rule != "pass" || letter.Class != "rejected" || letter.Source != "in" || letter.Payload != payloadOf(3, each[3]-1) {
		t.Errorf("letter %+v", letter)
	}
	b.stop()
}

// TestDiskBufferTenKills cuts the power under load, with a server that comes and goes: nothing is lost, and each
// device's messages keep their order.
func TestDiskBufferTenKills(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 5)
	w := newWeb(t, o)
	b := newBox(t, source(broker.URL())+diskSink(w.url()), rule(`{to: out}`))
	b.start()
	for i := range 10 {
		away := i%3 == 1
		if away {
			w.down()
		}
		before := o.count()
		done := o.publisher(broker.Addr()).background(500)
		if away {
			b.until("some are on disk", func() bool { return b.metric(`edge_sink_disk_messages{sink="out"}`) > float64(20*i) })
		} else {
			waitFor(t, "some came out", func() bool { return o.count() > before+11*i })
		}
		b.kill()
		<-done
		if away {
			w.up()
		}
		b.start()
	}
	o.publisher(broker.Addr()).publish(5)
	o.check(true)
	b.balanced("pass")
	b.until("the disk is empty", func() bool { return b.metric(`edge_sink_disk_messages{sink="out"}`) == 0 })
	t.Logf("the HTTP server was sent %d of them again", w.repeats())
	b.stop()
}

// TestDiskBufferReload: a sink in the middle of an outage is mended by a reload, removed with messages waiting and
// brought back; its buffer goes with its name.
func TestDiskBufferReload(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 5)
	w := newWeb(t, o)
	b := newBox(t, "", rule(`{to: out}`))
	b.write("edge.yaml", source(broker.URL())+diskSink("http://127.0.0.1:1")+common)
	b.start()
	p := o.publisher(broker.Addr())
	p.publish(1000)
	b.settled("pass", 1000)

	b.reloads(func() {
		b.write("rules/rules.yaml", rule(`{to: dead}`))
		b.write("edge.yaml", source(broker.URL())+"sinks:\n  dead: {file: {path: dead.jsonl}}\n"+common)
	})
	b.stop()
	b.start()
	if _, body := b.get("/v1/config"); !strings.Contains(body, `"buffers_without_sink"`) {
		t.Errorf("/v1/config does not name the buffer that was left: %s", body)
	}
	b.reloads(func() { b.write("edge.yaml", source(broker.URL())+diskSink(w.url())+common) })
	o.check(false)
	b.reloads(func() { b.write("rules/rules.yaml", rule(`{to: out}`)) })
	p.publish(500)
	o.check(false)
	b.stop()
	if left, _ := filepath.Glob(b.path("state/buffers/out.http/*.log")); len(left) > 0 {
		t.Errorf("left on disk: %v", left)
	}
}

// TestDiskBufferLarge: an edge with much on disk starts at once and does not read it all into memory.
func TestDiskBufferLarge(t *testing.T) {
	b := newBox(t, source("mqtt://127.0.0.1:1")+diskSink("http://127.0.0.1:1"), rule(`{to: out}`))
	copies(t, b.path("state/buffers/out.http"), 1<<30)
	began := time.Now()
	b.launch()
	took, cpu := time.Since(began), b.metric("process_cpu_seconds_total") // that a busy machine does not add to
	b.until("the sink is tried", func() bool {
		_, body := b.get("/metrics")
		return strings.Contains(body, "edge_sink_up{sink=\"out\"} 0\n")
	})
	rss := b.metric("process_resident_memory_bytes")
	t.Logf("%v messages in %v bytes on disk; started in %v, uses %.1f MiB", b.metric(`edge_sink_disk_messages{sink="out"}`),
		b.metric(`edge_sink_disk_bytes{sink="out"}`), took, rss/(1<<20))
	if cpu > 2 || rss > 64<<20 {
		t.Errorf("started in %v with %v s of CPU and %v bytes", took, cpu, rss)
	}
	b.stop()
}

// copies fills a buffer with copies of one segment, each with a hole behind it, so that they take no room.
func copies(t *testing.T, folder string, size int) {
	t.Helper()
	found, err := filepath.Glob("../engine/testdata/disk-v1/s.test/*.log")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	_, salt, _ := strings.Cut(filepath.Base(found[0]), "-")
	const each = 4 << 20
	for i := range size / each {
		name := filepath.Join(folder, fmt.Sprintf("%016x-%s", 7+i*20000, salt))
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, each); err != nil {
			t.Fatal(err)
		}
	}
}
