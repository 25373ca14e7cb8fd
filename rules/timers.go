package rules

import "container/heap"

// A timer is when something is due. It is part of that thing.
type timer struct {
	due   int64
	seq   uint64 // breaks ties: the lower is first
	place int    // in its timers
}

func (t *timer) timing() *timer { return t }

// Timers are things that are due, the earliest first.
type timers[T interface{ timing() *timer }] struct{ list []T }

func (t *timers[T]) Len() int { return len(t.list) }
func (t *timers[T]) Less(i, j int) bool {
	a, b := t.list[i].timing(), t.list[j].timing()
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}
func (t *timers[T]) Swap(i, j int) {
	t.list[i], t.list[j] = t.list[j], t.list[i]
	t.list[i].timing().place, t.list[j].timing().place = i, j
}
func (t *timers[T]) Push(x any) {
	item := x.(T)
	item.timing().place = len(t.list)
	t.list = append(t.list, item)
}
func (t *timers[T]) Pop() any {
	last := len(t.list) - 1
	item := t.list[last]
	var none T
	t.list[last] = none
	t.list = t.list[:last]
	item.timing().place = -1
	return item
}

func (t *timers[T]) add(item T) { heap.Push(t, item) }

// moved puts an item where it belongs when its due has changed.
func (t *timers[T]) moved(item T) { heap.Fix(t, item.timing().place) }

func (t *timers[T]) remove(item T) { heap.Remove(t, item.timing().place) }

// first gives the earliest.
func (t *timers[T]) first() (item T, ok bool) {
	if len(t.list) == 0 {
		return item, false
	}
	return t.list[0], true
}
