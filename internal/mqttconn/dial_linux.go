package mqttconn

import (
	"net"
	"syscall"
	"time"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT, which package syscall does not name on every architecture

// setUserTimeout makes the kernel give up on data that the peer has not acknowledged for this long. TCP
// keepalives do not run while data is under way, and retransmission alone takes a quarter of an hour.
func setUserTimeout(nc net.Conn, after time.Duration) {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	// Where the kernel refuses, the deadline on writes is what is left; nothing else depends on it.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(after.Milliseconds()))
	})
}
