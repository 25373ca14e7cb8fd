package engine

import (
	"maps"
	"time"
)

// A Bounded is a Source that gets no more while too much of what it received is not acknowledged. Full says that
// this is so now.
type Bounded interface {
	Full() bool
}

// A sink with a drop policy harms only itself, although what waits before it is in flight, and the room in flight
// is less than that of most queues. So where a source gets no more, a sink that drops and does not get through gives
// up the older half of what keeps the source waiting: MQTT acknowledges in order, so that the oldest hold the others.

const (
	lookEvery = 50 * time.Millisecond // while something waits before a sink that drops
	lookSoon  = 10 * time.Millisecond // while it drops because a source waits
	tooLong   = time.Second           // what waits longer while a source waits is not a matter of a burst
)

// bounds tells which of the bounds on what is in flight are reached.
type bounds struct {
	gate    bool             // that of the engine
	near    bool             // almost: QoS 0 does not wait, it is lost there
	sources map[*port]uint64 // those of sources, each with the Order up to which room is wanted
}

// wants tells whether m, the oldest that a sink has, is to go. half: it has not yet given up half of what it had.
func (b bounds) wants(m *Message, half bool) bool {
	root := m.Root()
	if until, full := b.sources[root.port]; full && root.Order <= until {
		return true
	} else if len(b.sources) > 0 && !full {
		return half // others may be behind it
	}
	return b.near && half
}

func (e *Engine) bounds() bounds {
	e.mu.Lock()
	ports := maps.Clone(e.ports)
	e.mu.Unlock()
	var full []*port
	for _, p := range ports {
		if s, ok := p.source.(Bounded); ok && s.Full() {
			full = append(full, p)
		}
	}
	g := &e.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.use
	b := bounds{gate: u.Messages >= g.messages || u.Messages > 0 && u.Bytes+u.Bytes/int64(u.Messages) > g.bytes}
	b.near = b.gate || u.Messages > g.messages*3/4 || u.Bytes > g.bytes/4*3
	for _, p := range full {
		m := g.oldest
		for m != nil && m.port != p {
			m = m.newer
		}
		if m == nil {
			continue // it waits for its acknowledgements to be read
		}
		if b.sources == nil {
			b.sources = map[*port]uint64{}
		}
		b.sources[p] = *p.order - (*p.order-m.Order)/2
	}
	return b
}

// relieve looks after the sinks that drop, as long as something waits before one.
func (e *Engine) relieve() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-e.drops:
		case <-e.noTick:
			return
		}
		for pause := lookEvery; pause > 0; pause = e.relieveOnce() {
			timer.Reset(pause)
			select {
			case <-timer.C:
			case <-e.noTick:
				return
			}
		}
	}
}

// relieveOnce says when to look again, 0 when nothing waits.
func (e *Engine) relieveOnce() (again time.Duration) {
	b, waiting, soon := e.bounds(), false, false
	for _, q := range e.running.Load().queues {
		waits, dropped := q.relieve(b, e.clock.read())
		waiting = waiting || waits
		if len(dropped) > 0 {
			soon = true
			q.drop(dropped, "a source waits for them")
		}
	}
	switch {
	case soon:
		return lookSoon
	case waiting:
		return lookEvery
	}
	return 0
}

// mayHold tells whether messages in the queue are in flight until the sink has them or they are dropped.
func (q *queue) mayHold() bool {
	messages, _ := q.size()
	return q.disk == nil && messages > 0
}

// lingers tells whether what is in the queue stays in flight for long. With the lock.
func (q *queue) lingers(now time.Duration) bool {
	return q.mayHold() && (!q.sick.IsZero() || now-q.oldest().at >= tooLong)
}

func (q *queue) relieve(b bounds, now time.Duration) (waits bool, dropped []*Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.setup.Buffer.WhenFull == Block || !q.mayHold() {
		return false, nil
	}
	if !q.lingers(now) {
		return true, nil
	}
	messages, _ := q.size()
	for it := q.idleOldest(); it != nil; it = q.idleOldest() {
		if !b.wants(it.m, len(dropped) < (messages+1)/2) {
			break
		}
		q.evict()
		dropped = append(dropped, it.m)
		q.recycle(it)
	}
	q.stats.Dropped.Oldest += uint64(len(dropped))
	return true, dropped
}
