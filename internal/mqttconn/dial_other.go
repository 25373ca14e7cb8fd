//go:build !linux

package mqttconn

import (
	"net"
	"time"
)

// setUserTimeout is Linux only; elsewhere the deadline on writes notices a peer that is gone.
func setUserTimeout(net.Conn, time.Duration) {}
