package rules

import (
	"unsafe"
)

// A tally is what the aggregates of a rule have gathered for one window of one key. There may be a hundred
// thousand of them, so that it has no header: a tally is the address of its words, of which the layout knows the
// number. Only where a cell needs more than words is it a wideTally. The collector sees the objects as they were
// made, so that the one may stand for the other.
type tally struct{ _ uint64 }

// A wideTally is a tally of aggregates that keep text, lists or sketches.
type wideTally struct {
	words []uint64
	parts []extra // by cell; nil where there is nothing yet
}

// An extra is what does not fit words.
type extra interface{ size() int } // bytes, about

// A layout says how a tally lies in memory.
type layout struct {
	width int // words
	parts int // 0: it is no wideTally
}

func (l *layout) words(t *tally) []uint64 {
	if l.parts > 0 {
		return (*wideTally)(unsafe.Pointer(t)).words
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(t)), l.width)
}

// partOf gives the place of a part.
func partOf(t *tally, i int) *extra { return &(*wideTally)(unsafe.Pointer(t)).parts[i] }

// start makes an empty tally.
func (a *aggregates) start() *tally {
	words := make([]uint64, a.layout.width)
	if a.layout.parts > 0 {
		return (*tally)(unsafe.Pointer(&wideTally{words, make([]extra, a.layout.parts)}))
	}
	return (*tally)(unsafe.Pointer(unsafe.SliceData(words)))
}

// size is how many bytes a tally takes, about.
func (a *aggregates) size(t *tally) int {
	n := 8 * a.layout.width
	if a.layout.parts > 0 {
		n += 48 + 16*a.layout.parts
		for _, p := range (*wideTally)(unsafe.Pointer(t)).parts {
			if p != nil {
				n += p.size()
			}
		}
	}
	return n
}

// A counter is a word: what it counts, and above that bits that others may use. 2^48 messages a window are
// nine years of a million a second.
const (
	counterBits = 48
	counterMask = 1<<counterBits - 1
)

// bits is a place of a few bits in a word.
type bitField struct {
	word  int
	shift uint8
}

const fieldMask = 7 // all fields have three bits

func (f bitField) get(words []uint64) uint64 { return words[f.word] >> f.shift & fieldMask }
func (f bitField) set(words []uint64, v uint64) {
	words[f.word] = words[f.word]&^(fieldMask<<f.shift) | v<<f.shift
}

// settle gives each cell its place.
func (l *layout) settle(cells []cell) {
	var free []bitField // where the next bits of a word go
	counter := func() int {
		free = append(free, bitField{l.width, counterBits})
		l.width++
		return l.width - 1
	}
	for i := range cells {
		switch c := &cells[i]; c.kind {
		case messages, truths:
			c.word = counter()
		case total, spread:
			c.word = counter()
			l.width += 2
		case least, greatest:
			c.word = l.width
			l.width++
		}
	}
	for i := range cells {
		c := &cells[i]
		switch c.kind {
		case total, least, greatest:
			c.bits = l.bits(&free)
		}
		if c.kind != messages && c.kind != truths && c.kind != total && c.kind != spread && !c.numeric {
			c.part = l.parts
			l.parts++
		}
	}
	l.width = max(l.width, 1)
}

func (l *layout) bits(free *[]bitField) bitField {
	if len(*free) == 0 {
		*free = append(*free, bitField{l.width, 0})
		l.width++
	}
	f := &(*free)[0]
	got := *f
	if f.shift += 3; f.shift+3 > 64 {
		*free = (*free)[1:]
	}
	return got
}
