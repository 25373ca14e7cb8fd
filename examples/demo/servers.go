package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"edge/internal/hospital"
)

// A broker is an MQTT broker in this process, which also prints what edge publishes there.
type broker struct {
	*mqtt.Server
	url  string
	show *screen
}

func startBroker(show *screen) (*broker, error) {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.ReceiveMaximum = 65535
	b := &broker{show: show, Server: mqtt.New(&mqtt.Options{
		InlineClient: true,
		Capabilities: capabilities,
		Logger:       slog.New(slog.DiscardHandler),
	})}
	if err := b.AddHook(new(auth.AllowHook), nil); err != nil {
		return nil, err
	}
	tcp := listeners.NewTCP(listeners.Config{ID: "demo", Address: "127.0.0.1:0"})
	if err := b.AddListener(tcp); err != nil {
		return nil, fmt.Errorf("MQTT broker: %w", err)
	}
	if err := b.Serve(); err != nil {
		return nil, fmt.Errorf("MQTT broker: %w", err)
	}
	b.url = "mqtt://" + tcp.Address()
	return b, b.Subscribe("#", 1, func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) {
		if !strings.HasPrefix(p.TopicName, "hospital/") && !strings.HasPrefix(p.TopicName, "$SYS/") {
			show.line("mqtt", p.TopicName, p.Payload)
		}
	})
}

// publish sends messages of the hospital until ctx ends.
func (b *broker) publish(ctx context.Context, every time.Duration) {
	h := hospital.New(5, uint64(time.Now().UnixNano()))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			topic, payload := h.Next(now)
			b.show.line("in", topic, payload)
			if err := b.Server.Publish(topic, payload, false, 1); err != nil {
				b.show.line("in", "not published: "+err.Error(), nil)
			}
		}
	}
}

// A natsServer is a NATS server in this process and a client that prints all subjects.
type natsServer struct {
	server *server.Server
	client *nats.Conn
	url    string
}

func startNATS(show *screen) (*natsServer, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, fmt.Errorf("NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the NATS server does not start")
	}
	client, err := nats.Connect(s.ClientURL())
	if err != nil {
		return nil, fmt.Errorf("NATS client: %w", err)
	}
	n := &natsServer{server: s, client: client, url: s.ClientURL()}
	if _, err := client.Subscribe(">", func(m *nats.Msg) { show.line("nats", m.Subject, m.Data) }); err != nil {
		return nil, err
	}
	return n, client.Flush()
}

func (n *natsServer) Close() {
	n.client.Close()
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// An httpServer prints what is posted to it.
type httpServer struct {
	*http.Server
	url string
}

func startHTTP(show *screen) (*httpServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &httpServer{url: "http://" + l.Addr().String(), Server: &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			show.line("http", r.Method+" "+r.URL.Path, body)
		}),
	}}
	go func() { _ = h.Serve(l) }() // ends at Close
	return h, nil
}
