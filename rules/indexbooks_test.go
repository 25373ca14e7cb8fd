package rules

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/engine"
)

// TestIndexOfManyLanes: books are right while lanes and readers are at work, and no counter goes back.
func TestIndexOfManyLanes(t *testing.T) {
	const rules, lanes, messages = 40, 3, 4000
	text := "rules:\n"
	for i := range rules {
		text += fmt.Sprintf("  r%d: {source: in, topic: t, when: payload.n %% %d == %d, route: [{to: dead}]}\n", i, rules, i)
	}
	p := load(t, text)
	var work, watch sync.WaitGroup
	done := make(chan struct{})
	run := func(p *Program, from int) {
		l := p.Lane()
		work.Go(func() {
			for n := range messages {
				m := &engine.Message{Topic: "t", Payload: fmt.Appendf(nil, `{"n":%d}`, from+n), Meta: &engine.Meta{Source: "in"}}
				m.Receive(nil)
				l.Process(time.UnixMilli(1), m, func(_ string, out *engine.Message) { out.Done() })
				m.Done()
			}
		})
	}
	for i := range lanes {
		run(p, i)
	}
	env := testEnv
	env.Previous = p
	next, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	run(next, lanes) // while lanes are still at work in the program before
	env.Previous = next
	last, _ := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	watch.Go(func() {
		before := last.Stats()
		for {
			now := last.Stats()
			for i := range now {
				if now[i].In < before[i].In || now[i].Filtered < before[i].Filtered || now[i].InFlight < 0 {
					t.Errorf("from %+v\nto %+v", before[i], now[i])
					return
				}
			}
			before = now
			select {
			case <-done:
				return
			default:
			}
		}
	})
	run(last, lanes+1)
	work.Wait()
	close(done)
	watch.Wait()
	for _, s := range last.Stats() {
		if s.In != (lanes+2)*messages || s.Delivered != s.In/rules || s.Filtered != s.In-s.Delivered || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	}
	if old := p.Stats(); !reflect.DeepEqual(old, last.Stats()) {
		t.Error("the program before tells another story")
	}
}

// TestBooksOfALoadedSet: the books are right from the load on, before the set runs.
func TestBooksOfALoadedSet(t *testing.T) {
	text := manyRules(20, func(n, i int) string { return fmt.Sprintf("payload.n == %d", i) })
	p := load(t, text)
	handle(t, p, topic, `{"n":3}`)
	env := testEnv
	env.Previous = p
	next := loadWith(t, env, text)
	if want, got := "in 1 delivered 0 filtered 1 ", balance(t, next, "r7"); !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}
