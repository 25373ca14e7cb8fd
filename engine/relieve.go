package engine

import "time"

// A Bounded is a Source that gets no more while too much of what it received is not acknowledged. Full says that
// this is so now.
type Bounded interface {
	Full() bool
}

// A sink with a drop policy harms only itself, although what waits before it is in flight, and the room in flight
// is less than that of most queues. So where a source gets no more, a sink that drops and does not get through gives
// up the older half of what it has: MQTT acknowledges in order, so that the oldest hold the others.

const (
	lookEvery = 50 * time.Millisecond // while something waits before a sink that drops
	lookSoon  = 10 * time.Millisecond // for a second after it dropped because a source waits
	tooLong   = time.Second           // what waits longer while a source waits is not a matter of a burst
)

// bounds tells which of the bounds on what is in flight are reached.
type bounds struct {
	full bool // that of the engine, or of a source: it gets no more
	near bool // or almost that of the engine: QoS 0 does not wait, it is lost there
}

func (e *Engine) bounds() (b bounds) {
	for _, p := range e.allPorts() {
		// One without unsettled messages waits only for its acknowledgements to be read.
		if s, ok := p.source.(Bounded); ok && p.unsettled.Load() > 0 && s.Full() {
			b.full = true
		}
	}
	g := &e.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.use
	b.full = b.full || u.Messages >= g.messages || u.Messages > 0 && u.Bytes+u.Bytes/int64(u.Messages) > g.bytes
	b.near = b.full || u.Messages > g.messages*3/4 || u.Bytes > g.bytes/4*3
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
		pause, soon := lookEvery, 0
		for pause > 0 {
			timer.Reset(pause)
			select {
			case <-timer.C:
			case <-e.noTick:
				return
			}
			waiting, dropped := e.relieveOnce()
			if dropped {
				soon = 100 // the source goes on, and will be full again
			}
			switch {
			case !waiting:
				pause = 0
			case soon > 0:
				pause, soon = lookSoon, soon-1
			default:
				pause = lookEvery
			}
		}
	}
}

// relieveOnce tells whether something waits before a sink that drops, and whether it dropped of that.
func (e *Engine) relieveOnce() (waiting, dropped bool) {
	b := e.bounds()
	for _, q := range e.allQueues() { // one whose sink was removed holds its source as well
		waits, messages := q.relieve(b, e.clock.read())
		waiting = waiting || waits
		if len(messages) > 0 {
			dropped = true
			q.drop(messages, "a source waits for them")
		}
	}
	return waiting, dropped
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

// relieve gives up the older half of what the sink does not have in hand, if there is need. Which messages hold the
// source depends on how lanes took turns, so what is left may still do: then half of that goes next.
func (q *queue) relieve(b bounds, now time.Duration) (waits bool, dropped []*Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.setup.Buffer.WhenFull == Block || !q.mayHold() {
		return false, nil
	}
	if !b.near || !q.lingers(now) {
		return true, nil
	}
	messages, _ := q.size()
	for range (messages + 1) / 2 {
		it := q.evict()
		if it == nil {
			break
		}
		dropped = append(dropped, it.m)
		q.recycle(it)
	}
	q.stats.Dropped.Oldest += uint64(len(dropped))
	return true, dropped
}
