package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// testEnv is an edge.yaml with a sink of each kind.
var testEnv = Env{
	Sources: map[string]SourceInfo{"in": {Topics: []string{"hospital/#"}}, "bare": {}},
	Sinks: map[string]SinkInfo{
		"mq": {AddressKey: "topic"}, "nats": {AddressKey: "subject", UsesID: true}, "http": {AddressKey: "path", UsesID: true},
		"dead": {}, "dead2": {},
	},
}

func load(t testing.TB, text string) *Program {
	t.Helper()
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, testEnv)
	if err := errs.Err(); err != nil {
		t.Fatalf("load: %v\n%s", err, text)
	}
	return p
}

// A record is what a rule emitted.
type record struct {
	sink string
	*engine.Message
}

// String gives sink, address and payload, as tests compare them.
func (r record) String() string {
	s := r.sink
	if r.Address != "" {
		s += " " + r.Address
	}
	return s + " " + string(r.Payload)
}

// handle runs a program on one message and settles everything as delivered.
func handle(t testing.TB, p *Program, topic, payload string) []record {
	t.Helper()
	var got []record
	settled := false
	m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: time.UnixMilli(1700000000000), Meta: &engine.Meta{Source: "in", QoS: 1}}
	m.Receive(func(*engine.Message, engine.Outcome) { settled = true })
	p.Lane().Process(m.Received, m, func(sink string, out *engine.Message) { got = append(got, record{sink, out}) })
	m.Done()
	for _, r := range got {
		r.Done()
	}
	if !settled {
		t.Errorf("%s %s was not settled", topic, payload)
	}
	return got
}

func expect(t testing.TB, got []record, want ...string) {
	t.Helper()
	var texts []string
	for _, r := range got {
		texts = append(texts, r.String())
	}
	if !slices.Equal(texts, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(texts, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// balance checks that the books of all rules add up, and gives those of one as text.
func balance(t testing.TB, p *Program, name string) string {
	t.Helper()
	text := ""
	for _, s := range p.Stats() {
		if s.InFlight != 0 {
			t.Errorf("rule %s: %d in flight", s.Name, s.InFlight)
		}
		if s.Name == name {
			text = fmt.Sprintf("in %d delivered %d filtered %d error %d dropped %d shadow %d missing %d %v", s.In, s.Delivered, s.Filtered, s.Error, s.Dropped, s.Shadow, s.Missing, s.Errors)
		}
	}
	return text
}

// A player runs a program on a virtual clock and notes what comes out, with its time since the start.
type player struct {
	t     testing.TB
	p     *Program
	lane  engine.Lane
	start time.Time
	now   time.Time
	next  time.Time // when Tick wants to be called
	got   []string
	keys  []string // what order held for
}

func play(t testing.TB, p *Program) *player {
	start := time.UnixMilli(1_700_000_000_000)
	return &player{t: t, p: p, lane: p.Lane(), start: start, now: start}
}

func (y *player) emit(sink string, out *engine.Message) {
	y.got = append(y.got, fmt.Sprint(y.now.Sub(y.start), " ", record{sink, out}))
	y.keys = append(y.keys, out.Key)
	out.Done()
}

// until lets time pass, and fires what is due.
func (y *player) until(at time.Duration) {
	end := y.start.Add(at)
	for {
		y.next = y.p.Tick(y.now, y.emit)
		if y.next.IsZero() || y.next.After(end) {
			y.now = end
			return
		}
		y.now = y.next
	}
}

// send is a message at a time; what is due before that fires first.
func (y *player) send(at time.Duration, topic, payload string) {
	y.t.Helper()
	if end := y.start.Add(at); end.After(y.now) {
		y.until(at - 1)
		y.now = end
	}
	settled := false
	m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: y.now, Meta: &engine.Meta{Source: "in", QoS: 1}}
	m.Receive(func(*engine.Message, engine.Outcome) { settled = true })
	y.lane.Process(y.now, m, y.emit)
	m.Done()
	if !settled {
		y.t.Errorf("%s %s was not settled", topic, payload)
	}
}

// reload puts another text in place of what runs.
func (y *player) reload(text string) {
	y.t.Helper()
	env := testEnv
	env.Previous = y.p
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if err := errs.Err(); err != nil {
		y.t.Fatal(err)
	}
	y.p, y.lane = p, p.Lane()
}

func (y *player) expect(want ...string) {
	y.t.Helper()
	if !slices.Equal(y.got, want) {
		y.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(y.got, "\n\t"), strings.Join(want, "\n\t"))
	}
	y.got = nil
}

// decodeForTest reads a rule file without compiling it.
func decodeForTest(t testing.TB, text string, into *fileSpec) (errs strictyaml.Errors) {
	t.Helper()
	loader := &strictyaml.Loader{}
	if root := loader.Parse("a.yaml", []byte(text), &errs); root != nil {
		loader.Decode("a.yaml", root, into, &errs)
	}
	return errs
}
