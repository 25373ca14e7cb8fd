package main

import (
	"os"
	"runtime/debug"
	"slices"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// giveBackCode lets go of the pages of the program's own file that were needed so far: most of them for loading
// alone. What is needed again comes back from the file's cache at its first use. Where it fails nothing is amiss.
func giveBackCode() {
	file, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	self, err := procfs.Self()
	if err != nil {
		return
	}
	info, ok := debug.ReadBuildInfo()
	fixed := ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-buildmode", Value: "exe"})
	mappings, err := self.ProcMaps()
	if err != nil {
		return
	}
	for _, m := range mappings {
		// Of pages that nobody writes to there is nothing to lose. In a program that runs at any address (PIE) the
		// loader has written to some that are read-only by now.
		if m.Pathname == file && !m.Perms.Write && (m.Perms.Execute || fixed) {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.StartAddr, m.EndAddr-m.StartAddr, unix.MADV_DONTNEED)
		}
	}
}
