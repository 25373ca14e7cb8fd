package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"edge/internal/loadtest"
	"edge/internal/mqttconn"
	"edge/internal/pacing"
)

// benchOptions are the flags of edge bench.
type benchOptions struct {
	config, rules   string
	messages, topic string
	devices         int
	n               int64
	length          time.Duration
	rate            float64
	id, ts          string
	format          string

	// Against a broker.
	broker, source string
	outFilters     []string
	outBroker      string
	outID          string
	expect         string
	wait           time.Duration
	qos            int
	connections    int
	inFlight       int64
	pid            int

	idField, tsField field
	patience         time.Duration // to connect, and until the first output
}

func benchCommand(stdout, stderr io.Writer) *cobra.Command {
	o := benchOptions{length: 10 * time.Second, wait: 3 * time.Second, format: "text", patience: 10 * time.Second}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure how many messages the rules take, with which latency, at what CPU",
		Long: `Measure how many messages a second the rules take, with which latency, at what CPU.

In process, the default, the rules run in the real engine, fed from memory; sinks accept at
once, and no broker and no sink of edge.yaml is touched. With --broker or --source messages
are published to a broker at which edge runs elsewhere, and outputs are listened for: this
shows the whole way, and finds what is lost, doubled or out of order (exit code 1).

The messages are those of a built-in hospital, or of a file with one a line: a payload, or
{"topic": …, "payload": …}. Each gets a running number in its field seq (--id).

With --rate latency counts from when a message was due, however late it could be sent.
docs/bench.md has more.`,
		Example: `  edge bench -c edge.yaml -r rules/
  edge bench -r rules/ --messages ward.jsonl --topic 'ward/{{ payload.id }}' --ts ts --rate 2000
  edge bench --broker mqtt://localhost:1883 --out 'map/#' --rate 500 --for 30s --pid $(pidof edge)`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVarP(&o.config, "config", "c", "edge.yaml", "connections and limits")
	f.StringVarP(&o.rules, "rules", "r", "", "folder of rule files (default: rules beside edge.yaml)")
	f.StringVar(&o.messages, "messages", "", "file with one message a line, sent again and again (default: the built-in hospital)")
	f.StringVar(&o.topic, "topic", "", "of lines that are payloads alone; may have {{ payload.x }} in it")
	f.IntVar(&o.devices, "devices", 500, "of the built-in hospital")
	f.Int64VarP(&o.n, "count", "n", 0, "how many messages")
	f.Var((*duration)(&o.length), "for", "how long")
	f.Float64Var(&o.rate, "rate", 0, "messages a second (default: as fast as they are taken)")
	f.StringVar(&o.id, "id", "seq", "field of the payload that is overwritten with a running number")
	f.StringVar(&o.ts, "ts", "", "field that is overwritten with the time, Unix ms (default: ts for the hospital, else none)")
	f.Var(&choice{&o.format, []string{"text", "json"}}, "format", "text or json")
	f.StringVar(&o.broker, "broker", "", "publish to this broker, such as mqtt://localhost:1883")
	f.StringVar(&o.source, "source", "", "publish to the broker of this source of edge.yaml, with its user and TLS")
	f.StringArrayVar(&o.outFilters, "out", nil, "topic filter of the outputs at the broker, such as 'map/#'; may be given again")
	f.StringVar(&o.outBroker, "out-broker", "", "the broker with the outputs, where it is another one")
	f.StringVar(&o.outID, "out-id", "", "field of an output that has the number of its input (default: as --id)")
	f.StringVar(&o.expect, "expect", "", "condition over payload and topic: which messages must come out (default: all)")
	f.Var((*duration)(&o.wait), "wait", "silence after which outputs are not waited for any more")
	f.IntVar(&o.qos, "qos", 1, "0 or 1, in and out")
	f.IntVar(&o.connections, "connections", 1, "that publish")
	f.Int64Var(&o.inFlight, "in-flight", 1000, "messages on their way at once, without --rate")
	f.IntVar(&o.pid, "pid", 0, "the process of edge, to have its CPU and memory in the report (Linux)")
	c.RunE = func(*cobra.Command, []string) error {
		if err := o.check(f.Changed); err != nil {
			return err
		}
		return checked(func(*cobra.Command, []string) error {
			ctx, _, release := signals(stderr)
			defer release()
			return bench(ctx, o, stdout, stderr)
		})(c, nil)
	}
	return c
}

// check looks at what was said, and fills in what was not.
func (o *benchOptions) check(given func(flag string) bool) (err error) {
	if o.broker == "" && o.source == "" {
		for _, name := range []string{"out", "out-broker", "out-id", "expect", "wait", "qos", "connections", "in-flight", "pid"} {
			if given(name) {
				return fmt.Errorf("--%s is for a run against a broker: give --broker URL or --source NAME too", name)
			}
		}
	} else if err := o.checkBroker(); err != nil {
		return err
	}
	switch {
	case o.rate < 0 || o.rate > 10_000_000:
		return errors.New("--rate wants messages a second, above 0")
	case given("count") && o.n < 1:
		return errors.New("-n wants a number of messages, 1 or more")
	case o.devices < 1 || o.devices > 1_000_000:
		return errors.New("--devices wants 1 to 1000000")
	case o.messages != "" && given("devices"):
		return errors.New("--devices is of the built-in hospital; --messages takes those of a file instead")
	case o.messages == "" && o.topic != "":
		return errors.New("--topic is for the lines of --messages FILE; the built-in hospital has topics of its own")
	}
	if o.n > 0 && !given("for") {
		o.length = 0
	}
	if o.idField, err = fieldAt(o.id, number); err != nil {
		return fmt.Errorf("--id %w", err)
	}
	if o.ts != "" {
		if o.tsField, err = fieldAt(o.ts, millis); err != nil {
			return fmt.Errorf("--ts %w", err)
		}
	}
	if o.rules == "" {
		o.rules = filepath.Join(filepath.Dir(o.config), "rules")
	}
	return nil
}

func (o *benchOptions) checkBroker() error {
	for _, url := range []string{o.broker, o.outBroker} {
		if url == "" {
			continue
		}
		if _, err := mqttconn.ParseURL(url); err != nil {
			return err
		}
	}
	for _, filter := range o.outFilters {
		if err := mqttconn.CheckFilter(filter); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if o.outID == "" {
		o.outID = o.id
	}
	_, err := fieldAt(o.outID, number)
	switch {
	case len(o.outFilters) == 0:
		return errors.New("say with --out where the outputs are, such as --out 'map/#'")
	case err != nil:
		return fmt.Errorf("--out-id %w", err)
	case o.qos != 0 && o.qos != 1:
		return fmt.Errorf("--qos wants 0 or 1, not %d", o.qos)
	case o.connections < 1 || o.connections > 1000:
		return errors.New("--connections wants 1 to 1000")
	case o.inFlight < 1 || o.inFlight > 100_000:
		return errors.New("--in-flight wants 1 to 100000")
	case o.pid < 0:
		return errors.New("--pid wants the number of a process")
	}
	return nil
}

func (o *benchOptions) plan() loadtest.Plan {
	return loadtest.Plan{Rate: o.rate, N: o.n, For: o.length, Sleeper: exactSleep}
}

// bench measures and reports. ctx ends it early, with a report.
func bench(ctx context.Context, o benchOptions, stdout, stderr io.Writer) error {
	r, err := o.measure(ctx, stderr)
	if err != nil {
		return err
	}
	r.Version = thisVersion().String()
	if o.format == "json" {
		err = r.writeJSON(stdout)
	} else {
		err = r.writeText(stdout)
	}
	if err == nil && r.failed() {
		return errReported
	}
	return err
}

func (o *benchOptions) measure(ctx context.Context, stderr io.Writer) (*benchReport, error) {
	if o.broker != "" || o.source != "" {
		return benchBroker(ctx, o, stderr)
	}
	return benchInProcess(ctx, o, stderr)
}

// exactSleep is how a schedule of thousands a second waits, without holding up others.
func exactSleep() (sleep func(time.Duration), end func()) {
	t := pacing.NewTimer()
	return t.Sleep, t.Close
}
