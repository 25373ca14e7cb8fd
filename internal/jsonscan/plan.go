package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"unsafe"
)

// A Plan says which fields of a payload are wanted. Goroutines may share one.
type Plan struct {
	root  *node
	size  int       // paths
	inner int       // nodes with children
	last  sync.Pool // of *[]int, see scanner
}

// A node is where a path goes through or ends.
type node struct {
	slot    int   // in out, for the path that ends here; -1 if none does
	more    []int // for further paths that end here too
	leaf    bool  // one path ends here and none goes on, as mostly
	id      int   // counts the nodes that have children
	entries []entry
	shift   uint
}

// An entry of a node's hash table, which is at most half full and probed in a row.
type entry struct {
	word  uint64 // the first eight bytes of the key
	key   string
	child *node
}

// NewPlan makes a plan for paths, each a list of object keys from the outside in. The empty path is the
// whole payload. A path may begin with another one, and may come twice.
func NewPlan(paths [][]string) *Plan {
	p := &Plan{size: len(paths)}
	root := &sketch{}
	for i, path := range paths {
		at := root
		for _, key := range path {
			at = at.to(key)
		}
		at.slots = append(at.slots, i)
	}
	p.root = p.build(root)
	p.last.New = func() any { last := make([]int, p.inner); return &last }
	return p
}

// A sketch is a node while its plan is made.
type sketch struct {
	slots []int
	keys  []string
	below map[string]*sketch
}

func (s *sketch) to(key string) *sketch {
	if below := s.below[key]; below != nil {
		return below
	}
	if s.below == nil {
		s.below = map[string]*sketch{}
	}
	below := &sketch{}
	s.below[key] = below
	s.keys = append(s.keys, key)
	return below
}

func (p *Plan) build(from *sketch) *node {
	n := &node{slot: -1}
	if len(from.slots) > 0 {
		n.slot, n.more = from.slots[0], from.slots[1:]
	}
	if len(from.keys) == 0 {
		n.leaf = len(from.slots) == 1
		return n
	}
	n.id = p.inner
	p.inner++
	size := bits.Len(uint(2*len(from.keys) - 1))
	n.entries = make([]entry, 1<<size)
	n.shift = uint(64 - size)
	for _, key := range from.keys {
		b := []byte(key)
		word := head(b, 0, len(b))
		at := hash(word, b) >> n.shift
		for n.entries[at].child != nil {
			at = (at + 1) & uint64(len(n.entries)-1)
		}
		n.entries[at] = entry{word, key, p.build(from.below[key])}
	}
	return n
}

// head is the first eight bytes of the key at i, the first lowest, with zeros where it has fewer.
func head(b []byte, i, size int) uint64 {
	if i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		if size < 8 {
			w &= 1<<(8*uint(size)) - 1
		}
		return w
	}
	var w uint64
	for j := min(size, 8) - 1; j >= 0; j-- {
		w = w<<8 | uint64(b[i+j])
	}
	return w
}

// hash takes all of the key in, since keys often differ only in the middle or at the end.
func hash(word uint64, key []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := (word ^ uint64(len(key))<<56) * odd
	for len(key) > 8 {
		key = key[min(8, len(key)-8):]
		h = (h ^ h>>32 ^ head(key, 0, 8)) * odd
	}
	return h
}

// find is the child for the key at i, nil if nothing below it is wanted.
func (n *node) find(b []byte, i, size int) *node {
	word := head(b, i, size)
	at := hash(word, b[i:i+size]) >> n.shift
	for {
		e := &n.entries[at&uint64(len(n.entries)-1)]
		if e.child == nil {
			return nil
		}
		if e.word == word && len(e.key) == size && (size <= 8 || e.key == string(b[i:i+size])) {
			return e.child
		}
		at++
	}
}

// findEscaped is find for a key with backslashes.
func (n *node) findEscaped(raw []byte) *node {
	var buf [64]byte
	key := unescape(buf[:0], raw)
	return n.find(key, 0, len(key))
}

// Len is the number of paths.
func (p *Plan) Len() int { return p.size }

// Scan goes over payload once and sets out[i] to what path i leads to, Missing if it leads to nothing.
// All of payload is held against the grammar, as by [Valid]. out has at least as many elements as the
// plan has paths. After an error all of them are Missing.
func (p *Plan) Scan(payload []byte, depth int, out []Value) error {
	var s scanner
	return p.scan(&s, payload, depth, out)
}

func (p *Plan) scan(s *scanner, payload []byte, depth int, out []Value) error {
	out = out[:p.size]
	clear(out)
	s.b, s.out = payload, out
	if p.size == 0 {
		return s.whole(bound(depth), nil)
	}
	if p.inner > len(s.few) {
		last := p.last.Get().(*[]int)
		clear(*last)
		s.last = *last
		defer p.last.Put(last)
	}
	err := s.whole(bound(depth), p.root)
	if err != nil {
		clear(out)
	} else if s.dup {
		s.prune(p.root, 0)
	}
	return err
}

// prune takes out what was found below a value that a later one with the same key has replaced: all that
// begins before since.
func (s *scanner) prune(n *node, since int) {
	for i := range n.entries {
		child := n.entries[i].child
		if child == nil {
			continue
		}
		if child.slot >= 0 && s.out[child.slot].Kind != Missing && s.offset(s.out[child.slot].Raw) < since {
			s.out[child.slot] = Value{}
			for _, j := range child.more {
				s.out[j] = Value{}
			}
		}
		if child.entries != nil {
			s.prune(child, max(since, *s.began(child.id)))
		}
	}
}

// offset is where raw, which is part of the payload, begins in it.
func (s *scanner) offset(raw []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(raw))) - uintptr(unsafe.Pointer(unsafe.SliceData(s.b))))
}
