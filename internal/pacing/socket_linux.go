package pacing

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is read and written past the runtime's accounting of system calls (calls_linux.go), as its calls never
// block. That accounting wakes the runtime's monitor thread, which in a process that sleeps most of the time costs
// as much as the rest of a message.
type socket struct {
	conn syscall.RawConn

	// Of the goroutine that reads.
	b     []byte
	wait  bool
	n     int
	err   error
	reads int
	look  func(fd uintptr) bool
}

// One read in so many is a system call that the runtime knows of: its monitor is to see what runs for long.
const knownRead = 64

func (s *socket) init(tcp *net.TCPConn) (err error) {
	s.conn, err = tcp.SyscallConn()
	s.look = func(fd uintptr) bool {
		read := rawRead
		if s.reads++; s.reads%knownRead == 0 {
			read = unix.Read
		}
		for {
			if s.n, s.err = read(int(fd), s.b); s.err != unix.EINTR {
				return !s.wait || s.err != unix.EAGAIN
			}
		}
	}
	return err
}

// read reads what is there; else it waits, or gives errNothing.
func (s *socket) read(b []byte, wait bool) (int, error) {
	s.b, s.wait = b, wait
	err := s.conn.Read(s.look)
	s.b = nil
	switch {
	case err != nil:
		return 0, err
	case s.err == unix.EAGAIN:
		return 0, errNothing
	case s.err != nil:
		return 0, os.NewSyscallError("read", s.err)
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// write writes all of b, and waits while the socket is full.
func (s *socket) write(b []byte) (n int, err error) {
	var failed error
	err = s.conn.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, err := rawWrite(int(fd), b[n:])
			switch err {
			case nil:
				n += m
			case unix.EINTR:
			case unix.EAGAIN:
				return false
			default:
				failed = os.NewSyscallError("write", err)
				return true
			}
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return n, err
}

// wakeAt has the kernel report the socket as readable from so many bytes on (SO_RCVLOWAT). What is told earlier
// wakes the process, whether somebody waits for it or not.
func (s *socket) wakeAt(bytes int) bool {
	var failed error
	err := s.conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	})
	return err == nil && failed == nil
}

// A Timer sleeps more exactly than the runtime, which when nothing else is to be done rounds to a millisecond. It
// belongs to one goroutine, and holds up no other.
type Timer struct {
	file  *os.File // nil: the system has no such timer
	conn  syscall.RawConn
	after unix.ItimerSpec
	armed bool
	arm   func(fd uintptr) bool
}

// NewTimer makes a timer, which is as exact as the system allows.
func NewTimer() *Timer {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &Timer{}
	}
	t := &Timer{file: os.NewFile(uintptr(fd), "timer")} // is waited for as a socket is
	if t.conn, err = t.file.SyscallConn(); err != nil {
		t.Close()
		return &Timer{}
	}
	t.arm = func(fd uintptr) bool {
		if t.armed {
			return true // it has gone off; the next setting clears that
		}
		t.armed = true
		_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&t.after)), 0, 0, 0)
		return errno != 0
	}
	return t
}

func (t *Timer) exact() bool { return t.file != nil }

// Sleep waits for d to pass.
func (t *Timer) Sleep(d time.Duration) {
	switch {
	case d <= 0:
	case !t.exact():
		time.Sleep(d)
	default:
		t.after.Value = unix.NsecToTimespec(int64(d))
		t.armed = false
		_ = t.conn.Read(t.arm) // where that fails there is no delay, and nothing else amiss
	}
}

// Close gives the timer back to the system.
func (t *Timer) Close() {
	if t.exact() {
		t.file.Close()
	}
}
