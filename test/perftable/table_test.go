package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const printed = `goos: linux
pkg: edge/rules
BenchmarkFilter 	  100000	       547.5 ns/op	       541.7 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkFilter 	  100000	      1500 ns/op	       402.2 cpu-ns/op	       7 B/op	       1 allocs/op
BenchmarkNaive  	   50000	     10273 ns/op	  75.00 MB/s	      9765 cpu-ns/op	    3024 B/op	      76 allocs/op
BenchmarkCall/a 	   50000	     10273 ns/op	      22.4 cpu-ns/op	    3024 B/op	       1 allocs/op
BenchmarkSlow   	   50000	     10273 ns/op	      1234567 cpu-ns/op	    3024 B/op	       4 allocs/op
PASS
ok  	edge/rules	1.2s
`

func TestTable(t *testing.T) {
	found := results{}
	if err := found.read("./rules", printed); err != nil {
		t.Fatal(err)
	}
	got, err := table([]row{
		{"a filter", "./rules Filter", "./rules Naive", goal{450, 0}},
		{"a filter, tight", "./rules Filter", "", goal{400, 0}},
		{"boxed", "./rules Call/a", "", goal{450, 0}},
		{"slow", "./rules Slow", "./rules Naive", goal{}},
		{"slow enough", "./rules Slow", "", goal{2e6, anyNumber}},
	}, found)
	want := `| | CPU ns | allocs | baseline, CPU ns | of it | goal |
| --- | --: | --: | --: | --: | --: |
| a filter | 402 | 0 | 9,770 | 0.04 | 450, 0: holds |
| a filter, tight | 402 | 0 | | | 400, 0: missed |
| boxed | 22 | 1 | | | 450, 0: missed |
| slow | 1,234,570 | 4 | 9,770 | 126 | |
| slow enough | 1,234,570 | 4 | | | 2,000,000: holds |
`
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestWhatIsWrong(t *testing.T) {
	found := results{}
	for output, want := range map[string]string{
		"BenchmarkX 100 5 ns/op 0 allocs/op":                    "./p X reports no cpu-ns/op",
		"BenchmarkX 100 5 ns/op 5 cpu-ns/op":                    "./p X reports no cpu-ns/op or no allocs/op",
		"BenchmarkX 100 five ns/op 5 cpu-ns/op 0 B/op 1 allocs": "five is no number",
	} {
		if err := found.read("./p", output); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", output, err)
		}
	}
	if _, err := table([]row{{benchmark: "./p Gone"}}, found); err == nil || err.Error() != "no result of ./p Gone" {
		t.Error(err)
	}
	for _, text := range []string{"no markers\n", opening, closing + opening} {
		if _, err := between(text, ""); err == nil {
			t.Errorf("%q has its markers", text)
		}
	}
}

func TestBetween(t *testing.T) {
	got, err := between("a\n"+opening+"old\n"+closing+"b\n", "new\n")
	if want := "a\n" + opening + "\nnew\n\n" + closing + "b\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if again, err := between(got, "new\n"); err != nil || again != got {
		t.Errorf("a second time: %q, %v", again, err)
	}
}

// TestRowsAreThere: the file has its markers, and every row names a benchmark that there is and that reports what
// the table needs.
func TestRowsAreThere(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := between(string(text), ""); err != nil {
		t.Error(err)
	}
	t.Chdir("../..")
	found := results{}
	for _, pkg := range packages() {
		if err := measure(found, pkg, "-benchtime", "1x"); err != nil {
			t.Error(err)
		}
	}
	made, err := table(rows, found)
	if err != nil || len(regexp.MustCompile(`(?m)^\|`).FindAllString(made, -1)) != len(rows)+2 {
		t.Errorf("%v\n%s", err, made)
	}
}
