//go:build !linux

package pacing

import (
	"net"
	"time"
)

// Elsewhere a connection is never busy, and read and written as usual.
type socket struct{ net.Conn }

func (s *socket) init(tcp *net.TCPConn) error { s.Conn = tcp; return nil }

func (s *socket) read(b []byte, _ bool) (int, error) { return s.Read(b) }
func (s *socket) write(b []byte) (int, error)        { return s.Write(b) }
func (s *socket) wakeAt(int) bool                    { return false }

// A Timer is the runtime's.
type Timer struct{}

// NewTimer makes a timer, which is as exact as the system allows.
func NewTimer() *Timer { return &Timer{} }

func (*Timer) exact() bool { return false }

// Sleep waits for d to pass.
func (*Timer) Sleep(d time.Duration) { time.Sleep(d) }

// Close gives the timer back to the system.
func (*Timer) Close() {}
