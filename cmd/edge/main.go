// Command edge runs rules over messages: MQTT in; NATS, HTTP or MQTT out.
//
// This package wires everything and decides nothing: which files there are, who hears of what, when to stop.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"edge/internal/strictyaml"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes: what was asked for is wrong with the files or the machine, or with how it was asked.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A failure is an error of a command that was used as it should be.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// errReported is a failure that the command has written out already.
var errReported = failure{errors.New("")}

// execute runs one command line and gives the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "edge",
		Short:         "Rules for messages at the edge: MQTT in; NATS, HTTP or MQTT out",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return errors.New("say what to do: edge run, lint, test, eval, bench or version")
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(stderr), lintCommand(stdout, stderr), testCommand(stdout, stderr), evalCommand(stdin, stdout), benchCommand(stdout, stderr), versionCommand(stdout))
	root.SetArgs(dashed(withLongRun(args)))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	command, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	if f, ok := errors.AsType[failure](err); ok {
		// Errors of files stand for themselves, so that terminals make links of them.
		if list, ok := errors.AsType[strictyaml.Errors](f.error); ok {
			fmt.Fprintln(stderr, list)
		} else {
			fmt.Fprintln(stderr, "edge:", f.error)
		}
		return exitFailed
	}
	fmt.Fprintf(stderr, "edge: %v\nsee %s --help\n", err, command.CommandPath())
	return exitUsage
}

// checked marks what a command returns as a failure, to tell it from wrong usage, which cobra finds.
func checked(f func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := f(c, args); err != nil {
			return failure{err}
		}
		return nil
	}
}

func runCommand(stderr io.Writer) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the rules until SIGTERM or Ctrl-C; edited files take effect by themselves",
		Example: `  edge run
  edge run -c /etc/edge/edge.yaml -r /etc/edge/rules`,
		Args: cobra.NoArgs,
		RunE: checked(func(*cobra.Command, []string) error {
			if o.rules == "" {
				o.rules = filepath.Join(filepath.Dir(o.config), "rules")
			}
			ctx, hup, release := signals(stderr)
			defer release()
			return run(ctx, o, hup, stderr)
		}),
	}
	f := c.Flags()
	f.StringVarP(&o.config, "config", "c", "edge.yaml", "connections and limits")
	f.StringVarP(&o.rules, "rules", "r", "", "folder of rule files (default: rules beside edge.yaml)")
	f.Var((*duration)(&o.stopAt), "for", "stop by itself after this time, such as 20m")
	f.Var(&choice{&o.level, logLevels}, "log-level", "debug, info, warn or error, instead of edge.yaml's")
	f.Var(&choice{&o.format, logFormats}, "log-format", "text or json, instead of edge.yaml's")
	return c
}

// signals turns the first SIGTERM or Ctrl-C into the end of ctx, the second into the end of the process.
func signals(stderr io.Writer) (ctx context.Context, hup <-chan os.Signal, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop, again := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(again, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-stop:
			cancel(fmt.Errorf("signal %v", s))
		case <-done:
			return
		}
		select {
		case s := <-stop:
			fmt.Fprintf(stderr, "edge: signal %v again: exit at once\n", s)
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return ctx, again, func() {
		signal.Stop(stop)
		signal.Stop(again)
		close(done)
		cancel(nil)
	}
}

// A duration is a flag that takes days too, as the files do.
type duration time.Duration

func (d *duration) Set(s string) error {
	v, err := strictyaml.ParseDuration(s)
	if err != nil {
		return err
	}
	if v <= 0 {
		return errors.New("wants a time above zero")
	}
	*d = duration(v)
	return nil
}

func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (*duration) Type() string { return "duration" }

// A choice is a flag that takes one of a few words.
type choice struct {
	value *string
	words []string
}

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("wants one of %s", strings.Join(c.words, ", "))
	}
	*c.value = s
	return nil
}

func (c *choice) String() string { return *c.value }
func (*choice) Type() string     { return "word" }
