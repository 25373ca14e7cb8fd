package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// windowed is a rule with a window, keyed by the id of the topic. The window is what stands inside of {}.
func windowed(window, aggregate string) string {
	return head + "    key: params.id\n    window: {" + window + "}\n    aggregate: {" + aggregate + "}\n    route: [{to: dead}]\n"
}

const listing = "k: key, v: collect(payload.v), s: window.start, e: window.end"

// device sends a value of a device at a time, with a timestamp, both in seconds.
func (y *player) device(at float64, id string, ts, v int) {
	y.t.Helper()
	y.send(time.Duration(at*float64(time.Second)), "hospital/H1/device/"+id+"/status", fmt.Sprintf(`{"ts":%d,"v":%d}`, ts*1000, v))
}

// results are times and payloads of what came out, with the windows in seconds since the start: k [v] s..e
func (y *player) results(want ...string) {
	y.t.Helper()
	y.expect(want...)
}

func TestTumblingInProcessingTime(t *testing.T) {
	y := play(t, load(t, windowed("type: tumbling, size: 10s", "k: key, n: count(), s: window.start")))
	y.device(0, "a", 0, 1)
	y.device(1, "b", 0, 1)
	y.device(9.999, "a", 0, 1)
	y.device(10, "b", 0, 1)
	y.until(time.Minute)
	y.expect(`10s dead {"k":"a","n":2,"s":1700000000000}`, `10s dead {"k":"b","n":1,"s":1700000000000}`, `20s dead {"k":"b","n":1,"s":1700000010000}`)
	if s := y.p.Stats()[0]; s.Kept != 4 || s.Results != 3 || s.InFlight != 0 {
		t.Errorf("book %+v", s)
	}
	if m := y.p.rules[0].memory; len(m.keys) != 0 || m.bytes != 0 {
		t.Errorf("%d keys and %d bytes are left", len(m.keys), m.bytes)
	}
}

func TestTumblingInEventTime(t *testing.T) {
	y := play(t, load(t, windowed("type: tumbling, size: 10s, timestamp: payload.ts, grace: 2s, idle_timeout: 5s, on_late: {to: dead2}", "k: key, v: collect(payload.v), s: window.start")))
	y.device(0, "a", 3, 1)
	y.device(0, "b", 11, 2)
	y.device(0, "a", 1, 3)
	y.device(0, "a", 12, 4)
	y.device(0, "b", 9, 5) // late
	y.device(1, "b", 13, 6)
	y.until(time.Minute)
	for i, got := range y.got {
		if strings.Contains(got, "dead2") {
			y.got[i] = "late"
		}
	}
	y.expect(`0s dead {"k":"a","v":[3,1],"s":0}`, "late", `6s dead {"k":"b","v":[2,6],"s":10000}`, `6s dead {"k":"a","v":[4],"s":10000}`)
}
