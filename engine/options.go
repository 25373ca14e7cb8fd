package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits bound what an engine holds at one time. The zero value stands for the defaults.
type Limits struct {
	Messages    int           // received and not settled yet; 1000
	Bytes       int64         // their payloads; 16 MiB
	StopTimeout time.Duration // how long Stop may take; 10s
	Lanes       int           // goroutines that run the program; GOMAXPROCS
}

// Batch says how many messages one Write gets. Without MaxWait a batch is what arrived during the last
// Write; with it a Write waits that long for MaxCount messages.
type Batch struct {
	MaxCount int           `yaml:"max_count,nonzero"`      // 256
	MaxBytes int64         `yaml:"max_bytes,size,nonzero"` // 1 MiB
	MaxWait  time.Duration `yaml:"max_wait"`
}

// Retry says how long and how often a message that a sink did not take is tried again.
type Retry struct {
	Backoff    Backoff       `yaml:"backoff"`
	MaxElapsed time.Duration `yaml:"max_elapsed"` // since the first try, or since it waits for others to be tried again; then it is rejected as expired. 0: never
}

// Backoff is the range of the pause between two tries. It doubles from Min to Max with every failure and is
// drawn anew between zero and that each time (full jitter), so that many boxes do not come back at once. A
// success starts it over. In YAML it is one scalar: 500ms..30s.
type Backoff struct {
	Min time.Duration // 200ms
	Max time.Duration // 10s
}

// Buffer bounds the queue before a sink.
type Buffer struct {
	Type     BufferType    `yaml:"type"`                  // memory
	MaxSize  int64         `yaml:"max_size,size,nonzero"` // 4 MiB in memory: payload, address, headers and 128 bytes a message; 256 MiB on disk: of files
	MaxAge   time.Duration `yaml:"max_age"`               // since it came into the queue; older ones are dropped. 0: none
	WhenFull WhenFull      `yaml:"when_full"`             // block
}

// A BufferType says where a queue keeps its messages.
type BufferType string

// The types of a buffer.
const (
	InMemory BufferType = "memory"
	OnDisk   BufferType = "disk"
)

// WhenFull says what happens to a message for which a queue has no room.
type WhenFull string

// The policies of a full queue.
const (
	Block      WhenFull = "block"       // the lane waits, and with it the source
	DropOldest WhenFull = "drop_oldest" // of those that are not being written
	DropNewest WhenFull = "drop_newest"
)

// A RetryAfter is the error of a sink whose destination said when to come again, as HTTP does with 429.
type RetryAfter struct {
	After time.Duration
	Err   error
}

func (r *RetryAfter) Error() string { return fmt.Sprintf("%v; try again after %v", r.Err, r.After) }
func (r *RetryAfter) Unwrap() error { return r.Err }

// A SinkSetup is a sink and how its queue treats it. Kind is what it is, such as "nats": a name that gets a
// sink of another kind gets a new queue, since messages for the one mean nothing to the other.
//
// Disk is where a buffer of type OnDisk keeps its messages; without it they are in memory. With a buffer in memory
// it is where there are still some, which are delivered first.
type SinkSetup struct {
	Sink   Sink
	Batch  Batch
	Retry  Retry
	Buffer Buffer
	Disk   *Disk
	Kind   string
}

// A SourceSetup is a source and the topic filters it shall listen to.
type SourceSetup struct {
	Source  Source
	Filters []string
}

// A Set is all that an engine runs at one time. What is the same object under the same name in the next one
// goes on untouched.
type Set struct {
	Program Program
	Sources map[string]SourceSetup
	Sinks   map[string]SinkSetup
}

// DecodeScalar reads a range such as 500ms..30s, or one duration for a pause that does not grow.
func (b *Backoff) DecodeScalar(text string) error {
	from, to, ranged := strings.Cut(text, "..")
	if !ranged {
		to = from
	}
	low, err := duration(strings.TrimSpace(from))
	if err != nil {
		return fmt.Errorf("wants a range of durations such as 500ms..30s, not %q", text)
	}
	high, err := duration(strings.TrimSpace(to))
	if err != nil {
		return fmt.Errorf("wants a range of durations such as 500ms..30s, not %q", text)
	}
	if low <= 0 || high < low {
		return fmt.Errorf("wants the shorter pause first and above zero, such as 500ms..30s, not %q", text)
	}
	b.Min, b.Max = low, high
	return nil
}

// DecodeScalar takes the types there are and no other.
func (t *BufferType) DecodeScalar(text string) error {
	switch v := BufferType(text); v {
	case InMemory, OnDisk:
		*t = v
		return nil
	}
	return fmt.Errorf("wants memory or disk, not %q", text)
}

// DecodeScalar takes the policies there are and no other.
func (w *WhenFull) DecodeScalar(text string) error {
	switch v := WhenFull(text); v {
	case Block, DropOldest, DropNewest:
		*w = v
		return nil
	}
	return fmt.Errorf("wants block, drop_oldest or drop_newest, not %q", text)
}

// duration reads what time.ParseDuration does, and days before it: 7d, 1d12h.
func duration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65535 days fit a Duration
	if err != nil {
		return 0, err
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}
