package test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// TestImports holds the house to its rule: everything imports engine, engine imports the standard library
// only, siblings never import each other, and the program links no broker.
func TestImports(t *testing.T) {
	list := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("go list %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	rooms := map[string]bool{"cmd": true, "engine": true, "rules": true, "sources": true, "sinks": true, "examples": true, "test": true, "internal": true}
	room := func(path string) string {
		room, rest, _ := strings.Cut(strings.TrimPrefix(path, "edge/"), "/")
		if room == "internal" { // each leaf is a room of its own
			leaf, _, _ := strings.Cut(rest, "/")
			return room + "/" + leaf
		}
		return room
	}
	// Tests may use what helps them, so these are the imports of what is built into programs.
	deps := []byte(list("-deps", "edge/cmd/edge"))
	edges := 0
	for line := range strings.Lines(list("-f", `{{$p := .ImportPath}}{{$p}} -{{"\n"}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, "edge/...")) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		own := strings.HasPrefix(to, "edge/")
		switch {
		case from == "":
		case to == "-":
			if top, _, _ := strings.Cut(room(from), "/"); !rooms[top] {
				t.Errorf("%s stands where no package belongs", from)
			}
		case room(from) == "engine" && (own || strings.Contains(to, ".")):
			t.Errorf("%s imports %s: engine imports the standard library only", from, to)
		case !own || room(to) == "engine" || room(to) == room(from):
		case room(from) == "cmd" || room(from) == "test" || room(from) == "examples":
			edges++
		case strings.HasPrefix(room(from), "internal/") && bytes.Contains(deps, []byte(from+"\n")):
			t.Errorf("%s imports %s: a leaf imports no other", from, to)
		case !strings.HasPrefix(to, "edge/internal/"):
			t.Errorf("%s imports %s: siblings never import each other", from, to)
		}
	}
	if edges == 0 {
		t.Error("no package imports another: this test looks at nothing")
	}
	for _, broker := range []string{"mochi-mqtt/server", "nats-server", "edge/test", "brokertest", "\ntesting\n"} {
		if bytes.Contains(deps, []byte(broker)) {
			t.Errorf("cmd/edge links %s", strings.TrimSpace(broker))
		}
	}
}
