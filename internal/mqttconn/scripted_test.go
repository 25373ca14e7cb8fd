package mqttconn_test

import (
	"io"
	"net"
	"testing"

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

// read gives the next packet but pings; nil at the end.
func (s *scripted) read() *packets.ControlPacket {
	for {
		p, err := packets.ReadPacket(s.nc)
		if err != nil {
			return nil
		}
		if p.Type != packets.PINGREQ {
			return p
		}
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
	b := open(t, mqttconn.Config{URLs: []string{url}})
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
			for {
				p, err := packets.ReadPacket(s.nc)
				if err != nil {
					return
				}
				if p.Type == packets.PINGREQ {
					s.nc.Write([]byte{packets.PINGRESP << 4, 0})
				}
			}
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
