package mqttconn_test

import (
	"fmt"
	"testing"

	"edge/internal/brokertest"
	"edge/internal/mqttconn"
)

func (b *box) subscribe(filters ...string) {
	b.t.Helper()
	if err := b.conn.Subscribe(filters, 2); err != nil {
		b.t.Fatal(err)
	}
}

func TestSubscribeSendsTheDifference(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}}).start("a", "b")
		pub := brokertest.Dial(t, addr)
		b.subscribe("b", "c")
		b.wait("subscribed", b.conn.Subscribed)
		// UNSUBSCRIBE is out when the broker has granted c; a message to c behind it shows it has taken effect.
		for {
			pub.Publish("a", "a", 0)
			pub.Publish("c", "c", 0)
			if d := b.next(); d.Message.Topic == "c" {
				break
			}
			b.want("c")
		}
		pub.Publish("a", "gone", 1)
		pub.Publish("b", "kept", 1)
		b.want("kept")
		if n := b.conn.Stats().Connects; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestEachMessageOnceForOverlappingFilters(t *testing.T) {
	tests := []struct {
		name    string
		filters []string
	}{
		{"crossing", []string{"a/+", "+/b"}},
		{"three", []string{"a/+/#", "+/b", "#"}},
		{"covering", []string{"a/b", "a/#", "a/+"}},
		{"shared and not", []string{"$share/g/a/+", "a/b"}},
		{"one twice", []string{"a/b", "a/b"}},
	}
	brokers(t, func(t *testing.T, addr string) {
		for _, test := range tests {
			for qos := byte(0); qos <= 2; qos++ {
				name := fmt.Sprint(test.name, qos)
				b := open(t, mqttconn.Config{Name: name, URLs: []string{"mqtt://" + addr}}).start(test.filters...)
				pub := brokertest.Dial(t, addr)
				for range 3 { // equal messages are messages of their own
					pub.Publish("a/b", "same", qos)
				}
				pub.Publish("a/b", "end", qos)
				b.settle(b.want("same", "same", "same", "end")...)
				pub.Publish("a/b", "after the end", qos) // copies of the end would come first
				b.settle(b.want("after the end")...)
				b.conn.Close()
			}
		}
	})
}

// Copies that the network cut apart are still copies.
func TestCopiesAcrossACut(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		proxy := brokertest.NewProxy(t, addr)
		b := open(t, mqttconn.Config{URLs: []string{proxy.URL()}}).start("a/+", "+/b")
		pub := brokertest.Dial(t, addr)
		for i, n := range numbers(0, 40) {
			pub.Publish("a/b", n, 1)
			if i == 20 {
				proxy.Cut()
			}
		}
		seen := map[string]bool{}
		for len(seen) < 40 {
			d := b.next()
			if n := string(d.Message.Payload); seen[n] {
				t.Fatalf("%s came twice", n)
			} else {
				seen[n] = true
			}
			b.settle(d)
		}
		pub.Publish("a/b", "last", 1)
		b.want("last")
	})
}

func TestRetainedMessagesComeWithNewFiltersOnly(t *testing.T) {
	broker := brokertest.StartMosquitto(t)
	proxy := brokertest.NewProxy(t, broker.Addr())
	pub := brokertest.Dial(t, broker.Addr())
	pub.Retain("a", "kept a")
	pub.Retain("b", "kept b")
	conf := mqttconn.Config{URLs: []string{proxy.URL()}, Options: mqttconn.Options{ClientID: "box"}}
	b := open(t, conf).start("a")
	d := b.want("kept a")
	if !d[0].Message.Meta.Retain {
		t.Error("not marked as retained")
	}
	b.settle(d...)
	b.subscribe("a", "b")
	b.settle(b.want("kept b")...)
	proxy.Cut()
	b.wait("connected again", func() bool { return b.conn.Stats().Connects == 2 && b.conn.Subscribed() })
	pub.Publish("a", "live", 1)
	b.settle(b.want("live")...)

	b = b.again(conf, "a", "b") // a restart
	pub.Publish("a", "live again", 1)
	b.settle(b.want("live again")...)
}

func TestGivesUpWhatAnEarlierRunSubscribedTo(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		conf := mqttconn.Config{URLs: []string{"mqtt://" + addr}, Options: mqttconn.Options{ClientID: "box"}}
		b := open(t, conf).start("old/+/x/#", "new")
		b = b.again(conf, "new")
		pub := brokertest.Dial(t, addr)
		pub.Publish("old/1/x/y/z", "first", 1)
		b.settle(b.want("first")...)
		b.wait("given up", b.log.says("giving up a subscription of an earlier run"))
		for {
			pub.Publish("old/1/x", "old", 0)
			pub.Publish("new", "new", 0)
			if d := b.next(); d.Message.Topic == "new" {
				return
			}
			b.want("new")
		}
	})
}

func TestOwnMessagesDoNotComeBack(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		b := open(t, mqttconn.Config{URLs: []string{"mqtt://" + addr}}).start("#")
		b.publish(1, "a", "ours")
		brokertest.Dial(t, addr).Publish("a", "theirs", 1)
		b.want("theirs")
	})
}

func TestSharedSubscription(t *testing.T) {
	brokers(t, func(t *testing.T, addr string) {
		a := open(t, mqttconn.Config{Name: "a", URLs: []string{"mqtt://" + addr}}).start("$share/g/in")
		b := open(t, mqttconn.Config{Name: "b", URLs: []string{"mqtt://" + addr}}).start("$share/g/in")
		pub := brokertest.Dial(t, addr)
		sent := 0
		a.wait("messages at both of them", func() bool { // mochi casts lots for each
			pub.Publish("in", fmt.Sprint(sent), 1)
			sent++
			return sent >= 20 && len(a.got) > 0 && len(b.got) > 0
		})
		a.wait("each message at one of them", func() bool { return len(a.got)+len(b.got) == sent })
	})
}

func TestRefusedSubscription(t *testing.T) {
	acl := writeFile(t, "topic readwrite open/#\n")
	broker := brokertest.StartMosquitto(t, "acl_file "+acl)
	b := open(t, mqttconn.Config{URLs: []string{broker.URL()}})
	b.subscribe("open/a")
	b.conn.Start(func(d *mqttconn.Delivery) bool { b.got <- d; return true })
	b.wait("subscribed", b.conn.Subscribed)
	// Mosquitto grants subscriptions and checks each message; a bad filter is refused before it is sent.
	if err := b.conn.Subscribe([]string{"a/#/b", "open/a"}, 1); err == nil {
		t.Error("a/#/b was accepted")
	}
	brokertest.Dial(t, broker.Addr()).Publish("open/a", "still", 1)
	b.want("still")
}
