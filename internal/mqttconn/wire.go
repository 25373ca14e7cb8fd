package mqttconn

import (
	"encoding/binary"
	"math"

	"edge/engine"
)

// What of MQTT 5 goes over the wire, as far as a client needs it. Packets are appended to one buffer, and
// read in place: a message costs its payload and one struct.

// Kinds of packets.
const (
	pktConnect     = 1
	pktConnack     = 2
	pktPublish     = 3
	pktPuback      = 4
	pktPubrec      = 5
	pktPubrel      = 6
	pktPubcomp     = 7
	pktSubscribe   = 8
	pktSuback      = 9
	pktUnsubscribe = 10
	pktUnsuback    = 11
	pktPingreq     = 12
	pktPingresp    = 13
	pktDisconnect  = 14
)

// Properties that we send or read.
const (
	propMessageExpiry   = 2
	propContentType     = 3
	propResponseTopic   = 8
	propCorrelationData = 9
	propSubscriptionID  = 11
	propSessionExpiry   = 17
	propServerKeepalive = 19
	propWillDelay       = 24
	propReasonString    = 31
	propReceiveMaximum  = 33
	propMaximumQoS      = 36
	propRetainAvailable = 37
	propUser            = 38
	propMaximumPacket   = 39
	propWildcardSub     = 40
	propSubIDAvailable  = 41
	propSharedSub       = 42
)

const willDelay = 3 // seconds

func appendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

func appendString(b []byte, s string) []byte {
	return append(appendUint16(b, uint16(len(s))), s...)
}

// appendLength appends a variable byte integer.
func appendLength(b []byte, n int) []byte {
	for n > 0x7f {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func lengthOf(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

func appendUser(b []byte, name, value string) []byte {
	return appendString(appendString(append(b, propUser), name), value)
}

// appendPacket appends a packet whose body is at hand: the rare ones.
func appendPacket(b []byte, first byte, body []byte) []byte {
	return append(appendLength(append(b, first), len(body)), body...)
}

// appendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP that reports success.
func appendAck(b []byte, kind byte, id uint16) []byte {
	first := kind << 4
	if kind == pktPubrel {
		first |= 2
	}
	return appendUint16(append(b, first, 2), id)
}

func appendDisconnect(b []byte, reason byte) []byte {
	return append(b, pktDisconnect<<4, 1, reason)
}

// appendPublish appends p under id. The size is reckoned first, so that nothing is copied twice.
func appendPublish(b []byte, p *Outgoing, id uint16, dup bool) []byte {
	first := byte(pktPublish<<4) | p.QoS<<1
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
		b = binary.BigEndian.AppendUint32(append(b, propMessageExpiry), expiry)
	}
	if contentType != "" {
		b = appendString(append(b, propContentType), contentType)
	}
	if responseTopic != "" {
		b = appendString(append(b, propResponseTopic), responseTopic)
	}
	if correlation != "" {
		b = appendString(append(b, propCorrelationData), correlation)
	}
	for _, h := range user {
		b = appendUser(b, h.Name, h.Value)
	}
	return b
}

// appendConnect appends CONNECT. Topic aliases stay off: brokers hardly use them, and a table of them
// would be one more thing that a reconnect can get wrong.
func appendConnect(b []byte, c *Config, cleanStart bool) []byte {
	var flags byte
	if cleanStart {
		flags |= 2
	}
	if c.Will != nil {
		flags |= 4 | byte(c.Will.QoS)<<3
		if c.Will.Retain {
			flags |= 32
		}
	}
	if c.Password != "" {
		flags |= 64
	}
	if c.Username != "" {
		flags |= 128
	}
	body := append(appendString(nil, "MQTT"), 5, flags)
	body = appendUint16(body, uint16(c.Keepalive.Seconds()))

	props := binary.BigEndian.AppendUint32([]byte{propSessionExpiry}, uint32(min(c.SessionExpiry.Seconds(), math.MaxUint32-1)))
	props = appendUint16(append(props, propReceiveMaximum), uint16(c.ReceiveMaximum))
	props = binary.BigEndian.AppendUint32(append(props, propMaximumPacket), uint32(c.MaxPacketSize))
	for _, h := range SortedHeaders(c.UserProperties) {
		props = appendUser(props, h.Name, h.Value)
	}
	body = append(appendLength(body, len(props)), props...)
	body = appendString(body, c.ClientID)
	if w := c.Will; w != nil {
		// A reconnect within the delay takes the will back: it tells of an outage, not of a blip.
		body = binary.BigEndian.AppendUint32(append(body, 5, propWillDelay), willDelay)
		body = appendString(appendString(body, w.Topic), w.Payload)
	}
	if c.Username != "" {
		body = appendString(body, c.Username)
	}
	if c.Password != "" {
		body = appendString(body, c.Password)
	}
	return appendPacket(b, pktConnect<<4, body)
}

// appendSubscribe appends SUBSCRIBE for one filter: a Subscription Identifier holds for a whole packet,
// and each filter has its own. id 0 leaves it out.
func appendSubscribe(b []byte, packet uint16, filter string, subID uint32, options byte) []byte {
	body := appendUint16(nil, packet)
	if subID == 0 {
		body = append(body, 0)
	} else {
		id := appendLength([]byte{propSubscriptionID}, int(subID))
		body = append(appendLength(body, len(id)), id...)
	}
	body = append(appendString(body, filter), options)
	return appendPacket(b, pktSubscribe<<4|2, body)
}

func appendUnsubscribe(b []byte, packet uint16, filter string) []byte {
	body := appendString(append(appendUint16(nil, packet), 0), filter)
	return appendPacket(b, pktUnsubscribe<<4|2, body)
}
