package mqttconn

import (
	"encoding/binary"
	"math/bits"

	"github.com/eclipse/paho.golang/packets"

	"edge/engine"
)

// PUBLISH and its acknowledgements as they go over the wire. They are appended to one buffer, and read in
// place: a message costs its payload and one struct, where paho's packets take some twenty allocations.

func appendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

func appendString(b []byte, s string) []byte {
	return append(appendUint16(b, uint16(len(s))), s...)
}

// appendLength appends a variable byte integer.
func appendLength(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// lengthOf is how many bytes that takes, with seven bits in each.
func lengthOf(n int) int { return (bits.Len(uint(n|1)) + 6) / 7 }

func appendUser(b []byte, name, value string) []byte {
	return appendString(appendString(append(b, packets.PropUser), name), value)
}

// appendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP that reports success.
func appendAck(b []byte, kind byte, id uint16) []byte {
	first := kind << 4
	if kind == packets.PUBREL {
		first |= 2
	}
	return appendUint16(append(b, first, 2), id)
}

// appendPublish appends p under id. The size is reckoned first, so that nothing is copied twice.
func appendPublish(b []byte, p *Outgoing, id uint16, dup bool) []byte {
	first := byte(packets.PUBLISH<<4) | p.QoS<<1
	if dup {
		first |= 8
	}
	if p.Retain {
		first |= 1
	}
	props := propertiesSize(p)
	b = appendLength(append(b, first), bodySize(p, props))
	b = appendString(b, p.Topic)
	if p.QoS > 0 {
		b = appendUint16(b, id)
	}
	b = append(appendLength(b, props), p.Properties...)
	for _, h := range p.Headers {
		b = appendUser(b, h.Name, h.Value)
	}
	return append(b, p.Payload...)
}

func propertiesSize(p *Outgoing) int {
	n := len(p.Properties)
	for _, h := range p.Headers {
		n += 5 + len(h.Name) + len(h.Value)
	}
	return n
}

func bodySize(p *Outgoing, props int) int {
	n := 2 + len(p.Topic) + lengthOf(props) + props + len(p.Payload)
	if p.QoS > 0 {
		n += 2
	}
	return n
}

// packetSize is what p takes on the wire.
func packetSize(p *Outgoing) int {
	n := bodySize(p, propertiesSize(p))
	return 1 + lengthOf(n) + n
}

// AppendProperties encodes the properties that are the same for all messages of a sink. Names with zero
// values are left out; user properties are appended in the order given.
func AppendProperties(b []byte, expiry uint32, contentType, responseTopic, correlation string, user []engine.Header) []byte {
	if expiry > 0 {
		b = binary.BigEndian.AppendUint32(append(b, packets.PropMessageExpiry), expiry)
	}
	if contentType != "" {
		b = appendString(append(b, packets.PropContentType), contentType)
	}
	if responseTopic != "" {
		b = appendString(append(b, packets.PropResponseTopic), responseTopic)
	}
	if correlation != "" {
		b = appendString(append(b, packets.PropCorrelationData), correlation)
	}
	for _, h := range user {
		b = appendUser(b, h.Name, h.Value)
	}
	return b
}
