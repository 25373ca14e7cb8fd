package rules

import (
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
	operator  operator // who keeps something there
	schedule  schedule // nil: nothing of it is ever due
}

// A kept is what a memory has of one key.
type kept struct {
	id         string // identity of the key
	memos      []memo // by slot; nil where there is nothing yet
	prev, next *kept
	trail      *trail // what of it is not on disk yet, in a durable rule; nil: all is
}

// A memo is what one operator keeps for one key. Who changes one says so with memory.changed.
type memo interface {
	size() int // bytes, about
	// append writes all of it, for the operator's load.
	append(dst []byte) []byte
}

// A grower is a memo that is long and mostly gets longer, so that writing all of it for each message would not do.
type grower interface {
	memo
	// appendGrowth writes what came since append or appendGrowth was last called, for grow. When it says false
	// nothing is written, and it is time to write all of it.
	appendGrowth(dst []byte) ([]byte, bool)
	// grow reads what appendGrowth wrote, after a restart. What it has already changes nothing.
	grow(d *decoder)
}

// An operator keeps memos in a slot.
type operator interface {
	// load makes a memo of what its append wrote, after a restart; nil when it is of no use any more.
	load(d *decoder) memo
}

// A joiner is a memo that must be put into its schedule when it was loaded, the opposite of a leaver. Keys come
// in the order in which they were written last.
type joiner interface {
	join(m *memory, k *kept, slot int, now int64)
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

// slot finds or makes the place of what an operator keeps.
func (m *memory) slot(signature string, o operator) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slots {
		if m.slots[i].signature == signature {
			return i
		}
	}
	m.slots = append(m.slots, memorySlot{signature: signature, operator: o})
	return len(m.slots) - 1
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

// forget drops a key.
func (m *memory) forget(k *kept) {
	for slot, p := range k.memos {
		if p == nil {
			continue
		}
		m.bytes -= p.size()
		if l, ok := p.(leaver); ok {
			l.leave(m, slot)
		}
	}
	k.memos = nil
	m.unlink(k)
	delete(m.keys, k.id)
}

// memo gives what is kept in a slot, nil if nothing is.
func (k *kept) memo(slot int) memo {
	if k == nil || slot >= len(k.memos) {
		return nil
	}
	return k.memos[slot]
}

// set puts p into a slot, or empties the slot with nil.
func (k *kept) set(slot int, p memo) {
	for len(k.memos) <= slot {
		k.memos = append(k.memos, nil)
	}
	k.memos[slot] = p
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
