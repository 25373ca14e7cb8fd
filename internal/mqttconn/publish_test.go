package mqttconn_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"edge/engine"
	"edge/internal/brokertest"
	"edge/internal/mqttconn"
)

// publish sends payloads and waits until all are answered.
func (b *box) publish(qos byte, topic string, payloads ...string) {
	b.t.Helper()
	for answers := b.publishing(qos, topic, payloads...); len(payloads) > 0; payloads = payloads[1:] {
		if p := <-answers; p.Err != nil {
			b.t.Fatal(p.Err)
		}
	}
}

// publishing sends payloads; the answers come out of what it gives back.
func (b *box) publishing(qos byte, topic string, payloads ...string) <-chan *mqttconn.Outgoing {
	b.t.Helper()
	answers := make(chan *mqttconn.Outgoing, len(payloads))
	for _, payload := range payloads {
		p := &mqttconn.Outgoing{Topic: topic, Payload: []byte(payload), QoS: qos, Done: func(p *mqttconn.Outgoing) { answers <- p }}
		if err := b.conn.Send(b.t.Context(), p); err != nil {
			b.t.Fatal(err)
		}
	}
	return answers
}

// A cut in the middle: all arrive, none overtakes another; those of QoS 2 arrive once.
func TestPublishAcrossACut(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	for qos := byte(1); qos <= 2; qos++ {
		proxy := brokertest.NewProxy(t, broker.Addr())
		see := brokertest.Dial(t, broker.Addr())
		see.Subscribe("out", 2)
		b := open(t, mqttconn.Config{Name: fmt.Sprint("box", qos), URLs: []string{proxy.URL()}}).start("in")
		const all = 300
		answers := make(chan *mqttconn.Outgoing, all)
		for i := range all {
			p := &mqttconn.Outgoing{Topic: "out", Payload: []byte(strconv.Itoa(i)), QoS: qos, Done: func(p *mqttconn.Outgoing) { answers <- p }}
			for {
				err := b.conn.Send(t.Context(), p)
				var down *mqttconn.DownError
				if err == nil {
					break
				} else if !errors.As(err, &down) {
					t.Fatal(err)
				}
				b.wait("reconnected", b.conn.Connected)
			}
			if i == 100 || i == 200 {
				b.wait("room in the window for what gets lost", func() bool { return b.conn.Stats().Publishing < 5 })
				proxy.Toss()
			}
			if i == 103 || i == 203 {
				proxy.Cut()
			}
		}
		for range all {
			if p := <-answers; p.Err != nil {
				t.Fatal(p.Err)
			}
		}
		last := -1
		for last < all-1 {
			n, _ := strconv.Atoi(string(see.Next().Payload))
			switch {
			case n == last+1:
				last = n
			case n > last || qos == 2:
				t.Fatalf("QoS %d: %d after %d", qos, n, last)
			}
		}
		b.conn.Close()
	}
}

func TestPublishSurvivesALostSession(t *testing.T) {
	for qos := byte(1); qos <= 2; qos++ {
		broker, other := brokertest.StartMosquitto(t), brokertest.StartMosquitto(t) // there already: to start takes as long as it likes
		b := open(t, mqttconn.Config{Name: fmt.Sprint("box", qos), URLs: []string{broker.URL(), other.URL()}}).start("in")
		broker.Hang()
		answers := make(chan *mqttconn.Outgoing, 5)
		for _, n := range numbers(0, 5) {
			p := &mqttconn.Outgoing{Topic: "out", Payload: []byte(n), QoS: qos, Retain: true, Done: func(p *mqttconn.Outgoing) { answers <- p }}
			if err := b.conn.Send(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		broker.Kill()
		for range 5 {
			if p := <-answers; p.Err != nil {
				t.Fatal(p.Err)
			}
		}
		see := brokertest.Dial(t, other.Addr())
		see.Subscribe("out", 1)
		if p := see.Next(); string(p.Payload) != "4" {
			t.Errorf("QoS %d: the last is %s", qos, p.Payload)
		}
		b.conn.Close()
	}
}

func TestPublishProperties(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	see := brokertest.Dial(t, broker.Addr())
	see.Subscribe("#", 1)
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}}).start("in")
	done := make(chan error, 1)
	err := b.conn.Send(t.Context(), &mqttconn.Outgoing{
		Topic: "out", Payload: []byte("x"), QoS: 1,
		Properties: mqttconn.AppendProperties(nil, 60, "text/plain", "reply/to", "id 1", []engine.Header{{Name: "site", Value: "H1"}}),
		Headers:    []engine.Header{{Name: "rule", Value: "pose"}, {Name: "empty"}},
		Done:       func(p *mqttconn.Outgoing) { done <- p.Err },
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	p := see.Next().Properties
	if p.ContentType != "text/plain" || p.ResponseTopic != "reply/to" || string(p.CorrelationData) != "id 1" || *p.MessageExpiry != 60 ||
		fmt.Sprint(p.User) != "[{site H1} {rule pose} {empty }]" {
		t.Errorf("%+v %v", p, p.User)
	}
}

func TestReceivedProperties(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}}).start("in")
		brokertest.Dial(t, addr).Send(brokertest.WithProperties("in", "x"))
		m := b.next().Message.Meta
		if m.ContentType != "text/plain" || m.ResponseTopic != "reply/to" || string(m.CorrelationData) != "id 1" || fmt.Sprint(m.Properties) != "[{site H1} {site H2}]" {
			t.Errorf("%+v", m)
		}
	})
}

func TestTooLarge(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_packet_size 1000")
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}}).start("in")
	err := b.conn.Send(t.Context(), &mqttconn.Outgoing{Topic: "out", Payload: make([]byte, 1000), QoS: 1})
	if !errors.Is(err, mqttconn.ErrTooLarge) {
		t.Error(err)
	}
	b.publish(1, "out", strings.Repeat("x", 900))
}

// A broker that gives a small window is not sent more; who waits for it can give up.
func TestWindowAndForsake(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_inflight_messages 3")
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}}).start("in")
	b.publish(1, "out", numbers(0, 100)...)
	broker.Hang()
	ps := make([]mqttconn.Outgoing, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := 0
	var err error
	for i := range ps {
		ps[i] = mqttconn.Outgoing{Topic: "out", QoS: byte(1 + i%2), Done: func(*mqttconn.Outgoing) { t.Error("a forsaken message came back") }}
		if i == 3 {
			cancel()
		}
		if err = b.conn.Send(ctx, &ps[i]); err != nil {
			break
		}
		sent++
	}
	if sent != 3 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d sent, then %v", sent, err)
	}
	b.conn.Forsake(ps)
	broker.Resume()
	b.wait("the broker has answered all", func() bool { return b.conn.Stats().Publishing == 0 })
	b.publish(2, "out", "on it goes")
}

func TestGivesUpWhenTheBrokerStaysAway(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}}).start("in")
	broker.Hang()
	answers := make(chan error, 1)
	p := &mqttconn.Outgoing{Topic: "out", QoS: 2, Done: func(p *mqttconn.Outgoing) { answers <- p.Err }}
	if err := b.conn.Send(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	broker.Kill()
	var down *mqttconn.DownError
	if err := <-answers; !errors.As(err, &down) {
		t.Error(err)
	}
}
