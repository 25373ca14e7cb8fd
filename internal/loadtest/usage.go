package loadtest

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// A Usage is what a process has used so far.
type Usage struct {
	CPU  time.Duration // of all its threads, user and system
	Peak int64         // bytes of memory it had at most; 0: not known
}

// UsageOf reads what the process pid has used. It works on Linux alone.
func UsageOf(pid int) (u Usage, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	u.CPU = time.Duration(stat.CPUTime() * float64(time.Second))
	if status, err := p.NewStatus(); err == nil {
		u.Peak = int64(status.VmHWM)
	}
	return u, nil
}
