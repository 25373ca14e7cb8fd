package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"gopkg.in/yaml.v3"

	"edge/internal/brokertest"
)

// TestExamplesRun publishes the input of every test in examples/rules to the real program on examples/edge.yaml,
// and waits for the outputs that the test expects at the MQTT and NATS sinks and in the dead letters. A robot counts
// as silent after a second here.
func TestExamplesRun(t *testing.T) {
	broker := mosquitto(t)
	s := natsServer(t, t.TempDir(), -1)
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	state := t.TempDir()
	var mu sync.Mutex
	seen := map[string][]string{} // payloads by address
	note := func(address string, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen[address] = append(seen[address], string(payload))
	}
	client := natsClient(t, s.ClientURL())
	if _, err := client.Subscribe(">", func(m *nats.Msg) { note(m.Subject, m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	o := newOracle(t, 1)
	o.tell = func(topic string, payload []byte) { note(topic, payload) }
	o.watch(broker.Addr(), "#")

	b := &box{t: t, dir: "../examples", env: []string{"MQTT_URL=" + broker.URL(), "NATS_URL=" + s.ClientURL(), "HTTP_URL=" + web.URL, "EDGE_LISTEN=127.0.0.1:0", "EDGE_STATE=" + state, "OFFLINE_AFTER=1s"}}
	b.start()
	c := brokertest.Dial(t, broker.Addr())
	files, err := filepath.Glob("../examples/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	waited := 0
	for _, file := range files {
		var rules struct {
			Tests []struct {
				Name  string
				Input []struct {
					At, Topic string
					Payload   any
				}
				Expect []struct {
					Sink, Topic, Subject string
					Payload, Contains    map[string]any
				}
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &rules); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, test := range rules.Tests {
			if last := len(test.Input) - 1; last >= 0 && test.Input[last].At != "" {
				continue // that takes time; its input is not for a broker but for the virtual clock of edge test
			}
			for _, in := range test.Input {
				text, isText := in.Payload.(string)
				if !isText {
					payload, err := json.Marshal(in.Payload)
					if err != nil {
						t.Fatal(err)
					}
					text = string(payload)
				}
				c.Publish(in.Topic, text, 1)
			}
			for _, want := range test.Expect {
				if want.Sink == "api" { // its batches are not told apart here
					continue
				}
				waited++
				waitFor(t, test.Name+": "+want.Sink+" has it", func() bool {
					mu.Lock()
					got := seen[want.Topic+want.Subject]
					mu.Unlock()
					if want.Sink == "dead_letters" {
						letters, _ := os.ReadFile(filepath.Join(state, "dead_letters.jsonl"))
						got = strings.Split(string(letters), "\n")
					}
					for _, text := range got {
						if holds(text, want.Payload, want.Contains) {
							return true
						}
					}
					return false
				})
			}
		}
	}
	if waited < 5 {
		t.Errorf("only %d outputs were expected", waited)
	}
	b.stop()
}

// holds says whether a payload is all of whole, or has all of part; either may be left out.
func holds(text string, whole, part map[string]any) bool {
	var got map[string]any
	if json.Unmarshal([]byte(text), &got) != nil {
		return false
	}
	like := func(v any) any { // as JSON has it
		text, _ := json.Marshal(v)
		var out any
		_ = json.Unmarshal(text, &out)
		return out
	}
	for name, v := range part {
		if !reflect.DeepEqual(got[name], like(v)) {
			return false
		}
	}
	return whole == nil || reflect.DeepEqual(any(got), like(whole))
}
