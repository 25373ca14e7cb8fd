package rules

import (
	"math"
	"slices"

	"github.com/expr-lang/expr/ast"

	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// An evaluator is a compiled piece of an expression. Evaluators are shared by lanes and keep nothing.
type evaluator func(c *scope) (Value, error)

// An expression is compiled: parsed by expr-lang's parser, evaluated by functions that know what null, 64-bit
// integers and the limits of edge are. See docs/decisions/0001-evaluator.md.
type expression struct {
	source  string
	field   string // where it stands in the rule: "when", "map.x", "route[0].topic"
	pos     strictyaml.Pos
	eval    evaluator
	trusted bool                             // in a template: it may bring separators
	point   func(c *scope) (geo.Point, bool) // see movedPoint; nil: it gives no point
	test    test                             // it is of comparisons of fields with literals; else nil
	copies  bool                             // it is a field of the payload and nothing else, that of slot
	slot    int
}

// A mode says what null means to the operators around it.
type mode uint8

const (
	strict    mode = iota // an error: map, set, let, key, templates
	lenient               // false, and counted: when, having, a route's when
	defaulted             // null: left of ??
)

// Names tell which names an expression may read.
type names struct {
	payload, item, out, key bool
	kept                    bool // state, last and lag
	window                  bool // what a window brings: no names of one message
	lets                    int  // how many of the rule's lets
}

// A compiler turns the expressions of one rule into evaluators.
type compiler struct {
	set         *setCompiler
	lets        []string
	letReadsKey []bool
	letReads    []bool     // what the rule keeps
	letNodes    []ast.Node // of lets that are another name for a field; else nil
	params      []string
	places      []int  // by param, while a probe is compiled: the level of the topic; else nil
	canon       []byte // room for the text of a probe
	out         *shape // what out has, where names.out is set

	names       names
	mode        mode
	tree        *tree
	locals      []string // let x = …; in scope
	most        int      // locals that one expression of the rule needs
	inside      int      // predicates around
	inLag       bool     // in the expression of a lag
	usesPayload bool
	usesKey     bool
	usesKept    bool
	usesTables  bool
	stateless   bool  // nothing is kept from one message to the next: for Eval
	fencesRead  []int // by what is being compiled
	letFences   [][]int
	keeps       *keeps     // what the expressions of the rule read of what it keeps
	gathering   *gathering // what a field of aggregate: is being compiled into

	watch *spotter // of the expression, where it is a condition of a rule that is tested; else nil
}

// compile compiles the text of one expression.
func (k *compiler) compile(source string, m mode, n names) (evaluator, *sourceError) {
	parsed, err := parse(source)
	if err != nil {
		return nil, err
	}
	k.tree, k.mode, k.names = parsed, m, n
	k.locals, k.inside = k.locals[:0], 0
	k.watch.find(parsed.root)
	eval, err := k.node(parsed.root)
	return k.watch.clause(parsed.root, eval), err
}

func (k *compiler) nodes(list []ast.Node) ([]evaluator, *sourceError) {
	out := make([]evaluator, len(list))
	for i, n := range list {
		var err *sourceError
		if out[i], err = k.node(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// node compiles one node of the tree.
func (k *compiler) node(node ast.Node) (evaluator, *sourceError) {
	at := node.Location().From
	switch n := node.(type) {
	case *ast.NilNode:
		return constant(null), nil
	case *ast.BoolNode:
		return constant(boolValue(n.Value)), nil
	case *ast.IntegerNode:
		return constant(intValue(int64(n.Value))), nil
	case *ast.FloatNode:
		if i, ok := k.tree.integers[at]; ok {
			if i == math.MinInt64 {
				return nil, sourceErrorf(at, "%s does not fit a 64-bit integer", smallestDigits)
			}
			return constant(intValue(i)), nil
		}
		v, err := floatValue(n.Value)
		if err != nil {
			return nil, sourceErrorf(at, "the number is not finite")
		}
		return constant(v), nil
	case *ast.StringNode:
		return constant(stringValue(n.Value)), nil
	case *ast.IdentifierNode:
		return k.identifier(n)
	case *ast.PointerNode:
		return k.pointer(n)
	case *ast.ChainNode:
		return k.node(n.Node)
	case *ast.MemberNode:
		return k.member(n)
	case *ast.UnaryNode:
		return k.unary(n)
	case *ast.BinaryNode:
		return k.binary(n)
	case *ast.ConditionalNode:
		return k.conditional(n)
	case *ast.CallNode:
		return k.call(n)
	case *ast.BuiltinNode:
		return k.builtin(n)
	case *ast.SliceNode:
		return k.slice(n)
	case *ast.ArrayNode:
		return k.array(n)
	case *ast.MapNode:
		return k.object(n)
	case *ast.VariableDeclaratorNode:
		return k.declaration(n)
	case *ast.SequenceNode:
		return nil, sourceErrorf(at, "several expressions in one: only the last would count")
	case *ast.BytesNode:
		return nil, sourceErrorf(at, "byte strings are not known here, write \"…\"")
	}
	return nil, sourceErrorf(at, "%s is not known here", node)
}

func constant(v Value) evaluator { return func(*scope) (Value, error) { return v, nil } }

// isNull reports a null that mode makes an error, and says what to give otherwise.
func (c *scope) nullOperand(m mode, what ast.Node, at int) (Value, error) {
	switch m {
	case strict:
		return null, &evalError{Class: MissingField, Message: what.String() + " is missing or null; give a default with ??", at: at}
	case lenient:
		c.missing++
	}
	return null, nil
}

func (k *compiler) declaration(n *ast.VariableDeclaratorNode) (evaluator, *sourceError) {
	if slices.Contains(k.locals, n.Name) || isReserved(n.Name) || k.set.tables[n.Name] != nil || slices.Contains(k.lets, n.Name) {
		return nil, sourceErrorf(n.Location().From, "the name %s is taken", n.Name)
	}
	value, err := k.node(n.Value)
	if err != nil {
		return nil, err
	}
	slot := len(k.locals)
	k.locals = append(k.locals, n.Name)
	k.most = max(k.most, len(k.locals))
	body, err := k.node(n.Expr)
	k.locals = k.locals[:slot]
	if err != nil {
		return nil, err
	}
	return func(c *scope) (Value, error) {
		v, err := value(c)
		if err != nil {
			return null, err
		}
		c.locals[slot] = v
		return body(c)
	}, nil
}

// identifier compiles a name that stands alone.
func (k *compiler) identifier(n *ast.IdentifierNode) (evaluator, *sourceError) {
	if slot := slices.Index(k.locals, n.Value); slot >= 0 {
		return func(c *scope) (Value, error) { return c.locals[slot], nil }, nil
	}
	return k.root(n.Value, nil, n.Location().From)
}

// member compiles a.b, a["b"], a[1] and a[b].
func (k *compiler) member(n *ast.MemberNode) (evaluator, *sourceError) {
	if root, path := pathOf(n); root != nil && !slices.Contains(k.locals, root.Value) {
		return k.root(root.Value, path, root.Location().From)
	}
	at := n.Location().From
	if t := k.table(n.Node); t != nil {
		return k.rowOf(t, n.Property, at)
	}
	base, err := k.node(n.Node)
	if err != nil {
		return nil, err
	}
	switch property := n.Property.(type) {
	case *ast.StringNode:
		name := property.Value
		return func(c *scope) (Value, error) {
			v, err := base(c)
			if err != nil {
				return null, err
			}
			v, err = v.member(name)
			return v, locate(err, at)
		}, nil
	case *ast.IntegerNode:
		i := int64(property.Value)
		return func(c *scope) (Value, error) {
			v, err := base(c)
			if err != nil {
				return null, err
			}
			v, err = v.index(i)
			return v, locate(err, at)
		}, nil
	}
	property, err := k.node(n.Property)
	if err != nil {
		return nil, err
	}
	return func(c *scope) (Value, error) {
		v, err := base(c)
		if err != nil {
			return null, err
		}
		p, err := property(c)
		if err != nil || v.isNull() || p.isNull() {
			return null, err
		}
		if i, ok := p.whole(); ok {
			v, err = v.index(i)
		} else if p.isString() {
			v, err = v.member(p.string())
		} else {
			err = fail(WrongType, "%s is no index", p.typeName())
		}
		return v, locate(err, at)
	}, nil
}

// pathOf takes a.b.c apart, if it is nothing but names.
func pathOf(node ast.Node) (*ast.IdentifierNode, []string) {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return n, nil
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.MemberNode:
		name, ok := n.Property.(*ast.StringNode)
		if !ok {
			return nil, nil
		}
		root, path := pathOf(n.Node)
		if root == nil {
			return nil, nil
		}
		return root, append(path, name.Value)
	}
	return nil, nil
}

// root compiles a reference that begins with one of the names that every rule knows.
func (k *compiler) root(name string, path []string, at int) (evaluator, *sourceError) {
	if err := k.ofMessage(name, at); err != nil {
		return nil, err
	}
	switch name {
	case "window":
		return k.windowField(path, at)
	case "payload":
		if !k.names.payload {
			return nil, sourceErrorf(at, "payload cannot be read here")
		}
		k.usesPayload = true
		slot := k.set.field(path)
		return func(c *scope) (Value, error) { return scanned(&c.slots[slot]), nil }, nil
	case "params":
		return k.param(path, at)
	case "topic":
		return members((*scope).topic, path), nil
	case "key":
		if !k.names.key {
			return nil, sourceErrorf(at, "key cannot be read here")
		}
		k.usesKey = true
		return members((*scope).keyValue, path), nil
	case "item":
		if !k.names.item {
			return nil, sourceErrorf(at, "item is an element of split:, and this rule has no split")
		}
		return members(func(c *scope) (Value, error) { return c.item, nil }, path), nil
	case "meta":
		return metaField(path, at)
	case "state":
		return k.stateField(path, at)
	case "last":
		return k.lastField(path, at)
	case "absent":
		return k.absentName(path, at)
	case "out":
		if !k.names.out {
			return nil, sourceErrorf(at, "out is the result of map: or set:, which is not there yet")
		}
		return k.outField(path, at)
	}
	if i := slices.Index(k.lets, name); i >= 0 {
		if i >= k.names.lets {
			return nil, sourceErrorf(at, "the let %s stands below; a let may use those above it", name)
		}
		if k.letReadsKey[i] {
			if !k.names.key {
				return nil, sourceErrorf(at, "the let %s reads key, so it cannot be read here", name)
			}
			k.usesKey = true
		}
		if k.letReads[i] {
			if !k.names.kept {
				return nil, sourceErrorf(at, "the let %s reads what the rule keeps, so it cannot be read here", name)
			}
			k.usesKept = true
			k.fencesRead = append(k.fencesRead, k.letFences[i]...)
		}
		if len(path) > 0 {
			return members(memberOfLet(i, path[0]), path[1:]), nil
		}
		return func(c *scope) (Value, error) { return c.let(i) }, nil
	}
	if t := k.set.tables[name]; t != nil {
		k.usesTables = true
		if len(path) == 0 {
			return t.object(), nil
		}
		return lookup(t, path), nil
	}
	return nil, k.unknown(name, at)
}

// memberOfLet reads a member of a let. Of a point, it is a coordinate whose name is looked at once, and which is read
// without the point's ever being a Value: 100 of 1,300 ns where a rule transforms one.
func memberOfLet(i int, name string) evaluator {
	axis := axisOf(name)
	return func(c *scope) (Value, error) {
		l := &c.lets[i]
		if l.state == notYet {
			if point := c.rule.lets[i].point; point != nil {
				if p, ok := point(c); ok {
					l.point, l.state = p, asPoint
				}
			}
		}
		if l.state == asPoint {
			return axis.of(&l.point)
		}
		v, err := c.let(i)
		if err != nil {
			return null, err
		}
		return v.member(name)
	}
}

// members reads a path below a value.
func members(base evaluator, path []string) evaluator {
	for _, name := range path {
		inner := base
		base = func(c *scope) (Value, error) {
			v, err := inner(c)
			if err != nil {
				return null, err
			}
			return v.member(name)
		}
	}
	return base
}
