package rules

// Counts are windows of so many messages of a key. With a hop they overlap, or leave messages out between them.
type counts struct {
	*windows
	count, every int64
}

// keyCounts are the open ones of a key.
type keyCounts struct {
	of   *counts
	next int64 // messages until a window opens
	list []oneCount
}

type oneCount struct {
	from     int64
	n        int64
	messages *tally
}

const countBytes = 24

func (k *keyCounts) size() int {
	n := 56
	for i := range k.list {
		n += countBytes + k.of.aggregate.size(k.list[i].messages)
	}
	return n
}

func (k *keyCounts) leave(*memory, int) { k.of.open -= len(k.list) }

func (c *counts) judge(k *kept, _ int64) verdict {
	have, _ := k.memo(c.slot).(*keyCounts)
	if have != nil && len(have.list) == 0 && have.next > 0 {
		c.memory.changed(k, c.slot)
		if have.next--; have.next == 0 {
			c.memory.bytes -= have.size()
			k.set(c.slot, nil)
		}
		return filtered
	}
	return passes
}

func (c *counts) put(l *lane, r *rule, m *arrival) error {
	have, _ := m.key.memo(c.slot).(*keyCounts)
	if have == nil {
		have = &keyCounts{of: c}
		c.memory.bytes += have.size()
		m.key.set(c.slot, have)
	}
	if have.next == 0 {
		have.list = append(have.list, oneCount{from: m.at, messages: c.start(r, countBytes)})
		have.next = c.every
	}
	have.next--
	var first error
	for i := range have.list {
		have.list[i].n++
		if err := c.add(r, have.list[i].messages, m); err != nil && first == nil {
			first = err
		}
	}
	if have.list[0].n < c.count {
		return first
	}
	full := have.list[0]
	have.list = have.list[1:]
	c.ended(full.messages, countBytes)
	if len(have.list) == 0 && have.next == 0 {
		c.memory.bytes -= have.size()
		m.key.set(c.slot, nil)
	}
	c.emit(l, r, m.key, c.told(r, l, full.from), c.told(r, l, m.at), full.messages)
	return first
}

func (c *counts) first() (int64, bool)  { return 0, false }
func (c *counts) latest() (int64, bool) { return 0, false }
func (c *counts) close(*lane, *rule)    {}
