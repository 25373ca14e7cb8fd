package mqttconn

import (
	"net"
	"strings"
	"testing"
)

// A message from the read buffer to its acknowledgement, without the network and the engine.
func BenchmarkReceive(b *testing.B) {
	for _, qos := range []byte{0, 1} {
		b.Run("QoS "+string('0'+qos), func(b *testing.B) {
			c, err := New(Config{Name: "x", URLs: []string{"mqtt://x"}})
			if err != nil {
				b.Fatal(err)
			}
			nc, other := net.Pipe()
			defer nc.Close()
			defer other.Close()
			l := newLink(nc, &c.cfg)
			l.connack.sessionPresent = true
			c.state = running
			c.receive = func(d *Delivery) bool { d.Settle(); return true }
			c.up(l)
			var p publish
			packet := appendPublish(nil, &Outgoing{Topic: "hospital/H1/device/r-1/status", QoS: qos, Payload: []byte(strings.Repeat("x", 200))}, 1, false)
			body := packet[3:] // past the fixed header of two length bytes
			b.ReportAllocs()
			for i := range b.N {
				if qos > 0 {
					id := uint16(i%60_000 + 1)
					body[31], body[32] = byte(id>>8), byte(id)
				}
				if err := c.handle(l, packet[0], body, &p); err != nil {
					b.Fatal(err)
				}
				if len(l.buf) > 1000 { // as if the writer had been here, and the broker answered pings
					l.buf = l.buf[:0]
					for l.pings > 0 {
						l.pings--
						c.in.ponged()
					}
				}
			}
		})
	}
}
