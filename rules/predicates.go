package rules

import (
	"slices"
	"sort"

	"github.com/expr-lang/expr/ast"
)

// predicateNames are the functions that run an expression over a list.
var predicateNames = []string{"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "groupBy", "sortBy", "reduce"}

func isPredicate(name string) bool { return slices.Contains(predicateNames, name) }

// predicate compiles all(list, …) and its likes.
func (k *compiler) predicate(n *ast.BuiltinNode, body *ast.PredicateNode) (evaluator, *sourceError) {
	at, m, listNode := n.Location().From, k.mode, n.Arguments[0]
	if n.Name == "count" {
		return k.function(n.Name, n.Arguments, at)
	}
	list, err := k.node(listNode)
	if err != nil {
		return nil, err
	}
	k.inside++
	each, err := k.node(body.Node)
	k.inside--
	if err != nil {
		return nil, err
	}
	var third evaluator
	if len(n.Arguments) > 2 {
		if third, err = k.node(n.Arguments[2]); err != nil {
			return nil, err
		}
	}
	run := walks[n.Name]
	if run == nil {
		return nil, sourceErrorf(at, "%s takes no condition", n.Name)
	}
	w := &walk{each: each, third: third != nil, body: body.Node, mode: m}
	return func(c *scope) (Value, error) {
		v, err := list(c)
		if err != nil {
			return null, err
		}
		if v.isNull() {
			return c.nullOperand(m, listNode, at)
		}
		elements, ok := v.list()
		if !ok {
			return null, &evalError{Class: WrongType, Message: n.Name + " takes a list, not " + v.typeName(), at: at}
		}
		var begin Value // # in it is the element of the predicate around this one
		if third != nil {
			if begin, err = third(c); err != nil {
				return null, err
			}
		}
		c.loops = append(c.loops, loop{acc: begin})
		v, err = run(c, w, elements)
		c.loops = c.loops[:len(c.loops)-1]
		return v, locate(err, at)
	}, nil
}

// pointer compiles # and #index, #acc.
func (k *compiler) pointer(n *ast.PointerNode) (evaluator, *sourceError) {
	at := n.Location().From
	if k.inside == 0 {
		return nil, sourceErrorf(at, "# stands for an element inside of filter(), map() and the like")
	}
	switch n.Name {
	case "":
		return func(c *scope) (Value, error) { return c.loops[len(c.loops)-1].element, nil }, nil
	case "index":
		return func(c *scope) (Value, error) { return intValue(int64(c.loops[len(c.loops)-1].index)), nil }, nil
	case "acc":
		return func(c *scope) (Value, error) { return c.loops[len(c.loops)-1].acc, nil }, nil
	}
	return nil, sourceErrorf(at, "unknown #%s; there are #, #index and #acc", n.Name)
}

// A walk is what a predicate does with each element.
type walk struct {
	each  evaluator
	third bool // there is a third argument: it is where acc begins
	body  ast.Node
	mode  mode
}

// at evaluates the body for one element.
func (w *walk) at(c *scope, i int, element any) (Value, error) {
	if err := c.budget.spend(1, 0); err != nil {
		return null, err
	}
	l := &c.loops[len(c.loops)-1]
	l.element, l.index = unbox(element), i
	return w.each(c)
}

// holds evaluates the body as a condition.
func (w *walk) holds(c *scope, i int, element any) (bool, error) {
	v, err := w.at(c, i, element)
	if err != nil {
		return false, err
	}
	return c.truth(v, w.mode, w.body)
}

// matching calls found for each element that the condition holds for, until found says stop.
func (w *walk) matching(c *scope, list []any, found func(i int) bool) error {
	for i, element := range list {
		ok, err := w.holds(c, i, element)
		if err != nil {
			return err
		}
		if ok && !found(i) {
			return nil
		}
	}
	return nil
}

// number counts the elements that the condition holds for, up to most.
func (w *walk) number(c *scope, list []any, most int) (int, error) {
	n := 0
	err := w.matching(c, list, func(int) bool { n++; return n < most })
	return n, err
}

var walks = map[string]func(c *scope, w *walk, list []any) (Value, error){
	"any": func(c *scope, w *walk, list []any) (Value, error) {
		n, err := w.number(c, list, 1)
		return boolValue(n > 0), err
	},
	"none": func(c *scope, w *walk, list []any) (Value, error) {
		n, err := w.number(c, list, 1)
		return boolValue(n == 0), err
	},
	"one": func(c *scope, w *walk, list []any) (Value, error) {
		n, err := w.number(c, list, 2)
		return boolValue(n == 1), err
	},
	"all": func(c *scope, w *walk, list []any) (Value, error) {
		for i, element := range list {
			if ok, err := w.holds(c, i, element); !ok {
				return falseValue, err
			}
		}
		return trueValue, nil
	},
	"filter": func(c *scope, w *walk, list []any) (Value, error) {
		kept := []any{}
		err := w.matching(c, list, func(i int) bool { kept = append(kept, list[i]); return true })
		return boxed(kept), err
	},
	"map": func(c *scope, w *walk, list []any) (Value, error) {
		made := make([]any, len(list))
		for i, element := range list {
			v, err := w.at(c, i, element)
			if err != nil {
				return null, err
			}
			made[i] = v.box()
		}
		return boxed(made), nil
	},
	"find":      func(c *scope, w *walk, list []any) (Value, error) { _, v, err := w.first(c, list); return v, err },
	"findIndex": func(c *scope, w *walk, list []any) (Value, error) { i, _, err := w.first(c, list); return i, err },
	"findLast":  func(c *scope, w *walk, list []any) (Value, error) { _, v, err := w.last(c, list); return v, err },
	"findLastIndex": func(c *scope, w *walk, list []any) (Value, error) {
		i, _, err := w.last(c, list)
		return i, err
	},
	"groupBy": groupBy,
	"sortBy":  sortBy,
	"reduce":  reduce,
	"sum": func(c *scope, w *walk, list []any) (Value, error) {
		sum := intValue(0)
		for i, element := range list {
			v, err := w.at(c, i, element)
			if err != nil {
				return null, err
			}
			if sum, err = add(&c.budget, sum, v); err != nil {
				return null, err
			}
		}
		return sum, nil
	},
}

func (w *walk) first(c *scope, list []any) (index, element Value, err error) {
	err = w.matching(c, list, func(i int) bool { index, element = intValue(int64(i)), unbox(list[i]); return false })
	return index, element, err
}

func (w *walk) last(c *scope, list []any) (index, element Value, err error) {
	for i := len(list) - 1; i >= 0; i-- {
		if ok, err := w.holds(c, i, list[i]); ok || err != nil {
			return intValue(int64(i)), unbox(list[i]), err
		}
	}
	return null, null, nil
}

func groupBy(c *scope, w *walk, list []any) (Value, error) {
	groups := map[string]any{}
	for i, element := range list {
		v, err := w.at(c, i, element)
		if err != nil {
			return null, err
		}
		if v.kind >= Object {
			return null, fail(WrongType, "groupBy takes text, numbers or booleans to group by, not %s", v.typeName())
		}
		name := v.asKey()
		group, _ := groups[name].([]any)
		groups[name] = append(group, element)
	}
	return boxed(groups), nil
}

func sortBy(c *scope, w *walk, list []any) (Value, error) {
	descending, err := w.descending(c)
	if err != nil {
		return null, err
	}
	s := sorting{budget: &c.budget, by: make([]Value, len(list)), list: slices.Clone(list)}
	for i, element := range list {
		if s.by[i], s.err = w.at(c, i, element); s.err != nil {
			return null, s.err
		}
	}
	for i := range s.by { // an order of all needs one type in all, also where there is one only
		if _, err := compare("sortBy", s.by[0], s.by[i]); err != nil {
			return null, err
		}
	}
	if descending {
		sort.Stable(sort.Reverse(&s))
	} else {
		sort.Stable(&s)
	}
	return boxed(s.list), s.err
}

func (w *walk) descending(c *scope) (bool, error) {
	if !w.third {
		return false, nil
	}
	v := c.loops[len(c.loops)-1].acc
	if order := v.string(); v.isString() && (order == "asc" || order == "desc") {
		return order == "desc", nil
	}
	return false, fail(WrongType, `sortBy takes "asc" or "desc", not %s`, v.show())
}

// sorting sorts a list by values that were computed from it.
type sorting struct {
	budget *budget
	by     []Value
	list   []any
	err    error
}

func (s *sorting) Len() int { return len(s.list) }
func (s *sorting) Swap(i, j int) {
	s.by[i], s.by[j] = s.by[j], s.by[i]
	s.list[i], s.list[j] = s.list[j], s.list[i]
}

func (s *sorting) Less(i, j int) bool {
	order, err := compare("sortBy", s.by[i], s.by[j])
	if err != nil && s.err == nil {
		s.err = err
	}
	return order < 0
}

func reduce(c *scope, w *walk, list []any) (Value, error) {
	var acc Value
	var err error
	start := 0
	switch {
	case w.third:
		acc = c.loops[len(c.loops)-1].acc
	case len(list) == 0:
		return null, fail(WrongType, "reduce of an empty list needs a value to begin with")
	default:
		acc, start = unbox(list[0]), 1
	}
	for i := start; i < len(list); i++ {
		c.loops[len(c.loops)-1].acc = acc
		if acc, err = w.at(c, i, list[i]); err != nil {
			return null, err
		}
		// What grows from step to step costs its size at each.
		if grown, ok := acc.list(); ok {
			if err = c.budget.spend(len(grown), 0); err != nil {
				return null, err
			}
		}
	}
	return acc, nil
}
