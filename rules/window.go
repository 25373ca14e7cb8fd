package rules

import (
	"math"
	"time"
)

// A window is window: of a rule, compiled. What is open of it is in windows.
type window struct {
	signature string // of what the open windows depend on
	slot      int    // in the memory
	open      *windows

	kind        windowKind
	size        int64 // ns, as all times here
	hop         int64 // of tumbling the size
	offset      int64
	gap         int64
	maxDuration int64 // math.MaxInt64: none
	count       int64 // messages
	every       int64 // hop of a count window, in messages

	timestamp *expression // nil: processing time
	unit      int64
	grace     int64
	idle      int64 // 0: a silent source holds its windows open
	maxAhead  int64 // 0: no bound
	onLate    []letterTarget
	having    *expression
}

type windowKind uint8

const (
	tumbling windowKind = iota
	hopping
	sliding
	session
	counting
)

var windowKinds = []string{"tumbling", "hopping", "sliding", "session", "count"}

// Bounds on what a rule may keep, whatever its senders send.
const (
	mostOverlap = 1440      // windows that a message is in: a day, each minute
	mostOpen    = 1_000_000 // windows of a rule that are open at a time, over all keys
	mostSliding = 10_000    // messages of a key that sliding windows hold
)

// overdue is the due of what should have been fired already.
const overdue = 1

// Windows are the open windows of a rule, of all keys. They are the schedule of a slot in the rule's memory, and
// outlive a reload with it. All is called under the lock of the memory.
type windows struct {
	memory    *memory
	slot      int
	kind      opener
	event     *eventTime // nil: processing time
	grace     int64
	now       int64       // the latest of the engine's times that was seen: those of lanes and of Tick differ
	seq       uint64      // counts the messages, for their order
	came      arrival     // the message that is handled
	open      int         // windows, or of sliding ones messages
	aggregate *aggregates // of any rule with the same signature
}

// An opener keeps the open windows of one kind.
type opener interface {
	// judge says what becomes of a message of a key at a time: passes, late, or filtered if it is in no window.
	judge(k *kept, at int64) verdict
	// put adds a message that passes to its windows. Windows that a message closes at once give their result.
	put(l *lane, r *rule, m *arrival) error
	// first is when the first window ends, or earlier: then close only notes the right time.
	first() (end int64, ok bool)
	// close closes the first window, which is due, and hands its result on; or drops what nobody needs.
	close(l *lane, r *rule)
	// latest is when the last of the open windows ends; of event time only.
	latest() (end int64, ok bool)
	// load reads what a key had open; it is put into its place by the join of what it gives.
	load(d *decoder) memo
}

// An arrival is a message that comes to a window.
type arrival struct {
	key    *kept
	at     int64 // its time
	seq    uint64
	values []Value // of the arguments of the aggregates
}

func newWindows(r *rule, m *memory, slot int) *windows {
	spec := r.window
	w := &windows{memory: m, slot: slot, grace: spec.grace, aggregate: r.aggregate, now: math.MinInt64}
	if spec.timestamp != nil {
		w.event = &eventTime{mark: math.MinInt64, idle: spec.idle, sources: make([]sourceTime, len(r.sources))}
	}
	switch spec.kind {
	case session:
		w.kind = &sessions{windows: w, gap: spec.gap, most: spec.maxDuration}
	case sliding:
		w.kind = &slidings{windows: w, size: spec.size}
		if w.event != nil {
			w.kind = &lateSlidings{windows: w, size: spec.size}
		}
	case counting:
		w.kind = &counts{windows: w, count: spec.count, every: spec.every}
	default:
		w.kind = &aligned{windows: w, size: spec.size, hop: spec.hop, offset: spec.offset, spans: map[int64]*span{}}
	}
	return w
}

// take gives a message to the windows of its key.
func (r *rule) take(l *lane) (verdict, error) {
	c := &l.scope
	w := r.window.open
	w.now = max(w.now, nanos(c.now))
	at, source := w.now, 0
	if w.event != nil {
		var err error
		if at, err = r.window.time(c, w.now); err != nil {
			return passes, err
		}
		source = w.event.hear(r, c.message, w.now)
	}
	v := w.kind.judge(c.kept, at)
	var err error
	switch {
	case v == passes && w.open >= mostOpen:
		err = fail(LimitReached, "the rule has %d open windows, which is the most that are kept", w.open)
	case v == passes:
		v, err = taken, w.gather(l, r, at)
	case v == late:
		r.tellLate(l, at)
	}
	if w.event != nil {
		w.memory.changedCommon(w.slot)
		w.event.raise(l, r, source, at)
		w.event.move() // also when nothing was raised: the source may have been idle
		w.fireDue(l, r)
	}
	return v, err
}

func (w *windows) gather(l *lane, r *rule, at int64) error {
	c := &l.scope
	values, err := r.aggregate.read(c, c.read[:0])
	c.read = values[:0]
	w.seq++
	w.memory.changed(c.kept, w.slot)
	w.came = arrival{c.kept, at, w.seq, values}
	if wrong := w.kind.put(l, r, &w.came); err == nil {
		err = wrong
	}
	w.came = arrival{}
	clear(values) // they hold on to the payload
	return err
}

// closed says whether a window with that end is closed.
func (w *windows) closed(end int64) bool {
	if w.event == nil {
		return end <= w.now
	}
	return w.event.marked && end+w.grace <= w.event.mark
}

// next is when something is due.
func (w *windows) next() int64 {
	end, ok := w.kind.first()
	switch {
	case w.event == nil && ok:
		return end
	case w.event == nil:
		return 0
	case ok && w.closed(end) || w.event.waits():
		return overdue
	}
	return w.event.idleAt()
}

func (w *windows) fire(l *lane, r *rule, now int64) {
	w.now = max(w.now, now)
	if e := w.event; e != nil {
		if e.waits() {
			e.catchUp(r)
			w.memory.changedCommon(w.slot)
			return
		}
		if end, ok := w.kind.first(); !ok || !w.closed(end) {
			if at := e.idleAt(); at != 0 && at <= now {
				e.silence(w, at)
				w.memory.changedCommon(w.slot)
			}
			return
		}
	}
	w.kind.close(l, r)
}

// fireDue fires what a message has made due. Much of it is left to Tick, which does not hold the lock for long.
func (w *windows) fireDue(l *lane, r *rule) {
	for range fireBatch {
		if w.next() != overdue || r.stale() {
			return
		}
		w.fire(l, r, w.now)
	}
}

// emit hands on the result of a window that has closed, and is out of the memory.
func (w *windows) emit(l *lane, r *rule, k *kept, start, end int64, t *tally) {
	w.memory.changed(k, w.slot)
	r.result(l, k, func(c *scope) (verdict, error) {
		c.window.start, c.window.end = millisOf(start), millisOf(end)
		var err error
		if c.aggregated, err = r.aggregate.results(t, c.aggregated[:0]); err != nil {
			return passes, err
		}
		if err := r.shapeResult(c); err != nil {
			return passes, err
		}
		if pass, err := c.condition(r.window.having); !pass || err != nil {
			return filtered, err
		}
		return r.restrain(c)
	})
}

// lifetime is for how long a window lasts after the last message of its key, 0 if that may be for ever.
func (w *window) lifetime() time.Duration {
	if w.timestamp != nil || w.kind == counting {
		return 0
	}
	return time.Duration(max(w.size, w.gap))
}

// millisOf gives whole milliseconds, rounded down before 1970 too.
func millisOf(ns int64) int64 { return floor(ns, int64(time.Millisecond)) / int64(time.Millisecond) }

// floor gives the multiple of step at or below n.
func floor(n, step int64) int64 {
	rest := n % step
	if rest < 0 {
		rest += step
	}
	return n - rest
}

// add takes a message into a tally, and accounts for what it grows by.
func (w *windows) add(r *rule, t *tally, m *arrival) error {
	if r.aggregate.layout.parts == 0 {
		return r.aggregate.add(t, m.values, m.at, m.seq)
	}
	before := r.aggregate.size(t)
	err := r.aggregate.add(t, m.values, m.at, m.seq)
	w.memory.bytes += r.aggregate.size(t) - before
	return err
}

// start opens a window: a tally, and beside it so many bytes.
func (w *windows) start(r *rule, bytes int) *tally {
	t := r.aggregate.start()
	w.open++
	w.memory.bytes += bytes + r.aggregate.size(t)
	return t
}

// ended says that a window is closed or dropped.
func (w *windows) ended(t *tally, bytes int) {
	w.open--
	w.memory.bytes -= bytes + w.aggregate.size(t)
}
