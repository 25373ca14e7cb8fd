package engine_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"edge/engine"
)

type counter struct{ settled atomic.Int32 }

func (c *counter) Settled(*engine.Message, engine.Outcome)              { c.settled.Add(1) }
func (c *counter) Rejected(*engine.Message, string, error, engine.Emit) {}

// Whatever tree of messages grows and in whatever order, by however many goroutines its branches are settled:
// the source is told once, after the last of them, with the worst outcome.
func TestSettlesOnceAfterTheLast(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var open atomic.Int32 // branches that were not begun to be settled
		var told atomic.Int32
		var outcome engine.Outcome
		root := &engine.Message{}
		root.Receive(func(_ *engine.Message, o engine.Outcome) {
			told.Add(1)
			outcome = o
			if left := open.Load(); left != 0 {
				t.Errorf("seed %d: told with %d branches open", seed, left)
			}
		})
		branches := []*engine.Message{root} // each entry is one branch to settle
		made := &counter{}
		n := r.IntN(40)
		for range n {
			parent := branches[r.IntN(len(branches))]
			if r.IntN(3) == 0 {
				parent.Hold()
				branches = append(branches, parent)
				continue
			}
			m := &engine.Message{}
			m.From(parent, made)
			if m.Root() != root || m.Parent() != parent {
				t.Fatal("wrong root or parent")
			}
			branches = append(branches, m)
		}
		r.Shuffle(len(branches), func(i, j int) { branches[i], branches[j] = branches[j], branches[i] })
		outcomes := make([]engine.Outcome, len(branches))
		worst := engine.Delivered
		for i := range outcomes {
			outcomes[i] = engine.Outcome(r.IntN(3))
			worst = max(worst, outcomes[i])
		}
		open.Store(int32(len(branches)))
		var wg sync.WaitGroup
		for lane := range 4 {
			wg.Go(func() {
				for i := lane; i < len(branches); i += 4 {
					open.Add(-1)
					branches[i].Settle(outcomes[i])
				}
			})
		}
		wg.Wait()
		if told.Load() != 1 || outcome != worst {
			t.Errorf("seed %d: told %d times, outcome %v, want once %v", seed, told.Load(), outcome, worst)
		}
		if left := made.settled.Load(); int(left) > n {
			t.Errorf("seed %d: %d origins told of %d", seed, left, n)
		}
	}
}

func TestSettledTooOften(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a branch too many was settled in silence")
		}
	}()
	m := &engine.Message{}
	m.Receive(nil)
	m.Done()
	m.Done()
}
