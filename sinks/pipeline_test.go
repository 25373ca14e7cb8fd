package sinks

import (
	"testing"

	"edge/engine"
	"edge/internal/pacing"
)

// Where many messages of a batch wait for each other, the connection is told that the answers are urgent.
func TestPipelineHurries(t *testing.T) {
	for keys, hurries := range map[int]int32{1: 1, 2: 1, 20: 0} {
		var hurry pacing.Urgency
		batch, result := make([]*engine.Message, 20), make([]error, 20)
		for i := range batch {
			batch[i] = &engine.Message{Key: string(rune('a' + i%keys))}
		}
		p := pipeline{limit: 20, hurry: &hurry, ended: make(chan end, 20)}
		p.start = func(i int) error {
			if got := hurry.Load(); got != hurries {
				t.Errorf("with %d keys: %d", keys, got)
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
