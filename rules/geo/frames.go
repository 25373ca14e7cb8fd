package geo

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Frames is a checked forest of frames. It does not change and may be used by many goroutines.
type Frames struct {
	index  map[string]int
	nodes  []node
	names  []string // sorted
	broken bool     // there were problems: names are known, ways are not

	// recent holds the ways that were asked for, each at one place: with up to 64 frames every pair has its
	// own and is composed once, with more a pair may push out another, so that names out of messages cannot
	// make this grow.
	recent []atomic.Pointer[Transform]
}

const manyFrames = 64

type node struct {
	name       string
	parent     int // -1 for a root
	root       int
	depth      int // steps to the root
	toParent   Affine
	fromParent Affine
}

// Has says whether there is a frame of this name.
func (f *Frames) Has(name string) bool {
	_, ok := f.index[name]
	return ok
}

// Names are the names of all frames, sorted.
func (f *Frames) Names() []string { return slices.Clone(f.names) }

// Between is the way from one frame to another. Its error is an *Error of the class
// unknown_frame or not_connected, or outside_domain where scales multiply to what float64 cannot hold.
func (f *Frames) Between(from, to string) (*Transform, error) {
	i, ok := f.index[from]
	if !ok {
		return nil, f.unknown(from)
	}
	j, ok := f.index[to]
	if !ok {
		return nil, f.unknown(to)
	}
	place := uint(i)*uint(len(f.nodes)) + uint(j) // may wrap around on 32 bits, which does no harm
	if n := uint(len(f.recent)); place >= n {
		place %= n
	}
	slot := &f.recent[place]
	if t := slot.Load(); t != nil && t.from == from && t.to == to {
		return t, nil
	}
	way, ok := f.compose(i, j)
	if !ok {
		return nil, &Error{NotConnected, fmt.Sprintf("no way from %s to %s: they stand in different trees, under %s and %s; give one of those a parent that joins them",
			quote(from), quote(to), quote(f.nodes[f.nodes[i].root].name), quote(f.nodes[f.nodes[j].root].name))}
	}
	if _, back := way.Inverse(); !back {
		return nil, &Error{OutsideDomain, fmt.Sprintf("from %s to %s numbers get too large or too small for 64 bits; check the scales between them", quote(from), quote(to))}
	}
	t := newTransform(f.nodes[i].name, f.nodes[j].name, way)
	slot.Store(t)
	return t, nil
}

// compose folds the way from i up to the nearest frame that both lie under, and from there down to j, into
// one step. Going no higher than that keeps large offsets near the root, and their rounding, out of it.
func (f *Frames) compose(i, j int) (Affine, bool) {
	up, down := identity, identity
	if f.broken {
		return up, true
	}
	if f.nodes[i].root != f.nodes[j].root {
		return up, false
	}
	for i != j {
		if a, b := &f.nodes[i], &f.nodes[j]; a.depth >= b.depth {
			up = a.toParent.Mul(&up)
			i = a.parent
		} else {
			down = down.Mul(&b.fromParent)
			j = b.parent
		}
	}
	return down.Mul(&up), true
}

func (f *Frames) unknown(name string) error {
	return &Error{UnknownFrame, "no frame " + quote(name) + "; " + f.suggest(name, "")}
}

// suggest names the frame that was likely meant, and some that there are. It never suggests except.
func (f *Frames) suggest(name, except string) string {
	if len(f.names) == 0 {
		return "no frames are defined"
	}
	best, least := "", min(3, len(name)/3+1)
	for _, k := range f.names {
		if k == except {
			continue
		}
		if strings.EqualFold(k, name) {
			best = k
			break
		}
		if d := distance(k, name, least); d < least {
			best, least = k, d
		}
	}
	text := "known: "
	if best != "" {
		text = "did you mean " + quote(best) + "? known: "
	}
	const some = 8
	if len(f.names) <= some {
		return text + strings.Join(f.names, ", ")
	}
	return fmt.Sprintf("%s%s and %d more", text, strings.Join(f.names[:some], ", "), len(f.names)-some)
}

// distance is the number of letters to change, add or leave out to make b of a, or limit if it is no less.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for k := range len(b) {
			change := diagonal
			if a[i] != b[k] {
				change++
			}
			diagonal = row[k+1]
			row[k+1] = min(change, row[k]+1, row[k+1]+1)
		}
	}
	return min(row[len(b)], limit)
}

// quote shows a name that may come out of a message, and then be of any length.
func quote(name string) string {
	const limit = 64
	if len(name) <= limit {
		return fmt.Sprintf("%q", name)
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", name[:cut])
}
