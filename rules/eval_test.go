package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A condition that stands alone knows missing and null as when does.
func TestCondition(t *testing.T) {
	for _, test := range []struct {
		source, payload string
		want            bool
		says            string // of an error
	}{
		{`payload.battery < 20`, `{"battery": 7}`, true, ""},
		{`payload.battery < 20`, `{"battery": 70}`, false, ""},
		{`payload.battery < 20`, `{}`, false, ""},
		{`payload.charging`, `{}`, false, ""},
		{`topic == "a/b"`, `not JSON`, true, ""}, // a payload that is not read is not decoded
		{`payload.id`, `{"id": "r-1"}`, false, "not_boolean: the condition gives text, not true or false"},
		{`payload.battery < 20`, `{"battery": "low"}`, false, "wrong_type"},
		{`payload.battery < 20`, `{`, false, "the payload is not JSON"},
		{`paylod.battery < 20`, `{}`, false, "unknown name paylod, did you mean payload?"},
	} {
		c, err := CompileCondition(test.source, Env{})
		for range 2 { // it is used again
			got := false
			if c != nil {
				got, err = c.Holds("a/b", []byte(test.payload))
			}
			if got != test.want || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s of %s: %v, %v", test.source, test.payload, got, err)
			}
		}
	}
}

func TestStandaloneTopic(t *testing.T) {
	for _, test := range []struct{ source, payload, want, says string }{
		{`ward/7`, `{}`, "ward/7", ""},
		{`ward/{{ payload.ward }}/{{payload.id}}`, `{"ward": 7, "id": "r-1"}`, "ward/7/r-1", ""},
		{`{{ payload.a }}x`, `{"a": true}`, "truex", ""},
		{`a/{{ payload.id }}`, `{}`, "", "null_key: it is missing or null; give a default with ??"},
		{`a/{{ payload.id`, `{}`, "", "{{ without }}"},
		{`a/{{ paylod }}`, `{}`, "", "did you mean payload?"},
		{`a/{{ payload.id }}`, `x`, "", "the payload is not JSON"},
	} {
		topic, err := CompileTopic(test.source, Env{})
		got := ""
		if err == nil {
			got, err = topic.Of([]byte(test.payload))
		}
		if got != test.want || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q, %v", test.source, got, err)
		}
	}
}

func TestReadLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.jsonl")
	text := "{\"a\": 1}\n\n{\"topic\": \"t\", \"payload\": \"text\", \"source\": \"s\"}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := ReadLines(name)
	if err != nil || len(lines) != 2 {
		t.Fatal(lines, err)
	}
	if l := lines[0]; l.Number != 1 || l.Topic != "" || string(l.Payload) != `{"a": 1}` {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.Number != 3 || l.Topic != "t" || l.Source != "s" || string(l.Payload) != "text" {
		t.Errorf("%+v", l)
	}
}
