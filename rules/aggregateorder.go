package rules

import (
	"slices"
	"unsafe"
)

// A place is where a value stands in the order that first, last and collect know: by time, then by arrival.
type place struct {
	at  int64
	seq uint64
}

func (p place) before(q place) bool { return p.at < q.at || p.at == q.at && p.seq < q.seq }

// A firstOrLast is the value that came first, or last.
type firstOrLast struct {
	place
	value Value
}

func (f *firstOrLast) size() int { return 16 + f.value.keptSize() }

func (c *cell) addFirstOrLast(slot *extra, v *Value, at place) {
	p, _ := (*slot).(*firstOrLast)
	switch {
	case p == nil:
		p = &firstOrLast{}
		*slot = p
	case (c.kind == earliest) != at.before(p.place):
		return
	}
	p.place, p.value = at, keptOf(v)
}

// A collection is the first values of collect, in their order.
type collection struct {
	list  []collectedValue
	bytes int
	left  uint64 // out, because there were more than it may keep
}

type collectedValue struct {
	place
	value Value
}

// maxCollectedBytes bounds the text of one collection, whatever the length of what it collects: what would be
// beyond is left out and counted, like what is beyond the number.
const maxCollectedBytes = 4 << 20

func (l *collection) size() int {
	return 48 + l.bytes + cap(l.list)*int(unsafe.Sizeof(collectedValue{}))
}

func (c *cell) addCollected(slot *extra, v *Value, at place) {
	l, _ := (*slot).(*collection)
	if l == nil {
		l = &collection{}
		*slot = l
	}
	n := len(l.list)
	i := n
	if n > 0 && at.before(l.list[n-1].place) {
		i, _ = slices.BinarySearchFunc(l.list, at, func(e collectedValue, at place) int {
			if at.before(e.place) {
				return 1
			}
			return -1
		})
	}
	if i == n && l.full(c.limit, len(v.text)) {
		l.left++
		return
	}
	kept := collectedValue{at, keptOf(v)}
	l.list = slices.Insert(l.list, i, kept)
	l.bytes += len(kept.value.text)
	for len(l.list) > c.limit || l.bytes > maxCollectedBytes {
		l.drop()
	}
}

// full says whether a value with so many bytes of text finds no room at the end. What has lost one at its end
// takes no other there, or a short one would stand after a gap.
func (l *collection) full(limit, bytes int) bool {
	return len(l.list) >= limit || l.left > 0 || l.bytes+bytes > maxCollectedBytes
}

// drop takes the last value out.
func (l *collection) drop() {
	last := &l.list[len(l.list)-1]
	l.bytes -= len(last.value.text)
	*last = collectedValue{}
	l.list = l.list[:len(l.list)-1]
	l.left++
}

// result gives the list as JSON: as received, what was received.
func (l *collection) result() (Value, error) {
	dst := []byte{'['}
	if l != nil {
		var err error
		for i := range l.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = l.list[i].value.appendJSON(dst, nil); err != nil {
				return null, err
			}
		}
	}
	return Value{kind: Array, text: textOf(append(dst, ']'))}, nil
}

func (c *cell) mergeCollected(into *extra, from *collection) {
	for i := range from.list {
		c.addCollected(into, &from.list[i].value, from.list[i].place)
	}
	if l, ok := (*into).(*collection); ok {
		l.left += from.left
	}
}
