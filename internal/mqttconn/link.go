package mqttconn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// A link is one network connection of a Conn, and the net.Conn that paho is given: a tap. What paho reads
// from it lacks PUBLISH and its acknowledgements, which are handled as they come by; what paho writes to it
// goes out in order with what we write. paho reads in one goroutine, and what it writes one of ours sends.
type link struct {
	net.Conn // the transport
	c        *Conn
	since    time.Time
	asking   chan struct{} // holds one for each request for a subscription that is under way

	// What the broker accepts, as CONNACK said.
	receiveMaximum int
	maximumQoS     byte
	maximumPacket  int
	noRetain       bool

	// Of the goroutine that reads.
	br      *bufio.Reader
	peeked  int    // bytes of the packet that was handed out last and is still in br
	largest uint64 // packet that we accept
	pub     publish
	greeted bool         // CONNACK has come
	forPaho bytes.Buffer // what it has not read of the last packet

	// A packet that paho writes is gathered here, under a mutex that paho holds meanwhile.
	gathering sync.Mutex
	gathered  []byte

	// Under the mutex of the Conn.
	buf     []byte        // what goes out next, in one write
	spare   []byte        // the buffer that was written last
	sent0   []*Outgoing   // QoS 0 messages in buf: they are accepted when it is written
	pings   int           // sent and not answered
	leaving bool          // DISCONNECT is the last that goes out; messages that come in are ignored
	last    int           // where it ends in buf, zero once it is out
	overrun bool          // the broker sent more than we can take: no more of QoS 1 and 2 is taken
	err     error         // why the link has ended; nil while it lives
	wake    chan struct{} // of the writer
}

var (
	errClosed = errors.New("the broker closed the connection without a reason")
	errPing   = errors.New("the broker does not answer pings")
	errSilent = errors.New("the broker answers pings but does not acknowledge what we publish")
)

// So many requests are under way at a time: on a slow line a hundred filters do not take a hundred round
// trips, and the broker is not flooded.
const mostAsking = 16

func (c *Conn) newLink(nc net.Conn) *link {
	return &link{
		Conn: nc, c: c, since: time.Now(),
		br: bufio.NewReaderSize(nc, 32<<10), largest: uint64(c.cfg.MaxPacketSize),
		asking: make(chan struct{}, mostAsking), wake: make(chan struct{}, 1),
	}
}

// Read gives paho what is meant for it. Its error ends the link.
func (l *link) Read(b []byte) (int, error) {
	for l.forPaho.Len() == 0 {
		first, body, err := l.next()
		if err == nil {
			err = l.handle(first, body)
		}
		if err != nil {
			return 0, l.end(err)
		}
	}
	return l.forPaho.Read(b)
}

// handle does what a packet asks for, or leaves it to paho.
func (l *link) handle(first byte, body []byte) error {
	kind := first >> 4
	switch {
	case !l.greeted:
		if kind != packets.CONNACK {
			return errMalformed
		}
		if len(body) == 2 { // that of MQTT 3: the broker refuses the version
			return fmt.Errorf("the broker does not speak MQTT 5 (refused with code %d)", body[1])
		}
		l.greeted = true
	case kind == packets.PUBLISH:
		if err := l.pub.parse(first, body); err != nil {
			return err
		}
		// A body that did not fit the read buffer is nobody else's.
		l.c.take(l, &l.pub, len(body) > l.br.Size())
		return nil
	case kind >= packets.PUBACK && kind <= packets.PUBCOMP:
		a, err := parseAnswer(body)
		if err == nil {
			l.c.answered(l, kind, a)
		}
		return err
	case kind == packets.DISCONNECT && len(body) == 0:
		body = []byte{0} // the same, in the form that paho knows
	case kind != packets.SUBACK && kind != packets.UNSUBACK && kind != packets.PINGRESP && kind != packets.DISCONNECT:
		return errMalformed
	}
	l.forPaho.Write(appendLength([]byte{first}, len(body)))
	l.forPaho.Write(body)
	return nil
}

// next reads one packet. body is valid until the next call, unless it is longer than the read buffer.
func (l *link) next() (first byte, body []byte, err error) {
	if l.peeked > 0 {
		l.br.Discard(l.peeked)
		l.peeked = 0
	}
	if first, err = l.br.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(l.br)
	if err != nil {
		return 0, nil, err
	}
	if length > l.largest {
		return 0, nil, fmt.Errorf("the broker sent a packet of %d bytes, more than max_packet_size", length)
	}
	n := int(length)
	if n <= l.br.Size() {
		body, err = l.br.Peek(n)
		l.peeked = len(body)
		return first, body, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(l.br, body)
	return first, body, err
}

// Lock begins a packet that paho writes in pieces.
func (l *link) Lock() { l.gathering.Lock() }

func (l *link) Write(b []byte) (int, error) {
	l.gathered = append(l.gathered, b...)
	return len(b), nil
}

// Unlock puts it behind what goes out already. After a goodbye nothing does.
func (l *link) Unlock() {
	l.c.mu.Lock()
	if !l.leaving {
		l.buf = append(l.buf, l.gathered...)
		l.kick()
	}
	l.c.mu.Unlock()
	clear(l.gathered) // CONNECT holds the password
	l.gathered = l.gathered[:0]
	l.gathering.Unlock()
}

// Close is called by paho: at the end, and when it cannot read what the broker sent, the one reason that is
// not known here already.
func (l *link) Close() error {
	l.end(errMalformed)
	return nil
}

// end ends the link, and gives back why it has ended: what was seen first.
func (l *link) end(err error) error {
	l.c.mu.Lock()
	defer l.Conn.Close()
	defer l.c.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	switch {
	case l.overrun && l.leaving:
		err = &ReasonError{Doing: "was told to stop", Code: 0x93, Reason: "more than we can take; the session is resumed"}
	case l.leaving:
		err = ErrClosed
	case errors.Is(err, io.EOF):
		err = errClosed
	}
	l.err = brief(err)
	l.c.down(l)
	l.kick() // the writer sees that it is over
	return l.err
}

// brief leaves out the addresses, of which ours is another one each time.
func brief(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "read" || op.Op == "write") {
		return op.Err
	}
	return err
}

// kick wakes the writer. It is called after buf has grown.
func (l *link) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// bye makes DISCONNECT the last that is written. The connection is then read to its end, because closing
// it with bytes unread would make the kernel throw away what the broker has yet to read.
func (l *link) bye(reason byte) {
	if !l.leaving {
		l.buf = append(l.buf, packets.DISCONNECT<<4, 1, reason)
		l.leaving, l.last = true, len(l.buf)
	}
}

// write is the writing goroutine: whatever has gathered goes out in one write, and those who wait for a
// QoS 0 message are told. It ends with the link.
func (c *Conn) write(l *link) {
	for range l.wake {
		for range yields {
			runtime.Gosched()
		}
		c.mu.Lock()
		if l.err != nil { // down has seen to the rest
			c.mu.Unlock()
			return
		}
		out, sent0, leaving := l.buf, l.sent0, l.leaving
		l.buf, l.spare, l.sent0 = l.spare[:0], nil, nil
		if leaving { // an answer to what comes in meanwhile would find the connection half closed, and break it
			out, l.last = out[:l.last], 0
			leaving = len(out) > 0
		}
		c.out.signal() // there is room again
		c.mu.Unlock()

		var err error
		if len(out) > 0 {
			l.SetWriteDeadline(time.Now().Add(silence))
			_, err = l.Conn.Write(out)
		}
		c.mu.Lock()
		for _, p := range sent0 {
			if err != nil {
				p.finish(&DownError{err})
				continue
			}
			c.stats.Published++
			p.finish(nil)
		}
		if cap(out) <= keptBuffer {
			l.spare = out
		}
		c.mu.Unlock()
		if err != nil {
			l.end(err) // wakes the reader
			return
		}
		if leaving {
			l.hangUp()
		}
	}
}

// A buffer that one burst made large is not kept for ever.
const keptBuffer = 256 << 10

// So often the writer lets others go first, who most often have more for it: an acknowledgement is due at once, and
// what comes of the same message a moment later.
const yields = 3

// hangUp gives the broker a second to close the connection from its side.
func (l *link) hangUp() {
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	l.SetReadDeadline(time.Now().Add(time.Second))
}

func (c *Conn) sendPing(l *link) {
	if l.leaving {
		return
	}
	l.buf = append(l.buf, packets.PINGREQ<<4, 0)
	l.pings++
	c.in.pinged(l.pings)
}
