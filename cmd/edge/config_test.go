package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/internal/strictyaml"
	"edge/rules"
)

func parseText(text string) (*Config, strictyaml.Errors) {
	return parseConfig(strictyaml.Loader{}, rules.File{Name: "edge.yaml", Data: []byte(text)})
}

func TestConfigErrors(t *testing.T) {
	const source = "sources: {s: {mqtt: {url: mqtt://h, client_id: a}}}\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key": {
			"limit: {depth: 3}",
			`edge.yaml:1:1: unknown key "limit", did you mean limits?`,
		},
		"unknown key inside": {
			"limits: {inflight_message: 3}",
			`edge.yaml:1:10: unknown key "inflight_message" in limits, did you mean inflight_messages?`,
		},
		"name of a source": {
			`sources: {"a.b": {mqtt: {url: mqtt://h}}}`,
			`edge.yaml:1:11: the name of a source wants letters, digits, _ and - only, not "a.b"`,
		},
		"local is no source": {
			"sources: {local: {mqtt: {url: mqtt://h}}}",
			"edge.yaml:1:11: the name local is taken: it is the source by which rules feed other rules",
		},
		"local is no sink": {
			"sinks: {local: {stdout: {}}}",
			"edge.yaml:1:9: the name local is taken: it is the sink by which rules feed other rules",
		},
		"a source without a kind": {
			"sources: {s: {}}",
			"edge.yaml:1:14: a source needs its kind: mqtt",
		},
		"two kinds": {
			"sinks: {o: {stdout: {}, file: {path: x}}}",
			"needs exactly one of mqtt, nats, http, file, stdout",
		},
		"mqtt sink on a source that is not there": {
			source + "sinks: {o: {mqtt: {source: t}}}",
			`edge.yaml:2:28: no source "t"`,
		},
		"mqtt sink on a source with a typo": {
			"sources: {hospital: {mqtt: {url: mqtt://h}}}\nsinks: {o: {mqtt: {source: hospitel}}}",
			`edge.yaml:2:28: no source "hospitel", did you mean hospital?`,
		},
		"one client id twice": {
			source + "sinks:\n  o: {mqtt: {url: mqtt://h, client_id: a}}",
			`edge.yaml:3:40: client_id "a" is also at edge.yaml:1:48: a broker lets only one connection of a client id live`,
		},
		"disk buffer without a place": {
			"sinks: {o: {stdout: {}, buffer: {type: disk}}}",
			"edge.yaml:1:40: a disk buffer wants a place: add `state: {dir: /var/lib/edge}`",
		},
		"limit below one": {
			"limits: {inflight_messages: 0}",
			`edge.yaml:1:29: "inflight_messages" wants at least 1`,
		},
		"memory that is no bound": {
			"limits: {memory: 10}",
			`edge.yaml:1:18: "memory" wants at least 1MiB`,
		},
		"http without a port": {
			"http: {listen: localhost}",
			`edge.yaml:1:16: "listen" wants host:port such as 127.0.0.1:8080, or off`,
		},
		"log level": {
			"log: {level: verbose}",
			`edge.yaml:1:14: "level" wants debug, info, warn or error`,
		},
		"log format": {
			"log: {format: xml}",
			`edge.yaml:1:15: "format" wants text or json`,
		},
		"missing secret file": {
			"sources: {s: {mqtt: {url: mqtt://h, password_file: nowhere/pw}}}",
			"edge.yaml:1:52: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := parseText(c.text)
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
				t.Errorf("got  %v\nwant %s", errs, c.want)
			}
		})
	}
}

func TestConfigDefaultsAndValues(t *testing.T) {
	c, errs := parseText("sources: {s: {mqtt: {url: mqtt://h}}}\nlimits: {payload: 2MiB, stop_timeout: 1m}\nstate: {dir: data}")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := defaults().Limits
	want.Payload, want.StopTimeout = 2<<20, time.Minute
	if c.Limits != want {
		t.Errorf("limits: got %+v, want %+v", c.Limits, want)
	}
	if c.HTTP.Listen != "127.0.0.1:8080" || c.Log != (Log{"info", "text"}) {
		t.Errorf("got %+v, %+v", c.HTTP, c.Log)
	}
	if c.State.Dir != "data" {
		t.Errorf("state.dir: got %q", c.State.Dir)
	}
}

// All that is wrong with a file is told at once, so that it is mended in one go.
func TestConfigReportsAllErrors(t *testing.T) {
	_, errs := parseText("sinks: {a: {mqtt: {source: x}}, local: {stdout: {}}}\nlog: {level: x}\nhtp: {}")
	if len(errs) != 4 {
		t.Errorf("want 4 errors, got\n%v", errs)
	}
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"pw": "secret", "ca.pem": "certificate"}
	const before = `
sources:
  s: {mqtt: {url: mqtt://h, client_id: a, username: u, password_file: pw, topics: [x]}}
sinks:
  o: {http: {url: "http://h", headers: {batch: one}}, batch: {max_count: 3}}
  m: {mqtt: {source: s}}
  n: {nats: {url: "nats://h", tls: {ca_file: ca.pem}}}
`
	prints := func(text string, files map[string]string) map[string]fingerprint {
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, errs := parseConfig(strictyaml.Loader{}, rules.File{Name: filepath.Join(dir, "edge.yaml"), Data: []byte(text)})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return map[string]fingerprint{"s": c.sourcePrint("s"), "o": c.sinkPrint("o"), "m": c.sinkPrint("m"), "n": c.sinkPrint("n")}
	}
	was := prints(before, files)
	for name, c := range map[string]struct {
		from, to string // replaced in the text
		files    map[string]string
		changed  string
	}{
		"comments":                {"sources:", "# comment\nsources:", nil, ""},
		"order of keys":           {"url: mqtt://h, client_id: a", "client_id: a, url: mqtt://h", nil, ""},
		"quotes":                  {"client_id: a", `client_id: "a"`, nil, ""},
		"topics":                  {"[x]", "[x, y]", nil, ""},
		"batch of a queue":        {"max_count: 3", "max_count: 4", nil, ""},
		"a header named batch":    {"batch: one", "batch: two", nil, "o"},
		"user":                    {"username: u", "username: v", nil, "s m"},
		"content of a secret":     {"", "", map[string]string{"pw": "other"}, "s m"},
		"content of an authority": {"", "", map[string]string{"ca.pem": "renewed"}, "n"},
		"sink on a source":        {"{source: s}", "{source: s, qos: 0}", nil, "m"},
	} {
		t.Run(name, func(t *testing.T) {
			now := prints(strings.Replace(before, c.from, c.to, 1), c.files)
			var changed []string
			for _, key := range []string{"s", "o", "m", "n"} {
				if now[key] != was[key] {
					changed = append(changed, key)
				}
			}
			if got := strings.Join(changed, " "); got != c.changed {
				t.Errorf("changed: %q, want %q", got, c.changed)
			}
			prints(before, files)
		})
	}
}
