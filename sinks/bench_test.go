package sinks_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"edge/engine"
)

// What a message costs in a batch of 256, the server's share on the same machine included.
func BenchmarkNATS(b *testing.B) {
	s := startNATS(b, server.Options{JetStream: true, StoreDir: b.TempDir()})
	makeStream(b, s, jetstream.StreamConfig{Name: "a", Subjects: []string{"a.>"}, Storage: jetstream.MemoryStorage, MaxMsgs: 10_000})
	for _, mode := range []string{"false", "true"} {
		b.Run("jetstream="+mode, func(b *testing.B) {
			sink := open(b, fmt.Sprintf(`nats: {url: %q, jetstream: %s}`, s.ClientURL(), mode))
			batch := make([]*engine.Message, 256)
			for i := range batch {
				batch[i] = message(fmt.Sprint(map[string]string{"false": "b.", "true": "a."}[mode], i), `{"id":"r-1","x":12.5,"y":-3.25,"floorName":"F3","battery":87,"ts":1700000000000}`)
			}
			result := make([]error, len(batch))
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(batch) {
				if mode == "true" {
					b.StopTimer()
					for i, m := range batch { // a stored id would only be looked up
						m.ID = fmt.Sprint(b.N, "-", n+i)
					}
					b.StartTimer()
				}
				sink.Write(context.Background(), batch, result)
				for _, err := range result {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
