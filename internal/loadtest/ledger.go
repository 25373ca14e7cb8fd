package loadtest

import (
	"sync"
	"time"
)

// A Ledger holds outputs against the inputs that they came of, by the number that both carry. It is for many goroutines.
type Ledger struct {
	Latency Latency // of each output, from when its input was due

	mu      sync.Mutex
	room    chan struct{} // one slot: an output came that was waited for
	entries []entry       // by number modulo its length, which is a power of two
	first   int64         // numbers below are of the warm-up
	topics  map[string]int32
	highest map[flow]int64
	last    time.Time // when an output came last, of any kind
	counts  Counts
}

// An entry is an input, and the topics on which it came out.
type entry struct {
	number int64
	due    time.Time
	key    int32
	state  state
	n      uint8
	topics [4]int32
}

type state uint8

const (
	unknown state = iota
	unexpected
	awaited
	seen
)

// A flow is what order is promised for: inputs of one topic that come out on one topic.
type flow struct{ in, out int32 }

// Counts is what a Ledger found.
type Counts struct {
	Expected   int64 `json:"expected"`     // inputs that must come out
	Seen       int64 `json:"seen"`         // of these, that did
	Lost       int64 `json:"lost"`         // of these, that did not
	Outputs    int64 `json:"outputs"`      // all that came, the two below included
	Duplicates int64 `json:"duplicates"`   // that came again on the same topic
	OutOfOrder int64 `json:"out_of_order"` // that came after a later one
	Unexpected int64 `json:"not_expected"` // of inputs that need not come out
	Unnumbered int64 `json:"no_number"`    // that carry no number, or none that is known
	WarmUp     int64 `json:"-"`            // of inputs of the warm-up, in none of the above
}

// Bounds: inputs that are remembered, what one is looked at to have come out on, and topics.
const (
	remembered = 1 << 18
	mostFlows  = 1 << 17
	mostTopics = 1 << 16
)

// NewLedger makes one for inputs of which about n are expected, 0 if that is not known.
func NewLedger(n int64) *Ledger {
	size := int64(1 << 10)
	for size < remembered && (n <= 0 || size < n+n/2) {
		size *= 2
	}
	return &Ledger{entries: make([]entry, size), room: make(chan struct{}, 1), topics: map[string]int32{}, highest: map[flow]int64{}}
}

// Sent notes an input before it is sent: its number, one more than that of the last, a key for its topic, and whether it must
// come out.
func (l *Ledger) Sent(number int64, key int, due time.Time, expected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.at(number)
	*e = entry{number: number, due: due, key: int32(key), state: unexpected}
	if expected {
		e.state = awaited
		l.counts.Expected++
	}
}

// Unsent takes back Sent: that input never went out.
func (l *Ledger) Unsent(number int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.at(number)
	if e.number == number && e.state == awaited {
		l.counts.Expected--
		e.state = unexpected
	}
}

// Begin ends the warm-up: numbers from first on count, and only they.
func (l *Ledger) Begin(first int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = first
	l.counts = Counts{}
	clear(l.highest)
	l.Latency.Reset()
}

// Came notes an output. numbered says that it carried a number.
func (l *Ledger) Came(number int64, numbered bool, topic string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = at
	c := &l.counts
	e := l.at(number)
	switch {
	case !numbered || number < 0:
		c.Outputs++
		c.Unnumbered++
		return
	case number < l.first:
		c.WarmUp++
		return
	case e.number != number || e.state == unknown:
		c.Outputs++
		c.Unnumbered++
		return
	}
	c.Outputs++
	out := l.topic(topic)
	if out >= 0 && e.on(out) {
		c.Duplicates++
		return
	}
	switch e.state {
	case awaited:
		e.state = seen
		c.Seen++
		select {
		case l.room <- struct{}{}:
		default:
		}
	case unexpected:
		c.Unexpected++
	}
	l.Latency.Add(at.Sub(e.due))
	f := flow{e.key, out}
	highest, known := l.highest[f]
	if known && number < highest {
		c.OutOfOrder++
	} else if out >= 0 && (known || len(l.highest) < mostFlows) {
		l.highest[f] = number
	}
}

// on notes a topic and says whether it was noted before.
func (e *entry) on(topic int32) bool {
	for _, t := range e.topics[:e.n] {
		if t == topic {
			return true
		}
	}
	if int(e.n) < len(e.topics) {
		e.topics[e.n] = topic
		e.n++
	}
	return false
}

// topic gives each topic a number, -1 when there are too many to be told apart.
func (l *Ledger) topic(name string) int32 {
	n, known := l.topics[name]
	switch {
	case known:
		return n
	case len(l.topics) >= mostTopics:
		return -1
	}
	n = int32(len(l.topics))
	l.topics[name] = n
	return n
}

func (l *Ledger) at(number int64) *entry { return &l.entries[number&int64(len(l.entries)-1)] }

// Awaited is how many inputs must come out and have not.
func (l *Ledger) Awaited() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts.Expected - l.counts.Seen
}

// Room gets a value after an input came out that was awaited.
func (l *Ledger) Room() <-chan struct{} { return l.room }

// Last is when an output came last.
func (l *Ledger) Last() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Counts is what was found so far. What is awaited still counts as lost.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Lost = c.Expected - c.Seen
	return c
}
