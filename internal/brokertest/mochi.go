package brokertest

import (
	"log/slog"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// A Mochi is a broker inside the test. Version 2.7.9 stalls for good when a client's Receive Maximum is
// reached: give clients one that is larger than the number of messages.
type Mochi struct {
	Server *mqtt.Server
	addr   string
}

// StartMochi starts one on a free port; it ends with the test.
func StartMochi(t testing.TB) *Mochi {
	t.Helper()
	s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:0"})
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Mochi{s, l.Address()}
}

// Addr is the host and port.
func (m *Mochi) Addr() string { return m.addr }

// URL is the address as edge.yaml has it.
func (m *Mochi) URL() string { return "mqtt://" + m.addr }
