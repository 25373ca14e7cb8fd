package rules

import (
	"testing"
	"time"
)

func dur(i int) time.Duration { return time.Duration(i) }

const ms = time.Millisecond

func TestThrottleFirst(t *testing.T) {
	for _, test := range []struct {
		rate string
		at   []int // ms
		want []int
	}{
		{"1/s", []int{0, 1, 999, 1000, 1500, 2500}, []int{0, 1000, 2500}},
		{"2/s", []int{0, 0, 0, 499, 500, 501, 1000, 5000, 5000, 5000}, []int{0, 0, 500, 1000, 5000, 5000}},
		{"3/10s", []int{0, 0, 0, 0, 3333, 3334, 6666, 6667}, []int{0, 0, 0, 3334, 6667}},
		{"10/30s", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2999, 3000, 5999, 6000}, []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3000, 6000}},
		{"1/100ms", []int{0, 99, 100}, []int{0, 100}},
	} {
		p := load(t, head+"    key: params.id\n    throttle: {rate: "+test.rate+"}\n    route: [{to: dead}]\n")
		y := play(t, p)
		for _, at := range test.at {
			y.send(ms*dur(at), topic, `1`)
		}
		y.send(ms*dur(test.at[len(test.at)-1]), "hospital/H1/device/other/status", `2`)
		var want []string
		for _, at := range test.want {
			want = append(want, (ms*dur(at)).String()+" dead 1")
		}
		want = append(want, (ms*dur(test.at[len(test.at)-1])).String()+" dead 2")
		y.expect(want...)
		if s := p.Stats()[0]; int(s.Suppressed) != len(test.at)-len(test.want) {
			t.Errorf("%s: book %+v", test.rate, s)
		}
	}
}

func TestThrottleLast(t *testing.T) {
	p := load(t, head+`    key: params.id
    throttle: {rate: 1/10s, keep: last}
    id: string(payload)
    headers: {n: string(payload)}
    route:
      - {to: dead}
      - {to: nats, subject: "n.{{ payload }}"}
      - {when: payload == 3, to: dead2}
`)
	y := play(t, p)
	y.send(0, topic, `1`)
	y.send(4*seconds, "hospital/H1/device/b/status", `2`)
	y.send(9*seconds, topic, `3`)
	y.until(10 * seconds)
	y.expect("10s dead 3", "10s nats n.3 3", "10s dead2 3")
	y.send(10*seconds, topic, `4`) // a new interval
	y.until(19 * seconds)
	y.expect("14s dead 2", "14s nats n.2 2")
	y.until(60 * seconds)
	y.expect("20s dead 4", "20s nats n.4 4")
	if s := p.Stats()[0]; s.Kept != 4 || s.Results != 3 || s.InFlight != 0 || s.Keys != 0 || s.StateBytes != 0 {
		t.Errorf("book %+v", s)
	}
}

// A message at the very end of an interval comes before what ends then.
func TestThrottleLastAtTheEnd(t *testing.T) {
	p := load(t, head+"    throttle: {rate: 1/10s, keep: last}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, topic, `1`)
	y.send(10*seconds, topic, `2`)
	y.until(30 * seconds)
	y.expect("10s dead 2")
}

// What throttle holds is not lost when a reload changes or removes it, or when its key has no room.
func TestThrottleLastIsNotLost(t *testing.T) {
	const rule = head + "    key: params.id\n    throttle: {rate: 1/10s, keep: last}\n    max_keys: 2\n    route: [{to: dead}]\n"
	y := play(t, load(t, rule))
	for _, id := range []string{"a", "b", "c"} {
		y.send(0, "hospital/H1/device/"+id+"/status", `"`+id+`"`)
	}
	y.expect(`0s dead "a"`)
	y.reload(head + "    key: params.id\n    throttle: {rate: 1/20s, keep: last}\n    route: [{to: mq, topic: x}]\n")
	y.until(20 * seconds)
	y.expect(`20s dead "b"`, `20s dead "c"`) // made whole when it was held
	y.send(20*seconds, topic, `1`)
	y.reload(head + "    key: params.id\n    on_change: {}\n    route: [{to: dead}]\n")
	y.until(21 * seconds)
	y.send(21*seconds, topic, `2`)
	y.until(60 * seconds)
	y.expect("20s mq x 1", "21s dead 2")
}

// The newest stays when a newer one fits no route, and an error of one counts as that.
func TestThrottleLastAndRoutes(t *testing.T) {
	p := load(t, head+"    throttle: {rate: 1/s, keep: last}\n    route: [{when: payload.n > 0, to: dead}, {when: payload.bad == true, to: nats, subject: '{{ payload.no }}'}]\n")
	y := play(t, p)
	y.send(0, topic, `{"n":1,"bad":true}`)
	y.send(0, topic, `{"n":0}`)
	y.until(5 * seconds)
	y.expect(`1s dead {"n":1,"bad":true}`)
	if s := p.Stats()[0]; s.Error != 1 || s.Filtered != 1 || s.Kept != 0 || s.InFlight != 0 {
		t.Errorf("book %+v", s)
	}
}
