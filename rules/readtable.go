package rules

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"gopkg.in/yaml.v3"

	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
)

// A rowReader makes rows of a file. A row is kept as JSON: what an expression does not read is not built.
type rowReader struct {
	table *table
	errs  *strictyaml.Errors
	file  string
	key   string // the field or column that is the key; "" in a map by key
	rows  map[string]*row
	lines map[string]strictyaml.Pos // where each key stands
	wrong int                       // errors so far
}

// maxRowErrors is how many errors are told of one table: whoever has mixed up its columns needs no thousand.
const maxRowErrors = 10

// readRows reads the rows of a table from data.
func (s *setCompiler) readRows(t *table, spec *tableSpec, key string, data []byte) {
	r := &rowReader{table: t, errs: s.errs, file: spec.File, key: key, rows: t.rows.byKey, lines: map[string]strictyaml.Pos{}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	kind := strings.ToLower(filepath.Ext(spec.File))
	if kind == ".yaml" || kind == ".yml" {
		loader := &strictyaml.Loader{Env: s.env.Getenv}
		if root := loader.ParseAny(spec.File, data, s.errs); root != nil {
			r.yaml(root)
		}
		return
	}
	switch {
	case kind != ".csv" && kind != ".json":
		s.errs.Add(spec.at("file"), "table %q: %s: a table is a .csv, .json, .yaml or .yml file", t.name, spec.File)
	case len(bytes.TrimSpace(data)) == 0:
		r.fail(strictyaml.Pos{File: spec.File, Line: 1, Column: 1}, "the file is empty")
	case !utf8.Valid(data):
		r.fail(r.at(data, invalidAt(data)), "this is not UTF-8: save the file as UTF-8")
	case kind == ".json":
		r.json(data)
	case key == "":
		s.errs.Add(spec.at(""), "table %q: key is missing: name the column of %s that the rows are looked up by", t.name, spec.File)
	default:
		r.csv(data)
	}
}

// fail notes what is wrong, and says whether it is worth going on.
func (r *rowReader) fail(pos strictyaml.Pos, format string, args ...any) bool {
	if r.wrong++; r.wrong <= maxRowErrors {
		r.errs.Add(pos, "table %q: %s", r.table.name, fmt.Sprintf(format, args...))
	}
	return r.wrong < maxRowErrors
}

// at is the line and column of a byte of data.
func (r *rowReader) at(data []byte, offset int) strictyaml.Pos {
	before := data[:min(offset, len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return strictyaml.Pos{File: r.file, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:])}
}

func invalidAt(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// put adds a row, and says whether it is worth going on.
func (r *rowReader) put(pos strictyaml.Pos, key Value, text []byte) bool {
	if key.kind == Null || key.kind >= Object {
		return r.fail(pos, "the key %q is %s; it must be text, a number or a boolean", r.key, key.typeName())
	}
	id := string(appendIdentity(nil, key))
	if _, twice := r.rows[id]; twice {
		first := ""
		if at, ok := r.lines[id]; ok {
			first = fmt.Sprintf(", first in line %d", at.Line)
		}
		return r.fail(pos, "the key %s stands here for the second time%s", key.show(), first)
	}
	r.rows[id] = &row{id: id, value: parsed(text)}
	if r.lines != nil {
		r.lines[id] = pos
	}
	return true
}

// csv reads a header and rows, whose cells are text. A cell that a row does not have is "".
func (r *rowReader) csv(data []byte) {
	in := csv.NewReader(bytes.NewReader(data))
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	place := func(field int) strictyaml.Pos {
		line, column := in.FieldPos(field)
		return strictyaml.Pos{File: r.file, Line: line, Column: column}
	}
	record, err := in.Read()
	if err != nil {
		r.csvError(err)
		return
	}
	labels := make([][]byte, len(record))
	key := -1
	for i, name := range record {
		labels[i] = labelOf(name)
		switch {
		case name == "":
			r.fail(place(i), "column %d has no name", i+1)
		case indexOf(record[:i], name) >= 0:
			r.fail(place(i), "column %q stands here for the second time", name)
		case name == r.key:
			key = i
		}
	}
	if key < 0 {
		hint := ""
		if len(record) == 1 && strings.ContainsAny(record[0], ";\t") {
			hint = "; columns are separated by commas"
		}
		r.fail(place(0), "there is no column %q for key:, there are %s%s", r.key, strings.Join(record, ", "), hint)
	}
	if r.wrong > 0 {
		return
	}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.csvError(err)
			return
		}
		if len(record) > len(labels) {
			if !r.fail(place(len(labels)), "the row has %d cells, the header %d; text with a comma in it needs quotes", len(record), len(labels)) {
				return
			}
			continue
		}
		text := []byte{'{'}
		var id string
		for i, label := range labels {
			cell := ""
			if i < len(record) {
				cell = record[i]
			}
			if i > 0 {
				text = append(text, ',')
			}
			text = jsonscan.AppendString(append(text, label...), cell)
			if i == key {
				id = cell
			}
		}
		if !r.put(place(min(key, len(record)-1)), stringValue(strings.Clone(id)), append(text, '}')) {
			return
		}
	}
}

func indexOf(list []string, s string) int {
	for i, one := range list {
		if one == s {
			return i
		}
	}
	return -1
}

func (r *rowReader) csvError(err error) {
	pos := strictyaml.Pos{File: r.file, Line: 1, Column: 1}
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		pos.Line, pos.Column, err = wrong.Line, max(wrong.Column, 1), wrong.Err
	}
	r.fail(pos, "%s", err)
}

const maxTableDepth = 64

// json reads a list of objects, or an object by key.
func (r *rowReader) json(data []byte) {
	if err := jsonscan.Valid(data, maxTableDepth); err != nil {
		var wrong *jsonscan.SyntaxError
		if errors.As(err, &wrong) {
			r.fail(r.at(data, wrong.Offset), "not JSON: %s", wrong.Message)
		}
		return
	}
	at := func(part []byte) strictyaml.Pos {
		return r.at(data, int(uintptr(unsafe.Pointer(unsafe.SliceData(part)))-uintptr(unsafe.Pointer(unsafe.SliceData(data)))))
	}
	switch all := jsonscan.Parse(data); all.Kind {
	case jsonscan.Object:
		if r.key != "" {
			r.fail(at(all.Raw), "%s", r.keyOfMap())
			return
		}
		jsonscan.EachKey(all.Raw, func(key string, rawKey []byte, v jsonscan.Value) bool {
			return r.put(at(rawKey), stringValue(strings.Clone(key)), oneLine(v.Raw))
		})
	case jsonscan.Array:
		if r.key == "" {
			r.fail(at(all.Raw), "%s", keyOfList)
			return
		}
		jsonscan.Each(all.Raw, func(_ int, v jsonscan.Value) bool {
			if v.Kind != jsonscan.Object {
				return r.fail(at(v.Raw), "a row is an object with the key %q, not %s", r.key, scanned(&v).typeName())
			}
			text := oneLine(v.Raw)
			key := jsonscan.Get(text, r.key)
			if key.Kind == jsonscan.Missing {
				return r.fail(at(v.Raw), "the row has no %q, which is the key", r.key)
			}
			return r.put(at(v.Raw), scanned(&key), text)
		})
	default:
		r.fail(at(all.Raw), "a table is a list of rows or a map by key, not %s", scanned(&all).typeName())
	}
}

const keyOfList = "the file has a list of rows: name the field they are looked up by with key:"

func (r *rowReader) keyOfMap() string {
	return fmt.Sprintf("the file has a map, whose keys are what rows are looked up by: remove key: %s", r.key)
}

// oneLine makes one line of JSON; numbers stay as they are written.
func oneLine(raw []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(raw))
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}

// yaml reads a list of mappings, or a mapping by key.
func (r *rowReader) yaml(root *yaml.Node) {
	at := func(n *yaml.Node) strictyaml.Pos { return strictyaml.PosOf(r.file, n) }
	switch {
	case root.Kind == yaml.MappingNode && r.key != "":
		r.fail(at(root), "%s", r.keyOfMap())
	case root.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(root.Content); i += 2 {
			text, ok := r.node(nil, root.Content[i+1])
			if ok && !r.put(at(root.Content[i]), stringValue(root.Content[i].Value), text) {
				return
			}
		}
	case root.Kind == yaml.SequenceNode && r.key == "":
		r.fail(at(root), "%s", keyOfList)
	case root.Kind == yaml.SequenceNode:
		for _, item := range root.Content {
			if item.Kind != yaml.MappingNode {
				r.fail(at(item), "a row is a mapping with the key %q", r.key)
				continue
			}
			text, ok := r.node(nil, item)
			if !ok {
				continue
			}
			key := jsonscan.Get(text, r.key)
			if key.Kind == jsonscan.Missing {
				r.fail(at(item), "the row has no %q, which is the key", r.key)
			} else if !r.put(at(item), scanned(&key), text) {
				return
			}
		}
	default:
		r.fail(at(root), "a table is a list of rows or a map by key")
	}
}

// node writes a node as JSON.
func (r *rowReader) node(dst []byte, n *yaml.Node) ([]byte, bool) {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		step, open, end := 1, byte('['), byte(']')
		if n.Kind == yaml.MappingNode {
			step, open, end = 2, '{', '}'
		}
		dst = append(dst, open)
		ok := true
		for i := 0; i < len(n.Content) && ok; i += step {
			if i > 0 {
				dst = append(dst, ',')
			}
			if step == 2 {
				dst = append(jsonscan.AppendString(dst, n.Content[i].Value), ':')
			}
			dst, ok = r.node(dst, n.Content[i+step-1])
		}
		return append(dst, end), ok
	}
	switch n.Tag {
	case "!!null":
		return append(dst, "null"...), true
	case "!!str":
		return jsonscan.AppendString(dst, n.Value), true
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return strconv.AppendInt(dst, i, 10), true
		}
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return dst, r.spoiled(n)
	}
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v), true
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	case int64:
		return strconv.AppendInt(dst, v, 10), true
	case uint64:
		return strconv.AppendUint(dst, v, 10), true
	case float64:
		if out, ok := jsonscan.AppendFloat(dst, v); ok {
			return out, true
		}
	}
	return dst, r.spoiled(n)
}

// spoiled reports a value that JSON cannot say, unless the parser has reported it already.
func (r *rowReader) spoiled(n *yaml.Node) bool {
	if n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool" {
		r.fail(strictyaml.PosOf(r.file, n), "%q is no number that can be kept", n.Value)
	}
	return false
}
