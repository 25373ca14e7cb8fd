package strictyaml

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// A Loader reads files. Its zero value reads the real environment and the real disk.
type Loader struct {
	Env         func(string) (string, bool)  // nil: os.LookupEnv
	ReadFile    func(string) ([]byte, error) // reads the files of secrets; nil: os.ReadFile
	SkipSecrets bool                         // do not read the files of secrets and keys: for callers that check names only

	path []string // the keys that lead to what is decoded, for messages
}

// At is a loader whose messages say that what it decodes is found under key: for a NodeDecoder that decodes
// the values of its keys by itself.
func (l *Loader) At(key string) *Loader {
	inner := *l
	inner.path = append(slices.Clip(l.path), key)
	return &inner
}

// Decode reads n, a node that Parse returned or one inside of it, into what into points to. What is not given
// keeps the value it has. Struct fields are named by their tag `yaml:"name"`, with options after a comma:
//
//	size      an integer counts bytes and is written as 64MiB
//	path      a text names a file, relative to the folder of the file it stands in
//	present   path, of a file that can be read now
//	required  the key must be given, and a list of texts have an entry
//	nonzero   a number that is given is not 0, which stands for one that is not given
//	inline    the keys of this struct are keys of the one around it
//
// It panics when into has a type that YAML cannot be read into.
func (l *Loader) Decode(file string, n *yaml.Node, into any, errs *Errors) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("strictyaml: cannot decode into %T", into))
	}
	if n == nil {
		return
	}
	name := ""
	if len(l.path) > 0 {
		name = l.path[len(l.path)-1]
	}
	(&walker{l, file, errs}).value(n, v.Elem(), place{name: name, path: l.path})
}

// A walker holds nodes against types. Its methods return false when something was wrong, reported here or by
// Parse.
type walker struct {
	loader *Loader
	file   string
	errs   *Errors
}

// A place is what an error calls a value, and what the tag of its field says of it.
type place struct {
	name string
	path []string
	size bool
	file bool // the text is a path
}

func (w *walker) fail(n *yaml.Node, at place, format string, args ...any) bool {
	message := fmt.Sprintf(format, args...)
	if at.name != "" {
		message = quote(at.name) + " " + message
	}
	w.errs.Add(PosOf(w.file, n), "%s", message)
	return false
}

var (
	nodeType     = reflect.TypeFor[yaml.Node]()
	nodePointer  = reflect.TypeFor[*yaml.Node]()
	textType     = reflect.TypeFor[Text]()
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

func (w *walker) value(n *yaml.Node, v reflect.Value, at place) bool {
	if isBad(n) {
		return false
	}
	if v.Type() == nodeType || v.Type() == nodePointer {
		return w.raw(n, v, at)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return w.value(n, v.Elem(), at)
	}
	self := v.Addr().Interface()
	if isNull(n) {
		if _, ok := self.(EmptyAllower); ok {
			v.SetZero()
			return true
		}
		return w.empty(n, at)
	}
	before := len(*w.errs)
	ok := w.content(n, v, self, at)
	if c, has := self.(Validator); has && ok && len(*w.errs) == before {
		c.Validate(func(key string) Pos { return w.posOfKey(n, key) }, w.errs)
	}
	return ok && len(*w.errs) == before
}

func (w *walker) content(n *yaml.Node, v reflect.Value, self any, at place) bool {
	switch d := self.(type) {
	case NodeDecoder:
		inner := *w.loader
		inner.path = at.path
		d.DecodeNode(&inner, w.file, n, w.errs)
		return true
	case ScalarDecoder:
		if n.Kind != yaml.ScalarNode {
			return w.fail(n, at, "wants one value, not %s", describe(n))
		}
		if err := d.DecodeScalar(n.Value); err != nil {
			return w.fail(n, at, "%s", hideExpanded(err.Error(), n))
		}
		return true
	case oneOrMany:
		if n.Kind != yaml.SequenceNode {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			return w.value(n, v.Index(0), at)
		}
	case ordered:
		return w.entries(n, v, at)
	}
	switch v.Type() {
	case textType:
		if n.Kind != yaml.ScalarNode {
			return w.fail(n, at, "wants text or an expression, not %s", describe(n))
		}
		v.Set(reflect.ValueOf(Text{n.Value, PosOf(w.file, n), n}))
		return true
	case secretType:
		if n.Kind != yaml.ScalarNode {
			return w.fail(n, at, "wants text, not %s", describe(n))
		}
		v.Set(reflect.ValueOf(NewSecret(n.Value)))
		return true
	}
	switch v.Kind() {
	case reflect.Struct:
		return w.structure(n, v, at)
	case reflect.Slice:
		return w.list(n, v, at)
	case reflect.Map:
		return w.mapping(n, v, at)
	}
	return w.scalar(n, v, at)
}

// raw hands out a node as it is. A written null or ~ is a value then; only a place left empty is a mistake.
func (w *walker) raw(n *yaml.Node, v reflect.Value, at place) bool {
	if isNull(n) && n.Value == "" {
		return w.empty(n, at)
	}
	if v.Type() == nodePointer {
		v.Set(reflect.ValueOf(n))
	} else {
		v.Set(reflect.ValueOf(*n))
	}
	return true
}

func (w *walker) empty(n *yaml.Node, at place) bool {
	switch {
	case wasExpanded(n):
		return w.fail(n, at, "is empty: %s gives nothing", shorten(n.Anchor))
	case n.LineComment != "":
		return w.fail(n, at, "is empty: # begins a comment, quote the value if it is part of it")
	}
	return w.fail(n, at, "is empty: give it a value or leave it out")
}

func (w *walker) posOfKey(n *yaml.Node, key string) Pos {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k == key || k == key+fileSuffix {
			return PosOf(w.file, n.Content[i+1])
		}
	}
	return PosOf(w.file, n)
}

func (w *walker) list(n *yaml.Node, v reflect.Value, at place) bool {
	if n.Kind != yaml.SequenceNode {
		return w.fail(n, at, "wants a list, not %s", describe(n))
	}
	ok := true
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if isNull(item) && item.Value == "" && !isAllowedEmpty(v.Index(i)) {
			ok = w.fail(item, at, "has an empty entry: give it a value or remove it")
			continue
		}
		ok = w.value(item, v.Index(i), at) && ok
	}
	return ok
}

func isAllowedEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer {
		v = reflect.New(v.Type().Elem())
	} else {
		v = v.Addr()
	}
	_, ok := v.Interface().(EmptyAllower)
	return ok
}

// mapping and entries keep the names of values that are wrong, so that who refers to them is not wrong too.
func (w *walker) mapping(n *yaml.Node, v reflect.Value, at place) bool {
	if v.Type().Key().Kind() != reflect.String {
		panic("strictyaml: cannot decode into " + v.Type().String())
	}
	if n.Kind != yaml.MappingNode {
		return w.fail(n, at, "wants a mapping, `name: value`, not %s", describe(n))
	}
	ok := true
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		one := reflect.New(v.Type().Elem()).Elem()
		ok = w.value(n.Content[i+1], one, at.under(key)) && ok
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), one)
	}
	return ok
}

func (w *walker) entries(n *yaml.Node, v reflect.Value, at place) bool {
	if n.Kind != yaml.MappingNode {
		return w.fail(n, at, "wants a mapping, `name: value`, not %s", describe(n))
	}
	ok := true
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content)/2, len(n.Content)/2))
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, one := n.Content[i], v.Index(i/2)
		one.FieldByName("Key").SetString(k.Value)
		one.FieldByName("Pos").Set(reflect.ValueOf(PosOf(w.file, k)))
		ok = w.value(n.Content[i+1], one.FieldByName("Value"), at.under(k.Value)) && ok
	}
	return ok
}

func (at place) under(key string) place {
	at.name, at.path = key, append(slices.Clip(at.path), key)
	return at
}

func (w *walker) scalar(n *yaml.Node, v reflect.Value, at place) bool {
	kind := v.Kind()
	if kind == reflect.String {
		if n.Kind != yaml.ScalarNode {
			return w.fail(n, at, "wants text, not %s", describe(n))
		}
		if at.file {
			if n.Value == "" {
				return w.fail(n, at, "wants the name of a file or folder, not %s", describe(n))
			}
			v.SetString(resolvePath(w.file, n.Value))
			return true
		}
		v.SetString(n.Value)
		return true
	}
	if wasExpanded(n) && n.Tag == "!!str" && n.Value != "" { // in flow style ${} must be quoted: that does not make it text
		resolved := *n
		resolved.Tag = tagOf(n.Value)
		n = &resolved
	}
	want := ""
	switch {
	case kind == reflect.Bool:
		want = "true or false"
		if n.Tag == "!!bool" {
			if b, err := strconv.ParseBool(n.Value); err == nil {
				v.SetBool(b)
				return true
			}
		}
	case v.Type() == durationType:
		want = "a duration such as 30s, 1m30s or 7d"
		if d, err := ParseDuration(n.Value); err == nil && n.Kind == yaml.ScalarNode {
			v.SetInt(int64(d))
			return true
		}
	case v.CanInt() || v.CanUint():
		return w.integer(n, v, at)
	case v.CanFloat():
		want = "a number"
		f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
		if err == nil && isNumber(n) && f-f == 0 { // neither infinite nor NaN
			v.SetFloat(f)
			return true
		}
	default:
		panic("strictyaml: cannot decode into " + v.Type().String())
	}
	return w.fail(n, at, "wants %s, not %s", want, describe(n))
}

func isNumber(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float")
}

func (w *walker) integer(n *yaml.Node, v reflect.Value, at place) bool {
	bits := v.Type().Bits()
	if at.size {
		size, err := ParseSize(n.Value)
		switch {
		case n.Kind != yaml.ScalarNode || err != nil:
			return w.fail(n, at, "wants a size such as 64MiB, 512KiB or 1024, not %s", describe(n))
		case v.CanInt() && v.OverflowInt(size) || v.CanUint() && v.OverflowUint(uint64(size)):
			return w.fail(n, at, "is too large: %s", describe(n))
		case v.CanInt():
			v.SetInt(size)
		default:
			v.SetUint(uint64(size))
		}
		return true
	}
	if n.Tag == "!!int" && v.CanInt() {
		if i, err := strconv.ParseInt(n.Value, 10, bits); err == nil {
			v.SetInt(i)
			return true
		}
	}
	if n.Tag == "!!int" && v.CanUint() {
		if u, err := strconv.ParseUint(n.Value, 10, bits); err == nil {
			v.SetUint(u)
			return true
		}
	}
	from, to := "0", strconv.FormatUint(1<<bits-1, 10)
	if v.CanInt() {
		from, to = strconv.FormatInt(-1<<(bits-1), 10), strconv.FormatInt(1<<(bits-1)-1, 10)
	}
	if _, err := strconv.ParseInt(n.Value, 10, 64); n.Tag == "!!int" && (err == nil || strings.Contains(err.Error(), "range")) {
		return w.fail(n, at, "wants a whole number from %s to %s, not %s", from, to, describe(n))
	}
	return w.fail(n, at, "wants a whole number, not %s", describe(n))
}

// hideExpanded takes what came from the environment out of a message that a type made of its text.
func hideExpanded(message string, n *yaml.Node) string {
	if !wasExpanded(n) {
		return message
	}
	message = strings.ReplaceAll(message, strconv.Quote(n.Value), strconv.Quote(n.Anchor))
	if n.Value != "" && strings.Contains(strings.ReplaceAll(message, n.Anchor, ""), n.Value) {
		return "does not take what " + shorten(n.Anchor) + " gives"
	}
	return message
}

// resolvePath makes a path relative to the folder of the file that names it.
func resolvePath(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
