// Package strictyaml reads YAML into Go structs and says of everything it does not understand what it is,
// where it stands (file:line:column) and what to do.
//
// yaml.v3 alone loses its strictness in nested decoding, gives no columns for unknown keys, lets empty values
// through and reads much of what people write as expressions as something else. So a file is parsed to nodes
// (Parse), which are checked, and their scalars expanded; then one walker holds them against the struct (Decode).
package strictyaml

import (
	"fmt"
	"io"
	"log/slog"

	"gopkg.in/yaml.v3"
)

// A Secret is a text that is never shown: not in logs, errors, JSON or dumps. A field tagged `password` of this
// type can also be given as password_file.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of a struct that holds a Secret past all its methods:
	// of a pointer it prints the address.
	text *string
}

// NewSecret makes a secret that does not come from a file.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal gives the text itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether there is one.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal tells whether both are the same; == compares where they are kept.
func (s Secret) Equal(other Secret) bool {
	return s.IsSet() == other.IsSet() && s.Reveal() == other.Reveal()
}

func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return "***"
}

// Format covers all verbs: %x and %d would ask neither String nor GoString.
func (s Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, s.String()) }
func (s Secret) GoString() string             { return s.String() }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }

// A Text is a scalar with its place: an expression, a template. Node.Tag tells what YAML takes the text for:
// !!str, !!int, !!float or !!bool; Node.Style whether it was quoted.
type Text struct {
	Value string
	Pos   Pos
	Node  *yaml.Node
}

// A List is written as one value or as a sequence.
type List[T any] []T

// A Map is a mapping that keeps the order of the file.
type Map[T any] []Entry[T]

// An Entry is one key of a Map. Pos is where the key stands.
type Entry[T any] struct {
	Key   string
	Pos   Pos
	Value T
}

// Get gives the value of key.
func (m Map[T]) Get(key string) (T, bool) {
	for _, e := range m {
		if e.Key == key {
			return e.Value, true
		}
	}
	var none T
	return none, false
}

// The walker tells these two from other slices by a method, since their type names depend on T.
type (
	oneOrMany interface{ oneOrMany() }
	ordered   interface{ ordered() }
)

func (List[T]) oneOrMany() {}
func (Map[T]) ordered()    {}

// A ScalarDecoder reads its own text. It is implemented on *T. The error says what is wanted and what to do,
// without the key and place, which the walker adds: `wants 500ms..30s, not "5"`.
type ScalarDecoder interface{ DecodeScalar(text string) error }

// A NodeDecoder takes over a whole node. It is implemented on *T and is not asked about empty values.
type NodeDecoder interface {
	DecodeNode(l *Loader, file string, n *yaml.Node, errs *Errors)
}

// A Validator checks what its type cannot say. It is implemented on *T and called when the value was decoded
// without error. pos gives the place of a key's value, or of the whole mapping where that key is not given. An
// inlined struct is checked by the Validate of the struct that it is inlined in.
type Validator interface {
	Validate(pos func(key string) Pos, errs *Errors)
}

// An EmptyAllower accepts an empty value as its zero value. It is implemented on *T.
type EmptyAllower interface{ AllowEmpty() }
