package rules

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"edge/engine"
)

// Two lanes, one ahead of the other by as much as it likes: messages come in the order of their timestamps, and so
// none is late, without any grace. Strangers count too, and a rule that panics holds nothing up.
func TestLanesMakeNothingLate(t *testing.T) {
	const messages = 20_000
	p := load(t, windowed("type: tumbling, size: 10ms, timestamp: payload.ts, on_late: {to: dead2}"))
	var mu sync.Mutex
	results, late := 0, 0
	emit := func(sink string, out *engine.Message) {
		mu.Lock()
		defer mu.Unlock()
		if sink == "dead2" {
			late++
		} else {
			results++
		}
		out.Done()
	}
	now := time.UnixMilli(clockBase)
	var lanes sync.WaitGroup
	for i := range 2 {
		l := p.Lane()
		lanes.Go(func() {
			for n := i; n < messages; n += 2 {
				m := &engine.Message{Topic: fmt.Sprintf("hospital/H1/device/%d/status", i), Order: uint64(n + 1), Meta: &engine.Meta{Source: "in"},
					Payload: fmt.Appendf(nil, `{"ts":%d,"v":1}`, n)}
				if n%7 == 0 {
					m.Topic = "stranger"
				}
				m.Receive(nil)
				l.Process(now, m, emit)
				m.Done()
			}
		})
	}
	lanes.Wait()
	p.Tick(now, emit)
	if s := p.Stats()[0]; late != 0 || s.Late != 0 || results < 2*messages/10-4 {
		t.Errorf("%d late, %d results, book %+v", late, results, s)
	}
	if f := p.frontiers["in"]; f.front.Load() != messages || len(f.holes) != 0 || len(f.waiting) != 0 {
		t.Errorf("the frontier is at %d with %d holes", f.front.Load(), len(f.holes))
	}
}

func TestFrontierPassesPanics(t *testing.T) {
	p := load(t, windowed("type: tumbling, size: 10s, timestamp: payload.ts"))
	l := p.Lane()
	func() {
		defer func() { _ = recover() }()
		m := &engine.Message{Topic: topic, Order: 1, Payload: []byte(`{"ts":1}`), Meta: &engine.Meta{Source: "in"}}
		m.Receive(nil)
		l.Process(time.UnixMilli(clockBase), m, nil)
		m.Order = 2
		m.Payload = []byte(`{"ts":20000}`)
		l.Process(time.UnixMilli(clockBase), m, func(string, *engine.Message) { panic("a result, and nowhere to send it") })
		t.Error("no panic")
	}()
	if front := p.frontiers["in"].front.Load(); front != 2 {
		t.Errorf("the frontier is at %d", front)
	}
}

// A set that has event time begins in the middle of the stream, while lanes are busy with the set before.
func TestFrontierBeginsLate(t *testing.T) {
	plain := load(t, head+"    route: [{to: dead}]\n")
	old, slow := plain.Lane(), plain.Lane()
	pass := func(l engine.Lane, order uint64, ts int) {
		m := &engine.Message{Topic: topic, Order: order, Payload: fmt.Appendf(nil, `{"ts":%d}`, ts*1000), Meta: &engine.Meta{Source: "in"}}
		m.Receive(nil)
		l.Process(time.UnixMilli(clockBase), m, func(_ string, out *engine.Message) { out.Done() })
		m.Done()
	}
	pass(old, 1, 1)
	pass(old, 2, 1)
	env := testEnv
	env.Previous = plain
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(windowed("type: tumbling, size: 10s, timestamp: payload.ts"))}}, env)
	if errs.Err() != nil {
		t.Fatal(errs)
	}
	a, b := p.Lane(), p.Lane()
	pass(a, 3, 1)
	pass(slow, 5, 1) // had begun before the swap
	pass(a, 6, 20)   // waits for 4
	if s := p.Stats()[0]; s.Results != 0 {
		t.Errorf("book %+v", s)
	}
	pass(b, 4, 1)
	if s := p.Stats()[0]; s.Results != 1 || s.Late != 0 || s.Kept != 3 {
		t.Errorf("book %+v", s)
	}
}
