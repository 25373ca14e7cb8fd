package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"edge/engine"
	"edge/internal/brokertest"
	"edge/internal/tlsoptions/tlstest"
)

// startNATS runs a server until the test ends or Shutdown is called. Port 0 is a free one.
func startNATS(t testing.TB, opts server.Options) *server.Server {
	t.Helper()
	s, err := runNATS(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runNATS is startNATS for any goroutine.
func runNATS(t testing.TB, opts server.Options) (*server.Server, error) {
	opts.Host, opts.NoLog, opts.NoSigs = "127.0.0.1", true, true
	if opts.Port == 0 {
		opts.Port = -1
	}
	s, err := server.NewServer(&opts)
	if err != nil {
		return nil, err
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		return nil, errors.New("the NATS server did not start")
	}
	return s, nil
}

func natsPort(t testing.TB, s *server.Server) int {
	t.Helper()
	u := s.Addr().String()
	var port int
	if _, err := fmt.Sscanf(u[strings.LastIndexByte(u, ':')+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

// listen subscribes and gives what comes.
func listen(t testing.TB, s *server.Server, subject string, opts ...nats.Option) chan *nats.Msg {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	got := make(chan *nats.Msg, 10_000)
	if _, err := nc.ChanSubscribe(subject, got); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return got
}

func next[T any](t testing.TB, from chan T) T {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(20 * time.Second):
	}
	t.Fatal("nothing came")
	var none T
	return none
}

func TestNATSCorePublishes(t *testing.T) {
	s := startNATS(t, server.Options{})
	got := listen(t, s, "pose.>")
	sink := open(t, fmt.Sprintf(`nats: {url: %q, headers: {Box: b-1, Kind: all}}`, s.ClientURL()))
	a := message("pose.r1", `{"x":1}`)
	a.Headers = []engine.Header{{Name: "Kind", Value: "mine"}}
	b := message("pose.r2", "")
	b.ID = ""
	wantResults(t, write(t, sink, a, b), "", "")

	m := next(t, got)
	if m.Subject != "pose.r1" || string(m.Data) != `{"x":1}` {
		t.Errorf("got %s %s", m.Subject, m.Data)
	}
	for name, want := range map[string]string{"Box": "b-1", "Kind": "mine", nats.MsgIdHdr: a.ID} {
		if m.Header.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, m.Header.Get(name), want)
		}
	}
	if m = next(t, got); m.Subject != "pose.r2" || m.Header.Get(nats.MsgIdHdr) != "" || m.Header.Get("Kind") != "all" {
		t.Errorf("got %s with headers %v", m.Subject, m.Header)
	}
}

func TestNATSRefusesForGood(t *testing.T) {
	s := startNATS(t, server.Options{JetStream: true, StoreDir: t.TempDir(), MaxPayload: 1000})
	makeStream(t, s, jetstream.StreamConfig{Name: "all", Subjects: []string{">", "a.>"}[1:]})
	header := message("a.b", "x")
	header.Headers = []engine.Header{{Name: "A", Value: "b\r\nNats-Msg-Id: c"}}
	name := message("a.b", "x")
	name.Headers = []engine.Header{{Name: "A: b\r\nC", Value: "d"}}
	id := message("a.b", "x")
	id.ID = "a\nb"
	batch := []*engine.Message{
		message("a.first", "x"),
		message("", "x"),
		message("a..b", "x"), message(".a", "x"), message("a.", "x"),
		message("a.*", "x"), message("a.>", "x"),
		message("a b", "x"), message("a.\r\nPUB b 1", "x"), message("a.\x00", "x"),
		message("a."+strings.Repeat("b", 4000), "x"),
		message("a.large", strings.Repeat("x", 1001)),
		header, name, id,
		message("a.star*in.middle>", "x"),
		message("a.last", "x"),
	}
	want := []string{
		"", "!the subject is empty", "!empty part", "!empty part", "!empty part", "!wildcard", "!wildcard",
		"!white space or a control character", "!white space or a control character", "!white space or a control character",
		"!longer than", "!max_payload 1000", "!control character", "!no name for a header", "!control character", "", "",
	}
	for _, mode := range []string{"false", "true"} {
		t.Run("jetstream "+mode, func(t *testing.T) {
			got := listen(t, s, "a.>")
			sink := open(t, fmt.Sprintf(`nats: {url: %q, jetstream: %s}`, s.ClientURL(), mode))
			wantResults(t, write(t, sink, batch...), want...)
			for _, subject := range []string{"a.first", "a.star*in.middle>", "a.last"} {
				if m := next(t, got); m.Subject != subject {
					t.Errorf("got %s, want %s", m.Subject, subject)
				}
			}
		})
	}
}

func TestNATSPermissions(t *testing.T) {
	s := startNATS(t, server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		{Username: "all", Password: "all"},
		{Username: "box", Password: "box", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"pose.>"}}}},
		{Username: "deaf", Password: "deaf", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Deny: []string{"_INBOX.>"}}}},
	}})
	makeStream(t, s, jetstream.StreamConfig{Name: "pose", Subjects: []string{"pose.>"}}, nats.UserInfo("all", "all"))
	for _, mode := range []string{"false", "true"} {
		t.Run("jetstream "+mode, func(t *testing.T) {
			sink := open(t, fmt.Sprintf(`nats: {url: %q, user: box, password: box, jetstream: %s}`, s.ClientURL(), mode))
			for range 3 {
				result := write(t, sink, message("pose.1", "1"), message("secret.1", "1"), message("pose.2", "1"),
					message("secret.1", "2"), message("secret.2", "1"), message("pose.1", "2"))
				no := "!does not permit this user to publish"
				wantResults(t, result, "", no, "", no, no, "")
				wantResults(t, write(t, sink, message("pose.1", "1")), "")
			}
		})
	}
	t.Run("answers cannot be heard", func(t *testing.T) {
		t.Parallel() // it waits for an answer
		sink := open(t, fmt.Sprintf(`nats: {url: %q, user: deaf, password: deaf, jetstream: true}`, s.ClientURL()))
		wantResults(t, write(t, sink, message("pose.1", "1")), "cannot be heard")
	})
}

func TestNATSServerComesLater(t *testing.T) {
	port := brokertest.FreePort(t)
	log := &logs{}
	sink := openLogged(t, fmt.Sprintf(`nats: {url: "nats://u:canary@127.0.0.1:%d"}`, port), log)
	away := fmt.Sprintf("not connected to nats://127.0.0.1:%d: dial tcp 127.0.0.1:%d", port, port)
	wantResults(t, write(t, sink, message("a", "1"), message("a", "2")), away, away)

	s := startNATS(t, server.Options{Port: port, Username: "u", Password: "canary"})
	got := listen(t, s, "a", nats.UserInfo("u", "canary"))
	deliver(t, sink, message("a", "1"), message("a", "2"))
	if a, b := next(t, got), next(t, got); string(a.Data) != "1" || string(b.Data) != "2" {
		t.Errorf("got %s, %s", a.Data, b.Data)
	}
	if text := log.String(); strings.Contains(text, "canary") || !strings.Contains(text, "level=WARN") {
		t.Errorf("the log says %s", text)
	}
}

func TestNATSWrongPassword(t *testing.T) {
	s := startNATS(t, server.Options{Username: "u", Password: "right"})
	log := &logs{}
	for _, login := range []string{"user: u, password: canary", "token: canary"} {
		sink := openLogged(t, fmt.Sprintf(`nats: {url: %q, %s}`, s.ClientURL(), login), log)
		wantResults(t, write(t, sink, message("a", "1")), "Authorization Violation")
	}
	eventually(t, "errors in the log", func() bool { return strings.Count(log.String(), "level=ERROR") >= 2 })
	if text := log.String(); strings.Contains(text, "canary") {
		t.Errorf("the log says %s", text)
	}
}

func TestNATSFailsOver(t *testing.T) {
	a, b := startNATS(t, server.Options{}), startNATS(t, server.Options{})
	sink := open(t, fmt.Sprintf(`nats: {url: [%q, %q]}`, a.ClientURL(), b.ClientURL()))
	wantResults(t, write(t, sink, message("x", "1")), "")
	if a.NumClients() != 1 || b.NumClients() != 0 {
		t.Fatalf("the first has %d clients, the second %d", a.NumClients(), b.NumClients())
	}
	got := listen(t, b, "x")
	a.Shutdown()
	deliver(t, sink, message("x", "2"))
	if m := next(t, got); string(m.Data) != "2" {
		t.Errorf("got %s", m.Data)
	}
}

// Where one server is configured, the others of its cluster are known from it.
func TestNATSFailsOverInACluster(t *testing.T) {
	cluster := func(routes ...string) server.Options {
		return server.Options{
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: -1},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}
	}
	a := startNATS(t, cluster())
	b := startNATS(t, cluster("nats://"+a.ClusterAddr().String()))
	eventually(t, "a cluster of two", func() bool {
		nc, err := nats.Connect(a.ClientURL())
		if err != nil {
			return false
		}
		defer nc.Close()
		return len(nc.DiscoveredServers()) > 0
	})
	sink := open(t, fmt.Sprintf(`nats: {url: %q}`, a.ClientURL()))
	wantResults(t, write(t, sink, message("x", "1")), "")
	got := listen(t, b, "x")
	a.Shutdown()
	deliver(t, sink, message("x", "2"))
	if m := next(t, got); string(m.Data) != "2" {
		t.Errorf("got %s", m.Data)
	}
}

func TestNATSTokenInTheURL(t *testing.T) {
	s := startNATS(t, server.Options{Authorization: "canary"})
	log := &logs{}
	sink := openLogged(t, fmt.Sprintf(`nats: {url: "nats://canary@%s"}`, s.Addr()), log)
	wantResults(t, write(t, sink, message("x", "1")), "")
	s.Shutdown()
	eventually(t, "the end of the connection", func() bool { return strings.Contains(log.String(), "no connection") })
	err := write(t, sink, message("x", "2"))[0]
	if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(log.String(), "canary") {
		t.Errorf("got %v, the log says %s", err, log)
	}
}

func TestNATSNkeyAndTLS(t *testing.T) {
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.PublicKey()
	seed, _ := key.Seed()
	seedFile := filepath.Join(t.TempDir(), "box.nk")
	if err := os.WriteFile(seedFile, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	ca, other := tlstest.New(t), tlstest.New(t)
	client := ca.Issue("box", time.Hour)
	s := startNATS(t, server.Options{
		Nkeys:     []*server.NkeyUser{{Nkey: public}},
		TLSConfig: ca.Server(ca.Issue("127.0.0.1", time.Hour), true), TLSTimeout: 10, AuthTimeout: 10,
	})
	address := fmt.Sprintf("127.0.0.1:%d", natsPort(t, s))
	log := &logs{}
	for _, tt := range []struct{ tls, want string }{
		{fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", ca.File, client.CertFile, client.KeyFile), ""},
		{fmt.Sprintf("insecure_skip_verify: true, cert_file: %q, key_file: %q", client.CertFile, client.KeyFile), ""},
		{fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", other.File, client.CertFile, client.KeyFile), "unknown authority"},
		{fmt.Sprintf("ca_file: %q", ca.File), "tls"}, // the alert, or what is left of a connection that was cut
	} {
		sink := openLogged(t, fmt.Sprintf(`nats: {url: "tls://%s", nkey_file: %q, tls: {%s}}`, address, seedFile, tt.tls), log)
		wantResults(t, write(t, sink, message("a", "1")), tt.want)
	}
	if n := strings.Count(log.String(), "insecure_skip_verify"); n != 1 {
		t.Errorf("insecure_skip_verify is in the log %d times: %s", n, log)
	}
}

func TestNATSCoreRestart(t *testing.T) {
	port := brokertest.FreePort(t)
	s := startNATS(t, server.Options{Port: port})
	sink := open(t, fmt.Sprintf(`nats: {url: "nats://127.0.0.1:%d"}`, port))
	n := 0
	for range 3 {
		got := listen(t, s, "a")
		for range 20 {
			batch := make([]*engine.Message, 50)
			for i := range batch {
				batch[i] = message("a", fmt.Sprint(n+i))
			}
			deliver(t, sink, batch...)
			for range batch {
				if m := next(t, got); string(m.Data) != fmt.Sprint(n) {
					t.Fatalf("got %s, want %d", m.Data, n)
				}
				n++
			}
		}
		s.Shutdown()
		s.WaitForShutdown()
		s = startNATS(t, server.Options{Port: port})
	}
}

func TestNATSWriteEndsWithItsContext(t *testing.T) {
	for _, mode := range []string{"false", "true"} {
		sink := open(t, fmt.Sprintf(`nats: {url: "nats://%s", jetstream: %s}`, silentServer(t), mode))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan []error)
		go func() {
			result := make([]error, 1)
			sink.Write(ctx, []*engine.Message{message("a", "1")}, result)
			done <- result
		}()
		cancel()
		if result := next(t, done); !errors.Is(result[0], context.Canceled) {
			t.Errorf("jetstream %s: got %v", mode, result)
		}
	}
}
