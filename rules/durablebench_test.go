package rules

import (
	"fmt"
	"testing"
	"time"

	"edge/engine"
)

// BenchmarkDurable: messages of 500 keys, at most 256 of them not settled as over MQTT, on the machine's disk; and the
// same without durable.
func BenchmarkDurable(b *testing.B) {
	for _, c := range []struct{ name, rule string }{
		{"state", "    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n"},
		{"dedupe", "    dedupe: {by: payload.seq, within: 1s}\n    map: {seq: payload.seq}\n    route: [{to: dead}]\n"},
		{"window", "    window: {type: tumbling, size: 1s}\n    aggregate: {n: count(), a: avg(payload.v)}\n    route: [{to: dead}]\n"},
	} {
		for _, durable := range []bool{false, true} {
			text := head + "    key: payload.k\n" + c.rule
			if durable {
				text = head + "    key: payload.k\n    durable: true\n" + c.rule
			}
			b.Run(fmt.Sprintf("%s/durable=%v", c.name, durable), func(b *testing.B) { benchmarkDurable(b, text) })
		}
	}
}

func benchmarkDurable(b *testing.B, text string) {
	store, err := OpenStore(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	env := testEnv
	env.Store = func(bool) (*Store, error) { return store, nil }
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if err := errs.Err(); err != nil {
		b.Fatal(err)
	}
	l := p.Lane()
	emit := func(_ string, out *engine.Message) { out.Done() }
	now := time.Now()
	p.Tick(now, emit)
	const most = 256
	room := make(chan *engine.Message, most)
	for range most {
		m := &engine.Message{Topic: topic, Key: topic, Meta: &engine.Meta{Source: "in", QoS: 1}}
		room <- m
	}
	settled := func(m *engine.Message, _ engine.Outcome) { room <- m }
	payloads := make([][]byte, 500)
	for i := range payloads {
		payloads[i] = []byte(fmt.Sprintf(`{"k":"device-%d","seq":%d,"v":%d}`, i, i, i%20))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		m := <-room
		now = now.Add(100 * time.Microsecond)
		m.Payload, m.Received = payloads[n%500], now
		m.Receive(settled)
		l.Process(now, m, emit)
		m.Done()
		n++
	}
	for range most {
		<-room
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
	if s := store.Stats(); s.Commits > 0 {
		b.ReportMetric(float64(n)/float64(s.Commits), "msg/sync")
		b.ReportMetric(float64(s.Written)/float64(n), "B/msg")
	}
}

// BenchmarkRestore: a start with 100,000 keys on disk.
func BenchmarkRestore(b *testing.B) {
	text := head + "    key: payload.k\n    durable: true\n    dedupe: {by: payload.seq, within: 1h}\n    state: {n: {value: '(state.n ?? 0) + 1'}}\n    map: {n: state.n}\n    route: [{to: dead}]\n"
	m := &machine{t: b, text: text, dir: b.TempDir(), now: time.UnixMilli(1_700_000_000_000)}
	m.start()
	for i := range 100_000 {
		m.send(topic, fmt.Sprintf(`{"k":"device-%d","seq":%d}`, i, i))
		m.deliverAll()
		if i%1000 == 0 {
			m.store.commit()
			m.open = m.open[:0]
		}
	}
	m.store.commit()
	b.ReportMetric(float64(m.store.Stats().Bytes)/100_000, "B/key")
	for b.Loop() {
		m.store.file.Close()
		m.start()
	}
	if n := len(m.p.rules[0].memory.keys); n != 100_000 {
		b.Fatalf("%d keys", n)
	}
	m.store.file.Close()
}
