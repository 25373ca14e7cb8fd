// Package cputimetest measures benchmarks by the CPU time that the process took, collector included. Neighbours on
// the machine disturb that less than the time on the clock.
package cputimetest

import (
	"syscall"
	"testing"
)

// Start begins to measure. What it returns ends that, and reports cpu-ns/op beside the benchmark's own ns/op:
//
//	stop := cputimetest.Start(b)
//	for b.Loop() { … }
//	stop()
func Start(b *testing.B) (stop func()) {
	b.Helper()
	began := used(b)
	return func() {
		b.Helper()
		b.ReportMetric(float64(used(b)-began)/float64(b.N), "cpu-ns/op")
	}
}

// used is what the process has taken so far, in nanoseconds, in the kernel too.
func used(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatalf("getrusage: %v", err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
