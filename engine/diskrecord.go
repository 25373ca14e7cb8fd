package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// A record is a message on disk:
//
//	salt   4 bytes, those of its segment: where a record may begin, which nobody outside can guess
//	length 4 bytes, of the body
//	crc    4 bytes, CRC-32C of length and body
//	body   see appendBody
//
// All numbers are little-endian.
const recordHeader = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What a body says about the message that its message was made of.
const (
	noCause   = iota // there is none, or it is not wanted
	sameCause        // it has the same payload, as where a rule passes it on
	ownCause         // its payload stands at the end of the body
)

// Bits that go with the cause.
const (
	hasMeta = 1 << (iota + 2)
	isRetained
	isRedelivered
)

// A Keeper is an Origin that a disk buffer can write down: by a name, under which the program finds it again
// when the sink refuses the message later, perhaps after a restart. With cause it also gets back the message
// at the Root.
type Keeper interface {
	Keep() (name string, cause bool)
}

// A Finder is a Program that finds an Origin by the name that it was kept under, nil when it is gone. Its
// Settled must count nothing: the message was settled when the disk had it.
type Finder interface {
	Origin(name string) Origin
}

func appendRecord(dst []byte, salt uint32, number uint64, at time.Time, m *Message) []byte {
	begin := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, salt)
	dst = append(dst, make([]byte, 8)...)
	dst = appendBody(dst, number, at, m)
	body := dst[begin+recordHeader:]
	binary.LittleEndian.PutUint32(dst[begin+4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[begin+8:], sum(dst[begin+4:begin+8], body))
	return dst
}

func sum(length, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, body)
}

// appendBody writes the number of the record, when the message came into the queue and what it is.
func appendBody(dst []byte, number uint64, at time.Time, m *Message) []byte {
	begin := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	dst = append(dst, 0, 0, 0, 0) // the length of what is not payload, so that the two can be read apart
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at.UnixNano()))
	dst = appendTime(dst, m.Received)
	origin, wanted := "", false
	if k, ok := m.origin.(Keeper); ok {
		origin, wanted = k.Keep()
	}
	for _, s := range [...]string{m.Topic, m.Address, m.ID, m.Key, origin} {
		dst = appendText(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Headers)))
	for _, h := range m.Headers {
		dst = appendText(appendText(dst, h.Name), h.Value)
	}
	root := m.Root()
	cause := byte(noCause)
	switch {
	case !wanted || root == m:
	case sameBytes(root.Payload, m.Payload):
		cause = sameCause
	default:
		cause = ownCause
	}
	flags := cause
	if meta := root.Meta; meta != nil {
		flags |= hasMeta
		if meta.Retain {
			flags |= isRetained
		}
		if meta.Redelivered {
			flags |= isRedelivered
		}
	}
	dst = append(dst, flags)
	if cause != noCause {
		dst = appendTime(appendText(dst, root.Topic), root.Received)
	}
	if meta := root.Meta; meta != nil {
		dst = append(appendText(dst, meta.Source), meta.QoS)
		dst = appendText(appendText(dst, meta.ContentType), meta.ResponseTopic)
		dst = appendText(dst, string(meta.CorrelationData))
		dst = binary.AppendUvarint(dst, uint64(len(meta.Properties)))
		for _, p := range meta.Properties {
			dst = appendText(appendText(dst, p.Name), p.Value)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Payload)))
	binary.LittleEndian.PutUint32(dst[begin+8:], uint32(len(dst)-begin))
	dst = append(dst, m.Payload...)
	if cause == ownCause {
		dst = append(dst, root.Payload...)
	}
	return dst
}

// sameBytes tells whether two payloads are one.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendTime writes when; the zero time is a zero.
func appendTime(dst []byte, when time.Time) []byte {
	var n int64
	if !when.IsZero() {
		n = when.UnixNano()
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(n))
}

// numberOf reads the number of a record; zero, which none has, when there is none.
func numberOf(body []byte) uint64 {
	if len(body) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(body)
}

var errBody = errors.New("a record whose sum is right does not read")

// A body is read from front to back; what is too short leaves it bad and gives zeros.
type body struct {
	text string // one allocation, whatever strings are taken of it
	at   int
	bad  bool
}

func (b *body) take(n uint64) string {
	if b.bad || n > uint64(len(b.text)-b.at) {
		b.bad = true
		return ""
	}
	s := b.text[b.at : b.at+int(n)]
	b.at += int(n)
	return s
}

func (b *body) byte() byte {
	if s := b.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (b *body) uint64() (n uint64) {
	s := b.take(8)
	for i := len(s) - 1; i >= 0; i-- {
		n = n<<8 | uint64(s[i])
	}
	return n
}

func (b *body) uvarint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := b.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	b.bad = true
	return 0
}

func (b *body) string() string { return b.take(b.uvarint()) }

func (b *body) time() time.Time {
	n := b.uint64()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}

func (b *body) headers() []Header {
	n := b.uvarint()
	if b.bad || n > uint64(len(b.text)-b.at)/2 { // two bytes at the least for each
		b.bad = b.bad || n > 0
		return nil
	}
	if n == 0 {
		return nil
	}
	all := make([]Header, n)
	for i := range all {
		all[i] = Header{b.string(), b.string()}
	}
	return all
}

// parseBody makes a message of a body, and what it was made of where that was kept. It keeps nothing of data.
// Its one branch is the caller's. recall makes an Origin of a name; it is not called for the empty one.
func parseBody(data []byte, recall func(name string) Origin) (m *Message, at time.Time, err error) {
	if len(data) < 12 {
		return nil, at, errBody
	}
	text := binary.LittleEndian.Uint32(data[8:])
	if uint64(text) > uint64(len(data)) || text < 12 {
		return nil, at, errBody
	}
	b := body{text: string(data[:text]), at: 12}
	at = time.Unix(0, int64(b.uint64()))
	m = &Message{}
	m.Received = b.time()
	m.Topic, m.Address, m.ID, m.Key = b.string(), b.string(), b.string(), b.string()
	origin := b.string()
	m.Headers = b.headers()
	flags := b.byte()
	cause := flags & 3
	root := m
	if cause != noCause {
		root = &Message{Topic: b.string(), Key: m.Key, Received: b.time()}
	}
	if flags&hasMeta != 0 {
		root.Meta = &Meta{Source: b.string(), QoS: b.byte(), ContentType: b.string(), ResponseTopic: b.string(),
			Retain: flags&isRetained != 0, Redelivered: flags&isRedelivered != 0}
		if data := b.string(); data != "" {
			root.Meta.CorrelationData = []byte(data)
		}
		root.Meta.Properties = b.headers()
	}
	n := b.uvarint()
	payloads := data[text:]
	if b.bad || b.at != len(b.text) || cause > ownCause || n > uint64(len(payloads)) || cause != ownCause && n != uint64(len(payloads)) {
		return nil, at, errBody
	}
	payloads = bytes.Clone(payloads)
	m.Payload = payloads[:n:n]
	var stands Origin
	if origin != "" {
		stands = recall(origin)
	}
	if root == m {
		m.Receive(nil)
		m.origin = stands
		return m, at, nil
	}
	root.Payload = m.Payload
	if cause == ownCause {
		root.Payload = payloads[n:]
	}
	root.Receive(nil)
	m.From(root, stands)
	root.Done()
	return m, at, nil
}
