package rules

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

// benchmarkKeyed sends messages of 1000 keys, a millisecond apart, so that values change and times pass.
func benchmarkKeyed(b *testing.B, keys string) {
	p := load(b, bench+"    key: params.id\n    "+keys+"\n    route: [{to: dead}]\n")
	l := p.Lane()
	emit := func(_ string, out *engine.Message) { out.Done() }
	settled := func(*engine.Message, engine.Outcome) {}
	now := time.UnixMilli(1_700_000_000_000)
	var messages [1000]*engine.Message
	for i := range messages {
		topic := fmt.Sprintf("hospital/H1/device/r-%04d/status", i)
		payload := fmt.Sprintf(`{"dataType":"ROBOT","id":"r-%04d","battery":%d,"speed":0.82,"ts":1732270000123,"seq":123}`, i, i%100)
		messages[i] = &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Meta: &engine.Meta{Source: "in", QoS: 1}}
	}
	i := 0
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		m := messages[i%len(messages)]
		i++
		now = now.Add(time.Millisecond)
		m.Received = now
		m.Receive(settled)
		l.Process(now, m, emit)
		m.Done()
	}
	stop()
}

// BenchmarkKeyedNothing is what the others are compared with: a key, but nothing that is kept.
func BenchmarkKeyedNothing(b *testing.B) { benchmarkKeyed(b, "when: payload.battery >= 0") }

func BenchmarkDedupe(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    dedupe: {by: payload.seq, within: 1m}")
}

func BenchmarkOnChange(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    on_change: {of: [payload.battery, payload.speed], deadband: 0.05, at_least_every: 30s}")
}

func BenchmarkState(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    state: {n: {value: '(state.n ?? 0) + 1', ttl: 1h}}\n    map: {n: state.n}")
}

func BenchmarkLag(b *testing.B) {
	benchmarkKeyed(b, "map: {v: payload.battery, was: 'lag(payload.battery, 3)', last: last.seq}")
}

func BenchmarkThrottle(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    throttle: {rate: 1/s}")
}

func BenchmarkThrottleLast(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    throttle: {rate: 1/s, keep: last}")
}

func BenchmarkAbsent(b *testing.B) {
	benchmarkKeyed(b, "when: payload.battery >= 0\n    absent: {for: 30s}\n    map: {id: key, online: not absent}")
}

// BenchmarkAbsentKeys: a message of one of a thousand, or of a million, keys that are watched, in no order, and Tick
// after each thousandth. A timer costs the same with both; what is more is the cache that misses.
func BenchmarkAbsentKeys(b *testing.B) {
	b.Run("1000", func(b *testing.B) { benchmarkAbsent(b, 1000) })
	b.Run("1000000", func(b *testing.B) { benchmarkAbsent(b, 1_000_000) })
}

func benchmarkAbsent(b *testing.B, count int) {
	env := testEnv
	env.Memory = 1 << 30
	text := bench + "    key: payload.id\n    max_keys: 2000000\n    absent: {for: 1h}\n    map: {id: key, online: not absent}\n    route: [{to: dead}]\n"
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	l := p.Lane()
	emit := func(_ string, out *engine.Message) { out.Done() }
	now := time.UnixMilli(1_700_000_000_000)
	m := &engine.Message{Topic: "hospital/H1/device/gateway/status", Key: "hospital/H1/device/gateway/status", Meta: &engine.Meta{Source: "in"}}
	settled := func(*engine.Message, engine.Outcome) {}
	var payload []byte
	send := func(i int) {
		payload = append(strconv.AppendInt(append(payload[:0], `{"id":"r-`...), int64(i), 10), `"}`...)
		m.Payload = payload
		m.Receive(settled)
		l.Process(now, m, emit)
		m.Done()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range count {
		send(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	i := 0
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		i++
		send(i * 7919 % count)
		if i%1000 == 0 {
			now = now.Add(time.Millisecond)
			p.Tick(now, emit)
		}
	}
	stop()
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(count), "bytes/key")
	b.ReportMetric(float64(p.Stats()[0].StateBytes)/float64(count), "counted/key")
}
