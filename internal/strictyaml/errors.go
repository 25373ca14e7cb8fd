package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Pos is a place in a file. Lines and columns count from 1, columns in characters.
type Pos struct {
	File         string
	Line, Column int
}

// String gives file:line:column, as editors and terminals make links of it.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// PosOf is where n begins.
func PosOf(file string, n *yaml.Node) Pos {
	if n == nil {
		return Pos{file, 1, 1}
	}
	return Pos{file, max(n.Line, 1), max(n.Column, 1)}
}

// An Error is one thing that is wrong with a file, and where. The message may have more than one line.
type Error struct {
	Pos     Pos
	Message string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Message }

// Errors is all that is wrong, so that an author mends a file in one go.
type Errors []*Error

// Add notes one more error.
func (e *Errors) Add(pos Pos, format string, args ...any) {
	*e = append(*e, &Error{pos, fmt.Sprintf(format, args...)})
}

// Sort brings the errors into the order of the files' text and drops those that say the same of the same
// place: what stands under an anchor is checked wherever it is used.
func (e *Errors) Sort() {
	slices.SortStableFunc(*e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Message, b.Message))
	})
	*e = slices.CompactFunc(*e, func(a, b *Error) bool { return *a == *b })
}

// Err is nil when nothing is wrong, so that an empty list never becomes an error that is not nil.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Error.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}
