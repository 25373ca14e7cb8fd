package rules

import (
	"slices"
	"strconv"
	"strings"

	"edge/internal/strictyaml"
)

// route compiles one route of a rule.
func (b *builder) route(rule *ruleSpec, spec *routeSpec, index int, in names) {
	where := "route[" + strconv.Itoa(index) + "]"
	way := route{
		when:    b.expression(spec.When, where+".when", lenient, in),
		payload: b.expression(spec.Payload, where+".payload", strict, in),
	}
	addresses := addressSpecs{"topic": spec.Topic, "subject": spec.Subject, "path": spec.Path}
	templates := b.addresses(addresses, where, in)
	for _, to := range spec.To {
		way.targets = append(way.targets, b.target(to, addresses, templates, where))
	}
	b.unread(spec.To, addresses, where)
	b.unreadHeaders(spec.To, spec.Headers, where)
	way.headers = b.headers(rule.Headers, spec.Headers, where, in)
	b.rule.routes = append(b.rule.routes, way)
}

// addressSpecs are the keys of a route that say where to, by name.
type addressSpecs map[string]*strictyaml.Text

var addressKinds = map[string]address{"topic": mqttTopic, "subject": natsSubject, "path": httpPath}

func (b *builder) addresses(specs addressSpecs, where string, in names) map[string]*template {
	templates := map[string]*template{}
	for _, key := range keysOf(specs) {
		if text := specs[key]; text != nil {
			templates[key] = b.template(*text, addressKinds[key], where+"."+key, in)
		}
	}
	return templates
}

// target finds a sink and the address that it reads.
func (b *builder) target(to strictyaml.Text, specs addressSpecs, templates map[string]*template, where string) target {
	t := target{sink: to.Value}
	if to.Value == "" {
		b.add(to.Pos, "%s: to is empty: name a sink of edge.yaml", where)
		return t
	}
	if b.env.Sinks == nil && to.Value != localName { // what the sink is, is not known
		t.address = templates[b.trial.addressKey(to.Value, keysOf(templates))]
		return t
	}
	sink, ok := b.sink(to.Value)
	if !ok {
		b.add(to.Pos, "no sink %q%s", to.Value, didYouMean(to.Value, keysOf(b.env.Sinks)))
		return t
	}
	t.usesID = sink.UsesID
	if sink.AddressKey == "" {
		return t
	}
	t.address = templates[sink.AddressKey]
	if specs[sink.AddressKey] == nil && sink.AddressKey != "path" {
		b.add(to.Pos, "%s: sink %q needs %s:, where the message goes", where, to.Value, sink.AddressKey)
	}
	return t
}

// sink gives what is known of a sink. local is one that no edge.yaml names.
func (s *setCompiler) sink(name string) (SinkInfo, bool) {
	if name == localName {
		return SinkInfo{AddressKey: "topic"}, true
	}
	info, ok := s.env.Sinks[name]
	return info, ok
}

// unread reports address keys that no sink of the route has a use for.
func (b *builder) unread(to strictyaml.List[strictyaml.Text], specs addressSpecs, where string) {
	if b.env.Sinks == nil {
		return
	}
	for _, key := range keysOf(specs) {
		text := specs[key]
		reads := func(name strictyaml.Text) bool {
			sink, known := b.sink(name.Value)
			return !known || sink.AddressKey == key
		}
		if text != nil && !slices.ContainsFunc(to, reads) {
			b.add(text.Pos, "%s: none of its sinks reads %s:%s", where, key, b.readInstead(to))
		}
	}
}

// unreadHeaders does so for headers, which a sink with an address has a use for, and local has not.
func (b *builder) unreadHeaders(to strictyaml.List[strictyaml.Text], headers strictyaml.Map[strictyaml.Text], where string) {
	if b.env.Sinks == nil || len(headers) == 0 {
		return
	}
	reads := func(name strictyaml.Text) bool {
		sink, known := b.sink(name.Value)
		return !known || name.Value != localName && sink.AddressKey != ""
	}
	if !slices.ContainsFunc(to, reads) {
		b.add(headers[0].Pos, "%s: none of its sinks reads headers:", where)
	}
}

func (b *builder) readInstead(to strictyaml.List[strictyaml.Text]) string {
	var keys []string
	for _, name := range to {
		sink, _ := b.sink(name.Value)
		if key := sink.AddressKey; key != "" && !slices.Contains(keys, key+":") {
			keys = append(keys, key+":")
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return ", write " + strings.Join(keys, " or ")
}

// headers joins those of the rule and of the route, whose are the last word.
func (b *builder) headers(rule, route strictyaml.Map[strictyaml.Text], where string, in names) []header {
	var list []header
	for i, entries := range [...]strictyaml.Map[strictyaml.Text]{rule, route} {
		for _, entry := range entries {
			name := "headers." + entry.Key
			if i == 1 {
				name = where + "." + name
			}
			if !isHeaderName(entry.Key) {
				b.add(entry.Pos, "%s: %q is no name of a header", name, entry.Key)
			}
			h := header{name: entry.Key, value: b.headerValue(entry.Value, name, in)}
			same := func(other header) bool { return strings.EqualFold(other.name, entry.Key) }
			if at := slices.IndexFunc(list, same); at >= 0 {
				list[at] = h
			} else {
				list = append(list, h)
			}
		}
	}
	return list
}

// headerValue compiles an expression, or a template where there is {{ in it.
func (b *builder) headerValue(text strictyaml.Text, where string, in names) *template {
	if strings.Contains(text.Value, "{{") {
		return b.template(text, headerValue, where, in)
	}
	e := b.expression(&text, where, strict, in)
	return &template{kind: headerValue, parts: []part{{expression: e}}}
}

func isHeaderName(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return s != ""
}

// template compiles text with {{ expressions }} in it.
func (b *builder) template(text strictyaml.Text, kind address, where string, in names) *template {
	t := &template{kind: kind}
	if text.Node == nil { // reported
		return t
	}
	texts, expressions, offsets, bad := splitTemplate(text.Value)
	if bad != nil {
		b.add(b.place(text, bad.at), "%s: %s", where, bad.message)
		return t
	}
	if len(expressions) == 0 {
		t.fixed = text.Value
	}
	wrong := false
	for i, source := range expressions {
		if texts[i] != "" {
			t.parts = append(t.parts, part{text: texts[i]})
		}
		e := b.expressionAt(text, offsets[i], source, where, strict, in)
		wrong = wrong || e == nil
		t.parts = append(t.parts, part{expression: e})
	}
	if wrong { // what it would be without that part is not to be said
		return t
	}
	if len(expressions) > 0 && texts[len(texts)-1] != "" {
		t.parts = append(t.parts, part{text: texts[len(texts)-1]})
	}
	t.loose = kind == mqttTopic && emptyPart(strings.Join(texts, "x"), '/')
	if wrong := t.checkFixed(); wrong != "" {
		b.add(text.Pos, "%s: %s", where, wrong)
	}
	return t
}

// suffixes makes ids of messages to one sink differ: with `id:` every route would send the same, and the
// sink would take the later ones for duplicates.
func (b *builder) suffixes() {
	seen := map[string]int{}
	for i := range b.rule.routes {
		for j := range b.rule.routes[i].targets {
			t := &b.rule.routes[i].targets[j]
			if n := seen[t.sink]; n > 0 {
				t.suffix = "/" + strconv.Itoa(n)
			}
			seen[t.sink]++
		}
	}
}

// letters compiles where dead letters go, of on_error or on_late. The address may use the topic and what is in
// it: the payload may be what is wrong.
func (b *builder) letters(spec *onErrorSpec, where string) (list []letterTarget) {
	if spec == nil {
		return nil
	}
	addresses := addressSpecs{"topic": spec.Topic, "subject": spec.Subject, "path": spec.Path}
	templates := b.addresses(addresses, where, names{})
	for _, to := range spec.To {
		t := b.target(to, addresses, templates, where)
		list = append(list, letterTarget{sink: t.sink, address: t.address})
	}
	b.unread(spec.To, addresses, where)
	return list
}
