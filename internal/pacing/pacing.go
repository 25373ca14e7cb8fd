// Package pacing makes a busy connection cost less: its messages are read a few at a time.
//
// Who reads a socket as soon as it is readable is woken for each message, when the sender writes each by itself
// as brokers do, and to be woken costs more than all that is done with the message. Network cards spare their
// drivers interrupts in the same way (interrupt moderation): while data comes in quick succession, it is not
// waited for but looked for at intervals, in which several messages come. While it comes slowly nothing is delayed.
// docs/decisions/0007-batches.md has the numbers.
package pacing

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

const (
	// Interval is the time between two looks at a busy connection: what a message may be delayed by.
	Interval = 250 * time.Microsecond

	busyBelow = 200 * time.Microsecond // mean time between reads
	slowest   = time.Millisecond       // as which a longer time counts
	mostEmpty = 4                      // looks in a row that find nothing, until the connection is not busy any more

	// So many bytes end the wait before its time.
	lowWater = 64 << 10
)

var errNothing = errors.New("there is nothing to read")

// A Conn is a TCP connection, of which one goroutine at a time reads.
type Conn struct {
	net.Conn // a *net.TCPConn; its own ways to read and write are not for use
	socket   socket
	urgent   *atomic.Int32
	busy     atomic.Bool

	// Of the goroutine that reads.
	last  time.Time     // when data came
	mean  time.Duration // between reads
	full  bool          // the last read filled its buffer: there may be more
	timer *Timer        // nil: the connection was not busy yet
}

// Always is for connections of which every message is waited for.
var Always = func() *atomic.Int32 {
	var n atomic.Int32
	n.Store(1)
	return &n
}()

// New makes a *Conn of nc, if that is a TCP connection. While urgent, which counts those who wait for an answer
// before they send more, is above zero, nothing is delayed.
func New(nc net.Conn, urgent *atomic.Int32) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	c := &Conn{Conn: nc, urgent: urgent, mean: slowest}
	if err := c.socket.init(tcp); err != nil {
		return nc
	}
	return c
}

// Read reads what is there, or waits for something to come.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for empty := 0; c.busy.Load(); empty++ {
		if c.urgent.Load() > 0 {
			c.calm()
			break
		}
		if !c.full {
			c.timer.Sleep(Interval - time.Since(c.last))
		}
		n, err := c.socket.read(b, false)
		c.last, c.full = time.Now(), n == len(b)
		if n > 0 {
			return n, nil
		}
		if err != errNothing {
			c.calm()
			c.release()
			return 0, err
		}
		if empty == mostEmpty {
			c.calm()
		}
	}
	n, err := c.socket.read(b, true)
	if err != nil {
		c.release()
	}
	if c.urgent.Load() > 0 {
		c.mean = slowest
		return n, err
	}
	now := time.Now()
	if n > 0 && n < len(b) {
		c.mean += (min(now.Sub(c.last), slowest) - c.mean) / 8
		if c.mean < busyBelow {
			c.begin()
		}
	}
	c.last, c.full = now, n == len(b)
	return n, err
}

// Write writes all of b.
func (c *Conn) Write(b []byte) (int, error) { return c.socket.write(b) }

// CloseWrite ends what is sent.
func (c *Conn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// begin makes the connection a busy one, if the system can do it.
func (c *Conn) begin() {
	if c.timer == nil {
		c.timer = NewTimer()
	}
	if c.timer.exact() && c.socket.wakeAt(lowWater) {
		c.busy.Store(true)
	}
}

// release gives the timer back, since an error is most often the end.
func (c *Conn) release() {
	if c.timer != nil {
		c.timer.Close()
		c.timer = nil
	}
}

func (c *Conn) calm() {
	c.mean = slowest
	c.socket.wakeAt(1)
	c.busy.Store(false)
}
