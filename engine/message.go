// Package engine carries messages from sources through a program of rules to sinks.
//
// It owns what must be right once for all of them: who acknowledges a message and when, the order of
// messages, the bounds on memory, queues, retries and batches. It knows no protocol, no file format and
// no expression; everything else imports it, and it imports the standard library only.
package engine

import (
	"sync/atomic"
	"time"
)

// A Message is a payload under a topic, received by a source or made by a rule. Once handed on it is
// shared and nobody changes it.
//
// Messages form a tree: one that a rule makes has the message it was made of as its parent and holds it.
// A message is done when all its branches are settled; then its parent has one branch less. At the root
// the source is told, and acknowledges.
type Message struct {
	_ [0]atomic.Int32 // go vet sees to it that none is copied

	Topic   string // the topic it came in on, or that of its cause
	Address string // the topic, subject or path of this output; "" where the sink has no use for one
	ID      string // what makes it itself, for deduplication downstream
	Key     string // what order holds for: messages of one key are never overtaken by each other
	Payload []byte // immutable; valid until this message and all made from it are done
	Headers []Header

	// Order numbers the messages of a source, by its name, in the order of arrival and without a gap, from 1 on.
	// It goes on when another source takes the name over. 0: it came in by no source.
	Order    uint64
	Received time.Time
	Meta     *Meta // what the protocol said about it; nil for a message that a rule made

	parent  *Message
	origin  Origin
	settled func(*Message, Outcome)
	// These two are atomic but where nobody else can have the message: a store that others may see costs as much as all
	// the rest of Receive.
	branches int32
	worst    int32

	port         *port    // let it in and is told when it is done; nil if it came in by no source
	older, newer *Message // its neighbours in flight; guarded by the gate
}

// A Header is a name and a value: an MQTT user property, a NATS or HTTP header.
type Header struct{ Name, Value string }

// Meta is what a source knows about a message beside its topic and payload.
type Meta struct {
	Source          string
	QoS             byte
	Retain          bool
	Redelivered     bool
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	Properties      []Header // user properties
}

// An Outcome is what became of a message. The larger one counts where branches differ.
type Outcome int32

// The outcomes of a branch, from the best to the worst.
const (
	Delivered Outcome = iota // accepted by its sink, or nothing was left to do
	Dropped                  // dropped by a policy the user chose
	Failed                   // refused for good, or an error
)

// An Origin stands behind the messages that a rule makes. Its methods are called from the goroutines of
// queues, concurrently, and must not block.
type Origin interface {
	// Settled is called once, when out and all its branches are done, with the worst outcome.
	Settled(out *Message, outcome Outcome)
	// Rejected is called when sink refused out for good, before out is settled as Failed. It may emit
	// messages in its place, with out as their parent; those never wait for room.
	Rejected(out *Message, sink string, err error, emit Emit)
}

// Receive gives a new message its first branch, the receiver's own. When all branches are done, settled
// is called once, from whichever goroutine settled last; it must not block. m may be used again after that.
func (m *Message) Receive(settled func(*Message, Outcome)) {
	m.parent, m.origin, m.settled, m.port = nil, nil, settled, nil
	m.worst, m.branches = int32(Delivered), 1
}

// From makes m a branch of parent with one branch of its own, its maker's. origin may be nil. Nothing may
// fail between From and the emit that passes the branch on: a branch that nobody settles holds its root, and
// with it the acknowledgement, for ever.
func (m *Message) From(parent *Message, origin Origin) {
	parent.Hold()
	m.parent, m.origin, m.settled, m.port = parent, origin, nil, nil
	m.worst, m.branches = int32(Delivered), 1
}

// Parent is the message that m was made of, nil for one that was received.
func (m *Message) Parent() *Message { return m.parent }

// Root is the message that a source received and that m goes back to.
func (m *Message) Root() *Message {
	for m.parent != nil {
		m = m.parent
	}
	return m
}

// Hold says that one more branch keeps m. The caller holds a branch itself.
func (m *Message) Hold() { atomic.AddInt32(&m.branches, 1) }

// Done settles one branch of m as delivered.
func (m *Message) Done() { m.Settle(Delivered) }

// Settle settles one branch of m. With the last one m is done: its origin is told, its parent has one
// branch less (with the same outcome), and at the root the source is told.
func (m *Message) Settle(outcome Outcome) {
	for m != nil {
		m.raise(outcome)
		if !m.last() {
			return
		}
		parent := m.parent
		outcome = Outcome(atomic.LoadInt32(&m.worst))
		if m.origin != nil {
			m.origin.Settled(m, outcome)
		}
		if parent == nil {
			m.finish(outcome)
		}
		m = parent
	}
}

// last takes one branch off and says whether it was the last.
func (m *Message) last() bool {
	if atomic.LoadInt32(&m.branches) == 1 { // the caller's: only who holds a branch can add one
		m.branches = 0
		return true
	}
	left := atomic.AddInt32(&m.branches, -1)
	if left < 0 {
		panic("engine: a message was settled more often than held")
	}
	return left == 0
}

// finish gives up the room that m took in flight and then tells the source, which may at once use m again.
func (m *Message) finish(outcome Outcome) {
	port, settled := m.port, m.settled
	if port != nil {
		port.engine.gate.leave(m)
	}
	if settled != nil {
		settled(m, outcome)
	}
	if port != nil {
		port.release()
	}
}

func (m *Message) raise(outcome Outcome) {
	for {
		was := atomic.LoadInt32(&m.worst)
		if int32(outcome) <= was || atomic.CompareAndSwapInt32(&m.worst, was, int32(outcome)) {
			return
		}
	}
}
