package test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"edge/internal/brokertest"
)

// TestBadInputHarmsOnlyItself: each bad message becomes a dead letter with its original bytes, and the next good
// one passes.
func TestBadInputHarmsOnlyItself(t *testing.T) {
	broker := mosquitto(t, "max_packet_size 20000000")
	b := newBox(t, source(broker.URL())+"sinks:\n  out: {file: {path: out.jsonl}}\n  dead: {file: {path: dead.jsonl}}\n",
		strings.Replace(rule(`{to: out}`), "    headers:", "    on_error: {to: dead}\n    headers:", 1))
	b.start()
	c := brokertest.Dial(t, broker.Addr())
	bad := []struct{ class, payload string }{
		{"bad_payload", `{"dataType":`},
		{"bad_payload", ``},
		{"bad_payload", `{"dataType":"ROBOT"} x`},
		{"bad_payload", "\xff\xfe"},
		{"bad_payload", `{"dataType":"ROBOT","battery":NaN}`},
		{"bad_payload", `{"dataType":"ROBOT","battery":1e999}`},
		{"bad_payload", strings.Repeat("[", 100_000)},
		{"bad_payload", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)},
		{"missing_field", `{"dataType":"ROBOT","id":"r-0"}`},
		{"wrong_type", `{"dataType":"ROBOT","id":"r-0","coordinates":{"x":"a"}}`},
		{"missing_field", `{"dataType":"ROBOT","id":"r-0","coordinates":[1,2]}`},
		{"overflow", `{"dataType":"ROBOT","id":"r-0","coordinates":{"x":9223372036854775807}}`},
		{"too_large", strings.Repeat("x", 10<<20)},
	}
	filtered := []string{`{"dataType":"DOCK"}`, `{}`, `[]`, `7`, `"ROBOT"`, `null`, `{"dataType":null}`, `{"dataType":7}`}
	for i, one := range bad {
		c.Publish(topicOf(0), one.payload, 1)
		c.Publish(topicOf(0), payloadOf(0, i), 1)
	}
	for _, payload := range filtered {
		c.Publish(topicOf(0), payload, 1)
	}
	b.settled("pass", len(bad))
	b.until("all letters are there", func() bool { return strings.Count(b.read("dead.jsonl"), "\n") == len(bad) })
	i := 0
	for line := range strings.Lines(b.read("dead.jsonl")) {
		var letter struct {
			Class, Source, Topic, Rule, File, Payload string
			Line                                      int
			Base64                                    *string `json:"payload_base64"`
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatal(err)
		}
		payload := letter.Payload
		if letter.Base64 != nil {
			raw, err := base64.StdEncoding.DecodeString(*letter.Base64)
			if err != nil {
				t.Error(err)
			}
			payload = string(raw)
		}
		if letter.Class != bad[i].class || payload != bad[i].payload {
			t.Errorf("letter %d is %.300s\nwant %s with %.100s", i, line, bad[i].class, bad[i].payload)
		}
		if letter.Rule != "pass" || letter.Topic != topicOf(0) || letter.Source != "in" || !strings.HasSuffix(letter.File, "rules.yaml") || letter.Line == 0 {
			t.Errorf("letter %d is %.300s", i, line)
		}
		i++
	}
	b.until("the rest is filtered", func() bool { return b.book("pass").Filtered == int64(len(filtered)) })
	if book := b.book("pass"); book.Error != int64(len(bad)) || book.InFlight != 0 {
		t.Errorf("book %+v", book)
	}
	b.stop()
}
