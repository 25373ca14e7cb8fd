package mqttconn

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"edge/engine"
)

// An Outgoing is a message to publish. It belongs to the Conn from Send until Done.
type Outgoing struct {
	Topic      string // as CheckTopic wants it
	Payload    []byte
	Headers    []engine.Header // user properties
	Properties []byte          // more properties, made by AppendProperties
	QoS        byte
	Retain     bool
	Tag        int // the sender's own

	// Done is called once, unless Send gives an error or the message is forsaken, when it is known how it
	// went. It must neither block nor call the Conn.
	Done func(*Outgoing)
	// Err is how it went: nil when the broker has accepted it (QoS 0: when it
	// was written to the connection), else *ReasonError, *DownError, ErrTooLarge or ErrClosed.
	Err error

	id       uint16
	stage    stage
	forsaken bool // nobody waits any more
}

type stage byte

const (
	waiting  stage = iota // for the window of the broker
	sent                  // and not answered
	received              // QoS 2: PUBREC has come, PUBREL is out
	answered              //
)

func (p *Outgoing) finish(err error) {
	if p.forsaken {
		return
	}
	if p.Err = err; p.Done != nil {
		p.Done(p)
	}
}

// outbound is the messages that we publish with QoS 1 and 2. All are kept in the order of Send, and sent
// again in that order on the next connection, so that none overtakes another.
type outbound struct {
	byID   map[uint16]*Outgoing
	queue  []*Outgoing // in order; answered ones go when they are at the front
	next   int         // of queue: the first that waits
	flying int         // sent or received, and not answered
	lastID uint16
	heard  time.Time     // when an answer came last, or the first of those in flight was sent
	room   chan struct{} // closed when there may be room again; nil while nobody waits
	// runs since the connection was lost
	patience *time.Timer
}

// The bytes that may wait for the network, and how long what was sent waits for a new connection. Who gets
// an error tries again, and sends the message twice if the first did arrive: so this is long beside a
// broker's restart, and short beside a person's who wonders what is wrong.
const (
	mostBuffered = 1 << 20
	patience     = 10 * time.Second
)

func (o *outbound) init() { o.byID = map[uint16]*Outgoing{} }

// signal wakes those who wait for room.
func (o *outbound) signal() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// Send publishes p, and waits while the broker's window is full, until ctx ends. An error means that p
// was not sent.
//
// Messages go out in the order of Send. When the connection is lost, those of QoS 1 and 2 that were sent
// wait for the next one and are sent again there, in order.
func (c *Conn) Send(ctx context.Context, p *Outgoing) error {
	p.Err, p.id, p.stage, p.forsaken = nil, 0, waiting, false
	for {
		c.mu.Lock()
		room, err := c.send(p)
		c.mu.Unlock()
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send gives back what to wait for, or nil and how it went.
func (c *Conn) send(p *Outgoing) (room <-chan struct{}, err error) {
	l := c.link
	switch {
	case c.state >= closing:
		return nil, ErrClosed
	case l == nil || l.leaving:
		return nil, &DownError{c.lastErr}
	case p.Retain && l.noRetain:
		return nil, &ReasonError{Doing: "refused a message", Code: 0x9a}
	case packetSize(p) > l.maximumPacket:
		return nil, fmt.Errorf("%w: %d bytes, it takes %d", ErrTooLarge, packetSize(p), l.maximumPacket)
	}
	p.QoS = min(p.QoS, l.maximumQoS)
	if len(l.buf) >= mostBuffered || p.QoS > 0 && c.out.flying >= l.receiveMaximum {
		if c.out.room == nil {
			c.out.room = make(chan struct{})
		}
		return c.out.room, nil
	}
	if p.QoS == 0 {
		l.buf = appendPublish(l.buf, p, 0, false)
		l.sent0 = append(l.sent0, p)
		l.kick()
		return nil, nil
	}
	p.id = c.newID()
	c.out.byID[p.id] = p
	c.out.queue = append(c.out.queue, p)
	c.pump(l)
	return nil, nil
}

// Forsake says that nobody waits for ps any more: Done is not called after it, and their payloads are not
// looked at again. Those that are done, or were never sent, are left alone.
func (c *Conn) Forsake(ps []Outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ps {
		c.out.forsake(&ps[i])
	}
}

// newID finds a packet id that neither a message nor a request of ours uses. Ours are those of the upper
// half: brokers number their messages to us from 1, and some (mochi) confuse the two directions.
func (c *Conn) newID() uint16 {
	for range math.MaxInt16 {
		c.out.lastID = c.out.lastID%math.MaxInt16 + 1
		id := c.out.lastID | 1<<15
		if c.out.byID[id] == nil && c.subs.answers[id] == nil {
			return id
		}
	}
	panic("mqttconn: more messages in flight than packet ids") // window bounds them
}

// pump sends what waits, as far as the window goes.
func (c *Conn) pump(l *link) {
	o := &c.out
	if l.leaving {
		return
	}
	for o.next < len(o.queue) && o.flying < l.receiveMaximum {
		p := o.queue[o.next]
		o.next++
		switch p.stage {
		case answered:
			continue
		case received:
			l.buf = appendAck(l.buf, packets.PUBREL, p.id)
		case sent:
			l.buf = appendPublish(l.buf, p, p.id, true)
		default:
			l.buf = appendPublish(l.buf, p, p.id, false)
			p.stage = sent
		}
		if o.flying++; o.flying == 1 {
			o.heard = time.Now()
		}
	}
	l.kick()
}

// answered is told of a PUBACK, PUBREC, PUBREL or PUBCOMP.
func (c *Conn) answered(l *link, kind byte, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer l.kick()
	if kind == packets.PUBREL {
		l.buf = appendAck(l.buf, packets.PUBCOMP, a.id)
		c.in.released(a.id)
		return
	}
	p := c.out.byID[a.id]
	if p == nil || p.stage == waiting {
		if kind == packets.PUBREC { // the broker holds a message that we know nothing of: it may let go
			l.buf = append(l.buf, packets.PUBREL<<4|2, 3, byte(a.id>>8), byte(a.id), 0x92)
		}
		return
	}
	if kind == packets.PUBREC && a.code < 0x80 {
		p.stage = received
		l.buf = appendAck(l.buf, packets.PUBREL, p.id)
		return
	}
	var err error
	if a.code >= 0x80 && kind != packets.PUBCOMP {
		err = &ReasonError{"refused a message", a.code, a.reason}
	} else {
		c.stats.Published++
	}
	c.out.flying--
	c.out.heard = time.Now()
	c.out.remove(p)
	p.finish(err)
	c.pump(l)
	c.out.signal()
}

// remove forgets p.
func (o *outbound) remove(p *Outgoing) {
	p.stage = answered
	delete(o.byID, p.id)
	n := 0
	for n < o.next && o.queue[n].stage == answered {
		n++
	}
	if n > 0 {
		o.queue = o.queue[:copy(o.queue, o.queue[n:])]
		o.next -= n
	}
}

// forsake forgets p as far as MQTT lets it. A QoS 2 message whose id the broker may know has to go all
// its way, else the broker would take the next message under that id for it; and the id of a message that
// may still be answered on this connection is not free.
func (o *outbound) forsake(p *Outgoing) {
	if p.stage == answered || p.forsaken {
		return
	}
	p.forsaken = true
	switch {
	case o.byID[p.id] != p: // QoS 0, or never sent
	case p.stage == waiting:
		o.remove(p)
	case p.QoS == 2 && p.stage == sent:
		p.Payload = bytes.Clone(p.Payload)
	}
}

// lost is told that l is gone. What was sent waits for the next connection; giveUp is called when that
// takes long.
func (o *outbound) lost(l *link, err error, giveUp func()) {
	for _, p := range l.sent0 {
		p.finish(err)
	}
	l.sent0 = nil
	o.next, o.flying = 0, 0
	o.keep(func(p *Outgoing) bool { return !p.forsaken || p.QoS == 2 })
	if len(o.queue) > 0 {
		o.patience = time.AfterFunc(patience, giveUp)
	}
	o.signal()
}

// keep drops from the queue what is answered, and what keep does not want.
func (o *outbound) keep(keep func(*Outgoing) bool) {
	kept := o.queue[:0]
	for _, p := range o.queue {
		if p.stage != answered && keep(p) {
			kept = append(kept, p)
			continue
		}
		delete(o.byID, p.id)
	}
	clear(o.queue[len(kept):])
	o.queue = kept
}

// resume prepares for sending again, in order, all that is not answered. In a new session nothing was sent
// before: what nobody waits for is forgotten, and a message of which the broker had taken the first half
// is sent whole.
func (o *outbound) resume(present bool) {
	if o.patience != nil {
		o.patience.Stop()
	}
	o.next, o.flying = 0, 0
	if present {
		return
	}
	o.keep(func(p *Outgoing) bool { return !p.forsaken })
	for _, p := range o.queue {
		p.stage = waiting
	}
}

// failAll answers all who wait. Without a connection, only QoS 2 messages stay, to go all their way.
func (o *outbound) failAll(err error) {
	for _, p := range o.queue {
		if p.stage != answered {
			p.finish(err)
			o.forsake(p)
		}
	}
	o.keep(func(p *Outgoing) bool { return p.QoS == 2 })
	o.signal()
}
