package rules

import (
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
	bytes          int       // that all keys take, about
	at             time.Time // the latest now of those who came here
	lately         lately    // since the lock was taken
	serial         int       // of the rule that was loaded last
	charged        int       // what of bytes is in the sum of the set

	journal  *journal // of a durable rule; else nil
	restored bool     // all of it comes from the disk
	stale    bool     // and not all that is there was of use
	joins    bool     // what comes from the disk is to be put into schedules

	owner  atomic.Pointer[rule] // the newest rule that has run here; written under the lock
	shown  struct{ keys, bytes, evicted atomic.Int64 }
	warned time.Time    // when evictions were logged
	due    atomic.Int64 // when the earliest schedule fires, in Unix ns of the engine's clock; 0: nothing is due
	line   line
}

// A memorySlot is the place of one operator's memo in each key. Rules that say the same have the same
// signature, and so share it across a reload.
type memorySlot struct {
	signature string
	number    uint64   // on disk, of the signature
	operator  operator // who keeps something there; nil: it is a schedule only
	schedule  schedule // nil: nothing of it is ever due
	serial    int      // of the last rule that uses it
	retired   bool     // no rule that runs uses it
}

// A kept is what a memory has of one key. There may be a hundred thousand, and most rules have one operator, so
// that a second memo costs more than the first.
type kept struct {
	id         string  // identity of the key
	first      memo    // of slot 0; nil: there is nothing yet
	more       *[]memo // of the slots after it
	touched    int64   // when a message of it came last
	prev, next *kept
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

// A joiner is a memo that is put into its schedule when it was loaded, the opposite of a leaver, in the order in
// which they began.
type joiner interface {
	began() int64
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
		k = m.add(string(id), limit)
	} else if m.newest != k {
		m.unlink(k)
		m.link(k)
	}
	k.touched = nanos(m.at)
	return k
}

// add makes a key, the newest.
func (m *memory) add(id string, limit int) *kept {
	for len(m.keys) >= limit && m.oldest != nil {
		m.evict(m.oldest)
	}
	k := &kept{id: id, touched: nanos(m.at)}
	m.keys[id] = k
	m.returned(k)
	m.bytes += k.size()
	m.link(k)
	return k
}

const perKey = 120 // bytes that a key takes beside its identity and what operators keep

func (k *kept) size() int { return perKey + len(k.id) }

func (m *memory) link(k *kept) {
	k.prev, k.next = m.newest, nil
	if m.newest != nil {
		m.newest.next = k
	} else {
		m.oldest = k
	}
	m.newest = k
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
	if m.keys[k.id] != k {
		return
	}
	for slot := range k.slots() {
		m.empty(k, slot)
	}
	m.forgotten(k)
	m.bytes -= k.size()
	m.unlink(k)
	delete(m.keys, k.id)
}

// empty drops what a key has in a slot.
func (m *memory) empty(k *kept, slot int) {
	p := k.memo(slot)
	if p == nil {
		return
	}
	m.bytes -= p.size()
	if l, ok := p.(leaver); ok {
		l.leave(m, slot)
	}
	k.set(slot, nil)
	m.changed(k, slot)
}

// tidy forgets a key of which nothing is kept any more.
func (m *memory) tidy(k *kept) {
	if k == nil {
		return
	}
	for slot := range k.slots() {
		if k.memo(slot) != nil {
			return
		}
	}
	m.forget(k)
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

// fire fires what is due before now, or also at it, in the order of time; at most as many things as most. It is
// for the newest rule alone: an older one, which a lane still runs, does not know what is due any more.
func (m *memory) fire(l *lane, r *rule, now int64, inclusive bool, most int) {
	if r != m.owner.Load() {
		return
	}
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
		m.begin(l, r, nil)
		first.fire(l, r, now)
		m.end(l)
	}
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
	case Int:
		if v.text != "" && v.bits != 0 { // of all whole numbers only -0 is not written as Go writes it
			v.text = ""
		}
		fallthrough
	default:
		if v.text != "" {
			v.text = string(append([]byte(nil), v.text...))
		}
	}
	return v
}

func (v Value) keptSize() int { return 48 + len(v.text) }
