package rules

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

// bySequence are n rules of which each message matches one: an expression that all of them share.
func bySequence(n, i int) string { return fmt.Sprintf("payload.seq %% %d == %d", n, i) }

// byThousandth are rules of which a thousandth matches each message.
func byThousandth(n, i int) string { return fmt.Sprintf("payload.seq %% 1000 == %d", i%1000) }

// byFields are rules on three fields: 20 types, 5 floors, 100 thresholds.
func byFields(_, i int) string {
	return fmt.Sprintf(`payload.dataType == "K%d" and payload.floorName == "F%d" and payload.battery > %d`, i%20, i/20%5, i/100%100)
}

// byID are rules for one device each.
func byID(_, i int) string { return fmt.Sprintf(`payload.id == "r-%04d" and payload.battery < 101`, i) }

// byBattery are rules that no index helps.
func byBattery(_, i int) string { return fmt.Sprintf("payload.battery > payload.theta * %d + 200", i) }

// BenchmarkMany: n rules on one topic. Of "scan" there is one, which reads the same fields and matches nothing.
func BenchmarkMany(b *testing.B) {
	var messages [1000]*engine.Message
	random := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		payload := fmt.Sprintf(`{"dataType":"K%d","id":"r-%04d","name":"robot-42","floorName":"F%d","coordinates":{"x":12.34,"y":-5.61,"z":0.0},"theta":1.57,"speed":0.82,"battery":%d,"charging":false,"ts":1732270000123,"seq":%d}`,
			random.IntN(20), random.IntN(1000), random.IntN(5), random.IntN(100), random.IntN(100_000))
		messages[i] = &engine.Message{Topic: "hospital/H1/device/r-0042/status", Payload: []byte(payload), Meta: &engine.Meta{Source: "in", QoS: 1}}
	}
	env := testEnv
	run := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p := loadWith(b, env, text)
			runtime.GC()
			runtime.ReadMemStats(&after)
			l := p.Lane()
			now := time.UnixMilli(1_700_000_000_000)
			hits := 0
			emit := func(_ string, out *engine.Message) { hits++; out.Done() }
			i := 0
			b.ReportAllocs()
			stop := cputimetest.Start(b)
			for b.Loop() {
				m := messages[i%len(messages)]
				i++
				m.Receive(nil)
				l.Process(now, m, emit)
				m.Done()
			}
			stop()
			b.ReportMetric(float64(hits)/float64(i), "hits/op")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(p.Rules()), "B/rule")
		})
	}
	run("scan", "rules: {r: {source: in, topic: 'hospital/{site}/device/{id}/status', when: 'payload.seq == -1 and payload.dataType == payload.floorName and payload.battery < 0 and payload.id == \"\"', route: [{to: dead}]}}\n")
	for _, n := range []int{10, 100, 1000, 10_000} {
		run(fmt.Sprintf("sequence-%d", n), manyRules(n, bySequence))
		run(fmt.Sprintf("thousandth-%d", n), manyRules(n, byThousandth))
		run(fmt.Sprintf("fields-%d", n), manyRules(n, byFields))
		run(fmt.Sprintf("ids-%d", n), manyRules(n, byID))
		run(fmt.Sprintf("none-%d", n), manyRules(n, byBattery))
	}
	env.unindexed = true // the baseline: all are asked one by one
	for _, n := range []int{10, 100, 1000, 10_000} {
		run(fmt.Sprintf("sequence-one-by-one-%d", n), manyRules(n, bySequence))
		run(fmt.Sprintf("fields-one-by-one-%d", n), manyRules(n, byFields))
	}
}
