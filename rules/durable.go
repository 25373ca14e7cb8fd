package rules

import (
	"slices"
	"time"

	"edge/engine"
	"edge/internal/statelog"
)

// This file is about how what durable rules keep comes to be on disk, and back after a restart.

// durability compiles durable:.
func (b *builder) durability(spec *ruleSpec) {
	r := b.rule
	if spec.Durable == nil || !spec.Durable.Value {
		return
	}
	if r.memory == nil { // it keeps nothing that could be lost
		return
	}
	if b.env.Stateless {
		b.add(spec.Durable.pos, "durable wants a place for the state: add `state: {dir: /var/lib/edge}` to edge.yaml")
	}
	r.durable = true
	sends := func(way route) bool {
		return slices.ContainsFunc(way.targets, func(t target) bool { return t.sink == localName })
	}
	r.circles = slices.Contains(r.sources, localName) && slices.ContainsFunc(r.routes, sends)
}

func (r *rule) space() statelog.Space { return statelog.SpaceOf(r.name, r.memory.signature) }

// openStore opens the store of a set, if one of its rules is durable or there is something from before.
func (s *setCompiler) openStore() {
	if s.env.Store == nil {
		return
	}
	var first *rule
	for _, r := range s.program.rules {
		if r.durable && first == nil {
			first = r
		}
	}
	store, err := s.env.Store(first != nil)
	if err != nil && first != nil {
		s.errs.Add(first.pos, "rule %q: durable: %s", first.name, err)
	}
	s.program.store = store
}

// live is the memory of a space that a rule used a moment ago and that is not all on disk yet, nil if there is
// none.
func (s *Store) live(space statelog.Space) *memory {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.used[space]; j != nil {
		return j.memory
	}
	return nil
}

// keepOnDisk gives the memory a journal when the rule that takes it over is durable, or takes it away.
func (m *memory) keepOnDisk(r *rule) {
	store := r.set.store
	switch {
	case r.durable && m.journal == nil && store != nil:
		m.attach(store, r)
	case !r.durable && m.journal != nil:
		m.detach(r)
	}
}

func (m *memory) attach(store *Store, r *rule) {
	j := &journal{store: store, memory: m, space: r.space()}
	store.moving.Lock()
	_, known := store.file.Spaces()[j.space]
	store.mu.Lock()
	store.used[j.space] = j
	if !known || !m.restored || m.stale {
		store.notes = append(store.notes, note{space: j.space, drop: known, info: statelog.Info{Name: r.name, Signature: m.signature}})
	}
	store.mu.Unlock()
	store.moving.Unlock()
	m.journal = j
	whole := known && m.restored && !m.stale
	m.restored, m.stale = false, false
	if whole {
		return
	}
	for k := m.oldest; k != nil; k = k.next { // all that is there is to be written
		c := j.add(k.id, k)
		c.gone = true // nothing of it is on disk
		for slot := range k.slots() {
			if k.memo(slot) != nil {
				c.slots.add(slot)
			}
		}
		if len(j.tail.changes) >= 1024 {
			j.seal(j.tail) // so that it need not be one write
		}
	}
	for slot := range m.slots {
		if _, ok := m.slots[slot].schedule.(commoner); ok {
			m.changedCommon(slot)
		}
	}
	store.list(j)
}

// detach lets go of what is held: the rule does not want it on disk any more.
func (m *memory) detach(r *rule) {
	j := m.journal
	m.journal = nil
	var causes []*engine.Message
	for _, g := range j.queue {
		causes = append(causes, g.causes...)
	}
	j.queue, j.tail = nil, nil
	j.store.mu.Lock()
	if j.store.used[j.space] == j {
		delete(j.store.used, j.space)
	}
	j.store.notes = append(j.store.notes, note{space: j.space, drop: true})
	j.store.mu.Unlock()
	j.store.rouse()
	for _, cause := range causes {
		cause.Done()
	}
}

// join puts what was loaded into its schedule.
func (m *memory) join() {
	if !m.joins {
		return
	}
	m.joins = false
	type one struct {
		k    *kept
		slot int
		j    joiner
	}
	var all []one
	for k := m.oldest; k != nil; k = k.next {
		for slot := range k.slots() {
			if j, ok := k.memo(slot).(joiner); ok {
				all = append(all, one{k, slot, j})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b one) int { return time.Unix(0, a.j.began()).Compare(time.Unix(0, b.j.began())) })
	for _, o := range all {
		o.j.join(m, o.k, o.slot, nanos(m.at))
	}
}

// observe is called when a program begins to run: spaces of rules that are gone are named, and those of rules
// that are not durable any more are dropped.
func (s *Store) observe(p *Program) {
	durable, names := map[statelog.Space]bool{}, map[string]bool{}
	for _, r := range p.rules {
		names[r.name] = names[r.name] || r.durable
		if r.durable {
			durable[r.space()] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for space, j := range s.used {
		if !durable[space] && j.waiting.Load() == 0 {
			delete(s.used, space) // rules that still run on it have it themselves
		}
	}
	for space, info := range s.file.Spaces() {
		wanted, there := names[info.Name]
		switch {
		case durable[space]:
			delete(s.told, space)
		case s.used[space] != nil:
		case there && !wanted:
			s.notes = append(s.notes, note{space: space, drop: true})
			s.logger.Info("a rule is not durable any more: its state on disk is dropped", "rule", info.Name)
		case !s.told[space]:
			s.told[space] = true
			s.logger.Info("the state of a rule that is gone, or has another key, split or source now, stays on disk until that is next compacted", "rule", info.Name)
		}
	}
	s.rouse()
}

// A restoration is what is read from disk for one rule.
type restoration struct {
	rule    *rule
	slots   map[uint64]int
	unknown int // parts of operators that the rule does not have
	wrong   int
}

// restore reads what the rules kept whose memories are new.
func (p *Program) restore(fresh []*rule, now int64) {
	store := p.store
	if store == nil || len(fresh) == 0 {
		return
	}
	spaces := store.file.Spaces()
	all := map[statelog.Space]*restoration{}
	for _, r := range fresh {
		if _, ok := spaces[r.space()]; ok {
			x := &restoration{rule: r, slots: map[uint64]int{}}
			for slot, s := range r.memory.slots {
				x.slots[s.number] = slot
			}
			all[r.space()] = x
		}
	}
	if len(all) == 0 {
		return
	}
	shift := min(0, now-store.file.Clock())
	err := store.file.Scan(func(rec *statelog.Record) {
		if x := all[rec.Space]; x != nil {
			x.read(rec, now, shift)
		}
	})
	if err != nil {
		p.logger.Error("the state could not be read to its end: what comes after that is lost", "error", err)
	}
	for _, r := range fresh {
		if x := all[r.space()]; x != nil {
			x.finish(err != nil)
		}
	}
}

func (x *restoration) read(rec *statelog.Record, now, shift int64) {
	m := x.rule.memory
	switch rec.Kind {
	case statelog.Drop:
		for m.oldest != nil {
			x.drop(m.oldest)
		}
		return
	case statelog.Gone, statelog.Anew:
		if k := m.find(rec.Key); k != nil {
			x.drop(k)
		}
	}
	if rec.Kind != statelog.Change && rec.Kind != statelog.Anew {
		return
	}
	if len(rec.Key) == 0 {
		x.common(rec, now, shift)
		return
	}
	if !validIdentity(rec.Key) {
		x.wrong++
		return
	}
	k := m.find(rec.Key)
	if k == nil {
		for len(m.keys) >= x.rule.maxKeys {
			x.drop(m.oldest)
		}
		k = m.add(string(rec.Key), x.rule.maxKeys)
	} else if m.newest != k {
		m.unlink(k)
		m.link(k)
	}
	k.touched = now
	for rest, ok := rec.Parts, true; ok; {
		var p statelog.Part
		if p, rest, ok = statelog.NextPart(rest); ok {
			x.part(k, p, &decoder{src: p.Bytes, now: now, shift: shift})
		}
	}
}

// drop forgets a key of which nothing is in a schedule yet.
func (x *restoration) drop(k *kept) {
	m := x.rule.memory
	for slot := range k.slots() {
		if p := k.memo(slot); p != nil {
			m.bytes -= p.size()
			k.set(slot, nil)
		}
	}
	m.forget(k)
}

// common reads what schedules kept for all keys.
func (x *restoration) common(rec *statelog.Record, now, shift int64) {
	for rest, ok := rec.Parts, true; ok; {
		var p statelog.Part
		if p, rest, ok = statelog.NextPart(rest); !ok {
			return
		}
		if slot, known := x.slots[p.Slot]; known {
			if of, is := x.rule.memory.slots[slot].schedule.(commoner); is {
				d := &decoder{src: p.Bytes, now: now, shift: shift}
				if of.loadCommon(d); d.err != nil {
					x.wrong++
				}
				continue
			}
		}
		x.unknown++
	}
}

func (x *restoration) part(k *kept, p statelog.Part, d *decoder) {
	m := x.rule.memory
	slot, known := x.slots[p.Slot]
	if !known || m.slots[slot].operator == nil {
		x.unknown++
		return
	}
	defer func() {
		if recover() != nil {
			x.wrong++
		}
	}()
	old := k.memo(slot)
	if p.Form == statelog.Growth {
		if g, ok := old.(grower); ok {
			before := g.size()
			g.grow(d)
			m.bytes += g.size() - before
		}
	} else {
		if old != nil {
			m.bytes -= old.size()
			k.set(slot, nil)
		}
		if p.Form == statelog.Whole {
			if now := m.slots[slot].operator.load(d); now != nil && d.err == nil {
				k.set(slot, now)
				m.bytes += now.size()
			}
		}
	}
	if d.err != nil {
		x.wrong++
	}
}

func (x *restoration) finish(broken bool) {
	r, m := x.rule, x.rule.memory
	var following *kept
	for k := m.oldest; k != nil; k = following {
		following = k.next
		m.tidy(k)
	}
	m.restored, m.joins = true, true
	m.stale = broken || x.unknown > 0 || x.wrong > 0
	m.lately = lately{}
	r.set.store.mu.Lock()
	r.set.store.restored += len(m.keys)
	r.set.store.mu.Unlock()
	if x.wrong > 0 {
		r.set.logger.Error("a part of the state of a rule cannot be read, and is lost", "rule", r.name, "parts", x.wrong)
	}
	if x.unknown > 0 {
		r.set.logger.Warn("the rule has changed since: what operators kept that it does not have any more is dropped", "rule", r.name, "parts", x.unknown)
	}
	r.set.logger.Info("the state of a rule is restored", "rule", r.name, "keys", len(m.keys))
}

// validIdentity says whether keyOf can make a key of it, or it is an id of geofence, whose identity stands after a z.
func validIdentity(id []byte) bool {
	if len(id) > 1 && id[0] == fenceIdentity {
		id = id[1:]
	}
	return len(id) > 0 && (id[0] == 'n' || id[0] == 'i' || id[0] == 's' || id[0] == 'f' || id[0] == 'b')
}
