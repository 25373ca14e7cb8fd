package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"edge/engine"
	"edge/internal/loadtest"
	"edge/rules"
)

// A benchReport is what a run of edge bench found.
type benchReport struct {
	Mode        string  `json:"mode"`   // in_process or broker
	Target      string  `json:"target"` // the rules, or the broker
	What        string  `json:"sent"`
	Messages    int64   `json:"messages"`
	NotSent     int64   `json:"not_sent"` // due by the schedule and never sent, or refused by the broker
	Late        int64   `json:"sent_late"`
	MostLate    float64 `json:"sent_late_most_ms"`
	Rate        float64 `json:"rate"` // asked for; 0: as fast as they are taken
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"messages_per_second"`
	Interrupted bool    `json:"interrupted"`

	Latency   map[string]float64 `json:"latency_ms"`
	CPU       *float64           `json:"cpu_us_per_message"` // of edge; null: not known
	Generator *float64           `json:"generator_cpu_us_per_message,omitempty"`
	Busy      *float64           `json:"cores_busy"`
	Own       *float64           `json:"bench_cores_busy,omitempty"` // against a broker: of edge bench itself
	Cores     int                `json:"cores"`
	Allocs    *float64           `json:"allocs_per_message,omitempty"`
	Peak      int64              `json:"peak_rss_bytes"` // 0: not known

	Outputs *loadtest.Counts  `json:"outputs,omitempty"` // against a broker
	Rules   []rules.RuleStats `json:"rules,omitempty"`   // in process, as the next
	Sinks   []benchSink       `json:"sinks,omitempty"`

	Notes   []string `json:"notes"`
	Version string   `json:"version"`

	own int64 // bytes of the messages, which are in Peak
}

// A benchSink is what a sink got.
type benchSink struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Messages uint64 `json:"messages"`
	Batches  uint64 `json:"batches"`
	Dropped  uint64 `json:"dropped"` // by the policy of its queue
}

func (r *benchReport) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// failed says that something came out wrong, which only a run against a broker can tell.
func (r *benchReport) failed() bool {
	o := r.Outputs
	return o != nil && (o.Lost > 0 || o.Duplicates > 0 || o.OutOfOrder > 0 || r.NotSent > 0 && !r.Interrupted)
}

func (r *benchReport) setSent(s loadtest.Sent, plan loadtest.Plan, interrupted bool) {
	r.Messages, r.Late, r.MostLate, r.Rate = s.Messages, s.Late, inMillis(s.MostLate), plan.Rate
	r.Interrupted = interrupted
	if !interrupted {
		r.NotSent = s.Planned - s.Messages
	}
}

func (r *benchReport) setLatency(l *loadtest.Latency) {
	r.Latency = map[string]float64{}
	if l.Count() == 0 {
		return
	}
	for _, p := range percentiles {
		r.Latency[p.name] = inMillis(l.Percentile(p.at))
	}
	r.Latency["max"] = inMillis(l.Max())
}

var percentiles = []struct {
	name string
	at   float64
}{{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}}

// setUsage is for a run in process. The generator's part of the CPU is known from before.
func (r *benchReport) setUsage(before, after look, generator time.Duration) {
	if r.Messages == 0 || !before.known || !after.known {
		return
	}
	n := float64(r.Messages)
	cpu := after.usage.CPU - before.usage.CPU
	own := float64(generator) / 1e3
	r.CPU, r.Generator = new(rounded(max(0, float64(cpu)/1e3/n-own))), new(rounded(own))
	r.Allocs = new(rounded(float64(after.mallocs-before.mallocs) / n))
	r.Peak = after.usage.Peak
	if wall := after.at.Sub(before.at).Seconds(); wall > 0 {
		r.Busy = new(rounded(cpu.Seconds() / wall))
	}
}

// ruleDifference gives the books of what came between two looks.
func ruleDifference(before, after []rules.RuleStats) []rules.RuleStats {
	list := slices.Clone(after)
	for i := range list {
		a, b := &list[i], &before[i]
		a.In, a.Delivered, a.Filtered, a.Suppressed = a.In-b.In, a.Delivered-b.Delivered, a.Filtered-b.Filtered, a.Suppressed-b.Suppressed
		a.Late, a.Kept, a.Error, a.Dropped = a.Late-b.Late, a.Kept-b.Kept, a.Error-b.Error, a.Dropped-b.Dropped
		a.Shadow, a.InFlight, a.Results = a.Shadow-b.Shadow, a.InFlight-b.InFlight, a.Results-b.Results
		a.Missing, a.LeftOut, a.Evicted = a.Missing-b.Missing, a.LeftOut-b.LeftOut, a.Evicted-b.Evicted
		errs := map[string]int64{}
		for class, n := range a.Errors {
			if n -= b.Errors[class]; n > 0 {
				errs[class] = n
			}
		}
		a.Errors = errs
	}
	return list
}

func sinkDifference(before, after map[string]engine.SinkStats) (list []benchSink) {
	drops := func(d engine.Drops) uint64 { return d.Oldest + d.Newest + d.Age }
	for _, name := range slices.Sorted(maps.Keys(after)) {
		a, b := after[name], before[name]
		list = append(list, benchSink{name, a.Kind, a.Written - b.Written, a.Batches - b.Batches, drops(a.Dropped) - drops(b.Dropped)})
	}
	return list
}

func inMillis(d time.Duration) float64 { return rounded(float64(d) / 1e6) }

func rounded(f float64) float64 { return math.Round(f*1000) / 1000 }

func (r *benchReport) writeJSON(w io.Writer) error {
	if r.Notes == nil {
		r.Notes = []string{}
	}
	r.Seconds, r.PerSecond = rounded(r.Seconds), rounded(r.PerSecond)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeText writes it for people, in one piece.
func (r *benchReport) writeText(w io.Writer) error {
	var text strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	if r.Mode == "in_process" {
		fmt.Fprintf(&text, "in process: %s, %s\n", r.Target, r.What)
	} else {
		fmt.Fprintf(&text, "%s: %s\n", r.Target, r.What)
	}
	how := "as fast as they were taken"
	if r.Rate > 0 {
		how = fmt.Sprintf("asked for: %s a second", thousands(r.Rate))
	}
	if r.Interrupted {
		how += "; ended early"
	}
	line("messages", "%s in %.1f s: %s a second (%s)", thousands(float64(r.Messages)), r.Seconds, thousands(r.PerSecond), how)
	if r.NotSent > 0 {
		line("not sent", "%s; latency is without them", thousands(float64(r.NotSent)))
	}
	if r.Late > 0 {
		line("sent late", "%s by more than 1 ms, at most by %v; that is in their latency", thousands(float64(r.Late)), fromMillis(r.MostLate))
	}
	r.writeLatency(line)
	r.writeUsage(line)
	r.writeOutputs(line)
	for _, note := range r.Notes {
		line("note", "%s", note)
	}
	r.writeBooks(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

type lineWriter func(name, format string, args ...any)

func (r *benchReport) writeLatency(line lineWriter) {
	if len(r.Latency) == 0 {
		return
	}
	var parts []string
	for _, p := range percentiles {
		parts = append(parts, fmt.Sprintf("%s %v", p.name, fromMillis(r.Latency[p.name])))
	}
	from, to := "came in", "was settled"
	if r.Outputs != nil {
		from, to = "was sent", "came out"
	}
	if r.Rate > 0 {
		from = "was due"
	}
	line("latency", "%s max %v, from when a message %s until it %s", strings.Join(parts, " "), fromMillis(r.Latency["max"]), from, to)
	if r.Rate == 0 {
		line("", "this is the length of the queue: give --rate for the latency at a rate")
	}
}

func (r *benchReport) writeUsage(line lineWriter) {
	switch {
	case r.CPU == nil && r.Outputs != nil:
		line("CPU", "of edge is not known: give its process with --pid")
	case r.CPU == nil:
		line("CPU", "cannot be measured on this system")
	default:
		own := ""
		if r.Generator != nil {
			own = fmt.Sprintf(", and %.2f of the generator", *r.Generator)
		}
		busy := ""
		if r.Busy != nil {
			busy = fmt.Sprintf("; %.1f of %d cores busy", *r.Busy, r.Cores)
		}
		line("CPU", "%.2f µs a message%s%s", *r.CPU, own, busy)
	}
	if r.Own != nil {
		line("", "edge bench itself: %.1f cores", *r.Own)
	}
	if r.Allocs != nil {
		line("allocations", "%.2f a message", *r.Allocs)
	}
	if r.Peak > 0 {
		with := ""
		if r.Outputs == nil {
			with = fmt.Sprintf(", %.1f MiB of messages to send included", float64(r.own)/(1<<20))
		}
		line("peak RSS", "%.1f MiB%s", float64(r.Peak)/(1<<20), with)
	}
}

func (r *benchReport) writeOutputs(line lineWriter) {
	if r.Outputs == nil {
		return
	}
	o := r.Outputs
	line("outputs", "%d, of %d messages that must come out", o.Outputs, o.Expected)
	line("lost", "%d", o.Lost)
	line("duplicates", "%d", o.Duplicates)
	line("out of order", "%d", o.OutOfOrder)
	if o.Unexpected > 0 {
		line("not expected", "%d", o.Unexpected)
	}
}

// writeBooks writes the tables of rules and sinks; outcomes that no rule had are left out.
func (r *benchReport) writeBooks(w io.Writer) {
	if len(r.Rules) > 0 {
		t := benchTable{{"rule"}, {"in"}, {"delivered"}, {"filtered"}, {"suppressed"}, {"late"}, {"kept"}, {"error"}, {"dropped"}, {"shadow"}, {"results"}}
		for _, s := range r.Rules {
			t.add(s.Name, s.In, s.Delivered, s.Filtered, s.Suppressed, s.Late, s.Kept, s.Error, s.Dropped, s.Shadow, s.Results)
		}
		t.write(w)
	}
	if len(r.Sinks) > 0 {
		t := benchTable{{"sink"}, {"messages"}, {"batches"}, {"dropped"}}
		for _, s := range r.Sinks {
			t.add(s.Name, int64(s.Messages), int64(s.Batches), int64(s.Dropped))
		}
		t.write(w)
	}
}

// A benchTable is columns, the title first.
type benchTable [][]string

func (t benchTable) add(name string, numbers ...int64) {
	t[0] = append(t[0], name)
	for i, n := range numbers {
		t[i+1] = append(t[i+1], strconv.FormatInt(n, 10))
	}
}

// write leaves out columns, beyond the second, in which all is 0.
func (t benchTable) write(w io.Writer) {
	wide := make([]int, len(t))
	for i, column := range t {
		if i < 2 || slices.ContainsFunc(column[1:], func(cell string) bool { return cell != "0" }) {
			wide[i] = len(slices.MaxFunc(column, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
		}
	}
	fmt.Fprintln(w)
	for row := range t[0] {
		fmt.Fprintf(w, "  %-*s", wide[0], t[0][row])
		for i, column := range t {
			if i > 0 && wide[i] > 0 {
				fmt.Fprintf(w, "  %*s", wide[i], column[row])
			}
		}
		fmt.Fprintln(w)
	}
}

// fromMillis is a duration with three digits, which is all that a percentile has.
func fromMillis(ms float64) time.Duration {
	d := time.Duration(ms * 1e6)
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}

// thousands writes a number with a comma after each three digits.
func thousands(f float64) string {
	digits := fmt.Sprintf("%.0f", f)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
