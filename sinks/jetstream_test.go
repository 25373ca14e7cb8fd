package sinks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"edge/engine"
	"edge/internal/brokertest"
)

func makeStream(t testing.TB, s *server.Server, config jetstream.StreamConfig, opts ...nats.Option) jetstream.Stream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// stored is what is in a stream, in its order.
func stored(t testing.TB, s jetstream.Stream) []*jetstream.RawStreamMsg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := s.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := info.State.FirstSeq; info.State.Msgs > 0 && seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// wantOrder checks that payloads made by ofKeys came once each, in the order of their key.
func wantOrder(t testing.TB, payloads [][]byte, keys, n int) {
	t.Helper()
	next := make([]int, keys)
	for _, p := range payloads {
		var m struct{ K, N int }
		if err := json.Unmarshal(p, &m); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if m.N != next[m.K] {
			t.Fatalf("key %d: message %d came where %d was due", m.K, m.N, next[m.K])
		}
		next[m.K]++
	}
	for k, got := range next {
		if got != n {
			t.Errorf("key %d: %d of %d came", k, got, n)
		}
	}
}

func payloads(all []*jetstream.RawStreamMsg) (list [][]byte) {
	for _, m := range all {
		list = append(list, m.Data)
	}
	return list
}

func TestJetStreamStoresInOrder(t *testing.T) {
	s := startNATS(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	stream := makeStream(t, s, jetstream.StreamConfig{Name: "pose", Subjects: []string{"pose.>"}})
	sink := open(t, fmt.Sprintf(`nats: {url: %q, jetstream: true, max_pending: 16}`, s.ClientURL()))
	batch := ofKeys(100, 5, func(k int) string { return fmt.Sprint("pose.r", k) })
	for i, err := range write(t, sink, batch...) {
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	// Sent again, as after an answer that was lost: the ids keep the stream from storing them twice.
	for i, err := range write(t, sink, batch...) {
		if err != nil {
			t.Fatalf("again, message %d: %v", i, err)
		}
	}
	wantOrder(t, payloads(stored(t, stream)), 100, 5)
}

func TestJetStreamAnswers(t *testing.T) {
	s := startNATS(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	makeStream(t, s, jetstream.StreamConfig{Name: "small", Subjects: []string{"small"}, MaxMsgSize: 200})
	makeStream(t, s, jetstream.StreamConfig{Name: "full", Subjects: []string{"full"}, MaxMsgs: 1, Discard: jetstream.DiscardNew})
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe("service", func(m *nats.Msg) { m.Respond([]byte("hello")) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	sink := open(t, fmt.Sprintf(`nats: {url: %q, jetstream: true}`, s.ClientURL()))
	wrong := message("small", "x")
	wrong.Headers = []engine.Header{{Name: "Nats-Expected-Stream", Value: "other"}}
	wantResults(t, write(t, sink,
		message("small", "x"),
		message("small", strings.Repeat("x", 201)),
		message("nowhere", "x"),
		message("service", "x"),
		wrong,
		message("full", "x"),
	), "", "!message size exceeds maximum", `no JetStream stream takes subject "nowhere"`, "none of JetStream's",
		"!expected stream does not match", "")
	wantResults(t, write(t, sink, message("full", "x"), message("small", "x")), "maximum messages exceeded", "")
}

// Behind a message that failed its key stands still; behind one that was refused for good it goes on.
func TestJetStreamKeyStopsAtAFailure(t *testing.T) {
	s := startNATS(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	stream := makeStream(t, s, jetstream.StreamConfig{Name: "a", Subjects: []string{"a.>"}, MaxMsgSize: 200})
	sink := open(t, fmt.Sprintf(`nats: {url: %q, jetstream: true}`, s.ClientURL()))
	batch := []*engine.Message{
		message("a.1", "1"), message("nowhere", "2"), message("a.1", "3"), // one key
		message("a.2", strings.Repeat("x", 201)), message("a.2", "4"), // another
		message("a.3", "5"),
	}
	for i, key := range []string{"p", "p", "p", "q", "q", "r"} {
		batch[i].Key = key
	}
	wantResults(t, write(t, sink, batch...), "", "no JetStream stream takes", "not sent", "!exceeds maximum", "", "")
	got := map[string]bool{}
	for _, m := range stored(t, stream) {
		got[string(m.Data)] = true
	}
	if len(got) != 3 || got["3"] || !got["1"] || !got["4"] || !got["5"] {
		t.Errorf("stored: %v", got)
	}
}

func TestJetStreamRestart(t *testing.T) {
	dir := t.TempDir()
	port := brokertest.FreePort(t)
	s := startNATS(t, server.Options{JetStream: true, StoreDir: dir, Port: port})
	makeStream(t, s, jetstream.StreamConfig{Name: "pose", Subjects: []string{"pose.>"}})
	sink := open(t, fmt.Sprintf(`nats: {url: "nats://127.0.0.1:%d", jetstream: true, max_pending: 8}`, port))

	const keys, n = 40, 50
	batch := ofKeys(keys, n, func(k int) string { return fmt.Sprint("pose.r", k) })
	restarted := make(chan error, 1)
	for i := 0; i < len(batch); i += 100 {
		if i == 300 || i == 900 {
			go func() { // under the feet of a write
				s.Shutdown()
				s.WaitForShutdown()
				var err error
				s, err = runNATS(t, server.Options{JetStream: true, StoreDir: dir, Port: port})
				restarted <- err
			}()
		}
		if i == 600 || i == 1200 {
			if err := next(t, restarted); err != nil {
				t.Fatal(err)
			}
		}
		if rejected := deliver(t, sink, batch[i:i+100]...); len(rejected) > 0 {
			t.Fatalf("%d messages were refused", len(rejected))
		}
	}
	stream := makeStream(t, s, jetstream.StreamConfig{Name: "pose", Subjects: []string{"pose.>"}})
	wantOrder(t, payloads(stored(t, stream)), keys, n)
}

// silentServer greets as a NATS server does, lets anyone in and then says nothing.
func silentServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				io.WriteString(conn, `INFO {"server_id":"x","version":"2.10.0","headers":true,"max_payload":1000000}`+"\r\n")
				lines := bufio.NewReader(conn)
				for pinged := false; ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "PING") && !pinged {
						pinged = true
						io.WriteString(conn, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestNATSServerFallsSilent(t *testing.T) {
	for _, mode := range []string{"false", "true"} {
		t.Run("jetstream "+mode, func(t *testing.T) {
			t.Parallel() // it waits for an answer
			sink := open(t, fmt.Sprintf(`nats: {url: "nats://%s", jetstream: %s}`, silentServer(t), mode))
			text := "did not answer within 5s"
			wantResults(t, write(t, sink, message("a", "1"), message("b", "2")), text, text)
		})
	}
}
