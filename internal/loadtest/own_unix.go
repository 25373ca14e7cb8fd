//go:build unix

package loadtest

import (
	"syscall"
	"time"
)

// Own is what this process has used; false where that cannot be known.
func Own() (u Usage, ok bool) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return u, false
	}
	return Usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Peak: peakOf("/proc/self/status")}, true
}
