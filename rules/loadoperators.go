package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

type absentSpec struct {
	For    time.Duration                    `yaml:"for,required"`
	Expect strictyaml.List[strictyaml.Text] `yaml:"expect"`
	pos    strictyaml.Pos
}

// Validate checks what a type cannot say.
func (a *absentSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	a.pos = pos("")
	if a.For <= 0 {
		errs.Add(pos("for"), "absent: for wants a duration above zero, such as 30s")
	}
}

type onChangeSpec struct {
	Of           strictyaml.List[strictyaml.Text] `yaml:"of"`
	Deadband     *strictyaml.Text                 `yaml:"deadband"`
	AtLeastEvery *time.Duration                   `yaml:"at_least_every"`
}

// Validate checks what a type cannot say.
func (o *onChangeSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if o.AtLeastEvery != nil && *o.AtLeastEvery <= 0 {
		errs.Add(pos("at_least_every"), "on_change: at_least_every wants a duration above zero, such as 30s")
	}
}

type throttleSpec struct {
	Rate *strictyaml.Text `yaml:"rate,required"`
	Keep *strictyaml.Text `yaml:"keep"`
}

// absentSignature is that of all: how long a silence is and which keys are expected can change without a loss.
const absentSignature = "absent"

// absent compiles absent:.
func (b *builder) absent(spec *ruleSpec) {
	a := &absence{after: spec.Absent.For}
	b.rule.absent = a
	if spec.Set != nil || len(spec.Remove) > 0 {
		b.add(spec.Absent.pos, "absent: set and remove change a payload, and a silence has none; write map:")
	}
	var ids []string
	for _, text := range spec.Absent.Expect {
		v, ok := constantOf(text.Node)
		if !ok {
			b.add(text.Pos, "absent: expect takes keys as they come: text, numbers or booleans, not %q", text.Value)
			continue
		}
		id := string(appendIdentity(nil, v))
		if slices.Contains(ids, id) {
			b.add(text.Pos, "absent: expect names %s twice", text.Value)
			continue
		}
		ids = append(ids, id)
		a.expect = append(a.expect, v)
	}
}

// constantOf gives a text, number or boolean as it is written in YAML.
func constantOf(n *yaml.Node) (Value, bool) {
	if n.Tag == "!!str" {
		return stringValue(n.Value), true
	}
	var literal any
	if err := n.Decode(&literal); err != nil {
		return null, false
	}
	v := unbox(literal)
	if f, ok := v.number(); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return null, false
	}
	return v, v.kind == Bool || v.isNumber()
}

// restraints compiles on_change and throttle, which look at the result.
func (b *builder) restraints(spec *ruleSpec, in names) {
	r := b.rule
	if o := spec.OnChange; o != nil {
		r.onChange = &onChange{}
		for i := range o.Of {
			r.onChange.of = append(r.onChange.of, b.expression(&o.Of[i], "on_change.of", strict, in))
		}
		if len(o.Of) == 0 && r.shape.kind != mapped && !in.item {
			b.usesPayload = true // so that it is JSON
		}
		if o.AtLeastEvery != nil {
			r.onChange.every = *o.AtLeastEvery
		}
		b.deadband(o.Deadband)
	}
	if t := spec.Throttle; t != nil {
		b.throttle(t)
	}
}

func (b *builder) deadband(text *strictyaml.Text) {
	if text == nil || text.Node == nil {
		return
	}
	o := b.rule.onChange
	number, percent := strings.CutSuffix(text.Value, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		b.add(text.Pos, "on_change: deadband wants a number such as 0.05 or a share such as 5%%, not %q", text.Value)
		return
	}
	o.deadband, o.percent = f, percent
}

const maxRate = 1 << 62 // of n times unit, in ns

func (b *builder) throttle(spec *throttleSpec) {
	t := &throttle{n: 1, unit: time.Second}
	b.rule.throttle = t
	if spec.Keep != nil && spec.Keep.Node != nil {
		if t.newest = spec.Keep.Value == "last"; !t.newest && spec.Keep.Value != "first" {
			b.add(spec.Keep.Pos, "throttle: keep wants first or last, not %q", spec.Keep.Value)
		}
	}
	if spec.Rate == nil || spec.Rate.Node == nil {
		return
	}
	n, unit, ok := parseRate(spec.Rate.Value)
	switch {
	case !ok:
		b.add(spec.Rate.Pos, "throttle: rate wants a number a unit of time, such as 1/s, 5/m or 10/30s, not %q", spec.Rate.Value)
	case n > maxRate/int64(unit):
		b.add(spec.Rate.Pos, "throttle: rate %s is more than can be counted; take a shorter time", spec.Rate.Value)
	case t.newest && n > 1:
		b.add(spec.Rate.Pos, "throttle: keep: last sends one result an interval, so write the interval, such as 1/%s", unit/time.Duration(n))
	default:
		t.n, t.unit = n, unit
	}
}

// parseRate reads 1/s, 10/30s, 5/m.
func parseRate(s string) (n int64, unit time.Duration, ok bool) {
	number, per, found := strings.Cut(s, "/")
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	per = strings.TrimSpace(per)
	if !found || err != nil || n < 1 || per == "" {
		return 0, 0, false
	}
	if per[0] < '0' || per[0] > '9' {
		per = "1" + per
	}
	unit, err = strictyaml.ParseDuration(per)
	return n, unit, err == nil && unit > 0
}

// signature is what a change of makes the operator begin anew. How long within is can change.
func (d *dedupe) signature() string { return "dedupe " + d.by.source }

func (o *onChange) signature(r *rule) string {
	s := "on_change"
	for _, e := range o.of {
		s += fmt.Sprintf(" %q", e.source)
	}
	if len(o.of) > 0 {
		return s
	}
	for _, f := range r.shape.fields {
		if r.shape.kind == mapped {
			s += fmt.Sprintf(" field %q", f.name)
		}
	}
	return s
}

func (t *throttle) signature() string {
	if t.newest {
		return "throttle last"
	}
	return fmt.Sprintf("throttle %d/%v", t.n, t.unit)
}

// lost says what a reload makes a rule forget that it kept, or, where the rule before is a supposed one, that it
// would have kept.
func (r *rule) lost(was *rule, supposed bool) []string {
	if was == nil || was.memory == nil {
		return nil
	}
	keys := plural(int(was.memory.shown.keys.Load()), "key")
	if supposed {
		keys = "its keys"
	} else if was.memory.shown.keys.Load() == 0 {
		return nil
	}
	if r.memory == nil {
		return []string{fmt.Sprintf("the rule keeps nothing any more: what it kept of %s is dropped", keys)}
	}
	if r.memory.signature != was.memory.signature {
		return []string{fmt.Sprintf("its key, split or source is another: what it kept of %s begins anew", keys)}
	}
	var lines []string
	tell := func(lost bool, format string, args ...any) {
		if lost {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	tell(was.absent != nil && r.absent == nil, "absent is gone: silences are no longer watched")
	tell(was.dedupe != nil && (r.dedupe == nil || r.dedupe.signature() != was.dedupe.signature()),
		"dedupe.by is another: what was seen before is forgotten")
	for _, s := range was.states {
		same := func(other *stateRule) bool { return other.name == s.name }
		tell(!slices.ContainsFunc(r.states, same), "state.%s is gone", s.name)
	}
	if was.last != nil {
		tell(r.last == nil || r.last.signature != was.last.signature, "the fields that are read of last are others: last is null for the next message of each key")
	}
	for _, l := range was.lags {
		same := func(other *lagRule) bool { return other.source == l.source }
		tell(!slices.ContainsFunc(r.lags, same), "lag(%s) is gone", l.source)
	}
	lines = append(lines, r.lostFences(was)...)
	if w := was.window; w != nil {
		same := r.window != nil && r.window.signature == w.signature
		tell(!same, "its window is another: what its open windows held is lost")
		tell(same && r.aggregate.signature != was.aggregate.signature, "its aggregate is another: what its open windows held is lost")
	}
	tell(was.onChange != nil && (r.onChange == nil || r.onChange.signature(r) != was.onChange.signature(was)),
		"on_change compares something else: the next message of each key passes")
	tell(was.throttle != nil && (r.throttle == nil || r.throttle.signature() != was.throttle.signature()),
		"throttle is another: it begins anew, and what it held goes out now")
	return lines
}
