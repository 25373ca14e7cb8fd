package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// A builder compiles one rule of a file.
type builder struct {
	*setCompiler
	compiler
	rule *rule
	what string // "rule", in errors
}

// addRule compiles a rule and adds it to the set. What is wrong goes to the list of errors.
func (s *setCompiler) addRule(entry strictyaml.Entry[ruleSpec]) {
	if other, twice := s.named[entry.Key]; twice {
		s.errs.Add(entry.Pos, "rule %q is defined twice, first at %s", entry.Key, other)
		return
	}
	s.named[entry.Key] = entry.Pos
	if !s.trial.wants(entry) {
		return
	}
	spec := &entry.Value
	spec.readable()
	r := &rule{set: s.program, name: entry.Key, pos: entry.Pos, description: spec.Description, enabled: spec.Enabled == nil || *spec.Enabled}
	b := &builder{setCompiler: s, rule: r, what: "rule"}
	b.compiler.set = s
	asked := len(s.touched)
	b.from(spec)
	b.options(spec)
	item := spec.Split != nil
	b.keeps = newKeeps(spec)
	r.split = b.expression(spec.Split, "split", strict, names{payload: true})
	b.compileLets(spec.Let, item)
	in := names{payload: true, item: item, key: true, kept: true, lets: len(b.lets)}
	b.usesKey, b.usesKept, b.fencesRead = false, false, nil
	r.when = b.expression(spec.When, "when", lenient, in)
	r.keyFirst = b.usesKey || b.usesKept
	if r.when != nil && r.split == nil && !r.keyFirst && b.trial == nil { // coverage asks each rule itself
		r.clauses, r.decided = b.clauses()
	}
	b.keeps.hurry(b.fencesRead, beforeWhen)
	if r.key = b.expression(spec.Key, "key", strict, names{payload: true, item: item, lets: len(b.lets)}); r.key != nil && r.key.source == "topic" {
		r.key = nil
	}
	b.keyed(spec, in)
	b.result(spec, in)
	b.window(spec, in)
	if spec.Window != nil || spec.Aggregate != nil {
		in = in.ofWindow()
	}
	in.out = true
	b.restraints(spec, in)
	r.id = b.expression(spec.ID, "id", strict, in)
	if len(spec.Route) == 0 {
		b.add(entry.Pos, "there is no route, so nothing would come of it")
	}
	for i := range spec.Route {
		b.route(spec, &spec.Route[i], i, in)
	}
	b.suffixes()
	r.onError = b.letters(spec.OnError, "on_error")
	b.remember(spec)
	b.durability(spec)
	b.rehearse(spec)
	r.locals = b.most
	r.reads = b.usesPayload
	r.portable = r.memory == nil && !b.usesTables
	r.fields = slotsOf(s.touched[asked:])
	s.touched = s.touched[:asked]
	s.program.rules = append(s.program.rules, r)
}

// add notes an error of the rule.
func (b *builder) add(pos strictyaml.Pos, format string, args ...any) {
	b.errs.Add(pos, "%s %q: %s", b.what, b.rule.name, fmt.Sprintf(format, args...))
}

// from reads where the rule's messages come from.
func (b *builder) from(spec *ruleSpec) {
	r := b.rule
	if len(spec.Source) == 0 {
		b.add(r.pos, "source is missing: name a source of edge.yaml")
	}
	for _, source := range spec.Source {
		if source.Value == "" {
			b.add(source.Pos, "source is empty: name a source of edge.yaml")
			continue
		}
		r.sources = append(r.sources, source.Value)
		if source.Value == localName {
			if spec.Topic == nil {
				b.add(source.Pos, "topic is missing: say which of the messages of local it hears")
			}
			continue
		}
		if known, ok := b.env.Sources[source.Value]; b.env.Sources != nil && !ok {
			b.add(source.Pos, "no source %q%s", source.Value, didYouMean(source.Value, keysOf(b.env.Sources)))
		} else if ok && spec.Topic == nil && len(known.Topics) == 0 {
			b.add(r.pos, "topic is missing, and source %q has no topics of its own", source.Value)
		}
	}
	if spec.Topic == nil {
		return
	}
	r.topic = spec.Topic.Value
	p, err := parsePattern(r.topic)
	if err != nil {
		b.add(spec.Topic.Pos, "topic: %s", err)
		return
	}
	r.pattern = []*pattern{p}
	b.params = p.params
}

// options reads the switches of the rule.
func (b *builder) options(spec *ruleSpec) {
	if spec.Mode != nil {
		if b.rule.shadow = spec.Mode.Value == "shadow"; !b.rule.shadow {
			b.add(spec.Mode.Pos, "mode wants shadow (count, do not send), not %q", spec.Mode.Value)
		}
	}
	if spec.Match != nil {
		b.rule.first = spec.Match.Value == "first"
		if !b.rule.first && spec.Match.Value != "all" {
			b.add(spec.Match.Pos, "match wants first or all, not %q", spec.Match.Value)
		}
	}
}

func (b *builder) compileLets(lets strictyaml.Map[strictyaml.Text], item bool) {
	for _, let := range lets {
		switch {
		case isReserved(let.Key):
			b.add(let.Pos, "let: the name %s is taken", let.Key)
		case b.tables[let.Key] != nil:
			b.add(let.Pos, "let: the name %s is taken by the table at %s", let.Key, b.tables[let.Key].pos)
		case !isName(let.Key):
			b.add(let.Pos, "let: %q is no name: letters, digits and _, not beginning with a digit", let.Key)
		}
		b.usesKey, b.usesKept, b.fencesRead = false, false, nil
		e := b.expression(&let.Value, "let."+let.Key, strict, names{payload: true, item: item, key: true, kept: true, lets: len(b.lets)})
		b.letNodes = append(b.letNodes, b.fieldNode(e))
		b.lets = append(b.lets, let.Key)
		b.letReadsKey = append(b.letReadsKey, b.usesKey)
		b.letReads = append(b.letReads, b.usesKept)
		b.letFences = append(b.letFences, b.fencesRead)
		b.rule.lets = append(b.rule.lets, e)
	}
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && (s[0] < '0' || s[0] > '9')
}

// result compiles map, or set and remove.
func (b *builder) result(spec *ruleSpec, in names) {
	r := b.rule
	b.out = &r.shape
	if spec.Aggregate != nil {
		b.aggregate(spec, in)
		return
	}
	switch {
	case spec.Map != nil && spec.Set != nil:
		b.add(spec.Set.pos, "map and set exclude each other: map makes a new payload, set changes the old one")
	case spec.Map != nil && len(spec.Remove) > 0:
		b.add(spec.Remove[0].Pos, "remove goes with set: map makes a new payload, with nothing to remove")
	}
	block, kind := spec.Map, "map"
	switch {
	case block != nil:
		r.shape.kind = mapped
	case spec.Set != nil || len(spec.Remove) > 0:
		r.shape.kind, kind, block = edited, "set", spec.Set
		r.shape.edits = &edit{field: -1}
		b.setAt(spec, in.item)
	default:
		return
	}
	in.out = true
	if block != nil {
		for _, f := range block.fields {
			r.shape.place(f.Key)
		}
		for i, f := range block.fields {
			r.shape.fields[i].expression = b.value(f.Value, kind+"."+f.Key, in)
			r.shape.ready++
		}
	}
	b.edits(spec)
}

// setAt notes where the rule changes the old payload, which it then needs whole.
func (b *builder) setAt(spec *ruleSpec, item bool) {
	at := &expression{source: "set", field: "set"}
	if spec.Set != nil {
		at.pos = spec.Set.pos
	} else {
		at.pos, at.source, at.field = spec.Remove[0].Pos, "remove", "remove"
	}
	b.rule.setAt = at
	if !item {
		b.usesPayload = true
		b.rule.whole = b.setCompiler.field(nil)
	}
}

// edits makes the tree of what set and remove change.
func (b *builder) edits(spec *ruleSpec) {
	if b.rule.shape.kind != edited {
		return
	}
	taken := map[string]bool{}
	place := func(pos strictyaml.Pos, name string, apply func(*edit)) {
		path := strings.Split(name, ".")
		for i := range path {
			if taken[strings.Join(path[:i+1], ".")] {
				b.add(pos, "%s is set or removed twice", name)
				return
			}
		}
		for other := range taken {
			if strings.HasPrefix(other, name+".") {
				b.add(pos, "%s and %s exclude each other", name, other)
				return
			}
		}
		taken[name] = true
		apply(b.rule.shape.edits.at(path))
	}
	if spec.Set != nil {
		for i, f := range spec.Set.fields {
			place(f.Pos, f.Key, func(e *edit) { e.field = i })
		}
	}
	for _, name := range spec.Remove {
		place(name.Pos, name.Value, func(e *edit) { e.remove = true })
	}
}

// value compiles a value of map or set: an expression, a literal, or an object or list of these.
func (b *builder) value(n *yaml.Node, where string, in names) *expression {
	if n == nil || strictyaml.Reported(n) {
		return nil
	}
	pos := strictyaml.PosOf(b.rule.pos.File, n)
	switch {
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		return b.nested(n, where, in)
	case n.Tag == "!!str":
		return b.expression(&strictyaml.Text{Value: n.Value, Pos: pos, Node: n}, where, strict, in)
	}
	var literal any
	if err := n.Decode(&literal); err != nil {
		b.add(pos, "%s: %s", where, err)
		return nil
	}
	v := unbox(literal)
	if whole := strings.TrimPrefix(n.Value, "-"); len(whole) > 18 && strings.Trim(whole, "0123456789") == "" {
		v = parsed([]byte(n.Value)) // what does not fit 64 bits keeps its digits
	}
	if f, isNumber := v.number(); v.kind != Bool && !isNumber || math.IsInf(f, 0) || math.IsNaN(f) {
		switch {
		case n.Tag == "!!null" && n.Value == "":
			b.add(pos, "%s is empty: give it a value or leave it out", where)
		case n.Tag == "!!null":
			b.add(pos, "%s: %s is an empty value of YAML: write nil, or leave the field out", where, n.Value)
		default:
			b.add(pos, "%s: %q is no number of JSON, boolean or expression", where, n.Value)
		}
		return nil
	}
	return &expression{source: n.Value, field: where, pos: pos, eval: constant(v)}
}

// nested compiles an object or a list whose values are expressions.
func (b *builder) nested(n *yaml.Node, where string, in names) *expression {
	var parts []*expression
	var labels [][]byte
	step, open, end := 1, byte('['), byte(']')
	if n.Kind == yaml.MappingNode {
		step, open, end = 2, '{', '}'
	}
	for i := 0; i < len(n.Content); i += step {
		var label []byte
		name := fmt.Sprintf("%s[%d]", where, i)
		if step == 2 {
			name = where + "." + n.Content[i].Value
			label = labelOf(n.Content[i].Value)
		}
		labels = append(labels, label)
		parts = append(parts, b.value(n.Content[i+step-1], name, in))
	}
	if slices.Contains(parts, nil) {
		return nil
	}
	kind := Array
	if step == 2 {
		kind = Object
	}
	return &expression{field: where, pos: strictyaml.PosOf(b.rule.pos.File, n), eval: func(c *scope) (Value, error) {
		dst := []byte{open}
		for i, part := range parts {
			v, err := part.eval(c)
			if i > 0 {
				dst = append(dst, ',')
			}
			if err == nil {
				dst, err = v.appendJSON(append(dst, labels[i]...), &c.budget)
			}
			if err != nil {
				return null, failed(err, part)
			}
		}
		return Value{kind: kind, text: textOf(append(dst, end))}, nil
	}}
}

// expression compiles one expression of the rule; nil where there is none, or where it is wrong.
func (b *builder) expression(text *strictyaml.Text, where string, m mode, n names) *expression {
	if text == nil || text.Node == nil { // none, or reported
		return nil
	}
	return b.expressionAt(*text, 0, text.Value, where, m, n)
}

// expressionAt compiles an expression that begins at a place of a text.
func (b *builder) expressionAt(text strictyaml.Text, offset int, source, where string, m mode, n names) *expression {
	b.watch = b.watching(text, offset, source, where)
	eval, err := b.compile(source, m, n)
	if err != nil {
		at := max(err.at, 0)
		message := err.message
		if message == endsTooEarly && b.beforeComment(text) {
			message = "the expression ends too early: the # behind it begins a comment, quote the whole value"
		}
		b.add(b.place(text, offset+at), "%s: %s%s", where, message, picture(source, err.at))
		return nil
	}
	root := b.tree.root
	e := &expression{source: source, field: where, pos: b.place(text, offset), eval: eval, trusted: trusted(root)}
	e.test, e.point = b.testOf(root), b.pointOfCall(root)
	e.slot, e.copies = b.fieldOf(root)
	if b.gathering != nil {
		b.gathering.into.place(e)
	}
	return e
}

func didYouMean(name string, known []string) string {
	if hint := strictyaml.Suggest(name, known); hint != "" {
		return fmt.Sprintf(", did you mean %q?", hint)
	}
	if len(known) == 0 {
		return "; edge.yaml has none"
	}
	return "; there are " + strings.Join(known, ", ")
}

func keysOf[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
