package mqttconn_test

import (
	"fmt"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"edge/internal/mqttconn"
)

// A broker that writes each message by itself, as fast as it can, makes the connection a busy one. All are
// acknowledged, in order, and so is the last, after which nothing comes that would have it sent. What is published
// meanwhile goes out too.
func TestBusyConnection(t *testing.T) {
	const all = 30_000
	acked, published := make(chan struct{}), make(chan struct{})
	url := script(t, func(s *scripted) {
		s.accept(false)
		answers := make(chan *packets.ControlPacket, all)
		go func() {
			for p := s.read(); p != nil; p = s.read() {
				answers <- p
			}
			close(answers)
		}()
		go func() {
			for id := 1; id <= all; id++ {
				s.write(&packets.Publish{Topic: "a", PacketID: uint16(id), QoS: 1, Payload: fmt.Append(nil, id), Properties: &packets.Properties{}})
			}
		}()
		next := uint16(1)
		for p := range answers {
			switch a := p.Content.(type) {
			case *packets.Puback:
				if a.PacketID != next {
					t.Errorf("acknowledged %d, want %d", a.PacketID, next)
				}
				if next++; next > all {
					close(acked)
				}
			case *packets.Publish:
				s.write(&packets.Puback{PacketID: a.PacketID, Properties: &packets.Properties{}})
			}
		}
	})
	b := open(t, mqttconn.Config{URLs: []string{url}})
	b.conn.Start(func(d *mqttconn.Delivery) bool {
		b.got <- d
		return true
	})
	for i := 1; i <= all; i++ {
		d := b.next()
		if got := string(d.Message.Payload); got != fmt.Sprint(i) {
			t.Fatalf("%s came, want %d", got, i)
		}
		if i == all/2 {
			out := &mqttconn.Outgoing{Topic: "b", QoS: 1, Done: func(p *mqttconn.Outgoing) {
				if p.Err != nil {
					t.Error(p.Err)
				}
				close(published)
			}}
			if err := b.conn.Send(t.Context(), out); err != nil {
				t.Fatal(err)
			}
		}
		d.Settle()
	}
	<-acked
	<-published
	b.conn.Close()
}
