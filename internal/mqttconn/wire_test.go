package mqttconn

import (
	"bytes"
	"fmt"
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
	c := Config{Name: "x", Password: "pw", UserProperties: map[string]string{"b": "2", "a": "1"}}
	c.Username, c.ClientID = "user", "box"
	c.Will = &Will{Topic: "will", Payload: "gone", QoS: 1, Retain: true}
	c = c.withDefaults()
	connect := read(appendConnect(nil, &c, true)).(*packets.Connect)
	p := connect.Properties
	if got := fmt.Sprint(connect.ClientID, connect.Username, string(connect.Password), connect.CleanStart, connect.KeepAlive,
		connect.WillTopic, string(connect.WillMessage), connect.WillQOS, connect.WillRetain, *connect.WillProperties.WillDelayInterval,
		*p.SessionExpiryInterval, *p.ReceiveMaximum, *p.MaximumPacketSize, p.User,
	); got != "boxuserpwtrue 30willgone1 true 3 86400 256 16777216 [{a 1} {b 2}]" {
		t.Error(got)
	}

	sub := read(appendSubscribe(nil, 7, "a/+", 268_435_455, 2|subNoLocal|subRetainNew)).(*packets.Subscribe)
	if s := sub.Subscriptions[0]; sub.PacketID != 7 || *sub.Properties.SubscriptionIdentifier != 268_435_455 ||
		s.Topic != "a/+" || s.QoS != 2 || !s.NoLocal || s.RetainHandling != 1 || s.RetainAsPublished {
		t.Errorf("%+v", sub)
	}
	if u := read(appendUnsubscribe(nil, 8, "a/+")).(*packets.Unsubscribe); u.PacketID != 8 || u.Topics[0] != "a/+" {
		t.Errorf("%+v", u)
	}
	if a := read(appendAck(nil, pktPubrel, 9)).(*packets.Pubrel); a.PacketID != 9 || a.ReasonCode != 0 {
		t.Errorf("%+v", a)
	}
	if d := read(appendDisconnect(nil, 0x93)).(*packets.Disconnect); d.ReasonCode != 0x93 {
		t.Errorf("%+v", d)
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
	f.Add(byte(pktPublish<<4|2), []byte("\x00\x01a\x00\x07\x02\x0b\x05payload"))
	f.Add(byte(pktConnack<<4), []byte("\x01\x00\x06\x22\x00\x0a\x21\x00\x14"))
	f.Add(byte(pktSuback<<4), []byte("\x00\x07\x00\x01"))
	f.Add(byte(pktDisconnect<<4), []byte("\x8e\x04\x1f\x00\x01x"))
	f.Add(byte(pktPuback<<4), []byte("\x00\x07\x10\x00"))
	f.Fuzz(func(t *testing.T, first byte, body []byte) {
		switch first >> 4 {
		case pktPublish:
			var p publish
			if p.parse(first, body) == nil {
				c := &Conn{}
				d := c.delivery(&p, time.Time{}, false)
				if len(d.Message.Topic)+len(d.Message.Payload) > len(body) {
					t.Error("more came out than went in")
				}
			}
		case pktConnack:
			parseConnack(body)
		default:
			parseAnswer(first>>4, body)
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
		if err := p.parse(pktPublish<<4|2, []byte(body)); err != errMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
