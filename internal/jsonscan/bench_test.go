package jsonscan_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"edge/internal/cputimetest"
	"edge/internal/jsonscan"
)

// The message of a robot, 200 bytes in eleven fields.
const robot = `{"id":"robot-0042","dataType":"ROBOT","floorName":"F3","ts":1732270000123,"seq":81234,"battery":87.5,` +
	`"charging":false,"coordinates":{"x":12.345,"y":-7.25,"theta":1.5708},"speed":0.42,"mode":"auto"}`

var eight = [][]string{{"id"}, {"dataType"}, {"floorName"}, {"ts"}, {"seq"}, {"battery"}, {"coordinates", "x"}, {"coordinates", "y"}}

func benchScan(b *testing.B, paths [][]string) {
	plan := jsonscan.NewPlan(paths)
	out := make([]jsonscan.Value, len(paths))
	payload := []byte(robot)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	stop := cputimetest.Start(b)
	for b.Loop() {
		if err := plan.Scan(payload, 0, out); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}

// BenchmarkScanAs is BenchmarkScan8 and 2 of payloads that look like the one before.
func BenchmarkScanAs(b *testing.B) {
	for name, paths := range map[string][][]string{"8": eight, "2": eight[1:3]} {
		b.Run(name, func(b *testing.B) {
			plan := jsonscan.NewPlan(paths)
			out := make([]jsonscan.Value, len(paths))
			payload := []byte(robot)
			var guess jsonscan.Guess
			b.ReportAllocs()
			stop := cputimetest.Start(b)
			for b.Loop() {
				if _, err := plan.ScanAs(&guess, payload, 0, out); err != nil {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
}

func BenchmarkScan8(b *testing.B) { benchScan(b, eight) }
func BenchmarkScan2(b *testing.B) { benchScan(b, eight[1:3]) }

// What eight fields cost among a thousand that other rules want.
func BenchmarkScan8of1000(b *testing.B) { benchScan(b, append(numbered(1000), eight...)) }

func BenchmarkValid(b *testing.B) {
	payload := []byte(robot)
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		if err := jsonscan.Valid(payload, 0); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}

func BenchmarkDecode(b *testing.B) {
	payload := []byte(robot)
	b.Run("jsonscan", func(b *testing.B) {
		b.ReportAllocs()
		stop := cputimetest.Start(b)
		for b.Loop() {
			if jsonscan.Decode(payload) == nil {
				b.Fatal("nothing decoded")
			}
		}
		stop()
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		stop := cputimetest.Start(b)
		for b.Loop() {
			var v any
			if err := json.Unmarshal(payload, &v); err != nil {
				b.Fatal(err)
			}
		}
		stop()
	})
}

func BenchmarkAppendValue(b *testing.B) {
	v := jsonscan.Decode([]byte(robot))
	b.Run("jsonscan", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		stop := cputimetest.Start(b)
		for b.Loop() {
			dst, _ = jsonscan.AppendValue(dst[:0], v)
		}
		stop()
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		stop := cputimetest.Start(b)
		for b.Loop() {
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
		stop()
	})
}

func BenchmarkAppendFloat(b *testing.B) {
	for _, f := range []float64{12, 12.345, 1.0 / 3} {
		b.Run(strconv.FormatFloat(f, 'g', 4, 64), func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			stop := cputimetest.Start(b)
			for b.Loop() {
				dst, _ = jsonscan.AppendFloat(dst[:0], f)
			}
			stop()
		})
	}
}

func numbered(n int) [][]string {
	paths := make([][]string, n)
	for i := range paths {
		paths[i] = []string{"field_" + strconv.Itoa(i) + "_of_many"}
	}
	return paths
}
