// Perftable runs the benchmarks of the repository and writes the table in docs/performance.md. It is run at the top of
// the repository, on a machine that does nothing else:
//
//	go run ./test/perftable
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A row of the table is one benchmark, beside another that does the same job without edge, if there is one.
type row struct {
	text      string
	benchmark string // package and name, as in ./rules Filter
	baseline  string
	goal      goal
}

// A goal is what a row may cost at most, in ns of CPU time and allocations. There is none where cpu is 0, and any
// number of allocations will do where that is below zero.
type goal struct{ cpu, allocs float64 }

const second, anyNumber = 1e9, -1

var rows = []row{
	{"the whole way, filter only: hand-off, scan, condition on two fields, settled", "./rules PipelineFilter", "./rules NaiveFilter", goal{450, 0}},
	{"the whole way: filter, transform, map of six fields, encode, topic, queue, sink, settled", "./rules PipelineTransform", "./rules Naive", goal{1200, 3}},
	{"rule, filter only: scan, condition on two fields, books, ack tracking", "./rules Filter", "./rules NaiveFilter", goal{}},
	{"rule: filter, transform, map of six fields, encode, topic, ack tracking", "./rules Transform", "./rules Naive", goal{}},
	{"rule: the same by arithmetic instead of transform", "./rules Arithmetic", "./rules Naive", goal{}},
	{"rule: 500 keys, a key and a condition that turns all away", "./rules WindowDecode", "", goal{}},
	{"rule: 500 keys, an average of a second by the clock", "./rules WindowAverage", "./rules WindowDecode", goal{}},
	{"rule: 500 keys, an average of a second by event time", "./rules WindowAverageEventTime", "./rules WindowDecode", goal{}},
	{"rule: 500 keys, a sliding average, with a result for each message", "./rules WindowSliding", "./rules WindowDecode", goal{}},
	{"a row of a table of a thousand, and a field of it", "./rules Table", "", goal{}},
	{"engine: source to lane, nothing kept", "./engine Filter/1_lanes", "./engine Pump", goal{}},
	{"engine: source to lane to sink", "./engine Sink/1_lanes", "./engine Pump", goal{}},
	{"engine: source to lane to sink with a disk buffer, the sink is up", "./engine DiskUp", "./engine Pump", goal{}},
	{"engine: source to lane to disk buffer, settled when it is synced, 512 on their way", "./engine Disk", "./engine Pump", goal{}},
	{"MQTT, QoS 0: from the socket to the receiver; the baseline is paho.golang as it is", "./internal/mqttconn Connection/QoS_0", "./internal/mqttconn Paho/QoS_0", goal{2000, 2}},
	{"MQTT, QoS 1: from the socket to PUBACK on the wire, likewise", "./internal/mqttconn Connection/QoS_1", "./internal/mqttconn Paho/QoS_1", goal{2000, 2}},
	{"10 rules on a topic, `payload.seq % 10 == i`, one matches; the baseline is the scan alone", "./rules Many/sequence-10", "./rules Many/scan", goal{}},
	{"1,000 rules, likewise", "./rules Many/sequence-1000", "./rules Many/scan", goal{}},
	{"1,000 rules with the id of a device and a limit, one matches", "./rules Many/ids-1000", "./rules Many/scan", goal{}},
	{"10,000 rules, of which a thousandth matches: 10 results", "./rules Many/thousandth-10000", "./rules Many/scan", goal{}},
	{"1,000 rules asked one by one, without the index", "./rules Many/sequence-one-by-one-1000", "./rules Many/scan", goal{}},
	{"10,000 rules in 100 files: load", "./cmd/edge Load", "", goal{3 * second, anyNumber}},
	{"10,000 rules in 100 files: reload with one file changed", "./cmd/edge Reload", "", goal{second / 2, anyNumber}},
	{"scan of 8 of 11 fields, of a payload that looks like the one before", "./internal/jsonscan ScanAs/8", "./internal/jsonscan Scan8", goal{}},
	{"scan of 2 of 11 fields, likewise", "./internal/jsonscan ScanAs/2", "./internal/jsonscan Scan2", goal{}},
	{"frames: a point in 2D between two frames", "./rules/geo Point/2D", "", goal{}},
	{"frames: a point in 3D between two frames", "./rules/geo Point/3D", "", goal{}},
	{"`transform` in a rule, constant names", "./rules TransformCall/constant", "", goal{}},
	{"`transform` in a rule, a name from the message", "./rules TransformCall/message", "", goal{}},
}

func main() {
	doc := flag.String("doc", "docs/performance.md", "the `file` to write the table to")
	count := flag.Int("count", 10, "how often each benchmark runs; the lowest counts")
	flag.Parse()
	if err := run(*doc, *count); err != nil {
		fmt.Fprintln(os.Stderr, "perftable:", err)
		os.Exit(1)
	}
}

func run(doc string, count int) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	if _, err := between(string(text), ""); err != nil { // before it takes minutes
		return fmt.Errorf("%s: %w", doc, err)
	}
	found := results{}
	for pass := range count { // many short ones: a machine has bad minutes, and good moments
		for _, pkg := range packages() {
			fmt.Fprintf(os.Stderr, "measuring %s, %d of %d\n", pkg, pass+1, count)
			if err := measure(found, pkg, "-benchtime", "100ms"); err != nil {
				return err
			}
		}
	}
	made, err := table(rows, found)
	if err != nil {
		return err
	}
	whole, err := between(string(text), made)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	return os.WriteFile(doc, []byte(whole), 0o644)
}

// packages lists those that rows name.
func packages() []string {
	var list []string
	for _, r := range rows {
		pkg, _, _ := strings.Cut(r.benchmark, " ")
		if !slices.Contains(list, pkg) {
			list = append(list, pkg)
		}
	}
	return list
}

// measure runs the benchmarks of a package that rows name.
func measure(found results, pkg string, flags ...string) error {
	for _, pattern := range patterns(pkg) {
		cmd := exec.Command("go", append([]string{"test", "-run", "^$", "-bench", pattern, "-cpu", "1", pkg}, flags...)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		if err := found.read(pkg, string(out)); err != nil {
			return err
		}
	}
	return nil
}

// patterns match the benchmarks of a package that rows name: the whole ones, and for each other the parts.
func patterns(pkg string) (list []string) {
	var tops []string
	parts := map[string][]string{}
	for _, r := range rows {
		for _, benchmark := range []string{r.benchmark, r.baseline} {
			of, name, _ := strings.Cut(benchmark, " ")
			top, part, _ := strings.Cut(name, "/")
			if of == pkg && !slices.Contains(parts[top], part) {
				if parts[top] == nil {
					tops = append(tops, top)
				}
				parts[top] = append(parts[top], part)
			}
		}
	}
	var whole []string
	for _, top := range tops {
		if parts[top][0] == "" {
			whole = append(whole, top)
			continue
		}
		list = append(list, "^Benchmark"+top+"$/^("+strings.Join(parts[top], "|")+")$")
	}
	if len(whole) > 0 {
		list = append(list, "^Benchmark("+strings.Join(whole, "|")+")$")
	}
	return list
}
