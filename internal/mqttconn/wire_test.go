package mqttconn

import (
	"bytes"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"edge/engine"
)

// What we write, another implementation reads.
func TestPacketsReadByAnother(t *testing.T) {
	read := func(b []byte) packets.Packet {
		t.Helper()
		in := bytes.NewReader(b)
		p, err := packets.ReadPacket(in)
		if err != nil || in.Len() > 0 {
			t.Fatalf("%x: %v, %d bytes left", b, err, in.Len())
		}
		return p.Content
	}
	if a := read(appendAck(nil, packets.PUBREL, 9)).(*packets.Pubrel); a.PacketID != 9 || a.ReasonCode != 0 {
		t.Errorf("%+v", a)
	}
	for _, size := range []int{0, 1, 100, 127, 128, 16_384, 3_000_000} {
		out := &Outgoing{Topic: "t", QoS: 1, Retain: true, Payload: make([]byte, size), Headers: []engine.Header{{Name: "n", Value: "v"}}}
		b := appendPublish(nil, out, 5, true)
		pub := read(b).(*packets.Publish)
		if len(b) != packetSize(out) || pub.PacketID != 5 || !pub.Duplicate || !pub.Retain || pub.QoS != 1 || len(pub.Payload) != size || pub.Properties.User[0].Value != "v" {
			t.Errorf("%d: %+v", size, pub)
		}
	}
}

// Whatever a broker sends: no panic, and nothing is read that is not there.
func FuzzParse(f *testing.F) {
	f.Add(byte(packets.PUBLISH<<4|2), []byte("\x00\x01a\x00\x07\x02\x0b\x05payload"))
	f.Add(byte(packets.PUBACK<<4), []byte("\x00\x07\x10\x00"))
	f.Fuzz(func(t *testing.T, first byte, body []byte) {
		if first>>4 != packets.PUBLISH {
			parseAnswer(body)
			return
		}
		var p publish
		if p.parse(first, body) == nil {
			c := &Conn{}
			d := c.delivery(&p, time.Time{}, false)
			if len(d.Message.Topic)+len(d.Message.Payload) > len(body) {
				t.Error("more came out than went in")
			}
		}
	})
}

func TestRejectsWhatIsNotMQTT(t *testing.T) {
	bad := map[string]string{
		"empty":                    "",
		"no topic":                 "\x00\x00\x00\x01\x00",
		"topic cut off":            "\x00\x09a",
		"packet id zero":           "\x00\x01a\x00\x00\x00",
		"no properties":            "\x00\x01a\x00\x01",
		"properties cut off":       "\x00\x01a\x00\x01\x05\x0b",
		"unknown property":         "\x00\x01a\x00\x01\x02\x7f\x00",
		"length without end":       "\x00\x01a\x00\x01\xff\xff\xff\xff\xff",
		"property longer than all": "\x00\x01a\x00\x01\x03\x03\x00\x09",
	}
	for name, body := range bad {
		var p publish
		if err := p.parse(packets.PUBLISH<<4|2, []byte(body)); err != errMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
