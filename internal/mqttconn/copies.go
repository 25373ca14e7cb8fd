package mqttconn

import (
	"hash/maphash"
	"slices"
	"time"
)

// copies counts, for each of the last messages that came under one of several numbers, how often it came
// under each.
type copies struct {
	seed maphash.Seed
	by   map[uint64]*tally
	ring []uint64 // the keys of by, the oldest at at
	at   int
}

type tally struct {
	last      time.Time
	delivered int
	numbers   []number
}

type number struct {
	id uint32
	n  int
}

// Copies of one message come one behind the other; those of retained messages one filter behind the
// other.
const (
	copiesKept = 1024
	copiesTime = 30 * time.Second
)

func (c *copies) init(seed maphash.Seed) { c.seed, c.by = seed, map[uint64]*tally{} }

func (c *copies) clear() {
	clear(c.by)
	c.ring, c.at = c.ring[:0], 0
}

func (c *copies) seen(p *publish, now time.Time) bool {
	key := in64(c.seed, p)
	t := c.by[key]
	switch {
	case t != nil && now.Sub(t.last) > copiesTime:
		*t = tally{}
	case t == nil:
		t = &tally{}
		c.by[key] = t
		if len(c.ring) < copiesKept {
			c.ring = append(c.ring, key)
		} else {
			delete(c.by, c.ring[c.at])
			c.ring[c.at] = key
			c.at = (c.at + 1) % copiesKept
		}
	}
	t.last = now
	most := 0
	for _, id := range p.subIDs {
		i := slices.IndexFunc(t.numbers, func(n number) bool { return n.id == id })
		if i < 0 {
			i = len(t.numbers)
			t.numbers = append(t.numbers, number{id: id})
		}
		t.numbers[i].n++
		most = max(most, t.numbers[i].n)
	}
	if most <= t.delivered {
		return true
	}
	t.delivered = most
	return false
}
