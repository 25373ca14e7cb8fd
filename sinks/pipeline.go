package sinks

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"edge/engine"
)

// errNotTried is the result of a message that stayed behind because what came before it failed. It is no
// fault of its own: it goes out again after that.
var errNotTried = errors.New("not sent: what came before it was not delivered")

// errQuiet ends what is under way when no answer comes for too long.
var errQuiet = errors.New("no answer")

// An awayError says that the destination as a whole is out of reach, not that it took one message amiss.
type awayError struct{ error }

func (e *awayError) Unwrap() error { return e.error }

// A patience says when the rest of a batch would fare no better: the destination wants a pause, or did not
// answer twice in a row. Once is not enough: it may be one message that it cannot bear.
type patience struct{ misses int }

func (p *patience) ends(err error) bool {
	var away *awayError
	var pause *engine.RetryAfter
	if errors.As(err, &pause) {
		return true
	}
	if !errors.As(err, &away) {
		p.misses = 0
		return false
	}
	p.misses++
	return p.misses == 2
}

// settled says that a message needs no other try: it was accepted, or refused for good.
func settled(err error) bool { return err == nil || errors.Is(err, engine.ErrRejected) }

// A pipeline delivers a batch with several messages under way at once, but never two of one key: the next
// of a key starts when the one before it has been accepted or refused for good. A failure that may mend
// ends its key for this batch.
type pipeline struct {
	limit int               // how many may be under way
	start func(i int) error // begins message i; an error means that it is not under way
	ended chan end          // how those that are under way ended
	quiet time.Duration     // nothing ends for so long: all that is under way has failed; 0: no such limit
	lost  <-chan struct{}   // closed when nothing that is under way can end any more; may be nil
	why   func() error      // the reason of lost
	hurry *atomic.Int32     // of the connection; may be nil
	join  bool              // what is under way ends by itself when the context does, and is waited for

	last  map[string]int // by key, the message seen last; kept for its memory
	next  []int          // by message, the next of its key, or -1
	place []int          // by message, how many of its key are before it
	most  int            // of place
	ready []int          // messages whose key is free
	under []bool         // by message, whether it is under way
	count int            // how many are
	stop  error          // why nothing more starts; what was not tried fails with it
	patience
}

// Where a batch waits for answers so many times, since messages of one key wait for each other or but few may be
// under way, the answers are urgent.
const hurriedFrom = 8

// An end is what became of message i.
type end struct {
	i   int
	err error
}

func (p *pipeline) run(ctx context.Context, batch []*engine.Message, result []error) {
	p.link(batch)
	if rounds := max(p.most+1, len(batch)/max(p.limit, 1)); rounds >= hurriedFrom && p.hurry != nil {
		p.hurry.Add(1)
		defer p.hurry.Add(-1)
	}
	for i := range result {
		result[i] = errNotTried
	}
	var timer *time.Timer
	var silence <-chan time.Time
	if p.quiet > 0 {
		timer = time.NewTimer(p.quiet)
		defer timer.Stop()
		silence = timer.C
	}
	over := ctx.Done()
	if p.join {
		over = nil
	}
	for p.fill(ctx, result); p.count > 0; p.fill(ctx, result) {
		select {
		case e := <-p.ended:
			if p.under[e.i] {
				p.under[e.i] = false
				p.count--
				p.settle(e, result)
			}
			if timer != nil {
				timer.Reset(p.quiet)
			}
		case <-over:
			p.giveUp(context.Cause(ctx), result)
		case <-p.lost:
			p.giveUp(p.why(), result)
		case <-silence:
			p.giveUp(errQuiet, result)
		}
	}
	if p.stop == nil {
		p.stop = context.Cause(ctx)
	}
	for i, err := range result {
		if err == errNotTried && p.stop != nil {
			result[i] = p.stop
		}
	}
}

// link finds for each message the next of its key, and the first of each key.
func (p *pipeline) link(batch []*engine.Message) {
	if p.last == nil {
		p.last = make(map[string]int, len(batch))
	}
	clear(p.last)
	p.next, p.place, p.most = p.next[:0], p.place[:0], 0
	p.under, p.count, p.stop = p.under[:0], 0, nil
	p.ready, p.misses = make([]int, 0, len(batch)), 0
	for i, m := range batch {
		p.next, p.under, p.place = append(p.next, -1), append(p.under, false), append(p.place, 0)
		if before, ok := p.last[m.Key]; ok {
			p.next[before] = i
			p.place[i] = p.place[before] + 1
			p.most = max(p.most, p.place[i])
		} else {
			p.ready = append(p.ready, i)
		}
		p.last[m.Key] = i
	}
}

// fill starts as much as may be under way.
func (p *pipeline) fill(ctx context.Context, result []error) {
	for p.count < p.limit && len(p.ready) > 0 && p.stop == nil && ctx.Err() == nil {
		i := p.ready[0]
		p.ready = p.ready[1:]
		if err := p.start(i); err != nil {
			p.settle(end{i, err}, result)
			continue
		}
		p.under[i] = true
		p.count++
	}
}

func (p *pipeline) settle(e end, result []error) {
	result[e.i] = e.err
	if settled(e.err) && p.next[e.i] >= 0 {
		p.ready = append(p.ready, p.next[e.i])
	}
	if p.ends(e.err) {
		p.stop = e.err
	}
}

// giveUp ends the batch: what is under way has failed and nothing more starts.
func (p *pipeline) giveUp(err error, result []error) {
	for i, under := range p.under {
		if under {
			result[i] = err
		}
	}
	p.count, p.stop = 0, err
}
