package rules

import (
	"slices"
	"strings"

	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
)

// A shape is what the result of a rule looks like, as far as the rule file tells.
type shape struct {
	kind   shapeKind
	fields []field // in the order of the file
	edits  *edit   // set and remove, as a tree
	ready  int     // how many fields the expression being compiled may read
}

type shapeKind uint8

const (
	passed shapeKind = iota // the payload, or the element of a split, as it came
	mapped                  // map: a new object
	edited                  // set and remove: the old one with changes
)

// A field is one entry of map or set.
type field struct {
	name       string // as written; of set: a path with dots
	label      []byte // {"name": or ,"name": in JSON
	expression *expression
}

// place puts another field behind those that are there.
func (s *shape) place(name string) {
	mark := byte('{')
	if len(s.fields) > 0 {
		mark = ','
	}
	s.fields = append(s.fields, field{name: name, label: append([]byte{mark}, labelOf(name)...)})
}

// An edit is a node of the tree of changes that set and remove make to an object.
type edit struct {
	name   string
	label  []byte
	field  int // index of the new value; -1: none
	remove bool
	inner  []*edit
}

// at finds or makes the edit for a path.
func (e *edit) at(path []string) *edit {
	for _, name := range path {
		found := e.find(name)
		if found == nil {
			found = &edit{name: name, label: labelOf(name), field: -1}
			e.inner = append(e.inner, found)
		}
		e = found
	}
	return e
}

// labelOf is the name of a member as JSON, with its colon.
func labelOf(name string) []byte { return append(jsonscan.AppendString(nil, name), ':') }

func (e *edit) find(name string) *edit {
	for _, inner := range e.inner {
		if inner.name == name {
			return inner
		}
	}
	return nil
}

// writes says whether anything below e is set, so that a missing object has to be made.
func (e *edit) writes() bool {
	if e.field >= 0 {
		return true
	}
	for _, inner := range e.inner {
		if inner.writes() {
			return true
		}
	}
	return false
}

// An output is the result of a rule while it is made.
type output struct {
	values []Value // of the fields so far
	whole  []byte  // all of it as JSON, once asked for
}

func (o *output) reset() {
	o.values = o.values[:0]
	o.whole = nil
}

// outField compiles a reference to the result.
func (k *compiler) outField(path []string, at int) (evaluator, *sourceError) {
	shape := k.out
	if len(path) == 0 {
		if shape.kind == passed {
			return k.source(nil), nil
		}
		if shape.ready < len(shape.fields) {
			return nil, sourceErrorf(at, "out is not whole yet: read out.NAME of a field above")
		}
		return func(c *scope) (Value, error) {
			raw, err := c.result()
			return Value{kind: Object, text: textOf(raw)}, err
		}, nil
	}
	switch shape.kind {
	case mapped:
		return k.mappedField(path, at)
	case edited:
		name := strings.Join(path, ".")
		for i := range shape.fields[:shape.ready] {
			if shape.fields[i].name == name {
				return shape.fields[i].value(i), nil
			}
		}
		if shape.ready == len(shape.fields) && shape.edits.find(path[0]) != nil {
			return members(func(c *scope) (Value, error) {
				raw, err := c.result()
				return Value{kind: Object, text: textOf(raw)}, err
			}, path), nil
		}
	}
	return k.source(path), nil
}

// source reads what the result begins as: the payload, or the element of a split.
func (k *compiler) source(path []string) evaluator {
	if k.names.item {
		return members(func(c *scope) (Value, error) { return c.item, nil }, path)
	}
	k.usesPayload = true
	slot := k.set.field(path)
	return func(c *scope) (Value, error) { return scanned(&c.slots[slot]), nil }
}

func (k *compiler) mappedField(path []string, at int) (evaluator, *sourceError) {
	var names []string
	for i := range k.out.fields {
		if k.out.fields[i].name != path[0] {
			names = append(names, k.out.fields[i].name)
			continue
		}
		if i >= k.out.ready {
			return nil, sourceErrorf(at, "out.%s stands below; a field may read those above it", path[0])
		}
		return members(k.out.fields[i].value(i), path[1:]), nil
	}
	made := "map"
	if k.names.window {
		made = "aggregate"
	}
	if hint := strictyaml.Suggest(path[0], names); hint != "" {
		return nil, sourceErrorf(at, "%s has no field %s, did you mean out.%s?", made, path[0], hint)
	}
	return nil, sourceErrorf(at, "%s has no field %s; it has %s", made, path[0], strings.Join(names, ", "))
}

// fill computes the fields of map or set. What is only copied stays where the scanner found it.
func (c *scope) fill() error {
	fields := c.rule.shape.fields
	c.out.values = slices.Grow(c.out.values, len(fields))[:len(fields)]
	for i := range fields {
		e := fields[i].expression
		if e.copies {
			continue
		}
		v, err := c.run(e)
		if err != nil {
			return err
		}
		c.out.values[i] = v
	}
	return nil
}

// value reads the ith field of the result.
func (f *field) value(i int) evaluator {
	if f.expression != nil && f.expression.copies { // nil: it has an error
		slot := f.expression.slot
		return func(c *scope) (Value, error) { return scanned(&c.slots[slot]), nil }
	}
	return func(c *scope) (Value, error) { return c.out.values[i], nil }
}

// outValue gives the ith field of the result.
func (c *scope) outValue(i int) Value {
	if e := c.rule.shape.fields[i].expression; e.copies {
		return scanned(&c.slots[e.slot])
	}
	return c.out.values[i]
}

// appendField appends the ith field of the result as JSON.
func (c *scope) appendField(dst []byte, i int) ([]byte, error) {
	e := c.rule.shape.fields[i].expression
	if e.copies {
		s := &c.slots[e.slot]
		if s.Kind == jsonscan.Missing {
			return append(dst, "null"...), nil
		}
		return append(dst, s.Raw...), nil
	}
	v := &c.out.values[i]
	if v.kind == Float && v.text == "" {
		if out, ok := jsonscan.AppendFloat(dst, v.float()); ok {
			return out, nil
		}
	}
	dst, err := v.appendJSON(dst, &c.budget)
	return dst, failed(err, e)
}

// result gives the result of the rule as JSON. It is made once a message and then shared.
func (c *scope) result() ([]byte, error) {
	if c.out.whole != nil {
		return c.out.whole, nil
	}
	raw, err := c.encode()
	c.out.whole = raw
	return raw, err
}

func (c *scope) encode() ([]byte, error) {
	r := c.rule
	switch r.shape.kind {
	case passed:
		if c.fired {
			return []byte("null"), nil
		}
		if r.split == nil {
			return c.message.Payload, nil
		}
		dst, err := c.item.appendJSON(c.arena.room(), &c.budget)
		return c.arena.keep(dst), err
	case mapped:
		dst := c.arena.room()
		if len(r.shape.fields) == 0 {
			dst = append(dst, '{')
		}
		for i := range r.shape.fields {
			f := &r.shape.fields[i]
			dst = append(dst, f.label...)
			if s := c.copied(f.expression); s != nil && s.Kind != jsonscan.Missing {
				dst = append(dst, s.Raw...)
				continue
			}
			var err error
			if dst, err = c.appendField(dst, i); err != nil {
				return nil, err
			}
		}
		return c.arena.keep(append(dst, '}')), nil
	}
	old := c.item
	if r.split == nil {
		old = scanned(&c.slots[r.whole])
	}
	if old.kind == Boxed {
		text, err := old.appendJSON(nil, &c.budget)
		if err != nil {
			return nil, err
		}
		old = parsed(text)
	}
	if old.kind != Object {
		return nil, &failure{err: fail(WrongType, "set and remove need an object, the payload is %s", old.typeName()), expression: r.setAt}
	}
	dst, err := c.edit(c.arena.room(), bytesOf(old.text), r.shape.edits)
	return c.arena.keep(dst), err
}

// edit copies an object with changes: members keep their place, new ones come last.
func (c *scope) edit(dst, raw []byte, edits *edit) ([]byte, error) {
	var seen [16]bool
	done := seen[:]
	if len(edits.inner) > len(done) {
		done = make([]bool, len(edits.inner))
	}
	dst = append(dst, '{')
	first := true
	comma := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	var err error
	member := func(key string, rawKey []byte, v jsonscan.Value) bool {
		index, change := -1, (*edit)(nil)
		for i, inner := range edits.inner {
			if inner.name == key {
				index, change = i, inner
			}
		}
		switch {
		case change == nil:
			comma()
			dst = append(append(append(dst, rawKey...), ':'), v.Raw...)
		case change.remove || done[index]:
		case change.field < 0 && v.Kind != jsonscan.Object && !change.writes():
			comma()
			dst = append(append(append(dst, rawKey...), ':'), v.Raw...)
		default:
			done[index] = true
			comma()
			dst = append(dst, change.label...)
			inner := []byte("{}")
			if v.Kind == jsonscan.Object {
				inner = v.Raw
			}
			dst, err = c.change(dst, inner, change)
		}
		return err == nil
	}
	jsonscan.EachKey(raw, member)
	if err != nil {
		return dst, err
	}
	for i, inner := range edits.inner {
		if done[i] || inner.remove || !inner.writes() {
			continue
		}
		comma()
		dst = append(dst, inner.label...)
		if dst, err = c.change(dst, []byte("{}"), inner); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (c *scope) change(dst, raw []byte, e *edit) ([]byte, error) {
	if e.field < 0 {
		return c.edit(dst, raw, e)
	}
	return c.appendField(dst, e.field)
}

// An arena gives out room for results, which are handed on and never changed, so that not each of them is an
// allocation. What is given out stays valid as long as anyone points to it.
type arena struct{ chunk []byte }

const (
	chunkSize = 16 << 10
	chunkRest = 1 << 10 // less is not worth a try
)

// room gives an empty slice to append to; keep must follow before the next room.
func (a *arena) room() []byte {
	if cap(a.chunk)-len(a.chunk) < chunkRest {
		a.chunk = make([]byte, 0, chunkSize)
	}
	return a.chunk[len(a.chunk):]
}

// keep takes what was appended to room out of the arena.
func (a *arena) keep(b []byte) []byte {
	free := a.chunk[len(a.chunk):cap(a.chunk)]
	if len(b) > 0 && len(b) <= len(free) && &free[0] == &b[0] {
		a.chunk = a.chunk[:len(a.chunk)+len(b)]
	}
	return b[:len(b):len(b)]
}
