package rules

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/axiomhq/hyperloglog"
)

// distinctPrecision gives a HyperLogLog of 2^14 registers of a byte, with a standard error of 0.81 %.
const distinctPrecision = 14

// A fingerprint stands for a value: equal ones for equal values, and, since nobody can find two values with the
// same 16 bytes of SHA-256, only for these. It takes the same room for a long text as for a number, and is the
// same after a restart.
type fingerprint [16]byte

// distinctValues are what count_distinct has seen: all while they are few, then an estimate.
type distinctValues struct {
	seen   map[fingerprint]struct{}
	sketch *hyperloglog.Sketch // then seen is nil
	buffer []byte
}

func (d *distinctValues) size() int {
	if d.sketch != nil {
		return 128 + 1<<distinctPrecision
	}
	return 64 + cap(d.buffer) + 24*len(d.seen)
}

func (c *cell) addDistinct(slot *extra, v *Value) error {
	d := distinctIn(slot)
	id, err := appendEqual(d.buffer[:0], *v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(id)
	d.add(fingerprint(sum[:16]))
	if d.buffer = id; cap(id) > maxKeptBuffer {
		d.buffer = nil
	}
	return nil
}

const maxKeptBuffer = 64

func distinctIn(slot *extra) *distinctValues {
	d, _ := (*slot).(*distinctValues)
	if d == nil {
		d = &distinctValues{seen: map[fingerprint]struct{}{}}
		*slot = d
	}
	return d
}

func (d *distinctValues) add(f fingerprint) {
	if d.sketch != nil {
		d.sketch.InsertHash(binary.LittleEndian.Uint64(f[:]))
		return
	}
	d.seen[f] = struct{}{}
	if len(d.seen) > maxExact {
		d.toSketch()
	}
}

func (d *distinctValues) toSketch() {
	d.sketch = newDistinctSketch()
	for f := range d.seen {
		d.sketch.InsertHash(binary.LittleEndian.Uint64(f[:]))
	}
	d.seen = nil
}

func newDistinctSketch() *hyperloglog.Sketch {
	s, _ := hyperloglog.NewSketch(distinctPrecision, false) // fails for other precisions only
	return s
}

func (d *distinctValues) len() int64 {
	switch {
	case d == nil:
		return 0
	case d.sketch != nil:
		return int64(d.sketch.Estimate())
	}
	return int64(len(d.seen))
}

func (c *cell) mergeDistinct(into *extra, p *distinctValues) {
	d := distinctIn(into)
	if p.sketch == nil {
		for f := range p.seen {
			d.add(f)
		}
		return
	}
	if d.sketch == nil {
		d.toSketch()
	}
	_ = d.sketch.Merge(p.sketch) // fails for another precision only
}
