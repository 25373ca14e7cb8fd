package rules

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A memory is what a rule keeps from one message to the next, by key. It outlives a reload: it belongs to the
// rule's name for as long as the key stays the same. Lanes and Tick share it; the lock is never held across an
// emit.
type memory struct {
	signature string // what makes a key: another one is another memory

	mu             sync.Mutex // for all below
	keys           map[string]*kept
	oldest, newest *kept // by the time that a message of the key came last
	slots          []memorySlot
	bytes          int // that all keys take, about
	evicted        atomic.Int64

	due  atomic.Int64 // when the earliest schedule fires, in Unix ns of the engine's clock; 0: nothing is due
	line line
}

// A memorySlot is the place of one operator's memo in each key. Rules that say the same have the same
// signature, and so share it across a reload.
type memorySlot struct {
	signature string
	schedule  schedule // nil: nothing of it is ever due
}

// A kept is what a memory has of one key. There may be a hundred thousand, and most rules have one operator, so
// that a second memo costs more than the first: see TestWindowMemory.
type kept struct {
	id         string  // identity of the key
	first      memo    // of slot 0; nil: there is nothing yet
	more       *[]memo // of the slots after it
	prev, next *kept
}

// A memo is what one operator keeps for one key.
type memo interface {
	size() int // bytes, about
}

// A schedule knows what of an operator is due, for all keys, and fires it. It is called under the lock.
type schedule interface {
	// next is when something is due, in Unix ns; 0: nothing is.
	next() int64
	// fire fires one thing that is due at now or before, and hands what comes of it to l.
	fire(l *lane, r *rule, now int64)
}

const defaultMaxKeys = 100_000

func newMemory(signature string) *memory {
	return &memory{signature: signature, keys: map[string]*kept{}}
}

// slot finds or makes the place of a memo.
func (m *memory) slot(signature string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slots {
		if m.slots[i].signature == signature {
			return i
		}
	}
	m.slots = append(m.slots, memorySlot{signature: signature})
	return len(m.slots) - 1
}

// scheduled gives the schedule of a slot, and makes it where there is none.
func (m *memory) scheduled(slot int, newSchedule func() schedule) schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots[slot].schedule == nil {
		m.slots[slot].schedule = newSchedule()
	}
	return m.slots[slot].schedule
}

// find gives what is kept for a key, nil if nothing is.
func (m *memory) find(id []byte) *kept { return m.keys[string(id)] }

// touch finds or makes what is kept for a key, which is now the newest. Beyond the limit of keys the oldest goes.
func (m *memory) touch(id []byte, limit int) *kept {
	k := m.keys[string(id)]
	if k == nil {
		k = &kept{id: string(id)}
		m.keys[k.id] = k
		for len(m.keys) > limit && m.oldest != nil {
			m.forget(m.oldest)
			m.evicted.Add(1)
		}
	} else if m.newest == k {
		return k
	} else {
		m.unlink(k)
	}
	k.prev, k.next = m.newest, nil
	if m.newest != nil {
		m.newest.next = k
	} else {
		m.oldest = k
	}
	m.newest = k
	return k
}

func (m *memory) unlink(k *kept) {
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		m.oldest = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	} else {
		m.newest = k.prev
	}
	k.prev, k.next = nil, nil
}

// A leaver is a memo that must be taken out of its schedule when its key is forgotten.
type leaver interface{ leave(m *memory, slot int) }

// holds says whether anything is kept.
func (m *memory) holds() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.keys) > 0
}

// forget drops a key.
func (m *memory) forget(k *kept) {
	for slot := range k.slots() {
		m.drop(k, slot)
	}
	m.unlink(k)
	delete(m.keys, k.id)
}

// drop empties a slot of a key.
func (m *memory) drop(k *kept, slot int) {
	p := k.memo(slot)
	if p == nil {
		return
	}
	m.bytes -= p.size()
	if l, ok := p.(leaver); ok {
		l.leave(m, slot)
	}
	k.set(slot, nil)
}

// forgetEmpty drops a key of which nothing is kept any more.
func (m *memory) forgetEmpty(k *kept) {
	for slot := range k.slots() {
		if k.memo(slot) != nil {
			return
		}
	}
	if m.keys[k.id] == k {
		m.forget(k)
	}
}

// retire empties the slots that the rule which runs now has no use for. They stay as places.
func (m *memory) retire(used []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for slot := range m.slots {
		if slices.Contains(used, slot) {
			continue
		}
		m.slots[slot].schedule = nil
		for _, k := range m.keys {
			m.drop(k, slot)
		}
	}
}

// slots is how many slots the key has room for.
func (k *kept) slots() int {
	if k.more == nil {
		return 1
	}
	return 1 + len(*k.more)
}

// memo gives what is kept in a slot, nil if nothing is.
func (k *kept) memo(slot int) memo {
	switch {
	case k == nil || slot >= k.slots():
		return nil
	case slot == 0:
		return k.first
	}
	return (*k.more)[slot-1]
}

// set puts p into a slot, or empties the slot with nil.
func (k *kept) set(slot int, p memo) {
	if slot == 0 {
		k.first = p
		return
	}
	if k.more == nil {
		k.more = new([]memo)
	}
	for len(*k.more) < slot {
		*k.more = append(*k.more, nil)
	}
	(*k.more)[slot-1] = p
}

// reckon finds out when the next thing is due, and says whether that is earlier than was known.
func (m *memory) reckon() (earlier bool) {
	var due int64
	for i := range m.slots {
		if s := m.slots[i].schedule; s != nil {
			if at := s.next(); at != 0 && (due == 0 || at < due) {
				due = at
			}
		}
	}
	was := m.due.Swap(due)
	return due != 0 && (was == 0 || due < was)
}

// fire fires what is due before now, or also at it, in the order of time; at most as many things as most.
func (m *memory) fire(l *lane, r *rule, now int64, inclusive bool, most int) {
	limit := now
	if !inclusive {
		limit--
	}
	for ; most > 0; most-- {
		var first schedule
		var at int64
		for i := range m.slots {
			if s := m.slots[i].schedule; s != nil {
				if due := s.next(); due != 0 && due <= limit && (first == nil || due < at) {
					first, at = s, due
				}
			}
		}
		if first == nil {
			return
		}
		first.fire(l, r, now)
	}
}

// appendIdentity gives what makes a key itself: 7 and "7" are two keys, 1 and 1.0 are one.
func appendIdentity(dst []byte, key Value) []byte {
	if i, ok := key.whole(); ok {
		return strconv.AppendInt(append(dst, 'i'), i, 10)
	}
	switch key.kind {
	case String, Escaped:
		return append(append(dst, 's'), key.string()...)
	case Float:
		return strconv.AppendFloat(append(dst, 'f'), key.float(), 'g', -1, 64)
	case Bool:
		return append(dst, 'b', byte('0'+key.bits))
	}
	return append(dst, 'n')
}

// keyOf is the reverse of appendIdentity.
func keyOf(id string) Value {
	switch text := id[1:]; id[0] {
	case 'i':
		i, _ := strconv.ParseInt(text, 10, 64)
		return intValue(i)
	case 's':
		return stringValue(text)
	case 'f':
		f, _ := strconv.ParseFloat(text, 64)
		v, _ := floatValue(f)
		return v
	case 'b':
		return boolValue(text == "1")
	}
	return null
}

// A line lets those who made something under a lock hand it on in the order in which they held the lock, but
// without it: emit may block. A ticket is taken under the lock; everybody who has one must step up and leave.
type line struct {
	mu      sync.Mutex
	moved   sync.Cond
	tickets uint64
	serving uint64
}

func (l *line) ticket() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moved.L == nil {
		l.moved.L = &l.mu
	}
	l.tickets++
	return l.tickets - 1
}

func (l *line) stepUp(ticket uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.serving != ticket {
		l.moved.Wait()
	}
}

func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving++
	l.moved.Broadcast()
}

// nanos is a time on the engine's clock as schedules count it.
func nanos(t time.Time) int64 { return t.UnixNano() }

// keep gives v so that it outlives the message: nothing of it lies in the payload or in the arena.
func (v Value) keep() Value {
	switch v.kind {
	case Boxed:
		switch v.ref.(type) {
		case []any, map[string]any:
			text, err := v.appendJSON(nil, nil)
			if err != nil {
				return null // it could not have been written either
			}
			return parsed(text)
		}
		return v
	default:
		if v.text != "" {
			v.text = string(append([]byte(nil), v.text...))
		}
	}
	return v
}

func (v Value) keptSize() int { return 48 + len(v.text) }
