package rules

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// A fence watches who goes in and out of a zone: geofence(p, "zone") of a rule. Calls with the same zone, point and id
// share it. It is brought up to date once a message and before it is read, so that no condition hides a message from it.
type fence struct {
	signature string
	zone      *zone
	point, id *expression // no id: it is the key
	stage     fenceStage
	slot      int
}

// A fenceStage says when a fence is brought up to date: as late as what reads it allows, so that messages which the
// rule drops before that do not count.
type fenceStage uint8

const (
	afterDedupe  fenceStage = iota
	beforeDedupe            // dedupe.by reads it
	beforeWhen              // when reads it
)

// A fenced is where one was last.
type fenced struct {
	inside  bool
	turning bool  // one is on the other side by now, but not for as long as dwell
	since   int64 // when turning began
}

func (*fenced) size() int { return 32 }

func (f *fenced) append(dst []byte) []byte {
	return appendTime(append(dst, flag(f.inside)|flag(f.turning)<<1), f.since)
}

func (*fence) load(d *decoder) memo {
	flags := d.byte()
	return &fenced{inside: flags&1 != 0, turning: flags&2 != 0, since: d.time()}
}

// fenceIdentity begins the identity of an id, so that what is kept for it is not what is kept for a key.
const fenceIdentity = 'z'

// What geofence says.
var (
	fenceEnter   = stringValue("enter")
	fenceExit    = stringValue("exit")
	fenceInside  = stringValue("inside")
	fenceOutside = stringValue("outside")
)

func sideOf(inside bool) Value {
	if inside {
		return fenceInside
	}
	return fenceOutside
}

// hear notes where one is now, and says what that is.
func (f *fenced) hear(z *zone, inside bool, now int64) Value {
	if inside == f.inside {
		f.turning = false
		return sideOf(inside)
	}
	if z.dwell > 0 && !f.turning {
		f.turning, f.since = true, now
	}
	if z.dwell > 0 && now-f.since < int64(z.dwell) {
		return sideOf(f.inside)
	}
	f.inside, f.turning = inside, false
	if inside {
		return fenceEnter
	}
	return fenceExit
}

// patrol brings the fences of a stage up to date.
func (r *rule) patrol(c *scope, stage fenceStage) {
	if n := len(r.fences); len(c.fences) < n { // the first stage of this message
		if cap(c.fences) < n {
			c.fences = make([]lazy, n)
		}
		c.fences = c.fences[:n]
		clear(c.fences)
	}
	for i, f := range r.fences {
		if f.stage == stage {
			v, err := f.update(c, r.memory)
			c.fences[i] = lazy{state: known, value: v, err: err}
		}
	}
}

// update brings a fence up to date for the message. What is null, or wrong, leaves it as it was.
func (f *fence) update(c *scope, m *memory) (Value, error) {
	v, err := f.evaluate(c, f.point)
	if err != nil || v.isNull() {
		return null, err
	}
	x, y, err := f.zone.place(v, nil)
	if err != nil {
		return null, geoError("geofence", err)
	}
	k := c.kept
	if f.id != nil {
		id, err := f.evaluate(c, f.id)
		if err != nil {
			return null, err
		}
		if id.isNull() || id.kind >= Object {
			return null, fail(NullKey, "geofence: the id is %s; it must be text, a number or a boolean", id.typeName())
		}
		c.seen = appendIdentity(append(c.seen[:0], fenceIdentity), id)
		k = m.touch(c.seen, max(c.rule.maxKeys, 1+len(c.rule.fences)))
	}
	inside := f.zone.Covers(x, y)
	was, _ := k.memo(f.slot).(*fenced)
	if was == nil {
		was = &fenced{inside: inside}
		k.set(f.slot, was)
		m.bytes += was.size()
		m.changed(k, f.slot)
		return sideOf(inside), nil
	}
	if was.inside && !inside && f.zone.hysteresis > 0 {
		d, err := f.zone.Distance(x, y)
		if err != nil {
			return null, geoError("geofence", err)
		}
		inside = d <= f.zone.hysteresis
	}
	before := *was
	v = was.hear(f.zone, inside, nanos(c.now))
	if *was != before {
		m.changed(k, f.slot)
	}
	return v, nil
}

// evaluate runs an expression of the fence. An error of its own is that of the call.
func (f *fence) evaluate(c *scope, e *expression) (Value, error) {
	v, err := c.run(e)
	if failed, ok := err.(*failure); ok && failed.expression == e {
		err = failed.err
	}
	return v, err
}

// geofence compiles geofence(p, "zone") and geofence(p, "zone", id). The point and the id stand by themselves, as the
// expression of lag does.
func (k *compiler) geofence(arguments []ast.Node, at int) (evaluator, *sourceError) {
	if len(arguments) != 2 && len(arguments) != 3 {
		return nil, sourceErrorf(at, `geofence takes a point, a zone and, where it is not the key, an id: geofence(p, "zone") or geofence(p, "zone", id)`)
	}
	z, err := k.namedZone(arguments[1])
	if err != nil {
		return nil, err
	}
	if z == nil {
		return nil, sourceErrorf(arguments[1].Location().From, "geofence takes the name of a zone as text: what is kept belongs to it")
	}
	if z.Zone == nil { // it is wrong, and that is told
		return constant(null), nil
	}
	if k.stateless {
		return k.firstSight(z, arguments, at)
	}
	if !k.names.kept || k.inLag {
		return nil, sourceErrorf(at, "geofence cannot be read here")
	}
	point, err := k.alone(arguments[0], defaulted)
	if err != nil {
		return nil, err
	}
	var id *expression
	if len(arguments) == 3 {
		if id, err = k.alone(arguments[2], strict); err != nil {
			return nil, err
		}
	}
	i := k.keeps.fence(z, point, id)
	k.usesKept = true
	k.fencesRead = append(k.fencesRead, i)
	m := k.mode
	return func(c *scope) (Value, error) {
		if i >= len(c.fences) || c.fences[i].state != known {
			return null, nil // there is no message, but a silence; or dedupe has suppressed it
		}
		read := &c.fences[i]
		if own, ok := read.err.(*evalError); ok {
			return null, &evalError{Class: own.Class, Message: own.Message, at: at}
		}
		if read.err != nil {
			return null, read.err
		}
		if read.value.isNull() {
			return c.nullOperand(m, arguments[0], at)
		}
		return read.value, nil
	}, nil
}

// firstSight is geofence where nothing is kept from message to message.
func (k *compiler) firstSight(z *zone, arguments []ast.Node, at int) (evaluator, *sourceError) {
	inside, err := k.fixedZone("geofence", zoneCalls["inside"], z, arguments[0], nil, at)
	return func(c *scope) (Value, error) {
		v, err := inside(c)
		if err != nil || v.isNull() {
			return null, err
		}
		return sideOf(v.bits == 1), nil
	}, err
}

// alone compiles an argument that is evaluated before the expression it stands in: it sees no # and no local name.
func (k *compiler) alone(node ast.Node, m mode) (*expression, *sourceError) {
	outer := *k
	k.inside, k.mode, k.locals = 0, m, nil
	k.names = names{payload: true, item: outer.names.item, key: true, lets: outer.names.lets}
	eval, err := k.node(node)
	k.inside, k.mode, k.locals, k.names = outer.inside, outer.mode, outer.locals, outer.names
	if err != nil {
		return nil, err
	}
	source := node.String()
	if len(k.tree.integers) > 0 { // the tree does not have them
		source += fmt.Sprint(k.tree.integers)
	}
	return &expression{source: source, field: "geofence", eval: eval}, nil
}

// fence finds or makes a fence and gives its number. What it keeps outlives a change of the point's expression, unless
// several points are watched under one id.
func (k *keeps) fence(z *zone, point, id *expression) int {
	f := &fence{signature: "geofence " + z.Name, zone: z, point: point, id: id}
	if id != nil {
		f.signature += " by " + id.source
	}
	signature := f.signature
	for i, other := range k.fences {
		sameID := other.signature == signature || other.signature == signature+" of "+other.point.source
		if sameID && other.point.source == point.source {
			return i
		}
		if sameID {
			f.signature = signature + " of " + point.source
		}
	}
	k.fences = append(k.fences, f)
	return len(k.fences) - 1
}

// hurry has fences brought up to date before something that reads them.
func (k *keeps) hurry(fences []int, stage fenceStage) {
	for _, i := range fences {
		k.fences[i].stage = max(k.fences[i].stage, stage)
	}
}

// lostFences are those that a reload takes away.
func (r *rule) lostFences(was *rule) (lines []string) {
	for _, f := range was.fences {
		same := func(other *fence) bool { return other.signature == f.signature }
		if !slices.ContainsFunc(r.fences, same) {
			lines = append(lines, fmt.Sprintf("geofence of %s watches another id or is gone: who is inside is forgotten", f.zone.boxed))
		}
	}
	return lines
}

// isPatrolled says whether there is a fence of a stage.
func (r *rule) isPatrolled(stage fenceStage) bool {
	return slices.ContainsFunc(r.fences, func(f *fence) bool { return f.stage == stage })
}
