package pacing

import (
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A watch is what it takes of the kernel: a timer that is finer than the millisecond to which the runtime rounds,
// a read that does not wait, and that nobody is told meanwhile that the socket is readable (SO_RCVLOWAT), which
// would wake the process all the same.
//
// These calls never block, so that most go past the runtime's accounting of system calls (RawSyscall). With it
// each wakes the runtime's monitor thread, which in a process that sleeps most of the time costs as much as the rest.
type watch struct {
	conn  syscall.RawConn
	file  *os.File
	timer syscall.RawConn

	after unix.ItimerSpec
	armed bool
	arm   func(fd uintptr) bool

	b     []byte
	n     int
	errno unix.Errno
	looks int
	look  func(fd uintptr) bool
}

// One look in so many is a system call that the runtime knows of: its monitor is to see what runs for long.
const knownLook = 64

func newWatch(conn syscall.RawConn) *watch {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), "timer") // is waited for as a socket is
	timer, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil
	}
	w := &watch{conn: conn, file: file, timer: timer}
	w.arm = func(fd uintptr) bool {
		if w.armed {
			return true // it has gone off; the next setting clears that
		}
		w.armed = true
		_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&w.after)), 0, 0, 0)
		return errno != 0
	}
	w.look = func(fd uintptr) bool {
		call := unix.RawSyscall
		if w.looks++; w.looks%knownLook == 0 {
			call = unix.Syscall
		}
		n, _, errno := call(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&w.b[0])), uintptr(len(w.b)))
		w.n, w.errno = int(n), errno
		return true
	}
	return w
}

func (w *watch) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	w.after.Value = unix.NsecToTimespec(int64(d))
	w.armed = false
	w.timer.Read(w.arm) // where it fails there is no delay, and nothing else amiss
}

// read gives errNothing where it would have to wait.
func (w *watch) read(b []byte) (int, error) {
	w.b = b
	err := w.conn.Read(w.look)
	w.b = nil
	switch {
	case err != nil:
		return 0, err
	case w.errno == unix.EAGAIN || w.errno == unix.EINTR:
		return 0, errNothing
	case w.errno != 0:
		return 0, os.NewSyscallError("read", w.errno)
	case w.n == 0:
		return 0, io.EOF
	}
	return w.n, nil
}

// wakeAt has the kernel report the socket as readable from so many bytes on.
func (w *watch) wakeAt(bytes int) bool {
	var failed error
	err := w.conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	})
	return err == nil && failed == nil
}

func (w *watch) close() { w.file.Close() }

// write writes all of b, and waits only while the socket is full.
func write(conn syscall.RawConn, b []byte) (n int, err error) {
	var errno unix.Errno
	err = conn.Write(func(fd uintptr) bool {
		for n < len(b) {
			var m uintptr
			m, _, errno = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&b[n])), uintptr(len(b)-n))
			switch errno {
			case 0:
				n += int(m)
			case unix.EINTR:
			case unix.EAGAIN:
				return false
			default:
				return true
			}
		}
		return true
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("write", errno)
	}
	return n, err
}
