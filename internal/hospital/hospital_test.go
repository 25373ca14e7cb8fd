package hospital

import (
	"encoding/json"
	"testing"
	"time"
)

// One seed gives the same messages, and another other ones; devices take turns, and each message has a number.
func TestHospital(t *testing.T) {
	a, b, c := New(7, 1), New(7, 1), New(7, 2)
	now := time.UnixMilli(1_800_000_000_000)
	differs := false
	topics := map[string]int{}
	for i := range 70 {
		topic, payload := a.Next(now)
		_, same := b.Next(now)
		_, other := c.Next(now)
		if string(payload) != string(same) {
			t.Fatalf("message %d: %s and %s", i, payload, same)
		}
		differs = differs || string(payload) != string(other)
		topics[topic]++
		var m struct {
			DataType, ID, FloorName string
			Battery                 int
			TS, Seq                 int64
		}
		if err := json.Unmarshal(payload, &m); err != nil || topic != "hospital/H1/device/"+m.ID+"/status" ||
			m.Seq != int64(i+1) || m.TS != now.UnixMilli() || m.Battery < 0 || m.Battery > 100 || m.FloorName == "" {
			t.Errorf("%s %s: %v", topic, payload, err)
		}
	}
	if !differs || len(topics) != 7 || topics["hospital/H1/device/r-1/status"] != 10 {
		t.Errorf("%v %v", differs, topics)
	}
}
