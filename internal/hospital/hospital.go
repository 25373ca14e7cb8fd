// Package hospital is a simulated hospital: the demo shows it, edge bench measures with it.
package hospital

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A Hospital is robots that drive about, docks that they charge at, and cabinets with drawers.
type Hospital struct {
	devices []*device
	random  *rand.Rand
	turn    int
	seq     int64
}

type device struct {
	DataType    string   `json:"dataType"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	FloorName   string   `json:"floorName"`
	Coordinates point    `json:"coordinates"`
	Theta       float64  `json:"theta"`
	Speed       float64  `json:"speed"`
	Battery     int      `json:"battery"`
	Charging    bool     `json:"charging"`
	Drawers     []drawer `json:"drawers,omitempty"`
	TS          int64    `json:"ts"`
	Seq         int64    `json:"seq"`
}

type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	Z float64 `json:"z"`
}

type drawer struct {
	Name  string `json:"name"`
	Open  bool   `json:"open"`
	Since int64  `json:"since"`
}

// New makes one with so many devices: three robots, a dock and a cabinet, and again. One seed gives the same messages
// each time, but for their ts.
func New(devices int, seed uint64) *Hospital {
	h := &Hospital{random: rand.New(rand.NewPCG(seed, seed))}
	numbers := map[string]int{}
	for i := range devices {
		d := &device{Battery: 100}
		kind := []string{"r", "r", "d", "r", "h"}[i%5]
		numbers[kind]++
		n := numbers[kind]
		d.ID = fmt.Sprintf("%s-%d", kind, n)
		switch kind {
		case "r":
			d.DataType, d.Name = "ROBOT", robots[(n-1)%len(robots)]
			d.FloorName, d.Battery, d.Speed = floor(n), 20+(63*n)%80, float64(5+n%7)/10
		case "d":
			d.DataType, d.FloorName, d.Coordinates = "DOCK", floor(n), point{X: 10 * float64(n), Y: 4}
			d.Name = "dock " + d.FloorName
		case "h":
			d.DataType, d.FloorName, d.Drawers = "HIVE", floor(n+1), []drawer{{Name: "A"}, {Name: "B"}}
			d.Name = "cabinet " + d.FloorName
		}
		h.devices = append(h.devices, d)
	}
	return h
}

var robots = []string{"medicine", "laundry", "meals"}

func floor(n int) string { return fmt.Sprintf("F%d", 1+(n-1)%3) }

// Next gives the next message: topic and payload. The devices take turns.
func (h *Hospital) Next(now time.Time) (string, []byte) {
	d := h.devices[h.turn%len(h.devices)]
	h.turn++
	h.seq++
	d.TS, d.Seq = now.UnixMilli(), h.seq
	switch d.DataType {
	case "ROBOT":
		d.move(h.random)
	case "DOCK":
		d.Charging = h.random.IntN(3) == 0
	case "HIVE":
		for i := range d.Drawers {
			if open := h.random.IntN(4) == 0; open != d.Drawers[i].Open {
				d.Drawers[i].Open, d.Drawers[i].Since = open, d.TS
			}
		}
	}
	payload, err := json.Marshal(d)
	if err != nil {
		panic(err) // numbers, texts and booleans only
	}
	return "hospital/H1/device/" + d.ID + "/status", payload
}

// move drives a robot a bit, in pixels of its floor's map, and charges it when it is empty.
func (d *device) move(random *rand.Rand) {
	d.Theta = math.Round(math.Mod(d.Theta+random.Float64()-0.5, 2*math.Pi)*100) / 100
	d.Coordinates.X = math.Round((d.Coordinates.X+20*d.Speed*math.Cos(d.Theta))*100) / 100
	d.Coordinates.Y = math.Round((d.Coordinates.Y+20*d.Speed*math.Sin(d.Theta))*100) / 100
	switch {
	case d.Charging && d.Battery >= 95:
		d.Charging = false
	case d.Charging:
		d.Battery += 5
	case d.Battery < 15:
		d.Charging = true
	default:
		d.Battery--
	}
}
