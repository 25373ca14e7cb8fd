package strictyaml

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

const fileSuffix = "_file"

// A field is a key that a struct knows.
type field struct {
	name     string
	value    reflect.Value
	size     bool
	path     bool
	present  bool
	required bool
	nonzero  bool
	given    *yaml.Node // the key that gave it
}

// fields lists the keys of a struct in the order of its fields. Fields without a tag are not for YAML.
func fields(v reflect.Value) []*field {
	var list []*field
	for i := range v.NumField() {
		tag, tagged := v.Type().Field(i).Tag.Lookup("yaml")
		if !tagged || tag == "-" {
			continue
		}
		parts := strings.Split(tag, ",")
		f := &field{name: parts[0], value: v.Field(i)}
		for _, option := range parts[1:] {
			switch option {
			case "size":
				f.size = true
			case "path":
				f.path = true
			case "present":
				f.path, f.present = true, true
			case "required":
				f.required = true
			case "nonzero":
				f.nonzero = true
			case "inline":
				list = append(list, fields(v.Field(i))...)
				f = nil
			case "omitempty": // for who writes the same struct
			default:
				panic("strictyaml: no option " + option + " in the tag " + tag + " of " + v.Type().String())
			}
			if f == nil {
				break
			}
		}
		if f != nil {
			list = append(list, f)
		}
	}
	return list
}

func (w *walker) structure(n *yaml.Node, v reflect.Value, at place) bool {
	if n.Kind != yaml.MappingNode {
		return w.fail(n, at, "wants keys and values, `name: value`, not %s", describe(n))
	}
	list := fields(v)
	ok := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		f, fromFile := find(list, k.Value)
		if f == nil {
			ok = w.unknown(k, list, at)
			continue
		}
		if f.given != nil {
			ok = w.twice(k, f)
			continue
		}
		f.given = k
		inner := at.under(k.Value)
		inner.size, inner.file = f.size, f.path
		if fromFile {
			ok = w.secretFile(value, f.value, inner) && ok
		} else {
			ok = w.value(value, f.value, inner) && w.here(value, f, inner) && ok
		}
	}
	for _, f := range list {
		if f.required && f.given == nil {
			ok = w.missing(n, f, at)
		}
	}
	return ok
}

func find(list []*field, key string) (f *field, fromFile bool) {
	for _, f := range list {
		if f.name == key {
			return f, false
		}
	}
	for _, f := range list {
		if f.value.Type() == secretType && f.name+fileSuffix == key {
			return f, true
		}
	}
	return nil, false
}

func (w *walker) unknown(k *yaml.Node, list []*field, at place) bool {
	var known []string
	for _, f := range list {
		known = append(known, f.name)
		if f.value.Type() == secretType {
			known = append(known, f.name+fileSuffix)
		}
	}
	message := "unknown key " + quote(k.Value)
	if len(at.path) > 0 {
		message += " in " + shorten(strings.Join(at.path, "."))
	}
	near := Suggest(k.Value, known)
	switch {
	case near != "":
		message += ", did you mean " + near + "?"
	case len(known) > 0:
		slices.Sort(known)
		message += ", known are " + strings.Join(known, ", ")
	default:
		message += ": it has no keys"
	}
	w.errs.Add(PosOf(w.file, k), "%s", message)
	return false
}

func (w *walker) twice(k *yaml.Node, f *field) bool {
	w.errs.Add(PosOf(w.file, k), "%q and %q at %s give the same: remove one", k.Value, f.given.Value, PosOf(w.file, f.given))
	return false
}

func (w *walker) missing(n *yaml.Node, f *field, at place) bool {
	name := quote(f.name)
	if f.value.Type() == secretType {
		name += " or " + quote(f.name+fileSuffix)
	}
	where := "here"
	if len(at.path) > 0 {
		where = "in " + shorten(strings.Join(at.path, "."))
	}
	w.errs.Add(PosOf(w.file, n), "%s is missing %s", name, where)
	return false
}

// here looks whether there is what a key needs: an entry in a list of texts that is required, a file that can be read,
// a number where 0 would pass for one that was left out.
func (w *walker) here(n *yaml.Node, f *field, at place) bool {
	v := f.value
	if f.required && v.Kind() == reflect.Slice && v.Len() == 0 && (v.Type().Elem().Kind() == reflect.String || v.Type().Elem() == reflect.TypeFor[Text]()) {
		return w.fail(n, at, "is an empty list: it needs an entry")
	}
	if f.nonzero && v.IsZero() {
		return w.fail(n, at, "wants more than 0; without the key there is a default")
	}
	if !f.present || w.loader.SkipSecrets {
		return true
	}
	_, ok := w.read(n, v.String(), at)
	return ok
}

// read reads the file that n names.
func (w *walker) read(n *yaml.Node, name string, at place) (content []byte, ok bool) {
	read := w.loader.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	content, err := read(name)
	if err == nil {
		return content, true
	}
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	if wasExpanded(n) {
		name = n.Anchor
	}
	return nil, w.fail(n, at, "cannot be read: %s: %s", name, err)
}

// secretFile reads a secret from the file that n names. One line end is an editor's, not the secret's.
func (w *walker) secretFile(n *yaml.Node, v reflect.Value, at place) bool {
	name := ""
	at.file, at.size = true, false
	if !w.value(n, reflect.ValueOf(&name).Elem(), at) {
		return false
	}
	if w.loader.SkipSecrets {
		v.Set(reflect.ValueOf(NewSecret("")))
		return true
	}
	content, ok := w.read(n, name, at)
	if !ok {
		return false
	}
	text, windows := strings.CutSuffix(string(content), "\r\n")
	if !windows {
		text = strings.TrimSuffix(text, "\n")
	}
	if text == "" {
		return w.fail(n, at, "names an empty file: write the secret into it")
	}
	v.Set(reflect.ValueOf(NewSecret(text)))
	return true
}
