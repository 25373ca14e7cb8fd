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
	tie        *tie // of a root, to the earth
}

// Has says whether there is a frame of this name.
func (f *Frames) Has(name string) bool {
	_, ok := f.index[name]
	return ok
}

// LonLat says whether the points of a frame are longitude and latitude.
func (f *Frames) LonLat(name string) bool {
	i, ok := f.index[name]
	return ok && f.nodes[i].lonLat()
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
	t, err := f.way(i, j)
	if err != nil {
		return nil, err
	}
	slot.Store(t)
	return t, nil
}

// way composes the way from i to j.
func (f *Frames) way(i, j int) (*Transform, error) {
	a, b := &f.nodes[i], &f.nodes[j]
	if f.broken {
		return newTransform(a.name, b.name, identity), nil
	}
	ra, rb := &f.nodes[a.root], &f.nodes[b.root]
	lonLatIn, lonLatOut := ra == a && a.lonLat(), rb == b && b.lonLat()
	way := identity
	switch {
	case lonLatIn || lonLatOut || ra != rb && ra.tie != nil && rb.tie != nil:
		if ra != rb && (ra.tie == nil || rb.tie == nil) {
			return nil, f.apart(i, j)
		}
		up, down := f.compose(i, a.root), f.compose(b.root, j)
		up, down = ra.tie.to.Mul(&up), down.Mul(&rb.tie.from)
		// Planes and the geocentric system are turned pieces of one space: between them all is affine.
		if same := ra.tie.name == rb.tie.name; !same || lonLatIn || lonLatOut {
			return f.bridged(a, b, &bridge{up: up, from: ra.tie.crs, to: rb.tie.crs, down: down, same: same, in: lonLatIn, out: lonLatOut})
		}
		way = down.Mul(&up)
	case ra != rb:
		return nil, f.apart(i, j)
	default:
		way = f.compose(i, j)
	}
	if _, back := way.Inverse(); !back {
		return nil, tooLarge(a, b)
	}
	t := newTransform(a.name, b.name, way)
	if i != j && (a.solid() || b.solid()) {
		t.solid, t.upright = true, true
	}
	return t, nil
}

// bridged makes the transform of a way over the earth.
func (f *Frames) bridged(a, b *node, over *bridge) (*Transform, error) {
	_, ok := over.up.Inverse()
	_, back := over.down.Inverse()
	if !ok || !back {
		return nil, tooLarge(a, b)
	}
	ra, rb := &f.nodes[a.root], &f.nodes[b.root]
	t := &Transform{from: a.name, to: b.name, over: over}
	t.solid = a.solid() || b.solid()
	t.upright = t.solid || !a.plain(f) || !b.plain(f)
	if rb.tie.plane && !ra.tie.plane && a == ra {
		over.rise = rb.tie.height
	}
	over.turnVectors(t, ra.tie.plane, rb.tie.plane)
	return t, nil
}

// lonLat says that a frame is a CRS of longitude and latitude. Frames under such a one are flat pictures of it.
func (n *node) lonLat() bool { return n.tie != nil && n.tie.crs.Geographic() }

// solid says that a frame counts from the middle of the earth.
func (n *node) solid() bool { return n.tie != nil && !n.tie.plane && n.tie.crs.Geocentric() }

// plain says that the plane z = 0 of a frame is not seen from its edge where its root has the ground.
func (n *node) plain(f *Frames) bool {
	root := &f.nodes[n.root]
	return root.solid() || !newTransform("", "", f.compose(f.index[n.name], n.root)).upright
}

// apart says why there is no way.
func (f *Frames) apart(i, j int) error {
	a, b := &f.nodes[f.nodes[i].root], &f.nodes[f.nodes[j].root]
	hint := "; give one of those a parent that joins them, or each an origin: or crs:"
	switch {
	case a.tie != nil:
		hint = fmt.Sprintf(", and only the first is tied to the earth; give %s a parent in the other tree, or an origin:", quote(b.name))
	case b.tie != nil:
		hint = fmt.Sprintf(", and only the second is tied to the earth; give %s a parent in the other tree, or an origin:", quote(a.name))
	}
	return &Error{NotConnected, fmt.Sprintf("no way from %s to %s: they stand in different trees, under %s and %s%s",
		quote(f.nodes[i].name), quote(f.nodes[j].name), quote(a.name), quote(b.name), hint)}
}

func tooLarge(a, b *node) error {
	return &Error{OutsideDomain, fmt.Sprintf("from %s to %s numbers get too large or too small for 64 bits; check the scales between them", quote(a.name), quote(b.name))}
}

// compose folds the way from i up to the nearest frame that both lie under, and from there down to j, into
// one step. They are in one tree. Going no higher than that keeps large offsets near the root, and their rounding, out of it.
func (f *Frames) compose(i, j int) Affine {
	up, down := identity, identity
	for i != j {
		if a, b := &f.nodes[i], &f.nodes[j]; a.depth >= b.depth {
			up = a.toParent.Mul(&up)
			i = a.parent
		} else {
			down = down.Mul(&b.fromParent)
			j = b.parent
		}
	}
	return down.Mul(&up)
}

func (f *Frames) unknown(name string) error {
	return &Error{UnknownFrame, "no frame " + quote(name) + "; " + f.suggest(name, "")}
}

// suggest names the frame that was likely meant, and some that there are. It never suggests except.
func (f *Frames) suggest(name, except string) string {
	if _, ok := lookupCRS(name); ok {
		return "it is a CRS, and becomes a frame by frames: {NAME: {crs: " + quote(name) + "}}"
	}
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
