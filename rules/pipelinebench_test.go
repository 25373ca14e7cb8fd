package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

// A feed is a source that gives its messages again once they are settled, up to a window.
type feed struct {
	next chan func(*engine.Message) bool
}

func (f *feed) Run(ctx context.Context, next func(*engine.Message) bool) error {
	f.next <- next
	<-ctx.Done()
	return nil
}
func (f *feed) Subscribe(context.Context, []string) error { return nil }
func (f *feed) Close() error                              { return nil }

type taker struct{}

func (taker) Write(_ context.Context, _ []*engine.Message, result []error) { clear(result) }
func (taker) Close() error                                                 { return nil }

// benchmarkPipeline takes messages the whole way through the engine: hand-off, lane, rule, queue, sink, settled.
// 256 are on their way at a time, of 100 topics.
func benchmarkPipeline(b *testing.B, rule string) {
	const window = 256
	source := &feed{next: make(chan func(*engine.Message) bool, 1)}
	e := engine.New(engine.Limits{Lanes: 1}, nil)
	e.Swap(b.Context(), engine.Set{
		Program: load(b, bench+rule),
		Sources: map[string]engine.SourceSetup{"in": {Source: source}},
		Sinks:   map[string]engine.SinkSetup{"mq": {Sink: taker{}}, "dead": {Sink: taker{}}},
	})
	next := <-source.next
	var messages [window]engine.Message
	var settled atomic.Int64
	done := func(*engine.Message, engine.Outcome) { settled.Add(1) }
	for i := range messages {
		topic := fmt.Sprintf("hospital/H1/device/r-%04d/status", i%100)
		messages[i] = engine.Message{Topic: topic, Key: topic, Payload: []byte(robot), Received: time.Now(), Meta: &engine.Meta{Source: "in", QoS: 1}}
	}
	sent := int64(0)
	wait := func(left int64) {
		for sent-settled.Load() > left {
			runtime.Gosched()
		}
	}
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		wait(window - 1)
		m := &messages[sent%window]
		sent++
		m.Receive(done)
		if !next(m) {
			b.Fatal("refused")
		}
	}
	wait(0)
	stop()
	e.Stop(context.Background())
}

// BenchmarkPipelineFilter: BenchmarkFilter in the engine.
func BenchmarkPipelineFilter(b *testing.B) {
	benchmarkPipeline(b, "    when: payload.dataType == \"ROBOT\" and payload.battery < 20\n    route: [{to: dead}]\n")
}

// BenchmarkPipelineTransform: BenchmarkTransform in the engine.
func BenchmarkPipelineTransform(b *testing.B) {
	benchmarkPipeline(b, transforming)
}

// BenchmarkNaiveFilter is the baseline of a filter: encoding/json to a map, and Go by hand.
func BenchmarkNaiveFilter(b *testing.B) {
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		var in map[string]any
		if err := json.Unmarshal([]byte(robot), &in); err != nil {
			b.Fatal(err)
		}
		if in["dataType"] == "ROBOT" && in["battery"].(float64) < 20 {
			b.Fatal("not filtered")
		}
	}
	stop()
}
