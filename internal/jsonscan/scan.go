package jsonscan

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A scanner goes over b once. Its methods take the offset where something begins and return the offset
// behind it, or -1 after they have noted what is wrong.
type scanner struct {
	b   []byte
	out []Value
	dup bool // a node with children came twice

	seen   []expected // of a Guess
	at     int        // in seen: what is expected next
	missed int        // how often something else came
	learn  bool       // seen grows by what comes
	full   bool       // and by no more

	// By node.id: where the latest value of a node with children begins, 0 if it has none yet. The first
	// few are in here since escape analysis would move an array that last points to onto the heap.
	few  [8]int
	last []int

	pos  int
	msg  string
	deep bool
}

func (s *scanner) fail(pos int, msg string) int {
	s.pos, s.msg = pos, msg
	return -1
}

// want notes that something else was expected at i.
func (s *scanner) want(i int, what string) int {
	if i >= len(s.b) {
		return s.fail(len(s.b), "ends too early, want "+what)
	}
	if i == 0 && strings.HasPrefix(string(s.b[:min(3, len(s.b))]), "\ufeff") {
		return s.fail(i, "a byte order mark, send UTF-8 without one")
	}
	got := strconv.QuoteRune(rune(s.b[i]))
	if s.b[i] >= utf8.RuneSelf {
		got = "byte 0x" + strconv.FormatUint(uint64(s.b[i]), 16)
	}
	return s.fail(i, "unexpected "+got+", want "+what)
}

func (s *scanner) tooDeep(i int) int {
	s.deep = true
	return s.fail(i, "nested deeper than allowed")
}

// whole scans all of the payload, into out if there is a node.
func (s *scanner) whole(depth int, n *node) error {
	i := space(s.b, 0)
	if n != nil {
		i = s.take(i, depth, n)
	} else {
		i = s.skip(i, depth)
	}
	if i >= 0 {
		if i = space(s.b, i); i < len(s.b) {
			i = s.want(i, "the end")
		}
	}
	if i >= 0 {
		return nil
	}
	err := &SyntaxError{Offset: s.pos, Message: s.msg}
	if s.deep {
		err.Message = "nested deeper than " + strconv.Itoa(depth)
		err.cause = ErrDepth
	}
	return err
}

// space is the offset of the first byte from i on that is no white space. Here and where else it counts, i is compared
// as a uint: that it is not negative is then known, and b[i] needs no further look.
func space(b []byte, i int) int {
	const white uint64 = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n'
	for uint(i) < uint(len(b)) && b[i] <= ' ' && white>>b[i]&1 != 0 {
		i++
	}
	return i
}

// skip goes over the value at i, which may be nested left levels deep.
func (s *scanner) skip(i, left int) int {
	if b := s.b; uint(i) < uint(len(b)) {
		switch b[i] {
		case '"':
			i, _ = s.str(i)
			return i
		case '{':
			return s.object(i, left, nil)
		case '[':
			return s.array(i, left)
		case 't':
			return s.word(i, "true")
		case 'f':
			return s.word(i, "false")
		case 'n':
			return s.word(i, "null")
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return s.skipNum(i)
		}
	}
	return s.want(i, "a value")
}

// value goes over the value at i and fills v.
func (s *scanner) value(i, left int, v *Value) int {
	end, k, escaped, num := -1, Missing, false, uint64(0)
	if b := s.b; uint(i) < uint(len(b)) {
		switch b[i] {
		case '"':
			k = String
			end, escaped = s.str(i)
		case '{':
			k, end = Object, s.object(i, left, nil)
		case '[':
			k, end = Array, s.array(i, left)
		case 't':
			k, end = True, s.word(i, "true")
		case 'f':
			k, end = False, s.word(i, "false")
		case 'n':
			k, end = Null, s.word(i, "null")
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end, k, num = s.num(i)
		default:
			return s.want(i, "a value")
		}
		if end >= 0 {
			v.Kind, v.Escaped, v.Raw, v.Bits = k, escaped, b[i:end:end], num
		}
		return end
	}
	return s.want(i, "a value")
}

// take goes over the value at i for n: into the slots of n and of what is below it.
func (s *scanner) take(i, left int, n *node) int {
	end := -1
	if n.entries != nil {
		// A key that comes again makes void what was found below its earlier value. That is rare, so it
		// is put right at the end and not here.
		began := s.began(n.id)
		if *began != 0 {
			s.dup = true
		}
		*began = i
		if i >= len(s.b) || s.b[i] != '{' {
			if n.slot < 0 {
				return s.skip(i, left)
			}
		} else {
			end = s.object(i, left, n)
			if n.slot < 0 || end < 0 {
				return end
			}
			s.out[n.slot] = Value{Kind: Object, Raw: s.b[i:end:end]}
		}
	}
	v := &s.out[n.slot]
	if end < 0 {
		if end = s.value(i, left, v); end < 0 {
			return end
		}
	}
	for _, j := range n.more {
		s.out[j] = *v
	}
	return end
}

func (s *scanner) began(id int) *int {
	if id < len(s.few) {
		return &s.few[id]
	}
	return &s.last[id-len(s.few)]
}

// object goes over the object at i. Members that n has a child for are taken.
func (s *scanner) object(i, left int, n *node) int {
	if left <= 0 {
		return s.tooDeep(i)
	}
	b := s.b
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		end, child := -1, (*node)(nil)
		if uint(s.at) < uint(len(s.seen)) {
			if e := &s.seen[s.at]; e.parent == n && e.at(b, i) {
				end, child = space(b, i+len(e.text)), e.child
				s.at++
			}
		}
		if end < 0 && s.seen != nil && !s.learn {
			end, child = s.other(i, n)
		}
		if end < 0 {
			if end, child = s.key(i, n); end < 0 {
				return end
			}
		}
		switch {
		case child == nil:
			i = s.skip(end, left-1)
		case child.leaf:
			i = s.value(end, left-1, &s.out[child.slot])
		default:
			i = s.take(end, left-1, child)
		}
		if i < 0 {
			return i
		}
		if uint(i) >= uint(len(b)) || b[i] != ',' { // mostly there is no white space before it, nor behind
			if i = space(b, i); i >= len(b) {
				return s.want(i, "',' or '}'")
			}
			if b[i] != ',' {
				if b[i] == '}' {
					return i + 1
				}
				return s.want(i, "',' or '}'")
			}
		}
		if i++; uint(i) < uint(len(b)) && b[i] != '"' {
			i = space(b, i)
		}
	}
}

// key goes over a member at i of an object that n stands for, up to its value.
func (s *scanner) key(i int, n *node) (end int, child *node) {
	b, began := s.b, i
	if i >= len(b) || b[i] != '"' {
		return s.want(i, "a key in quotes"), nil
	}
	end, escaped := s.str(i)
	if end < 0 {
		return end, nil
	}
	if n != nil {
		if escaped {
			child = n.findEscaped(b[i+1 : end-1])
		} else {
			child = n.find(b, i+1, end-i-2)
		}
	}
	if i = space(b, end); i >= len(b) || b[i] != ':' {
		return s.want(i, "':'"), nil
	}
	i = space(b, i+1)
	if s.learn {
		s.note(b[began:i], n, child)
	}
	return i, child
}

// array goes over the array at i. How many elements there are differs from payload to payload: nothing in them is
// expected.
func (s *scanner) array(i, left int) int {
	if left <= 0 {
		return s.tooDeep(i)
	}
	b := s.b
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	seen, learn := s.seen, s.learn
	s.seen, s.learn = nil, false
	for {
		if i = s.skip(i, left-1); i < 0 {
			return i
		}
		if i = space(b, i); i >= len(b) {
			return s.want(i, "',' or ']'")
		}
		if b[i] != ',' {
			if b[i] == ']' {
				s.seen, s.learn = seen, learn
				return i + 1
			}
			return s.want(i, "',' or ']'")
		}
		i = space(b, i+1)
	}
}

func (s *scanner) word(i int, w string) int {
	if end := i + len(w); end <= len(s.b) && string(s.b[i:end]) == w {
		return end
	}
	for j := 1; j < len(w); j++ {
		if i+j >= len(s.b) || s.b[i+j] != w[j] {
			return s.want(i+j, w)
		}
	}
	return s.want(i, w)
}
