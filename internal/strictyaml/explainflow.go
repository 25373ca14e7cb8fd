package strictyaml

import "strings"

// flowMessage goes through a value with {} or [] as YAML does, and stops at what an expression has and YAML
// has not: a bracket, a brace, a question mark in the middle of a value, text behind a quote or a bracket.
func flowMessage(v, problem string, secret bool) (message string, offset int, whole bool) {
	const (
		start = iota // of a value
		plain
		ended // behind a quote or bracket
	)
	state, stack := start, []byte(nil) // the brackets that close what is open
	if v[0] != '{' && v[0] != '[' {    // a line inside of what an earlier line opened
		stack = append(stack, problem[len(problem)-2])
	}
	partial, comment := len(stack) > 0, false
	inside := func() string {
		if len(stack) > 0 && stack[len(stack)-1] == ']' {
			return "[]"
		}
		return "{}"
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == ' ' || c == '\t':
		case c == '#' && (i == 0 || v[i-1] == ' ' || v[i-1] == '\t' || state == start):
			if i > 0 && v[i-1] != ' ' && v[i-1] != '\t' {
				return "the # begins a comment: quote the value that holds it", i, false
			}
			i, comment = len(v), true
		case len(stack) == 0 && state == ended:
			if partial { // what an earlier line opened further out is not known
				return "", 0, false
			}
			left := cutComment(v[i:])
			if c == ']' || c == '}' {
				return "this bracket closes nothing: remove it, or quote the whole value if it is text", i, true
			}
			if secret {
				return "the value ends at its closing bracket, and something is left over: quote the whole value", i, true
			}
			return "the value ends at its closing bracket, and `" + shorten(left) + "` is left over: quote the whole value, " + quoted(cutComment(v)), i, true
		case c == ',':
			state = start
		case c == ':' && (state == ended || i+1 == len(v) || strings.IndexByte(" ,[]{}", v[i+1]) >= 0):
			state = start
		case state == start && (c == '"' || c == '\''):
			end := closing(v[i:])
			if end < 0 {
				return "the quote that opens here is not closed on this line", i, false
			}
			i += end
			state = ended
		case state == start && strings.HasPrefix(v[i:], "{{") && !secret:
			return templateMessage(templates(v[i:])), i, !partial && balanced(v)
		case state == start && (c == '{' || c == '['):
			stack = append(stack, c+2) // } and ] in ASCII
		case state != start && (c == '{' || c == '[') || c == '?':
			return "inside " + inside() + " the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line", i, !partial && balanced(v)
		case c == '}' || c == ']':
			if len(stack) == 0 || stack[len(stack)-1] != c {
				if partial && len(stack) == 0 {
					return "", 0, false
				}
				return "there is no bracket open that this one closes: quote the value if it is text", i, false
			}
			stack, state = stack[:len(stack)-1], ended
		case state == ended:
			return "inside " + inside() + " a value ends at its closing quote or bracket: quote the whole value", i, !partial && balanced(v)
		case state == start && strings.IndexByte("!&*|>@`%", c) >= 0:
			return "inside " + inside() + " a value cannot begin with " + string(c) + ": quote it", i, !partial && balanced(v)
		default:
			state = plain
		}
	}
	if !partial && len(stack) > 0 && comment {
		return "the " + v[:1] + " that opens here is not closed before the # that begins a comment: close it, or quote the value that holds the #", 0, false
	}
	if !partial && len(stack) > 0 {
		return "the " + v[:1] + " that opens here is never closed, or what follows it is no list of values: close it, or quote the value", 0, false
	}
	return "", 0, false
}

// templates is the value that begins with a {{ }}: with what follows it, and with all others in it.
func templates(v string) string {
	end := 0
	for {
		size := strings.Index(v[end:], "}}")
		if size < 0 {
			return v
		}
		end += size + 2
		more := strings.IndexAny(v[end:], ",}] {")
		if more < 0 {
			return v
		}
		end += more
		if !strings.HasPrefix(v[end:], "{{") {
			return v[:end]
		}
	}
}

// balanced tells whether the brackets of a value end with its line.
func balanced(v string) bool {
	u := scan(v)
	return u.opens == 0 && u.closes == 0
}
