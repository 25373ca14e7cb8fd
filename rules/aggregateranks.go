package rules

import (
	"math"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// maxExact is up to how many values median, percentile and count_distinct are exact, as the reference promises.
const maxExact = 1024

// A DDSketch counts values in buckets whose bounds grow by a constant factor, so that a value that is read from
// it is off by less than 1 %. Each sign has at most 2,048 buckets of 8 bytes: 16 powers of ten. Of numbers that
// lie further apart, those next to zero share one bucket. Values below 1e-307 count as zero.
const (
	sketchError   = 0.009 // not 0.01: the interpolation between two values must not round beyond it
	sketchBuckets = 2048
)

var sketchMapping, _ = mapping.NewLogarithmicMapping(sketchError) // fails for errors outside of (0, 1) only

func newSketch() *ddsketch.DDSketch {
	return ddsketch.NewDDSketch(sketchMapping, store.NewCollapsingLowestDenseStore(sketchBuckets), store.NewCollapsingLowestDenseStore(sketchBuckets))
}

// ranked are the values of median and percentile: all of them while they are few, then a sketch.
type ranked struct {
	bits   []uint64 // int64, while all are integers, else float64
	floats bool
	sorted bool

	sketch    *ddsketch.DDSketch // then bits is nil
	low, high float64            // of the sketch
}

func (r *ranked) size() int {
	n := 64 + 8*cap(r.bits)
	if r.sketch != nil {
		n += 256 + bucketBytes(r.sketch.GetPositiveValueStore()) + bucketBytes(r.sketch.GetNegativeValueStore())
	}
	return n
}

// bucketBytes is about what a store has allocated: it grows in steps, and ahead of need.
func bucketBytes(s store.Store) int {
	if s.IsEmpty() {
		return 0
	}
	low, _ := s.MinIndex()
	high, _ := s.MaxIndex()
	return 8 * min(high-low+128, sketchBuckets)
}

func (c *cell) addRanked(slot *extra, v *Value) error {
	if !v.isNumber() {
		return c.wrong(v)
	}
	r, _ := (*slot).(*ranked)
	if r == nil {
		r = &ranked{}
		*slot = r
	}
	r.add(*v)
	return nil
}

func (r *ranked) add(v Value) {
	if r.sketch == nil && len(r.bits) == maxExact {
		r.toSketch()
	}
	if r.sketch != nil {
		f, _ := v.number()
		r.count(f)
		return
	}
	if v.kind == Float {
		r.toFloats()
	}
	if r.floats && v.kind == Int {
		v.bits = math.Float64bits(float64(v.int()))
	}
	r.bits = append(r.bits, v.bits)
	r.sorted = false
}

func (r *ranked) toFloats() {
	if r.floats {
		return
	}
	r.floats = true
	for i, b := range r.bits {
		r.bits[i] = math.Float64bits(float64(int64(b)))
	}
}

func (r *ranked) toSketch() {
	r.toFloats()
	r.sketch, r.low, r.high = newSketch(), math.Inf(1), math.Inf(-1)
	for _, b := range r.bits {
		r.count(math.Float64frombits(b))
	}
	r.bits = nil
}

// count puts a value into the sketch.
func (r *ranked) count(f float64) {
	r.low, r.high = min(r.low, f), max(r.high, f)
	most := r.sketch.MaxIndexableValue()
	_ = r.sketch.Add(max(-most, min(f, most))) // fails for what is beyond that only
}

func (r *ranked) len() int64 {
	if r.sketch != nil {
		return int64(r.sketch.GetCount())
	}
	return int64(len(r.bits))
}

// at gives the value of a rank, from 0.
func (r *ranked) at(rank int64) Value {
	if r.sketch == nil {
		if r.floats {
			return Value{kind: Float, bits: r.bits[rank]}
		}
		return intValue(int64(r.bits[rank]))
	}
	f, k := 0.0, float64(rank)
	negative, zero := r.sketch.GetNegativeValueStore(), r.sketch.GetZeroCount()
	below := negative.TotalCount()
	switch {
	case k < below:
		f = -r.sketch.Value(negative.KeyAtRank(below - 1 - k))
	case k >= below+zero:
		f = r.sketch.Value(r.sketch.GetPositiveValueStore().KeyAtRank(k - below - zero))
	}
	return Value{kind: Float, bits: math.Float64bits(max(r.low, min(f, r.high)))}
}

// percentile interpolates between the two values next to a rank, as percentile_cont of SQL does.
func (r *ranked) percentile(percent float64) (Value, error) {
	if r == nil || r.len() == 0 {
		return null, nil
	}
	r.sort()
	last := r.len() - 1
	rank := percent * float64(last) // times 100, which keeps 99.5 of 20 values from being rounded
	lower := min(int64(rank/100), last)
	if rank < float64(100*lower) {
		lower--
	}
	part := (rank - float64(100*lower)) / 100
	x, y := r.at(lower), r.at(min(lower+1, last))
	if part == 0 || x.bits == y.bits {
		return x, nil
	}
	f, _ := x.number()
	g, _ := y.number()
	if d := g - f; !math.IsInf(d, 0) {
		return floatValue(f + d*part)
	}
	return floatValue(f*(1-part) + g*part)
}

// sort sorts in place: the next values find most of it in order.
func (r *ranked) sort() {
	switch {
	case r.sorted || r.sketch != nil:
		return
	case r.floats:
		slices.SortFunc(r.bits, func(x, y uint64) int { return cmp(math.Float64frombits(x), math.Float64frombits(y)) })
	default:
		slices.SortFunc(r.bits, func(x, y uint64) int { return cmp(int64(x), int64(y)) })
	}
	r.sorted = true
}

func (c *cell) mergeRanked(into *extra, p *ranked) {
	r, _ := (*into).(*ranked)
	if r == nil {
		r = &ranked{}
		*into = r
	}
	if p.sketch == nil {
		for i := range p.bits {
			r.add(p.at(int64(i)))
		}
		return
	}
	if r.sketch == nil {
		r.toSketch()
	}
	r.low, r.high = min(r.low, p.low), max(r.high, p.high)
	_ = r.sketch.MergeWith(p.sketch) // fails for another mapping only
}
