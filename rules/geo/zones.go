package geo

import (
	"slices"
	"strings"
)

// Zones are all zones by name, and by the frame they lie in.
type Zones struct {
	named  map[string]*Zone
	names  []string // sorted
	layers []Layer
}

// A Layer is the zones of one frame.
type Layer struct {
	Frame  string
	LonLat bool
	zones  []*Zone // sorted by name
	boxes  []box   // with which of zones each belongs to; in the order of the tree where there is one
	owner  []int
	tree   boxTree // above manyZones
}

// manyZones is above how many zones of a frame an index pays.
const manyZones = 50

// NewZones makes an index of zones, whose names differ.
func NewZones(zones []*Zone) *Zones {
	all := &Zones{named: map[string]*Zone{}}
	zones = slices.Clone(zones)
	slices.SortFunc(zones, func(a, b *Zone) int { return strings.Compare(a.Name, b.Name) })
	for _, z := range zones {
		all.named[z.Name] = z
		all.names = append(all.names, z.Name)
		i := slices.IndexFunc(all.layers, func(l Layer) bool { return l.Frame == z.Frame })
		if i < 0 {
			i = len(all.layers)
			all.layers = append(all.layers, Layer{Frame: z.Frame, LonLat: z.LonLat})
		}
		all.layers[i].zones = append(all.layers[i].zones, z)
	}
	for i := range all.layers {
		all.layers[i].index(manyZones)
	}
	return all
}

func (l *Layer) index(many int) {
	for i, z := range l.zones {
		for _, b := range z.bounds {
			l.boxes, l.owner = append(l.boxes, b), append(l.owner, i)
		}
	}
	if len(l.zones) <= many {
		return
	}
	boxes, owner := l.boxes, l.owner
	l.boxes, l.owner = nil, nil
	for _, i := range tile(boxes) {
		l.boxes, l.owner = append(l.boxes, boxes[i]), append(l.owner, owner[i])
	}
	l.tree = newBoxTree(l.boxes)
}

// Named gives a zone. Its error is an *Error of the class unknown_zone.
func (zs *Zones) Named(name string) (*Zone, error) {
	if z := zs.named[name]; z != nil {
		return z, nil
	}
	if len(zs.names) == 0 {
		return nil, &Error{UnknownZone, "no zone " + quote(name) + "; no zones are defined"}
	}
	known := Frames{names: zs.names}
	return nil, &Error{UnknownZone, "no zone " + quote(name) + "; " + known.suggest(name, "")}
}

// UnknownZone is the class of the error for a name that no zone has.
const UnknownZone = "unknown_zone"

// Layers are the zones by their frames.
func (zs *Zones) Layers() []Layer { return zs.layers }

// At appends the zones that cover a point to found, sorted by name. A longitude is from -180 to 180.
func (l *Layer) At(x, y float64, found []*Zone) []*Zone {
	before := len(found)
	if l.LonLat && (x == 180 || x == -180) {
		found = l.search(-x, y, found)
	}
	found = l.search(x, y, found)
	added := found[before:]
	slices.SortFunc(added, func(a, b *Zone) int { return strings.Compare(a.Name, b.Name) })
	return found[:before+len(slices.Compact(added))]
}

func (l *Layer) search(x, y float64, found []*Zone) []*Zone {
	if l.tree.top() < 0 {
		return l.look(0, len(l.boxes), x, y, found)
	}
	return l.descend(l.tree.top(), 0, 1, x, y, found)
}

func (l *Layer) descend(level, from, to int, x, y float64, found []*Zone) []*Zone {
	for i := from; i < to; i++ {
		if !l.tree.levels[level][i].has(x, y) {
			continue
		}
		first, last := l.tree.children(level, i, len(l.boxes))
		if level > 0 {
			found = l.descend(level-1, first, last, x, y, found)
		} else {
			found = l.look(first, last, x, y, found)
		}
	}
	return found
}

func (l *Layer) look(from, to int, x, y float64, found []*Zone) []*Zone {
	for i := from; i < to; i++ {
		if l.boxes[i].has(x, y) && !slices.Contains(found, l.zones[l.owner[i]]) && l.zones[l.owner[i]].Covers(x, y) {
			found = append(found, l.zones[l.owner[i]])
		}
	}
	return found
}
