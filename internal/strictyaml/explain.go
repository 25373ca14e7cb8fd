package strictyaml

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An explainer says what is wrong with a file that is no YAML. yaml.v3 says that something was not expected, and
// names the line where the construct around it began, or none.
type explainer struct {
	file  string
	lines []string
	errs  *Errors

	firstOnly bool
}

// An explanation of one line. Where mended is set, the line reads so without its fault, and what follows it can
// be looked at too.
type explanation struct {
	column  int
	message string
	mended  string
}

const (
	maxExplained = 20
	maxMended    = 256 << 10 // of a larger file only the first fault is told: each costs some twenty parses
)

// explain reports the fault, and those after it as long as each can be mended for itself.
func (e *explainer) explain(err error) {
	from := 0
	for range maxExplained {
		reported, problem := takeError(err)
		at := e.locate(problem, reported, from)
		if at < from {
			return
		}
		x := e.line(at, problem)
		e.errs.Add(Pos{e.file, at + 1, x.column}, "%s", x.message)
		if x.mended == "" || e.firstOnly {
			return
		}
		e.lines[at] = x.mended
		from = at + 1
		if _, _, err = parse([]byte(strings.Join(e.lines, "\n"))); err == nil {
			return
		}
	}
}

var partsOfError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func takeError(err error) (line int, problem string) {
	m := partsOfError.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1]) // 0 where it has none
	return line, err.Error()[len(m[0]):]
}

// locate finds the line of a problem, counted from 0: the end of the shortest beginning of the file that has it.
// The parser reads from front to back, so the longer ones have it too; those that merely end in the middle of
// a good construct could look the same, but yaml.v3 reports no line before the one where the bad one begins,
// if it is not the file's first. It is -1 when a line before from has the problem.
func (e *explainer) locate(problem string, reported, from int) int {
	has := func(count int) bool {
		_, _, err := parse([]byte(strings.Join(e.lines[:count], "\n") + "\n"))
		if err == nil {
			return false
		}
		_, p := takeError(err)
		return p == problem
	}
	if from > 0 && has(from) {
		return -1
	}
	first, last := from, len(e.lines)
	// Its parser counts that line from 0, its scanner from 1.
	switch before := min(reported-1, last); {
	case reported > first && reported <= last && !has(reported):
		first = reported
	case before > first && has(before):
		last = before
	case before > first:
		first = before
	}
	n := last - first
	return first + min(sort.Search(n, func(i int) bool { return has(first + i + 1) }), n-1)
}

// A written is a line of a file taken apart: `  - key: value`.
type written struct {
	indent     string // with the dashes of a list
	head       string // all before the value
	key, value string
	column     int // of the value
}

var lineParts = regexp.MustCompile(`^([ \t]*(?:- +)*)(?:("[^"]*"|'[^']*'|[^\s"'\[\]{},#&*!|>%@` + "`" + `][^"'\[\]{}#]*?)[ \t]*:(?:[ \t]+|$))?(.*)$`)

func takeApart(line string) written {
	m := lineParts.FindStringSubmatchIndex(line)
	w := written{indent: line[:m[3]], head: line[:m[6]], value: strings.TrimRight(line[m[6]:], " \t")}
	w.column = 1 + utf8.RuneCountInString(w.head)
	if m[4] >= 0 {
		w.key = strings.Trim(line[m[4]:m[5]], `"'`)
	}
	return w
}

func (e *explainer) line(at int, problem string) explanation {
	line := e.lines[at]
	if tab := strings.IndexByte(line, '\t'); tab >= 0 && strings.TrimSpace(line[:tab]) == "" &&
		(strings.Contains(problem, "cannot start any token") || strings.Contains(problem, "tab character")) {
		return explanation{column: tab + 1, message: "a tab indents this line: YAML takes spaces only"}
	}
	if anchor, ok := strings.CutPrefix(problem, "unknown anchor '"); ok {
		alias := "*" + strings.TrimSuffix(anchor, "' referenced")
		if i := strings.LastIndex(line, alias); i >= 0 {
			return explanation{column: 1 + utf8.RuneCountInString(line[:i]),
				message: alias + " is read as a YAML alias, and there is no such anchor above: quote the value if it is text"}
		}
	}
	w := takeApart(line)
	message, offset, whole := e.value(w, problem)
	if message != "" {
		x := explanation{column: w.column + utf8.RuneCountInString(w.value[:offset]), message: message}
		if whole {
			x.mended = w.head + "x"
		}
		return x
	}
	first := 1 + len(line) - len(strings.TrimLeft(line, " \t"))
	return explanation{column: first, message: e.structure(at, w, problem)}
}

// value explains a line by its value. offset is where in the value the fault is; whole tells that the value
// ends with the line, so that the line can be mended.
func (e *explainer) value(w written, problem string) (message string, offset int, whole bool) {
	v := w.value
	secret := isSecretKey(w.key) || isSecretKey(v) // {password: x}
	flow := strings.HasSuffix(problem, "',' or '}'") || strings.HasSuffix(problem, "',' or ']'")
	switch {
	case v == "":
		return "", 0, false
	case strings.HasPrefix(v, "{{") && !secret:
		return templateMessage(cutComment(v)), 0, true
	case v[0] == '!':
		tag, rest, _ := strings.Cut(cutComment(v), " ")
		return tagMessage(tag, rest, w.key), 0, true
	case strings.ContainsRune("@`%", rune(v[0])) && strings.Contains(problem, "cannot start any token"):
		return "a value cannot begin with " + v[:1] + " in YAML: quote it", 0, true
	case v[0] == '*' && strings.Contains(problem, "alphabetic"):
		return "a value that begins with * is read as a YAML alias: quote it", 0, true
	case v[0] == '&' && strings.Contains(problem, "alphabetic"):
		return "a value that begins with & is read as a YAML anchor: quote it", 0, true
	case (v[0] == '|' || v[0] == '>') && strings.Contains(problem, "comment or line break"):
		return "a value that begins with " + v[:1] + " is read as the head of a block of lines: quote it", 0, true
	case strings.HasPrefix(v, "- ") && strings.Contains(problem, "block sequence"):
		return "a list begins on a line of its own: move it there, or quote the value if it is text", 0, true
	case strings.Contains(problem, "escape") && strings.Contains(v, `\`):
		return escapeMessage(v)
	case v[0] == '"' || v[0] == '\'':
		if m, at, end := quotedMessage(v, secret); m != "" && !flow {
			return m, at, end
		}
	case strings.Contains(problem, "mapping values"):
		return colonMessage(v, secret)
	}
	if v[0] == '{' || v[0] == '[' || flow {
		return flowMessage(v, problem, secret)
	}
	return "", 0, false
}

// quotedMessage is about a value that begins with a quote and does not end with it.
func quotedMessage(v string, secret bool) (string, int, bool) {
	end := closing(v)
	if end < 0 {
		return "the quote that opens here is never closed", 0, false
	}
	rest := v[end+1:]
	left := cutComment(strings.TrimLeft(rest, " \t"))
	if left == "" || left[0] == '#' {
		return "", 0, false
	}
	at := len(v) - len(strings.TrimLeft(rest, " \t"))
	if unicode.IsLetter([]rune(left)[0]) {
		return "the value ends at this quote, and more text follows: put two of them for one, or use the other kind around the value", len(v[:end]), true
	}
	if secret {
		return "the value ends at its closing quote, and something is left over: quote the whole value", at, true
	}
	return "the value ends at its closing quote, and `" + shorten(left) + "` is left over: put the constant last, or quote the whole, " +
		quoted(v[:end+1]+strings.TrimRight(rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]+left, " \t")), at, true
}

// closing is where the quote that v begins with is closed, -1 if it is not.
func closing(v string) int {
	for i := 1; i < len(v); i++ {
		switch {
		case v[i] == '\\' && v[0] == '"':
			i++
		case v[i] != v[0]:
		case v[0] == '\'' && i+1 < len(v) && v[i+1] == '\'':
			i++
		default:
			return i
		}
	}
	return -1
}

func escapeMessage(v string) (string, int, bool) {
	for i := 0; i+1 < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if !strings.ContainsRune("0abt\tnvfre \"/\\N_LPxuU", rune(v[i+1])) {
			return "there is no escape \\" + string([]rune(v[i+1:])[:1]) + " in double quotes: use single quotes, or double the backslash", i, true
		}
		i++
	}
	return "an escape in double quotes is not complete: use single quotes, or double the backslash", strings.IndexByte(v, '\\'), false
}

// colonMessage is about `: ` inside of a value.
func colonMessage(v string, secret bool) (string, int, bool) {
	at := strings.Index(v, ": ")
	if at < 0 && strings.HasSuffix(v, ":") {
		at = len(v) - 1
	}
	if at < 0 {
		return "", 0, false
	}
	question := strings.Index(v[:at], "?")
	if question < 0 || secret {
		return "a colon and a space end a key, not a value: quote the whole value", at, true
	}
	condition, then, other := strings.TrimSpace(v[:question]), strings.TrimSpace(v[question+1:at]), strings.TrimSpace(cutComment(v[at+1:]))
	return "YAML reads the colon of a ? b : c as the end of a key: quote the whole value, or write if " +
		shorten(condition) + " {" + shorten(then) + "} else {" + shorten(other) + "}", at, true
}

// cutComment takes the comment off a value that was not read as YAML.
func cutComment(v string) string {
	if at := strings.Index(v, " #"); at >= 0 && scan(v[:at]).quote == 0 {
		v = v[:at]
	}
	return strings.TrimRight(v, " \t")
}

// structure explains a line by its neighbours.
func (e *explainer) structure(at int, w written, problem string) string {
	above := at - 1
	for above >= 0 && (strings.TrimSpace(e.lines[above]) == "" || strings.TrimSpace(e.lines[above])[0] == '#') {
		above--
	}
	switch {
	case strings.Contains(problem, "mapping values") && above >= 0:
		before := takeApart(e.lines[above])
		if before.key == "" {
			return "the line above has no colon and a space behind its key: write `key: value`"
		}
		if len(w.indent) > len(before.indent) && before.value != "" {
			return "this line is indented deeper than the one above, which has a value already: align them"
		}
	case strings.Contains(problem, "could not find expected ':'"):
		return "this line has no colon and a space: write `key: value`"
	case strings.HasPrefix(strings.TrimSpace(e.lines[at]), ":"):
		return emptyKey
	case strings.Contains(problem, "did not find expected key"), strings.Contains(problem, "'-' indicator"):
		return "this line fits none of those above: check its indentation, and quotes and brackets before it"
	}
	return "this is not YAML: " + problem
}
