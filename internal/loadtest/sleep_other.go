//go:build !linux

package loadtest

import "time"

func preciseSleep() (release func()) { return func() {} }

func sleep(d time.Duration) { time.Sleep(d) }
