package rules

// objectFrom gives the fields of an object and takes them from the budget.
func objectFrom(c *scope, name string, v Value) (map[string]any, error) {
	if err := c.budget.spend(reading(len(v.text)), 0); err != nil {
		return nil, err
	}
	if v.kind == Object || v.kind == Boxed {
		if object, ok := v.box().(map[string]any); ok {
			return object, c.budget.spend(len(object), 0)
		}
	}
	return nil, fail(WrongType, "%s takes an object, not %s", name, v.typeName())
}

// keys, values and toPairs go by the names of the fields, so that the same object always gives the same.
func keys(c *scope, args []Value) (Value, error) {
	list, err := fieldsOf(c, "keys", args[0], func(name string, _ any) any { return name })
	return boxed(list), err
}

func values(c *scope, args []Value) (Value, error) {
	list, err := fieldsOf(c, "values", args[0], func(_ string, value any) any { return value })
	return boxed(list), err
}

func toPairs(c *scope, args []Value) (Value, error) {
	list, err := fieldsOf(c, "toPairs", args[0], func(name string, value any) any { return []any{name, value} })
	return boxed(list), err
}

func fieldsOf(c *scope, function string, v Value, make func(name string, value any) any) ([]any, error) {
	object, err := objectFrom(c, function, v)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, name := range sortedKeys(object) {
		list = append(list, make(name, object[name]))
	}
	return list, nil
}

func fromPairs(c *scope, args []Value) (Value, error) {
	object := map[string]any{}
	err := eachOf(c, "fromPairs", args[0], func(i int, v Value) error {
		pair, ok := v.list()
		if !ok || len(pair) != 2 {
			return fail(WrongType, "fromPairs takes a list of pairs [name, value], its element %d is %s", i, v.show())
		}
		name := unbox(pair[0])
		if !name.isString() {
			return fail(WrongType, "fromPairs: the name in element %d is %s, not text; use string()", i, name.typeName())
		}
		object[name.string()] = pair[1]
		return nil
	})
	if err != nil {
		return null, err
	}
	return boxed(object), nil
}
