package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

// A pump feeds messages that it uses again once they are settled, so that what is measured is the engine.
type pump struct {
	next chan func(*engine.Message) bool
}

func (p *pump) Run(ctx context.Context, next func(*engine.Message) bool) error {
	p.next <- next
	<-ctx.Done()
	return nil
}
func (p *pump) Subscribe(context.Context, []string) error { return nil }
func (p *pump) Close() error                              { return nil }

type discard struct{}

func (discard) Close() error { return nil }
func (discard) Write(_ context.Context, _ []*engine.Message, result []error) {
	clear(result)
}

func bench(b *testing.B, lanes int, p engine.Program, sinks map[string]engine.SinkSetup) {
	const pool = 512
	var ring [pool]engine.Message
	src := &pump{next: make(chan func(*engine.Message) bool, 1)}
	e := engine.New(engine.Limits{Lanes: lanes}, nil)
	e.Swap(b.Context(), engine.Set{Program: p, Sources: map[string]engine.SourceSetup{"s": {Source: src}}, Sinks: sinks})
	next := <-src.next

	free := make(chan *engine.Message, pool) // its cost is in the figures too: see BenchmarkPump
	settled := func(m *engine.Message, _ engine.Outcome) { free <- m }
	payload := []byte(`{"id":"r-1","dataType":"ROBOT","battery":83}`)
	now := time.Now()
	for i := range ring {
		m := &ring[i]
		m.Topic = fmt.Sprintf("hospital/H1/device/r-%d/status", i%100)
		m.Key, m.Payload, m.Received = m.Topic, payload, now
		free <- m
	}
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		m := <-free
		m.Receive(settled)
		if !next(m) {
			b.Fatal("refused")
		}
	}
	for range pool {
		<-free
	}
	stop()
	b.StopTimer()
	e.Stop(context.Background())
}

// BenchmarkPump is what the others cost without an engine.
func BenchmarkPump(b *testing.B) {
	free := make(chan *engine.Message, 512)
	settled := func(m *engine.Message, _ engine.Outcome) { free <- m }
	free <- &engine.Message{}
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		m := <-free
		m.Receive(settled)
		m.Done()
	}
	stop()
}

func BenchmarkFilter(b *testing.B) {
	for _, lanes := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprint(lanes, " lanes"), func(b *testing.B) {
			bench(b, lanes, &program{process: func(time.Time, *engine.Message, engine.Emit) {}}, nil)
		})
	}
}

// BenchmarkSink makes one message of each, which is the one allocation.
func BenchmarkSink(b *testing.B) {
	for _, lanes := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprint(lanes, " lanes"), func(b *testing.B) {
			bench(b, lanes, to("s"), one("s", engine.SinkSetup{Sink: discard{}}))
		})
	}
}

type away struct{ discard }

func (away) Write(_ context.Context, _ []*engine.Message, result []error) {
	for i := range result {
		result[i] = errAway
	}
}

// BenchmarkDisk settles each message by the disk: the sink is away. Up to 512 are on their way, and share syncs.
func BenchmarkDisk(b *testing.B) {
	buffers := engine.NewBuffers(b.TempDir(), nil)
	d, err := buffers.Open("s", "test")
	if err != nil {
		b.Fatal(err)
	}
	bench(b, 1, to("s"), one("s", engine.SinkSetup{Sink: away{}, Kind: "test", Disk: d,
		Buffer: engine.Buffer{Type: engine.OnDisk, MaxSize: 64 << 20, WhenFull: engine.DropOldest}}))
	_ = buffers.Close()
}

// BenchmarkDiskUp has a sink that takes all: what is written is only what it was too slow for.
func BenchmarkDiskUp(b *testing.B) {
	buffers := engine.NewBuffers(b.TempDir(), nil)
	d, err := buffers.Open("s", "test")
	if err != nil {
		b.Fatal(err)
	}
	bench(b, 1, to("s"), one("s", engine.SinkSetup{Sink: discard{}, Kind: "test", Disk: d, Buffer: engine.Buffer{Type: engine.OnDisk}}))
	_ = buffers.Close()
}
