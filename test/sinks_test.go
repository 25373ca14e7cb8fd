package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"edge/internal/brokertest"
)

// source is the connection that most scenarios have.
func source(url string) string {
	return fmt.Sprintf("sources: {in: {mqtt: {url: %q, client_id: edge}}}\n", url)
}

// rule is the one that most scenarios run; route is where to.
func rule(route string) string {
	return `
rules:
  pass:
    source: in
    topic: hospital/{site}/device/{id}/status
    when: payload.dataType == "ROBOT"
    map: {id: payload.id, seq: payload.seq, x: payload.coordinates.x * 2}
    id: params.id + "/" + string(payload.seq)
    headers: {X-Site: params.site}
    route: [` + route + `]
`
}

func mosquitto(t testing.TB) *brokertest.Mosquitto {
	t.Helper()
	return brokertest.StartMosquitto(t, "max_queued_messages 0")
}

func TestMQTTToMQTT(t *testing.T) {
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {mqtt: {source: in, qos: 1}}}", rule(`{to: out, topic: "out/{{ params.site }}/{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 7)
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(5000)
	o.check(false)
	b.settled("pass", 5000)
	b.stop()
}

// settled waits until a rule has delivered n messages and none is in flight.
func (b *box) settled(rule string, n int64) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s has delivered %d", rule, n), func() bool {
		book := b.book(rule)
		return book.Delivered >= n && book.InFlight == 0
	})
	if book := b.book(rule); book.Delivered != n {
		b.t.Errorf("book %+v, want %d delivered", book, n)
	}
}

// natsServer starts a NATS server with JetStream in this process. It keeps its data over a restart.
func natsServer(t testing.TB, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func natsClient(t testing.TB, url string) *nats.Conn {
	t.Helper()
	c, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestMQTTToNATS(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	o := newOracle(t, 7)
	client := natsClient(t, s.ClientURL())
	if _, err := client.Subscribe("pose.H1.>", func(m *nats.Msg) {
		o.saw(m.Data)
		if m.Header.Get("X-Site") != "H1" || !strings.HasPrefix(m.Header.Get("Nats-Msg-Id"), "r-") {
			t.Errorf("headers %v", m.Header)
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

// readStream hands all of a stream to the oracle and gives how many messages it has.
func readStream(t testing.TB, url string, o *oracle) int {
	t.Helper()
	js, err := jetstream.New(natsClient(t, url))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), "OUT", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "OUT")
	if err != nil {
		t.Fatal(err)
	}
	n := int(stream.CachedInfo().State.Msgs)
	for read := 0; read < n; {
		batch, err := consumer.Fetch(n-read, jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			o.saw(m.Data())
			read++
		}
		if batch.Error() != nil {
			t.Fatal(batch.Error())
		}
	}
	return n
}

func makeStream(t testing.TB, url string) {
	t.Helper()
	js, err := jetstream.New(natsClient(t, url))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OUT", Subjects: []string{"pose.>"}}); err != nil {
		t.Fatal(err)
	}
}

func TestMQTTToJetStreamOverARestartOfNATS(t *testing.T) {
	broker := mosquitto(t)
	port := brokertest.FreePort(t)
	dir := t.TempDir()
	s := natsServer(t, dir, port)
	makeStream(t, s.ClientURL())
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {nats: {url: %q, jetstream: true}}}", s.ClientURL()), rule(`{to: out, subject: "pose.{{ params.site }}.{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 7)
	p := o.publisher(broker.Addr())
	p.publish(1000)
	s.Shutdown()
	s.WaitForShutdown()
	p.publish(1000)
	s = natsServer(t, dir, port)
	p.publish(1000)
	b.settled("pass", 3000)
	readStream(t, s.ClientURL(), o)
	o.check(false)
	b.stop()
}

func TestMQTTToHTTPOverAnOutage(t *testing.T) {
	broker := mosquitto(t)
	o := newOracle(t, 7)
	var mu sync.Mutex
	answers := []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if len(answers) > 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(answers[0])
			answers = answers[1:]
			return
		}
		if r.URL.Path != "/base/r" || r.Header.Get("X-Site") != "H1" || !strings.HasPrefix(r.Header.Get("Idempotency-Key"), "r-") {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		o.saw(body)
	}))
	defer web.Close()
	b := newBox(t, source(broker.URL())+fmt.Sprintf("sinks: {out: {http: {url: %q}, retry: {backoff: 20ms..200ms}}}", web.URL+"/base"), rule(`{to: out, path: /r}`))
	b.start()
	p := o.publisher(broker.Addr())
	p.publish(700)
	o.complete()
	mu.Lock()
	answers = []int{500, 500, 503}
	mu.Unlock()
	p.publish(700)
	o.check(false)
	b.settled("pass", 1400)
	b.stop()
}

func TestMQTTToFileAndFanOut(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	makeStream(t, s.ClientURL())
	config := source(broker.URL()) + fmt.Sprintf("sinks:\n  live: {mqtt: {source: in, qos: 1}}\n  js: {nats: {url: %q, jetstream: true}}\n  out: {file: {path: out.jsonl}}", s.ClientURL())
	b := newBox(t, config, rule(`{to: [live, js, out], topic: "out/{{ out.id }}", subject: "pose.{{ out.id }}"}`))
	b.start()
	live, js, file := newOracle(t, 5), newOracle(t, 5), newOracle(t, 5)
	live.watch(broker.Addr(), "out/#")
	live.publisher(broker.Addr()).publish(1000)
	live.check(false)
	b.settled("pass", 1000) // one message, three sinks: it counts once
	copy(js.sent, live.sent)
	copy(file.sent, live.sent)
	readStream(t, s.ClientURL(), js)
	js.check(false)
	for line := range strings.Lines(b.read("out.jsonl")) {
		file.saw([]byte(strings.TrimSpace(line)))
	}
	file.check(false)
	b.stop()
}

func TestNothingIsAcknowledgedBeforeEverySinkHasIt(t *testing.T) {
	broker := mosquitto(t)
	closed := brokertest.FreePort(t)
	config := source(broker.URL()) + fmt.Sprintf("sinks:\n  live: {mqtt: {source: in, qos: 1}}\n  away: {http: {url: \"http://127.0.0.1:%d\"}}", closed)
	b := newBox(t, config, rule(`{to: [live, away], topic: "out/{{ out.id }}"}`))
	b.start()
	o := newOracle(t, 1)
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(10)
	o.complete() // one of the sinks has all
	if book := b.book("pass"); book.InFlight != 10 || book.Delivered != 0 {
		t.Errorf("book %+v", book)
	}
	b.kill()
	b.start() // the broker has got no acknowledgement, so all come again
	b.until("all came again", func() bool { return o.count() == 20 })
	b.kill()
}

func TestBadInputHarmsOnlyItself(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_queued_messages 0", "max_packet_size 20000000")
	b := newBox(t, source(broker.URL())+"sinks:\n  out: {file: {path: out.jsonl}}\n  dead: {file: {path: dead.jsonl}}\n",
		strings.Replace(rule(`{to: out}`), "    headers:", "    on_error: {to: dead}\n    headers:", 1))
	b.start()
	c := brokertest.Dial(t, broker.Addr())
	bad := map[string]string{
		"bad_payload":   "{\"dataType\":",
		"missing_field": `{"dataType":"ROBOT","id":"r-0"}`,
		"wrong_type":    `{"dataType":"ROBOT","id":"r-0","coordinates":{"x":"a"}}`,
		"too_large":     strings.Repeat("x", 10<<20),
		"overflow":      `{"dataType":"ROBOT","id":"r-0","coordinates":{"x":9223372036854775807}}`,
	}
	for _, payload := range bad {
		c.Publish(topicOf(0), payload, 1)
	}
	c.Publish(topicOf(0), strings.Repeat("[", 100_000), 1)
	c.Publish(topicOf(0), "\xff\xfe", 1)
	c.Publish(topicOf(0), payloadOf(0, 0), 1)
	b.settled("pass", 1)
	want := len(bad) + 2
	b.until("all letters are there", func() bool { return strings.Count(b.read("dead.jsonl"), "\n") == want })
	got := map[string]int{}
	for line := range strings.Lines(b.read("dead.jsonl")) {
		var letter struct{ Class, Payload, Payload_base64, Rule, Topic string }
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatal(err)
		}
		got[letter.Class]++
		if letter.Rule != "pass" || letter.Topic != topicOf(0) || bad[letter.Class] != letter.Payload && letter.Class != "bad_payload" {
			t.Errorf("letter %.200s", line)
		}
	}
	for class := range bad {
		if got[class] == 0 {
			t.Errorf("no letter of class %s: %v", class, got)
		}
	}
	b.stop()
}
