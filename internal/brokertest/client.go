package brokertest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// Patience is how long a test waits for what must come. It is far longer than anything takes.
const Patience = 30 * time.Second

// A Client is an MQTT client that is not edge's own: tests see through it what others see.
type Client struct {
	t   testing.TB
	c   *paho.Client
	in  chan *paho.Publish
	ctx context.Context
}

// Dial connects a client with a clean session that ends with the test. opts may change CONNECT.
func Dial(t testing.TB, addr string, opts ...func(*paho.Connect)) *Client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{t: t, in: make(chan *paho.Publish, 100_000), ctx: ctx}
	c.c = paho.NewClient(paho.ClientConfig{
		Conn:          packets.NewThreadSafeConn(nc),
		PacketTimeout: Patience,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.in <- p.Packet
			return true, nil
		}},
	})
	connect := &paho.Connect{ClientID: fmt.Sprintf("test-%s", nc.LocalAddr()), CleanStart: true, KeepAlive: 60}
	for _, o := range opts {
		o(connect)
	}
	if _, err := c.c.Connect(ctx, connect); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.c.Disconnect(&paho.Disconnect{})
		cancel()
	})
	return c
}

// Subscribe subscribes with a QoS and returns when the broker has granted it.
func (c *Client) Subscribe(filter string, qos byte) {
	c.t.Helper()
	_, err := c.c.Subscribe(c.ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: qos, RetainAsPublished: true}}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// Publish publishes and returns when the broker has accepted it.
func (c *Client) Publish(topic, payload string, qos byte) {
	c.t.Helper()
	c.Send(&paho.Publish{Topic: topic, Payload: []byte(payload), QoS: qos})
}

// Send publishes a packet as it is.
func (c *Client) Send(p *paho.Publish) {
	c.t.Helper()
	if _, err := c.c.Publish(c.ctx, p); err != nil {
		c.t.Fatalf("publish to %s: %v", p.Topic, err)
	}
}

// Next waits for the next message.
func (c *Client) Next() *paho.Publish {
	c.t.Helper()
	select {
	case p := <-c.in:
		return p
	case <-time.After(Patience):
		c.t.Fatal("no message came")
		return nil
	}
}

// Close says goodbye before the test ends.
func (c *Client) Close() { c.c.Disconnect(&paho.Disconnect{}) }

// Retain publishes a message that the broker keeps.
func (c *Client) Retain(topic, payload string) {
	c.t.Helper()
	c.Send(&paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: true})
}

// WithProperties is a message that has one of each property.
func WithProperties(topic, payload string) *paho.Publish {
	utf8 := byte(1)
	return &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1, Properties: &paho.PublishProperties{
		ContentType: "text/plain", ResponseTopic: "reply/to", CorrelationData: []byte("id 1"), PayloadFormat: &utf8,
		User: paho.UserProperties{{Key: "site", Value: "H1"}, {Key: "site", Value: "H2"}},
	}}
}

// Answer listens, and answers whatever a client says first with the same bytes. It gives the address.
func Answer(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			c.Write([]byte(answer))
			c.Close()
		}
	}()
	return l.Addr().String()
}
