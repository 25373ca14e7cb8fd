package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
	"edge/rules"
	"edge/sources"
)

// connect makes the connections. They say who they are as the source does, under client ids of their own.
func (b *benchWire) connect(log *slog.Logger) error {
	settings := &sources.MQTT{}
	if b.source != "" {
		var err error
		if settings, err = b.sourceSettings(); err != nil {
			return err
		}
	}
	if b.broker != "" {
		settings.URL = []string{b.broker}
	}
	b.to = strings.Join(settings.URL, ", ")
	b.at = b.to
	for i := range b.connections {
		c, err := mqttconn.New(benchConnection(settings, fmt.Sprintf("%d", i), log))
		if err != nil {
			return err
		}
		b.publishers = append(b.publishers, c)
	}
	if b.outBroker != "" {
		settings = &sources.MQTT{URL: []string{b.outBroker}}
		b.at = b.outBroker
	}
	var err error
	if b.listener, err = mqttconn.New(benchConnection(settings, "out", log)); err != nil {
		return err
	}
	if err := b.listener.Subscribe(b.outFilters, byte(b.qos)); err != nil {
		return err
	}
	if b.rate > 0 { // latency is what is looked at, and a busy connection would add to it
		for _, c := range append(b.publishers, b.listener) {
			c.Urgent().Add(1)
		}
	}
	b.listener.Start(b.take)
	for _, c := range b.publishers {
		c.Start(nil)
	}
	return nil
}

func (b *benchWire) sourceSettings() (*sources.MQTT, error) {
	data, err := readFile(b.config)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", b.config, reason(err))
	}
	config, errs := parseConfig(strictyaml.Loader{}, rules.File{Name: b.config, Data: data})
	if len(errs) > 0 {
		return nil, errs
	}
	s, ok := config.Sources.Get(b.source)
	if !ok || s.MQTT == nil {
		var names []string
		for _, e := range config.Sources {
			names = append(names, e.Key)
		}
		return nil, fmt.Errorf("%s has no source %q; it has %s", b.config, b.source, strings.Join(names, ", "))
	}
	return s.MQTT, nil
}

func benchConnection(m *sources.MQTT, name string, log *slog.Logger) mqttconn.Config {
	c := mqttconn.Config{Options: m.Options, Name: "bench", URLs: m.URL, Password: m.Password.Reveal(),
		ReceiveMaximum: math.MaxUint16, UserProperties: m.UserProperties, Log: log}
	// Never those of the edge that runs: the broker would throw it out.
	c.ClientID = fmt.Sprintf("edge-bench-%d-%x-%s", os.Getpid(), time.Now().UnixNano()&0xffffff, name)
	c.CleanStart, c.SessionExpiry, c.Will = true, 10*time.Second, nil
	if m.TLS != nil {
		c.TLS = func(host string) (*tls.Config, error) { return m.TLS.Config(host) }
	}
	return c
}

// connected waits until all connections are there, and the broker has granted what is listened for.
func (b *benchWire) connected(ctx context.Context) error {
	for deadline := time.Now().Add(b.patience); ; {
		waits, err := "", error(nil)
		for _, c := range b.publishers {
			if !c.Connected() {
				waits, err = "cannot connect to "+b.to, c.LastError()
			}
		}
		switch {
		case waits != "":
		case !b.listener.Connected():
			waits, err = "cannot connect to "+b.at, b.listener.LastError()
		case !b.listener.Subscribed():
			waits, err = "cannot subscribe to "+strings.Join(b.outFilters, ", ")+" at "+b.at, b.listener.LastError()
		default:
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = fmt.Errorf("no answer within %v", b.patience)
			}
			return fmt.Errorf("%s: %w", waits, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
