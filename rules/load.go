package rules

import (
	"crypto/sha256"
	"hash"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gopkg.in/yaml.v3"

	"edge/engine"
	"edge/internal/jsonscan"
	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// A File is a rule file. Name is shown in errors, and relative paths inside are relative to its folder.
type File struct {
	Name string
	Data []byte
}

// SourceInfo is what rules need to know of a source.
type SourceInfo struct {
	Topics []string // of the source, for rules that have none
}

// SinkInfo is what rules need to know of a sink.
type SinkInfo struct {
	AddressKey string // of a route: "topic", "subject", "path", or "" for none
	UsesID     bool
}

// Env is what a set of rules is loaded into.
type Env struct {
	Sources map[string]SourceInfo // nil: edge.yaml is not known, and names of sources and sinks are not checked
	Sinks   map[string]SinkInfo
	Payload int   // bytes of the largest payload; 0: 1 MiB
	Depth   int   // of the deepest payload; 0: 64
	Memory  int64 // bytes that all rules together may keep from one message to the next; 0: 64 MiB
	Getenv  func(string) (string, bool)
	Log     *slog.Logger
	// Store opens what durable rules keep on disk, when it is needed or there is something already; else it gives
	// nil. Without it nothing is on disk.
	Store     func(needed bool) (*Store, error)
	Stateless bool             // edge.yaml is known and has no state.dir
	Now       func() time.Time // the engine's clock; time.Now where nil
	// Wall reads the wall clock, for windows to align to when it is set; nil: it never is.
	Wall func() time.Time
	// Previous is the program that runs: the books of rules that keep their name go on.
	Previous *Program
	// Supposed says that Previous does not run here: Lost tells what it would lose if it had kept something.
	Supposed bool
	// ReadFile reads the files of tables and frames; nil: from the disk. What is beyond 64 MiB of a file need not be read.
	ReadFile func(name string) ([]byte, error)
	// Tables are the rows of some tables in place of those they would have: for tests.
	Tables map[string]TableRows
	// Local is told of each message to local when it is made: for tests. It does not keep it.
	Local func(out *engine.Message)

	unindexed bool // all rules are asked one by one: for tests
}

const (
	defaultPayload = 1 << 20
	defaultDepth   = 64
)

// A setCompiler compiles all files of a set.
type setCompiler struct {
	env     Env
	errs    *strictyaml.Errors
	program *Program
	frames  *geo.Frames
	fields  map[string]int // of the payload, by path
	paths   [][]string
	named   map[string]strictyaml.Pos // rules
	zones   map[string]*zone
	layers  *geo.Zones       // of all zones that are right
	things  map[string]thing // frames, zones and tables: one name for all of them
	tables  map[string]*table
	lines   []string          // of the file that is compiled
	trial   *trial            // nil: the set is to run, not to be tested
	probes  map[string]*probe // by their canonical text
	heard   map[string]int    // audiences, by source and filter

	before  *heritage // of the program before; nil: all is compiled
	serial  int       // of the last probe
	touched []int     // fields that were asked for
	reads   hash.Hash // what frames and zones have read; nil: nothing is left to a later load
	noted   bool      // they have read all
}

// Load compiles a set of rule files, all or nothing. The program is nil when there are errors.
func Load(files []File, env Env) (*Program, strictyaml.Errors) {
	var errs strictyaml.Errors
	s := newSetCompiler(env, &errs)
	s.inheritRules()
	if !s.build(s.decode(files)) { // what is around the rules is not as it was
		errs = nil
		s = newSetCompiler(env, &errs)
		s.reads = sha256.New()
		s.build(s.decode(files))
	}
	if len(files) == 0 {
		errs.Add(strictyaml.Pos{}, "there are no rule files")
	}
	errs.Sort()
	if len(errs) > 0 {
		return nil, errs
	}
	return s.program, nil
}

// build compiles what the files hold. It gives up where rules were to be taken over and cannot be.
func (s *setCompiler) build(specs []loaded) bool {
	s.loadFrames(specs)
	s.loadZones(specs)
	s.noted = true
	s.loadTables(specs)
	if s.before != nil && s.around(specs) != s.before.around {
		return false
	}
	s.compileTables(specs)
	for i := range specs {
		s.addRules(&specs[i])
	}
	for i := range specs {
		s.checkTests(specs[i])
	}
	if s.trial == nil || s.trial.test == nil { // a test may switch rules on
		s.checkCircles()
	}
	s.finish()
	if len(*s.errs) == 0 && s.reads != nil {
		s.bequeath(specs)
	}
	return true
}

func newSetCompiler(env Env, errs *strictyaml.Errors) *setCompiler {
	p := &Program{payload: env.Payload, depth: env.Depth, logger: env.Log, wall: env.Wall, frontiers: map[string]*frontier{}, sources: map[string]*trie{}, defaults: map[string][]*pattern{}, wakes: make(chan struct{}, 1)}
	if p.payload == 0 {
		p.payload = defaultPayload
	}
	if p.depth == 0 {
		p.depth = defaultDepth
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if env.Previous != nil {
		p.run, p.lanes = env.Previous.run, env.Previous.lanes
		p.inbox, p.wakes = env.Previous.inbox, env.Previous.wakes // what is left there is for the one that runs
	} else {
		p.run, p.lanes, p.inbox = newRunID(), new(atomic.Int64), &inbox{}
	}
	p.tell, p.unindexed = env.Local, env.unindexed
	return &setCompiler{env: env, errs: errs, program: p, fields: map[string]int{}, named: map[string]strictyaml.Pos{},
		things: map[string]thing{}, tables: map[string]*table{}, probes: map[string]*probe{}, heard: map[string]int{}}
}

type loaded struct {
	file File
	spec fileSpec

	table bool // it is no rule file but a table or a map that one names

	sum  [sha256.Size]byte
	kept *keptFile // of the program before; nil: the file is another
}

// decode reads all files, in the order of their names.
func (s *setCompiler) decode(files []File) []loaded {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	loader := &strictyaml.Loader{Env: s.env.Getenv}
	specs := make([]loaded, len(files))
	roots, errs := make([]*yaml.Node, len(files)), make([]strictyaml.Errors, len(files))
	var tables []string
	for i, file := range files {
		specs[i].file, specs[i].sum = file, sha256.Sum256(file.Data)
		if specs[i].kept = s.unchanged(&specs[i]); specs[i].kept != nil && specs[i].kept.bare {
			continue
		}
		roots[i] = loader.Parse(file.Name, file.Data, &errs[i])
		tables = append(tables, namedTables(file.Name, roots[i])...)
		tables = append(tables, namedMaps(file.Name, roots[i])...)
	}
	for i, file := range files {
		if specs[i].table = slices.Contains(tables, filepath.Clean(file.Name)); specs[i].table {
			specs[i].kept = nil
			continue
		}
		*s.errs = append(*s.errs, errs[i]...)
		if roots[i] != nil {
			loader.Decode(file.Name, roots[i], &specs[i].spec, s.errs)
		}
	}
	return specs
}

// field gives the slot of a path of the payload.
func (s *setCompiler) field(path []string) int {
	name := fieldName(path)
	slot, ok := s.fields[name]
	if !ok {
		slot = len(s.paths)
		s.fields[name] = slot
		s.paths = append(s.paths, slices.Clone(path))
	}
	s.touched = append(s.touched, slot)
	return slot
}

// finish joins the rules into a program.
func (s *setCompiler) finish() {
	p := s.program
	p.plan, p.fields = jsonscan.NewPlan(s.paths), len(s.paths)
	s.trial.listen(p, s.env.Sources)
	for name, source := range s.env.Sources {
		for _, topic := range source.Topics {
			if pattern, err := parsePattern(topic); err == nil {
				p.defaults[name] = append(p.defaults[name], pattern)
			}
		}
	}
	if len(*s.errs) == 0 {
		s.openStore()
	}
	if len(*s.errs) > 0 {
		return
	}
	before := map[string]*rule{}
	var tables []*table
	if s.env.Previous != nil {
		tables = s.env.Previous.tables
		p.past = s.env.Previous.ledgers()
		for _, r := range s.env.Previous.rules {
			before[r.name] = r
		}
	}
	p.ticker = p.newLane()
	var fresh []*rule
	for i, r := range p.rules {
		was := before[r.name]
		if was == nil {
			was = &rule{}
		}
		if r.book = was.book; r.book == nil {
			r.book = &book{}
		}
		if r.inherit(was, s.env.Supposed) {
			fresh = append(fresh, r)
		}
		if r.enabled {
			s.listen(r, i)
		}
	}
	for _, a := range p.audiences {
		a.index(p)
	}
	for i, t := range p.tables {
		t.inherit(tableNamed(tables, t.name))
		if t.stream != nil {
			s.listen(t.stream, i-len(p.tables))
		}
	}
	p.setBounds(s.env.Memory)
	now := time.Now
	if s.env.Now != nil {
		now = s.env.Now
	}
	p.restore(fresh, nanos(now()))
}

// listen notes which topics a rule hears. The index of a table is below zero, so that they come first.
func (s *setCompiler) listen(r *rule, index int) {
	for i, source := range r.sources {
		if slices.Contains(r.sources[:i], source) {
			continue
		}
		tree := s.program.sources[source]
		if tree == nil {
			tree = &trie{}
			s.program.sources[source] = tree
		}
		if s.program.frontiers[source] == nil {
			s.program.frontiers[source] = s.frontier(source)
		}
		patterns := r.patternsOf(source)
		heard, fresh := index, true
		if index >= 0 && len(patterns) > 0 {
			heard, fresh = s.audience(r, source, patterns)
			a := s.program.audiences[heard]
			a.rules = append(a.rules, uint32(index))
			a.reads = a.reads || r.reads
		}
		for _, pattern := range patterns {
			if fresh {
				tree.add(pattern.levels, heard)
			}
		}
	}
}

// audience gives the number of the audience of a rule, and whether it is new.
func (s *setCompiler) audience(r *rule, source string, patterns []*pattern) (number int, fresh bool) {
	name := source + "\x00"
	if r.topic != "" {
		name += patterns[0].filter
	}
	number, known := s.heard[name]
	if !known {
		number = len(s.program.audiences)
		s.heard[name] = number
		s.program.audiences = append(s.program.audiences, &audience{patterns: patterns})
	}
	return number, !known
}

// frontier gives that of the set before, which goes on, or a new one.
func (s *setCompiler) frontier(source string) *frontier {
	if s.env.Previous == nil {
		return newFrontier(true)
	}
	if f := s.env.Previous.frontiers[source]; f != nil {
		return f
	}
	return newFrontier(false)
}
