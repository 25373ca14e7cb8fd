package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"
)

// A version is what the linker noted about this binary.
type version struct {
	Version, Revision, Time, Go string
	Modified                    bool
}

var thisVersion = sync.OnceValue(func() version {
	v := version{Version: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
})

// String is short, for one line of a log.
func (v version) String() string {
	if v.Revision == "" {
		return v.Version
	}
	return v.Version + " (" + v.Revision + ")"
}

func versionCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which edge this is",
		Args:  cobra.NoArgs,
		RunE: checked(func(*cobra.Command, []string) error {
			v := thisVersion()
			fmt.Fprintf(stdout, "edge %s %s %s/%s\n", v.Version, v.Go, runtime.GOOS, runtime.GOARCH)
			if v.Revision != "" {
				dirty := ""
				if v.Modified {
					dirty = ", with changes"
				}
				fmt.Fprintf(stdout, "revision %s of %s%s\n", v.Revision, v.Time, dirty)
			}
			return nil
		}),
	}
}
