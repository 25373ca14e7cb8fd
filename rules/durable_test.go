package rules

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/statelog"
)

// A machine runs durable rules on a virtual clock, with a folder that outlives it. The store writes when the test
// says so.
type machine struct {
	t     testing.TB
	text  string
	dir   string
	now   time.Time
	store *Store
	p     *Program
	lane  engine.Lane
	out   []record // emitted and not settled
	open  []string // payloads of messages that are not settled
	said  bytes.Buffer
}

func newMachine(t testing.TB, text string) *machine {
	m := &machine{t: t, text: text, dir: t.TempDir(), now: time.UnixMilli(1_700_000_000_000)}
	m.start()
	t.Cleanup(func() { m.store.file.Close() })
	return m
}

func (m *machine) start() {
	m.t.Helper()
	log := slog.New(slog.NewTextHandler(&m.said, nil))
	file, err := statelog.Open(m.dir, log)
	if err != nil {
		m.t.Fatal(err)
	}
	m.store = newStore(file, log)
	m.p = nil
	m.load(m.text)
}

// load reloads, or loads for the first time.
func (m *machine) load(text string) {
	m.t.Helper()
	m.text = text
	env := testEnv
	env.Previous, env.Log = m.p, slog.New(slog.NewTextHandler(&m.said, nil))
	env.Store = func(bool) (*Store, error) { return m.store, nil }
	env.Now = func() time.Time { return m.now }
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if err := errs.Err(); err != nil {
		m.t.Fatal(err)
	}
	m.p, m.lane = p, p.Lane()
	m.tick(0)
}

func (m *machine) emit(sink string, out *engine.Message) { m.out = append(m.out, record{sink, out}) }

// tick lets time pass.
func (m *machine) tick(d time.Duration) {
	end := m.now.Add(d)
	for {
		next := m.p.Tick(m.now, m.emit)
		if next.IsZero() || next.After(end) {
			break
		}
		m.now = next
	}
	m.now = end
}

func (m *machine) send(topic, payload string) {
	in := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: m.now, Meta: &engine.Meta{Source: "in", QoS: 1}}
	m.open = append(m.open, payload)
	in.Receive(func(*engine.Message, engine.Outcome) {
		m.open = slices.DeleteFunc(m.open, func(p string) bool { return p == payload })
	})
	m.lane.Process(m.now, in, m.emit)
	in.Done()
}

// deliver settles the i-th output.
func (m *machine) deliver(i int) string {
	r := m.out[i]
	m.out = slices.Delete(m.out, i, i+1)
	text := r.String()
	r.Done()
	return text
}

func (m *machine) deliverAll() (texts []string) {
	for len(m.out) > 0 {
		texts = append(texts, m.deliver(0))
	}
	return texts
}

// crash ends the machine as kill -9 does, and starts it again.
func (m *machine) crash() {
	m.t.Helper()
	m.store.file.Close()
	m.out, m.open = nil, nil
	m.start()
}

// expects settles all outputs and compares them.
func (m *machine) expects(want ...string) {
	m.t.Helper()
	if got := m.deliverAll(); !slices.Equal(got, want) {
		m.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	m.store.commit()
	if len(m.open) > 0 {
		m.t.Errorf("not settled: %v", m.open)
	}
}

const tallying = head + `    key: payload.k
    durable: true
    dedupe: {by: payload.id, within: 1h}
    state: {n: {value: '(state.n ?? 0) + 1'}}
    map: {k: key, id: payload.id, n: '(state.n ?? 0) + 1'}
    route: [{to: dead}]
`

func TestDurable(t *testing.T) {
	m := newMachine(t, tallying)
	m.send(topic, `{"k":"a","id":1}`)
	m.send(topic, `{"k":"a","id":2}`)
	if m.store.commit(); len(m.open) != 2 {
		t.Errorf("settled before its output is: %v are open", m.open)
	}
	m.deliver(1)
	if m.store.commit(); len(m.open) != 2 {
		t.Errorf("settled before the one that came first: %v are open", m.open)
	}
	m.deliver(0)
	if len(m.open) != 2 {
		t.Errorf("settled before it is on disk: %v are open", m.open)
	}
	if m.store.commit(); len(m.open) != 0 {
		t.Errorf("not settled: %v", m.open)
	}
	m.send(topic, `{"k":"a","id":3}`)
	m.store.commit()
	m.crash()
	m.send(topic, `{"k":"a","id":3}`) // comes again, and is not suppressed by itself
	m.send(topic, `{"k":"a","id":2}`)
	m.expects(`dead {"k":"a","id":3,"n":3}`)
	balance(t, m.p, "r")
}

// TestDurableRandom: random messages, settlements, commits, compactions and crashes. Whenever the power goes,
// what was settled is known and what was not comes again; so that in the end every message was delivered, and
// counted once.
func TestDurableRandom(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		durableRun(t, uint64(seed))
	}
}

func durableRun(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	m := newMachine(t, tallying)
	sent, delivered := map[string]int{}, map[string]bool{}
	note := func(text string) { delivered[between(text, `"k":"`, `"`)+"/"+between(text, `"id":`, ",")] = true }
	id := 0
	for range 120 {
		switch n := r.IntN(20); {
		case n < 9:
			id++
			k := string(rune('a' + r.IntN(3)))
			sent[k]++
			m.send(topic, fmt.Sprintf(`{"k":%q,"id":%d}`, k, id))
		case n < 14 && len(m.out) > 0:
			note(m.deliver(r.IntN(len(m.out))))
		case n < 18:
			m.store.commit()
		case n == 18:
			again := slices.Clone(m.open)
			if r.IntN(2) == 0 { // between the disk and the acknowledgement
				m.store.commit()
			}
			m.crash()
			for _, payload := range again {
				m.send(topic, payload)
			}
		default:
			m.store.commit()
			<-m.store.file.Compact(nil)
			if err := m.store.file.Finish(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, text := range m.deliverAll() {
		note(text)
	}
	if m.store.commit(); len(m.open) > 0 {
		t.Fatalf("seed %d: not settled: %v", seed, m.open)
	}
	m.crash()
	all := 0
	for k, n := range sent {
		all += n
		m.send(topic, fmt.Sprintf(`{"k":%q,"id":0}`, k))
		m.expects(fmt.Sprintf(`dead {"k":%q,"id":0,"n":%d}`, k, n+1))
	}
	if len(delivered) != all {
		t.Fatalf("seed %d: %d of %d were delivered", seed, len(delivered), all)
	}
	m.store.file.Close()
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// TestDurableDamage: whatever is in the file, the rule starts.
func TestDurableDamage(t *testing.T) {
	m := newMachine(t, tallying)
	for i := range 3 {
		m.send(topic, fmt.Sprintf(`{"k":"a","id":%d}`, i))
		m.deliverAll()
		m.store.commit()
	}
	whole, err := os.ReadFile(filepath.Join(m.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 3 {
		data := slices.Clone(whole)
		data[at] ^= 0x10
		if err := os.WriteFile(filepath.Join(m.dir, "log"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		m.crash()
		m.send(topic, `{"k":"a","id":"x"}`)
		m.deliverAll()
		m.expects()
	}
}

func TestDurableLoad(t *testing.T) {
	env := testEnv
	env.Stateless = true
	_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(tallying)}}, env)
	if err := errs.Err(); err == nil || !strings.Contains(err.Error(), "rules/a.yaml:6:14: rule \"r\": durable wants a place for the state: add `state: {dir: /var/lib/edge}` to edge.yaml") {
		t.Errorf("got %v", err)
	}
	_, errs = Load([]File{{Name: "rules/a.yaml", Data: []byte(head + "    durable: true\n    route: [{to: dead}]\n")}}, testEnv)
	if err := errs.Err(); err != nil { // it has nothing to lose
		t.Error(err)
	}
	env = testEnv
	env.Store = func(bool) (*Store, error) { return nil, errors.New("/s is in use by another edge") }
	_, errs = Load([]File{{Name: "rules/a.yaml", Data: []byte(tallying)}}, env)
	if err := errs.Err(); err == nil || !strings.Contains(err.Error(), "in use by another edge") {
		t.Errorf("got %v", err)
	}
	load(t, tallying) // lint needs no place
}

// TestDurableLocal: what a rule sends to another is settled when that one's change is on disk; rules that feed each
// other do not wait for themselves.
func TestDurableLocal(t *testing.T) {
	m := newMachine(t, `rules:
  first:
    source: in
    topic: hospital/#
    key: payload.k
    durable: true
    dedupe: {by: payload.id, within: 1h}
    route: [{to: local, topic: next}]
  second:
    source: local
    topic: next
    key: payload.k
    durable: true
    state: {n: {value: '(state.n ?? 0) + 1'}}
    map: {n: state.n}
    route: [{to: dead}]
`)
	m.send(topic, `{"k":1,"id":1}`)
	m.deliverAll()
	if m.store.commit(); len(m.open) != 1 {
		t.Error("settled with only the second rule on disk")
	}
	m.crash()
	m.send(topic, `{"k":1,"id":1}`) // the first knows nothing of it yet
	if got := m.deliverAll(); !slices.Equal(got, []string{`dead {"n":1}`}) {
		t.Errorf("got %v", got)
	}
	m.store.commit()
	if m.store.commit(); len(m.open) != 0 {
		t.Error("not settled")
	}
	m.crash()
	m.send(topic, `{"k":1,"id":1}`)
	m.expects()
	balance(t, m.p, "second")

	m = newMachine(t, `rules:
  round:
    source: [in, local]
    topic: '{kind}/{n}'
    key: '"one"'
    durable: true
    state: {n: {value: '(state.n ?? 0) + 1'}}
    map: {n: payload.n - 1, all: state.n}
    route: [{to: local, topic: 'again/{{ out.n }}', when: out.n > 0}, {to: dead}]
`)
	m.send("in/3", `{"n":3}`)
	m.send("in/2", `{"n":2}`)
	m.deliverAll()
	m.store.commit()
	m.expects()
	m.crash()
	m.send("in/1", `{"n":1}`)
	m.expects(`dead {"n":0,"all":5}`)
}

// TestDurableSplit: each element is counted once, whatever the others do.
func TestDurableSplit(t *testing.T) {
	m := newMachine(t, head+`    split: payload.list
    key: item
    durable: true
    state: {n: {value: '(state.n ?? 0) + 1'}}
    map: {k: key, n: state.n}
    route: [{to: dead}]
`)
	m.send(topic, `{"list":["a","b","a"]}`)
	m.deliver(0)
	m.deliver(0)
	if m.store.commit(); len(m.open) != 1 {
		t.Error("settled with an output on its way")
	}
	m.deliver(0)
	m.expects()
	m.crash()
	m.send(topic, `{"list":["a","b"]}`)
	m.expects(`dead {"k":"a","n":2}`, `dead {"k":"b","n":1}`)
}
