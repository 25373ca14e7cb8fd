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
	"syscall"
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

// A Conn is a TCP connection of which one goroutine at a time reads.
type Conn struct {
	*net.TCPConn
	raw  syscall.RawConn
	busy atomic.Bool
	each func()

	// Of the goroutine that reads.
	last  time.Time     // when data came
	mean  time.Duration // between reads
	full  bool          // the last read filled its buffer: there may be more
	watch *watch        // nil: it was not busy yet, or the system cannot do it
	tried bool
}

// New gives back nc as a *Conn, if it is a TCP connection.
func New(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc
	}
	return &Conn{TCPConn: tcp, raw: raw, mean: slowest}
}

// Each has the goroutine that reads call f before each look at a busy connection, and once when the connection
// is busy no more: what is to be written can wait for that. It is called before the first Read.
func (c *Conn) Each(f func()) { c.each = f }

// Busy says whether the connection is looked at at intervals. Any goroutine may call it, also for no Conn.
func (c *Conn) Busy() bool { return c != nil && c.busy.Load() }

// Read reads what is there, or waits for something to come.
func (c *Conn) Read(b []byte) (int, error) {
	for empty := 0; c.busy.Load() && len(b) > 0; empty++ {
		if !c.full {
			c.watch.sleep(Interval - time.Since(c.last))
			c.call()
		}
		n, err := c.watch.read(b)
		c.last, c.full = time.Now(), n == len(b)
		if n > 0 {
			return n, nil
		}
		if err != errNothing {
			c.calm()
			c.watch.close()
			c.watch = nil
			return 0, err
		}
		if empty == mostEmpty {
			c.calm()
		}
	}
	n, err := c.TCPConn.Read(b)
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
func (c *Conn) Write(b []byte) (int, error) {
	if c.busy.Load() {
		return write(c.raw, b)
	}
	return c.TCPConn.Write(b)
}

// begin makes the connection a busy one, if the system can do it.
func (c *Conn) begin() {
	if !c.tried {
		c.tried = true
		c.watch = newWatch(c.raw)
	}
	if c.watch != nil && c.watch.wakeAt(lowWater) {
		c.busy.Store(true)
	}
}

func (c *Conn) calm() {
	c.mean = slowest
	c.watch.wakeAt(1)
	c.busy.Store(false)
	c.call()
}

func (c *Conn) call() {
	if c.each != nil {
		c.each()
	}
}
