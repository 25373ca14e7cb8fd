package rules

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

// This test holds windows against a model that stores every message and computes each window from all of them, by
// the words of docs/rules.md. Streams, keys, lanes and the kind of window are random.

const perMs = int64(time.Millisecond)

// A windowCase is a rule and what comes to it.
type windowCase struct {
	kind                    string
	size, hop, gap, most    int64 // ms
	count, every            int64
	offset, grace, idle     int64
	event                   bool
	narrow                  bool  // its aggregates are words of a tally
	base                    int64 // Unix ms that event time begins at
	sources, lanes, devices int
	messages                []windowMessage
	until                   int64
}

type windowMessage struct {
	source, device int
	order          uint64 // of the source
	now, at        int64  // ms: of the engine and of the event, since the start
	v              int64
	stranger       bool // no rule hears it
}

func randomCase(seed uint64) *windowCase {
	rnd := rand.New(rand.NewPCG(seed, 1))
	c := &windowCase{kind: windowKinds[rnd.IntN(len(windowKinds))], lanes: 1, sources: 1, devices: 1 + rnd.IntN(5)}
	c.event, c.base = c.kind != "count" && rnd.IntN(3) > 0, 1_700_000_000_000
	if c.event && rnd.IntN(2) == 0 {
		c.base = -100 // to 1970 and beyond
	}
	c.narrow = rnd.IntN(2) == 0
	c.size, c.hop, c.gap = 1+rnd.Int64N(40), 1+rnd.Int64N(40), 1+rnd.Int64N(20)
	if c.kind == "tumbling" {
		c.hop = c.size
	}
	if c.kind == "session" && rnd.IntN(2) == 0 {
		c.most = c.gap + rnd.Int64N(40)
	}
	c.count, c.every = 1+rnd.Int64N(5), 1+rnd.Int64N(6)
	c.offset = rnd.Int64N(60) - 30
	if c.event {
		c.lanes, c.sources = 1+rnd.IntN(3), 1+rnd.IntN(2)
		c.grace = rnd.Int64N(20)
		if rnd.IntN(2) == 0 {
			c.idle = 1 + rnd.Int64N(50)
		}
	}
	now, late := int64(0), 1+rnd.Int64N(60)
	queues := make([][]windowMessage, c.lanes)
	orders := make([]uint64, c.sources)
	for range 20 + rnd.IntN(80) {
		now += rnd.Int64N(4) * rnd.Int64N(3)
		if rnd.IntN(25) == 0 {
			now += rnd.Int64N(100)
		}
		m := windowMessage{source: rnd.IntN(c.sources), device: rnd.IntN(c.devices), now: now, v: rnd.Int64N(100) - 50, stranger: rnd.IntN(10) == 0}
		m.at = now + 10 - rnd.Int64N(late)
		orders[m.source]++
		m.order = orders[m.source]
		queues[m.device%c.lanes] = append(queues[m.device%c.lanes], m)
	}
	now = 0
	for { // the lanes take what is theirs in order, but not in step
		full := slices.DeleteFunc(slices.Collect(maps.Keys(queuesOf(queues))), func(i int) bool { return len(queues[i]) == 0 })
		if len(full) == 0 {
			break
		}
		slices.Sort(full)
		i := full[rnd.IntN(len(full))]
		n := min(1+rnd.IntN(4), len(queues[i]))
		for _, m := range queues[i][:n] {
			now = max(now, m.now)
			m.now = now
			c.messages = append(c.messages, m)
		}
		queues[i] = queues[i][n:]
	}
	c.until = now + rnd.Int64N(200)
	return c
}

func queuesOf(queues [][]windowMessage) map[int]bool {
	all := map[int]bool{}
	for i := range queues {
		all[i] = true
	}
	return all
}

var sourceNames = []string{"in", "bare"}

func (c *windowCase) rule() string {
	w := "type: " + c.kind
	add := func(key string, ms int64) { w += fmt.Sprintf(", %s: %dms", key, ms) }
	switch c.kind {
	case "tumbling":
		add("size", c.size)
		add("offset", c.offset)
	case "hopping":
		add("size", c.size)
		add("hop", c.hop)
		add("offset", c.offset)
	case "sliding":
		add("size", c.size)
	case "session":
		add("gap", c.gap)
		if c.most > 0 {
			add("max_duration", c.most)
		}
	case "count":
		w += fmt.Sprintf(", count: %d, hop: %d", c.count, c.every)
	}
	if c.event {
		w += ", timestamp: payload.ts, on_late: {to: dead2}"
		add("grace", c.grace)
		if c.idle > 0 {
			add("idle_timeout", c.idle)
		}
	}
	wide := "f: first(payload.v), l: last(payload.v), c: collect(payload.v), "
	if c.narrow {
		wide = ""
	}
	return "rules:\n  r:\n    source: [" + strings.Join(sourceNames[:c.sources], ", ") + "]\n    topic: d/{id}\n    key: int(params.id)\n    window: {" + w + "}\n" +
		"    aggregate: {k: key, n: count(), sum: sum(payload.v), lo: min(payload.v), hi: max(payload.v), " + wide + "s: window.start, e: window.end}\n" +
		"    having: out.n != 3\n    route: [{to: dead}]\n"
}

// play runs the case and gives what came out, late messages as "late".
func (c *windowCase) play(t *testing.T) (got []string, kept, late int64) {
	y := play(t, load(t, c.rule()))
	lanes := make([]engine.Lane, c.lanes)
	for i := range lanes {
		lanes[i] = y.p.Lane()
	}
	emit := func(sink string, out *engine.Message) {
		if sink == "dead2" {
			y.got = append(y.got, fmt.Sprint(y.now.Sub(y.start), " late"))
			out.Done()
			return
		}
		y.emit(sink, out)
	}
	for _, in := range c.messages {
		if end := y.start.Add(time.Duration(in.now * perMs)); end.After(y.now) {
			y.until(time.Duration(in.now*perMs) - 1)
			y.now = end
		}
		topic := fmt.Sprint("d/", in.device)
		if in.stranger {
			topic = "stranger"
		}
		m := &engine.Message{Topic: topic, Key: topic, Order: in.order, Received: y.now, Meta: &engine.Meta{Source: sourceNames[in.source]},
			Payload: fmt.Appendf(nil, `{"ts":%d,"v":%d}`, in.at+c.base, in.v)}
		m.Receive(nil)
		lanes[in.device%c.lanes].Process(y.now, m, emit)
		m.Done()
	}
	y.until(time.Duration(c.until * perMs))
	checkMemory(t, y.p)
	s := y.p.Stats()[0]
	if s.InFlight != 0 || s.Error != 0 {
		t.Errorf("book %+v", s)
	}
	return y.got, s.Kept, s.Late
}

func TestWindowsAgainstModel(t *testing.T) {
	seeds := uint64(4000)
	if testing.Short() {
		seeds = 500
	}
	for seed := range seeds {
		c := randomCase(seed)
		got, kept, late := c.play(t)
		m := newWindowModel(c)
		want := m.run()
		if !slices.Equal(got, want) || kept != m.kept || late != m.late {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Fatalf("seed %d: %s\nkept %d late %d, want %d and %d; different from %d on:\ngot\n\t%s\nwant\n\t%s", seed, c.rule(), kept, late, m.kept, m.late, i,
				strings.Join(got[max(i-2, 0):min(i+5, len(got))], "\n\t"), strings.Join(want[max(i-2, 0):min(i+5, len(want))], "\n\t"))
		}
	}
}

// byClock gives all results of processing time.
func (m *windowModel) byClock() {
	var windows []*modelWindow
	switch m.kind {
	case "tumbling", "hopping":
		windows = m.aligned(func(s *storedMessage) []int64 { return m.startsOf(s.now) })
		for _, one := range m.all {
			m.kept += int64(min(len(m.startsOf(one.now)), 1))
		}
	case "session":
		m.kept = int64(len(m.all))
		open := map[int]*modelWindow{}
		for _, one := range m.all {
			w := open[one.device]
			if w == nil || one.now >= w.end {
				w = &modelWindow{start: one.now, first: one.seq}
				open[one.device] = w
				windows = append(windows, w)
			}
			w.list = append(w.list, one)
			if w.end = one.now + m.gap; m.most > 0 {
				w.end = min(w.end, w.start+m.most)
			}
		}
		sortWindows(windows)
	case "sliding":
		m.kept = int64(len(m.all))
		for i, one := range m.all {
			var list []*storedMessage
			for _, other := range m.all[:i+1] {
				if other.device == one.device && other.now > one.now-m.size {
					list = append(list, other)
				}
			}
			m.tell(one.now, one.now-m.size, one.now, list)
		}
	case "count":
		m.countAll()
	}
	for _, w := range windows {
		if w.end <= m.until {
			m.tell(w.end, w.start, w.end, w.list)
		}
	}
}

func (m *windowModel) countAll() {
	byDevice := map[int][]*storedMessage{}
	for _, one := range m.all {
		list := append(byDevice[one.device], one)
		byDevice[one.device] = list
		n := int64(len(list))
		if (n-1)%m.every < m.count || m.every < m.count {
			m.kept++
		}
		if n >= m.count && (n-m.count)%m.every == 0 {
			full := list[n-m.count:]
			m.tell(one.now, full[0].now, one.now, full)
		}
	}
}
