package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const fences = `zones:
  dock: {frame: F, circle: {center: [0, 0], radius: 10}}
  slow: {frame: F, box: [-10, -10, 10, 10], dwell: 2s}
  wide: {frame: F, box: [-10, -10, 10, 10], hysteresis: 1 m}
frames: {F: {}}
`

func TestGeofence(t *testing.T) {
	y := play(t, load(t, fences+head+`    key: payload.id
    map: {id: key, dock: 'geofence(payload.p, "dock")'}
    route: [{to: nats, subject: a, when: 'out.dock in ["enter", "exit"]'}, {to: dead, when: 'out.dock not in ["enter", "exit"]'}]
`))
	for _, p := range []string{`[20,0]`, `[10,0]`, `[0,3]`, `[11,0]`, `[12,0]`, `[0,0]`} {
		y.send(0, topic, `{"id":1,"p":`+p+`}`)
	}
	y.send(0, topic, `{"id":2,"p":{"x":1,"y":2}}`)
	y.expect(`0s dead {"id":1,"dock":"outside"}`, `0s nats a {"id":1,"dock":"enter"}`, `0s dead {"id":1,"dock":"inside"}`, `0s nats a {"id":1,"dock":"exit"}`,
		`0s dead {"id":1,"dock":"outside"}`, `0s nats a {"id":1,"dock":"enter"}`, `0s dead {"id":2,"dock":"inside"}`)
}

// No condition hides a message from a fence, as long as it passes when; a fence that when reads sees them all.
func TestGeofenceSeesEveryMessage(t *testing.T) {
	const rest = `    map: {n: payload.n, e: 'payload.n > 3 ? geofence(payload.p, "dock") : "-"'}
    route: [{to: dead}]
`
	send := func(text string) *player {
		y := play(t, load(t, fences+head+text+rest))
		for i, p := range []string{"[50,0]", "[0,0]", "[0,1]", "[0,2]", "[50,0]", "null", "[50,1]", "[0,0]"} {
			y.send(0, topic, fmt.Sprintf(`{"n":%d,"p":%s,"id":%d}`, i, p, i/2))
		}
		return y
	}
	hidden := []string{`0s dead {"n":0,"e":"-"}`, `0s dead {"n":1,"e":"-"}`, `0s dead {"n":2,"e":"-"}`, `0s dead {"n":3,"e":"-"}`, `0s dead {"n":4,"e":"exit"}`, `0s dead {"n":6,"e":"outside"}`, `0s dead {"n":7,"e":"enter"}`}
	y := send("")
	y.expect(hidden...)
	if got := balance(t, y.p, "r"); !strings.Contains(got, "error 1 ") || !strings.Contains(got, "missing_field:1") {
		t.Error(got)
	}
	// What when drops does not count: messages 1 to 4 are as if never sent.
	send("    when: payload.n == 0 or payload.n > 4\n").expect(`0s dead {"n":0,"e":"-"}`, `0s dead {"n":6,"e":"outside"}`, `0s dead {"n":7,"e":"enter"}`)
	send("    dedupe: {by: payload.id, within: 1h}\n").expect(`0s dead {"n":0,"e":"-"}`, `0s dead {"n":2,"e":"-"}`, `0s dead {"n":4,"e":"exit"}`, `0s dead {"n":6,"e":"outside"}`)
	// In when, and in a let that when uses, also behind or: of all messages.
	send("    when: payload.n == 7 or geofence(payload.p, \"dock\") in [\"enter\", \"exit\"]\n").expect(`0s dead {"n":1,"e":"-"}`, `0s dead {"n":4,"e":"exit"}`, `0s dead {"n":7,"e":"enter"}`)
	send("    let: {e: 'geofence(payload.p, \"dock\")'}\n    when: e == \"exit\"\n").expect(`0s dead {"n":4,"e":"exit"}`)
	// dedupe.by reads it after when and before dedupe drops anything.
	send("    when: payload.n != 1\n    dedupe: {by: 'geofence(payload.p, \"dock\") ?? payload.n', within: 1h}\n").expect(
		`0s dead {"n":0,"e":"-"}`, `0s dead {"n":2,"e":"-"}`, `0s dead {"n":3,"e":"-"}`, `0s dead {"n":4,"e":"exit"}`)
}

// An id has a state of its own, whatever the key is; two points of one key do not disturb each other.
func TestGeofenceID(t *testing.T) {
	y := play(t, load(t, fences+head+`    key: params.id
    max_keys: 1
    map: {tag: 'geofence(payload.p, "dock", payload.tag)', key: 'geofence(payload.p, "dock")', other: 'geofence(payload.q, "dock")', again: 'geofence(payload.p, "dock")'}
    route: [{to: dead}]
`))
	y.send(0, "hospital/H1/device/a/status", `{"tag":1,"p":[0,0],"q":[50,0]}`)
	y.send(0, "hospital/H1/device/a/status", `{"tag":1,"p":[50,0],"q":[0,0]}`)
	y.send(0, "hospital/H1/device/a/status", `{"p":[50,0],"q":[0,0]}`)
	y.send(0, "hospital/H1/device/a/status", `{"tag":[1],"p":[50,0],"q":[0,0]}`)
	y.send(0, "hospital/H1/device/a/status", `{"tag":1,"p":[0,0],"q":"x"}`)
	y.send(0, "hospital/H1/device/a/status", `{"tag":1,"p":[0,0],"q":[0,0]}`)
	y.expect(`0s dead {"tag":"inside","key":"inside","other":"outside","again":"inside"}`, `0s dead {"tag":"exit","key":"exit","other":"enter","again":"exit"}`,
		`0s dead {"tag":"inside","key":"inside","other":"inside","again":"inside"}`)
	if r := y.p.rules[0]; len(r.fences) != 3 {
		t.Errorf("%d fences, want 3", len(r.fences))
	}
	if got := balance(t, y.p, "r"); !strings.Contains(got, "error 3 ") || !strings.Contains(got, "null_key:2") || !strings.Contains(got, "wrong_type:1") {
		t.Error(got)
	}
}

func TestGeofenceOfID(t *testing.T) {
	y := play(t, load(t, fences+head+"    map: {e: 'geofence(payload.p, \"dock\", payload.tag)'}\n    route: [{to: dead}]\n"))
	y.send(0, "hospital/H1/device/a/status", `{"tag":1,"p":[0,0]}`)
	y.send(0, "hospital/H1/device/b/status", `{"tag":1,"p":[50,0]}`)
	y.send(0, "hospital/H1/device/b/status", `{"tag":"1","p":[50,0]}`)
	y.expect(`0s dead {"e":"inside"}`, `0s dead {"e":"exit"}`, `0s dead {"e":"outside"}`)
}

func TestGeofenceDwellAndHysteresis(t *testing.T) {
	rule := func(zone string) *player {
		return play(t, load(t, fences+head+"    map: {e: 'geofence(payload, \""+zone+"\")'}\n    route: [{to: dead}]\n"))
	}
	y := rule("slow")
	for i, x := range []int{50, 0, 0, 50, 0, 0, 0, 0, 50, 50, 50} {
		y.send(time.Duration(i)*time.Second, topic, fmt.Sprintf("[%d,0]", x))
	}
	y.expect(`0s dead {"e":"outside"}`, `1s dead {"e":"outside"}`, `2s dead {"e":"outside"}`, `3s dead {"e":"outside"}`, `4s dead {"e":"outside"}`, `5s dead {"e":"outside"}`,
		`6s dead {"e":"enter"}`, `7s dead {"e":"inside"}`, `8s dead {"e":"inside"}`, `9s dead {"e":"inside"}`, `10s dead {"e":"exit"}`)
	y = rule("wide")
	for _, x := range []string{"10.5", "10", "10.5", "11", "11.01", "10.5", "9"} {
		y.send(0, topic, "["+x+",0]")
	}
	y.expect(`0s dead {"e":"outside"}`, `0s dead {"e":"enter"}`, `0s dead {"e":"inside"}`, `0s dead {"e":"inside"}`, `0s dead {"e":"exit"}`, `0s dead {"e":"outside"}`, `0s dead {"e":"enter"}`)
}

// Who is inside is known over a reload, also when the zone or the point's expression has changed.
func TestGeofenceReload(t *testing.T) {
	rule := func(radius int, point string) string {
		return fmt.Sprintf("frames: {F: {}}\nzones: {dock: {frame: F, circle: {center: [0, 0], radius: %d}}}\n%s    map: {e: 'geofence(%s, \"dock\")'}\n    route: [{to: dead}]\n", radius, head, point)
	}
	y := play(t, load(t, rule(10, "payload.p")))
	y.send(0, topic, `{"p":[5,0]}`)
	y.reload(rule(10, "payload.q"))
	y.send(0, topic, `{"q":[5,0]}`)
	y.reload(rule(3, "payload.q"))
	y.send(0, topic, `{"q":[5,0]}`)
	y.expect(`0s dead {"e":"inside"}`, `0s dead {"e":"inside"}`, `0s dead {"e":"exit"}`)
	y.reload(head + "    map: {e: 1}\n    throttle: {rate: 1/s}\n    route: [{to: dead}]\n")
	if lost := strings.Join(y.p.Lost(), "\n"); !strings.Contains(lost, "geofence of dock") {
		t.Error(lost)
	}
}

// A silence has no message, so geofence says nothing of it.
func TestGeofenceOfSilence(t *testing.T) {
	y := play(t, load(t, fences+head+"    absent: {for: 5s}\n    map: {gone: absent, e: 'geofence(payload?.p ?? nil, \"dock\")'}\n    route: [{to: dead}]\n"))
	y.send(0, topic, `{"p":[0,0]}`)
	y.until(6 * time.Second)
	y.send(7*time.Second, topic, `{"p":[50,0]}`)
	y.expect(`5s dead {"gone":true,"e":null}`, `7s dead {"gone":false,"e":"exit"}`)
}

// Fences against a machine of three lines, on a random walk.
func TestGeofenceIsNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, zone := range []struct {
		name       string
		dwell      int
		hysteresis float64
	}{{"slow", 2, 0}, {"wide", 0, 1}} {
		y := play(t, load(t, fences+head+"    map: {e: 'geofence(payload, \""+zone.name+"\", params.id)'}\n    route: [{to: dead}]\n"))
		type state struct {
			seen, inside bool
			other        []int // times at which it was on the other side, without a break
		}
		states := map[string]*state{}
		var want []string
		now := 0
		for range 2000 {
			now += r.IntN(3)
			id, x := fmt.Sprint(r.IntN(3)), float64(r.IntN(30))/2
			y.send(time.Duration(now)*time.Second, "hospital/H1/device/"+id+"/status", fmt.Sprintf("[%v,0]", x))
			s := states[id]
			if s == nil {
				s = &state{}
				states[id] = s
			}
			inside := x <= 10 || s.seen && s.inside && x <= 10+zone.hysteresis
			word := map[bool]string{true: "inside", false: "outside"}
			said := ""
			switch {
			case !s.seen || inside == s.inside:
				s.seen, s.inside, s.other = true, inside, nil
				said = word[inside]
			default:
				s.other = append(s.other, now)
				said = word[s.inside]
				if now-s.other[0] >= zone.dwell {
					said = map[bool]string{true: "enter", false: "exit"}[inside]
					s.inside, s.other = inside, nil
				}
			}
			want = append(want, fmt.Sprintf(`%v dead {"e":"%s"}`, time.Duration(now)*time.Second, said))
		}
		y.expect(want...)
	}
}

// A whole message through a rule, as BenchmarkFilter.
func BenchmarkInside(b *testing.B) {
	benchmark(b, fences+head+"    when: inside(payload.coordinates, \"wide\")\n    route: [{to: dead, when: 'false'}]\n")
}

func BenchmarkZonesAt(b *testing.B) {
	benchmark(b, fences+head+"    when: len(zones_at(payload.coordinates, \"F\")) == 0\n    route: [{to: dead, when: 'false'}]\n")
}

func BenchmarkGeofence(b *testing.B) {
	benchmark(b, fences+head+"    when: geofence(payload.coordinates, \"dock\") == \"exit\"\n    route: [{to: dead, when: 'false'}]\n")
}
