package loadtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// A Usage is what a process has used so far.
type Usage struct {
	CPU  time.Duration // of all its threads, user and system
	Peak int64         // bytes of memory it had at most; 0: not known
}

// ticks is how /proc counts: USER_HZ, which is 100 on all Linux that Go runs on.
const ticks = 100

// UsageOf reads what the process pid has used. It works on Linux alone.
func UsageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	// The name in brackets may hold anything; what comes after it is numbers, the state first.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, fmt.Errorf("process %d: /proc/%d/stat is not understood", pid, pid)
	}
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return u, fmt.Errorf("process %d: /proc/%d/stat: %w", pid, pid, err)
		}
		u.CPU += time.Duration(n) * time.Second / ticks
	}
	u.Peak = peakOf(fmt.Sprintf("/proc/%d/status", pid))
	return u, nil
}

func peakOf(status string) int64 {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(text, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
