package mqttconn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/internal/brokertest"
	"edge/internal/mqttconn"
)

// A box is a program that uses a Conn: it takes messages and settles them when told to.
type box struct {
	t    *testing.T
	conn *mqttconn.Conn
	got  chan *mqttconn.Delivery
	log  *logbook

	mu     sync.Mutex
	refuse func(*mqttconn.Delivery) bool
}

func open(t *testing.T, conf mqttconn.Config) *box {
	t.Helper()
	b := &box{t: t, got: make(chan *mqttconn.Delivery, 100_000), log: &logbook{}}
	conf.Log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if conf.Name == "" {
		conf.Name = "hospital"
	}
	conn, err := mqttconn.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	b.conn = conn
	t.Cleanup(func() {
		conn.Close()
		if t.Failed() {
			t.Logf("the log:\n%s", b.log)
		}
	})
	return b
}

func (b *box) start(filters ...string) *box {
	b.t.Helper()
	if err := b.conn.Subscribe(filters, 2); err != nil {
		b.t.Fatal(err)
	}
	b.conn.Start(func(d *mqttconn.Delivery) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.refuse != nil && b.refuse(d) {
			return false
		}
		b.got <- d
		return true
	})
	if len(filters) > 0 {
		b.wait("subscribed", b.conn.Subscribed)
	}
	return b
}

func (b *box) refusing(f func(*mqttconn.Delivery) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = f
}

func (b *box) wait(what string, is func() bool) {
	b.t.Helper()
	waitFor(b.t, what, is)
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(brokertest.Patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func (b *box) next() *mqttconn.Delivery {
	b.t.Helper()
	select {
	case d := <-b.got:
		return d
	case <-time.After(brokertest.Patience):
		b.t.Fatalf("no message came; %+v", b.conn.Stats())
		return nil
	}
}

// want takes the messages with these payloads, in order, and gives them back.
func (b *box) want(payloads ...string) []*mqttconn.Delivery {
	b.t.Helper()
	var ds []*mqttconn.Delivery
	for _, p := range payloads {
		d := b.next()
		if got := string(d.Message.Payload); got != p {
			b.t.Fatalf("got %q on %s, want %q", got, d.Message.Topic, p)
		}
		ds = append(ds, d)
	}
	return ds
}

// wantAll is want in any order: mochi does not keep it when it sends again.
func (b *box) wantAll(payloads ...string) []*mqttconn.Delivery {
	b.t.Helper()
	var got []string
	var ds []*mqttconn.Delivery
	for range payloads {
		d := b.next()
		got, ds = append(got, string(d.Message.Payload)), append(ds, d)
	}
	slices.Sort(got)
	slices.Sort(payloads)
	if !slices.Equal(got, payloads) {
		b.t.Fatalf("got %q, want %q", got, payloads)
	}
	return ds
}

func (b *box) settle(ds ...*mqttconn.Delivery) {
	for _, d := range ds {
		d.Settle()
	}
}

type logbook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logbook) says(text string) func() bool {
	return func() bool { return strings.Contains(l.String(), text) }
}

// brokers runs a test against each broker that is there.
func brokers(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("mosquitto", func(t *testing.T) { test(t, brokertest.StartMosquitto(t).Addr()) })
	t.Run("mochi", func(t *testing.T) { test(t, brokertest.StartMochi(t).Addr()) })
}

func numbers(from, to int) (s []string) {
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	for qos := byte(0); qos <= 2; qos++ {
		t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) {
			brokers(t, func(t *testing.T, addr string) {
				b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}}).start("in/#")
				out := brokertest.Dial(t, addr)
				out.Subscribe("out", 2)
				for _, n := range numbers(0, 50) {
					out.Publish("in/a", n, qos)
				}
				ds := b.want(numbers(0, 50)...)
				b.settle(ds...)
				b.wait("all settled", func() bool { return b.conn.Stats().InFlight == 0 })
				if m := &ds[0].Message; m.Topic != "in/a" || m.Key != "in/a" || m.Meta.QoS != qos || m.Meta.Source != "hospital" || m.Received.IsZero() {
					t.Errorf("got %s %+v", m.Topic, m.Meta)
				}

				answers := make(chan *mqttconn.Outgoing, 50)
				for _, n := range numbers(0, 50) {
					p := &mqttconn.Outgoing{Topic: "out", Payload: []byte(n), QoS: qos, Done: func(p *mqttconn.Outgoing) { answers <- p }}
					if err := b.conn.Send(context.Background(), p); err != nil {
						t.Fatal(err)
					}
				}
				for _, n := range numbers(0, 50) {
					if p := <-answers; p.Err != nil || string(p.Payload) != n {
						t.Fatalf("%s: %v", p.Payload, p.Err)
					}
					if p := out.Next(); string(p.Payload) != n || p.QoS != qos {
						t.Fatalf("got %s, want %s", p.Payload, n)
					}
				}
			})
		})
	}
}

func TestNothingListens(t *testing.T) {
	b := open(t, mqttconn.Config{URLs: []string{fmt.Sprintf("mqtt://127.0.0.1:%d", brokertest.FreePort(t))}})
	b.conn.Start(nil)
	b.wait("an error", func() bool { return b.conn.LastError() != nil })
	err := b.conn.Send(context.Background(), &mqttconn.Outgoing{Topic: "a", QoS: 1})
	var down *mqttconn.DownError
	if !errors.As(err, &down) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Send: %v", err)
	}
}
