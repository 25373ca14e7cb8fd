package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"time"
)

// A hospital is robots that drive about, docks that they charge at, and cabinets with drawers.
type hospital struct {
	devices []*device
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

func newHospital() *hospital {
	return &hospital{devices: []*device{
		{DataType: "ROBOT", ID: "r-1", Name: "medicine", FloorName: "F1", Battery: 83, Speed: 0.8},
		{DataType: "ROBOT", ID: "r-2", Name: "laundry", FloorName: "F2", Battery: 41, Speed: 0.6},
		{DataType: "DOCK", ID: "d-1", Name: "dock F1", FloorName: "F1", Coordinates: point{X: 10, Y: 4}, Battery: 100},
		{DataType: "ROBOT", ID: "r-3", Name: "meals", FloorName: "F3", Battery: 21, Speed: 1.1},
		{DataType: "HIVE", ID: "h-1", Name: "cabinet F2", FloorName: "F2", Battery: 100, Drawers: []drawer{{Name: "A"}, {Name: "B"}}},
	}}
}

// next gives the next message: topic and payload.
func (h *hospital) next(now time.Time) (string, []byte) {
	d := h.devices[h.turn%len(h.devices)]
	h.turn++
	h.seq++
	d.TS, d.Seq = now.UnixMilli(), h.seq
	switch d.DataType {
	case "ROBOT":
		d.move()
	case "DOCK":
		d.Charging = rand.IntN(3) == 0
	case "HIVE":
		for i := range d.Drawers {
			if open := rand.IntN(4) == 0; open != d.Drawers[i].Open {
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
func (d *device) move() {
	d.Theta = math.Round(math.Mod(d.Theta+rand.Float64()-0.5, 2*math.Pi)*100) / 100
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
