package engine

import (
	"cmp"
	"slices"
)

// A span is the numbers from first to last.
type span struct{ first, last uint64 }

// numbers is a set of numbers of records: all up to low, and the spans above it, in order and apart. Records
// are settled nearly in order, so that it stays small.
type numbers struct {
	low   uint64
	spans []span
}

// add puts in first to last.
func (s *numbers) add(first, last uint64) {
	if first > last || last <= s.low {
		return
	}
	if first <= s.low+1 {
		s.low = last
		n := 0
		for n < len(s.spans) && s.spans[n].first <= s.low+1 {
			s.low = max(s.low, s.spans[n].last)
			n++
		}
		s.spans = slices.Delete(s.spans, 0, n)
		return
	}
	// Those from i to j touch the new one.
	i, _ := slices.BinarySearchFunc(s.spans, first, func(x span, n uint64) int { return cmp.Compare(x.last+1, n) })
	j := i
	for j < len(s.spans) && s.spans[j].first <= last+1 {
		first, last = min(first, s.spans[j].first), max(last, s.spans[j].last)
		j++
	}
	s.spans = slices.Replace(s.spans, i, j, span{first, last})
}

// count tells how many of first to last are in it.
func (s *numbers) count(first, last uint64) (n uint64) {
	if first <= s.low && first <= last {
		n = min(last, s.low) - first + 1
	}
	i, _ := slices.BinarySearchFunc(s.spans, first, func(x span, n uint64) int { return cmp.Compare(x.last, n) })
	for ; i < len(s.spans) && s.spans[i].first <= last; i++ {
		n += min(last, s.spans[i].last) - max(first, s.spans[i].first) + 1
	}
	return n
}

func (s *numbers) has(n uint64) bool { return s.count(n, n) == 1 }

// cut takes out first and all above it, which are above low.
func (s *numbers) cut(first uint64) {
	for i := range s.spans {
		if x := &s.spans[i]; x.last >= first {
			if x.first < first {
				x.last = first - 1
				i++
			}
			s.spans = s.spans[:i]
			break
		}
	}
	s.low = min(s.low, first-1)
}

// most is the largest number in it.
func (s *numbers) most() uint64 {
	if n := len(s.spans); n > 0 {
		return s.spans[n-1].last
	}
	return s.low
}
