package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
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

// toSource is an edge.yaml whose one sink publishes over the source's connection.
func toSource(url string) string {
	return source(url) + "sinks: {out: {mqtt: {source: in, qos: 1}}}\n"
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

const toOut = `{to: out, topic: "out/{{ out.id }}"}`

func mosquitto(t testing.TB, lines ...string) *brokertest.Mosquitto {
	t.Helper()
	return brokertest.StartMosquitto(t, append([]string{"max_queued_messages 0"}, lines...)...)
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
	t.Cleanup(func() { stopNATS(s) })
	return s
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
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

// makeStream makes the stream OUT on pose.>.
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

// readStream hands all of the stream OUT to the oracle.
func readStream(t testing.TB, url string, o *oracle) {
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
}

// A web is an HTTP server that tells an oracle what it is sent. It takes each Idempotency-Key once, as the
// services do that edge is made for, and keeps its port over down and up.
type web struct {
	t     testing.TB
	o     *oracle
	port  int
	http  *http.Server
	mu    sync.Mutex
	keys  map[string]bool
	again int                                                            // requests whose key was known
	fault func(w http.ResponseWriter, r *http.Request, body string) bool // it has answered instead; nil is never
}

func newWeb(t testing.TB, o *oracle) *web {
	w := &web{t: t, o: o, port: brokertest.FreePort(t), keys: map[string]bool{}}
	t.Cleanup(w.down)
	w.up()
	return w
}

func (w *web) url() string { return fmt.Sprintf("http://127.0.0.1:%d", w.port) }

func (w *web) up() {
	w.t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.port))
	if err != nil {
		w.t.Fatal(err)
	}
	w.http = &http.Server{Handler: w}
	go w.http.Serve(l)
}

// down closes the listener and cuts all connections, requests or not.
func (w *web) down() { w.http.Close() }

// repeats is how many requests had a key that was known.
func (w *web) repeats() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.again
}

// answers sets what stands between a request and the oracle.
func (w *web) answers(fault func(w http.ResponseWriter, r *http.Request, body string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut
	}
	w.mu.Lock()
	fault := w.fault
	w.mu.Unlock()
	if fault != nil && fault(out, r, string(body)) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if w.keys[key] {
		w.again++
		return
	}
	w.keys[key] = true
	w.o.saw(body)
}
