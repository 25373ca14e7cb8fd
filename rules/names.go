package rules

import (
	"slices"
	"strings"

	"edge/internal/strictyaml"
)

func (k *compiler) param(path []string, at int) (evaluator, *sourceError) {
	if len(path) == 0 {
		return k.allParams(), nil
	}
	i := slices.Index(k.params, path[0])
	if i < 0 {
		hint := strictyaml.Suggest(path[0], k.params)
		switch {
		case hint != "":
			return nil, sourceErrorf(at, "unknown param %s, did you mean params.%s?", path[0], hint)
		case strings.Join(k.params, "") == "": // + and # have no names
			return nil, sourceErrorf(at, "unknown param %s: the rule's topic has no {%s}", path[0], path[0])
		}
		return nil, sourceErrorf(at, "unknown param %s; the topic has %s", path[0], strings.Join(k.params, ", "))
	}
	if k.places != nil {
		i = k.places[i]
	}
	return members(func(c *scope) (Value, error) {
		if i >= len(c.params) { // of a key that was never seen
			return null, nil
		}
		return stringValue(c.params[i]), nil
	}, path[1:]), nil
}

// allParams gives the levels of the topic that have names as an object.
func (k *compiler) allParams() evaluator {
	names := k.params
	return func(c *scope) (Value, error) {
		object := make(map[string]any, len(names))
		for i, name := range names {
			if name != "" && i < len(c.params) { // + and # have none, a key that was never seen has no levels
				object[name] = c.params[i]
			}
		}
		return boxed(object), nil
	}
}

// standardNames are the top-level names of expressions.
var standardNames = []string{"payload", "out", "params", "topic", "key", "meta", "item", "state", "last", "absent", "window"}

// words are what the language itself takes for something else than a name.
var words = []string{"nil", "true", "false", "not", "and", "or", "in", "let", "if", "else", "matches", "contains", "startsWith", "endsWith"}

func isReserved(name string) bool {
	return slices.Contains(standardNames, name) || slices.Contains(words, name) || name == "lag" || functionNamed(name) != nil ||
		geoFunctionNamed(name) || isPredicate(name) || isAggregate(name)
}

func (k *compiler) unknown(name string, at int) *sourceError {
	candidates := append(append(slices.Clone(standardNames), k.lets...), k.locals...)
	candidates = append(candidates, keysOf(k.set.tables)...)
	if functionNamed(name) != nil || name == "lag" {
		return sourceErrorf(at, "%s is a function: write %s(…)", name, name)
	}
	hint := strictyaml.Suggest(name, candidates)
	switch lower := strings.ToLower(name); lower {
	case "null", "nil", "none", "undefined":
		hint = "nil"
	case "true", "false":
		hint = lower
	}
	if hint != "" {
		return sourceErrorf(at, "unknown name %s, did you mean %s?", name, hint)
	}
	return sourceErrorf(at, "unknown name %s; text needs quotes: \"%s\", a field of the message is payload.%s", name, name, name)
}
