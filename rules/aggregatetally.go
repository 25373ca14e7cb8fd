package rules

import (
	"reflect"
	"unsafe"
)

// A tally is what the aggregates of a rule have gathered for one window of one key. There may be a hundred
// thousand of them, so that it has no header and no slice: it is the address of words, of which the layout knows
// the number. Only where a cell may need more than words does the address of extras stand before them.
type tally struct{ _ uint64 }

// extras are what of a tally does not fit words, by part. Most tallies never come to have any.
type extras struct{ list []extra }

// An extra is one of them: a text, a list, a sketch.
type extra interface{ size() int } // bytes, about

// A layout says how a tally lies in memory.
type layout struct {
	width int // words
	parts int // that may have an extra

	wide   reflect.Type // of a tally with parts: so that the collector knows the pointer in it from the words
	offset uintptr      // of the words
}

// seal makes the type when all parts and words are known.
func (l *layout) seal() {
	if l.parts == 0 {
		return
	}
	l.wide = reflect.StructOf([]reflect.StructField{
		{Name: "Extras", Type: reflect.TypeFor[*extras]()},
		{Name: "Words", Type: reflect.ArrayOf(l.width, reflect.TypeFor[uint64]())},
	})
	l.offset = l.wide.Field(1).Offset
}

func (l *layout) words(t *tally) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Add(unsafe.Pointer(t), l.offset)), l.width)
}

// extras gives the place of a tally's extras. It is asked only of one with parts.
func (t *tally) extras() **extras { return (**extras)(unsafe.Pointer(t)) }

// extra gives one of them, nil where there is nothing yet.
func (t *tally) extra(part int) extra {
	if all := *t.extras(); all != nil {
		return all.list[part]
	}
	return nil
}

// slot gives the place of one of them, to fill it.
func (l *layout) slot(t *tally, part int) *extra {
	all := t.extras()
	if *all == nil {
		*all = &extras{make([]extra, l.parts)}
	}
	return &(*all).list[part]
}

// start makes an empty tally.
func (a *aggregates) start() *tally {
	if a.layout.parts > 0 {
		return (*tally)(reflect.New(a.layout.wide).UnsafePointer())
	}
	return (*tally)(unsafe.Pointer(unsafe.SliceData(make([]uint64, a.layout.width))))
}

// size is how many bytes a tally takes, about.
func (a *aggregates) size(t *tally) int {
	n := 8 * a.layout.width
	if a.layout.parts == 0 {
		return n
	}
	n += 8
	if all := *t.extras(); all != nil {
		n += 24 + 16*a.layout.parts
		for _, e := range all.list {
			if e != nil {
				n += e.size()
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

// A bitField is a place of a few bits in a word.
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
		c := &cells[i]
		c.of = l
		switch c.kind {
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
	l.seal()
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
