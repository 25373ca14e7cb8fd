package mqttconn

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"edge/internal/cputimetest"
	"edge/internal/pacing"
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
			l := c.newLink(nc)
			l.greeted = true
			c.state = running
			c.receive = func(d *Delivery) bool { d.Settle(); return true }
			if err := c.up(l, &packets.Connack{SessionPresent: true, Properties: &packets.Properties{}}); err != nil {
				b.Fatal(err)
			}
			packet := appendPublish(nil, &Outgoing{Topic: "hospital/H1/device/r-1/status", QoS: qos, Payload: payload}, 1, false)
			body := packet[3:] // past the fixed header of two length bytes
			b.ReportAllocs()
			for i := range b.N {
				if qos > 0 {
					id := uint16(i%60_000 + 1)
					body[31], body[32] = byte(id>>8), byte(id)
				}
				if err := l.handle(packet[0], body); err != nil {
					b.Fatal(err)
				}
				if len(l.buf) > 1000 { // as if the writer had been here, and the broker answered pings
					l.buf = l.buf[:0]
					for l.pings > 0 {
						pahoPinger{c}.PingResp()
					}
				}
			}
		})
	}
}

// From the socket to the acknowledgement on the wire, over a connection as it is in use. The broker's part, which
// writes prepared packets 64 KiB at a time and throws away what comes back, is in it.
func BenchmarkConnection(b *testing.B) {
	receiving(b, func(b *testing.B, addr string, took func()) (stop func()) {
		c, err := New(Config{Name: "x", URLs: []string{"mqtt://" + addr}, Transport: pacing.New})
		if err != nil {
			b.Fatal(err)
		}
		c.Start(func(d *Delivery) bool {
			d.Settle()
			took()
			return true
		})
		return func() { c.Close() }
	})
}

// The same by paho.golang as it is.
func BenchmarkPaho(b *testing.B) {
	receiving(b, func(b *testing.B, addr string, took func()) (stop func()) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		c := paho.NewClient(paho.ClientConfig{Conn: nc, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(paho.PublishReceived) (bool, error) {
				took()
				return true, nil
			},
		}})
		if _, err := c.Connect(b.Context(), &paho.Connect{ClientID: "x", KeepAlive: 60, CleanStart: true}); err != nil {
			b.Fatal(err)
		}
		return func() { nc.Close() }
	})
}

// receiving has a client take b.N messages, and be told of each.
func receiving(b *testing.B, connect func(b *testing.B, addr string, took func()) (stop func())) {
	for _, qos := range []byte{0, 1} {
		b.Run("QoS "+string('0'+qos), func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			begin, end := make(chan bool), make(chan bool)
			defer close(end)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				nc.Read(make([]byte, 1000))
				nc.Write([]byte("\x20\x03\x00\x00\x00"))
				go io.Copy(io.Discard, nc)
				<-begin
				out := make([]byte, 0, 64<<10)
				for i := range b.N {
					out = appendPublish(out, &Outgoing{Topic: "hospital/H1/device/r-1/status", QoS: qos, Payload: payload}, uint16(i%60_000+1), false)
					if len(out) > 60<<10 || i == b.N-1 {
						nc.Write(out)
						out = out[:0]
					}
				}
				<-end
			}()
			var n atomic.Int64
			all := make(chan bool)
			stop := connect(b, l.Addr().String(), func() {
				if n.Add(1) == int64(b.N) {
					close(all)
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			measured := cputimetest.Start(b)
			close(begin)
			<-all
			measured()
			b.StopTimer()
			stop()
		})
	}
}

var payload = []byte(strings.Repeat("x", 200))
