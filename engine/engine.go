package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Source receives messages.
type Source interface {
	// Run connects and hands each message to next, in the order received, until ctx ends; it reconnects by
	// itself and returns an error only when trying again cannot help. When ctx ends it stops receiving; the
	// connection lives until Close, so that acknowledgements and sinks that share it still go out.
	//
	// next never blocks. It returns false when the bound on messages in flight is reached: the message was
	// not taken and will not be settled. The source then drops it (QoS 0, counted as overload) or has it
	// delivered again later (QoS 1 and 2).
	Run(ctx context.Context, next func(*Message) bool) error
	// Subscribe replaces the set of topic filters, without a reconnect. It may be called before Run and
	// while it runs; it does not wait for a broker that is away.
	Subscribe(ctx context.Context, filters []string) error
	// Close sends what acknowledgements are left and ends the connection. Run has returned.
	Close() error
}

// A Program makes of one message those that sinks get. A compiled set of rules is one. Time comes in from
// outside, so that tests own the clock; now never goes back across Process and Tick: a call gets no earlier
// now than any call that began before it. Its wall part is that of the engine's start plus what passed since.
// Lanes and Tick run at the same time, so what they share must take the later of two nows.
type Program interface {
	// Lane returns a processor for one goroutine; what cannot be shared (a VM, scratch space) lives in it.
	Lane() Lane
	// Tick fires what is due at now (windows, absence, expiry) and says when the next is due, zero if
	// nothing is.
	Tick(now time.Time, emit Emit) (next time.Time)
}

// A Waker is a Program whose lanes set deadlines earlier than the one Tick returned last. It sends on the
// channel, without blocking (a capacity of one does), and Tick is called again to say when it is next due.
type Waker interface {
	Wakes() <-chan struct{}
}

// A Settler is a Program that holds messages until what it keeps of them is safe.
type Settler interface {
	// Settle waits until it has settled all that it can, or until ctx ends. Stop calls it when the queues are
	// drained, so that the acknowledgements still go out.
	Settle(ctx context.Context)
}

// A Lane runs a program for one goroutine.
type Lane interface {
	// Process handles m. It does not settle the branch it was called with: the engine does that when it
	// returns. What it emits holds m. A panic settles m as Failed and stops nothing else.
	Process(now time.Time, m *Message, emit Emit)
}

// Emit hands out to the queue of a sink. The queue takes over the one branch that out has. It may block
// while that queue is full and its policy is to block.
type Emit func(sink string, out *Message)

// A Sink delivers messages.
type Sink interface {
	// Write delivers batch and sets result[i] for each message: nil when the destination has accepted it; an
	// error that wraps ErrRejected is final; after any other the engine tries that message again, after a
	// *RetryAfter when that says. It may pipeline across keys, never within one: what comes behind a failed
	// message of its key fails too. It neither changes nor keeps a message after it returns, and returns soon
	// once ctx ends, which it does when the sink is replaced or the engine stops. The engine runs one Write of
	// a sink at a time. len(result) is len(batch), and each starts as an error, so that what Write forgot or
	// did not come to is tried again and not lost.
	Write(ctx context.Context, batch []*Message, result []error)
	// Close ends the connection. No Write runs.
	Close() error
}

var (
	// ErrRejected is wrapped by errors of a sink that trying again cannot mend.
	ErrRejected = errors.New("rejected")
	// ErrExpired is wrapped, and ErrRejected with it, when a message was given up because Retry.MaxElapsed
	// had passed or its queue ended.
	ErrExpired = fmt.Errorf("expired, and so %w", ErrRejected)
)
