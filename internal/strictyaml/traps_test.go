package strictyaml_test

import (
	"strings"
	"testing"

	"edge/internal/strictyaml"
)

func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// What people write and YAML reads as something else, or not at all. A tilde stands for a backquote.
var traps = []struct{ name, yaml, want string }{
	// silently something else
	{"not as a tag", "r:\n  when: !payload.ok\n",
		"f:2:9: ~!payload.ok~ is read as a YAML tag; quote it or write not payload.ok"},
	{"not, and more", "r:\n  when: !payload.ok and x\n",
		"f:2:9: ~!payload.ok~ is read as a YAML tag; quote it or write not payload.ok and x"},
	{"not and a space", "r:\n  when: ! payload.ok\n",
		"f:2:9: ~!~ is read as a YAML tag; quote it or write not payload.ok"},
	{"two nots", "r: !!payload.ok\n", "f:1:4: ~!!payload.ok~ is read as a YAML tag; quote the value"},
	{"binary", "r: !!binary aGk=\n", "f:1:4: ~!!binary~ is read as a YAML tag; quote the value"},
	{"tag on a key", "!r x: 1\n", "f:1:1: ~!r~ is read as a YAML tag; quote it or write not r x"},
	{"comment inside a text", "r:\n  when: payload.t == \"a #b\"\n  x: 1\n",
		"f:2:25: the # begins a comment, so the value ends at ~payload.t == \"a~: quote the whole value, or write it on the next line after |"},
	{"comment for the element", "w: any(payload.items, # > 3)\n",
		"f:1:23: the # begins a comment, so the value ends at ~any(payload.items,~: quote the whole value, or write it on the next line after |"},
	{"an apostrophe and a comment", "d: the robot's way # don't\n", ""},
	{"a text and a comment", "w: payload.t == \"a\" # \"b\"\n", ""},
	{"comma in braces", "m: {x: round(p.x, 3), y: round( p.y,3 ), z: p.z}\n",
		"f:1:8: inside {} a comma ends a value: quote it, x: \"round(p.x, 3)\"\n" +
			"f:1:26: inside {} a comma ends a value: quote it, y: \"round( p.y,3 )\""},
	{"comma in a text in braces", "m: {x: a == \"b, c\"}\n", "f:1:8: inside {} a comma ends a value: quote it, x: 'a == \"b, c\"'"},
	{"comma in braces, three", "m: {x: min(a, b, c)}\n", "f:1:8: inside {} a comma ends a value: quote it, x: \"min(a, b, c)\""},
	{"comma in braces, a key", "m: {x: f(a, b: c)}\n", "f:1:8: inside {} a comma ends a value: quote the whole value"},
	{"comma in braces, left over", "m: {x: a, b)}\n", "f:1:11: inside {} a comma ends a value, and ~b)~ is left over: quote the whole value"},
	{"comma in brackets", "of: [out.x, round(out.y, 2), z]\n", "f:1:13: inside [] a comma ends a value: quote it, \"round(out.y, 2)\""},
	{"over two lines", "m: {x: round(p.x,\n  3)}\n", "f:1:8: inside {} a comma ends a value: quote it, x: \"round(p.x, 3)\""},
	{"template alone", "r:\n  topic: {{ key }}\n",
		"f:2:10: a value that begins with {{ is read as a YAML mapping: quote it, \"{{ key }}\""},
	{"template in braces", "h: {X: {{ payload.a }}}\n",
		"f:1:8: a value that begins with {{ is read as a YAML mapping: quote it, \"{{ payload.a }}\""},
	{"templates in braces", "h: {X: {{ a }}-{{ b }}, Y: {{ c }}}\n",
		"f:1:8: a value that begins with {{ is read as a YAML mapping: quote it, \"{{ a }}-{{ b }}\""},
	{"leading zero", "a: 012\nb: 08\nc: 0\nd: 0.5\ne: \"012\"\n",
		"f:1:4: YAML may read a number with a leading zero as octal: drop the zero, or quote the value if it is text\n" +
			"f:2:4: YAML may read a number with a leading zero as octal: drop the zero, or quote the value if it is text"},
	{"underscore", "a: 1_000\nb: a_1\n", "f:1:4: YAML leaves out the _ in a number: drop it, or quote the value if it is text"},

	// refused by yaml.v3, which names another line, or none, and no column
	{"question and colon", "r:\n  x: payload.a ? \"on\" : \"off\"\n",
		"f:2:23: YAML reads the colon of a ? b : c as the end of a key: quote the whole value, or write if payload.a {\"on\"} else {\"off\"}"},
	{"colon in a text", "r:\n  d: Note: this\n", "f:2:10: a colon and a space end a key, not a value: quote the whole value"},
	{"question marks in braces", "r:\n  a: 1\n  m: {v: payload.a ?? 1}\n",
		"f:3:20: inside {} the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line"},
	{"question marks in brackets", "m: [payload?.a]\n",
		"f:1:12: inside [] the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line"},
	{"index in braces", "r:\n  m: {w: devices[id]}\n",
		"f:2:17: inside {} the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line"},
	{"variable in braces", "r: {url: ${URL}}\n",
		"f:1:11: inside {} the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line"},
	{"braces over lines", "x: {\n  v: a,\n  w: 3\n}\ny: {\n  v: payload.a ?? 1,\n  w: 3\n}\n",
		"f:6:16: inside {} the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line"},
	{"not in braces", "r: {when: !x, to: y}\n", "f:1:11: inside {} a value cannot begin with !: quote it"},
	{"text first in braces", "r: {when: \"R\" == x}\n", "f:1:15: inside {} a value ends at its closing quote or bracket: quote the whole value"},
	{"template and more", "r:\n  topic: {{ key }}/x # why\n",
		"f:2:10: a value that begins with {{ is read as a YAML mapping: quote it, \"{{ key }}/x\""},
	{"template with a text", "r:\n  topic: {{ key ?? \"n\" }}/x\n",
		"f:2:10: a value that begins with {{ is read as a YAML mapping: quote it, '{{ key ?? \"n\" }}/x'"},
	{"template in brackets", "t: [a, {{ key }}/x, b]\n",
		"f:1:8: a value that begins with {{ is read as a YAML mapping: quote it, \"{{ key }}/x\""},
	{"constant first", "r:\n  a: 1\n  when: \"ROBOT\" == payload.t\n",
		"f:3:17: the value ends at its closing quote, and ~== payload.t~ is left over: put the constant last, or quote the whole, '\"ROBOT\" == payload.t'"},
	{"constant first in a list", "r:\n  - 'R' == payload.t # why\n",
		"f:2:9: the value ends at its closing quote, and ~== payload.t~ is left over: put the constant last, or quote the whole, \"'R' == payload.t\""},
	{"apostrophe in quotes", "d: 'it's'\n",
		"f:1:7: the value ends at this quote, and more text follows: put two of them for one, or use the other kind around the value"},
	{"list first", "r:\n  when: [1,2][0] == 1\n",
		"f:2:14: the value ends at its closing bracket, and ~[0] == 1~ is left over: quote the whole value, \"[1,2][0] == 1\""},
	{"not of an index", "r:\n  when: !p[\"x\"]\n", "f:2:9: ~!p[\"x\"]~ is read as a YAML tag; quote it or write not p[\"x\"]"},
	{"two exclamation marks", "r: !a!b # c\n", "f:1:4: ~!a!b~ is read as a YAML tag; quote it or write not a!b"},
	{"tab", "r:\n\tx: 1\n", "f:2:1: a tab indents this line: YAML takes spaces only"},
	{"tab among spaces", "r:\n  x: 1\n \ty: 1\n", "f:3:2: a tab indents this line: YAML takes spaces only"},
	{"wildcard subject", "s:\n  subject: *.x\n",
		"f:2:12: a value that begins with * is read as a YAML alias: quote it"},
	{"no anchor", "a: 1\nb: *no\n",
		"f:2:4: *no is read as a YAML alias, and there is no such anchor above: quote the value if it is text"},
	{"no anchor in a list", "a: 1\nb: [x, *no]\n",
		"f:2:8: *no is read as a YAML alias, and there is no such anchor above: quote the value if it is text"},
	{"at", "a: @x\n", "f:1:4: a value cannot begin with @ in YAML: quote it"},
	{"greater", "a: > 3\n", "f:1:4: a value that begins with > is read as the head of a block of lines: quote it"},
	{"list behind a key", "a: - 3\n", "f:1:4: a list begins on a line of its own: move it there, or quote the value if it is text"},
	{"backslash", "a: \"x\\d\"\n", "f:1:6: there is no escape \\d in double quotes: use single quotes, or double the backslash"},
	{"open quote", "a: 'x\n  y'\nb: \"z\nc: 1\n", "f:3:4: the quote that opens here is never closed"},
	{"comment inside of {}", "map: {a: payload.a #x}\n",
		"f:1:6: the { that opens here is not closed before the # that begins a comment: close it, or quote the value that holds the #"},
	{"open quote in line 1", "a: \"z\nb: 1\nc: 2\n", "f:1:4: the quote that opens here is never closed"},
	{"open bracket", "r:\n  t: [a, b\n  c: 1\n",
		"f:2:6: the [ that opens here is never closed, or what follows it is no list of values: close it, or quote the value"},
	{"bracket too many", "t: [a]]\n", "f:1:7: this bracket closes nothing: remove it, or quote the whole value if it is text"},
	{"hash in brackets", "t: [#]\n", "f:1:5: the # begins a comment: quote the value that holds it"},
	{"deeper", "r:\n  a: 1\n   b: 2\n", "f:3:4: this line is indented deeper than the one above, which has a value already: align them"},
	{"shallower", "r:\n  a: 1\n b: 2\n", "f:3:2: this line fits none of those above: check its indentation, and quotes and brackets before it"},
	{"no space", "r:\n  url:http://x\n  c: 1\n", "f:3:3: the line above has no colon and a space behind its key: write ~key: value~"},
	{"no colon", "r:\n  a: 1\n  b\n", "f:3:3: this line has no colon and a space: write ~key: value~"},
	{"several", "a: x ? 1 : 2\nb: !f[\"a\"]\nc: {v: a[1]}\nd: \"X\" == y\nok: 1\ne: [1][0]\n",
		"f:1:10: YAML reads the colon of a ? b : c as the end of a key: quote the whole value, or write if x {1} else {2}\n" +
			"f:2:4: ~!f[\"a\"]~ is read as a YAML tag; quote it or write not f[\"a\"]\n" +
			"f:3:9: inside {} the characters , ? [ ] { } end a value: quote it, or write one key or entry on a line\n" +
			"f:4:8: the value ends at its closing quote, and ~== y~ is left over: put the constant last, or quote the whole, '\"X\" == y'\n" +
			"f:6:7: the value ends at its closing bracket, and ~[0]~ is left over: quote the whole value, \"[1][0]\""},
	{"characters, not bytes", "é: \"ü\" == payload.é\n",
		"f:1:8: the value ends at its closing quote, and ~== payload.é~ is left over: put the constant last, or quote the whole, '\"ü\" == payload.é'"},
	{"other line ends", "a: 1\r\nb: x ? 1 : 2\r\n",
		"f:2:10: YAML reads the colon of a ? b : c as the end of a key: quote the whole value, or write if x {1} else {2}"},

	// a secret is not repeated
	{"secret tag", "password: !hunter2\n", "f:1:11: a value that begins with ! is read as a YAML tag: quote it"},
	{"secret quote", "password: \"hunter2\" 3\n",
		"f:1:21: the value ends at its closing quote, and something is left over: quote the whole value"},
	{"secret in braces", "m: {password: hunter2} x\n",
		"f:1:24: the value ends at its closing bracket, and something is left over: quote the whole value"},
	{"secret with a comma", "m: {password: (hunter2, 3)}\n", "f:1:15: inside {} a comma ends a value: quote the whole value"},
	{"secret with a hash", "token: \"(hunter2\" \nsecret: (hunter2 #)\n",
		"f:2:18: the # begins a comment, so the value ends at ~…~: quote the whole value, or write it on the next line after |"},

	// the file as a whole
	{"empty", "", "f:1:1: the file is empty or has only comments"},
	{"comments", "# nothing\n", "f:1:1: the file is empty or has only comments"},
	{"dashes", "---\n", "f:1:1: the file is empty or has only comments"},
	{"two documents", "a: 1\n---\nb: 2\n", "f:2:1: a second document begins here: keep one document in a file and remove the ---"},
	{"a list", "- a\n", "f:1:1: the file wants keys and values, ~name: value~, not a list"},
	{"a text", "rules\n", "f:1:1: the file wants keys and values, ~name: value~, not \"rules\""},
	{"Latin 1", "a: 1\nb: x\xfcx\n", "f:2:5: this is not UTF-8: save the file as UTF-8"},
	{"a control character", "a: 1\nb: x\x00x\n", "f:2:5: the character U+0000 cannot stand in YAML: remove it, or write it as an escape in double quotes"},
	{"a byte order mark", "\ufeffa: 1\n", ""},
	{"too large", "a: " + strings.Repeat("x", 4<<20), "f:1:1: the file has 4194307 bytes, the limit is 4 MiB: split it"},

	// keys
	{"a key twice", "s:\n  a: 1\n  b: 2\n  a: 3\n", "f:4:3: key \"a\" stands here for the second time, the first is at f:2:3: remove one"},
	{"a key twice, quoted", "1: x\n\"1\": y\n", "f:2:1: key \"1\" stands here for the second time, the first is at f:1:1: remove one"},
	{"a list for a key", "? [a]\n: b\n", "f:1:3: a key is a plain name, not a list or mapping: quote it if it is text"},
	{"an empty key", "?\n: b\n", "f:1:2: a key is empty: write a name before the colon"},
	{"a colon first", ": b\n", "f:1:1: a key is empty: write a name before the colon"},

	// variables
	{"not set", "a: ${NO}\n", "f:1:4: the environment variable NO is not set: set it, or write ${NO:-default}"},
	{"not closed", "a: ${NO\n", "f:1:4: ${ is not closed: write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"},
	{"not a name", "a: ${a-b}\n", "f:1:4: ${a-b} is no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"},
	{"nested", "a: ${NO:-${B}}\n", "f:1:4: the default of ${NO} holds another ${: write a plain text there"},

	// aliases
	{"a circle", "a: &a [1, *a]\n", "f:1:11: the alias *a stands inside of what it names"},
	{"a bomb", "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + bomb(10), "f:5:36: the aliases of this file stand for more than 100000 values: write fewer"},
	{"merge of no mapping", "a: {<<: 3}\n", "f:1:9: << wants a mapping or a list of mappings, not \"3\""},
	{"too deep", "a: " + strings.Repeat("[", 101) + strings.Repeat("]", 101), "f:1:103: this nests deeper than 100 levels"},
	{"too deep with an alias", "a: &a " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\nb: " +
		strings.Repeat("[", 60) + "*a" + strings.Repeat("]", 60), "f:2:64: with the alias *a this nests deeper than 100 levels"},
}

// bomb makes each of its lines ten times as much as the one before.
func bomb(lines int) string {
	var b strings.Builder
	for i := range lines {
		last, next := string(rune('a'+i)), string(rune('b'+i))
		b.WriteString(next + ": &" + next + " [" + strings.Repeat("*"+last+", ", 9) + "*" + last + "]\n")
	}
	return b.String()
}

func TestParseExplains(t *testing.T) {
	for _, c := range traps {
		t.Run(c.name, func(t *testing.T) {
			var errs strictyaml.Errors
			l := &strictyaml.Loader{Env: environment()}
			root := l.Parse("f", []byte(c.yaml), &errs)
			if got, want := errs.Error(), strings.ReplaceAll(c.want, "~", "`"); got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.yaml, got, want)
			}
			if root == nil && len(errs) == 0 {
				t.Error("neither nodes nor an error")
			}
		})
	}
}

func TestParseAny(t *testing.T) {
	var errs strictyaml.Errors
	root := new(strictyaml.Loader).ParseAny("f", []byte("- {id: a}\n- {id: b}\n"), &errs)
	var rows []struct {
		ID string `yaml:"id"`
	}
	new(strictyaml.Loader).Decode("f", root, &rows, &errs)
	if len(errs) > 0 || len(rows) != 2 || rows[1].ID != "b" {
		t.Error(rows, errs)
	}
}

func TestLargeFileNamesTheFirstFault(t *testing.T) {
	src := strings.Repeat("# filler\n", 40_000) + "a: x ? 1 : 2\nb: x ? 1 : 2\n"
	var errs strictyaml.Errors
	new(strictyaml.Loader).Parse("f", []byte(src), &errs)
	if len(errs) != 1 || errs[0].Pos.Line != 40_001 || errs[0].Pos.Column != 10 {
		t.Error(errs)
	}
}
