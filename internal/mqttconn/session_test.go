package mqttconn_test

import (
	"fmt"
	"testing"
	"time"

	"edge/internal/brokertest"
	"edge/internal/mqttconn"
)

// again opens the same session as a program does that was started anew.
func (b *box) again(conf mqttconn.Config, filters ...string) *box {
	b.t.Helper()
	b.conn.Close()
	return open(b.t, conf).start(filters...)
}

func TestAcknowledgedInOrderOfReceipt(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		for qos := byte(1); qos <= 2; qos++ {
			conf := mqttconn.Config{URLs: []string{"mqtt://" + addr}, Options: mqttconn.Options{ClientID: fmt.Sprint("box", qos)}}
			b := open(t, conf).start("a")
			pub := brokertest.Dial(t, addr)
			for _, n := range numbers(0, 10) {
				pub.Publish("a", n, qos)
			}
			ds := b.want(numbers(0, 10)...)
			b.settle(ds[0], ds[1])
			b.settle(ds[3:]...) // all but 2: it holds back those behind it

			b = b.again(conf, "a")
			ds = b.wantAll(numbers(2, 10)...)
			for _, d := range ds {
				if !d.Message.Meta.Redelivered {
					t.Errorf("QoS %d: %s is not marked as redelivered", qos, d.Message.Payload)
				}
			}
			b.settle(ds...)
			b.conn.Close()
		}
	})
}

func TestGracefulCloseRedeliversNothing(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		conf := mqttconn.Config{URLs: []string{"mqtt://" + addr}, Options: mqttconn.Options{ClientID: "box"}}
		b := open(t, conf).start("a")
		pub := brokertest.Dial(t, addr)
		for _, n := range numbers(0, 100) {
			pub.Publish("a", n, 1)
		}
		b.settle(b.want(numbers(0, 100)...)...)
		b.conn.Close() // at once: the acknowledgements are hardly written
		b = b.again(conf, "a")
		pub.Publish("a", "later", 1)
		b.want("later")
	})
}

// What is being worked on when the network breaks is neither handed on twice nor lost.
func TestSettledAcrossACut(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		for qos := byte(1); qos <= 2; qos++ {
			proxy := brokertest.NewProxy(t, addr)
			conf := mqttconn.Config{URLs: []string{proxy.URL()}, Options: mqttconn.Options{ClientID: fmt.Sprint("box", qos)}}
			b := open(t, conf).start("a")
			pub := brokertest.Dial(t, addr)
			for _, n := range numbers(0, 30) {
				pub.Publish("a", n, qos)
			}
			ds := b.want(numbers(0, 30)...)
			proxy.Toss() // these acknowledgements get lost
			b.settle(ds[:10]...)
			proxy.SetDown(true)
			b.wait("disconnected", func() bool { return !b.conn.Connected() })
			b.settle(ds[10:20]...) // these have no connection
			proxy.SetDown(false)
			b.wait("redelivered", func() bool { return b.conn.Stats().Redelivered == 30 })
			b.settle(ds[20:]...) // these came on another
			b.wait("settled", func() bool { return b.conn.Stats().InFlight == 0 })

			pub.Publish("a", "last", qos)
			b.settle(b.want("last")...)
			b = b.again(conf, "a")
			pub.Publish("a", "very last", qos)
			b.settle(b.want("very last")...)
			if s := b.conn.Stats(); s.Redelivered != 0 {
				t.Errorf("QoS %d: after all: %d came again", qos, s.Redelivered)
			}
			b.conn.Close()
		}
	})
}

func TestBrokerRestartKeepsTheSession(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	conf := mqttconn.Config{URLs: []string{broker.URL()}, Options: mqttconn.Options{ClientID: "box"}}
	b := open(t, conf).start("a")
	pub := brokertest.Dial(t, broker.Addr())
	for _, n := range numbers(0, 10) {
		pub.Publish("a", n, 1)
	}
	ds := b.want(numbers(0, 10)...)
	broker.Stop()
	broker.Start()
	b.wait("redelivered", func() bool { return b.conn.Stats().Redelivered == 10 })
	b.settle(ds...)
	brokertest.Dial(t, broker.Addr()).Publish("a", "last", 1)
	b.want("last")
	if s := b.conn.Stats(); s.SessionLost != 0 || s.Connects != 2 {
		t.Errorf("%+v", s)
	}
}

func TestSessionLost(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}}).start("a", "b/+")
	brokertest.Dial(t, broker.Addr()).Publish("a", "old", 1)
	old := b.want("old")
	broker.Kill() // before it saved anything
	broker.Start()
	b.wait("session lost", func() bool { return b.conn.Stats().SessionLost == 1 })
	b.wait("subscribed again", b.conn.Subscribed)
	pub := brokertest.Dial(t, broker.Addr())
	pub.Publish("a", "new", 1) // likely under the packet id of the old one
	fresh := b.want("new")
	b.settle(old...)
	if n := b.conn.Stats().InFlight; n != 1 {
		t.Errorf("%d in flight, want the new one: the old one acknowledges nothing any more", n)
	}
	b.settle(fresh...)
	if !b.log.says("the broker has lost the session")() {
		t.Error("the log does not say so")
	}
}

// A message that cannot be taken comes again, and all behind it, after what was there before.
func TestOverrun(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}}).start("a")
		full := true
		b.refusing(func(d *mqttconn.Delivery) bool { return full && string(d.Message.Payload) == "5" })
		pub := brokertest.Dial(t, addr)
		for _, n := range numbers(0, 20) {
			pub.Publish("a", n, 1)
		}
		ds := b.want(numbers(0, 5)...)
		b.wait("overrun", func() bool { return b.conn.Stats().Overruns >= 1 })
		b.mu.Lock()
		full = false
		b.mu.Unlock()
		b.settle(ds...)
		left := map[string]bool{}
		for _, n := range numbers(5, 20) {
			left[n] = true
		}
		for len(left) > 0 { // mochi sends them again in any order
			d := b.next()
			if n := string(d.Message.Payload); !left[n] {
				t.Fatalf("%s came twice", n)
			} else {
				delete(left, n)
			}
			b.settle(d)
		}
		b.wait("settled", func() bool { return b.conn.Stats().InFlight == 0 })
		pub.Publish("a", "last", 1)
		b.want("last")
	})
}

func TestPauseLeavesTheRestWithTheBroker(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		conf := mqttconn.Config{URLs: []string{"mqtt://" + addr}, Options: mqttconn.Options{ClientID: "box"}}
		b := open(t, conf).start("a")
		pub := brokertest.Dial(t, addr)
		pub.Publish("a", "before", 1)
		d := b.want("before")
		b.conn.Pause()
		pub.Publish("a", "after", 1)
		b.settle(d...)
		b = b.again(conf, "a")
		b.want("after")
	})
}

// With few packet ids in use a broker soon uses one again. That is a new message even if it looks the same.
func TestEqualMessagesAreAllNew(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		proxy := brokertest.NewProxy(t, addr)
		b := open(t, mqttconn.Config{URLs: []string{proxy.URL()}}).start("a")
		pub := brokertest.Dial(t, addr)
		for i := range 20 {
			pub.Publish("a", "same", 1)
			b.settle(b.want("same")...)
			if i == 10 {
				proxy.Cut()
				b.wait("reconnected", func() bool { return b.conn.Stats().Connects == 2 && b.conn.Subscribed() })
			}
		}
		if n := b.conn.Stats().Received - b.conn.Stats().Redelivered; n != 20 {
			t.Errorf("%d, want 20", n)
		}
	})
}

func TestBrokerHangs(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}, Options: mqttconn.Options{Keepalive: time.Second}}).start("a")
	broker.Hang()
	b.wait("noticed", b.log.says("does not answer pings"))
	broker.Resume()
	b.wait("subscribed again", b.conn.Subscribed)
}

func TestTwoWithOneClientID(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	conf := mqttconn.Config{URLs: []string{broker.URL()}, Options: mqttconn.Options{ClientID: "box"}}
	a := open(t, conf)
	a.conn.Start(nil)
	b := open(t, conf)
	b.conn.Start(nil)
	a.wait("one of them says why", func() bool {
		return a.log.says("give each its own")() || b.log.says("give each its own")()
	})
}

// A source that was replaced lets its successor have the session.
func TestSuccessorTakesOver(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	conf := mqttconn.Config{URLs: []string{broker.URL()}, Options: mqttconn.Options{ClientID: "box"}}
	old := open(t, conf).start("a")
	old.conn.Pause()
	open(t, conf).start("a")
	old.wait("gone", func() bool { return old.conn.Send(t.Context(), &mqttconn.Outgoing{Topic: "x"}) == mqttconn.ErrClosed })
}
