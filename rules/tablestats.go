package rules

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"edge/internal/jsonscan"
)

// TableStats is a table and its book.
type TableStats struct {
	Name    string           `json:"name"`
	At      string           `json:"at"`             // where it is defined
	File    string           `json:"file,omitempty"` // that its rows come from
	Source  []string         `json:"source,omitempty"`
	Topic   string           `json:"topic,omitempty"`
	Keys    int              `json:"keys"`
	Bytes   int              `json:"bytes,omitempty"` // of a stream's rows, about
	Writes  int64            `json:"writes"`
	Evicted int64            `json:"evicted"`
	Errors  map[string]int64 `json:"errors,omitempty"` // by class
}

// Tables gives the tables of the program by name, as they are at now.
func (p *Program) Tables(now time.Time) []TableStats {
	list := make([]TableStats, 0, len(p.tables))
	for _, t := range p.tables {
		s := TableStats{Name: t.name, At: t.pos.String(), File: t.file, Keys: t.size(now), Writes: t.book.writes.Load(), Evicted: t.book.evicted.Load()}
		if t.stream != nil {
			s.Source, s.Topic = t.stream.sources, t.stream.topic
			t.rows.mu.RLock()
			s.Bytes = t.rows.bytes
			t.rows.mu.RUnlock()
		}
		t.book.mu.Lock()
		if len(t.book.errors) > 0 {
			s.Errors = map[string]int64{}
			for class, n := range maps.All(t.book.errors) {
				s.Errors[string(class)] = n
			}
		}
		t.book.mu.Unlock()
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b TableStats) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// HasTable says whether there is a table of that name.
func (p *Program) HasTable(name string) bool { return tableNamed(p.tables, name) != nil }

func tableNamed(tables []*table, name string) *table {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

// WriteTable writes a table as it is at now as one JSON object, one row a line, by key. It writes nothing where
// there is no such table. No lock is held while it writes.
func (p *Program) WriteTable(w io.Writer, name string, now time.Time) error {
	t := tableNamed(p.tables, name)
	if t == nil {
		return nil
	}
	out := bufio.NewWriter(w)
	var line []byte
	before := "{\n  "
	for _, one := range sortedRows(t.all(now)) {
		line = jsonscan.AppendString(append(line[:0], before...), keyOf(one.id).asKey())
		line, err := one.value.appendJSON(append(line, ": "...), nil)
		if err != nil {
			return err
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
		before = ",\n  "
	}
	end := "\n}\n"
	if line == nil {
		end = "{}\n"
	}
	_, err := out.WriteString(end)
	if err == nil {
		err = out.Flush()
	}
	return err
}

// sortedRows puts rows into the order of their keys, so that the same table always looks the same.
func sortedRows(list []row) []row {
	slices.SortFunc(list, func(a, b row) int { return strings.Compare(a.id, b.id) })
	return list
}
