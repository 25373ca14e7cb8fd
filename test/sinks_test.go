package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Each kind of sink gets the values, and the address and headers, that the rule makes.

func TestMQTTToMQTT(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), rule(`{to: out, topic: "out/{{ params.site }}/{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 7)
	o.tell = func(topic string, payload []byte) {
		if device, _, _ := identify(string(payload)); topic != fmt.Sprintf("out/H1/r-%d", device) {
			t.Errorf("%s on %s", payload, topic)
		}
		o.saw(payload)
	}
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(5000)
	o.check(false)
	b.settled("pass", 5000)
	b.stop()
}

func TestMQTTToNATS(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	o := newOracle(t, 7)
	client := natsClient(t, s.ClientURL())
	if _, err := client.Subscribe("pose.H1.>", func(m *nats.Msg) {
		defer o.saw(m.Data) // last: then the test may end
		device, seq, _ := identify(string(m.Data))
		if m.Subject != fmt.Sprintf("pose.H1.r-%d", device) || m.Header.Get("X-Site") != "H1" || m.Header.Get("Nats-Msg-Id") != fmt.Sprintf("r-%d/%d", device, seq) {
			t.Errorf("%s on %s: headers %v", m.Data, m.Subject, m.Header)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {nats: {url: %q}}}", s.ClientURL()), rule(`{to: out, subject: "pose.{{ params.site }}.{{ out.id }}"}`))
	b.start()
	o.publisher(broker.Addr()).publish(3000)
	o.check(false)
	b.settled("pass", 3000)
	b.stop()
}

func TestMQTTToJetStream(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	makeStream(t, s.ClientURL())
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {nats: {url: %q, jetstream: true}}}", s.ClientURL()), rule(`{to: out, subject: "pose.{{ params.site }}.{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 7)
	o.publisher(broker.Addr()).publish(3000)
	b.settled("pass", 3000)
	readStream(t, s.ClientURL(), o)
	o.check(false)

	js, err := jetstream.New(natsClient(t, s.ClientURL()))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "OUT")
	if err != nil {
		t.Fatal(err)
	}
	last, err := stream.GetLastMsgForSubject(t.Context(), "pose.H1.r-3")
	if err != nil {
		t.Fatal(err)
	}
	_, seq, _ := identify(string(last.Data))
	if last.Header.Get("X-Site") != "H1" || last.Header.Get("Nats-Msg-Id") != fmt.Sprintf("r-3/%d", seq) {
		t.Errorf("%s: headers %v", last.Data, last.Header)
	}
	b.stop()
}

func TestMQTTToHTTP(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 7)
	w := newWeb(t, o)
	w.answers(func(_ http.ResponseWriter, r *http.Request, body string) bool {
		device, seq, _ := identify(body)
		if r.Method != "PUT" || r.URL.Path != fmt.Sprintf("/base/H1/r-%d", device) || r.Header.Get("X-Site") != "H1" ||
			r.Header.Get("Idempotency-Key") != fmt.Sprintf("r-%d/%d", device, seq) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v: %s", r.Method, r.URL, r.Header, body)
		}
		return false
	})
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {http: {method: PUT, url: %q}}}", w.url()+"/base"), rule(`{to: out, path: "/{{ params.site }}/{{ out.id }}"}`))
	b.start()
	o.publisher(broker.Addr()).publish(1000)
	o.check(false)
	b.settled("pass", 1000)
	b.stop()
}

func TestMQTTToFile(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {file: {path: out.jsonl}}}", rule(`{to: out}`))
	b.start()
	o := newOracle(t, 7)
	o.publisher(broker.Addr()).publish(1000)
	b.settled("pass", 1000)
	o.sawFile(b.read("out.jsonl"))
	o.check(false)
	b.stop()
}

// sawFile notes all lines of a file sink.
func (o *oracle) sawFile(text string) {
	for line := range strings.Lines(text) {
		o.saw([]byte(strings.TrimSpace(line)))
	}
}
