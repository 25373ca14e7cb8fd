//go:build !linux

package pacing

import (
	"errors"
	"syscall"
	"time"
)

// A watch is Linux only; elsewhere no connection is ever busy.
type watch struct{}

func newWatch(syscall.RawConn) *watch { return nil }

func (*watch) sleep(time.Duration)      {}
func (*watch) read([]byte) (int, error) { return 0, errNothing }
func (*watch) wakeAt(int) bool          { return false }
func (*watch) close()                   {}

func write(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
