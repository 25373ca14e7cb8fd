package mqttconn_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/internal/brokertest"
	"edge/internal/mqttconn"
	"edge/internal/tlsoptions/tlstest"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func trust(file string) func(string) (*tls.Config, error) {
	return func(host string) (*tls.Config, error) {
		pem, err := os.ReadFile(file)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		return &tls.Config{ServerName: host, RootCAs: roots}, err
	}
}

// echo sends a message through the broker and back.
func (b *box) echo(addr string) {
	b.t.Helper()
	payload := strings.Repeat("x", 100_000) // longer than any buffer on the way
	brokertest.Dial(b.t, addr).Publish("in", payload, 1)
	b.settle(b.want(payload)...)
	b.publish(1, "out", payload)
}

// resume cuts the connection and has the session go on over another one.
func (b *box) resume(proxy *brokertest.Proxy, addr string) {
	b.t.Helper()
	pub := brokertest.Dial(b.t, addr)
	for _, n := range numbers(0, 10) {
		pub.Publish("in", n, 1)
	}
	ds := b.want(numbers(0, 10)...)
	proxy.Toss() // these acknowledgements get lost
	b.settle(ds[:5]...)
	proxy.Cut()
	b.wait("sent again", func() bool { return b.conn.Stats().Redelivered == 10 })
	b.settle(ds[5:]...)
	b.wait("settled", func() bool { return b.conn.Stats().InFlight == 0 })
	b.echo(addr)
	if s := b.conn.Stats(); s.Connects != 2 || s.SessionLost != 0 || !s.Subscribed {
		b.t.Errorf("%+v", s)
	}
}

func TestWebSocket(t *testing.T) {
	port := brokertest.FreePort(t)
	broker := brokertest.StartMosquitto(t, fmt.Sprintf("listener %d 127.0.0.1\nprotocol websockets", port))
	proxy := brokertest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", port))
	b := open(t, mqttconn.Config{URLs: []string{"ws://" + proxy.Addr() + "/mqtt"}}).start("in")
	b.echo(broker.Addr())
	b.resume(proxy, broker.Addr())
}

func TestTLS(t *testing.T) {
	ca := tlstest.New(t)
	pair := ca.Issue("127.0.0.1", time.Hour)
	secure := []string{"cafile " + ca.File, "certfile " + pair.CertFile, "keyfile " + pair.KeyFile}
	plain := brokertest.FreePort(t)
	broker := brokertest.StartMosquittoOn(t, secure, fmt.Sprintf("listener %d 127.0.0.1", plain))
	url := "mqtts://" + broker.Addr()
	t.Run("trusted", func(t *testing.T) {
		b := open(t, mqttconn.Config{URLs: []string{url}, TLS: trust(ca.File)}).start("in")
		b.echo(fmt.Sprintf("127.0.0.1:%d", plain))
	})
	t.Run("resumed", func(t *testing.T) {
		proxy := brokertest.NewProxy(t, broker.Addr())
		b := open(t, mqttconn.Config{URLs: []string{"mqtts://" + proxy.Addr()}, TLS: trust(ca.File)}).start("in")
		b.resume(proxy, fmt.Sprintf("127.0.0.1:%d", plain))
	})
	t.Run("unknown authority", func(t *testing.T) {
		b := open(t, mqttconn.Config{URLs: []string{url}, TLS: trust(tlstest.New(t).File)})
		b.conn.Start(nil)
		b.wait("said", b.log.says("certificate signed by unknown authority"))
	})
	t.Run("mqtt to a port of mqtts", func(t *testing.T) {
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + broker.Addr()}})
		b.conn.Start(nil)
		b.wait("said", b.log.says("is this an MQTT port, and is TLS right?"))
	})
}

func TestWrongPassword(t *testing.T) {
	const canary = "k9-canary"
	broker := brokertest.StartMosquitto(t, "allow_anonymous false", "password_file "+brokertest.PasswordFile(t, "edge", "right"))
	conf := mqttconn.Config{URLs: []string{broker.URL()}, Password: canary}
	conf.Username = "edge"
	b := open(t, conf)
	b.conn.Start(nil)
	// Mosquitto says "not authorized" for both.
	b.wait("said", b.log.says("the broker refused the connection: not authorized, code 0x87"))
	if err := b.conn.LastError(); err == nil || strings.Contains(err.Error()+b.log.String(), canary) {
		t.Errorf("the password shows, or no error: %v", err)
	}
	conf.Password = "right"
	open(t, conf).start("in")
}

func TestFailsOver(t *testing.T) {
	first, second := brokertest.StartMosquitto(t), brokertest.StartMosquitto(t)
	b := open(t, mqttconn.Config{URLs: []string{first.URL(), second.URL()}}).start("in")
	first.Kill()
	b.wait("at the second", func() bool { return b.conn.Stats().Connects == 2 && b.conn.Subscribed() })
	brokertest.Dial(t, second.Addr()).Publish("in", "there", 1)
	b.want("there")
}

// The address that worked last is the first that is tried.
func TestStaysWhereTheSessionIs(t *testing.T) {
	proxy := brokertest.NewProxy(t, brokertest.StartMosquitto(t).Addr())
	dead := fmt.Sprintf("mqtt://127.0.0.1:%d", brokertest.FreePort(t))
	b := open(t, mqttconn.Config{URLs: []string{dead, proxy.URL()}}).start("in")
	for i := range uint64(3) {
		proxy.Cut()
		b.wait("connected again", func() bool { return b.conn.Stats().Connects == i+2 && b.conn.Subscribed() })
	}
	if n := strings.Count(b.log.String(), "cannot connect"); n != 1 {
		t.Errorf("the dead address was tried %d times", n)
	}
}

// A broker that says nothing is given up in time, and the token in its address stays out of the log.
func TestSilentBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for url, says := range map[string]string{
		"mqtt://" + l.Addr().String():                       "no answer within 50ms",
		"ws://" + l.Addr().String() + "/?token=k9-canary":   "cannot connect",
		"mqtts://" + l.Addr().String() + "?token=k9-canary": "no answer within 50ms",
	} {
		conf := mqttconn.Config{URLs: []string{url}}
		conf.ConnectTimeout = 50 * time.Millisecond
		b := open(t, conf)
		b.conn.Start(nil)
		b.wait("said", b.log.says(says))
		if err := b.conn.LastError(); strings.Contains(err.Error()+b.log.String(), "k9-canary") {
			t.Errorf("the token shows: %v", err)
		}
		b.conn.Close()
	}
}

func TestBrokerDownAtStart(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	broker.Stop()
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}})
	b.subscribe("in")
	b.conn.Start(func(d *mqttconn.Delivery) bool { b.got <- d; return true })
	b.wait("said", b.log.says("cannot connect"))
	broker.Start()
	b.wait("subscribed", b.conn.Subscribed)
}

func TestWill(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	proxy := brokertest.NewProxy(t, broker.Addr())
	see := brokertest.Dial(t, broker.Addr())
	see.Subscribe("online/#", 1)
	conf := mqttconn.Config{URLs: []string{proxy.URL()}}
	conf.Will = &mqttconn.Will{Topic: "online/box", Payload: "false", QoS: 1}
	b := open(t, conf).start("in")
	b.conn.Close()
	open(t, conf).start("in")
	proxy.SetDown(true)
	if p := see.Next(); p.Topic != "online/box" || string(p.Payload) != "false" {
		t.Errorf("got %s %s", p.Topic, p.Payload)
	}
	see.Publish("online/end", "", 1)
	if p := see.Next(); p.Topic != "online/end" {
		t.Errorf("a second will: the one of a connection that was closed")
	}
}

func TestSpeaksMQTT5Only(t *testing.T) {
	// What nats-server and other brokers of MQTT 3 answer.
	for name, answer := range map[string]string{"3.1.1": "\x20\x02\x00\x01", "5": "\x20\x03\x00\x84\x00"} {
		addr := brokertest.Answer(t, answer)
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}})
		b.conn.Start(nil)
		b.wait(name, b.log.says("the broker does not speak MQTT 5"))
	}
}
