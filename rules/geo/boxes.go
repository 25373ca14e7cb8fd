package geo

import (
	"cmp"
	"math"
	"slices"
)

// A box is a rectangle with its edges.
type box struct{ minX, minY, maxX, maxY float64 }

var noBox = box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}

func (b *box) has(x, y float64) bool {
	return x >= b.minX && x <= b.maxX && y >= b.minY && y <= b.maxY
}

func (b *box) meets(o *box) bool {
	return b.minX <= o.maxX && b.maxX >= o.minX && b.minY <= o.maxY && b.maxY >= o.minY
}

func (b *box) join(o box) {
	b.minX, b.minY = min(b.minX, o.minX), min(b.minY, o.minY)
	b.maxX, b.maxY = max(b.maxX, o.maxX), max(b.maxY, o.maxY)
}

// A boxTree finds items by their boxes: the first level has a box around each run of eight items, each level above
// around eight boxes of the one below, the last one around all. It is an R-tree that is packed once and never changes.
// Neighbours in the order of the items should be neighbours in space: the edges of a ring are, others are sorted.
type boxTree struct{ levels [][]box }

const fanOut = 8

func newBoxTree(items []box) boxTree {
	var t boxTree
	for below := items; len(below) > 1 || len(t.levels) == 0 && len(below) > 0; {
		level := make([]box, 0, (len(below)+fanOut-1)/fanOut)
		for run := range slices.Chunk(below, fanOut) {
			around := noBox
			for i := range run {
				around.join(run[i])
			}
			level = append(level, around)
		}
		t.levels = append(t.levels, level)
		below = level
	}
	return t
}

// top is the number of the last level, with which a search begins; -1: there are no items.
func (t *boxTree) top() int { return len(t.levels) - 1 }

// children are the nodes of the level below that node i of a level stands for; of level 0 they are items.
func (t *boxTree) children(level, i, items int) (from, to int) {
	n := items
	if level > 0 {
		n = len(t.levels[level-1])
	}
	return i * fanOut, min((i+1)*fanOut, n)
}

// tile orders boxes so that runs of eight lie close together: sort-tile-recursive of Leutenegger, Lopez and Edgington
// (1997). It gives the order as indices.
func tile(boxes []box) []int {
	order := make([]int, len(boxes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(boxes[a].minX+boxes[a].maxX, boxes[b].minX+boxes[b].maxX)
	})
	leaves := (len(boxes) + fanOut - 1) / fanOut
	strip := fanOut * int(math.Ceil(math.Sqrt(float64(leaves))))
	for part := range slices.Chunk(order, max(strip, 1)) {
		slices.SortStableFunc(part, func(a, b int) int {
			return cmp.Compare(boxes[a].minY+boxes[a].maxY, boxes[b].minY+boxes[b].maxY)
		})
	}
	return order
}

// span is how many items a node of a level stands for: a power of fanOut.
func span(level int) int { return 1 << (3 * (level + 1)) }
