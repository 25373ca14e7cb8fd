package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A result is the lowest of what the runs of a benchmark took for one operation: neighbours only ever add to it.
type result struct{ cpu, allocs float64 }

// results are by package and name.
type results map[string]result

// read takes in what go test printed of the benchmarks of a package.
func (r results) read(pkg, output string) error {
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		one := result{cpu: math.NaN(), allocs: math.NaN()}
		for i := 2; i+1 < len(words); i += 2 {
			number, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return fmt.Errorf("%s: %s is no number in: %s", pkg, words[i], strings.TrimSpace(line))
			}
			switch words[i+1] {
			case "cpu-ns/op":
				one.cpu = number
			case "allocs/op":
				one.allocs = number
			}
		}
		name := pkg + " " + strings.TrimPrefix(words[0], "Benchmark")
		if math.IsNaN(one.cpu) || math.IsNaN(one.allocs) {
			return fmt.Errorf("%s reports no cpu-ns/op or no allocs/op: it needs cputimetest.Start and b.ReportAllocs", name)
		}
		if before, ok := r[name]; ok {
			one = result{min(one.cpu, before.cpu), min(one.allocs, before.allocs)}
		}
		r[name] = one
	}
	return nil
}

// table writes the rows in Markdown. A benchmark that was not there is an error: a row must not go away unseen.
func table(rows []row, found results) (string, error) {
	var b strings.Builder
	b.WriteString("| | CPU ns | allocs | baseline, CPU ns | of it | goal |\n| --- | --: | --: | --: | --: | --: |\n")
	for _, r := range rows {
		got, ok := found[r.benchmark]
		if !ok {
			return "", fmt.Errorf("no result of %s", r.benchmark)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |", r.text, thousands(got.cpu), thousands(got.allocs))
		if r.baseline == "" {
			b.WriteString(" | |")
		} else {
			baseline, ok := found[r.baseline]
			if !ok {
				return "", fmt.Errorf("no result of %s", r.baseline)
			}
			fmt.Fprintf(&b, " %s | %s |", thousands(baseline.cpu), ratio(got.cpu/baseline.cpu))
		}
		if r.goal.cpu == 0 {
			b.WriteString(" |\n")
			continue
		}
		verdict := "holds"
		if got.cpu > r.goal.cpu || r.goal.allocs != anyNumber && got.allocs > r.goal.allocs {
			verdict = "missed"
		}
		allocs := ""
		if r.goal.allocs != anyNumber {
			allocs = ", " + thousands(r.goal.allocs)
		}
		fmt.Fprintf(&b, " %s%s: %s |\n", thousands(r.goal.cpu), allocs, verdict)
	}
	return b.String(), nil
}

// thousands rounds to what a benchmark can tell, and groups digits by three.
func thousands(f float64) string {
	if f >= 1000 {
		f = math.Round(f/10) * 10
	}
	digits := []byte(strconv.FormatFloat(f, 'f', 0, 64))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	return string(digits)
}

func ratio(f float64) string {
	if f < 10 {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

const (
	opening = "<!-- made by go run ./test/perftable -->\n"
	closing = "<!-- end of what perftable made -->\n"
)

// between puts a table in place of what is between the markers of a text.
func between(text, table string) (string, error) {
	before, rest, ok := strings.Cut(text, opening)
	if !ok {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(opening))
	}
	_, after, ok := strings.Cut(rest, closing)
	if !ok {
		return "", fmt.Errorf("no line %q below the first marker", strings.TrimSpace(closing))
	}
	return before + opening + "\n" + table + "\n" + closing + after, nil
}
