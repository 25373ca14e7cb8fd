package mqttconn

import (
	"encoding/binary"
	"errors"

	"github.com/eclipse/paho.golang/packets"
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

func (r *reader) bytes() []byte { return r.take(int(r.uint16())) }

func (r *reader) length() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 4 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
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

// skip passes over the value of a property: those that the packets have which are read here.
func (r *reader) skip(id byte) {
	switch id {
	case packets.PropPayloadFormat:
		r.take(1)
	case packets.PropTopicAlias:
		r.take(2)
	case packets.PropMessageExpiry:
		r.take(4)
	case packets.PropSubscriptionIdentifier:
		r.length()
	case packets.PropContentType, packets.PropResponseTopic, packets.PropCorrelationData, packets.PropReasonString:
		r.bytes()
	case packets.PropUser:
		r.bytes()
		r.bytes()
	default:
		r.bad = true
	}
}

// An answer is PUBACK, PUBREC, PUBREL or PUBCOMP.
type answer struct {
	id     uint16
	code   byte
	reason string
}

func parseAnswer(b []byte) (answer, error) {
	r := reader{b: b}
	a := answer{id: r.uint16()}
	if len(r.b) > 0 { // both may be left out
		a.code = r.byte()
	}
	if len(r.b) > 0 {
		props := r.properties()
		for id, v, ok := props.next(); ok; id, v, ok = props.next() {
			if id == packets.PropReasonString {
				a.reason = string(v.bytes())
			}
		}
		r.bad = r.bad || props.bad
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
		if id == packets.PropSubscriptionIdentifier {
			p.subIDs = append(p.subIDs, uint32(v.length()))
		}
	}
	if r.bad || props.bad || p.qos == 3 || len(p.topic) == 0 || (p.qos > 0) != (p.id > 0) {
		return errMalformed
	}
	return nil
}
