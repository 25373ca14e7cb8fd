package mqttconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// A link is one network connection of a Conn. One goroutine reads, one writes and pings.
type link struct {
	nc      net.Conn
	br      *bufio.Reader
	peeked  int // bytes of the packet that was handed out last and is still in br
	largest int // packet that we accept
	where   string
	since   time.Time
	connack connack
	ping    time.Duration // how often; half of the keepalive

	// Under the mutex of the Conn.
	buf     []byte        // what goes out next, in one write
	spare   []byte        // the buffer that was written last
	sent0   []*Outgoing   // QoS 0 messages in buf: they are accepted when it is written
	pings   int           // sent and not answered
	leaving bool          // DISCONNECT is the last that goes out; messages that come in are ignored
	last    int           // where it ends in buf, zero once it is out
	overrun bool          // we leave because the broker sent more than we can take
	err     error         // why the link has ended, if not what the reader says
	wake    chan struct{} // of the writer
}

var (
	errClosed = errors.New("the broker closed the connection without a reason")
	errPing   = errors.New("the broker does not answer pings")
	errSilent = errors.New("the broker answers pings but does not acknowledge what we publish")
)

func newLink(nc net.Conn, cfg *Config) *link {
	return &link{
		nc: nc, br: bufio.NewReaderSize(nc, 32<<10), largest: int(cfg.MaxPacketSize),
		since: time.Now(), wake: make(chan struct{}, 1), ping: cfg.Keepalive / 2,
	}
}

// shake sends CONNECT and waits for CONNACK.
func (l *link) shake(ctx context.Context, connect []byte) (connack, error) {
	defer context.AfterFunc(ctx, func() { l.nc.Close() })()
	if _, err := l.nc.Write(connect); err != nil {
		return connack{}, err
	}
	first, body, err := l.next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return connack{}, errors.New("the broker closed the connection without an answer; is this an MQTT port, and is TLS right?")
	case err != nil:
		return connack{}, err
	case first>>4 != pktConnack:
		return connack{}, errMalformed
	}
	a, err := parseConnack(body)
	if a.keepalive > 0 {
		l.ping = time.Duration(a.keepalive) * time.Second / 2
	}
	return a, err
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
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := l.br.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift == 21 {
			return 0, nil, errMalformed
		}
	}
	if n > l.largest {
		return 0, nil, fmt.Errorf("the broker sent a packet of %d bytes, more than max_packet_size", n)
	}
	if n <= l.br.Size() {
		body, err = l.br.Peek(n)
		l.peeked = len(body)
		return first, body, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(l.br, body)
	return first, body, err
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
		l.buf = appendDisconnect(l.buf, reason)
		l.leaving, l.last = true, len(l.buf)
	}
}

// write is the writing goroutine: whatever has gathered goes out in one write, and those who wait for a
// QoS 0 message are told. It ends with the link.
func (c *Conn) write(l *link) {
	tick := time.NewTicker(l.ping)
	defer tick.Stop()
	for {
		ticked := false
		select {
		case <-l.wake:
		case <-tick.C:
			ticked = true
		}
		c.mu.Lock()
		if c.link != l { // down has seen to the rest
			c.mu.Unlock()
			return
		}
		if ticked {
			if l.err = c.tick(l); l.err != nil {
				c.mu.Unlock()
				l.nc.Close()
				return
			}
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
			l.nc.SetWriteDeadline(time.Now().Add(silence))
			_, err = l.nc.Write(out)
		}
		c.mu.Lock()
		if err == nil {
			c.stats.Published += uint64(len(sent0))
		} else if l.err == nil {
			l.err = brief(err)
		}
		if cap(out) <= keptBuffer {
			l.spare = out
		}
		for _, p := range sent0 {
			p.finish(down(err))
		}
		c.mu.Unlock()
		if err != nil {
			l.nc.Close() // wakes the reader, which ends the link
			return
		}
		if leaving {
			l.hangUp()
		}
	}
}

func down(err error) error {
	if err == nil {
		return nil
	}
	return &DownError{err}
}

// A buffer that one burst made large is not kept for ever.
const keptBuffer = 256 << 10

// hangUp gives the broker a second to close the connection from its side.
func (l *link) hangUp() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	l.nc.SetReadDeadline(time.Now().Add(time.Second))
}

// tick comes twice in a keepalive. It pings always: the answer proves that the broker lives, and that it
// has read every acknowledgement sent before. Its error ends the link.
func (c *Conn) tick(l *link) error {
	if l.pings >= 2 {
		return errPing
	}
	if c.out.flying > 0 && time.Since(c.out.heard) > 4*l.ping {
		return errSilent
	}
	c.subs.again()
	c.reconcile()
	c.sendPing(l)
	return nil
}

func (c *Conn) sendPing(l *link) {
	if l.leaving {
		return
	}
	l.buf = append(l.buf, pktPingreq<<4, 0)
	l.pings++
	c.in.pinged(l.pings)
}

// read is the reading goroutine; it returns why the link has ended.
func (c *Conn) read(l *link) error {
	var p publish
	for {
		first, body, err := l.next()
		if err == nil {
			err = c.handle(l, first, body, &p)
		}
		if err == nil {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case l.overrun:
			return &ReasonError{Doing: "was told to stop", Code: 0x93, Reason: "more than we can take; the session is resumed"}
		case l.err != nil:
			return l.err
		case errors.Is(err, io.EOF):
			return errClosed
		}
		return brief(err)
	}
}

// brief leaves out the addresses, of which ours is another one each time.
func brief(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "read" || op.Op == "write") {
		return op.Err
	}
	return err
}

// handle does what one packet asks for.
func (c *Conn) handle(l *link, first byte, body []byte, p *publish) error {
	kind := first >> 4
	if kind == pktPublish {
		if err := p.parse(first, body); err != nil {
			return err
		}
		// A body that did not fit the read buffer is nobody else's.
		c.take(l, p, len(body) > l.br.Size())
		return nil
	}
	if kind == pktPingresp {
		c.mu.Lock()
		l.pings--
		c.in.ponged()
		c.mu.Unlock()
		return nil
	}
	a, err := parseAnswer(kind, body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch kind {
	case pktPuback, pktPubrec, pktPubcomp:
		c.answered(l, kind, a)
	case pktPubrel:
		l.buf = appendAck(l.buf, pktPubcomp, a.id)
		c.in.released(a.id)
	case pktSuback, pktUnsuback:
		c.granted(kind, a)
	case pktDisconnect:
		return &ReasonError{"closed the connection", a.code, a.reason}
	default:
		return errMalformed
	}
	if len(l.buf) > 0 {
		l.kick()
	}
	return nil
}
