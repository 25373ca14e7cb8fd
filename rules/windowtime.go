package rules

import (
	"math"
	"slices"
	"strings"
	"time"

	"edge/engine"
)

// An eventTime is the watermark of a rule: up to where all messages are expected to be there. Each source has one
// of its own, the newest timestamp; that of the rule is the lowest of those that are not idle, and never falls.
type eventTime struct {
	mark    int64
	marked  bool
	sources []sourceTime // as the rule names them
	idle    int64        // idle_timeout of the rule that ran last; 0: none
}

// A sourceTime is how far a source is. One that was never heard holds the watermark back too, until it is idle.
type sourceTime struct {
	newest  int64
	some    bool  // there is a newest
	began   bool  // the rule has heard something
	heard   int64 // when its last message came, by the engine's clock
	silent  bool  // idle
	pending []raise
	order   *frontier
}

// A raise is a timestamp that counts only when a message that was received earlier has passed the rule.
type raise struct {
	after uint64 // order of that message
	to    int64
}

// hear notes that a message has reached the window, and gives the index of its source.
func (e *eventTime) hear(r *rule, m *engine.Message, now int64) int {
	e.idle = r.window.idle
	index := 0
	if len(e.sources) > 1 && m.Meta != nil {
		index = max(slices.Index(r.sources, m.Meta.Source), 0)
	}
	s := &e.sources[index]
	if !s.began {
		for i := range e.sources {
			if other := &e.sources[i]; !other.began {
				other.began, other.heard = true, now
			}
		}
	}
	s.heard, s.silent = now, false
	return index
}

// raise takes in the timestamp of a message. Where one before it has not passed yet, that is for later.
func (e *eventTime) raise(l *lane, r *rule, index int, at int64) {
	s := &e.sources[index]
	if s.some && at <= s.newest {
		return
	}
	after := uint64(0)
	if order := l.scope.message.Order; order != 0 && l.frontier != nil {
		s.order = l.frontier
		after = s.order.before(order, r)
	}
	if after == 0 {
		s.newest, s.some = at, true
		return
	}
	i, found := slices.BinarySearchFunc(s.pending, after, func(p raise, after uint64) int {
		switch {
		case p.after < after:
			return -1
		case p.after > after:
			return 1
		}
		return 0
	})
	if found {
		s.pending[i].to = max(s.pending[i].to, at)
		return
	}
	s.pending = slices.Insert(s.pending, i, raise{after, at})
}

// waits says whether a raise can be taken in that waited.
func (e *eventTime) waits() bool {
	for i := range e.sources {
		if s := &e.sources[i]; len(s.pending) > 0 && s.order.front.Load() >= s.pending[0].after {
			return true
		}
	}
	return false
}

// catchUp takes in the raises that need not wait any more.
func (e *eventTime) catchUp(r *rule) {
	for i := range e.sources {
		s := &e.sources[i]
		for len(s.pending) > 0 && s.order.reached(s.pending[0].after, r) {
			if to := s.pending[0].to; !s.some || to > s.newest {
				s.newest, s.some = to, true
			}
			s.pending = s.pending[1:]
		}
	}
	e.move()
}

// move raises the watermark to where the sources allow.
func (e *eventTime) move() {
	lowest, some := int64(math.MaxInt64), false
	for i := range e.sources {
		s := &e.sources[i]
		if s.silent {
			continue
		}
		if !s.some {
			return
		}
		lowest, some = min(lowest, s.newest), true
	}
	if some && (!e.marked || lowest > e.mark) {
		e.mark, e.marked = lowest, true
	}
}

// idleAt is when the next source falls idle, 0 if none does.
func (e *eventTime) idleAt() int64 {
	var first int64
	if e.idle == 0 {
		return 0
	}
	for i := range e.sources {
		if s := &e.sources[i]; s.began && !s.silent && (first == 0 || s.heard+e.idle < first) {
			first = s.heard + e.idle
		}
	}
	return first
}

// silence makes idle what is to fall idle by now. When all sources are, all open windows close.
func (e *eventTime) silence(w *windows, now int64) {
	all := true
	for i := range e.sources {
		s := &e.sources[i]
		s.silent = s.silent || s.began && s.heard+e.idle <= now
		all = all && s.silent
	}
	if !all {
		e.move()
		return
	}
	if end, ok := w.kind.latest(); ok && (!e.marked || end+w.grace > e.mark) {
		e.mark, e.marked = end+w.grace, true
	}
}

// Timestamps are within these, so that no arithmetic on them overflows.
var (
	earliestTime = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	latestTime   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
)

// time gives the time of the message that the scope has.
func (w *window) time(c *scope, now int64) (int64, error) {
	v, err := c.run(w.timestamp)
	if err != nil {
		return 0, &failure{err: fail(BadTimestamp, "the timestamp cannot be computed: %s", err), expression: w.timestamp}
	}
	at, wrong := w.readTime(v)
	if wrong == nil && w.maxAhead > 0 && at > now+w.maxAhead && at > now+int64(c.rule.set.drift(c.now))+w.maxAhead {
		wrong = fail(BadTimestamp, "the timestamp is %v ahead of the clock, max_ahead allows %v",
			time.Duration(at-now).Round(time.Millisecond), time.Duration(w.maxAhead))
	}
	if wrong != nil {
		return 0, &failure{err: wrong, expression: w.timestamp}
	}
	return at, nil
}

func (w *window) readTime(v Value) (int64, error) {
	var t time.Time
	switch known, isTime := v.ref.(time.Time); {
	case isTime:
		t = known
	case v.kind == Null:
		return 0, fail(BadTimestamp, "the timestamp is missing or null")
	case v.kind == Int:
		i := v.int()
		if i < earliestTime/w.unit || i > latestTime/w.unit {
			return 0, w.outOfRange(v)
		}
		return i * w.unit, nil
	case v.kind == Float:
		f := v.float() * float64(w.unit)
		if !(f >= float64(earliestTime) && f <= float64(latestTime)) {
			return 0, w.outOfRange(v)
		}
		whole, rest := math.Modf(v.float()) // the whole part as it is, the rest as far as a float64 has it
		return int64(whole)*w.unit + int64(math.Round(rest*float64(w.unit))), nil
	case v.isString():
		var err error
		if t, err = time.Parse(time.RFC3339, v.string()); err != nil {
			t, err = time.Parse(time.RFC3339, strings.ToUpper(v.string())) // t and z are allowed too
		}
		if err != nil {
			return 0, fail(BadTimestamp, "the timestamp %s is not in the form of RFC 3339, such as 2024-11-22T10:06:40Z", v.show())
		}
	default:
		return 0, fail(BadTimestamp, "the timestamp is %s; it must be Unix milliseconds or text in the form of RFC 3339", v.typeName())
	}
	if t.Year() < 1701 || t.Year() > 2199 {
		return 0, fail(BadTimestamp, "the timestamp is in the year %d; from 1701 to 2199 can be counted", t.Year())
	}
	return t.UnixNano(), nil
}

func (w *window) outOfRange(v Value) error {
	unit := "milliseconds"
	if w.unit == int64(time.Second) {
		unit = "seconds"
	}
	return fail(BadTimestamp, "the timestamp %s is too far away for Unix %s; for another unit set timestamp_unit or divide", v.show(), unit)
}

// tellLate sends the message that the scope has to on_late: all its windows are closed.
func (r *rule) tellLate(l *lane, at int64) {
	if len(r.window.onLate) == 0 {
		return
	}
	c := &l.scope
	w := r.window.open
	err := &failure{expression: r.window.timestamp, err: fail(Late, "the message is late: it is of %s, its windows are closed, the watermark is %s",
		rfc3339(at), rfc3339(w.event.mark))}
	letter := r.letter(c.now, c.message, Late, err)
	for i := range r.window.onLate {
		r.window.onLate[i].send(c, r, c.message, letter, l.emit)
	}
}

func rfc3339(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z07:00") }
