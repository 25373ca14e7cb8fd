package rules

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A frontier knows up to where the messages of one source have passed the rules, in the order of their arrival:
// messages of one source are on several lanes, and one that waits on a slow lane holds the frontier until it has
// had its turn. Event time goes by it, so that lanes cannot make each other's messages late. There is one for each
// source, which outlives reloads; it is followed from the first set of rules on that has event time.
type frontier struct {
	active atomic.Bool
	front  atomic.Uint64 // all up to here have passed

	mu      sync.Mutex
	known   bool   // where to begin
	high    uint64 // the highest that has passed
	holes   []hole // below high, what has not passed when it was found to be missing
	filled  int    // how many of holes have passed since
	waiting []waiter
	marks   []*passMark // of all lanes
	folded  uint64      // the highest of marks that are gone
}

type hole struct {
	order  uint64
	passed bool
}

// A waiter is told when the frontier reaches a message.
type waiter struct {
	rule  *rule
	after uint64
}

// A passMark is the message of a source that a lane handled last. It is what is known while the frontier is not
// followed.
type passMark struct {
	frontier *frontier
	last     atomic.Uint64
}

// newFrontier begins at the first message of all, if it is of the first set of rules that runs.
func newFrontier(first bool) *frontier { return &frontier{known: first} }

func (f *frontier) mark() *passMark {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.marks) > 256 { // those of sets that are long gone
		for _, old := range f.marks[:128] {
			f.folded = max(f.folded, old.last.Load())
		}
		f.marks = slices.Delete(f.marks, 0, 128)
	}
	m := &passMark{frontier: f}
	f.marks = append(f.marks, m)
	return m
}

// run is called when a set of rules begins to run, which has event time or not.
func (f *frontier) run(eventTime bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active.Load() {
		return
	}
	if !eventTime {
		f.known = false
		return
	}
	// A lane that handles a message under the set before marks it first and then looks whether this is active: it
	// is either seen here, or passes.
	f.active.Store(true)
	if f.known {
		return
	}
	base := f.folded
	for _, m := range f.marks {
		base = max(base, m.last.Load())
	}
	if base > 0 {
		f.begin(base + 1)
	}
}

// begin is called with the lowest order that is known of.
func (f *frontier) begin(order uint64) {
	if !f.known {
		f.known, f.high = true, order-1
		f.front.Store(f.high)
	}
}

// pass notes that a message has left the rules, and gives those that wait for it if the frontier has moved.
func (f *frontier) pass(order uint64) []*rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin(order)
	switch {
	case order <= f.front.Load():
		return nil // from before it began
	case order > f.high:
		for missing := f.high + 1; missing < order; missing++ {
			f.holes = append(f.holes, hole{order: missing})
		}
		f.high = order
	default:
		at, found := f.find(order)
		if !found || f.holes[at].passed {
			return nil
		}
		f.holes[at].passed = true
		f.filled++
		f.tidy()
	}
	front := f.high
	if len(f.holes) > 0 {
		front = f.holes[0].order - 1
	}
	if front == f.front.Load() {
		return nil
	}
	f.front.Store(front)
	return f.served(front)
}

// served takes out those who wait for nothing beyond front.
func (f *frontier) served(front uint64) (rules []*rule) {
	f.waiting = slices.DeleteFunc(f.waiting, func(w waiter) bool {
		if w.after > front {
			return false
		}
		if !slices.Contains(rules, w.rule) {
			rules = append(rules, w.rule)
		}
		return true
	})
	return rules
}

// tidy drops holes that are filled: those at the front, and the others when they are the most.
func (f *frontier) tidy() {
	for len(f.holes) > 0 && f.holes[0].passed {
		f.holes = f.holes[1:]
		f.filled--
	}
	if f.filled > 64 && f.filled > len(f.holes)/2 {
		f.holes = slices.DeleteFunc(f.holes, func(h hole) bool { return h.passed })
		f.filled = 0
	}
}

func (f *frontier) find(order uint64) (int, bool) {
	return slices.BinarySearchFunc(f.holes, order, func(h hole, order uint64) int {
		switch {
		case h.order < order:
			return -1
		case h.order > order:
			return 1
		}
		return 0
	})
}

// before gives the last message before order that has not passed, 0 if all have. With one that has not, r is told
// when the frontier moves.
func (f *frontier) before(order uint64, r *rule) uint64 {
	if f.front.Load()+1 == order { // nearly always
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin(order)
	last := uint64(0)
	if order > f.high+1 {
		last = order - 1
	} else {
		at, _ := f.find(order)
		for at--; at >= 0 && f.holes[at].passed; at-- {
		}
		if at >= 0 {
			last = f.holes[at].order
		}
	}
	if last != 0 {
		f.await(waiter{r, last})
	}
	return last
}

// reached says whether all up to order have passed; if not, r is told when the frontier moves.
func (f *frontier) reached(order uint64, r *rule) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.front.Load() >= order {
		return true
	}
	f.await(waiter{r, order})
	return false
}

func (f *frontier) await(w waiter) {
	if !slices.Contains(f.waiting, w) {
		f.waiting = append(f.waiting, w)
	}
}

// passed notes that the lane is done with a message, and lets those rules go on whose event time waited for it.
func (l *lane) passed(mark *passMark, order uint64) {
	mark.last.Store(order)
	if !mark.frontier.active.Load() {
		return
	}
	for _, r := range mark.frontier.pass(order) {
		owner := r.memory.owner.Load()
		if owner.set != l.program { // it goes on by itself
			r.memory.due.Store(overdue)
			owner.set.wake(overdue)
			continue
		}
		owner.remembering(l, func() { owner.memory.fire(l, owner, nanos(l.scope.now), false, fireBatch) })
	}
}
