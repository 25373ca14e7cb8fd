package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/engine"
	"edge/internal/cputimetest"
)

const robot = `{"dataType":"ROBOT","id":"r-0042","name":"robot-42","floorName":"F3","coordinates":{"x":12.34,"y":-5.61,"z":0.0},"theta":1.57,"speed":0.82,"battery":83,"charging":false,"ts":1732270000123,"seq":123}`

func benchmark(b *testing.B, text string) { benchmarkOf(b, load(b, text)) }

func benchmarkOf(b *testing.B, p *Program) {
	l := p.Lane()
	now := time.Now()
	emit := func(_ string, out *engine.Message) { out.Done() }
	settled := func(*engine.Message, engine.Outcome) {}
	m := &engine.Message{Topic: "hospital/H1/device/r-0042/status", Key: "hospital/H1/device/r-0042/status", Payload: []byte(robot), Received: now, Meta: &engine.Meta{Source: "in", QoS: 1}}
	b.ReportAllocs()
	b.SetBytes(0)
	stop := cputimetest.Start(b)
	for b.Loop() {
		m.Receive(settled)
		l.Process(now, m, emit)
		m.Done()
	}
	stop()
}

const bench = `frames:
  building: {}
  F3: {parent: building, translation: [100, 200], rotation: {yaw_deg: 90}, scale: 0.05}
rules:
  r:
    source: in
    topic: hospital/{site}/device/{id}/status
`

// BenchmarkFilter: a message that one condition on two fields turns away.
func BenchmarkFilter(b *testing.B) {
	benchmark(b, bench+"    when: payload.dataType == \"ROBOT\" and payload.battery < 20\n    route: [{to: dead}]\n")
}

// transforming is the rest of a rule that filters, transforms and maps.
const transforming = `    when: payload.dataType == "ROBOT" and payload.battery >= 20
    let: {p: 'transform(payload.coordinates, "F3", "building")'}
    map: {id: payload.id, floor: payload.floorName, x: p.x, y: p.y, ts: payload.ts, seq: payload.seq}
    route: [{to: mq, topic: "out/{{ out.floor }}/{{ out.id }}"}]
`

// BenchmarkTransform: filter, transform, map of six fields, encode, topic, ack.
func BenchmarkTransform(b *testing.B) {
	benchmark(b, bench+transforming)
}

// BenchmarkArithmetic: the same by arithmetic.
func BenchmarkArithmetic(b *testing.B) {
	benchmark(b, bench+`    when: payload.dataType == "ROBOT" and payload.battery >= 20
    map: {id: payload.id, floor: payload.floorName, x: 100 - 0.05 * payload.coordinates.y, y: 200 + 0.05 * payload.coordinates.x, ts: payload.ts, seq: payload.seq}
    route: [{to: mq, topic: "out/{{ out.floor }}/{{ out.id }}"}]
`)
}

// BenchmarkNaive is the baseline: the same job with encoding/json and Go by hand.
func BenchmarkNaive(b *testing.B) {
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		var in map[string]any
		if err := json.Unmarshal([]byte(robot), &in); err != nil {
			b.Fatal(err)
		}
		if in["dataType"] != "ROBOT" || in["battery"].(float64) < 20 {
			b.Fatal("filtered")
		}
		at := in["coordinates"].(map[string]any)
		out, err := json.Marshal(map[string]any{
			"id": in["id"], "floor": in["floorName"], "x": 100 - 0.05*at["y"].(float64), "y": 200 + 0.05*at["x"].(float64),
			"ts": in["ts"], "seq": in["seq"],
		})
		if err != nil || len("out/"+in["floorName"].(string)+"/"+in["id"].(string)) == 0 || len(out) == 0 {
			b.Fatal(err)
		}
	}
	stop()
}

// BenchmarkTable: a row of a table of a thousand, by the topic, and a field of it.
func BenchmarkTable(b *testing.B) {
	text := "id,ward,name\n"
	for i := range 1000 {
		text += fmt.Sprintf("r-%04d,W%d,robot\n", i, i%7)
	}
	env := testEnv
	env.ReadFile = diskOf("rules/d.csv", text)
	benchmarkOf(b, loadWith(b, env, "tables: {d: {file: d.csv, key: id}}\n"+bench[strings.Index(bench, "rules:"):]+"    when: d[params.id].ward == \"none\"\n    route: [{to: dead}]\n"))
}

// BenchmarkLocal: a message through two rules, with nothing left to do for the second.
func BenchmarkLocal(b *testing.B) {
	benchmark(b, bench+"    route: [{to: local, topic: 'x/{{ params.id }}'}]\n  second: {source: local, topic: 'x/{id}', when: payload.battery < 20, route: [{to: dead}]}\n")
}
