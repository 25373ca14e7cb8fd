package main

import (
	"os"

	"edge/internal/loadtest"
)

// ownUsage is what this process has used; false where that cannot be known.
func ownUsage() (u loadtest.Usage, ok bool) {
	if u, err := loadtest.UsageOf(os.Getpid()); err == nil {
		u.CPU = cpuTime() // finer
		return u, true
	}
	u.CPU = cpuTime()
	return u, u.CPU > 0
}
