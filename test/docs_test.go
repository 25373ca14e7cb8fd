package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCommandsOfTheDocs: each command in a ```sh block of README.md and docs/ is one that there is, with flags that
// there are, and those of edge do what they say, in a folder like examples/.
func TestCommandsOfTheDocs(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "msg.json"), []byte(`{"battery": 7}`), 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```")
	ran := 0
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				words := strings.Fields(line)
				if len(words) < 2 {
					continue
				}
				switch words[0] {
				case "edge":
					ran++
					tryEdge(t, dir, line, words)
				case "go":
					tryGo(t, line, words)
				}
			}
		}
	}
	if ran < 4 {
		t.Errorf("only %d commands were found", ran)
	}
}

var flag = regexp.MustCompile(`(^|\s)(--?[a-z][a-z-]*)`)

// tryEdge checks the flags of a line, and of what the comment on it says, and runs it as a shell does.
func tryEdge(t *testing.T, dir, line string, words []string) {
	t.Helper()
	help, err := exec.Command(binary, words[1], "--help").CombinedOutput()
	if err != nil {
		t.Errorf("%s: %s", line, help)
		return
	}
	for _, found := range flag.FindAllStringSubmatch(line, -1) {
		if !regexp.MustCompile(`[\s,]` + found[2] + `\b`).Match(help) {
			t.Errorf("%s: there is no flag %s", line, found[2])
		}
	}
	command, _, _ := strings.Cut(line, " #")
	if words[1] == "run" {
		command += " --for 100ms"
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "EDGE_LISTEN=127.0.0.1:0", "EDGE_STATE="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 && words[1] != "lint" {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// tryGo checks that the packages and flags of a line are there. What it runs is more than a test may.
func tryGo(t *testing.T, line string, words []string) {
	t.Helper()
	help := ""
	for _, topic := range []string{words[1], "build", "testflag"} {
		out, err := exec.Command("go", "help", topic).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %s", line, out)
		}
		help += string(out)
	}
	for _, word := range words[2:] {
		switch {
		case word == "#":
			return
		case strings.HasPrefix(word, "-") && !strings.Contains(help, "\t"+word):
			t.Errorf("%s: there is no flag %s", line, word)
		case strings.HasPrefix(word, "./"):
			cmd := exec.Command("go", "list", word)
			cmd.Dir = ".."
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s", line, out)
			}
		}
	}
}
