package sinks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/engine"
)

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// others is the names beside file that begin with it, sorted.
func others(t testing.TB, file string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(file + ".*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestFileLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "dir", "out.jsonl")
	sink := open(t, fmt.Sprintf(`file: {path: %q}`, file))
	wantResults(t, write(t, sink, message("", `{"a":1}`), message("", "{\r\n  \"b\": [1,\n 2]\n}")), "", "")
	wantResults(t, write(t, sink, message("", "text\nof two lines"), message("", "\x00\xff"), message("", "")), "", "", "")
	want := `{"a":1}` + "\n" + `{"b":[1,2]}` + "\n" + `"text\nof two lines"` + "\n" + `{"payload_base64":"AP8="}` + "\n" + `""` + "\n"
	if got := read(t, file); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
}

func TestFileEndsALineThatACrashCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.jsonl")
	if err := os.WriteFile(file, []byte("{\"a\":1}\n{\"b\""), 0o600); err != nil {
		t.Fatal(err)
	}
	wantResults(t, write(t, open(t, fmt.Sprintf(`file: {path: %q}`, file)), message("", "2")), "")
	if got, want := read(t, file), "{\"a\":1}\n{\"b\"\n2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFileThatOthersMoveOrCut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out.jsonl")
	sink := open(t, fmt.Sprintf(`file: {path: %q}`, file))
	step := func(payload, want string) {
		t.Helper()
		wantResults(t, write(t, sink, message("", payload)), "")
		if got := read(t, file); got != want {
			t.Errorf("after %s: got %q, want %q", payload, got, want)
		}
	}
	step("1", "1\n")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	step("2", "2\n")
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	step("3", "3\n")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	step("4", "4\n")
}

func TestFileRotatesBySize(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out.jsonl")
	for _, name := range []string{"out.jsonl.bak", "out.jsonl.1", "out.jsonl.20200101T000000.000Z-x", "out.jsonl2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not ours"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sink := open(t, fmt.Sprintf(`file: {path: %q, rotate: {size: 20B, keep: 3}}`, file))
	const n = 50
	for i := range n {
		wantResults(t, write(t, sink, message("", fmt.Sprintf(`"line %02d"`, i))), "") // 10 bytes with its end
	}
	wantResults(t, write(t, sink, message("", `"`+strings.Repeat("x", 100)+`"`)), "") // more than a whole file
	var ours []string
	strange := 0
	for _, name := range others(t, file) {
		if read(t, name) == "not ours" {
			strange++
		} else {
			ours = append(ours, name)
		}
	}
	if strange != 3 || len(ours) != 3 {
		t.Fatalf("%d files of others and %d of ours: %v", strange, len(ours), ours)
	}
	var text string
	for _, name := range ours { // in the order of their names
		text += read(t, name)
	}
	want := `"line 44"` + "\n" + `"line 45"` + "\n" + `"line 46"` + "\n" + `"line 47"` + "\n" + `"line 48"` + "\n" + `"line 49"` + "\n"
	if text != want {
		t.Errorf("the old files hold %q, want %q", text, want)
	}
	if got := read(t, file); len(got) != 103 {
		t.Errorf("the file has %d bytes", len(got))
	}
}

func TestFileRotatesByAge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.jsonl")
	text := fmt.Sprintf(`file: {path: %q, rotate: {age: 1d}}`, file)
	sink := open(t, text)
	wantResults(t, write(t, sink, message("", "1")), "")
	wantResults(t, write(t, sink, message("", "2")), "")
	if old := others(t, file); len(old) != 0 {
		t.Fatalf("a new file was rotated: %v", old)
	}
	// Found at a start, with what was written two days ago.
	before := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(file, before, before); err != nil {
		t.Fatal(err)
	}
	sink = open(t, text)
	wantResults(t, write(t, sink, message("", "3")), "")
	old := others(t, file)
	if len(old) != 1 || read(t, old[0]) != "1\n2\n" || read(t, file) != "3\n" {
		t.Fatalf("rotated: %v, now %q", old, read(t, file))
	}
	// Written to just now, but begun at the last rotation, which its name puts three days back.
	name := file + "." + time.Now().Add(-72*time.Hour).UTC().Format("20060102T150405.000Z")
	if err := os.Rename(old[0], name); err != nil {
		t.Fatal(err)
	}
	sink = open(t, text)
	wantResults(t, write(t, sink, message("", "4")), "")
	if got := read(t, file); got != "4\n" {
		t.Errorf("the file was not rotated: %q", got)
	}
}

func TestFileErrors(t *testing.T) {
	sink := open(t, `file: {path: /dev/full}`)
	wantResults(t, write(t, sink, message("", "1"), message("", "2")), "no space left", "no space left")
	wantResults(t, write(t, sink, message("", "1")), "no space left") // and is opened anew

	// A directory in the way, and it goes again.
	file := filepath.Join(t.TempDir(), "out.jsonl")
	sink = open(t, fmt.Sprintf(`file: {path: %q}`, file))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	wantResults(t, write(t, sink, message("", "1")), "is a directory")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantResults(t, write(t, sink, message("", "2")), "")
	if got := read(t, file); got != "2\n" {
		t.Errorf("got %q", got)
	}
}

func TestFileWritesAWholeBatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.jsonl")
	sink := open(t, fmt.Sprintf(`file: {path: %q}`, file))
	batch := ofKeys(10, 100, func(int) string { return "" })
	for i := 0; i < len(batch); i += 100 {
		deliver(t, sink, batch[i:i+100]...)
	}
	var lines [][]byte
	for line := range strings.Lines(read(t, file)) {
		lines = append(lines, []byte(line))
	}
	wantOrder(t, lines, 10, 100)
}

func TestStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	real := os.Stdout
	os.Stdout = w
	sink := open(t, `stdout: {}`)
	os.Stdout = real
	wantResults(t, write(t, sink, message("", "{\n}"), message("", "two\nlines")), "", "")
	w.Close()
	var got []string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		got = append(got, lines.Text())
	}
	if want := []string{"{}", `"two\nlines"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Close()
	result := write(t, sink, message("", "1"))
	if result[0] == nil || !errors.Is(result[0], fs.ErrClosed) || errors.Is(result[0], engine.ErrRejected) {
		t.Errorf("got %v", result[0])
	}
}
