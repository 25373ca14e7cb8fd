package mqttconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errMalformed = errors.New("the broker sent a packet that is not MQTT 5")

// A reader takes fields off the front of a packet. After the first that is not there, all are zero and bad
// is set, so that a parser asks once, at its end.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) bytes() []byte { return r.take(int(r.uint16())) }

func (r *reader) length() int {
	n := 0
	for shift := 0; shift < 28; shift += 7 {
		c := r.byte()
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

// properties takes the block of properties off r.
func (r *reader) properties() reader {
	b := r.take(r.length())
	return reader{b: b, bad: r.bad}
}

// next takes one property off the block, and says with ok whether there was one. v reads its value.
func (r *reader) next() (id byte, v reader, ok bool) {
	if len(r.b) == 0 || r.bad {
		return 0, v, false
	}
	id = r.byte()
	v.b = r.b
	r.skip(id)
	if r.bad {
		return 0, v, false
	}
	v.b = v.b[:len(v.b)-len(r.b)]
	return id, v, true
}

// skip passes over the value of a property: each has one of seven forms.
func (r *reader) skip(id byte) {
	switch id {
	case 1, 23, 25, propMaximumQoS, propRetainAvailable, propWildcardSub, propSubIDAvailable, propSharedSub:
		r.take(1)
	case propServerKeepalive, propReceiveMaximum, 34, 35:
		r.take(2)
	case propMessageExpiry, propSessionExpiry, propWillDelay, propMaximumPacket:
		r.take(4)
	case propSubscriptionID:
		r.length()
	case propContentType, propResponseTopic, propCorrelationData, 18, 21, 22, 26, 28, propReasonString:
		r.bytes()
	case propUser:
		r.bytes()
		r.bytes()
	default:
		r.bad = true
	}
}

// A connack is what the broker says of the connection it has opened.
type connack struct {
	sessionPresent bool
	code           byte
	reason         string
	keepalive      int // -1: ours holds
	receiveMaximum int
	maximumQoS     byte
	maximumPacket  int
	noRetain       bool
	noSubID        bool
	noShared       bool
}

func parseConnack(b []byte) (connack, error) {
	a := connack{keepalive: -1, receiveMaximum: math.MaxUint16, maximumQoS: 2, maximumPacket: largestPacket}
	if len(b) == 2 { // that of MQTT 3: the broker refuses the version
		return a, fmt.Errorf("the broker does not speak MQTT 5 (refused with code %d)", b[1])
	}
	r := reader{b: b}
	a.sessionPresent = r.byte()&1 != 0
	a.code = r.byte()
	props := r.properties()
	for id, v, ok := props.next(); ok; id, v, ok = props.next() {
		switch id {
		case propServerKeepalive:
			a.keepalive = int(v.uint16())
		case propReceiveMaximum:
			a.receiveMaximum = int(v.uint16())
		case propMaximumQoS:
			a.maximumQoS = v.byte()
		case propMaximumPacket:
			a.maximumPacket = int(min(v.uint32(), largestPacket))
		case propRetainAvailable:
			a.noRetain = v.byte() == 0
		case propSubIDAvailable:
			a.noSubID = v.byte() == 0
		case propSharedSub:
			a.noShared = v.byte() == 0
		case propReasonString:
			a.reason = string(v.bytes())
		}
	}
	if r.bad || props.bad || a.receiveMaximum == 0 {
		return a, errMalformed
	}
	return a, nil
}

// An answer is any packet that answers one of ours: PUBACK to PUBCOMP, SUBACK, UNSUBACK, DISCONNECT.
type answer struct {
	id     uint16
	code   byte
	reason string
}

func parseAnswer(kind byte, b []byte) (answer, error) {
	var a answer
	r := reader{b: b}
	if kind != pktDisconnect {
		a.id = r.uint16()
	}
	early := kind == pktSuback || kind == pktUnsuback // those have the code behind the properties
	if !early && len(r.b) > 0 {                       // both may be left out
		a.code = r.byte()
	}
	if early || len(r.b) > 0 {
		props := r.properties()
		for id, v, ok := props.next(); ok; id, v, ok = props.next() {
			if id == propReasonString {
				a.reason = string(v.bytes())
			}
		}
		r.bad = r.bad || props.bad
	}
	if early {
		a.code = r.byte()
	}
	if r.bad {
		return a, errMalformed
	}
	return a, nil
}

// A publish is a received PUBLISH as it lies in the read buffer.
type publish struct {
	topic, payload []byte
	props          reader
	subIDs         []uint32
	id             uint16
	qos            byte
	retain, dup    bool
}

// parse reads the packet into p, and uses its slice of subscription identifiers again.
func (p *publish) parse(first byte, b []byte) error {
	r := reader{b: b}
	p.qos, p.retain, p.dup = first>>1&3, first&1 != 0, first&8 != 0
	p.topic, p.id, p.subIDs = r.bytes(), 0, p.subIDs[:0]
	if p.qos > 0 {
		p.id = r.uint16()
	}
	p.props = r.properties()
	p.payload = r.b
	props := p.props
	for id, v, ok := props.next(); ok; id, v, ok = props.next() {
		if id == propSubscriptionID {
			p.subIDs = append(p.subIDs, uint32(v.length()))
		}
	}
	if r.bad || props.bad || p.qos == 3 || len(p.topic) == 0 || (p.qos > 0) != (p.id > 0) {
		return errMalformed
	}
	return nil
}
