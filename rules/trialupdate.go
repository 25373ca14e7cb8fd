package rules

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Update gives the text of a file in which failed tests expect what came. Only what differs is written anew, so
// that comments and the author's layout stay.
func (s *Suite) Update(file string, results []*TestResult) ([]byte, error) {
	at := slices.IndexFunc(s.specs, func(l loaded) bool { return l.file.Name == file })
	if at < 0 {
		return nil, fmt.Errorf("%s is not of this suite", file)
	}
	u := newUpdater(s.specs[at].file.Data)
	var root yaml.Node
	if err := yaml.Unmarshal(u.text, &root); err != nil {
		return nil, err
	}
	tests := nodeAt(root.Content[0], "tests")
	if tests == nil || tests.Kind != yaml.SequenceNode {
		return nil, errors.New("its tests are no plain list")
	}
	for _, r := range results {
		if r.Passed() || r.plan == nil {
			continue
		}
		n := tests.Content[r.Test.index]
		if n.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("test %q is an alias: change it by hand", r.Test.Name)
		}
		if err := u.rewrite(r, n, isFlow(tests) || isFlow(n)); err != nil {
			return nil, fmt.Errorf("test %q: %w", r.Test.Name, err)
		}
	}
	return u.done(), nil
}

// entryAt gives the key and the value of a mapping as they stand in the text.
func entryAt(n *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func nodeAt(n *yaml.Node, name string) *yaml.Node {
	_, value := entryAt(n, name)
	return value
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// rewrite changes one test.
func (u *updater) rewrite(r *TestResult, n *yaml.Node, flow bool) error {
	if r.plan.errors {
		if err := u.rewriteErrors(r, n, flow); err != nil {
			return err
		}
	}
	p := r.plan
	wrong := len(p.numbers) > 0
	for _, one := range p.pairs {
		wrong = wrong || one.line < 0 || one.output < 0 || len(one.differences) > 0
	}
	if !wrong && !(r.Test.spec.Nothing != nil && len(p.outputs) > 0) {
		return nil
	}
	key, value := entryAt(n, "expect")
	if nothing, truth := entryAt(n, "nothing"); nothing != nil {
		from, _, err := u.span(nothing, flow)
		_, to, err2 := u.span(truth, flow)
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		u.put(from, to, "expect:"+r.list(u, nil, flow, nothing.Column+1))
		if key == nil {
			return nil
		}
		return errors.New("it has expect and nothing: remove one by hand")
	}
	if key == nil {
		return errors.New("its expect is not written here: change it by hand")
	}
	switch {
	case p.counted && len(p.pairs) == 0 && value.Kind == yaml.SequenceNode:
		return u.rewriteNumbers(r, value, flow || isFlow(value))
	case !p.counted && len(p.numbers) == 0 && u.inPlace(r, value):
		return u.rewriteLines(r, value, flow || isFlow(value))
	}
	from, to, err := u.valueSpan(key, value, flow)
	if err != nil {
		return err
	}
	indent := key.Column + 1
	if value.Kind == yaml.SequenceNode && !isFlow(value) {
		indent = value.Column - 1
	}
	u.put(from, to, r.list(u, value, flow, indent))
	return nil
}

// inPlace says whether lines can be changed one by one: none stands for several outputs, and where some come or
// go, each has a row of its own.
func (u *updater) inPlace(r *TestResult, value *yaml.Node) bool {
	if value.Kind != yaml.SequenceNode || len(value.Content) != len(r.Test.spec.Expect) {
		return false
	}
	left := 0
	for _, one := range r.plan.pairs {
		if one.line >= 0 && r.Test.spec.Expect[one.line].number() >= 0 {
			return false
		}
		if (one.line < 0 || one.output < 0) && isFlow(value) {
			return false
		}
		if one.output >= 0 {
			left++
		}
	}
	return left > 0
}

// rewriteNumbers changes counts.
func (u *updater) rewriteNumbers(r *TestResult, value *yaml.Node, flow bool) error {
	for i, n := range r.plan.numbers {
		item := value.Content[i]
		number := nodeAt(item, "count")
		if key, truth := entryAt(item, "nothing"); key != nil {
			from, _, err := u.span(key, true)
			_, to, err2 := u.span(truth, flow || isFlow(item))
			if err = errors.Join(err, err2); err != nil {
				return err
			}
			u.put(from, to, "count: "+strconv.Itoa(n))
			continue
		}
		if number == nil {
			return errors.New("a count is not written here: change it by hand")
		}
		if err := u.replace(nil, number, strconv.Itoa(n), flow || isFlow(item)); err != nil {
			return err
		}
	}
	return nil
}

// rewriteLines changes the lines that differ, takes out those that nothing came for, and puts in what came beside.
func (u *updater) rewriteLines(r *TestResult, value *yaml.Node, flow bool) error {
	place := -1 // where the next line is put in
	indent := strings.Repeat(" ", value.Column-1)
	for _, one := range r.plan.pairs {
		if one.line < 0 {
			if place < 0 {
				from, _, err := u.row(value, value.Content[0])
				if err != nil {
					return err
				}
				place = from
			}
			line := indent + "- " + r.lineFor(one.output)
			if place > 0 && u.text[place-1] != '\n' { // behind the last line of the file, which has no end
				u.put(place, place, u.newline()+line)
			} else {
				u.put(place, place, line+u.newline())
			}
			continue
		}
		item := value.Content[one.line]
		if !flow {
			from, to, err := u.row(value, item)
			if err != nil {
				return err
			}
			place = to
			if one.output < 0 {
				u.put(from, to, "")
				continue
			}
		}
		if len(one.differences) > 0 {
			if err := u.rewriteLine(r, item, one, flow || isFlow(item)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewriteLine changes what differs in one line.
func (u *updater) rewriteLine(r *TestResult, item *yaml.Node, one pair, flow bool) error {
	e, o := &r.Test.spec.Expect[one.line], &r.Outputs[one.output]
	whole := func() error { return u.replace(nil, item, r.lineFor(one.output), flow) }
	if item.Kind != yaml.MappingNode || nodeAt(item, "<<") != nil {
		return whole()
	}
	scalars := map[string]string{"at": ShortDuration(o.At), o.AddressKey: o.Address, "id": o.ID}
	payload := false
	for _, d := range one.differences {
		if strings.HasPrefix(d.Path, "payload") {
			payload = true
			continue
		}
		text, known := scalars[d.Path]
		n := nodeAt(item, d.Path)
		if !known || text == "" || n == nil {
			return whole()
		}
		if d.Path != "at" {
			text = flowText(text)
		}
		if err := u.replace(nil, n, text, flow); err != nil {
			return err
		}
	}
	if !payload {
		return nil
	}
	for _, name := range [...]string{"payload", "contains"} {
		key, n := entryAt(item, name)
		if n == nil {
			continue
		}
		want, isJSON := decodeDocument(payloadOf(choose(name == "contains", e.Contains, e.Payload)))
		got, ok := decodeDocument(o.Payload)
		if !isJSON || !ok {
			want = nil
		}
		if !ok && !utf8.Valid(o.Payload) {
			break
		}
		if !ok {
			got = string(o.Payload)
		}
		wanted, isMap := want.(map[string]any)
		came, isObject := got.(map[string]any)
		if isMap && isObject && name == "payload" && !sameKeys(wanted, came, false) {
			return u.replace(key, n, flowYAML(o.Payload), flow) // in the order of its fields
		}
		return u.value(key, n, want, got, name == "contains", flow)
	}
	return whole()
}

func choose(first bool, a, b *yaml.Node) *yaml.Node {
	if first {
		return a
	}
	return b
}

// value changes a value of a payload where it differs, as deep inside as it can.
func (u *updater) value(key, n *yaml.Node, want, got document, partial, flow bool) error {
	if sameDocument(want, got, partial) {
		return nil
	}
	inner := flow || isFlow(n)
	wanted, isMap := want.(map[string]any)
	came, ok := got.(map[string]any)
	if isMap && ok && n.Kind == yaml.MappingNode && nodeAt(n, "<<") == nil && sameKeys(wanted, came, partial) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if err := u.value(n.Content[i], n.Content[i+1], wanted[name], came[name], partial, inner); err != nil {
				return err
			}
		}
		return nil
	}
	wantedList, isList := want.([]any)
	cameList, ok := got.([]any)
	if isList && ok && n.Kind == yaml.SequenceNode && len(wantedList) == len(cameList) {
		for i, item := range n.Content {
			if err := u.value(nil, item, wantedList[i], cameList[i], partial, inner); err != nil {
				return err
			}
		}
		return nil
	}
	if partial {
		got = likeWanted(want, got)
	}
	return u.replace(key, n, flowYAML([]byte(showDocument(got))), flow)
}

func sameKeys(want, got map[string]any, partial bool) bool {
	for name := range want {
		if _, ok := got[name]; !ok {
			return false
		}
	}
	return partial || len(want) == len(got)
}

func (u *updater) rewriteErrors(r *TestResult, n *yaml.Node, flow bool) error {
	key, value := entryAt(n, "errors")
	if key == nil {
		return errors.New("its errors stand in lines of expect: change them by hand")
	}
	var list []string
	for _, e := range r.Errors {
		line := "{class: " + e.Class + "}"
		if e.Field != "" {
			line = "{class: " + e.Class + ", field: " + flowText(e.Field) + "}"
		}
		if !slices.Contains(list, line) && e.Class != lateClass {
			list = append(list, line)
		}
	}
	return u.replace(key, value, "["+strings.Join(list, ", ")+"]", flow)
}

// list writes all that came as the value of expect. Lines that were right stay as they are written.
func (r *TestResult) list(u *updater, value *yaml.Node, flow bool, indent int) string {
	right := map[int]string{}
	for _, one := range r.plan.pairs {
		if one.line < 0 || one.output < 0 || len(one.differences) > 0 || r.Test.spec.Expect[one.line].number() >= 0 {
			continue
		}
		if value == nil || value.Kind != yaml.SequenceNode || one.line >= len(value.Content) || !isFlow(value.Content[one.line]) {
			continue
		}
		if from, to, err := u.span(value.Content[one.line], true); err == nil {
			right[one.output] = string(u.text[from:to])
		}
	}
	var lines []string
	for _, o := range r.plan.outputs {
		line, ok := right[o]
		if !ok {
			line = r.lineFor(o)
		}
		lines = append(lines, line)
	}
	if flow || len(lines) == 0 {
		return " [" + strings.Join(lines, ", ") + "]"
	}
	row := u.newline() + strings.Repeat(" ", indent) + "- "
	return row + strings.Join(lines, row)
}

// lineFor writes a line of expect for an output.
func (r *TestResult) lineFor(output int) string {
	o := &r.Outputs[output]
	var parts []string
	if slices.ContainsFunc(r.Outputs, func(o Output) bool { return o.At > 0 }) {
		parts = append(parts, "at: "+ShortDuration(o.At))
	}
	parts = append(parts, "sink: "+flowText(o.Sink))
	if o.Address != "" && o.AddressKey != "" {
		parts = append(parts, o.AddressKey+": "+flowText(o.Address))
	}
	document, isJSON := decodeDocument(o.Payload)
	letter, _ := document.(map[string]any)
	switch {
	case isLetter(letter):
		parts = append(parts, fmt.Sprintf("contains: {rule: %s, class: %s}", flowText(fmt.Sprint(letter["rule"])), letter["class"]))
	case isJSON:
		parts = append(parts, "payload: "+flowYAML(o.Payload))
	case utf8.Valid(o.Payload):
		parts = append(parts, "payload: "+yamlQuote(string(o.Payload)))
	default:
		parts = append(parts, "payload_base64: "+base64.StdEncoding.EncodeToString(o.Payload))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// isLetter knows a dead letter, of which file, line and text change with the rule file.
func isLetter(fields map[string]any) bool {
	for _, name := range [...]string{"time", "topic", "meta", "rule", "file", "line", "class", "error", "expression"} {
		if _, ok := fields[name]; !ok {
			return false
		}
	}
	return true
}

// newline is how the lines of the file end.
func (u *updater) newline() string {
	if bytes.Contains(u.text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
