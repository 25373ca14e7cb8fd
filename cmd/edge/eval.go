package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"edge/internal/strictyaml"
	"edge/rules"
)

func evalCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var folder, topic string
	c := &cobra.Command{
		Use:   "eval 'EXPR' < msg.json",
		Short: "Compute an expression over the payload on standard input and print the value as JSON",
		Example: `  echo '{"t": 21.5}' | edge eval 'round(payload.t * 1.8 + 32, 1)'
  edge eval -r rules/ 'transform(payload.coordinates, "F3", "building")' < robot.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("wants one expression, in quotes so that the shell leaves it whole, not %d words", len(args))
			}
			return nil
		},
		RunE: checked(func(_ *cobra.Command, args []string) error {
			files, err := evalFiles(folder)
			if err != nil {
				return err
			}
			if isTerminal(stdin) {
				fmt.Fprintln(os.Stderr, "reading the payload from standard input; end it with Ctrl-D")
			}
			payload, err := io.ReadAll(io.LimitReader(stdin, maxPayload+1))
			if err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			if len(payload) > maxPayload {
				return fmt.Errorf("standard input: the payload has more than %d MiB", maxPayload>>20)
			}
			value, err := rules.Eval(args[0], payload, topic, files, rules.Env{Getenv: os.LookupEnv, Payload: maxPayload, ReadFile: readTableFile})
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s\n", value)
			return nil
		}),
	}
	c.Flags().StringVarP(&folder, "rules", "r", "", "folder of rule files, for the frames, zones and tables in them")
	c.Flags().StringVar(&topic, "topic", "", "the topic the message came in on")
	return c
}

// dashed keeps an expression such as -7 % 3 or -payload.x from being taken for a flag.
func dashed(args []string) []string {
	if len(args) == 0 || args[0] != "eval" || slices.Contains(args, "--") {
		return args
	}
	i := slices.IndexFunc(args, func(arg string) bool {
		if len(arg) < 2 || arg[0] != '-' || arg[1] == '-' {
			return false
		}
		return arg[1] != 'r' && arg[1] != 'h' || strings.Contains(arg, "(") // -r and -h are flags, -round(x) is none
	})
	if i < 0 {
		return args
	}
	// Flags come before -- , whatever their order was.
	args = slices.Clone(args)
	expression := args[i]
	return append(slices.Delete(args, i, i+1), "--", expression)
}

// maxPayload is larger than what edge run takes by default: eval is there to look at what is odd.
const maxPayload = 16 << 20

func evalFiles(folder string) (list []rules.File, err error) {
	if folder == "" {
		return nil, nil
	}
	var errs strictyaml.Errors
	names, err := ruleFiles(folder, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %s", folder, reason(err))
	}
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			errs.Add(strictyaml.Pos{File: name, Line: 1, Column: 1}, "%s", reason(err))
			continue
		}
		f := rules.File{Name: name, Data: data}
		if !looksLikeConfig(f) {
			list = append(list, f)
		}
	}
	return list, errs.Err()
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0
}
