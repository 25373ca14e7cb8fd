// Package sources is where messages come from: one file for each kind of source.
package sources

import (
	"fmt"
	"log/slog"

	"edge/engine"
)

// Config is one source of edge.yaml: exactly one kind. This struct is the registry of kinds.
type Config struct {
	MQTT *MQTT `yaml:"mqtt"`
}

// Deps is what a source needs of its surroundings.
type Deps struct {
	Log *slog.Logger
	// InflightMessages is limits.inflight_messages: a source does not ask a broker for more at once.
	InflightMessages int
}

// Kind is the kind of source: mqtt; "" where none is set.
func (c *Config) Kind() string {
	if c.MQTT != nil {
		return "mqtt"
	}
	return ""
}

// Topics are the filters for rules that name no topic of their own.
func (c *Config) Topics() []string {
	if c.MQTT != nil {
		return c.MQTT.Topics
	}
	return nil
}

// Open makes the source. It fails only on what is wrong in the settings and the files they name; a broker
// that is away is no error: nothing is dialled before Run.
func (c *Config) Open(name string, deps Deps) (engine.Source, error) {
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	deps.Log = deps.Log.With("source", name)
	if c.MQTT == nil {
		return nil, fmt.Errorf("source %s: needs a kind: mqtt", name)
	}
	s, err := c.MQTT.open(name, deps)
	if err != nil {
		return nil, fmt.Errorf("source %s: mqtt: %w", name, err)
	}
	return s, nil
}
