package rules

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// A set in which one file of many has changed takes over the rules of the others as they were compiled, if all that
// they were compiled against is the same: sources, sinks, the names of tables, frames and zones with all they say. A
// rule that keeps something, or reads a table, is compiled anew, since it is bound to its program.

// A keptFile is what a later load needs to know of a rule file.
type keptFile struct {
	sum   [sha256.Size]byte
	bare  bool // it holds nothing but rules, all of which can be taken over
	rules []*rule
}

// A heritage is what a program leaves to the one after it.
type heritage struct {
	around string               // what the rules were compiled against, see setCompiler.around
	files  map[string]*keptFile // by name
	paths  [][]string           // of the payload; those of rules that are taken over keep their slots
	probes map[string]*probe
	serial int  // of the last probe
	stale  bool // too many of the paths are of rules that are gone
}

// inheritRules prepares a load to take over what it can.
func (s *setCompiler) inheritRules() {
	s.reads = sha256.New()
	if s.env.Previous == nil || s.env.Previous.heritage == nil || s.env.Previous.heritage.stale {
		return
	}
	s.before = s.env.Previous.heritage
	s.serial = s.before.serial
	for name, p := range s.before.probes {
		s.probes[name] = p
	}
	for _, path := range s.before.paths {
		s.fields[fieldName(path)] = len(s.paths)
		s.paths = append(s.paths, path)
	}
}

func fieldName(path []string) string {
	if len(path) == 0 {
		return "\x00"
	}
	return strings.Join(path, "\x00")
}

// unchanged finds what is kept of a file, nil if it is not as it was. What ${} stands for may have changed in any case.
func (s *setCompiler) unchanged(l *loaded) *keptFile {
	if s.before == nil {
		return nil
	}
	if kept := s.before.files[l.file.Name]; kept != nil && kept.sum == l.sum {
		return kept
	}
	return nil
}

// addRules compiles the rules of a file, or takes them over.
func (s *setCompiler) addRules(l *loaded) {
	if l.kept != nil && l.kept.bare {
		for _, r := range l.kept.rules {
			s.takeOver(r)
		}
		return
	}
	s.lines = strings.Split(string(l.file.Data), "\n")
	for i, entry := range l.spec.Rules {
		if l.kept != nil && len(l.kept.rules) == len(l.spec.Rules) && s.takeOver(l.kept.rules[i]) {
			continue
		}
		s.addRule(entry)
	}
}

// takeOver adds the rule of a file that has not changed, if it can be taken over.
func (s *setCompiler) takeOver(was *rule) bool {
	if !was.portable {
		return false
	}
	if other, twice := s.named[was.name]; twice {
		s.errs.Add(was.pos, "rule %q is defined twice, first at %s", was.name, other)
		return true
	}
	s.named[was.name] = was.pos
	r := *was
	r.set, r.book = s.program, nil
	s.program.rules = append(s.program.rules, &r)
	return true
}

// around gives a text that is equal for loads whose rules are compiled against the same.
func (s *setCompiler) around(specs []loaded) string {
	h := sha256.New()
	fmt.Fprintf(h, "%t %t %t ", s.env.Sources == nil, s.env.Sinks == nil, s.env.Stateless)
	for _, name := range keysOf(s.env.Sources) {
		fmt.Fprintf(h, "%q %q ", name, s.env.Sources[name].Topics)
	}
	for _, name := range keysOf(s.env.Sinks) {
		fmt.Fprintf(h, "%q %v ", name, s.env.Sinks[name])
	}
	for _, name := range keysOf(s.things) {
		fmt.Fprintf(h, "%s %q ", s.things[name].kind, name)
	}
	for i := range specs {
		if l := &specs[i]; l.table || len(l.spec.Frames)+len(l.spec.Zones) > 0 {
			fmt.Fprintf(h, "%q %x ", l.file.Name, l.sum)
			if strings.Contains(string(l.file.Data), "${") {
				fmt.Fprintf(h, "%p ", s) // like nothing else
			}
		}
	}
	return string(h.Sum(s.reads.Sum(nil)))
}

// bequeath notes what a later load can take over.
func (s *setCompiler) bequeath(specs []loaded) {
	h := &heritage{around: s.around(specs), files: map[string]*keptFile{}, paths: s.paths, probes: map[string]*probe{}, serial: s.serial}
	rules := s.program.rules
	for i := range specs {
		l := &specs[i]
		n := 0
		for n < len(rules) && rules[n].pos.File == l.file.Name {
			n++
		}
		if l.table || strings.Contains(string(l.file.Data), "${") {
			rules = rules[n:]
			continue
		}
		kept := &keptFile{sum: l.sum, rules: slices.Clip(rules[:n])}
		kept.bare = l.kept != nil && l.kept.bare || len(l.spec.Frames)+len(l.spec.Zones)+len(l.spec.Tables)+len(l.spec.Tests) == 0
		kept.bare = kept.bare && !slices.ContainsFunc(kept.rules, func(r *rule) bool { return !r.portable })
		h.files[l.file.Name] = kept
		rules = rules[n:]
	}
	used := 0
	live := make([]bool, len(s.paths))
	for _, slot := range s.touched {
		live[slot] = true
	}
	named := map[*probe]bool{}
	for _, r := range s.program.rules {
		for _, slot := range r.fields {
			live[slot] = true
		}
		for i := range r.clauses {
			named[r.clauses[i].probe] = true
		}
	}
	for _, one := range live {
		if one {
			used++
		}
	}
	h.stale = len(s.paths) > 2*used+32
	for name, p := range s.probes {
		if named[p] {
			h.probes[name] = p
		}
	}
	s.program.heritage = h
}

// slotsOf gives each field once.
func slotsOf(touched []int) []int32 {
	var list []int32
	for _, slot := range touched {
		if !slices.Contains(list, int32(slot)) {
			list = append(list, int32(slot))
		}
	}
	return slices.Clip(list)
}
