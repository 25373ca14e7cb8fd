package engine_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// A keeper is an origin that a buffer can keep, and a program that finds it again.
type keeper struct {
	*program
	origin
	name string
}

func (k *keeper) Keep() (string, bool) { return k.name, true }
func (k *keeper) Origin(name string) engine.Origin {
	if name == k.name {
		return &k.origin
	}
	return nil
}

// What the sink refuses later, even after a restart, still goes to the rule, with the message it was made of.
func TestDiskRejects(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		k := &keeper{name: "rule"}
		k.letters = "letters"
		k.program = &program{process: func(_ time.Time, m *engine.Message, emit engine.Emit) {
			out := &engine.Message{Topic: m.Topic, Key: m.Key, Payload: []byte("made of " + string(m.Payload)), Address: "a", ID: "id" + string(m.Payload),
				Headers: []engine.Header{{Name: "n", Value: "v"}}}
			out.From(m, k)
			emit("s", out)
		}}
		letters := &sink{}
		run := func(s *sink, test func(e *engine.Engine, f *feed)) {
			b := engine.NewBuffers(dir, quiet)
			sinks := map[string]engine.SinkSetup{"s": onDisk(t, b, s, engine.Buffer{}), "letters": {Sink: letters}}
			lifeOn(t, b, k, sinks, test)
		}
		s := &sink{accept: refuse(errAway)}
		run(s, func(e *engine.Engine, f *feed) {
			f.send("t", "1")
			f.send("t", "2")
			allSettled(t, f, 2)
			synctest.Wait() // the first has been tried: from now on it goes alone
			s.set(func(_ context.Context, m *engine.Message) error {
				if m.Root() == m || string(m.Root().Payload) != "1" || m.Root().Meta == nil {
					t.Errorf("root %q", m.Root().Payload)
				}
				equal[any](t, "message", []any{m.Topic, m.Key, m.Address, m.ID, m.Headers}, "[t t a id1 [{n v}]]")
				s.accept = refuse(errAway)
				return fmt.Errorf("no: %w", engine.ErrRejected)
			})
			pass(10 * time.Second)
			equal(t, "letters", letters.all(), []string{"dead made of 1"})
			equal(t, "settled", f.settled("1"), "delivered")
		})
		run(&sink{accept: refuse(fmt.Errorf("no: %w", engine.ErrRejected))}, func(e *engine.Engine, f *feed) {
			pass(time.Second)
			equal(t, "letters", letters.all(), []string{"dead made of 1", "dead made of 2"})
			equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 0)
		})
		equal(t, "counted once each", k.outcomes, []engine.Outcome{engine.Delivered, engine.Delivered})
	})
}

// The rule of a message may be gone when it is rejected.
func TestDiskRejectsForNobody(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		dir := t.TempDir()
		k := &keeper{name: "rule"}
		k.program = through(k, "s")
		b := engine.NewBuffers(dir, quiet)
		lifeOn(t, b, k, one("s", onDisk(t, b, &sink{accept: refuse(errAway)}, engine.Buffer{})), func(e *engine.Engine, f *feed) {
			f.send("t", "1")
			allSettled(t, f, 1)
		})
		life(t, dir, &sink{accept: refuse(engine.ErrRejected)}, engine.Buffer{}, func(e *engine.Engine, f *feed) {
			pass(time.Second)
			st := e.Stats().Sinks["s"]
			equal(t, "rejected", fmt.Sprint(st.Rejected, st.Disk.Messages), "1 0")
		})
	})
}

// Until its dead letter is safe, what was rejected is kept: a crash then loses neither.
func TestDiskRejectsKeepUntilTheLetterIs(t *testing.T) {
	for _, expires := range []bool{false, true} {
		bubbled(t, func(t *testing.T) {
			dir := t.TempDir()
			k := &keeper{name: "rule"}
			k.letters = "letters"
			k.program = through(k, "s")
			letters := &sink{accept: refuse(errAway)}
			run := func(s *sink, test func(e *engine.Engine, f *feed)) {
				b := engine.NewBuffers(dir, quiet)
				setup := onDisk(t, b, s, engine.Buffer{})
				if expires {
					setup.Retry.MaxElapsed = 10 * time.Second
				}
				lifeOn(t, b, k, map[string]engine.SinkSetup{"s": setup, "letters": {Sink: letters}}, test)
			}
			s := &sink{accept: refuse(errAway)}
			run(s, func(e *engine.Engine, f *feed) {
				f.send("t", "1")
				allSettled(t, f, 1)
				if !expires {
					s.set(refuse(engine.ErrRejected))
				}
				pass(time.Minute)
				equal(t, "rejected", len(k.rejected()), 1)
				equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 1)
			})
			letters.set(nil)
			run(s, func(e *engine.Engine, f *feed) {
				pass(time.Minute)
				equal(t, "letters", letters.all(), []string{"dead 1"})
				equal(t, "on disk", e.Stats().Sinks["s"].Disk.Messages, 0)
			})
		})
	}
}
