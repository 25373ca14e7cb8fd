package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const (
	goodConfig = "sources: {ward: {mqtt: {url: mqtt://h, topics: [\"ward/#\"]}}}\nsinks: {out: {stdout: {}}}\n"
	badSink    = "rules:\n  warm:\n    source: ward\n    when: payload.t > 30\n    route: [{to: uot}]\n"
)

func TestLint(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		args  []string
		code  int
		out   string // all of it
		note  string // part of stderr
	}{
		"files and folders, in any mix": {
			map[string]string{"edge.yaml": goodConfig, "rules/a.yaml": oneRule, "rules/b.yml": "rules: {}"},
			[]string{"rules", "edge.yaml"}, 0, "3 files, 1 rule: ok\n", "",
		},
		"a file named twice is checked once": {
			map[string]string{"edge.yaml": goodConfig, "rules/a.yaml": oneRule},
			[]string{"rules", "rules/a.yaml", "./rules/"}, 0, "1 file, 1 rule: ok\n", "",
		},
		"all errors of all files": {
			map[string]string{"edge.yaml": goodConfig + "nonsense: 1\n", "rules/a.yaml": badSink, "rules/b.yaml": "ruls: {}"},
			[]string{"rules", "edge.yaml"}, 1,
			"edge.yaml:3:1: unknown key \"nonsense\", known are http, limits, log, sinks, sources, state\n" +
				"rules/a.yaml:5:18: rule \"warm\": no sink \"uot\", did you mean \"out\"?\n" +
				"rules/b.yaml:1:1: unknown key \"ruls\", did you mean rules?\n", "",
		},
		"a name twice in one folder": {
			map[string]string{"edge.yaml": goodConfig, "rules/a.yaml": oneRule, "rules/b.yaml": oneRule},
			[]string{"rules"}, 1, "rules/b.yaml:3:3: ", "",
		},
		"a name in two folders": {
			map[string]string{"edge.yaml": goodConfig, "one/a.yaml": oneRule, "two/a.yaml": oneRule},
			[]string{"one", "two"}, 0, "2 files, 2 rules: ok\n", "",
		},
		"a path that is not there": {
			map[string]string{"edge.yaml": goodConfig, "rules/a.yaml": oneRule},
			[]string{"rules", "nowhere"}, 1, "nowhere:1:1: is not there\n", "",
		},
		"an empty folder": {
			map[string]string{"rules/.hidden.yaml": "x"},
			[]string{"rules"}, 1, "rules:1:1: holds no rule file (*.yaml, *.yml); to run no rules, leave one with `rules: {}`\n", "",
		},
		"without edge.yaml names are not checked": {
			map[string]string{"rules/a.yaml": badSink},
			[]string{"rules"}, 0, "1 file, 1 rule: ok\n", "no edge.yaml found for rules (give one with -c): names of sources and sinks are not checked",
		},
		"an edge.yaml that does not read": {
			map[string]string{"edge.yaml": "sources: [\n", "rules/a.yaml": badSink},
			[]string{"."}, 1, "edge.yaml:1:10: ", "edge.yaml does not read: names of sources and sinks are not checked",
		},
		"edge.yaml above the file": {
			map[string]string{"site/edge.yaml": goodConfig, "site/rules/deep/a.yaml": badSink},
			[]string{"site/rules/deep/a.yaml"}, 1, "site/rules/deep/a.yaml:5:18: ", "",
		},
		"edge.yaml by -c": {
			map[string]string{"edge.yaml": goodConfig, "other.yaml": strings.Replace(goodConfig, "out:", "uot:", 1), "rules/a.yaml": badSink},
			[]string{"-c", "other.yaml", "rules"}, 0, "2 files, 1 rule: ok\n", "",
		},
		"edge.yaml by what it holds": {
			map[string]string{"box.yaml": goodConfig, "rules/a.yaml": badSink},
			[]string{"rules", "box.yaml"}, 1, "rules/a.yaml:5:18: ", "",
		},
		"the folder of everything": {
			map[string]string{"site/edge.yaml": goodConfig, "site/rules/a.yaml": badSink},
			[]string{"site"}, 1, "site/rules/a.yaml:5:18: ", "",
		},
		"a missing secret is an error of edge.yaml": {
			map[string]string{"edge.yaml": strings.Replace(goodConfig, "url:", "password_file: pw, url:", 1)},
			[]string{"edge.yaml"}, 1, "edge.yaml:1:40: ", "",
		},
		"but not of the rules": {
			map[string]string{"edge.yaml": strings.Replace(goodConfig, "url:", "password_file: pw, url:", 1), "rules/a.yaml": oneRule},
			[]string{"rules"}, 0, "1 file, 1 rule: ok\n", "",
		},
		"an edge.yaml with errors serves for its names": {
			map[string]string{"edge.yaml": goodConfig + "nonsense: 1\n", "rules/a.yaml": badSink},
			[]string{"rules"}, 1, "rules/a.yaml:5:18: ", "edge.yaml has errors itself, `edge lint edge.yaml` shows them",
		},
		"github": {
			map[string]string{"edge.yaml": goodConfig, "rules/a,b.yaml": badSink},
			[]string{"--format", "github", "rules"}, 1,
			"::error file=rules/a%2Cb.yaml,line=5,col=18::rule \"warm\": no sink \"uot\", did you mean \"out\"?\n", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range c.files {
				put(t, name, text)
			}
			code, out, note := command(t, "", append([]string{"lint"}, c.args...)...)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if whole := strings.HasSuffix(c.out, "\n"); whole && out != c.out || !whole && !strings.HasPrefix(out, c.out) {
				t.Errorf("got  %s\nwant %s", out, c.out)
			}
			if !strings.Contains(note, c.note) || c.note == "" && note != "" {
				t.Errorf("stderr: %q, want %q", note, c.note)
			}
		})
	}
}

// A message of several lines, as those with a picture of the expression, stays one command.
func TestLintGithubEscapes(t *testing.T) {
	if got := githubMessage("50% of\r\nit: a,b"); got != "50%25 of%0D%0Ait: a,b" {
		t.Errorf("message: %q", got)
	}
	if got := githubProperty("C:\\a,b%"); got != "C%3A\\a%2Cb%25" {
		t.Errorf("property: %q", got)
	}
}

func TestLintJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "edge.yaml", goodConfig)
	put(t, "rules/a.yaml", badSink)
	code, out, _ := command(t, "", "lint", "--format", "json", "rules")
	var got []oneError
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	want := oneError{"rules/a.yaml", 5, 18, `rule "warm": no sink "uot", did you mean "out"?`}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v", got)
	}
	put(t, "rules/a.yaml", oneRule)
	if code, out, _ := command(t, "", "lint", "--format", "json", "rules"); code != 0 || out != "[]\n" {
		t.Errorf("exit %d: %s", code, out)
	}
}

// What lint accepts runs, and what it refuses does not.
func TestLintAgreesWithRun(t *testing.T) {
	for name, c := range map[string]struct{ config, rule string }{
		"good":       {wardConfig, oneRule},
		"bad rule":   {wardConfig, badSink},
		"bad config": {wardConfig + "x: 1\n", oneRule},
		"no secret":  {strings.Replace(wardConfig, "url:", "password_file: pw, url:", 1), oneRule},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("edge.yaml", c.config)
			w.write("rules/warm.yaml", c.rule)
			code, out, _ := command(t, "", "lint", w.path("edge.yaml"), w.path("rules"))
			o := w.options()
			o.stopAt = 1
			err := run(t.Context(), o, make(chan os.Signal), w.log)
			if (err == nil) != (code == 0) || err != nil && err.Error()+"\n" != out {
				t.Errorf("run says %v\nlint says %s", err, out)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args  string
		stdin string
		code  int
		out   string // part of stdout, or of stderr with a code
	}{
		"nothing":             {"", "", 2, "say what to do"},
		"unknown command":     {"rnu", "", 2, `unknown command "rnu"`},
		"unknown flag":        {"run --conf x", "", 2, "unknown flag: --conf"},
		"lint of nothing":     {"lint", "", 2, "name the files or folders"},
		"words after run":     {"run edge.yaml", "", 2, "see edge run --help"},
		"a time without unit": {"run --for 20", "", 2, "wants a duration such as"},
		"a level":             {"run --log-level loud", "", 2, "wants one of debug, info, warn, error"},
		"run without files":   {"run", "", 1, "edge.yaml:1:1: is not there\nrules:1:1: is not there\n"},
		"version":             {"version", "", 0, "edge "},
		"help":                {"lint --help", "", 0, "--format"},
		"eval":                {"eval payload.a+1", `{"a": 2}`, 0, "3\n"},
		"eval of a -name":     {"eval -payload.a", `{"a": 2}`, 0, "-2\n"},
		"eval of -round":      {"eval -round(payload.a)", `{"a": 2}`, 0, "-2\n"},
		"eval of a topic":     {"eval --topic a/b topic", `{}`, 0, "\"a/b\"\n"},
		"eval of a minus":     {"eval -7%3 --topic a", `{}`, 0, "-1"},
		"eval of a bracket":   {"eval -(payload.a+1)", `{"a": 2}`, 0, "-3"},
		"eval of a typo":      {"eval paylod.a", `{}`, 1, "did you mean"},
		"eval of no JSON":     {"eval payload.a", `{`, 1, "JSON"},
		"eval of nothing":     {"eval", "", 2, "wants one expression"},
		"eval with frames":    {"eval -r frames transform({x:1,y:0,z:0},\"F3\",\"building\").x", `{}`, 0, "41"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			put(t, "frames/f.yaml", "frames:\n  building: {}\n  F3: {parent: building, translation: [40, 25]}\n")
			code, out, note := command(t, c.stdin, strings.Fields(c.args)...)
			if c.code != 0 {
				out = note
			}
			if code != c.code || !strings.Contains(out, c.out) {
				t.Errorf("exit %d: %s", code, out)
			}
		})
	}
}

// Before rules are put in place, lint says what those that ran here last would lose by it.
func TestLintSaysWhatIsLost(t *testing.T) {
	w := newWorld(t)
	const counting = "rules:\n  r: {source: ward, topic: a/b, key: KEY, state: {n: {value: '(state.n ?? 0) + 1'}}, route: [{to: out}]}\n"
	w.write("edge.yaml", diskConfig)
	w.write("rules/rules.yaml", strings.Replace(counting, "KEY", "topic", 1))
	w.start()
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	lint := func() string {
		out := &logBuffer{}
		if err := (&linter{stdout: out, paths: paths{stderr: out, config: w.path("edge.yaml")}}).lint([]string{w.path("rules")}); err != nil {
			t.Errorf("lint: %v\n%s", err, out)
		}
		return out.String()
	}
	if out := lint(); strings.Contains(out, "ran here last") {
		t.Error(out)
	}
	w.write("rules/rules.yaml", strings.Replace(counting, "KEY", "payload.id", 1))
	if out := lint(); !strings.Contains(out, `ran here last: rule "r": its key, split or source is another`) {
		t.Error(out)
	}
}
