package rules

import (
	"sync"
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// A table is rows by key, which expressions of all rules look up. Those of a file never change; those of a stream
// are written from messages, before the rules see the same message.
type table struct {
	name string
	pos  strictyaml.Pos
	rows *rows
	book *tableBook

	file     string // the rows come from it; "" for a stream
	contents [32]byte

	stream  *rule // of a stream: where its messages come from, and what its expressions see
	when    *expression
	value   *expression // nil: the whole payload
	whole   int         // the field that is the whole payload
	ttl     time.Duration
	maxKeys int
}

// A tableBook counts what became of the messages of a table. It belongs to the table's name, over a reload.
type tableBook struct {
	book            // errors by class, and when each was logged last
	writes, evicted atomic.Int64
}

// maxTableBytes bounds what the rows of one stream take. Beyond it the row goes that was written first.
const maxTableBytes = 64 << 20

// Rows are what a table holds. Those of a stream are shared with the program after a reload.
type rows struct {
	signature string // of a stream: what makes its rows

	mu             sync.RWMutex // of a stream; the rows of a file are only read
	byKey          map[string]*row
	oldest, newest *row // of a stream, by the last write
	bytes          int
}

// A row is changed under the lock only, so who reads it copies its value.
type row struct {
	id         string // identity of the key
	value      Value
	written    int64
	prev, next *row
}

const perRow = 96 // bytes that a row takes beside its key and value

func newRows(signature string) *rows { return &rows{signature: signature, byKey: map[string]*row{}} }

// get gives the value under a key, null where there is none.
func (t *table) get(id []byte, now time.Time) (v Value, found bool) {
	r := t.rows
	if t.stream == nil {
		if one := r.byKey[string(id)]; one != nil {
			return one.value, true
		}
		return null, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	one := r.byKey[string(id)]
	if one == nil || t.over(one, nanos(now)) {
		return null, false
	}
	return one.value, true
}

func (t *table) over(one *row, now int64) bool { return t.ttl > 0 && now-one.written >= int64(t.ttl) }

// all gives copies of the rows that are there at now, in no order.
func (t *table) all(now time.Time) []row {
	r := t.rows
	if t.stream != nil {
		r.mu.RLock()
		defer r.mu.RUnlock()
	}
	list := make([]row, 0, len(r.byKey))
	for _, one := range r.byKey {
		if !t.over(one, nanos(now)) {
			list = append(list, row{id: one.id, value: one.value})
		}
	}
	return list
}

// size counts the rows that are there at now.
func (t *table) size(now time.Time) int {
	if t.stream == nil {
		return len(t.rows.byKey)
	}
	t.rows.mu.Lock()
	defer t.rows.mu.Unlock()
	t.expire(nanos(now))
	return len(t.rows.byKey)
}

// write puts a row into a stream's table; null takes it out.
func (t *table) write(id []byte, v Value, now int64) {
	r := t.rows
	r.mu.Lock()
	defer r.mu.Unlock()
	t.expire(now)
	if one := r.byKey[string(id)]; one != nil {
		r.drop(one)
	}
	t.book.writes.Add(1)
	if v.isNull() {
		return
	}
	one := &row{id: string(id), value: v, written: now, prev: r.newest}
	if r.newest != nil {
		r.newest.next = one
	} else {
		r.oldest = one
	}
	r.newest = one
	r.byKey[one.id] = one
	r.bytes += one.size()
	for len(r.byKey) > t.maxKeys || r.bytes > maxTableBytes && r.oldest != one {
		r.drop(r.oldest)
		t.book.evicted.Add(1)
	}
}

// expire drops the rows whose time is over. They are in the order of their writes, so those behind live on.
func (t *table) expire(now int64) {
	for one := t.rows.oldest; one != nil && t.over(one, now); one = t.rows.oldest {
		t.rows.drop(one)
	}
}

func (o *row) size() int { return perRow + len(o.id) + len(o.value.text) }

func (r *rows) drop(one *row) {
	if one.prev != nil {
		one.prev.next = one.next
	} else {
		r.oldest = one.next
	}
	if one.next != nil {
		one.next.prev = one.prev
	} else {
		r.newest = one.prev
	}
	delete(r.byKey, one.id)
	r.bytes -= one.size()
}

// take writes a message into the table of a stream. What is wrong is counted and logged: a table has no on_error.
func (t *table) take(l *lane, m *engine.Message, params []string) {
	c := &l.scope
	defer func() {
		if reason := recover(); reason != nil {
			t.fail(c, fail(Panic, "%v", reason))
		}
	}()
	c.message, c.params = m, params
	c.begin(t.stream)
	pass, err := c.condition(t.when)
	if err != nil || !pass {
		t.fail(c, err)
		return
	}
	key, err := c.keyValue()
	if err != nil {
		t.fail(c, err)
		return
	}
	c.row = appendIdentity(c.row[:0], key)
	v := scanned(&c.slots[t.whole])
	if t.value != nil {
		if v, err = c.run(t.value); err != nil {
			t.fail(c, err)
			return
		}
		c.row = appendIdentity(c.row[:0], key) // value may have looked something up
	}
	t.write(c.row, v.keep(), nanos(c.now))
}

// fail counts an error, if there is one.
func (t *table) fail(c *scope, err error) {
	if err == nil {
		return
	}
	t.stream.witnessed(err)
	class := classOf(err)
	if t.book.err(class, c.now) {
		t.stream.set.logger.Warn("a message could not be written to a table; the next of this table and class is logged in a minute",
			"table", t.name, "class", string(class), "error", err.Error(), "topic", c.message.Topic, "at", t.stream.place())
	}
}

// inherit takes over what the table of the same name had before a reload, as far as it is still the same.
func (t *table) inherit(was *table) {
	if was == nil {
		t.book = &tableBook{}
		return
	}
	t.book = was.book
	switch {
	case t.stream == nil || was.stream == nil:
	case t.rows.signature == was.rows.signature:
		t.rows = was.rows
	default:
		t.stream.set.logger.Info("a table begins anew: its source, key or value is another", "table", t.name, "at", t.stream.place())
	}
}
