package pacing_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"edge/internal/pacing"
)

// pair is the two ends of a connection, the first of them paced.
func pair(t *testing.T, urgent *atomic.Int32) (*pacing.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return pacing.New(near, urgent).(*pacing.Conn), far.(*net.TCPConn)
}

// busy gives both ends of a connection that is busy, and what was written so far is read. Its reader is the test.
func busy(t *testing.T, urgent *atomic.Int32) (*pacing.Conn, *net.TCPConn) {
	t.Helper()
	near, far := pair(t, urgent)
	b, next, sent := make([]byte, 4096), byte(0), byte(0)
	write := func() {
		if _, err := far.Write([]byte{sent}); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	read := func() {
		n, err := near.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range b[:n] {
			if got != next {
				t.Fatalf("%d came, not %d", got, next)
			}
			next++
		}
	}
	for !near.Busy() { // in turns, for which one CPU is enough
		write()
		read()
	}
	for range 100 {
		write()
	}
	for next != sent {
		read()
	}
	return near, far
}

// What comes one at a time is waited for.
func TestCalm(t *testing.T) {
	near, far := pair(t, new(atomic.Int32))
	b := make([]byte, 100)
	for i := range 50 {
		time.AfterFunc(2*time.Millisecond, func() { far.Write([]byte{byte(i)}) })
		if n, err := near.Read(b); n != 1 || err != nil || b[0] != byte(i) {
			t.Fatal(n, err, b[0])
		}
		if near.Busy() {
			t.Fatal("busy")
		}
	}
}

// What ceases to come is waited for again.
func TestBusyEnds(t *testing.T) {
	near, far := busy(t, new(atomic.Int32))
	got := make(chan byte)
	go func() {
		b := make([]byte, 100)
		near.Read(b)
		got <- b[0]
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for near.Busy() {
		<-tick.C
	}
	far.Write([]byte{7})
	if b := <-got; b != 7 {
		t.Error(b)
	}
}

// Where somebody waits for each message there is no delay, and from then on, should it become so.
func TestUrgent(t *testing.T) {
	near, far := pair(t, pacing.Always)
	b := make([]byte, 100)
	for i := range 2000 {
		far.Write([]byte{byte(i)})
		if n, err := near.Read(b); n != 1 || err != nil || b[0] != byte(i) {
			t.Fatal(n, err, b[0])
		}
		if near.Busy() {
			t.Fatal("busy")
		}
	}
	var urgent atomic.Int32
	near, far = busy(t, &urgent)
	urgent.Add(1)
	far.Write([]byte{7})
	if n, err := near.Read(b); n != 1 || err != nil || near.Busy() {
		t.Error(n, err, near.Busy())
	}
}

func TestEndWhileBusy(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(near *pacing.Conn, far *net.TCPConn)
		want error
	}{
		"end of stream": {func(_ *pacing.Conn, far *net.TCPConn) { far.Close() }, io.EOF},
		"reset":         {func(_ *pacing.Conn, far *net.TCPConn) { far.SetLinger(0); far.Close() }, nil},
		"closed":        {func(near *pacing.Conn, _ *net.TCPConn) { near.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := busy(t, new(atomic.Int32))
			test.end(near, far)
			n, err := near.Read(make([]byte, 100))
			if n != 0 || err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Error(n, err)
			}
			if near.Busy() {
				t.Error("still busy")
			}
		})
	}
}

func TestDeadlineWhileBusy(t *testing.T) {
	near, far := busy(t, new(atomic.Int32))
	near.SetReadDeadline(time.Unix(1, 0))
	b := make([]byte, 100)
	if _, err := near.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	near.SetReadDeadline(time.Time{})
	far.Write([]byte{7})
	if n, err := near.Read(b); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// A peer that does not read makes Write wait.
func TestWriteWhileBusy(t *testing.T) {
	near, far := busy(t, new(atomic.Int32))
	large := bytes.Repeat([]byte("0123456789"), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		n, err := near.Write(large)
		if n != len(large) && err == nil {
			err = io.ErrShortWrite
		}
		wrote <- err
	}()
	got := make([]byte, len(large))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, large) {
		t.Error("not what was written", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	far.Close()
	for {
		if _, err := near.Write(large[:100]); err != nil {
			break
		}
	}
}
