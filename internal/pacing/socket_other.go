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

type timer struct{}

func newTimer() *timer             { return nil }
func (*timer) sleep(time.Duration) {}
func (*timer) close()              {}
