package rules

import (
	"fmt"
	"runtime"
	"testing"
)

const commonFields = "n: count()\navg: avg(payload.v)\nlo: min(payload.v)\nhi: max(payload.v)"

func benchAdd(b *testing.B, fields string, payloads ...string) {
	g := gather(b, fields)
	var values [][]Value
	for _, payload := range payloads {
		v, err := g.read(payload)
		if err != nil {
			b.Fatal(err)
		}
		for i := range v {
			v[i] = keptOf(&v[i])
		}
		values = append(values, v)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := g.a.add(g.tally, values[i%len(values)], int64(i), uint64(i)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkAggregateAdd(b *testing.B) {
	for _, bench := range []struct{ name, fields string }{
		{"plain", commonFields}, {"variance", "x: stddev(payload.v)"}, {"percentile", "x: percentile(payload.v, 95)"}, {"distinct", "x: count_distinct(payload.v)"},
		{"last", "x: last(payload.v)"}, {"collect", "x: collect(payload.v)"}, {"min", "x: min(payload.v)"},
	} {
		var payloads []string
		for i := range 64 {
			payloads = append(payloads, fmt.Sprintf(`{"v":%d.5}`, i*7919%100))
		}
		b.Run(bench.name+"/floats", func(b *testing.B) { benchAdd(b, bench.fields, payloads...) })
		for i := range payloads {
			payloads[i] = fmt.Sprintf(`{"v":%d}`, i*7919%100)
		}
		b.Run(bench.name+"/integers", func(b *testing.B) { benchAdd(b, bench.fields, payloads...) })
	}
}

// BenchmarkAggregateRead: evaluating the arguments of one message.
func BenchmarkAggregateRead(b *testing.B) {
	g := gather(b, commonFields)
	if _, err := g.read(robot); err != nil {
		b.Fatal(err)
	}
	into := make([]Value, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		into, _ = g.a.read(&g.l.scope, into[:0])
	}
}

func BenchmarkAggregateResults(b *testing.B) {
	g := gather(b, commonFields)
	_ = g.add(g.tally, 0, `{"v":1}`)
	into := make([]Value, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		into, _ = g.a.results(g.tally, into[:0])
	}
}

// BenchmarkTallies says what a tally takes of the heap.
func BenchmarkTallies(b *testing.B) {
	for _, bench := range []struct{ name, fields string }{{"plain", commonFields}, {"min", "x: min(payload.v)"}, {"last", "x: last(payload.v)"}} {
		b.Run(bench.name, func(b *testing.B) {
			g := gather(b, bench.fields)
			tallies := make([]*tally, 100_000)
			for b.Loop() {
				clear(tallies)
				before := heapBytes()
				for i := range tallies {
					tallies[i] = g.a.start()
					_ = g.add(tallies[i], 0, `{"v":1.5}`)
				}
				b.ReportMetric(float64(heapBytes()-before)/float64(len(tallies)), "bytes/key")
			}
			runtime.KeepAlive(tallies)
		})
	}
}

func heapBytes() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
