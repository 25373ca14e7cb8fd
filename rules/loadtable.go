package rules

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// A tableSpec is a table as it is written: of a file, or of a stream.
type tableSpec struct {
	File    string                           `yaml:"file,path"`
	Key     *strictyaml.Text                 `yaml:"key"`
	Source  strictyaml.List[strictyaml.Text] `yaml:"source"`
	Topic   *strictyaml.Text                 `yaml:"topic"`
	When    *strictyaml.Text                 `yaml:"when"`
	Value   *strictyaml.Text                 `yaml:"value"`
	TTL     time.Duration                    `yaml:"ttl"`
	MaxKeys int                              `yaml:"max_keys"`

	sound bool // it could be read
	at    func(key string) strictyaml.Pos
}

// Validate checks what a type cannot say.
func (t *tableSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	t.sound, t.at = true, pos
	wrong := func(key, format string, args ...any) {
		t.sound = false
		errs.Add(pos(key), format, args...)
	}
	switch {
	case t.File == "" && len(t.Source) == 0:
		wrong("", "a table wants file: (CSV, JSON or YAML) or source: (the rows come from messages)")
	case t.File != "" && len(t.Source) > 0:
		wrong("source", "file and source exclude each other: the rows come from a file or from messages")
	case t.File != "":
		for _, one := range [...]struct {
			key   string
			given bool
		}{{"topic", t.Topic != nil}, {"when", t.When != nil}, {"value", t.Value != nil}, {"ttl", t.TTL != 0}, {"max_keys", t.MaxKeys != 0}} {
			if one.given {
				wrong(one.key, "%s belongs to a table with source:, not with file:", one.key)
			}
		}
	case t.Key == nil:
		wrong("", "key is missing: an expression such as payload.id, under which a message is kept")
	}
	if t.TTL < 0 {
		wrong("ttl", "ttl wants a duration above zero, such as 7d")
	}
	if t.MaxKeys < 0 {
		wrong("max_keys", "max_keys wants a number above zero")
	}
}

// TableRows are rows for a table in place of those it would have: for tests. A mapping is by key; a list wants
// the field that the table's key names.
type TableRows struct {
	File string // of Node, for messages
	Node *yaml.Node
	At   time.Time // when they were written
}

// localName is the source and the sink by which rules feed rules.
const localName = "local"

// A thing is what has a name of its own over all files.
type thing struct {
	kind string
	pos  strictyaml.Pos
}

// claim takes a name for a thing, unless another one has it.
func (s *setCompiler) claim(kind, name string, pos strictyaml.Pos) bool {
	other, taken := s.things[name]
	switch {
	case taken && other.kind == kind:
		s.errs.Add(pos, "%s %q is defined twice, first at %s", kind, name, other.pos)
	case taken:
		s.errs.Add(pos, "%s %q: the name is taken by the %s at %s", kind, name, other.kind, other.pos)
	default:
		s.things[name] = thing{kind, pos}
	}
	return !taken
}

// loadTables makes the tables of all files. Their names are known before any expression is compiled, since
// those of a stream may look up each other.
func (s *setCompiler) loadTables(specs []loaded) {
	for i := range specs {
		for j := range specs[i].spec.Tables {
			entry := &specs[i].spec.Tables[j]
			if !s.claim("table", entry.Key, entry.Pos) {
				entry.Value.sound = false
				continue
			}
			switch {
			case isReserved(entry.Key):
				s.errs.Add(entry.Pos, "table: the name %s is taken", entry.Key)
			case !isName(entry.Key):
				s.errs.Add(entry.Pos, "table: %q is no name: letters, digits and _, not beginning with a digit", entry.Key)
			}
			t := &table{name: entry.Key, pos: entry.Pos, rows: newRows("")}
			s.tables[t.name] = t
			s.program.tables = append(s.program.tables, t)
			if entry.Value.sound && entry.Value.File != "" {
				s.fileTable(t, &entry.Value, specs)
			}
		}
	}
	for name, rows := range s.env.Tables {
		if s.tables[name] == nil {
			s.errs.Add(strictyaml.PosOf(rows.File, rows.Node), "no table %q%s", name, didYouMeanTable(name, s.tables))
		}
	}
}

func didYouMeanTable(name string, tables map[string]*table) string {
	if len(tables) == 0 {
		return "; the rule files have none"
	}
	return didYouMean(name, keysOf(tables))
}

// fileTable reads the rows of a file, or takes those it had where the file is still the same.
func (s *setCompiler) fileTable(t *table, spec *tableSpec, specs []loaded) {
	t.file = spec.File
	key := ""
	if spec.Key != nil {
		key = spec.Key.Value
	}
	if preset, ok := s.env.Tables[t.name]; ok {
		s.preset(t, preset, key)
		return
	}
	data, err := s.tableFile(spec.File, specs)
	if err != nil {
		s.errs.Add(spec.at("file"), "table %q: %s %s", t.name, spec.File, whatIsWrong(err))
		return
	}
	t.contents = sha256.Sum256(append([]byte(key+"\x00"+filepath.Ext(spec.File)+"\x00"), data...))
	if s.env.Previous != nil {
		if was := tableNamed(s.env.Previous.tables, t.name); was != nil && was.stream == nil && was.contents == t.contents {
			t.rows = was.rows
			return
		}
	}
	s.readRows(t, spec, key, data)
}

// maxTableFile bounds a table's file. YAML may have less, as all YAML.
const maxTableFile = 64 << 20

// tableFile reads a table's file; a file of the set, which a YAML table in the folder of rules is, as it was given.
func (s *setCompiler) tableFile(name string, specs []loaded) ([]byte, error) {
	for _, l := range specs {
		if l.table && filepath.Clean(l.file.Name) == filepath.Clean(name) {
			return l.file.Data, nil
		}
	}
	read := s.env.ReadFile
	if read == nil {
		read = readBounded
	}
	data, err := read(name)
	if err == nil && len(data) > maxTableFile {
		err = fmt.Errorf("has more than %d MiB", maxTableFile>>20)
	}
	if s.reads != nil && !s.noted {
		fmt.Fprintf(s.reads, "%q %x %v ", name, sha256.Sum256(data), err)
	}
	return data, err
}

func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would hold up the load for ever
		return nil, errors.New("is no regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTableFile+1))
}

func whatIsWrong(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read, check its owner and mode"
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

// compileTables compiles the expressions of the tables that streams fill.
func (s *setCompiler) compileTables(specs []loaded) {
	for i := range specs {
		s.lines = strings.Split(string(specs[i].file.Data), "\n")
		for _, entry := range specs[i].spec.Tables {
			if entry.Value.sound && entry.Value.File == "" {
				s.streamTable(s.tables[entry.Key], &entry.Value)
			}
		}
	}
}

func (s *setCompiler) streamTable(t *table, spec *tableSpec) {
	from := ruleSpec{Source: spec.Source, Topic: spec.Topic}
	from.readable()
	r := &rule{set: s.program, name: t.name, pos: t.pos, enabled: true}
	b := &builder{setCompiler: s, rule: r, what: "table"}
	b.compiler.set, b.keeps = s, newKeeps(&from)
	b.from(&from)
	in := names{payload: true}
	t.when = b.expression(spec.When, "when", lenient, in)
	r.key = b.expression(spec.Key, "key", strict, in)
	t.value = b.expression(spec.Value, "value", strict, in)
	if spec.Value == nil {
		b.usesPayload = true
		t.whole = s.field(nil)
	}
	r.locals, r.reads = b.most, b.usesPayload
	t.stream, t.ttl, t.maxKeys = r, spec.TTL, spec.MaxKeys
	if t.maxKeys == 0 {
		t.maxKeys = defaultMaxKeys
	}
	t.rows = newRows(fmt.Sprintf("%q %q %q", r.sources, textOrNone(spec.Key), textOrNone(spec.Value)))
	if preset, ok := s.env.Tables[t.name]; ok {
		field, _ := strings.CutPrefix(textOrNone(spec.Key), "payload.")
		if !isName(field) {
			field = ""
		}
		s.preset(t, preset, field)
	}
}

// preset gives a table the rows of a test.
func (s *setCompiler) preset(t *table, preset TableRows, key string) {
	switch {
	case preset.Node == nil: // none
		return
	case preset.Node.Kind == yaml.MappingNode:
		key = ""
	}
	reader := &rowReader{table: t, errs: s.errs, file: preset.File, key: key, rows: map[string]*row{}}
	reader.yaml(preset.Node)
	ids := make([]string, 0, len(reader.rows))
	for id := range reader.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if t.stream == nil {
		t.rows.byKey = reader.rows
		return
	}
	t.book = &tableBook{}
	for _, id := range ids {
		t.write([]byte(id), reader.rows[id].value, nanos(preset.At))
	}
}

// namedTables lists the files that the tables of a rule file name. Where one of them lies in the folder of rules,
// it is not a rule file.
func namedTables(file string, root *yaml.Node) (names []string) {
	tables := memberOf(root, "tables")
	if tables == nil || tables.Kind != yaml.MappingNode {
		return nil
	}
	for i := 1; i < len(tables.Content); i += 2 {
		if n := memberOf(tables.Content[i], "file"); n != nil && n.Kind == yaml.ScalarNode && n.Value != "" {
			name := n.Value
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(file), name)
			}
			names = append(names, filepath.Clean(name))
		}
	}
	return names
}

func memberOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
