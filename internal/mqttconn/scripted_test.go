package mqttconn_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"edge/internal/mqttconn"
)

// script is a broker that does what a test tells it: each function serves one connection, in turn.
func script(t *testing.T, serve ...func(*scripted)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, f := range serve {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			f(&scripted{t, nc})
			nc.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return "mqtt://" + l.Addr().String()
}

type scripted struct {
	t  *testing.T
	nc net.Conn
}

// read gives the next packet but pings, which it answers; nil at the end.
func (s *scripted) read() *packets.ControlPacket {
	for {
		p, err := packets.ReadPacket(s.nc)
		if err != nil {
			return nil
		}
		if p.Type != packets.PINGREQ {
			return p
		}
		s.nc.Write([]byte{packets.PINGRESP << 4, 0})
	}
}

// accept answers CONNECT.
func (s *scripted) accept(sessionPresent bool) {
	s.want(packets.CONNECT)
	s.write((&packets.Connack{SessionPresent: sessionPresent, Properties: &packets.Properties{}}))
}

func (s *scripted) want(kind byte) *packets.ControlPacket {
	p := s.read()
	if p == nil || p.Type != kind {
		s.t.Errorf("the client sent %v, want packet type %d", p, kind)
		return &packets.ControlPacket{}
	}
	return p
}

func (s *scripted) write(p io.WriterTo) { p.WriteTo(s.nc) }

// What we ask of the broker, as another implementation reads it.
func TestWhatTheBrokerReads(t *testing.T) {
	dropped := make(chan struct{})
	url := script(t, func(s *scripted) {
		connect := s.want(packets.CONNECT).Content.(*packets.Connect)
		p := connect.Properties
		if got := fmt.Sprint(connect.ClientID, connect.Username, string(connect.Password), connect.CleanStart, connect.KeepAlive,
			connect.WillTopic, string(connect.WillMessage), connect.WillQOS, connect.WillRetain, *connect.WillProperties.WillDelayInterval,
			*p.SessionExpiryInterval, *p.ReceiveMaximum, *p.MaximumPacketSize, p.User, p.RequestProblemInfo,
		); got != "boxuserpwtrue 30willgone1 true 3 86400 256 16777216 [{a 1} {b 2}] <nil>" {
			t.Error(got)
		}
		s.write(&packets.Connack{Properties: &packets.Properties{}})

		sub := s.want(packets.SUBSCRIBE).Content.(*packets.Subscribe)
		if o := sub.Subscriptions[0]; len(sub.Subscriptions) != 1 || sub.PacketID < 1<<15 || *sub.Properties.SubscriptionIdentifier == 0 ||
			o.Topic != "a/+" || o.QoS != 2 || !o.NoLocal || o.RetainHandling != 1 || o.RetainAsPublished {
			t.Errorf("%+v", sub)
		}
		s.write(&packets.Suback{PacketID: sub.PacketID, Reasons: []byte{2}, Properties: &packets.Properties{}})
		sub = s.want(packets.SUBSCRIBE).Content.(*packets.Subscribe)
		if o := sub.Subscriptions[0]; o.Topic != "$share/g/b" || o.NoLocal {
			t.Errorf("%+v", sub)
		}
		s.write(&packets.Suback{PacketID: sub.PacketID, Reasons: []byte{2}, Properties: &packets.Properties{}})
		drop := s.want(packets.UNSUBSCRIBE).Content.(*packets.Unsubscribe)
		if drop.PacketID < 1<<15 || drop.Topics[0] != "a/+" {
			t.Errorf("%+v", drop)
		}
		close(dropped)
		s.write(&packets.Unsuback{PacketID: drop.PacketID, Reasons: []byte{0}, Properties: &packets.Properties{}})
		if d := s.want(packets.DISCONNECT).Content.(*packets.Disconnect); d.ReasonCode != 0 {
			t.Errorf("%+v", d)
		}
	})
	conf := mqttconn.Config{URLs: []string{url}, Password: "pw", UserProperties: map[string]string{"b": "2", "a": "1"}}
	conf.Username, conf.ClientID, conf.CleanStart = "user", "box", true
	conf.Will = &mqttconn.Will{Topic: "will", Payload: "gone", QoS: 1, Retain: true}
	b := open(t, conf).start("a/+")
	b.subscribe("$share/g/b")
	<-dropped
	b.conn.Close()
}

// A slow line: requests do not wait for each other, and there is an end to how many are under way.
func TestManyFilters(t *testing.T) {
	const filters = 40
	url := script(t, func(s *scripted) {
		s.accept(false)
		ids, numbers := map[uint16]bool{}, map[int]bool{}
		asked := make(chan uint16, filters)
		for range 16 {
			asked <- s.want(packets.SUBSCRIBE).PacketID()
		}
		s.write(&packets.Publish{Topic: "a", Payload: []byte("meanwhile"), Properties: &packets.Properties{}})
		for len(ids) < filters {
			id := <-asked
			ids[id] = true
			s.write(&packets.Suback{PacketID: id, Reasons: []byte{1}, Properties: &packets.Properties{}})
			if len(ids)+len(asked) < filters {
				sub := s.want(packets.SUBSCRIBE).Content.(*packets.Subscribe)
				numbers[*sub.Properties.SubscriptionIdentifier] = true
				asked <- sub.PacketID
			}
		}
		if len(numbers) != filters-16 {
			t.Errorf("%d subscription identifiers", len(numbers))
		}
		s.want(packets.DISCONNECT)
	})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	var all []string
	for _, n := range numbers(0, filters) {
		all = append(all, "filter/"+n)
	}
	b.start(all...)
	b.want("meanwhile")
	b.conn.Close()
}

// What the broker sends at once behind CONNACK belongs to the session that CONNACK speaks of. The order of
// acknowledgements is that of receipt on the new connection.
func TestResumedAtOnce(t *testing.T) {
	publish := func(id uint16, dup bool) *packets.Publish {
		return &packets.Publish{Topic: "a", PacketID: id, QoS: 1, Payload: fmt.Append(nil, id), Duplicate: dup, Properties: &packets.Properties{}}
	}
	url := script(t,
		func(s *scripted) {
			s.accept(false)
			sub := s.want(packets.SUBSCRIBE)
			s.write(&packets.Suback{PacketID: sub.PacketID(), Reasons: []byte{1}, Properties: &packets.Properties{}})
			for id := uint16(1); id <= 3; id++ {
				s.write(publish(id, false))
			}
			if out := s.want(packets.PUBLISH); out.PacketID() != 1<<15|2 {
				t.Errorf("published under %#x", out.PacketID())
			}
		},
		func(s *scripted) {
			s.want(packets.CONNECT)
			var all bytes.Buffer
			(&packets.Connack{SessionPresent: true, Properties: &packets.Properties{}}).WriteTo(&all)
			for _, id := range []uint16{3, 1, 2} {
				publish(id, true).WriteTo(&all)
			}
			publish(4, false).WriteTo(&all)
			s.nc.Write(all.Bytes())
			if out := s.want(packets.PUBLISH).Content.(*packets.Publish); out.PacketID != 1<<15|2 || !out.Duplicate {
				t.Errorf("sent again: %v", out)
			}
			for _, id := range []uint16{3, 1, 2, 4} {
				if a := s.want(packets.PUBACK); a.PacketID() != id {
					t.Errorf("acknowledged %d, want %d", a.PacketID(), id)
				}
			}
			s.write(&packets.Puback{PacketID: 1<<15 | 2, Properties: &packets.Properties{}})
			s.want(packets.DISCONNECT)
		})
	b := open(t, mqttconn.Config{URLs: []string{url}}).start("a")
	ds := b.want("1", "2", "3")
	b.publishing(1, "out", "x")
	ds = append(ds, b.want("4")...)
	for _, d := range slices.Backward(ds) {
		d.Settle()
	}
	b.wait("answered", func() bool { return b.conn.Stats().Publishing == 0 })
	b.conn.Close()
}

// The broker says goodbye, in each form there is, while requests are under way.
func TestGoodbyeOfTheBroker(t *testing.T) {
	for packet, says := range map[string]string{
		"\xe0\x00":                       "the broker closed the connection: unknown reason, code 0x00",
		"\xe0\x01\x8b":                   "shutting down, code 0x8b",
		"\xe0\x07\x98\x05\x1f\x00\x02hi": `administrator ("hi"), code 0x98`,
		"\x90\x01\x00":                   "not MQTT 5", // a SUBACK cut short
		"\x82\x00":                       "not MQTT 5", // what clients alone send
		"\xf0\x00":                       "not MQTT 5", // nobody asked for AUTH
	} {
		url := script(t, func(s *scripted) {
			s.accept(false)
			s.want(packets.SUBSCRIBE)
			s.nc.Write([]byte(packet))
			s.read()
		})
		b := open(t, mqttconn.Config{URLs: []string{url}})
		b.subscribe("a")
		b.conn.Start(nil)
		b.wait(says, b.log.says("connection lost"))
		b.conn.Close()
		if log := b.log.String(); !strings.Contains(strings.ReplaceAll(log, `\"`, `"`), says) || strings.Contains(log, "cannot subscribe") {
			t.Errorf("%x: the log is\n%s", packet, log)
		}
	}
}

// A broker may name a method of authentication that nobody asked for.
func TestConnackWithAMethod(t *testing.T) {
	url := script(t, func(s *scripted) {
		s.want(packets.CONNECT)
		s.write(&packets.Connack{Properties: &packets.Properties{AuthMethod: "x"}})
		s.want(packets.DISCONNECT)
	})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	b.conn.Start(nil)
	b.wait("connected", b.conn.Connected)
	b.conn.Close()
}

// The broker has taken the first half of a QoS 2 message when it loses the session, and with it the message.
func TestHalfDeliveredWhenTheSessionIsLost(t *testing.T) {
	url := script(t,
		func(s *scripted) {
			s.accept(false)
			id := s.want(packets.PUBLISH).Content.(*packets.Publish).PacketID
			s.write(&packets.Pubrec{PacketID: id, Properties: &packets.Properties{}})
			s.want(packets.PUBREL)
		},
		func(s *scripted) {
			s.accept(false)
			p := s.want(packets.PUBLISH).Content.(*packets.Publish)
			if string(p.Payload) != "x" || p.Duplicate {
				t.Errorf("sent again as %v", p)
			}
			s.write(&packets.Pubrec{PacketID: p.PacketID, Properties: &packets.Properties{}})
			s.want(packets.PUBREL)
			s.write(&packets.Pubcomp{PacketID: p.PacketID, Properties: &packets.Properties{}})
			s.read()
		})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	b.conn.Start(nil)
	b.wait("connected", b.conn.Connected)
	b.publish(2, "out", "x")
	b.conn.Close()
}

// With the session kept, the second half alone is sent again.
func TestHalfDeliveredAcrossACut(t *testing.T) {
	var id uint16
	url := script(t,
		func(s *scripted) {
			s.accept(false)
			id = s.want(packets.PUBLISH).Content.(*packets.Publish).PacketID
			s.write(&packets.Pubrec{PacketID: id, Properties: &packets.Properties{}})
			s.want(packets.PUBREL)
		},
		func(s *scripted) {
			s.accept(true)
			if again := s.want(packets.PUBREL).Content.(*packets.Pubrel).PacketID; again != id {
				t.Errorf("released %d, want %d", again, id)
			}
			s.write(&packets.Pubcomp{PacketID: id, Properties: &packets.Properties{}})
			s.read()
		})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	b.conn.Start(nil)
	b.wait("connected", b.conn.Connected)
	b.publish(2, "out", "x")
	b.conn.Close()
}

// What comes in after the goodbye is read, so that the connection ends in peace, and not answered.
func TestNothingAfterDisconnect(t *testing.T) {
	ended := make(chan error, 1)
	url := script(t, func(s *scripted) {
		began := time.Now()
		s.accept(false)
		s.want(packets.DISCONNECT)
		if n, err := s.nc.Read(make([]byte, 100)); n > 0 || err != io.EOF {
			t.Errorf("%d bytes after DISCONNECT, %v", n, err)
		}
		var err error
		for id := range uint16(5000) { // a client that has closed would make this fail
			if _, err = (&packets.Pubrel{PacketID: id + 1, Properties: &packets.Properties{}}).WriteTo(s.nc); err != nil {
				break
			}
		}
		if time.Since(began) > time.Second { // for which it reads: now it may have closed
			err = nil
		}
		ended <- err
	})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	b.conn.Start(nil)
	b.wait("connected", b.conn.Connected)
	b.conn.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whenever Close comes, nothing of us runs on after it.
func TestCloseEndsAll(t *testing.T) {
	reached := make(chan bool, 3)
	url := script(t,
		func(s *scripted) { // in the middle of CONNECT
			s.want(packets.CONNECT)
			reached <- true
			s.read()
		},
		func(s *scripted) { // while a request is under way
			s.accept(false)
			s.want(packets.SUBSCRIBE)
			reached <- true
			s.want(packets.DISCONNECT)
		},
		func(s *scripted) { // while it waits to connect again
			s.accept(false)
			reached <- true
		})
	for range 3 {
		b := open(t, mqttconn.Config{URLs: []string{url}})
		b.subscribe("a")
		b.conn.Start(nil)
		<-reached
		b.conn.Close()
		b.wait("the end of all goroutines", func() bool {
			var all strings.Builder
			pprof.Lookup("goroutine").WriteTo(&all, 2)
			return !strings.Contains(all.String(), "internal/mqttconn.(") && !strings.Contains(all.String(), "autopaho.")
		})
		if err := b.conn.Send(t.Context(), &mqttconn.Outgoing{Topic: "x"}); err != mqttconn.ErrClosed {
			t.Error(err)
		}
	}
}

// A redelivery under a known packet id that is another message is a new one; so is one that the broker
// does not mark as sent before.
func TestPacketIDUsedAgain(t *testing.T) {
	publish := func(id uint16, payload string, dup bool) *packets.Publish {
		return &packets.Publish{Topic: "a", PacketID: id, QoS: 1, Payload: []byte(payload), Duplicate: dup, Properties: &packets.Properties{}}
	}
	cut, acked := make(chan struct{}), make(chan struct{})
	url := script(t,
		func(s *scripted) {
			s.accept(false)
			for id, payload := range []string{"lost ack", "same again", "other"} {
				s.write(publish(uint16(id+1), payload, false))
				s.want(packets.PUBACK)
			}
			<-cut
		},
		func(s *scripted) {
			s.accept(true)
			s.write(publish(1, "lost ack", true))
			s.write(publish(2, "same again", false))
			s.write(publish(3, "never arrived", true))
			for id := uint16(1); id <= 3; id++ {
				if a := s.want(packets.PUBACK).Content.(*packets.Puback); a.PacketID != id {
					t.Errorf("acknowledged %d, want %d", a.PacketID, id)
				}
			}
			close(acked)
			s.read()
		})
	conf := mqttconn.Config{URLs: []string{url}}
	conf.Keepalive = time.Hour // an answered ping would forget what is acknowledged
	b := open(t, conf)
	b.conn.Start(func(d *mqttconn.Delivery) bool {
		d.Settle()
		b.got <- d
		return true
	})
	b.want("lost ack", "same again", "other")
	close(cut)
	b.want("same again", "never arrived")
	<-acked
	b.conn.Close()
}

// A broker that answers pings but none of our messages is left for a new connection.
func TestBrokerThatAcknowledgesNothing(t *testing.T) {
	url := script(t,
		func(s *scripted) {
			s.accept(false)
			s.want(packets.PUBLISH)
			s.read()
		},
		func(s *scripted) {
			s.accept(true)
			p := s.want(packets.PUBLISH).Content.(*packets.Publish)
			if !p.Duplicate {
				t.Error("not marked as sent before")
			}
			s.write(&packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}})
			s.read()
		})
	conf := mqttconn.Config{URLs: []string{url}}
	conf.Keepalive = 1e9
	b := open(t, conf)
	b.conn.Start(nil)
	b.wait("connected", b.conn.Connected)
	b.publish(1, "out", "x")
	b.conn.Close()
}
