package main

import (
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"edge/engine"
	"edge/internal/strictyaml"
	"edge/rules"
	"edge/sinks"
	"edge/sources"
)

// Config is edge.yaml: connections and limits, no logic.
type Config struct {
	Sources strictyaml.Map[sources.Config] `yaml:"sources"`
	Sinks   strictyaml.Map[sinks.Config]   `yaml:"sinks"`
	State   State                          `yaml:"state"`
	Limits  Limits                         `yaml:"limits"`
	HTTP    HTTP                           `yaml:"http"`
	Log     Log                            `yaml:"log"`

	file string
	root *yaml.Node
}

// State is where edge keeps what outlives it.
type State struct {
	Dir string `yaml:"dir,path"` // "": nothing outlives it, and no buffer is on disk
}

// Limits bound what edge holds and takes.
type Limits struct {
	Payload          int64         `yaml:"payload,size"`
	Depth            int           `yaml:"depth"`
	InflightMessages int           `yaml:"inflight_messages"`
	InflightBytes    int64         `yaml:"inflight_bytes,size"`
	Memory           int64         `yaml:"memory,size"`
	StopTimeout      time.Duration `yaml:"stop_timeout"`
}

// HTTP is where metrics, health and the API are served.
type HTTP struct {
	Listen string `yaml:"listen"` // host:port, or off
}

// Log says what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// defaults is an edge.yaml that says nothing.
func defaults() *Config {
	return &Config{
		Limits: Limits{
			Payload: 1 << 20, Depth: 64, InflightMessages: 1000, InflightBytes: 16 << 20,
			Memory: 64 << 20, StopTimeout: 10 * time.Second,
		},
		HTTP: HTTP{Listen: "127.0.0.1:8080"},
		Log:  Log{Level: "info", Format: "text"},
	}
}

// parseConfig reads edge.yaml. With errors, what could be read is still in the result, nil when that is
// nothing: the names of sources and sinks then serve to check the rules all the same.
func parseConfig(l strictyaml.Loader, f rules.File) (*Config, strictyaml.Errors) {
	var errs strictyaml.Errors
	root := l.Parse(f.Name, f.Data, &errs)
	if root == nil {
		return nil, errs
	}
	c := defaults()
	c.file, c.root = f.Name, root
	l.Decode(f.Name, root, c, &errs)
	c.checkNames(&errs)
	c.checkClients(&errs)
	c.checkBuffers(&errs)
	errs.Sort()
	return c, errs
}

// Validate is called by the decoder for limits whose values could be read.
func (l *Limits) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	for _, one := range []struct {
		key        string
		value, min int64
		least      string
	}{
		{"payload", l.Payload, 1, "1B"},
		{"depth", int64(l.Depth), 1, "1"},
		{"inflight_messages", int64(l.InflightMessages), 1, "1"},
		{"inflight_bytes", l.InflightBytes, 1, "1B"},
		{"memory", l.Memory, 1 << 20, "1MiB"},
		{"stop_timeout", int64(l.StopTimeout), int64(time.Millisecond), "1ms"},
	} {
		if one.value < one.min {
			errs.Add(pos(one.key), "%q wants at least %s", one.key, one.least)
		}
	}
}

// Validate checks the address, without looking whether it is free: lint runs on other machines. Like the
// next one it does not repeat the value, which may come from the environment, where passwords are.
func (h *HTTP) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if h.Listen == "off" {
		return
	}
	if _, port, err := net.SplitHostPort(h.Listen); err == nil && port != "" {
		if _, err := net.LookupPort("tcp", port); err == nil {
			return
		}
	}
	errs.Add(pos("listen"), `"listen" wants host:port such as 127.0.0.1:8080, or off`)
}

var (
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"text", "json"}
)

// Validate checks the words.
func (l *Log) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if !slices.Contains(logLevels, l.Level) {
		errs.Add(pos("level"), `"level" wants debug, info, warn or error`)
	}
	if !slices.Contains(logFormats, l.Format) {
		errs.Add(pos("format"), `"format" wants text or json`)
	}
}

// slogLevel is the level as slog has it.
func slogLevel(name string) (level slog.Level) {
	_ = level.UnmarshalText([]byte(name)) // names are checked; info is the zero value
	return level
}

// local is the source and the sink by which rules feed rules.
const local = "local"

// checkNames looks at what the kinds cannot see: names, and the source that a sink borrows a connection of.
func (c *Config) checkNames(errs *strictyaml.Errors) {
	check := func(what, name string, pos strictyaml.Pos) {
		switch {
		case name == local:
			errs.Add(pos, "the name local is taken: it is the %s by which rules feed other rules", what)
		case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "":
			errs.Add(pos, "the name of a %s wants letters, digits, _ and - only, not %q", what, name)
		}
	}
	var names []string
	for _, s := range c.Sources {
		check("source", s.Key, s.Pos)
		names = append(names, s.Key)
		if n := find(c.root, "sources", s.Key); n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 0 {
			errs.Add(strictyaml.PosOf(c.file, n), "a source needs its kind: mqtt")
		}
	}
	for _, s := range c.Sinks {
		check("sink", s.Key, s.Pos)
		m := s.Value.MQTT
		if m == nil || m.Source == "" || slices.Contains(names, m.Source) {
			continue
		}
		pos := c.pos(s.Pos, "sinks", s.Key, "mqtt", "source")
		if near := strictyaml.Suggest(m.Source, names); near != "" {
			errs.Add(pos, "no source %q, did you mean %s?", m.Source, near)
		} else {
			errs.Add(pos, "no source %q under sources:", m.Source)
		}
	}
}

// checkClients refuses one client id twice: a broker ends the older of two connections that bear the same,
// and they would throw each other out for ever.
func (c *Config) checkClients(errs *strictyaml.Errors) {
	first := map[string]strictyaml.Pos{}
	check := func(id string, pos strictyaml.Pos) {
		if id == "" {
			return
		}
		if at, twice := first[id]; twice {
			errs.Add(pos, "client_id %q is also at %s: a broker lets only one connection of a client id live", id, at)
			return
		}
		first[id] = pos
	}
	for _, s := range c.Sources {
		if m := s.Value.MQTT; m != nil {
			check(m.ClientID, c.pos(s.Pos, "sources", s.Key, "mqtt", "client_id"))
		}
	}
	for _, s := range c.Sinks {
		if m := s.Value.MQTT; m != nil && m.Source == "" {
			check(m.ClientID, c.pos(s.Pos, "sinks", s.Key, "mqtt", "client_id"))
		}
	}
}

func (c *Config) checkBuffers(errs *strictyaml.Errors) {
	for _, s := range c.Sinks {
		if s.Value.Buffer.Type == engine.OnDisk && c.State.Dir == "" {
			errs.Add(c.pos(s.Pos, "sinks", s.Key, "buffer", "type"),
				"a disk buffer wants a place: add `state: {dir: /var/lib/edge}`")
		}
	}
}

// pos is where the value under keys stands, or else where instead is.
func (c *Config) pos(instead strictyaml.Pos, keys ...string) strictyaml.Pos {
	if n := find(c.root, keys...); n != nil {
		return strictyaml.PosOf(c.file, n)
	}
	return instead
}

func find(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		at := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				at = i + 1
			}
		}
		if at < 0 {
			return nil
		}
		n = n.Content[at]
	}
	return n
}

// rulesEnv is what the rules need to know of edge.yaml.
func (c *Config) rulesEnv(log *slog.Logger, before *rules.Program) rules.Env {
	env := rules.Env{
		Sources: map[string]rules.SourceInfo{}, Sinks: map[string]rules.SinkInfo{},
		Payload: int(min(c.Limits.Payload, 1<<30)), Depth: c.Limits.Depth, Memory: c.Limits.Memory,
		Getenv: os.LookupEnv, Log: log, Previous: before, Wall: time.Now, Stateless: c.State.Dir == "",
	}
	for _, s := range c.Sources {
		env.Sources[s.Key] = rules.SourceInfo{Topics: s.Value.Topics()}
	}
	for _, s := range c.Sinks {
		kind := s.Value.Kind()
		env.Sinks[s.Key] = rules.SinkInfo{AddressKey: s.Value.AddressKey(), UsesID: kind == "nats" || kind == "http"}
	}
	return env
}
