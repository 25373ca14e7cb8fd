package rules

import (
	"edge/engine"
	"edge/internal/jsonscan"
)

// process runs the rule for one message. What it emits holds m.
func (r *rule) process(l *lane, m *engine.Message, params []string) {
	c := &l.scope
	c.message, c.params = m, params
	if r.split == nil {
		r.element(l, null)
		return
	}
	c.begin(r)
	list, err := c.run(r.split)
	if err == nil && r.elements(l, list) {
		return
	}
	if err == nil && !list.isList() && !list.isNull() {
		err = &failure{err: fail(WrongType, "split takes a list, not %s", list.typeName()), expression: r.split}
	}
	r.book.in.Add(1)
	if err != nil {
		r.fail(l, err)
		return
	}
	r.book.filtered.Add(1)
}

// elements runs the rule for each element of a list, and says whether there was any. Elements that came in are handed
// on as they are written.
func (r *rule) elements(l *lane, list Value) (any bool) {
	if list.kind == Array {
		jsonscan.Each(bytesOf(list.text), func(_ int, s jsonscan.Value) bool {
			r.element(l, scanned(&s))
			any = true
			return true
		})
		return any
	}
	built, _ := list.list()
	for _, element := range built {
		r.element(l, unbox(element))
	}
	return len(built) > 0
}
