package jsonscan

// All of this file takes what Scan or Valid has accepted. Handed anything else it finds less, but never
// panics.

// members goes over the members of an object.
type members struct {
	s       scanner
	at      int
	raw     []byte // the key, in its quotes
	escaped bool
	val     Value
}

func (m *members) key() string { return text(m.raw, m.escaped) }

// is says whether the key is k, without an allocation where it has no escapes.
func (m *members) is(k string) bool {
	if !m.escaped {
		return string(m.raw[1:len(m.raw)-1]) == k
	}
	return m.key() == k
}

func openObject(raw []byte) members {
	i := space(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return members{at: -1}
	}
	return members{s: scanner{b: raw}, at: space(raw, i+1)}
}

func (m *members) next() bool {
	b, i := m.s.b, m.at
	if i < 0 || i >= len(b) || b[i] != '"' {
		return false
	}
	end, escaped := m.s.str(i)
	if end < 0 {
		return false
	}
	m.raw, m.escaped = b[i:end:end], escaped
	if i = space(b, end); i >= len(b) || b[i] != ':' {
		return false
	}
	if i = m.s.value(space(b, i+1), maxDepth, &m.val); i < 0 {
		return false
	}
	m.at = afterComma(b, i)
	return true
}

// afterComma is where the next element begins, -1 if there is none.
func afterComma(b []byte, i int) int {
	if i = space(b, i); i >= len(b) || b[i] != ',' {
		return -1
	}
	return space(b, i+1)
}

// elements goes over the elements of an array.
type elements struct {
	s   scanner
	at  int
	val Value
}

func openArray(raw []byte) elements {
	i := space(raw, 0)
	if i >= len(raw) || raw[i] != '[' {
		return elements{at: -1}
	}
	return elements{s: scanner{b: raw}, at: space(raw, i+1)}
}

func (e *elements) next() bool {
	if e.at < 0 || e.at >= len(e.s.b) || e.s.b[e.at] == ']' {
		return false
	}
	i := e.s.value(e.at, maxDepth, &e.val)
	if i < 0 {
		return false
	}
	e.at = afterComma(e.s.b, i)
	return true
}

// Get is the value of the object raw under key, of the last one if there are several; Missing if there
// is none or raw is no object.
func Get(raw []byte, key string) Value {
	var v Value
	for m := openObject(raw); m.next(); {
		if m.is(key) {
			v = m.val
		}
	}
	return v
}

// Index is element i of the array raw, from the end if i is negative (-1 is the last one); Missing past
// either end or if raw is no array.
func Index(raw []byte, i int) Value {
	if i < 0 {
		if i += arrayLen(raw); i < 0 {
			return Value{}
		}
	}
	for e := openArray(raw); e.next(); i-- {
		if i == 0 {
			return e.val
		}
	}
	return Value{}
}

// Len is the number of elements of an array, or of keys of an object, where one that comes twice counts
// once. Of anything else it is 0.
func Len(raw []byte) int {
	if i := space(raw, 0); i < len(raw) && raw[i] == '[' {
		return arrayLen(raw)
	}
	var few [24]string
	keys := few[:0]
	var many map[string]struct{} // above 24, or a hostile object would cost the square of its size
	for m := openObject(raw); m.next(); {
		key := m.key()
		if many != nil {
			many[key] = struct{}{}
			continue
		}
		if contains(keys, key) {
			continue
		}
		if len(keys) < len(few) {
			keys = append(keys, key)
			continue
		}
		many = make(map[string]struct{}, 4*len(few))
		for _, k := range keys {
			many[k] = struct{}{}
		}
		many[key] = struct{}{}
	}
	if many != nil {
		return len(many)
	}
	return len(keys)
}

func contains(keys []string, key string) bool {
	for _, k := range keys {
		if k == key {
			return true
		}
	}
	return false
}

func arrayLen(raw []byte) int {
	n := 0
	for e := openArray(raw); e.next(); {
		n++
	}
	return n
}

// Each calls f for the elements of the array raw in their order, until f returns false.
func Each(raw []byte, f func(i int, v Value) bool) {
	i := 0
	for e := openArray(raw); e.next(); i++ {
		if !f(i, e.val) {
			return
		}
	}
}

// EachKey calls f for the members of the object raw in their order, until f returns false. A key that
// comes twice is there twice. rawKey is the key as written, in its quotes; key is part of raw where it
// has no escapes, so clone it to keep it.
func EachKey(raw []byte, f func(key string, rawKey []byte, v Value) bool) {
	for m := openObject(raw); m.next(); {
		if !f(m.key(), m.raw, m.val) {
			return
		}
	}
}

// Members fills out with the members of an object that have these names, in one pass: of a name that comes again the
// last, and Missing for one that does not.
func Members(raw []byte, names []string, out []Value) {
	clear(out)
	for m := openObject(raw); m.next(); {
		key := m.raw[1 : len(m.raw)-1]
		for i, name := range names {
			if len(name) == len(key) && name[0] == key[0] && string(key) == name || m.escaped && m.key() == name {
				out[i] = m.val
				break
			}
		}
	}
}

// Elements fills out with the first elements of an array, and says how many there are.
func Elements(raw []byte, out []Value) (n int) {
	for e := openArray(raw); e.next(); n++ {
		if n < len(out) {
			out[n] = e.val
		}
	}
	return n
}

// Decode makes Go values of raw: nil, bool, int64, float64, string, []any and map[string]any. They share
// no memory with raw.
func Decode(raw []byte) any {
	return DecodeWith(raw, func(v Value) any {
		switch v.Kind {
		case False:
			return false
		case True:
			return true
		case Int:
			return v.Int()
		case Float:
			return v.Float()
		case String:
			return own(v.Raw, v.Escaped)
		}
		return nil
	})
}

// DecodeWith is Decode with another way to make Go values of what is neither array nor object.
func DecodeWith(raw []byte, leaf func(v Value) any) any {
	d := decoder{scanner{b: raw}, leaf}
	v, _ := d.decode(space(raw, 0), maxDepth)
	return v
}

type decoder struct {
	scanner
	leaf func(v Value) any
}

// decode goes over the value at i and makes a Go value of it.
func (s *decoder) decode(i, left int) (any, int) {
	if i < len(s.b) && left > 0 {
		switch s.b[i] {
		case '[':
			return s.decodeArray(i, left-1)
		case '{':
			return s.decodeObject(i, left-1)
		}
	}
	var v Value
	end := s.value(i, left, &v)
	return s.leaf(v), end
}

func (s *decoder) decodeArray(i, left int) (any, int) {
	list := []any{}
	if i = space(s.b, i+1); i < len(s.b) && s.b[i] == ']' {
		return list, i + 1
	}
	for {
		v, end := s.decode(i, left)
		if end < 0 {
			return nil, end
		}
		list = append(list, v)
		if end = space(s.b, end); end >= len(s.b) || s.b[end] != ',' {
			return list, end + 1
		}
		i = space(s.b, end+1)
	}
}

func (s *decoder) decodeObject(i, left int) (any, int) {
	object := map[string]any{}
	if i = space(s.b, i+1); i < len(s.b) && s.b[i] == '}' {
		return object, i + 1
	}
	for {
		if i >= len(s.b) || s.b[i] != '"' {
			return nil, -1
		}
		end, escaped := s.str(i)
		if end < 0 {
			return nil, end
		}
		key := own(s.b[i:end], escaped)
		v, end := s.decode(space(s.b, space(s.b, end)+1), left)
		if end < 0 {
			return nil, end
		}
		object[key] = v
		if end = space(s.b, end); end >= len(s.b) || s.b[end] != ',' {
			return object, end + 1
		}
		i = space(s.b, end+1)
	}
}

// own is text that is no part of the payload.
func own(raw []byte, escaped bool) string {
	if escaped {
		return text(raw, true)
	}
	return string(raw[1 : len(raw)-1])
}
