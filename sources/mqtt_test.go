package sources_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/brokertest"
	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
	"edge/sources"
)

// An engine that takes as many messages as it has room for, and settles them when told to.
type fake struct {
	t   *testing.T
	got chan *engine.Message

	mu   sync.Mutex
	room int
}

func (f *fake) next(m *engine.Message) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room == 0 {
		return false
	}
	f.room--
	f.got <- m
	return true
}

func (f *fake) settle(m *engine.Message) {
	f.makeRoom(1)
	m.Done()
}

func (f *fake) makeRoom(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room += n
}

func (f *fake) want(payload string) *engine.Message {
	f.t.Helper()
	select {
	case m := <-f.got:
		if string(m.Payload) != payload {
			f.t.Fatalf("got %.20q, want %.20q", m.Payload, payload)
		}
		return m
	case <-time.After(brokertest.Patience):
		f.t.Fatalf("%.20q did not come", payload)
		return nil
	}
}

type running struct {
	*fake
	src  *sources.MQTTSource
	stop func() // ends Run and waits for it
}

func run(t *testing.T, conf string, room int, filters ...string) *running {
	t.Helper()
	src, err := parse(t, conf).Open("hospital", sources.Deps{Log: slog.New(slog.DiscardHandler), InflightMessages: 1000})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{fake: &fake{t: t, room: room, got: make(chan *engine.Message, 100_000)}, src: src.(*sources.MQTTSource)}
	if err := src.Subscribe(t.Context(), filters); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, r.next) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		src.Close()
	})
	r.wait("subscribed", func() bool { return r.src.Stats().Subscribed })
	return r
}

func (r *running) wait(what string, is func() bool) {
	r.t.Helper()
	deadline := time.After(brokertest.Patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("never: %s; %+v", what, r.src.Stats())
		}
	}
}

func load(t *testing.T, yaml string) (*sources.Config, error) {
	t.Helper()
	var errs strictyaml.Errors
	var c sources.Config
	l := strictyaml.Loader{}
	if n := l.Parse("edge.yaml", []byte(yaml), &errs); n != nil {
		l.Decode("edge.yaml", n, &c, &errs)
	}
	return &c, errs.Err()
}

func parse(t *testing.T, yaml string) *sources.Config {
	t.Helper()
	c, err := load(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfig(t *testing.T) {
	c := parse(t, `
mqtt:
  url: [mqtt://a, "wss://b/mqtt"]
  client_id: edge-ward
  username: edge
  password: secret
  topics: [hospital/#]
  qos: 0
  keepalive: 15s
  connect_timeout: 60s
  session_expiry: 7d
  receive_maximum: 20
  max_packet_size: 1MiB
  clean_start: true
  share: wards
  will: {topic: online/edge, payload: "false", qos: 1, retain: true}
  user_properties: {site: H1}
  tls: {server_name: broker}
`)
	m := c.MQTT
	if c.Kind() != "mqtt" || len(m.URL) != 2 || m.ClientID != "edge-ward" || m.Password.Reveal() != "secret" || *m.QoS != 0 ||
		m.SessionExpiry != 7*24*time.Hour || m.MaxPacketSize != 1<<20 || m.Will.QoS != 1 || c.Topics()[0] != "hospital/#" {
		t.Errorf("%+v", m)
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct{ yaml, want string }{
		{"mqtt: {client_id: x}", `url`},
		{"mqtt: {url: tcp://a}", `edge.yaml:1:13: url: scheme "tcp" is not known, write mqtt or mqtts`},
		{"mqtt: {url: mqtt://a, qos: 3}", "edge.yaml:1:28: qos wants 0, 1 or 2, not 3"},
		{"mqtt: {url: mqtt://a, keepalive: 1ms}", "edge.yaml:1:34: keepalive wants 1s to 18h12m15s"},
		{"mqtt: {url: mqtt://a, topics: [a/#/b]}", `topic filter "a/#/b": # must stand alone at the end`},
		{"mqtt: {url: mqtt://a, receive_maximum: 70000}", "receive_maximum wants 1 to 65535"},
		{"mqtt: {url: mqtt://a, share: a/b}", "share wants the name of a group"},
		{"mqtt: {url: mqtt://a, will: {topic: a/+}}", `will: topic "a/+" holds +`},
		{"mqtt: {url: mqtt://a, clientid: x}", "client_id"},
		{"mqtt: {url: []}", `"url" is an empty list`},
		{"mqtt: {url: mqtts://a, tls: {ca_file: /not/there}}", `"ca_file" cannot be read: /not/there: no such file`},
		{"mqtt: {url: mqtts://a, tls: {cert_file: /dev/null}}", "tls: cert_file needs a key_file"},
	}
	for _, test := range tests {
		if _, err := load(t, test.yaml); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s:\n got %v\nwant %s", test.yaml, err, test.want)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := parse(t, "mqtt: {url: mqtts://a, tls: {ca_file: "+empty+"}}")
	if _, err := c.Open("x", sources.Deps{}); err == nil || !strings.Contains(err.Error(), "source x: mqtt: tls: ca_file "+empty) {
		t.Error(err)
	}
}

func TestMessageToSettlement(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	r := run(t, "mqtt: {url: "+broker.URL()+"}", 100, "hospital/+/status")
	pub := brokertest.Dial(t, broker.Addr())
	pub.Publish("hospital/r-1/status", `{"id":1}`, 1)
	m := r.want(`{"id":1}`)
	if m.Topic != "hospital/r-1/status" || m.Key != m.Topic || m.Meta.Source != "hospital" || m.Meta.QoS != 1 || m.Received.IsZero() {
		t.Errorf("%s %+v", m.Topic, m.Meta)
	}
	if n := r.src.Stats().InFlight; n != 1 {
		t.Errorf("%d in flight", n)
	}
	m.Settle(engine.Failed) // any outcome is one
	r.wait("acknowledged", func() bool { return r.src.Stats().InFlight == 0 })
}

// Where the engine has no room, QoS 1 waits here and goes on as soon as there is some; QoS 0 is dropped.
func TestNoRoom(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	r := run(t, "mqtt: {url: "+broker.URL()+", qos: 2, receive_maximum: 200}", 3, "a")
	pub := brokertest.Dial(t, broker.Addr())
	for i := range 50 {
		pub.Publish("a", fmt.Sprint(i), byte(1+i%2))
	}
	pub.Publish("a", "dropped", 0)
	r.wait("QoS 0 dropped", func() bool { return r.src.Stats().Overload == 1 })
	if s := r.src.Stats(); s.Waiting != 47 || s.InFlight != 50 {
		t.Errorf("%+v", s)
	}
	for i := range 50 {
		r.settle(r.want(fmt.Sprint(i)))
	}
	r.wait("all settled", func() bool { return r.src.Stats().InFlight == 0 })
	pub.Publish("a", "not dropped", 0)
	r.want("not dropped")
	if s := r.src.Stats(); s.Connects != 1 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// Room that another source's messages made is found, too.
func TestRoomFromElsewhere(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	r := run(t, "mqtt: {url: "+broker.URL()+"}", 0, "a")
	brokertest.Dial(t, broker.Addr()).Publish("a", "x", 1)
	r.wait("it waits", func() bool { return r.src.Stats().Waiting == 1 })
	r.makeRoom(1)
	r.want("x")
}

// A broker that sends more than may wait is asked for the rest later. Payloads are what is large here. Until there
// is room the connection stays, for a sink that shares it: else neither would ever get anywhere.
func TestMoreThanMayWait(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_queued_messages 0")
	r := run(t, "mqtt: {url: "+broker.URL()+"}", 2, "a")
	pub := brokertest.Dial(t, broker.Addr())
	large := strings.Repeat("x", 1<<20)
	const all = 24
	for i := range all {
		pub.Publish("a", fmt.Sprintf("%02d%s", i, large), 1)
	}
	r.wait("overrun", func() bool { return r.src.Stats().Overruns > 0 })
	sent := make(chan error, 1)
	out := &mqttconn.Outgoing{Topic: "out", QoS: 1, Done: func(p *mqttconn.Outgoing) { sent <- p.Err }}
	if err := r.src.Conn().Send(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if s := r.src.Stats(); s.Connects != 1 || s.Overruns != 1 || !s.Connected {
		t.Errorf("%+v", s)
	}
	for i := range all {
		r.settle(r.want(fmt.Sprintf("%02d%s", i, large)))
	}
	r.wait("all settled", func() bool { return r.src.Stats().InFlight == 0 })
}

// After Run what was handed on can still be settled; what was not stays with the broker.
func TestStop(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	conf := "mqtt: {url: " + broker.URL() + "}"
	r := run(t, conf, 2, "a")
	pub := brokertest.Dial(t, broker.Addr())
	for i := range 4 {
		pub.Publish("a", fmt.Sprint(i), 1)
	}
	first, second := r.want("0"), r.want("1")
	r.wait("the others wait", func() bool { return r.src.Stats().Waiting == 2 })
	r.stop()
	pub.Publish("a", "4", 1)
	r.makeRoom(10)
	r.settle(second)
	r.settle(first)
	r.src.Close()
	if len(r.got) > 0 {
		t.Error("a message came after Run")
	}

	r = run(t, conf, 100, "a")
	for i := 2; i <= 4; i++ {
		r.settle(r.want(fmt.Sprint(i)))
	}
}

func TestShare(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	conf := "mqtt: {url: " + broker.URL() + ", share: g, client_id: %s}"
	a, b := run(t, fmt.Sprintf(conf, "a"), 100, "in/#"), run(t, fmt.Sprintf(conf, "b"), 100, "$share/g/in/#")
	pub := brokertest.Dial(t, broker.Addr())
	for i := range 20 {
		pub.Publish("in/x", fmt.Sprint(i), 1)
	}
	a.wait("each once", func() bool { return len(a.got)+len(b.got) == 20 })
	if len(a.got) == 0 || len(b.got) == 0 {
		t.Errorf("%d and %d", len(a.got), len(b.got))
	}
}

func TestAsksForNoMoreThanTheEngineTakes(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	src, err := parse(t, "mqtt: {url: "+broker.URL()+"}").Open("hospital", sources.Deps{InflightMessages: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *engine.Message, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	src.Subscribe(ctx, []string{"a"})
	go func() {
		ended <- src.Run(ctx, func(m *engine.Message) bool { got <- m; return true })
	}()
	s := src.(*sources.MQTTSource)
	r := &running{fake: &fake{t: t, got: got}, src: s}
	r.wait("subscribed", func() bool { return s.Stats().Subscribed })
	pub := brokertest.Dial(t, broker.Addr())
	for i := range 5 {
		pub.Publish("a", fmt.Sprint(i), 1)
	}
	for i := range 5 {
		m := r.want(fmt.Sprint(i))
		if n := s.Stats().InFlight; n != 1 {
			t.Errorf("%d in flight", n)
		}
		m.Done()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	src.Close()
}
