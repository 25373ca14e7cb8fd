package main

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var updateGolden = flag.Bool("update-golden", false, "write what edge test prints into testdata/test")

// TestTestCommand runs the scenarios in testdata/test. The head of one is comments and a command line; after it come
// the files. `stdout` is what it prints, `exit` its code where that is not 0, and `after/NAME` a file afterwards.
func TestTestCommand(t *testing.T) {
	scenarios, err := filepath.Glob("testdata/test/*.txt")
	if err != nil || len(scenarios) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, name := range scenarios {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			scenario, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			head, files := sections(string(data))
			t.Chdir(t.TempDir())
			for _, f := range files {
				if f.name != "stdout" && f.name != "exit" && !strings.HasPrefix(f.name, "after/") {
					put(t, f.name, f.text)
				}
			}
			line := head[strings.LastIndex(head, "\nedge ")+1:]
			code, out, _ := command(t, "", words(line)[1:]...)
			want := 0
			for i, f := range files {
				switch {
				case f.name == "exit":
					want = int(f.text[0] - '0')
				case f.name == "stdout" && out != f.text && !*updateGolden:
					t.Errorf("stdout: got\n%s\nwant\n%s", out, f.text)
				case f.name == "stdout":
					files[i].text = out
				case strings.HasPrefix(f.name, "after/"):
					text, err := os.ReadFile(strings.TrimPrefix(f.name, "after/"))
					if err != nil {
						t.Fatal(err)
					}
					if string(text) != f.text && !*updateGolden {
						t.Errorf("%s: got\n%s\nwant\n%s", f.name, text, f.text)
					}
					files[i].text = string(text)
				}
			}
			if code != want {
				t.Errorf("exit %d, want %d\n%s", code, want, out)
			}
			if *updateGolden {
				for _, f := range files {
					head += "-- " + f.name + " --\n" + f.text
				}
				if err := os.WriteFile(scenario, []byte(head), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type section struct{ name, text string }

var marker = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// sections takes a scenario apart.
func sections(text string) (head string, files []section) {
	places := marker.FindAllStringSubmatchIndex(text, -1)
	for i, p := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		files = append(files, section{text[p[2]:p[3]], text[p[1]:end]})
	}
	return text[:places[0][0]], files
}

// words splits a command line at its spaces, but not inside of quotes.
func words(line string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}

const failing = `
rules:
  warm: {source: ward, topic: t, when: payload.t > 30 or payload.hot, route: [{to: out}]}
tests:
  - {name: "it & <that>", input: [{topic: t, payload: {t: 31}}], expect: [{sink: out, payload: {t: 32, u: 1}}]}
  - {name: warm, rule: warm, input: [{topic: t, payload: {t: 31}}], expect: [{sink: out}]}
`

func TestTestJUnit(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "edge.yaml", goodConfig)
	put(t, "rules/a.yaml", failing)
	put(t, "other/b.yaml", "rules: {x: {}}")
	code, out, _ := command(t, "", "test", "rules", "other", "--format", "junit")
	var got junitSuites
	if err := xml.Unmarshal([]byte(out), &got); err != nil || code != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if got.Tests != 4 || got.Failures != 1 || got.Errors != 2 || len(got.Suites) != 3 {
		t.Errorf("got %+v", got)
	}
	one := got.Suites[0].Cases[0]
	if one.Name != "it & <that>" || one.Failure == nil || !strings.Contains(one.Failure.Text, "payload.t: want 32, got 31") {
		t.Errorf("got %+v", one)
	}
	if two := got.Suites[0].Cases[1]; two.Failure != nil || two.Class != "warm" || two.Line != 6 {
		t.Errorf("got %+v", two)
	}
}

func TestTestJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "edge.yaml", goodConfig)
	put(t, "rules/a.yaml", failing)
	code, out, _ := command(t, "", "test", "rules", "--format", "json")
	var got testReport
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if got.OK || got.Passed != 1 || got.Failed != 1 || got.Coverage.Clauses != (shareReport{1, 2}) {
		t.Errorf("got %+v", got)
	}
	missing := got.Coverage.Missing[0]
	if want := (missingReport{"clause", "rules/a.yaml", 3, 58, "warm", "when", "payload.hot"}); missing != want {
		t.Errorf("got %+v, want %+v", missing, want)
	}
	p := got.Files[0].Tests[0].Problems[0]
	if p.Kind != "different" || len(p.Differences) != 2 || string(p.Differences[1].Want) != "1" || p.Differences[1].Got != nil {
		t.Errorf("got %+v", p)
	}
}

// A file that cannot be updated stays as it is, and so does its mode.
func TestTestUpdateKeepsTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "edge.yaml", goodConfig)
	put(t, "rules/a.yaml", failing)
	if err := os.Chmod("rules/a.yaml", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.yaml", "rules/link.yaml"); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := command(t, "", "test", "rules/link.yaml", "--update"); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	info, err := os.Lstat("rules/link.yaml")
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if info, err = os.Stat("rules/a.yaml"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v", info, err)
	}
	put(t, "rules/a.yaml", failing+"  - {name: x}\n")
	before, _ := os.ReadFile("rules/a.yaml")
	if code, _, _ := command(t, "", "test", "rules/a.yaml", "--update"); code != 1 {
		t.Errorf("exit %d", code)
	}
	if after, _ := os.ReadFile("rules/a.yaml"); string(after) != string(before) {
		t.Errorf("it was changed:\n%s", after)
	}
}

func TestTestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		code int
		says string
	}{
		"nothing":            {"test", 2, "name the files or folders"},
		"no regexp":          {"test rules -run (", 2, "missing closing )"},
		"no format":          {"test rules --format xml", 2, "wants one of text, json, junit"},
		"no path":            {"test nowhere", 1, "nowhere:1:1: is not there"},
		"no match":           {"test rules -run zzz", 1, "no test has a name that \"zzz\" matches"},
		"a match":            {"test -run=war rules", 0, "1 test in 1 file: ok"},
		"long":               {"test rules --run war.*", 0, "1 test in 1 file: ok"},
		"fails":              {"test rules", 1, "2 tests in 1 file: 1 passed, 1 failed"},
		"no such source":     {"test rules -c empty.yaml", 1, "no source \"ward\""},
		"a bad edge.yaml":    {"test rules -c bad.yaml", 1, "bad.yaml:1:1: unknown key"},
		"a secret not there": {"test rules -run war -c secret.yaml", 0, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			put(t, "edge.yaml", goodConfig)
			put(t, "empty.yaml", "sources: {}\nsinks: {}\n")
			put(t, "bad.yaml", "sorces: {}\nsinks: {}\n")
			put(t, "secret.yaml", strings.Replace(goodConfig, "url:", "password_file: pw, url:", 1))
			put(t, "rules/a.yaml", failing)
			code, out, note := command(t, "", strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out+note, c.says) {
				t.Errorf("exit %d: %s%s", code, out, note)
			}
		})
	}
}

// TestTestExamples: each example passes, alone and with all others, and leaves nothing that no test reaches.
func TestTestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range append(files, "../../examples") {
		code, out, note := command(t, "", "test", path)
		untested := strings.Contains(out, "no tests") && !strings.Contains(out, "frames.yaml: no tests") // which has no rules
		if code != 0 || note != "" || strings.Contains(out, "not reached") || untested {
			t.Errorf("edge test %s: exit %d\n%s%s", path, code, out, note)
		}
	}
}
