package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"edge/engine"
	"edge/internal/brokertest"
	"edge/internal/mqttconn"
	"edge/sinks"
)

func TestMQTTSettings(t *testing.T) {
	tests := []struct{ text, want string }{
		{`mqtt: {source: hospital}`, ""},
		{`mqtt: {source: hospital, qos: 0, retain: true, message_expiry: 1h, content_type: a, correlation_data: b, response_topic: c, user_properties: {d: e}}`, ""},
		{`mqtt: {url: "mqtt://a", client_id: x, username: u, password: p, keepalive: 10s, tls: {server_name: b}}`, ""},
		{`mqtt: {qos: 1}`, "1:7: mqtt wants source: NAME, to use that source's connection, or a url of its own"},
		{`mqtt: {source: hospital, url: "mqtt://a"}`, "1:16: source: hospital brings its connection along; leave out url"},
		{`mqtt: {source: hospital, username: u}`, "brings its connection along"},
		{`mqtt: {url: "mqtt://u:p@a"}`, "use the keys username and password"},
		{`mqtt: {source: a, qos: 3}`, "1:24: qos wants 0, 1 or 2, not 3"},
		{`mqtt: {source: a, message_expiry: 1ms}`, "message_expiry wants 1s or more"},
		{`mqtt: {source: a, response_topic: a/+}`, "holds +"},
		{`mqtt: {source: a, user_properties: {a: "b\0"}}`, `user property "a" is longer`},
	}
	for _, test := range tests {
		_, err := load(t, test.text)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s:\n got %v\nwant %q", test.text, err, test.want)
		}
	}
}

// connected waits until a sink with a connection of its own has it.
func connected(t *testing.T, s engine.Sink) engine.Sink {
	t.Helper()
	eventually(t, "connected", func() bool { return write(t, s, message("connected", ""))[0] == nil })
	return s
}

func TestMQTTDelivers(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	for qos := range 3 {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			see := brokertest.Dial(t, broker.Addr())
			see.Subscribe("out/#", 2)
			s := connected(t, open(t, fmt.Sprintf(`mqtt: {url: "%s", qos: %d, content_type: application/json, user_properties: {site: H1}}`, broker.URL(), qos)))
			batch := ofKeys(5, 40, func(k int) string { return fmt.Sprint("out/", k) })
			batch[0].Headers = []engine.Header{{Name: "rule", Value: "pose"}}
			for i, err := range write(t, s, batch...) {
				if err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
			next := map[string]int{}
			for i := range batch {
				p := see.Next()
				if int(p.QoS) != qos || p.Retain || p.Properties.ContentType != "application/json" {
					t.Fatalf("%+v", p)
				}
				if i == 0 && fmt.Sprint(p.Properties.User) != "[{site H1} {rule pose}]" {
					t.Errorf("user properties %v", p.Properties.User)
				}
				k := strings.TrimPrefix(p.Topic, "out/")
				if want := fmt.Sprintf(`{"k":%s,"n":%d}`, k, next[k]); string(p.Payload) != want {
					t.Fatalf("got %s, want %s", p.Payload, want)
				}
				next[k]++
			}
		})
	}
}

func TestMQTTRetains(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	s := connected(t, open(t, `mqtt: {url: "`+broker.URL()+`", retain: true}`))
	wantResults(t, write(t, s, message("kept", "1")), "")
	see := brokertest.Dial(t, broker.Addr())
	see.Subscribe("kept", 1)
	if p := see.Next(); !p.Retain || string(p.Payload) != "1" {
		t.Errorf("%+v", p)
	}
}

func TestMQTTRefusesWhatNoBrokerTakes(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_packet_size 2000")
	s := connected(t, open(t, `mqtt: {url: "`+broker.URL()+`"}`))
	header := message("a", "x")
	header.Headers = []engine.Header{{Name: "n", Value: "\xff"}}
	got := write(t, s, message("", "x"), message("a/+", "x"), message("a\x00", "x"), header, message("a", strings.Repeat("x", 2000)), message("a", "good"))
	wantResults(t, got, "!the topic is empty", `!holds +, # or NUL`, `!holds +, # or NUL`, `!user property "n"`, "!larger than the broker accepts", "")
}

// What the broker says of one message concerns that one, and those of its key behind it if it is to be
// tried again.
func TestMQTTRefusedByTheBroker(t *testing.T) {
	broker := brokertest.StartMochi(t)
	if err := broker.Server.AddHook(&refusing{}, nil); err != nil {
		t.Fatal(err)
	}
	s := connected(t, open(t, `mqtt: {url: "`+broker.URL()+`"}`))
	of := func(key, topic string) *engine.Message {
		m := message(topic, "x")
		m.Key = key
		return m
	}
	got := write(t, s,
		of("a", "ok"), of("a", "quota"), of("a", "ok"),
		of("b", "format"), of("b", "ok"),
		of("c", "name"), of("c", "denied"), of("c", "ok"),
	)
	wantResults(t, got,
		"", `topic "quota": the broker refused a message: quota exceeded, code 0x97`, "not sent",
		`!topic "format": the broker refused a message: payload format invalid`, "",
		`!topic "name": the broker refused a message: the broker does not accept this topic`, `topic "denied": the broker refused a message: not authorized`, "not sent",
	)
}

type refusing struct{ mqtt.HookBase }

func (*refusing) Provides(b byte) bool { return bytes.Contains([]byte{mqtt.OnPublish}, []byte{b}) }
func (*refusing) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if code, refused := map[string]packets.Code{
		"quota": packets.ErrQuotaExceeded, "format": packets.ErrPayloadFormatInvalid,
		"name": packets.ErrTopicNameInvalid, "denied": packets.ErrNotAuthorized,
	}[pk.TopicName]; refused {
		return pk, code
	}
	return pk, nil
}

// Messages come and are not settled, as where everything behind is full: the sink on the same connection
// delivers all the same.
func TestMQTTOverAFullSource(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	log := &logs{}
	conn, err := mqttconn.New(mqttconn.Config{Name: "hospital", URLs: []string{broker.URL()}, ReceiveMaximum: 5, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	taken := make(chan *mqttconn.Delivery, 1000)
	conn.Subscribe([]string{"in"}, 1)
	conn.Start(func(d *mqttconn.Delivery) bool { taken <- d; return true })
	c, err := load(t, `mqtt: {source: hospital}`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open("live", sinks.Deps{MQTT: func(name string) (*mqttconn.Conn, error) {
		if name != "hospital" {
			t.Errorf("source %q", name)
		}
		return conn, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "subscribed", conn.Subscribed)
	pub := brokertest.Dial(t, broker.Addr())
	for i := range 50 {
		pub.Publish("in", fmt.Sprint(i), 1)
	}
	eventually(t, "the window is full", func() bool { return conn.Stats().InFlight >= 5 })
	see := brokertest.Dial(t, broker.Addr())
	see.Subscribe("out", 1)
	wantResults(t, write(t, s, message("out", "through")), "")
	if p := see.Next(); string(p.Payload) != "through" {
		t.Errorf("got %s", p.Payload)
	}
	if err := s.Close(); err != nil || !conn.Connected() {
		t.Errorf("the sink has closed the source's connection: %v", err)
	}
}

func TestMQTTUnknownSource(t *testing.T) {
	c, err := load(t, `mqtt: {source: nowhere}`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Open("live", sinks.Deps{MQTT: func(string) (*mqttconn.Conn, error) { return nil, errors.New("no such source") }})
	if err == nil || !strings.Contains(err.Error(), "sink live: mqtt: no such source") {
		t.Error(err)
	}
}

// A broker that is away: an error that another try mends; once it is back, all arrive in order, also when
// the network is cut again and again.
func TestMQTTBrokerGoesAndComes(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	proxy := brokertest.NewProxy(t, broker.Addr())
	proxy.SetDown(true)
	s := open(t, `mqtt: {url: "`+proxy.URL()+`", client_id: box}`)
	wantResults(t, write(t, s, message("out", "x")), "not connected to the mqtt broker")
	proxy.SetDown(false)
	see := brokertest.Dial(t, broker.Addr())
	see.Subscribe("out/#", 1)
	for round := range 5 {
		batch := ofKeys(3, 30, func(k int) string { return fmt.Sprintf("out/%d/%d", round, k) })
		cut := make(chan struct{})
		go func() { proxy.Cut(); close(cut) }()
		if rejected := deliver(t, s, batch...); len(rejected) > 0 {
			t.Fatalf("%d rejected", len(rejected))
		}
		<-cut
		next := make([]int, 3)
		for left := len(batch); left > 0; {
			var r, k, n int
			p := see.Next()
			fmt.Sscanf(p.Topic, "out/%d/%d", &r, &k)
			fmt.Sscanf(string(p.Payload), fmt.Sprintf(`{"k":%d,"n":%%d}`, k), &n)
			switch {
			case r == round && n == next[k]:
				next[k]++
				left--
			case r == round && n > next[k]:
				t.Fatalf("key %d: %d before %d", k, n, next[k])
			}
		}
	}
}

// A write that is cancelled says so for what was not answered, and is not answered later.
func TestMQTTWriteCancelled(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	s := connected(t, open(t, `mqtt: {url: "`+broker.URL()+`"}`))
	broker.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	batch := ofKeys(30, 2, func(int) string { return "out" }) // more than the broker's window of 20
	result := make([]error, len(batch))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Write(ctx, batch, result)
	}()
	cancel()
	<-ended
	for i, err := range result {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	broker.Resume()
	connected(t, s)
}

func TestMQTTNoSecretInErrors(t *testing.T) {
	const canary = "k9-canary"
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := brokertest.StartMosquitto(t, "allow_anonymous false", "password_file "+brokertest.PasswordFile(t, "edge", "other"))
	log := &logs{}
	s := openLogged(t, `mqtt: {url: "`+broker.URL()+`", username: edge, password_file: `+file+`}`, log)
	var err error
	eventually(t, "refused", func() bool {
		err = write(t, s, message("a", "x"))[0]
		return err != nil && strings.Contains(err.Error(), "not authorized")
	})
	if errors.Is(err, engine.ErrRejected) || strings.Contains(err.Error()+log.String(), canary) {
		t.Error(err)
	}
}

func BenchmarkMQTTWrite(b *testing.B) {
	broker := brokertest.StartMochi(b)
	c, err := load(b, `mqtt: {url: "`+broker.URL()+`"}`)
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.Open("out", sinks.Deps{Log: (&logs{}).logger()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	batch := ofKeys(256, 1, func(k int) string { return fmt.Sprint("out/", k) })
	result := make([]error, len(batch))
	eventually(b, "connected", func() bool { s.Write(b.Context(), batch, result); return result[0] == nil })
	b.ReportAllocs()
	for range b.N {
		s.Write(b.Context(), batch, result)
		for _, err := range result {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/msg")
}
