package jsonscan

import "encoding/binary"

// A Guess remembers the members of one payload in their order, for the next one mostly has the same: a key that
// comes where it was expected costs one comparison, in place of reading and looking it up. That takes about a third
// off a scan. A Guess belongs to one goroutine and one plan; its zero value knows nothing yet.
type Guess struct {
	members []expected
	wrong   int // payloads in a row that were not as expected
}

// An expected member: its key in an object that parent stands for, nil where nothing of it is wanted.
type expected struct {
	parent, child *node
	text          string // from the quote before the key to the value

	// The first sixteen bytes of text, with masks of those that it has: most keys are compared without a call.
	words, masks [2]uint64
}

// at says whether text stands at i.
func (e *expected) at(b []byte, i int) bool {
	rest, n := b[i:], len(e.text)
	if len(rest) < 16 {
		return len(rest) >= n && string(rest[:n]) == e.text
	}
	first, second := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
	if (first^e.words[0])&e.masks[0]|(second^e.words[1])&e.masks[1] != 0 {
		return false
	}
	return n <= 16 || n <= len(rest) && string(rest[16:n]) == e.text[16:]
}

const (
	mostExpected = 64  // members
	mostText     = 128 // bytes of one
	mostWrong    = 16  // payloads, before what is expected is learnt anew
	mostMissed   = 4   // members, before the rest of a payload is not compared any more
)

// ScanAs is Scan for a payload that is likely to look like those that g has seen. It says whether it did.
func (p *Plan) ScanAs(g *Guess, payload []byte, depth int, out []Value) (as bool, err error) {
	learn := len(g.members) == 0 || g.wrong >= mostWrong
	s := scanner{seen: g.members}
	if learn {
		s.seen, s.learn, s.at = g.members[:0], true, mostExpected // what is learnt is not expected yet
	}
	if err = p.scan(&s, payload, depth, out); err != nil {
		if learn { // half a payload is no example
			g.members = g.members[:0]
		}
		return true, err
	}
	switch {
	case learn:
		g.members, g.wrong = s.seen, 0
	case s.missed == 0:
		g.wrong = 0
		return true, nil
	default:
		g.wrong++
	}
	return learn, nil
}

// other compares the key at i, which is not the one that is expected next, with the one after it: that may be left out
// this time. It gives the offset of the value, or -1.
func (s *scanner) other(i int, n *node) (end int, child *node) {
	if at := s.at + 1; at < len(s.seen) {
		if e := &s.seen[at]; e.parent == n && e.at(s.b, i) {
			s.at = at + 1
			return space(s.b, i+len(e.text)), e.child
		}
	}
	if s.at < mostExpected { // nothing is known of what comes later
		s.missed++
	}
	if s.missed > mostMissed || s.at == mostExpected {
		s.seen = nil
	}
	return -1, nil
}

// note adds a member to what is expected of the next payload.
func (s *scanner) note(text []byte, parent, child *node) {
	if s.full = s.full || len(s.seen) == mostExpected || len(text) > mostText; s.full {
		return
	}
	e := expected{parent: parent, child: child, text: string(text)}
	for i := range e.words {
		if left := len(text) - 8*i; left > 0 {
			e.words[i], e.masks[i] = head(text, 8*i, left), ^uint64(0)>>(64-8*uint(min(left, 8)))
		}
	}
	s.seen = append(s.seen, e)
}
