package loadtest

import (
	"runtime"
	"syscall"
	"time"
)

// The runtime's own timers are up to a millisecond late when nothing else runs, and the kernel adds 50 µs to be kind to
// batteries. A schedule of thousands a second wants better.

const prSetTimerSlack = 29

func preciseSleep() (release func()) {
	runtime.LockOSThread()
	// Not for the thread's sake, which gets the default back, but a failure only means less exact sleep.
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	return func() {
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 0, 0) // the default again
		runtime.UnlockOSThread()
	}
}

func sleep(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // who waits looks at the clock
}
