// Package sinks delivers messages to where they go: one file for each kind of destination.
//
// A sink hands a batch over once and says for each message how it went. Retries, backoff, queues and dead
// letters are the engine's; a sink keeps no message after Write.
package sinks

import (
	"fmt"
	"log/slog"

	"edge/engine"
	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
)

// Config is one sink of edge.yaml: exactly one kind, and how its queue behaves. This struct is the registry
// of kinds.
type Config struct {
	MQTT   *MQTT   `yaml:"mqtt"`
	NATS   *NATS   `yaml:"nats"`
	HTTP   *HTTP   `yaml:"http"`
	File   *File   `yaml:"file"`
	Stdout *Stdout `yaml:"stdout"`

	Batch  engine.Batch  `yaml:"batch"`
	Retry  engine.Retry  `yaml:"retry"`
	Buffer engine.Buffer `yaml:"buffer"`
}

// Deps is what a sink needs of its surroundings.
type Deps struct {
	Log  *slog.Logger
	MQTT func(source string) (*mqttconn.Conn, error) // the connection of a source
	Dir  string                                      // where the program keeps its state
}

// Validate checks that one kind is set.
func (c *Config) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	set := c.kinds()
	if len(set) == 1 {
		return
	}
	if len(set) == 0 {
		errs.Add(pos(""), "a sink %s", wantOne)
		return
	}
	errs.Add(pos(set[1].name), "a sink %s; this one has %s and %s", wantOne, set[0].name, set[1].name)
}

// A kind is what each of the pointers in Config points to.
type kind interface {
	open(name string, deps Deps) (engine.Sink, error)
}

// kinds gives the name, the route key that holds the address, and the settings of each kind that is set.
func (c *Config) kinds() (set []chosen) {
	if c.MQTT != nil {
		set = append(set, chosen{"mqtt", "topic", c.MQTT})
	}
	if c.NATS != nil {
		set = append(set, chosen{"nats", "subject", c.NATS})
	}
	if c.HTTP != nil {
		set = append(set, chosen{"http", "path", c.HTTP})
	}
	if c.File != nil {
		set = append(set, chosen{"file", "", c.File})
	}
	if c.Stdout != nil {
		set = append(set, chosen{"stdout", "", c.Stdout})
	}
	return set
}

type chosen struct {
	name, address string
	kind          kind
}

// Kind is the kind of destination: mqtt, nats, http, file or stdout; "" where none is set.
func (c *Config) Kind() string {
	if set := c.kinds(); len(set) > 0 {
		return set[0].name
	}
	return ""
}

// AddressKey is the key of a route that this sink reads its address from: topic, subject or path; "" where
// it reads none.
func (c *Config) AddressKey() string {
	if set := c.kinds(); len(set) > 0 {
		return set[0].address
	}
	return ""
}

// Open makes the sink. It fails only on what is wrong in the settings and the files they name; a server
// that is away is no error, the sink connects when it is there.
func (c *Config) Open(name string, deps Deps) (engine.Sink, error) {
	set := c.kinds()
	if len(set) != 1 {
		return nil, fmt.Errorf("sink %s: %s", name, wantOne)
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	deps.Log = deps.Log.With("sink", name)
	s, err := set[0].kind.open(name, deps)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %s: %w", name, set[0].name, err)
	}
	return s, nil
}

const wantOne = "needs exactly one of mqtt, nats, http, file, stdout"
