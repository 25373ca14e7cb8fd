package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/rules"
)

// benched runs a command line of edge bench and gives its report.
func benched(t *testing.T, args ...string) (r benchReport, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(append([]string{"bench", "--format", "json"}, args...), nil, &out, &errs)
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("edge bench %s: exit %d, %v\n%s%s", strings.Join(args, " "), code, err, out.String(), errs.String())
	}
	return r, code
}

func balance(t *testing.T, list []rules.RuleStats) map[string]rules.RuleStats {
	t.Helper()
	byName := map[string]rules.RuleStats{}
	for _, s := range list {
		byName[s.Name] = s
		if s.In != s.Delivered+s.Filtered+s.Suppressed+s.Late+s.Kept+s.Error+s.Dropped+s.Shadow || s.InFlight != 0 {
			t.Errorf("the books do not balance: %+v", s)
		}
	}
	return byName
}

// The rules of the examples, with sinks that are not there: what is measured is what came in after the warm-up.
func TestBenchExamples(t *testing.T) {
	t.Setenv("EDGE_STATE", t.TempDir())
	r, code := benched(t, "-c", "../../examples/edge.yaml", "-n", "2000")
	if code != 0 || r.Mode != "in_process" || r.Messages != 2000 || r.NotSent != 0 || r.Interrupted {
		t.Errorf("exit %d, %+v", code, r)
	}
	books := balance(t, r.Rules)
	if s := books["robot_pose"]; s.In != 2000 || s.Delivered != 1200 || s.Filtered != 800 {
		t.Errorf("three of five devices are robots: %+v", s)
	}
	for _, s := range r.Sinks {
		if s.Name == "api" && s.Messages != 1200 || s.Name == "dead_letters" && s.Messages != 0 {
			t.Errorf("%+v", s)
		}
	}
	if len(r.Sinks) != 4 || r.PerSecond <= 0 || r.Latency["p50"] <= 0 || r.Latency["max"] < r.Latency["p50"] || r.Allocs == nil {
		t.Errorf("%+v", r)
	}
	if runtime.GOOS == "linux" && (r.CPU == nil || r.Peak == 0 || r.Generator == nil) {
		t.Errorf("no CPU and memory: %+v", r)
	}
}

func TestBenchText(t *testing.T) {
	t.Setenv("EDGE_STATE", t.TempDir())
	var out, errs bytes.Buffer
	code := execute([]string{"bench", "-c", "../../examples/edge.yaml", "-n", "500", "--rate", "500"}, nil, &out, &errs)
	for _, want := range []string{"in process: ", "  messages     500 in ", "asked for: 500 a second", "p99.9", "from when a message was due until it was settled",
		"\n  robot_pose  ", "\n  fleet  "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if code != 0 || t.Failed() {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
}

// Each message has a number of its own, however often its line is sent, and a time that is now.
func TestBenchMessages(t *testing.T) {
	w := newWorld(t)
	w.write("messages.jsonl", `
{"topic": "ward/1", "payload": {"t": 31, "seq": "overwritten", "header": {"x": 1}}}
{"t": 20, "id": "b-7", "header": {"n": null}}
{"topic": "ward/3", "payload": "no JSON"}
{"topic": "elsewhere", "payload": {"header": {}}}
`)
	w.write("rules/warm.yaml", strings.ReplaceAll(`
rules:
  once: {source: ward, when: payload.t > 0, key: '"all"', dedupe: {by: payload.seq, within: 1h}, route: [{to: out}]}
  nested: {source: ward, when: payload.header.n > 0 and payload.t > 0, route: [{to: out}]}
  now: {source: ward, when: payload.at >= BEGAN, route: [{to: out}]}
  topic: {source: ward, when: topic == "ward/b-7", route: [{to: out}]}
  raw: {source: ward, topic: ward/3, route: [{to: out}]}
`, "BEGAN", strconv.FormatInt(time.Now().UnixMilli(), 10)))
	args := []string{"-c", w.path("edge.yaml"), "--messages", w.path("messages.jsonl"), "--topic", "ward/{{ payload.id }}", "-n", "300"}
	r, code := benched(t, append(args, "--ts", "at")...)
	books := balance(t, r.Rules)
	if code != 0 || r.Messages != 300 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "1 of 4 messages are on topics that no rule hears") {
		t.Errorf("exit %d, %+v", code, r)
	}
	for name, want := range map[string]int64{"once": 200, "now": 200, "topic": 100, "raw": 100, "nested": 0} {
		if got := books[name].Delivered; got != want {
			t.Errorf("%s: %d, want %d: %+v", name, got, want, books[name])
		}
	}
	r, _ = benched(t, append(args, "--id", "header.n")...)
	if books = balance(t, r.Rules); books["nested"].Delivered != 200 || books["now"].Delivered != 0 {
		t.Errorf("%+v", books)
	}
	if _, err := os.Stat(w.path("out.jsonl")); err == nil {
		t.Error("a sink of edge.yaml was written to")
	}
}

// What durable rules and disk buffers keep is not where that of the edge that runs is.
func TestBenchLeavesStateAlone(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", strings.Replace(wardConfig, "out.jsonl}", "out.jsonl}, buffer: {type: disk}", 1)+"state: {dir: state}\n")
	w.write("rules/warm.yaml", `
rules:
  counted:
    source: ward
    durable: true
    key: topic
    state: {n: {value: "(state.n ?? 0) + 1"}}
    map: {n: state.n}
    route: [{to: out}]
`)
	w.write("m.jsonl", `{"t": 1}`)
	t.Setenv("TMPDIR", t.TempDir())
	r, code := benched(t, "-c", w.path("edge.yaml"), "--messages", w.path("m.jsonl"), "--topic", "ward/1", "-n", "200")
	if books := balance(t, r.Rules); code != 0 || books["counted"].Delivered != 200 {
		t.Errorf("exit %d, %+v", code, r)
	}
	for _, dir := range []string{w.path("state"), os.TempDir()} {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s holds %v", dir, left)
		}
	}
}

// A time that is over, or Ctrl-C, ends it with a report.
func TestBenchEndsEarly(t *testing.T) {
	t.Setenv("EDGE_STATE", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := benchOptions{config: "../../examples/edge.yaml", devices: 10, id: "seq", format: "json", length: time.Hour}
	if err := o.check(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if err := bench(ctx, o, &out, &errs); err != nil {
		t.Fatal(err)
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || !r.Interrupted {
		t.Errorf("%v\n%s", err, out.String())
	}
	balance(t, r.Rules)
}

func TestBenchErrors(t *testing.T) {
	w := newWorld(t)
	w.write("bad.yaml", "rules:\n  x: {source: ward, when: paylod, route: [{to: out}]}\n")
	w.write("list.jsonl", `{"topic": "ward/1", "payload": [1]}`)
	w.write("empty.jsonl", "\n")
	w.write("no-topic.jsonl", `{"t": 1}`)
	w.write("source.jsonl", `{"topic": "ward/1", "payload": {}, "source": "wrd"}`)
	c := "-c " + w.path("edge.yaml") + " "
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"-c /no/such.yaml", 1, "such.yaml:1:1: is not there"},
		{c + "-r " + w.path("bad.yaml"), 1, "bad.yaml:2:27: rule \"x\": when: unknown name paylod, did you mean payload?"},
		{c, 1, "no rule hears any of the messages of 500 devices of the built-in hospital; rules hear ward/#: give messages for them with --messages FILE"},
		{c + "--messages /no/such", 1, "/no/such: no such file"},
		{c + "--messages " + w.path("empty.jsonl"), 1, "empty.jsonl has no message; write one a line"},
		{c + "--messages " + w.path("no-topic.jsonl"), 1, "no-topic.jsonl:1: no topic: give one with --topic"},
		{c + "--messages " + w.path("no-topic.jsonl") + " --topic {{payload.id}}", 1, "no-topic.jsonl:1: --topic: null_key: it is missing or null; give a default with ??"},
		{c + "--messages " + w.path("no-topic.jsonl") + " --topic a/{{payload.t", 1, "--topic: {{ without }}"},
		{c + "--messages " + w.path("no-topic.jsonl") + " --topic a/#", 1, "no-topic.jsonl:1: topic \"a/#\" holds +, # or NUL"},
		{c + "--messages " + w.path("source.jsonl"), 1, "no source \"wrd\""},
		{c + "--messages " + w.path("no-topic.jsonl") + " --topic ward/1 --id h.n", 1, "no-topic.jsonl:1: there is no h, so there can be no h.n"},
		{c + "--messages " + w.path("no-topic.jsonl") + " --topic ward/1 --id t.n", 1, "no-topic.jsonl:1: t is no object, so there can be no t.n"},
		{c + "--messages " + w.path("list.jsonl") + " --broker mqtt://127.0.0.1:1 --out o", 1, "list.jsonl:1: the payload is no JSON object, so it cannot carry the number"},
		{"--broker mqtt://127.0.0.1:1 --out o --expect paylod", 1, "--expect: unknown name paylod, did you mean payload?"},
		{"--broker mqtt://127.0.0.1:1 --out o --expect payload.seq==-1", 1, "--expect \"payload.seq==-1\" is true for none of the messages of 500 devices"},
		{"--broker mqtt://127.0.0.1:1 --out o --expect payload.id", 1, "--expect: of the message the built-in hospital: not_boolean: the condition gives text"},
		{c + "--source x --out o", 1, "has no source \"x\"; it has ward"},
		{"--broker mqtt://127.0.0.1:1 --out o --pid 999999999", 1, "--pid: process 999999999"},
		{"--expect true", 2, "--expect is for a run against a broker: give --broker URL or --source NAME too"},
		{"--broker mqtt://a", 2, "say with --out where the outputs are"},
		{"--broker tcp://a --out o", 2, "write mqtt or mqtts"},
		{"--broker mqtt://a --out a/#/b", 2, "--out: topic filter \"a/#/b\": # must stand alone at the end"},
		{"--broker mqtt://a --out o --qos 2", 2, "--qos wants 0 or 1, not 2"},
		{"--broker mqtt://a --out o --connections 0", 2, "--connections wants 1 to 1000"},
		{"--broker mqtt://a --out o --in-flight 0", 2, "--in-flight wants 1 to 100000"},
		{"--rate -1", 2, "--rate wants messages a second, above 0"},
		{"-n 0", 2, "-n wants a number of messages, 1 or more"},
		{"--for 0s", 2, "wants a time above zero"},
		{"--devices 0", 2, "--devices wants 1 to 1000000"},
		{"--topic a", 2, "--topic is for the lines of --messages FILE"},
		{"--messages m --devices 2", 2, "--devices is of the built-in hospital"},
		{"--id a..b", 2, "--id wants the name of a field, such as seq or header.seq, not \"a..b\""},
		{"surplus", 2, "surplus"},
	} {
		var out, errs bytes.Buffer
		code := execute(append([]string{"bench"}, strings.Fields(test.args)...), nil, &out, &errs)
		if code != test.code || !strings.Contains(errs.String(), test.says) || out.Len() > 0 {
			t.Errorf("edge bench %s: exit %d, want %d and %q\n%s%s", test.args, code, test.code, test.says, out.String(), errs.String())
		}
	}
}
