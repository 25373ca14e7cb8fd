package strictyaml_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/internal/strictyaml"

	"gopkg.in/yaml.v3"
)

type config struct {
	Sources map[string]source                 `yaml:"sources"`
	Sinks   strictyaml.Map[sink]              `yaml:"sinks"`
	Limits  limits                            `yaml:"limits"`
	Rules   strictyaml.Map[*rule]             `yaml:"rules"`
	Odd     odd                               `yaml:"odd"`
	Headers map[string]string                 `yaml:"headers"`
	Frames  strictyaml.Map[strictyaml.Text]   `yaml:"frames"`
	Secrets strictyaml.Map[strictyaml.Secret] `yaml:"secrets"`
	//lint:ignore U1000 it is there to show that it cannot be set
	private int
}

type source struct {
	MQTT *mqtt `yaml:"mqtt"`
}

type mqtt struct {
	URL       strictyaml.List[string] `yaml:"url,required"`
	ClientID  string                  `yaml:"client_id"`
	Password  strictyaml.Secret       `yaml:"password"`
	Keepalive time.Duration           `yaml:"keepalive"`
	QoS       byte                    `yaml:"qos"`
	Clean     bool                    `yaml:"clean"`
	Max       *int                    `yaml:"max"`
	tls       `yaml:",inline"`
}

type tls struct {
	CAFile string `yaml:"ca_file,path"`
}

type sink struct {
	Backoff backoff `yaml:"backoff"`
	Buffer  struct {
		Size  int64 `yaml:"size,size"`
		Small int8  `yaml:"small,size"`
	} `yaml:"buffer"`
	Building empty `yaml:"building"`
}

type empty struct{}

// backoff is written 500ms..30s.
type backoff struct{ from, to time.Duration }

func (b *backoff) DecodeScalar(text string) (err error) {
	from, to, _ := strings.Cut(text, "..")
	if b.from, err = strictyaml.ParseDuration(from); err == nil {
		b.to, err = strictyaml.ParseDuration(to)
	}
	if err != nil {
		return fmt.Errorf("wants two durations such as 500ms..30s, not %q", text)
	}
	return nil
}

type limits struct {
	Low  int     `yaml:"low"`
	High int     `yaml:"high"`
	Part float64 `yaml:"part"`
}

func (l *limits) Validate(pos func(string) strictyaml.Pos, errs *strictyaml.Errors) {
	if l.Low > l.High {
		errs.Add(pos("low"), "\"low\" is above \"high\": lower it")
	}
}

type rule struct {
	When  strictyaml.Text                 `yaml:"when"`
	Let   strictyaml.Map[strictyaml.Text] `yaml:"let"`
	To    strictyaml.List[string]         `yaml:"to"`
	Route []route                         `yaml:"route"`
	Input yaml.Node                       `yaml:"input"`
	Last  *yaml.Node                      `yaml:"last"`
	Maybe maybe                           `yaml:"maybe"`
}

type route struct {
	To strictyaml.List[string] `yaml:"to,required"`
}

// maybe can be left empty.
type maybe struct {
	A int `yaml:"a"`
}

func (*maybe) AllowEmpty() {}

// odd decodes its one key by itself.
type odd struct{ inner limits }

func (o *odd) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, errs *strictyaml.Errors) {
	l.At("inner").Decode(file, n.Content[1], &o.inner, errs)
}

func load(t *testing.T, text string, into any) strictyaml.Errors {
	t.Helper()
	var errs strictyaml.Errors
	l := &strictyaml.Loader{
		Env: environment("PASSWORD", "hunter2", "QOS", "2", "EMPTY", "", "ZERO", "007", "INJECT", "a: b\nc: [d"),
		ReadFile: func(name string) ([]byte, error) {
			switch name {
			case filepath.Join("etc", "edge", "mqtt"):
				return []byte("hunter2\n\n"), nil
			case "/windows":
				return []byte("hunter2\r\n"), nil
			case "/empty":
				return []byte("\n"), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
	file := filepath.Join("etc", "edge", "e.yaml")
	if root := l.Parse(file, []byte(text), &errs); root != nil {
		l.Decode(file, root, into, &errs)
	}
	errs.Sort()
	return errs
}

func TestDecode(t *testing.T) {
	var c config
	errs := load(t, `
sources:
  hospital:
    mqtt:
      url: &urls ["mqtt://a", "mqtt://b"]
      client_id: 007x
      password_file: mqtt
      keepalive: 1m30s
      qos: ${QOS:-1}
      clean: true
      max: -3
      ca_file: certs/ca.pem
  windows:
    mqtt: {url: x, password_file: /windows}
  other:
    mqtt: {url: "x", password: "${PASSWORD}", ca_file: /ca.pem, qos: "${QOS}"}
sinks:
  z: {backoff: 500ms..1d, buffer: {size: 64MiB, small: 100B}, building: {}}
  a: {}
limits: &limits {low: 1, high: 5, part: 1e-3}
odd: {inner: {<<: *limits, high: 7}}
rules:
  r:
    when: payload.a > ${QOS}
    let: {c: 1, b: "1", a: p.x, e: true, d: 1.5, f: "${QOS}", g: "$${QOS}"}
    to: live
    route:
      - to: [a, b]
      - to: c
    input: {a: null, 1: 2020-01-02}
    last: null
    maybe:
  q:
    when: |
      a
      and b
    to: *urls
headers: {1: x, yes: 012x}
secrets: {b: 7, a: "${ZERO}"}
`, &c)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	h := c.Sources["hospital"].MQTT
	if fmt.Sprint(h.URL) != "[mqtt://a mqtt://b]" || h.ClientID != "007x" || h.Password.Reveal() != "hunter2\n" ||
		h.Keepalive != 90*time.Second || h.QoS != 2 || !h.Clean || *h.Max != -3 || h.CAFile != filepath.Join("etc", "edge", "certs", "ca.pem") {
		t.Errorf("%+v", h)
	}
	if w := c.Sources["windows"].MQTT.Password.Reveal(); w != "hunter2" {
		t.Errorf("%q", w)
	}
	if o := c.Sources["other"].MQTT; o.Password.Reveal() != "hunter2" || o.CAFile != "/ca.pem" || o.QoS != 2 || len(o.URL) != 1 {
		t.Errorf("%+v", o)
	}
	if c.Sinks[0].Key != "z" || c.Sinks[1].Key != "a" || c.Sinks[0].Value.Buffer.Size != 64<<20 || c.Sinks[0].Value.Buffer.Small != 100 ||
		c.Sinks[0].Value.Backoff != (backoff{500 * time.Millisecond, 24 * time.Hour}) {
		t.Errorf("%+v", c.Sinks)
	}
	if at := c.Sinks[1].Pos; at.Line != 19 || at.Column != 3 {
		t.Errorf("the key is at %v", at)
	}
	if c.Limits != (limits{1, 5, 1e-3}) || c.Odd.inner != (limits{1, 7, 1e-3}) {
		t.Errorf("%+v %+v", c.Limits, c.Odd)
	}
	r, _ := c.Rules.Get("r")
	if r.When.Value != "payload.a > 2" || r.When.Pos.Line != 24 || r.When.Pos.Column != 11 || len(r.Route) != 2 || len(r.Route[0].To) != 2 {
		t.Errorf("%+v", r)
	}
	var lets []string
	for _, e := range r.Let {
		lets = append(lets, e.Key+" "+e.Value.Node.Tag+" "+e.Value.Value)
	}
	if want := "c !!int 1, b !!str 1, a !!str p.x, e !!bool true, d !!float 1.5, f !!str 2, g !!str ${QOS}"; strings.Join(lets, ", ") != want {
		t.Errorf("lets\ngot  %s\nwant %s", strings.Join(lets, ", "), want)
	}
	var input any
	if err := r.Input.Decode(&input); err != nil || !reflect.DeepEqual(input, map[string]any{"a": nil, "1": "2020-01-02"}) {
		t.Errorf("%#v %v", input, err)
	}
	if r.Last == nil || r.Last.Tag != "!!null" {
		t.Errorf("%+v", r.Last)
	}
	if q, ok := c.Rules.Get("q"); !ok || q.When.Value != "a\nand b\n" || len(q.To) != 2 {
		t.Errorf("%+v", q)
	}
	if _, ok := c.Rules.Get("none"); ok {
		t.Error("found what is not there")
	}
	if c.Headers["1"] != "x" || c.Headers["yes"] != "012x" {
		t.Error(c.Headers)
	}
	if b, _ := c.Secrets.Get("a"); b.Reveal() != "007" {
		t.Error(b.Reveal())
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	c := config{Limits: limits{Low: 3, High: 4}, Sources: map[string]source{"x": {}}}
	if errs := load(t, "limits: {high: 9}\n", &c); len(errs) > 0 {
		t.Fatal(errs)
	}
	if c.Limits != (limits{Low: 3, High: 9}) || len(c.Sources) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestDecodeExplains(t *testing.T) {
	const m = "sources: {h: {mqtt: {url: x, "
	for _, c := range []struct{ name, yaml, want string }{
		{"near key", "sources:\n  h:\n    mqtt:\n      url: x\n      clientid: x\n", `5:7: unknown key "clientid" in sources.h.mqtt, did you mean client_id?`},
		{"near file", m + "pasword_file: x}}}", `1:30: unknown key "pasword_file" in sources.h.mqtt, did you mean password_file?`},
		{"far key", "limits: {x: 1}", `1:10: unknown key "x" in limits, known are high, low, part`},
		{"no keys", "sinks: {a: {building: {x: 1}}}", `1:24: unknown key "x" in sinks.a.building: it has no keys`},
		{"at the top", "sourcs: {}", `1:1: unknown key "sourcs", did you mean sources?`},
		{"in a list", "rules: {r: {route: [{to: x, too: y}]}}", `1:29: unknown key "too" in rules.r.route, did you mean to?`},
		{"private", "private: 1", `1:1: unknown key "private", known are frames, headers, limits, odd, rules, secrets, sinks, sources`},
		{"missing", "sources:\n  h:\n    mqtt: {qos: 1}\n", `3:11: "url" is missing in sources.h.mqtt`},
		{"missing in a list", "rules: {r: {route: [{}]}}", `1:21: "to" is missing in rules.r.route`},
		{"missing and empty", "rules: {r: {route: [{to: }]}}", `1:22: "to" is empty: give it a value or leave it out`},
		{"duration", m + "keepalive: 30}}}", `1:41: "keepalive" wants a duration such as 30s, 1m30s or 7d, not "30"`},
		{"bool", m + "clean: yes}}}", `1:37: "clean" wants true or false, not "yes"`},
		{"quoted bool", m + "clean: \"true\"}}}", `1:37: "clean" wants true or false, not the text "true"`},
		{"int", m + "max: 1.5}}}", `1:35: "max" wants a whole number, not "1.5"`},
		{"quoted int", m + "max: \"1\"}}}", `1:35: "max" wants a whole number, not the text "1"`},
		{"hex", m + "max: 0x10}}}", `1:35: "max" wants a whole number, not "0x10"`},
		{"range", m + "qos: 256}}}", `1:35: "qos" wants a whole number from 0 to 255, not "256"`},
		{"negative", m + "qos: -1}}}", `1:35: "qos" wants a whole number from 0 to 255, not "-1"`},
		{"float", "limits: {part: .inf}", `1:16: "part" wants a number, not ".inf"`},
		{"float text", "limits: {part: x}", `1:16: "part" wants a number, not "x"`},
		{"int, not a list", m + "max: [1]}}}", `1:35: "max" wants a whole number, not a list`},
		{"size", "sinks: {a: {buffer: {size: 64Mib}}}", `1:28: "size" wants a size such as 64MiB, 512KiB or 1024, not "64Mib"`},
		{"size of a mapping", "sinks: {a: {buffer: {size: {}}}}", `1:28: "size" wants a size such as 64MiB, 512KiB or 1024, not a mapping`},
		{"size too large", "sinks: {a: {buffer: {small: 128}}}", `1:29: "small" is too large: "128"`},
		{"text", m + "client_id: [a]}}}", `1:41: "client_id" wants text, not a list`},
		{"text in a list", "rules: {r: {to: [a, {}]}}", `1:21: "to" wants text, not a mapping`},
		{"expression", "rules: {r: {when: [a]}}", `1:19: "when" wants text or an expression, not a list`},
		{"expression of the own name", "rules: {r: {let: {a: [b]}}}", `1:22: "a" wants text or an expression, not a list`},
		{"struct", "limits: 3", `1:9: "limits" wants keys and values, ` + "`name: value`" + `, not "3"`},
		{"map", "rules: [a]", `1:8: "rules" wants a mapping, ` + "`name: value`" + `, not a list`},
		{"plain map", "headers: [a]", `1:10: "headers" wants a mapping, ` + "`name: value`" + `, not a list`},
		{"list", "rules: {r: {route: {}}}", `1:20: "route" wants a list, not a mapping`},
		{"own scalar", "sinks: {a: {backoff: 5}}", `1:22: "backoff" wants two durations such as 500ms..30s, not "5"`},
		{"own scalar, a list", "sinks: {a: {backoff: [5]}}", `1:22: "backoff" wants one value, not a list`},
		{"validate", "limits:\n  high: 1\n  low: 2\n", `3:8: "low" is above "high": lower it`},
		{"validate, key not given", "limits: {high: -1}\n", `1:9: "low" is above "high": lower it`},
		{"no validate after errors", "limits: {low: 5, high: x}\n", `1:24: "high" wants a whole number, not "x"`},
		{"validate inside of an own node", "odd: {inner: {low: 2, high: 1}}", `1:20: "low" is above "high": lower it`},
		{"path inside of an own node", "odd: {inner: {lov: 2}}", `1:15: unknown key "lov" in odd.inner, did you mean low?`},
		{"empty", "rules:\n  r:\n    when:\n    to: a\n", `3:5: "when" is empty: give it a value or leave it out`},
		{"empty, a comment", "rules:\n  r:\n    to: # x\n", `3:5: "to" is empty: # begins a comment, quote the value if it is part of it`},
		{"empty mapping", "rules:\n  r:\n", `2:3: "r" is empty: give it a value or leave it out`},
		{"empty pointer", "sources: {h: {mqtt: null}}", `1:21: "mqtt" is empty: give it a value or leave it out`},
		{"empty entry", "rules:\n  r:\n    to:\n      - a\n      -\n", `5:7: "to" has an empty entry: give it a value or remove it`},
		{"empty node", "rules:\n  r:\n    input:\n", `3:5: "input" is empty: give it a value or leave it out`},
		{"empty variable", m + "client_id: x}}}\nlimits:\n  low: ${EMPTY}\n", `3:8: "low" is empty: ${EMPTY} gives nothing`},
		{"both secrets", m + "password: a, password_file: b}}}", `1:43: "password_file" and "password" at F:1:30 give the same: remove one`},
		{"no secret file", m + "password_file: gone}}}", `1:45: "password_file" cannot be read: etc/edge/gone: file does not exist`},
		{"empty secret file", m + "password_file: /empty}}}", `1:45: "password_file" names an empty file: write the secret into it`},
		{"no path", m + "ca_file: \"\"}}}", `1:39: "ca_file" wants the name of a file or folder, not the text ""`},

		// nothing that came from the environment is repeated
		{"expanded int", m + "max: \"a\"}}}\nlimits:\n  low: ${PASSWORD}\n", `1:35: "max" wants a whole number, not the text "a"` + "\n" + `3:8: "low" wants a whole number, not what ${PASSWORD} gives`},
		{"expanded, leading zero", "limits:\n  low: ${ZERO}\n", `2:8: "low" wants a whole number, not what ${ZERO} gives`},
		{"expanded structure", "limits: ${INJECT}\n", `1:9: "limits" wants keys and values, ` + "`name: value`" + `, not what ${INJECT} gives`},
		{"expanded own scalar", "sinks:\n  a:\n    backoff: ${PASSWORD}\n", `3:14: "backoff" wants two durations such as 500ms..30s, not "${PASSWORD}"`},
		{"expanded, quoted, no number", "limits: {low: \"${PASSWORD}\"}\n", `1:15: "low" wants a whole number, not what ${PASSWORD} gives`},
		{"quoted, not expanded", "limits: {low: \"2\"}\n", `1:15: "low" wants a whole number, not the text "2"`},
		{"secret list", m + "password: [hunter2]}}}", `1:40: "password" wants text, not a list`},

		// what Parse reported is passed over
		{"spoiled", "limits: {low: 1, high: 012, oh: 1}", "1:24: YAML may read a number with a leading zero as octal: drop the zero, or quote the value if it is text\n" +
			`1:29: unknown key "oh" in limits, known are high, low, part`},
		{"no validate of what is spoiled", "limits: {low: 5, high: 012}", "1:24: YAML may read a number with a leading zero as octal: drop the zero, or quote the value if it is text"},
		{"behind an anchor", "limits: {low: &e x}", `1:18: "low" wants a whole number, not "x"`},
		{"behind a tag", "limits: {low: !!int &e x}", `1:24: "low" wants a whole number, not "x"`},
		{"once for an anchor", "sources: {a: {mqtt: &m {url: x, qos: 9x}}, b: {mqtt: *m}, c: {mqtt: {<<: *m}}}", `1:38: "qos" wants a whole number, not "9x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join("etc", "edge", "e.yaml")
			errs := load(t, c.yaml, new(config))
			got := strings.ReplaceAll(errs.Error(), file+":", "F:")
			want := "F:" + strings.ReplaceAll(c.want, "\n", "\nF:")
			if got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.yaml, got, want)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "007") {
				t.Error("it shows a secret")
			}
		})
	}
}

func TestSkipSecrets(t *testing.T) {
	l := &strictyaml.Loader{SkipSecrets: true, ReadFile: func(string) ([]byte, error) { t.Error("read"); return nil, nil }}
	var errs strictyaml.Errors
	var m mqtt
	l.Decode("f", l.Parse("f", []byte("url: x\npassword_file: gone\n"), &errs), &m, &errs)
	if len(errs) > 0 || !m.Password.IsSet() {
		t.Error(errs, m.Password.IsSet())
	}
}

func TestFilesThatMustBeThere(t *testing.T) {
	type tls struct {
		CAFile string `yaml:"ca_file,present"`
	}
	for _, skip := range []bool{false, true} {
		l := &strictyaml.Loader{SkipSecrets: skip}
		var errs strictyaml.Errors
		l.Decode("f", l.Parse("f", []byte("ca_file: gone.pem\n"), &errs), &tls{}, &errs)
		want := `f:1:10: "ca_file" cannot be read: gone.pem: no such file or directory`
		if skip {
			want = ""
		}
		if got := errs.Error(); got != want {
			t.Errorf("SkipSecrets %v: got %q, want %q", skip, got, want)
		}
	}
}

func TestNonzero(t *testing.T) {
	type limits struct {
		Timeout time.Duration `yaml:"timeout,nonzero"`
		Most    int64         `yaml:"most,size,nonzero"`
		Wait    time.Duration `yaml:"wait"`
	}
	for text, want := range map[string]string{
		"timeout: 0s\n":              `f:1:10: "timeout" wants more than 0; without the key there is a default`,
		"wait: 0s\nmost: 0\n":        `f:2:7: "most" wants more than 0; without the key there is a default`,
		"wait: 0s\n":                 "",
		"timeout: -1s\nmost: 1KiB\n": "",
	} {
		var errs strictyaml.Errors
		l := &strictyaml.Loader{}
		l.Decode("f", l.Parse("f", []byte(text), &errs), &limits{}, &errs)
		if got := errs.Error(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	var errs strictyaml.Errors
	if errs.Err() != nil {
		t.Error("an empty list is an error")
	}
	errs.Add(strictyaml.Pos{File: "b", Line: 1, Column: 1}, "x %d", 1)
	errs.Add(strictyaml.Pos{File: "a", Line: 10, Column: 2}, "x")
	errs.Add(strictyaml.Pos{File: "a", Line: 10, Column: 2}, "x")
	errs.Add(strictyaml.Pos{File: "a", Line: 9, Column: 7}, "x")
	errs.Add(strictyaml.Pos{File: "a", Line: 9, Column: 1}, "x")
	errs.Sort()
	if got, want := errs.Err().Error(), "a:9:1: x\na:9:7: x\na:10:2: x\nb:1:1: x 1"; got != want {
		t.Errorf("got %s", got)
	}
	var one *strictyaml.Error
	if !errors.As(errs.Err(), &one) || one.Pos.Line != 9 {
		t.Error(one)
	}
}
