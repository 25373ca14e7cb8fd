package engine

import (
	"context"
	"slices"
)

// Stop ends what runs in the order that loses nothing: the sources receive no more, the timers end, the lanes
// work off what they have, the queues drain, the sinks close, and the sources close last, after their
// acknowledgements. It takes at most StopTimeout, or until ctx ends; what is left then stays unacknowledged
// and comes again after a restart. A second Stop does nothing.
func (e *Engine) Stop(ctx context.Context) {
	e.quit() // a Swap need not wait for a broker
	e.swapping.Lock()
	defer e.swapping.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	if e.running.Load() == nil {
		e.abandon()
		return
	}
	// Each Close gets a part of the time, however long the draining takes.
	timeout := e.limits.StopTimeout
	draining, cancel := context.WithTimeout(ctx, timeout*8/10)
	defer cancel()
	writing, cancel := context.WithTimeout(ctx, timeout*9/10)
	defer cancel()
	ending, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	ports := e.allPorts()
	for _, p := range ports {
		p.cancel()
	}
	for _, p := range ports {
		if !await(draining, p.stopped) {
			e.log.Error("a source does not stop", "source", p.name)
		}
	}
	close(e.noTick)
	await(draining, e.ticked)
	for _, l := range e.lanes {
		l.close()
	}
	await(draining, e.laned)
	queues := e.allQueues()
	e.drain(draining, queues)
	if s, ok := e.running.Load().program.(Settler); ok {
		s.Settle(writing)
	}
	for _, q := range queues {
		if !await(writing, q.done) {
			e.log.Error("a sink does not stop", "sink", q.name)
		}
	}
	e.abandon() // for the goroutines that swaps left behind
	close(e.closing)
	for _, p := range ports {
		if !await(ending, p.closed) {
			e.log.Error("a source does not close", "source", p.name)
		}
	}
	await(ending, e.ticked)
	await(ending, e.laned)
	e.old.Wait()
}

// drain lets the queues end when all of them are empty at once, since one may reject a message into another,
// or as they are when the time is up.
func (e *Engine) drain(ctx context.Context, queues []*queue) {
	for _, q := range queues {
		q.order(func() {
			q.draining = true
			q.hurry() // it may be up again, and the next try too late
		})
	}
	for ctx.Err() == nil && !idle(queues) {
		select {
		case <-e.empty:
		case <-ctx.Done():
		}
	}
	if ctx.Err() == nil {
		for _, q := range queues {
			q.order(func() { q.final = true })
		}
		return
	}
	e.over.Store(true)
	e.gate.mu.Lock()
	use := e.gate.use
	e.gate.mu.Unlock()
	e.log.Warn("stopping with messages that are neither delivered nor on disk; those of QoS 1 and 2 come again", "messages", use.Messages)
	for _, q := range queues {
		q.order(func() { q.abandoned = true })
	}
	e.abandon()
}

// idle tells whether all queues are empty and nothing was pushed while it looked.
func idle(queues []*queue) bool {
	before := pushes(queues)
	for _, q := range queues {
		q.mu.Lock()
		messages, _ := q.size()
		busy := !q.ended && (messages > 0 && !q.resting(q.engine.clock.read()) || !q.asleep)
		q.mu.Unlock()
		if busy {
			return false
		}
	}
	return pushes(queues) == before
}

func pushes(queues []*queue) (n uint64) {
	for _, q := range queues {
		q.mu.Lock()
		n += q.pushes
		q.mu.Unlock()
	}
	return n
}

func (e *Engine) allQueues() []*queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.retired)
	for _, q := range e.running.Load().queues {
		all = append(all, q)
	}
	return all
}

func (e *Engine) allPorts() []*port {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.leaving)
	for _, p := range e.ports {
		all = append(all, p)
	}
	return all
}

// await waits for done, false when ctx ends first.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// refuse closes what a set brings to an engine that has stopped.
func (e *Engine) refuse(set Set) {
	e.log.Debug("a set came after the stop")
	for name, s := range set.Sinks {
		if g := e.running.Load(); g != nil && g.queues[name] != nil && same(g.queues[name].setup.Sink, s.Sink) {
			continue
		}
		if err := closing(s.Sink); err != nil {
			e.log.Warn("closing a sink", "sink", name, "error", err)
		}
	}
	for name, s := range set.Sources {
		if p := e.ports[name]; p != nil && same(p.source, s.Source) {
			continue
		}
		if err := closing(s.Source); err != nil {
			e.log.Warn("closing a source", "source", name, "error", err)
		}
	}
}
