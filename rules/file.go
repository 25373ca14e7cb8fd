package rules

import (
	"slices"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// What a rule file holds, as it is written. See docs/rules.md.
type fileSpec struct {
	Frames strictyaml.Map[frameNode] `yaml:"frames"`
	Zones  strictyaml.Map[zoneSpec]  `yaml:"zones"`
	Tables strictyaml.Map[tableSpec] `yaml:"tables"`
	Rules  strictyaml.Map[ruleSpec]  `yaml:"rules"`
	Tests  []testSpec                `yaml:"tests"`
}

type ruleSpec struct {
	Description string                           `yaml:"description"`
	Enabled     *bool                            `yaml:"enabled"`
	Mode        *strictyaml.Text                 `yaml:"mode"`
	Source      strictyaml.List[strictyaml.Text] `yaml:"source"`
	Topic       *strictyaml.Text                 `yaml:"topic"`
	Split       *strictyaml.Text                 `yaml:"split"`
	When        *strictyaml.Text                 `yaml:"when"`
	Let         strictyaml.Map[strictyaml.Text]  `yaml:"let"`
	Key         *strictyaml.Text                 `yaml:"key"`
	MaxKeys     *placed[int]                     `yaml:"max_keys"`
	Durable     *placed[bool]                    `yaml:"durable"`
	Absent      *absentSpec                      `yaml:"absent"`
	Dedupe      *dedupeSpec                      `yaml:"dedupe"`
	State       strictyaml.Map[stateSpec]        `yaml:"state"`
	Window      *windowSpec                      `yaml:"window"`
	Having      *strictyaml.Text                 `yaml:"having"`
	Aggregate   *block                           `yaml:"aggregate"`
	Map         *block                           `yaml:"map"`
	Set         *block                           `yaml:"set"`
	Remove      strictyaml.List[strictyaml.Text] `yaml:"remove"`
	OnChange    *onChangeSpec                    `yaml:"on_change"`
	Throttle    *throttleSpec                    `yaml:"throttle"`
	ID          *strictyaml.Text                 `yaml:"id"`
	Headers     strictyaml.Map[strictyaml.Text]  `yaml:"headers"`
	Match       *strictyaml.Text                 `yaml:"match"`
	Route       []routeSpec                      `yaml:"route"`
	OnError     *onErrorSpec                     `yaml:"on_error"`
}

// readable drops the texts of lists that were reported as wrong, so that nothing else is said of them.
func (r *ruleSpec) readable() {
	readable := func(list *strictyaml.List[strictyaml.Text]) {
		*list = slices.DeleteFunc(*list, func(t strictyaml.Text) bool { return t.Node == nil })
	}
	readable(&r.Source)
	readable(&r.Remove)
	if r.OnChange != nil {
		readable(&r.OnChange.Of)
	}
	if r.Absent != nil {
		readable(&r.Absent.Expect)
	}
	for i := range r.Route {
		readable(&r.Route[i].To)
	}
	if r.OnError != nil {
		readable(&r.OnError.To)
	}
	if w := r.Window; w != nil && w.OnLate != nil {
		readable(&w.OnLate.To)
	}
	for _, t := range [...]**strictyaml.Text{&r.Mode, &r.Topic, &r.Match} {
		if *t != nil && (*t).Node == nil {
			*t = nil
		}
	}
}

// A placed value knows where it stands.
type placed[T any] struct {
	Value T
	pos   strictyaml.Pos
	bad   bool // it was wrong, and that is reported
}

// DecodeNode keeps the place.
func (p *placed[T]) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, errs *strictyaml.Errors) {
	p.pos = strictyaml.PosOf(file, n)
	before := len(*errs)
	l.Decode(file, n, &p.Value, errs)
	p.bad = len(*errs) > before
}

type routeSpec struct {
	When    *strictyaml.Text                 `yaml:"when"`
	To      strictyaml.List[strictyaml.Text] `yaml:"to,required"`
	Topic   *strictyaml.Text                 `yaml:"topic"`
	Subject *strictyaml.Text                 `yaml:"subject"`
	Path    *strictyaml.Text                 `yaml:"path"`
	Payload *strictyaml.Text                 `yaml:"payload"`
	Headers strictyaml.Map[strictyaml.Text]  `yaml:"headers"`
}

type onErrorSpec struct {
	To      strictyaml.List[strictyaml.Text] `yaml:"to,required"`
	Topic   *strictyaml.Text                 `yaml:"topic"`
	Subject *strictyaml.Text                 `yaml:"subject"`
	Path    *strictyaml.Text                 `yaml:"path"`
}

// A block is the fields of map or set, whose values are expressions, literals, or blocks and lists of these.
type block struct {
	pos    strictyaml.Pos
	fields strictyaml.Map[*yaml.Node]
}

func (b *block) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, errs *strictyaml.Errors) {
	b.pos = strictyaml.PosOf(file, n)
	l.Decode(file, n, &b.fields, errs)
}
