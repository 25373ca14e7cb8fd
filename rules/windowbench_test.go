package rules

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

const averaging = bench + "    key: payload.id\n    window: {type: tumbling, size: 1s%s}\n    aggregate: {id: key, avg: avg(payload.battery)}\n    route: [{to: dead}]\n"

// benchmarkKeys runs a rule on messages of 500 keys, a thousand a second by the clock of the test.
func benchmarkKeys(b *testing.B, text string) {
	p := load(b, text)
	l := p.Lane()
	now := time.UnixMilli(1_700_000_000_000)
	emit := func(_ string, out *engine.Message) { out.Done() }
	var messages [500]*engine.Message
	for i := range messages {
		topic := fmt.Sprintf("hospital/H1/device/r-%04d/status", i)
		payload := fmt.Sprintf(`{"dataType":"ROBOT","id":"r-%04d","name":"robot-42","floorName":"F3","coordinates":{"x":12.34,"y":-5.61,"z":0.0},"theta":1.57,"speed":0.82,"battery":%d,"charging":false,"ts":1700000000000,"seq":123}`, i, i%100)
		messages[i] = &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Meta: &engine.Meta{Source: "in", QoS: 1}}
	}
	next := p.Tick(now, emit)
	i := 0
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		if i++; i%100 == 0 {
			now = now.Add(100 * time.Microsecond)
			if !next.IsZero() && !now.Before(next) || next.IsZero() {
				next = p.Tick(now, emit)
			}
		}
		m := messages[i%len(messages)]
		m.Receive(nil)
		l.Process(now, m, emit)
		m.Done()
	}
	stop()
}

// BenchmarkWindowDecode is what a window has before it: decoding, a condition, the key.
func BenchmarkWindowDecode(b *testing.B) {
	benchmarkKeys(b, bench+"    key: payload.id\n    when: payload.battery > 200\n    route: [{to: dead}]\n")
}

// BenchmarkWindowAverage: an average of a second by the clock, over 500 keys.
func BenchmarkWindowAverage(b *testing.B) { benchmarkKeys(b, fmt.Sprintf(averaging, "")) }

// BenchmarkWindowAverageEventTime: the same in event time.
func BenchmarkWindowAverageEventTime(b *testing.B) {
	benchmarkKeys(b, fmt.Sprintf(averaging, ", timestamp: payload.ts, grace: 1s"))
}

// BenchmarkWindowSliding: a result with each message, over the last 50 of its key.
func BenchmarkWindowSliding(b *testing.B) {
	benchmarkKeys(b, bench+"    key: payload.id\n    window: {type: sliding, size: 25ms}\n    aggregate: {id: key, avg: avg(payload.battery)}\n    having: out.avg > 1000\n    route: [{to: dead}]\n")
}

// A hundred thousand keys in one window are small, and what fires them holds no lock for long.
func TestWindowMemory(t *testing.T) {
	const keys = 100_000
	p := load(t, bench+"    key: params.id\n    window: {type: tumbling, size: 1m}\n    aggregate: {n: count(), avg: avg(payload.v), lo: min(payload.v), hi: max(payload.v)}\n    having: out.n > 1000\n    route: [{to: dead}]\n")
	y := play(t, p)
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	m := &engine.Message{Meta: &engine.Meta{Source: "in"}, Payload: []byte(`{"v":1.5}`)}
	send := func(i int) {
		m.Topic = fmt.Sprintf("hospital/H1/device/r-%06d/status", i)
		m.Receive(nil)
		y.lane.Process(y.now, m, y.emit)
		m.Done()
	}
	for i := range 5000 { // fills what a lane remembers of topics
		send(i)
	}
	y.until(2 * time.Minute)
	before := heap()
	for i := range keys {
		send(i)
	}
	l := y.lane.(*lane)
	clear(l.topics)
	each := (heap() - before) / keys
	t.Logf("%d bytes a key, counted as %d", each, p.rules[0].memory.bytes/keys)
	if each > 200 {
		t.Errorf("a key takes %d bytes, at most 200 are allowed", each)
	}
	y.until(5 * time.Minute)
	if s := p.Stats()[0]; s.Results != keys+5000 || len(p.rules[0].memory.keys) != 0 {
		t.Errorf("%d results, %d keys left", s.Results, len(p.rules[0].memory.keys))
	}
	checkMemory(t, p)
}
