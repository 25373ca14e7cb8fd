package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestImports holds the house to its rule: everything imports engine, engine imports the standard library
// only, siblings never import each other, and the program links no broker.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, "edge/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	room := func(path string) string {
		path = strings.TrimPrefix(path, "edge/")
		room, _, _ := strings.Cut(path, "/")
		return room
	}
	rooms := map[string]bool{"cmd": true, "engine": true, "rules": true, "sources": true, "sinks": true, "examples": true, "test": true, "internal": true}
	for line := range strings.Lines(string(out)) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !rooms[room(from)] {
			t.Errorf("%s stands where no package belongs", from)
		}
		switch own := strings.HasPrefix(to, "edge/"); {
		case room(from) == "engine" && (own || strings.Contains(to, ".")):
			t.Errorf("%s imports %s: engine imports the standard library only", from, to)
		case !own || room(from) == "cmd" || room(from) == "test" || room(from) == "examples":
		case room(to) != "engine" && room(to) != "internal" && room(to) != room(from):
			t.Errorf("%s imports %s: siblings never import each other", from, to)
		}
	}
	deps, err := exec.Command("go", "list", "-deps", "edge/cmd/edge").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, broker := range []string{"mochi-mqtt/server", "nats-server"} {
		if bytes.Contains(deps, []byte(broker)) {
			t.Errorf("cmd/edge links %s", broker)
		}
	}
}

func TestSizes(t *testing.T) {
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if mib := float64(info.Size()) / (1 << 20); mib > 22 {
		t.Errorf("the stripped binary has %.1f MiB, at most 22 are promised", mib)
	} else {
		t.Logf("the stripped binary has %.1f MiB", mib)
	}
	broker := mosquitto(t)
	b := newBox(t, source(broker.URL())+"sinks: {out: {stdout: {}}}", rule(`{to: out}`))
	b.start()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.cmd.Process.Pid), "status"))
	if err != nil {
		t.Skip("no /proc on this system")
	}
	kib, err := strconv.Atoi(strings.Fields(between(string(status), "VmRSS:", "\n"))[0])
	if err != nil {
		t.Fatal(err)
	}
	if mib := float64(kib) / 1024; mib > 20 {
		t.Errorf("idle it takes %.1f MiB, at most 20 are promised", mib)
	} else {
		t.Logf("idle it takes %.1f MiB", mib)
	}
	b.stop()
}

// TestExamplesAreRight: every example is linted by the program itself.
func TestExamplesAreRight(t *testing.T) {
	out, err := exec.Command(binary, "lint", "../examples/edge.yaml", "../examples/rules").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestExitCodes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("rules:\n  x: {source: in, when: paylod, route: [{to: out}]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args string
		in   string
		code int
		says string
	}{
		{"lint " + bad, "", 1, "bad.yaml:2:25: rule \"x\": when: unknown name paylod, did you mean payload?"},
		{"lint --format github " + bad, "", 1, "::error file="},
		{"lint --format json " + bad, "", 1, `"line"`},
		{"lint /no/such/path", "", 1, "/no/such/path"},
		{"lint", "", 2, ""},
		{"run --nosuch", "", 2, "nosuch"},
		{"nosuch", "", 2, "nosuch"},
		{"run -c /no/such.yaml", "", 1, "such.yaml"},
		{"eval payload.a+1", `{"a":41}`, 0, "42"},
		{"eval payload.a+1", `{}`, 1, "missing_field"},
		{"eval --topic a/b topic", `{}`, 0, `"a/b"`},
		{"version", "", 0, "edge"},
	} {
		cmd := exec.Command(binary, strings.Fields(test.args)...)
		cmd.Stdin = strings.NewReader(test.in)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.says) {
			t.Errorf("edge %s: exit %d, want %d\n%s", test.args, code, test.code, out)
		}
	}
}

// TestCommandsOfTheDocs: each command that README.md and docs/ show is one that the program knows.
func TestCommandsOfTheDocs(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```")
	seen := 0
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				words := strings.Fields(line)
				if len(words) < 2 || words[0] != "edge" {
					continue
				}
				seen++
				help, err := exec.Command(binary, words[1], "--help").CombinedOutput()
				if err != nil {
					t.Errorf("%s: %s: %s", file, line, help)
				}
				for _, word := range words[2:] {
					if word == "#" {
						break
					}
					if strings.HasPrefix(word, "-") && !strings.Contains(string(help), word) {
						t.Errorf("%s: %s: no flag %s", file, line, word)
					}
				}
			}
		}
	}
	if seen < 4 {
		t.Errorf("only %d commands were found", seen)
	}
}
