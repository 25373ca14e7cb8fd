package rules

import "slices"

// Aligned are tumbling and hopping windows: they begin at multiples of hop since 1970, UTC, for all keys alike. All
// that end together are in one span, so that a message finds its window and a timer its keys in O(1).
type aligned struct {
	*windows
	alignment
	size, hop, offset int64
	spans             map[int64]*span // by due
	order             timers[*span]
}

// A span is one window of all keys.
type span struct {
	timer       // due: its end, by the engine's clock or the watermark
	of          *aligned
	end         int64 // as it is told
	first, last *pane // by the first message of each key
	live, dead  int
}

// A pane is what a window holds of one key. There are as many as keys: it is small.
type pane struct {
	kept  *kept // nil: the key was forgotten
	next  *pane // of the span
	span  *span
	tally *tally
}

const paneBytes = 32

func (p *pane) size() int { return paneBytes + p.span.of.aggregate.size(p.tally) }

func (p *pane) leave(*memory, int) {
	b := p.span
	p.kept = nil
	b.of.open--
	b.live--
	b.dead++
	if b.dead > 64 && b.dead > b.live {
		b.sweep()
	}
}

// sweep takes out of the span what its keys have left.
func (b *span) sweep() {
	all := b.first
	b.first, b.last, b.dead = nil, nil, 0
	for p := all; p != nil; {
		next := p.next
		if p.next = nil; p.kept != nil {
			b.append(p)
		}
		p = next
	}
}

func (b *span) append(p *pane) {
	if b.last != nil {
		b.last.next = p
	} else {
		b.first = p
	}
	b.last = p
}

// Panes are several of one key, by their ends.
type panes struct{ list []*pane }

func (p *panes) size() int {
	n := 24
	for _, pane := range p.list {
		n += 8 + pane.size()
	}
	return n
}

func (p *panes) leave(m *memory, slot int) {
	for _, pane := range p.list {
		pane.leave(m, slot)
	}
}

// newest gives the begin of the last window that contains a time, if any does.
func (a *aligned) newest(at int64) (start int64, ok bool) {
	start = floor(at-a.offset, a.hop) + a.offset
	return start, at < start+a.size
}

func (a *aligned) judge(_ *kept, at int64) verdict {
	if a.event == nil {
		a.at(at)
		at += a.shift
	}
	switch start, ok := a.newest(at); {
	case !ok:
		return filtered
	case a.event != nil && a.closed(start+a.size):
		return late
	}
	return passes
}

func (a *aligned) put(l *lane, r *rule, m *arrival) error {
	for {
		again, err := a.putAll(l, r, m)
		if !again {
			return err
		}
	}
}

// putAll adds a message to its windows. It begins again when the first of them is to align anew.
func (a *aligned) putAll(l *lane, r *rule, m *arrival) (again bool, first error) {
	told := m.at + a.shift
	start, _ := a.newest(told)
	for ; told < start+a.size; start -= a.hop {
		due := start + a.size - a.shift
		if a.closed(due) || a.from != 0 && due > a.from {
			continue
		}
		p := a.find(m.key, due)
		if p == nil {
			b := a.spans[due]
			if b == nil {
				if a.event == nil && a.check(int64(r.set.drift(l.scope.now)), m.at, a.last()) {
					return true, nil
				}
				b = a.openSpan(due, start+a.size)
			}
			p = a.openPane(r, m.key, b)
		}
		if err := a.add(r, p.tally, m); err != nil && first == nil {
			first = err
		}
	}
	return false, first
}

// last is when the last of the open windows closes, in processing time.
func (a *aligned) last() int64 {
	last := int64(0)
	for due := range a.spans {
		last = max(last, due)
	}
	return last
}

func (a *aligned) openSpan(due, end int64) *span {
	b := &span{timer: timer{due: due}, of: a, end: end}
	a.spans[due] = b
	a.order.add(b)
	return b
}

func (a *aligned) openPane(r *rule, k *kept, b *span) *pane {
	p := &pane{kept: k, span: b, tally: a.start(r, paneBytes)}
	b.append(p)
	b.live++
	switch have := k.memo(a.slot).(type) {
	case nil:
		k.set(a.slot, p)
	case *pane:
		a.memory.bytes += 24 + 16
		many := &panes{list: []*pane{have}}
		many.insert(p)
		k.set(a.slot, many)
	case *panes:
		a.memory.bytes += 8
		have.insert(p)
	}
	return p
}

func (p *panes) insert(one *pane) {
	at := len(p.list)
	for at > 0 && p.list[at-1].span.due > one.span.due {
		at--
	}
	p.list = slices.Insert(p.list, at, one)
}

func (a *aligned) find(k *kept, due int64) *pane {
	switch have := k.memo(a.slot).(type) {
	case *pane:
		if have.span.due == due {
			return have
		}
	case *panes:
		at, found := slices.BinarySearchFunc(have.list, due, func(p *pane, due int64) int {
			switch {
			case p.span.due < due:
				return -1
			case p.span.due > due:
				return 1
			}
			return 0
		})
		if found {
			return have.list[at]
		}
	}
	return nil
}

func (a *aligned) first() (int64, bool) {
	b, ok := a.order.first()
	if !ok {
		return 0, false
	}
	return b.due, true
}

func (a *aligned) latest() (end int64, ok bool) {
	for due := range a.spans {
		if !ok || due > end {
			end, ok = due, true
		}
	}
	return end, ok
}

// close closes the window of one key, the first that came to it.
func (a *aligned) close(l *lane, r *rule) {
	b, _ := a.order.first()
	var p *pane
	for p == nil && b.first != nil {
		if p = b.first; p.kept == nil {
			p = nil
		}
		if b.first = b.first.next; b.first == nil {
			b.last = nil
		}
	}
	if b.first == nil {
		a.order.remove(b)
		delete(a.spans, b.due)
	}
	if p == nil {
		return
	}
	b.live--
	k := p.kept
	a.drop(k, p)
	a.emit(l, r, k, b.end-a.size, b.end, p.tally)
}

// drop takes a pane out of its key.
func (a *aligned) drop(k *kept, p *pane) {
	a.ended(p.tally, paneBytes)
	switch have := k.memo(a.slot).(type) {
	case *pane:
		k.set(a.slot, nil)
	case *panes:
		have.list = slices.DeleteFunc(have.list, func(other *pane) bool { return other == p })
		a.memory.bytes -= 8
		switch {
		case len(have.list) == 0:
			a.memory.bytes -= 24
			k.set(a.slot, nil)
		case len(have.list) == 1 && a.size == a.hop:
			a.memory.bytes -= 24 + 8
			k.set(a.slot, have.list[0])
		}
	}
}
