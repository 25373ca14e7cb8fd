// Package rules reads rule files, checks and compiles them, and runs them on messages.
package rules

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/jsonscan"
)

// A Program is a compiled set of rules. It implements engine.Program, and is safe for concurrent use.
type Program struct {
	rules    []*rule // by file name, then in the order of the file
	tables   []*table
	sources  map[string]*trie // of the numbers of audiences; below zero: of tables
	plan     *jsonscan.Plan
	fields   int
	payload  int // bytes that are allowed
	depth    int
	logger   *slog.Logger
	defaults map[string][]*pattern // by source: its topics
	run      string                // makes ids of this process unlike those of any other
	lanes    *atomic.Int64         // that were made in this process

	timed  []*rule       // of which something may be due
	due    atomic.Int64  // when Tick said that it wants to be called again
	wakes  chan struct{} // one slot
	ticker *lane         // runs what Tick fires

	store    *Store                // nil: nothing is on disk
	observed bool                  // the store knows that this program runs; of Tick
	witness  func(*rule, error)    // of a set that is tested: hears of each error of a message
	inbox    *inbox                // what comes to local from outside of the lanes
	tell     func(*engine.Message) // of messages to local; nil: nobody

	held        atomic.Int64 // bytes that the rules keep, about
	memoryLimit int64        // above which who keeps more than reserve forgets
	reserve     int          // what each rule may keep in any case

	frontiers map[string]*frontier // by source
	eventTime bool                 // a rule has it
	wall      func() time.Time     // the wall clock; nil: the engine's is never off from it
	began     sync.Once
	ran       atomic.Bool
	lost      []string

	audiences []*audience
	past      []*ledger // of the program before
	heritage  *heritage // for the program after; nil: it takes nothing over
	unindexed bool      // all rules are asked one by one: for tests
}

// Rules says how many rules there are, disabled ones included.
func (p *Program) Rules() int { return len(p.rules) }

// Filters gives the MQTT filters that the enabled rules of a source want, each once, in order.
func (p *Program) Filters(source string) []string {
	var filters []string
	for _, r := range p.rules {
		if !r.enabled || !slices.Contains(r.sources, source) {
			continue
		}
		for _, pattern := range r.patternsOf(source) {
			filters = append(filters, pattern.filter)
		}
	}
	for _, t := range p.tables {
		if t.stream != nil && slices.Contains(t.stream.sources, source) {
			for _, pattern := range t.stream.patternsOf(source) {
				filters = append(filters, pattern.filter)
			}
		}
	}
	slices.Sort(filters)
	return slices.Compact(filters)
}

// Store is where durable rules keep what they keep, nil where none does.
func (p *Program) Store() *Store { return p.store }

// Stats gives the books of all rules, in order.
func (p *Program) Stats() []RuleStats {
	for _, b := range p.past {
		b.settle()
	}
	for _, a := range p.audiences {
		if a.ledger != nil {
			a.ledger.settle()
		}
	}
	stats := make([]RuleStats, len(p.rules))
	for i, r := range p.rules {
		s := &stats[i]
		s.Name, s.File, s.Line, s.Description = r.name, r.pos.File, r.pos.Line, r.description
		s.Source, s.Topic, s.Enabled = r.sources, r.topic, r.enabled
		if r.shadow {
			s.Mode = "shadow"
		}
		r.book.read(s)
		if m := r.memory; m != nil {
			s.Keys, s.StateBytes, s.Evicted = m.shown.keys.Load(), m.shown.bytes.Load(), m.shown.evicted.Load()
		}
	}
	return stats
}

// Lane returns a processor for one goroutine.
func (p *Program) Lane() engine.Lane {
	p.began.Do(p.begin)
	return p.newLane()
}

// begin is called when the set is to run, which not every set that was loaded does.
func (p *Program) begin() {
	p.ran.Store(true)
	for _, b := range p.past {
		b.close()
	}
	for _, f := range p.frontiers {
		f.run(p.eventTime)
	}
}

// Lost says what of the previous set's windows and state this one does not go on with, a line for each.
func (p *Program) Lost() []string { return p.lost }

func (p *Program) newLane() *lane {
	l := &lane{program: p, topics: map[string]map[string]*entry{}, marks: map[string]*passMark{}}
	l.scope.slots = make([]jsonscan.Value, p.fields)
	l.scope.idBase = p.laneID()
	l.scope.chain, l.aside.chain = &l.chain, &l.chain
	l.out = l.outlet
	l.later = func(sink string, out *engine.Message) { l.pending = append(l.pending, draft{sink, out}) }
	return l
}

// laneID is with what the ids begin that one goroutine makes.
func (p *Program) laneID() string { return p.run + strconv.FormatInt(p.lanes.Add(1), 36) + "." }

// A lane runs the rules on one goroutine.
type lane struct {
	program *Program
	scope   scope
	aside   scope                        // of results, while a message is handled
	topics  map[string]map[string]*entry // by source: what was found for a topic
	cached  int
	source  string               // of the last message; mostly the next is of the same
	known   map[string]*entry    // its topics
	guesses [4]jsonscan.Guess    // what payloads look like
	marks   map[string]*passMark // by source
	emit    engine.Emit          // of the message that is handled
	hits    []uint64             // the rules that a message is for, see gather
	merged  []uint64             // room for merge
	gaps    []missed             // what the index finds missing in a message
	asked   []*rule              // of hits, those that the index has found
	fetched int                  // nothing; see fetch
	made    []draft
	failed  []routeFailure // of the routes beside what they made
	slab    []engine.Message

	sinks   engine.Emit // to the queues
	out     engine.Emit // the same, but for what goes to local
	chain   chain
	errands []errand // to local, in order

	frontier *frontier // of the message that is handled; nil: event time need not wait for others

	later   engine.Emit // takes what is made under the lock of a memory
	pending []draft     // of later
}

func (l *lane) markOf(source string) *passMark {
	mark := l.marks[source]
	if f := l.program.frontiers[source]; f != nil && mark == nil {
		mark = f.mark()
		l.marks[source] = mark
	}
	return mark
}

func splitTopic(topic string) []string { return strings.Split(topic, "/") }

// patternsOf gives the topics that the rule listens to at a source.
func (r *rule) patternsOf(source string) []*pattern {
	if r.topic != "" {
		return r.pattern
	}
	return r.set.defaults[source]
}

// Process runs all rules that match m, and those that match what comes of it through local.
func (l *lane) Process(now time.Time, m *engine.Message, emit engine.Emit) {
	l.begin(now, emit)
	l.handle(now, m)
	l.follow(now)
	l.sinks = nil
}

// handle writes m to the tables and runs the rules, each in order.
func (l *lane) handle(now time.Time, m *engine.Message) {
	source := ""
	if m.Meta != nil {
		source = m.Meta.Source
	}
	e := l.find(source, m.Topic)
	c := &l.scope
	c.now, c.message, c.sure = now, m, false
	l.frontier = nil
	if e.mark != nil && m.Order != 0 {
		if e.mark.frontier.active.Load() {
			l.frontier = e.mark.frontier
		}
		defer l.passed(e.mark, m.Order) // also when a rule panics: else event time would stand still
	}
	if len(e.matches)+len(e.heard)+len(e.tables) == 0 {
		return
	}
	if len(m.Payload) > l.program.payload {
		l.refuse(e, false, fail(TooLarge, "the payload has %d bytes, limits.payload allows %d", len(m.Payload), l.program.payload))
		return
	}
	var bad error
	if e.reads {
		as, err := l.program.plan.ScanAs(&l.guesses[e.guess], m.Payload, l.program.depth, c.slots)
		if !as { // messages of this topic look like others than those that this guess is of
			e.guess = (e.guess + 1) % uint8(len(l.guesses))
		}
		if err != nil {
			bad = fail(BadPayload, "%s", err)
			l.refuse(e, true, bad)
		}
	}
	for i := range e.tables {
		if t := e.tables[i].table; bad == nil || !t.stream.reads {
			t.take(l, m, e.tables[i].params)
		}
	}
	for i := range e.matches {
		r := e.matches[i].rule
		if bad == nil || !r.reads {
			r.process(l, m, e.matches[i].params)
		}
	}
	if e.heard != nil {
		l.gather(e, bad != nil || len(m.Payload)+len(m.Topic) > indexed)
		for _, hit := range l.hits {
			if one := l.matched(e, hit); bad == nil || !one.rule.reads {
				c.sure = hit&sureHit != 0
				one.rule.process(l, m, one.params)
			}
		}
		c.sure = false
	}
}

// refuse settles a message that cannot be read: once for each on_error sink, and in the books of each rule.
func (l *lane) refuse(e *entry, readers bool, err error) {
	c := &l.scope
	for _, w := range e.tables {
		if w.table.stream.reads || !readers {
			w.table.fail(c, err)
		}
	}
	var told []string
	for _, match := range l.all(e) {
		r := match.rule
		if readers && !r.reads {
			continue
		}
		c.rule, c.params = r, match.params
		r.book.in.Add(1)
		r.book.failed.Add(1)
		r.witnessed(err)
		loud := r.book.err(classOf(err), c.now)
		if len(r.onError) == 0 {
			r.log(c.message, classOf(err), err, loud)
		}
		for i := range r.onError {
			if to := &r.onError[i]; !slices.Contains(told, to.sink) {
				told = append(told, to.sink)
				to.send(c, r, c.message, r.letter(c.now, c.message, classOf(err), err), l.emit)
			}
		}
	}
}

const slabSize = 32

// message gives a new message; many are made at once.
func (l *lane) message() *engine.Message {
	if len(l.slab) == 0 {
		l.slab = make([]engine.Message, slabSize)
	}
	m := &l.slab[0]
	l.slab = l.slab[1:]
	return m
}

// identity makes an id for a message of a rule that has none of its own: the same for each try to deliver it,
// and unlike any other.
func (c *scope) identity() string {
	c.sequence++
	return c.idBase + strconv.FormatInt(c.sequence, 36)
}

func newRunID() string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%x.", random)
}
