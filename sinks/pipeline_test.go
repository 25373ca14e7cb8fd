package sinks

import (
	"sync/atomic"
	"testing"

	"edge/engine"
)

// Where many messages of a batch wait for each other, or few may be under way, the connection is told that the
// answers are urgent.
func TestPipelineHurries(t *testing.T) {
	for _, test := range []struct {
		keys, limit int
		want        int32
	}{{1, 20, 1}, {2, 20, 1}, {20, 20, 0}, {20, 1, 1}, {20, 10, 0}} {
		var hurry atomic.Int32
		batch, result := make([]*engine.Message, 20), make([]error, 20)
		for i := range batch {
			batch[i] = &engine.Message{Key: string(rune('a' + i%test.keys))}
		}
		p := pipeline{limit: test.limit, hurry: &hurry, ended: make(chan end, 20)}
		p.start = func(i int) error {
			if got := hurry.Load(); got != test.want {
				t.Errorf("%+v: %d", test, got)
			}
			p.ended <- end{i, nil}
			return nil
		}
		p.run(t.Context(), batch, result)
		if hurry.Load() != 0 {
			t.Error("it goes on")
		}
	}
}
