package mqttconn

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"edge/engine"
)

// What paho writes, we read, and the other way round: the same values come out as went in.
func FuzzPublish(f *testing.F) {
	f.Add("a/b", []byte("payload"), uint16(7), byte(2), uint32(60), "text/plain", "reply/to", []byte("id 1"), "site", "H1", uint32(5), uint32(268_435_455))
	f.Add("a", []byte(nil), uint16(0), byte(0), uint32(0), "", "", []byte(nil), "", "", uint32(0), uint32(0))
	f.Add("t", make([]byte, 20_000), uint16(65_535), byte(0xff), uint32(1<<31), "x", "", []byte("\x00"), "empty", "", uint32(127), uint32(128))
	f.Add("\xff", make([]byte, 127), uint16(1), byte(4), uint32(1), "", "r", []byte(nil), "", "v", uint32(16_384), uint32(0))
	f.Fuzz(func(t *testing.T, topic string, payload []byte, id uint16, flags byte, expiry uint32, contentType, responseTopic string,
		correlation []byte, name, value string, sub1, sub2 uint32) {
		qos, retain, dup := flags%3, flags&4 != 0, flags&8 != 0
		for _, text := range []string{topic, contentType, responseTopic, string(correlation), name, value} {
			if len(text) > math.MaxUint16 {
				return
			}
		}
		if topic == "" {
			return
		}
		if id = max(id, 1); qos == 0 {
			id = 0
		}
		props := &packets.Properties{ContentType: contentType, ResponseTopic: responseTopic, CorrelationData: correlation,
			User: []packets.User{{Key: name, Value: value}, {Key: "second", Value: name}}}
		if expiry > 0 {
			props.MessageExpiry = &expiry
		}
		same := func(what string, p *packets.Publish) {
			t.Helper()
			if p.Topic != topic || !bytes.Equal(p.Payload, payload) || p.PacketID != id || p.QoS != qos || p.Retain != retain || p.Duplicate != dup ||
				p.Properties.String() != props.String() {
				t.Errorf("%s: got %s\nwant %s", what, p, props)
			}
		}

		// paho knows one Subscription Identifier; a broker sends one for each filter that matches.
		var all []byte
		var ids []uint32
		for _, n := range []uint32{sub1, sub2} {
			if n %= 1 << 28; n > 0 {
				number := int(n)
				all = append(all, (&packets.Properties{SubscriptionIdentifier: &number}).Pack(packets.PUBLISH)...)
				ids = append(ids, n)
			}
		}
		all = append(all, props.Pack(packets.PUBLISH)...)
		body := (&packets.Publish{Topic: topic, PacketID: id, QoS: qos}).Buffers()[0]
		body = append(appendLength(body[:len(body)-1], len(all)), all...) // in the place of no properties
		body = append(body, payload...)
		first := (&packets.Publish{QoS: qos, Retain: retain, Duplicate: dup}).ToControlPacket().Flags | packets.PUBLISH<<4

		var p publish
		if err := p.parse(first, body); err != nil {
			t.Fatal(err)
		}
		d := (&Conn{}).delivery(&p, time.Time{}, false)
		m := d.Message.Meta
		got := &packets.Publish{
			Topic: d.Message.Topic, Payload: d.Message.Payload, PacketID: p.id, QoS: m.QoS, Retain: m.Retain, Duplicate: m.Redelivered,
			Properties: &packets.Properties{ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, CorrelationData: m.CorrelationData, MessageExpiry: props.MessageExpiry},
		}
		for _, h := range m.Properties {
			got.Properties.User = append(got.Properties.User, packets.User{Key: h.Name, Value: h.Value})
		}
		same("read", got)
		if !slices.Equal(p.subIDs, ids) {
			t.Errorf("subscription identifiers %d, want %d", p.subIDs, ids)
		}

		out := &Outgoing{
			Topic: topic, Payload: payload, QoS: qos, Retain: retain, Headers: []engine.Header{{Name: "second", Value: name}},
			Properties: AppendProperties(nil, expiry, contentType, responseTopic, string(correlation), []engine.Header{{Name: name, Value: value}}),
		}
		b := appendPublish(nil, out, id, dup)
		in := bytes.NewReader(b)
		packet, err := packets.ReadPacket(in)
		if err != nil || in.Len() > 0 || len(b) != packetSize(out) {
			t.Fatalf("%v, %d bytes left of %d, which should be %d", err, in.Len(), len(b), packetSize(out))
		}
		same("written", packet.Content.(*packets.Publish))
	})
}

func TestLargePublish(t *testing.T) {
	for _, size := range []int{127, 128, 16_384, 3_000_000} {
		out := &Outgoing{Topic: "t", QoS: 1, Payload: make([]byte, size)}
		b := appendPublish(nil, out, 5, false)
		p, err := packets.ReadPacket(bytes.NewReader(b))
		if err != nil || len(b) != packetSize(out) || len(p.Content.(*packets.Publish).Payload) != size {
			t.Errorf("%d: %d bytes, %v", size, len(b), err)
		}
	}
}

// Whatever a broker sends: no panic, and nothing is read that is not there.
func FuzzParse(f *testing.F) {
	f.Add(byte(packets.PUBLISH<<4|2), []byte("\x00\x01a\x00\x07\x02\x0b\x05payload"))
	f.Add(byte(packets.PUBACK<<4), []byte("\x00\x07\x10\x00"))
	f.Add(byte(packets.PUBREL<<4|2), []byte("\x00\x07"))
	f.Add(byte(packets.PUBREC<<4), []byte("\x00\x07\x97\x05\x1f\x00\x02hi"))
	f.Fuzz(func(t *testing.T, first byte, body []byte) {
		packet := append(appendLength([]byte{first}, len(body)), body...)
		read, err := packets.ReadPacket(bytes.NewReader(packet)) // what both take, both understand alike
		switch first >> 4 {
		case packets.PUBLISH:
			var p publish
			if p.parse(first, body) != nil {
				return
			}
			d := (&Conn{}).delivery(&p, time.Time{}, false)
			if len(d.Message.Topic)+len(d.Message.Payload) > len(body) {
				t.Error("more came out than went in")
			}
			if err == nil {
				o := read.Content.(*packets.Publish)
				if o.Topic != d.Message.Topic || o.PacketID != p.id || !bytes.Equal(o.Payload, d.Message.Payload) || o.Properties.ContentType != d.meta.ContentType {
					t.Errorf("%x is %s to paho", body, o)
				}
			}
		case packets.PUBACK, packets.PUBREC, packets.PUBREL, packets.PUBCOMP:
			a, bad := parseAnswer(body)
			if bad == nil && err == nil && a.id != read.PacketID() {
				t.Errorf("%x is %s to paho", body, read)
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
