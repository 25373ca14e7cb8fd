package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lint runs edge lint and gives what it says and its exit code.
func lint(args ...string) (string, int) {
	cmd := exec.Command(binary, append([]string{"lint"}, args...)...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "good.yaml")
	for name, text := range map[string]string{
		bad:  "rules:\n  x: {source: in, when: paylod, route: [{to: out}]}\n",
		good: "rules:\n  x: {source: in, topic: a, when: payload.ok, route: [{to: out}]}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args string
		in   string
		code int
		says string
	}{
		{"lint " + good, "", 0, "edge.yaml"}, // without one, names are not checked, and it says so
		{"lint " + bad, "", 1, "bad.yaml:2:25: rule \"x\": when: unknown name paylod, did you mean payload?"},
		{"lint " + good + " " + bad, "", 1, "bad.yaml:2:25"},
		{"lint --format github " + bad, "", 1, "::error file="},
		{"lint --format json " + bad, "", 1, `"line"`},
		{"lint --format xml " + bad, "", 2, "json"},
		{"lint /no/such/path", "", 1, "/no/such/path"},
		{"lint", "", 2, "edge lint --help"},
		{"run --nosuch", "", 2, "nosuch"},
		{"run --for never", "", 2, "never"},
		{"run surplus", "", 2, "surplus"},
		{"run -c /no/such.yaml", "", 1, "such.yaml"},
		{"nosuch", "", 2, "nosuch"},
		{"", "", 2, "edge run"},
		{"eval payload.a+1", `{"a":41}`, 0, "42"},
		{"eval payload.a+1", `{}`, 1, "missing_field"},
		{"eval payload.a+1", `{`, 1, ""},
		{"eval paylod.a", `{}`, 1, "did you mean payload?"},
		{"eval --topic a/b topic", `{}`, 0, `"a/b"`},
		{"test " + good, "", 0, "no tests"},
		{"test " + bad, "", 1, "bad.yaml:2:25"},
		{"test " + good + " -run x", "", 1, "no test has a name"},
		{"test /no/such/path", "", 1, "/no/such/path"},
		{"test", "", 2, "edge test --help"},
		{"bench -c ../examples/edge.yaml -n 100", "", 0, "a second (as fast as they were taken)"},
		{"bench -c /no/such.yaml", "", 1, "such.yaml"},
		{"bench --out a", "", 2, "--broker"},
		{"version", "", 0, "edge"},
	} {
		cmd := exec.Command(binary, strings.Fields(test.args)...)
		cmd.Stdin = strings.NewReader(test.in)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.says) {
			t.Errorf("edge %s: exit %d, want %d and %q\n%s", test.args, code, test.code, test.says, out)
		}
	}
}
