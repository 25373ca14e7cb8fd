package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"edge/internal/strictyaml"
)

type dedupeSpec struct {
	By     *strictyaml.Text `yaml:"by,required"`
	Within time.Duration    `yaml:"within,required"`
	pos    strictyaml.Pos
}

// Validate checks what a type cannot say.
func (d *dedupeSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	d.pos = pos("")
	if d.Within <= 0 {
		errs.Add(pos("within"), "dedupe: within wants a duration above zero, such as 1m")
	}
}

type stateSpec struct {
	Value *strictyaml.Text `yaml:"value,required"`
	TTL   time.Duration    `yaml:"ttl"`
}

// Validate checks what a type cannot say.
func (s *stateSpec) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if s.TTL < 0 {
		errs.Add(pos("ttl"), "state: ttl wants a duration above zero, such as 7d")
	}
}

// keeps gathers, while a rule is compiled, what its expressions read of what it keeps.
type keeps struct {
	states []string
	last   [][]string // paths of the payload
	lags   []*lagRule
	calls  []lagCall
	fences []*fence
	absent bool // the rule has absent:
}

func newKeeps(spec *ruleSpec) *keeps {
	k := &keeps{absent: spec.Absent != nil}
	for _, s := range spec.State {
		k.states = append(k.states, s.Key)
	}
	return k
}

// stateField compiles state.NAME.
func (k *compiler) stateField(path []string, at int) (evaluator, *sourceError) {
	if !k.names.kept {
		return nil, sourceErrorf(at, "state cannot be read here")
	}
	if len(path) == 0 {
		return k.allStates(at)
	}
	i := slices.Index(k.keeps.states, path[0])
	if i < 0 {
		switch hint := strictyaml.Suggest(path[0], k.keeps.states); {
		case hint != "":
			return nil, sourceErrorf(at, "unknown state %s, did you mean state.%s?", path[0], hint)
		case len(k.keeps.states) == 0:
			return nil, sourceErrorf(at, "unknown state %s: the rule has no state:", path[0])
		}
		return nil, sourceErrorf(at, "unknown state %s; the rule has %s", path[0], strings.Join(k.keeps.states, ", "))
	}
	k.usesKept = true
	return members(func(c *scope) (Value, error) { return c.states[i], nil }, path[1:]), nil
}

// allStates compiles state alone: an object of those that are there.
func (k *compiler) allStates(at int) (evaluator, *sourceError) {
	names := k.keeps.states
	if len(names) == 0 {
		return nil, sourceErrorf(at, "state is empty: the rule has no state:")
	}
	k.usesKept = true
	return func(c *scope) (Value, error) {
		object := make(map[string]any, len(names))
		for i, name := range names {
			if v := c.states[i]; !v.isNull() {
				object[name] = v.box()
			}
		}
		return boxed(object), nil
	}, nil
}

// lastField compiles last and last.PATH, of the message before.
func (k *compiler) lastField(path []string, at int) (evaluator, *sourceError) {
	if !k.names.kept {
		return nil, sourceErrorf(at, "last cannot be read here")
	}
	k.usesKept, k.usesPayload = true, true
	same := func(other []string) bool { return slices.Equal(path, other) }
	i := slices.IndexFunc(k.keeps.last, same)
	if i < 0 {
		i = len(k.keeps.last)
		k.keeps.last = append(k.keeps.last, slices.Clone(path))
	}
	return func(c *scope) (Value, error) {
		if i >= len(c.last) {
			return null, nil
		}
		return c.last[i], nil
	}, nil
}

// absentName compiles absent.
func (k *compiler) absentName(path []string, at int) (evaluator, *sourceError) {
	if !k.names.kept {
		return nil, sourceErrorf(at, "absent cannot be read here")
	}
	if !k.keeps.absent {
		return nil, sourceErrorf(at, "absent is known only in a rule that has absent:")
	}
	return members(func(c *scope) (Value, error) { return boolValue(c.absent), nil }, path), nil
}

// keyed compiles the operators that keep something for each key and come before the result.
func (b *builder) keyed(spec *ruleSpec, in names) {
	r := b.rule
	if spec.Absent != nil {
		b.absent(spec)
	}
	if d := spec.Dedupe; d != nil {
		b.fencesRead = nil
		r.dedupe = &dedupe{by: b.expression(d.By, "dedupe.by", defaulted, in), within: d.Within}
		b.keeps.hurry(b.fencesRead, beforeDedupe)
	}
	for _, s := range spec.State {
		if isReserved(s.Key) {
			b.add(s.Pos, "state: the name %s is taken", s.Key)
		} else if !isName(s.Key) {
			b.add(s.Pos, "state: %q is no name: letters, digits and _, not beginning with a digit", s.Key)
		} else if isReserved(s.Key) {
			b.add(s.Pos, "state: the name %s is taken", s.Key)
		}
		value := b.expression(s.Value.Value, "state."+s.Key, strict, in)
		r.states = append(r.states, &stateRule{name: s.Key, value: value, ttl: s.Value.TTL})
	}
}

// remember makes the memory of the rule, if it needs one, when all its expressions are compiled.
func (b *builder) remember(spec *ruleSpec) {
	r := b.rule
	if len(b.keeps.last) > 0 {
		r.last = &lastRule{}
		for _, path := range b.keeps.last {
			r.last.fields = append(r.last.fields, b.field(path))
		}
		r.last.signature = fmt.Sprint("last ", b.keeps.last)
	}
	r.lags, r.lagCalls, r.fences = b.keeps.lags, b.keeps.calls, b.keeps.fences
	for _, l := range r.lags {
		l.value.pos = r.pos
	}
	for _, f := range r.fences {
		f.point.pos = r.pos
		if f.id != nil {
			f.id.pos = r.pos
		}
	}
	r.maxKeys = defaultMaxKeys
	if n := spec.MaxKeys; n != nil {
		if r.maxKeys = n.Value; n.Value <= 0 && !n.bad {
			b.add(n.pos, "max_keys wants a number above zero, not %d", n.Value)
		}
	}
	if r.absent != nil && len(r.absent.expect) > r.maxKeys {
		b.add(spec.Absent.pos, "absent: expect names %d keys, max_keys allows %d", len(r.absent.expect), r.maxKeys)
	}
	keeps := r.absent != nil || r.dedupe != nil || len(r.states) > 0 || r.last != nil || len(r.lags) > 0 || len(r.fences) > 0 ||
		r.onChange != nil || r.throttle != nil || r.window != nil
	if !keeps {
		return
	}
	r.memory = newMemory(fmt.Sprintf("%q %q %q", textOrNone(spec.Key), textOrNone(spec.Split), r.sources))
	r.life = r.lifetime()
}

// inherit takes over what the rule of the same name kept before a reload, as far as it is still the same, and
// gives each operator its place in it. It says fresh when the rule is durable and there was nothing of it in memory.
func (r *rule) inherit(was *rule, supposed bool) (fresh bool) {
	for _, line := range r.lost(was, supposed) {
		r.set.lost = append(r.set.lost, fmt.Sprintf("rule %q: %s", r.name, line))
	}
	if r.memory == nil {
		return false
	}
	if was.memory != nil && was.memory.signature == r.memory.signature {
		r.memory = was.memory
	} else if m := r.set.store.live(r.space()); r.durable && m != nil {
		r.memory = m
	} else {
		fresh = true
	}
	m := r.memory
	m.enlist(r)
	if r.absent != nil {
		r.absent.slot = m.slot(absentSignature, r.absent)
	}
	if r.dedupe != nil {
		r.dedupe.slot = m.slot(r.dedupe.signature(), r.dedupe)
	}
	for _, s := range r.states {
		s.slot = m.slot("state "+s.name, s)
	}
	if r.last != nil {
		r.last.slot = m.slot(r.last.signature, r.last)
	}
	for _, l := range r.lags {
		l.slot = m.slot("lag "+l.source, l)
	}
	for _, f := range r.fences {
		f.slot = m.slot(f.signature, f)
	}
	if r.onChange != nil {
		r.onChange.slot = m.slot(r.onChange.signature(r), r.onChange)
	}
	if r.throttle != nil {
		r.throttle.slot = m.slot(r.throttle.signature(), r.throttle)
	}
	if r.window != nil {
		r.window.slot = m.slot(r.window.signature+r.aggregate.signature, r.window)
		r.window.open = m.scheduled(r.window.slot, func() schedule { return newWindows(r, m, r.window.slot) }).(*windows)
	}
	if r.life > 0 {
		r.sweep = m.slot("sweep", nil)
	}
	if r.enabled {
		r.set.timed = append(r.set.timed, r)
	}
	return fresh && r.durable
}
