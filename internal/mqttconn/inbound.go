package mqttconn

import (
	"bytes"
	"hash/maphash"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"edge/engine"
)

// A Delivery is a message from the broker. Settle acknowledges it.
type Delivery struct {
	Message engine.Message
	meta    engine.Meta
	conn    *Conn
	id      uint16
}

// Settle says that the broker may forget the message. It never blocks and may be called from any
// goroutine, once. The acknowledgement goes out as soon as all messages received before it are settled
// too, as MQTT demands; when the connection it came on is gone, as soon as the broker sends it again.
func (d *Delivery) Settle() {
	if d.id == 0 {
		return
	}
	c := d.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.in.table[d.id]
	if !known || e.delivery != d {
		return // the session it belongs to is gone
	}
	e.delivery = nil
	c.in.table[d.id] = e
	c.in.pending--
	if !e.attached {
		c.in.unconfirmed = append(c.in.unconfirmed, ack{d.id, e.serial})
	}
	c.acknowledge()
	c.renew()
}

// inbound is what we know of the QoS 1 and 2 messages that the broker has sent and may send again.
//
// An entry lives from the message to the proof that the broker has read its acknowledgement: the answer
// to a ping sent after it. Until then the broker may send the message again, on the next connection, under
// the same packet id and marked as a duplicate. The hash guards against a broker that has used the id
// anew for a message that never arrived.
type inbound struct {
	table       map[uint16]entry
	order       []uint16 // packet ids in the order received on this connection, not acknowledged yet
	unconfirmed []ack    // acknowledged since the last ping
	confirming  []ack    // acknowledged before a ping that is not answered yet
	pongs       int      // how many answers until that ping's
	pending     int      // entries that are not settled
	low         int      // of pending, at which what was refused is asked for
	serial      uint32
	seed        maphash.Seed
	copies      copies
}

type entry struct {
	hash     uint64
	serial   uint32    // tells this use of the packet id from the next
	delivery *Delivery // nil when settled
	qos      byte
	attached bool // received on this connection
}

type ack struct {
	id     uint16
	serial uint32
}

// Beyond so many unconfirmed acknowledgements a ping goes out before its time.
const manyUnconfirmed = 1024

func (in *inbound) init() {
	in.table = map[uint16]entry{}
	in.seed = maphash.MakeSeed()
	in.copies.init(in.seed)
}

// resume prepares for a new connection. When the session is gone, so is all that we knew of it: what is
// still being worked on has nothing to acknowledge.
func (in *inbound) resume(present bool) {
	in.order = in.order[:0]
	in.unconfirmed = append(in.unconfirmed, in.confirming...)
	in.confirming = nil
	if present {
		for id, e := range in.table {
			e.attached = false
			in.table[id] = e
		}
		return
	}
	clear(in.table)
	in.copies.clear()
	in.pending, in.unconfirmed = 0, nil
}

// pinged is told of a ping, which is the nth that is not answered.
func (in *inbound) pinged(n int) {
	if in.confirming == nil && len(in.unconfirmed) > 0 {
		in.confirming, in.unconfirmed, in.pongs = in.unconfirmed, nil, n
	}
}

// ponged is told of an answer. What was acknowledged before its ping cannot come again.
func (in *inbound) ponged() {
	if in.pongs--; in.pongs > 0 || in.confirming == nil {
		return
	}
	for _, a := range in.confirming {
		if e, known := in.table[a.id]; known && e.serial == a.serial && e.delivery == nil {
			delete(in.table, a.id)
		}
	}
	in.confirming = nil
}

// released is told that the broker has let go of a QoS 2 message.
func (in *inbound) released(id uint16) {
	if e, known := in.table[id]; known && e.delivery == nil && e.qos == 2 {
		delete(in.table, id)
	}
}

// take handles a PUBLISH. owned says that its bytes need no copy.
func (c *Conn) take(l *link, p *publish, owned bool) {
	now := time.Now()
	c.mu.Lock()
	if l.leaving || c.state >= paused || c.receive == nil || l.overrun && p.qos > 0 {
		c.mu.Unlock()
		return // not acknowledged: the broker keeps it
	}
	c.stats.Received++
	if p.dup {
		c.stats.Redelivered++
	}
	var hash uint64
	if p.qos > 0 {
		hash = in64(c.in.seed, p)
		if p.dup && c.again(p, hash) {
			c.mu.Unlock()
			return
		}
	}
	copied := c.subs.copies(c, p)
	if copied {
		c.stats.Copies++
		if p.qos == 0 {
			c.mu.Unlock()
			return
		}
	}
	var d *Delivery
	if !copied {
		d = c.delivery(p, now, owned)
	}
	if p.qos > 0 {
		c.in.add(p, hash, d)
		c.acknowledge()
	}
	c.mu.Unlock()

	if d == nil || c.receive(d) || p.qos == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.in.table[d.id]; e.delivery == d {
		delete(c.in.table, d.id)
		c.in.pending--
	}
	if c.state == running {
		c.stats.Overruns++
		l.overrun, c.in.low = true, c.in.pending/2
		c.renew()
	}
}

// Full says that as many messages are unacknowledged as the broker may send.
func (c *Conn) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.in.order) >= c.window
}

// renew ends a connection on which messages were passed over, for the broker to send them again on the next. It
// waits until half of those taken before are settled: a broker that keeps to no window sends all of them again,
// and on a connection that has no more time than that nothing would ever be done.
func (c *Conn) renew() {
	if l := c.link; l != nil && l.overrun && !l.leaving && c.in.pending <= c.in.low {
		l.bye(0x93)
		l.kick()
	}
}

func in64(seed maphash.Seed, p *publish) uint64 {
	return maphash.Bytes(seed, p.topic) ^ 31*maphash.Bytes(seed, p.payload)
}

// again handles a message that the broker has sent before; false if it is new to us after all.
func (c *Conn) again(p *publish, hash uint64) bool {
	e, known := c.in.table[p.id]
	if !known || e.hash != hash || e.qos != p.qos {
		return false
	}
	if !e.attached || e.delivery == nil {
		// Its acknowledgement is due once more; that a ping has seen off the one before means nothing now.
		c.in.serial++
		e.attached, e.serial = true, c.in.serial
		c.in.table[p.id] = e
		c.in.order = append(c.in.order, p.id)
	}
	c.acknowledge()
	return true
}

// add remembers a message, d, or one that is settled already if d is nil.
func (in *inbound) add(p *publish, hash uint64, d *Delivery) {
	if old, known := in.table[p.id]; known && old.delivery != nil {
		in.pending-- // the broker has given its id to another message: it cannot be acknowledged any more
	}
	in.serial++
	in.table[p.id] = entry{hash: hash, serial: in.serial, delivery: d, qos: p.qos, attached: true}
	in.order = append(in.order, p.id)
	if d != nil {
		in.pending++
	}
}

// acknowledge sends what is settled of the oldest messages. MQTT wants acknowledgements in the order of
// receipt, so one message that is not settled holds back those behind it.
func (c *Conn) acknowledge() {
	l := c.link
	if l == nil || l.leaving {
		return
	}
	n := 0
	for _, id := range c.in.order {
		e, known := c.in.table[id]
		if !known || e.delivery != nil {
			break
		}
		n++
		if e.qos == 2 {
			l.buf = appendAck(l.buf, packets.PUBREC, id)
			continue // remembered until PUBREL
		}
		l.buf = appendAck(l.buf, packets.PUBACK, id)
		c.in.unconfirmed = append(c.in.unconfirmed, ack{id, e.serial})
	}
	if n == 0 {
		return
	}
	c.in.order = c.in.order[:copy(c.in.order, c.in.order[n:])]
	if len(c.in.unconfirmed) >= manyUnconfirmed && c.in.confirming == nil {
		c.sendPing(l)
	}
	l.kick()
}

// delivery makes a message of what lies in the read buffer.
func (c *Conn) delivery(p *publish, now time.Time, owned bool) *Delivery {
	d := &Delivery{conn: c, id: p.id}
	payload := p.payload
	if !owned {
		payload = bytes.Clone(payload)
	}
	topic := c.topics.name(p.topic)
	d.meta = engine.Meta{Source: c.cfg.Name, QoS: p.qos, Retain: p.retain, Redelivered: p.dup}
	props := p.props
	for id, v, ok := props.next(); ok; id, v, ok = props.next() {
		switch id {
		case packets.PropContentType:
			d.meta.ContentType = string(v.bytes())
		case packets.PropResponseTopic:
			d.meta.ResponseTopic = string(v.bytes())
		case packets.PropCorrelationData:
			d.meta.CorrelationData = bytes.Clone(v.bytes())
		case packets.PropUser:
			d.meta.Properties = append(d.meta.Properties, engine.Header{Name: string(v.bytes()), Value: string(v.bytes())})
		}
	}
	d.Message.Topic, d.Message.Key = topic, topic
	d.Message.Payload = payload
	d.Message.Received = now
	d.Message.Meta = &d.meta
	return d
}

// topicNames gives the same string for the same topic: devices repeat theirs.
type topicNames map[string]string

func (t *topicNames) name(topic []byte) string {
	if s, known := (*t)[string(topic)]; known {
		return s
	}
	if *t == nil || len(*t) >= 4096 {
		*t = topicNames{}
	}
	s := string(topic)
	(*t)[s] = s
	return s
}
