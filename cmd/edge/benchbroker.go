package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"edge/internal/jsonscan"
	"edge/internal/loadtest"
	"edge/internal/mqttconn"
)

const (
	openEvery   = 100 * time.Millisecond // a message, until the first output comes
	linger      = 300 * time.Millisecond // for further copies of the last output
	mostUnacked = 4096                   // by the broker, over all connections
)

// benchBroker publishes to a broker at which edge runs elsewhere, and holds what comes out against it.
func benchBroker(ctx context.Context, o *benchOptions, stderr io.Writer) (*benchReport, error) {
	messages, err := o.newTraffic(true)
	if err != nil {
		return nil, err
	}
	if o.pid != 0 {
		if _, err := loadtest.UsageOf(o.pid); err != nil {
			return nil, fmt.Errorf("--pid: %w", err)
		}
	}
	b := &benchWire{benchOptions: o, messages: messages, ledger: loadtest.NewLedger(o.plan().Planned()),
		number:  time.Now().UnixMicro(), // so that what a broker retained of an earlier run is not taken for an output of this one
		unacked: make(chan struct{}, mostUnacked), slots: make([]jsonscan.Value, 1)}
	b.outField = jsonscan.NewPlan([][]string{strings.Split(o.outID, ".")})
	if err := b.connect(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))); err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.connected(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "publishing to %s, listening for %s at %s\n", b.to, strings.Join(o.outFilters, ", "), b.at)
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	r := &benchReport{Mode: "broker", What: messages.what, Target: b.to, Cores: runtime.NumCPU()}
	if err := b.measure(ctx, r); err != nil {
		return nil, err
	}
	return r, nil
}

// A benchWire is the connections of a run against a broker.
type benchWire struct {
	*benchOptions
	messages   *traffic
	ledger     *loadtest.Ledger
	publishers []*mqttconn.Conn
	listener   *mqttconn.Conn
	to, at     string // the addresses, for people

	unacked  chan struct{} // one for each message that the broker has not acknowledged: its bound
	number   int64         // of the message sent last
	unsent   atomic.Int64
	lastErr  atomic.Pointer[error]
	silent   bool // outputs stopped coming
	outField *jsonscan.Plan
	slots    []jsonscan.Value // of the goroutine that listens
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *benchWire) close() {
	for _, c := range append(b.publishers, b.listener) {
		_ = c.Close() // all that mattered has been waited for
	}
}

// take is given each output.
func (b *benchWire) take(d *mqttconn.Delivery) bool {
	now := time.Now()
	m := &d.Message
	err := b.outField.Scan(m.Payload, 0, b.slots)
	b.ledger.Came(b.slots[0].Int(), err == nil && b.slots[0].Kind == jsonscan.Int, m.Topic, now)
	d.Settle()
	return true
}

func (b *benchWire) failed(number int64, err error) {
	b.ledger.Unsent(number)
	b.unsent.Add(1)
	b.lastErr.Store(&err)
}

// open sends one message after the other that must come out, until one does.
func (b *benchWire) open(ctx context.Context) error {
	next, sent := int64(0), 0
	for deadline := time.Now().Add(b.patience); ; {
		for !b.messages.at(next).expected {
			next++
		}
		b.publish(ctx, b.messages.at(next), time.Now())
		next++
		sent++
		if err := pause(ctx, openEvery); err != nil {
			return err
		}
		c := b.ledger.Counts()
		switch {
		case c.Seen > 0:
			return nil
		case time.Now().Before(deadline):
		case c.Unnumbered > 0:
			return fmt.Errorf("%d outputs came in %v, and none has the number of its message in the field %s: say `%s: payload.%s` in the map of the rules, or say with --out-id which field has it",
				c.Unnumbered, b.patience, b.outID, b.outID, b.id)
		case c.Outputs > 0:
			return fmt.Errorf("outputs came, but of none of the %d messages that must come out: look at --expect and --out", sent)
		default:
			return fmt.Errorf("nothing came on %s for %d messages in %v: is edge connected to %s, do its rules hear %s, and do they send to %s? Which messages must come out says --expect",
				strings.Join(b.outFilters, ", "), sent, b.patience, b.to, b.messages.at(next-1).topic, strings.Join(b.outFilters, ", "))
		}
	}
}

// publish sends a message under the next number; false when ctx has ended before it was sent.
func (b *benchWire) publish(ctx context.Context, m *benchMessage, due time.Time) bool {
	select {
	case b.unacked <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	b.number++
	number := b.number
	b.ledger.Sent(number, m.key, due, m.expected)
	err := b.publishers[m.key%len(b.publishers)].Send(ctx, &mqttconn.Outgoing{
		Topic: m.topic, Payload: m.payload(nil, number, due), QoS: byte(b.qos),
		Done: func(p *mqttconn.Outgoing) { // called when the broker has it, or will never have it
			if p.Err != nil {
				b.failed(number, p.Err)
			}
			<-b.unacked
		}})
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil: // while it waited for the broker: it is as if it had never been due
		b.ledger.Unsent(number)
		<-b.unacked
		return false
	}
	b.failed(number, err)
	<-b.unacked
	_ = pause(ctx, 10*time.Millisecond) // the broker may be away
	return true
}

// send is publish as a plan wants it: without a schedule it waits until there is room on the way.
func (b *benchWire) send(ctx context.Context, i int64, due time.Time) bool {
	if b.rate == 0 {
		if !b.waitForRoom(ctx) {
			return false
		}
		due = time.Now()
	}
	return b.publish(ctx, b.messages.at(i), due)
}

func (b *benchWire) waitForRoom(ctx context.Context) bool {
	began := time.Now()
	for b.ledger.Awaited() >= b.inFlight {
		timer := time.NewTimer(b.wait)
		select {
		case <-b.ledger.Room():
		case <-timer.C:
			last := b.ledger.Last()
			if last.Before(began) {
				last = began
			}
			b.silent = time.Since(last) >= b.wait
		case <-ctx.Done():
		}
		timer.Stop()
		if b.silent || ctx.Err() != nil {
			return false
		}
	}
	return true
}

// measure runs the plan and writes what came of it into r.
func (b *benchWire) measure(ctx context.Context, r *benchReport) error {
	b.ledger.Begin(b.number + 1)
	b.unsent.Store(0)
	own, _ := ownUsage()
	var before, after loadtest.Usage
	var err error
	if b.pid != 0 {
		if before, err = loadtest.UsageOf(b.pid); err != nil {
			return fmt.Errorf("--pid: %w", err)
		}
	}
	plan := b.plan()
	sent := plan.Run(ctx, func(i int64, due time.Time) bool { return b.send(ctx, i, due) })
	through := b.settle(sent.Ended)
	if b.pid != 0 {
		if after, err = loadtest.UsageOf(b.pid); err != nil {
			r.note("the CPU of edge is not known: %v", err)
		} else if sent.Messages > 0 {
			cpu := after.CPU - before.CPU
			r.CPU, r.Peak = new(rounded(float64(cpu)/1e3/float64(sent.Messages))), after.Peak
			r.Busy = new(rounded(cpu.Seconds() / through.Sub(sent.Began).Seconds()))
		}
	}
	r.Outputs = new(b.ledger.Counts())
	r.setSent(sent, plan, ctx.Err() != nil)
	r.NotSent += b.unsent.Load()
	r.setLatency(&b.ledger.Latency)
	r.Seconds = through.Sub(sent.Began).Seconds()
	if r.Seconds > 0 {
		r.PerSecond = float64(sent.Messages) / r.Seconds
	}
	if now, ok := ownUsage(); ok && r.Seconds > 0 {
		r.Own = new(rounded((now.CPU - own.CPU).Seconds() / r.Seconds))
	}
	b.notes(r)
	return nil
}

// settle waits for the outputs of what was sent, and says when the last came, or else when all was sent.
func (b *benchWire) settle(ended time.Time) (through time.Time) {
	// Ctrl-C ends the sending: what is on its way is waited for all the same, and a second one ends that.
	ctx := context.Background()
	for quiet := ended; b.ledger.Awaited() > 0 && time.Since(quiet) < b.wait && !b.silent; {
		_ = pause(ctx, 5*time.Millisecond)
		if last := b.ledger.Last(); last.After(quiet) {
			quiet = last
		}
	}
	through = ended
	if last := b.ledger.Last(); last.After(through) {
		through = last
	}
	_ = pause(ctx, linger)
	return through
}

func (b *benchWire) notes(r *benchReport) {
	c := r.Outputs
	if b.silent {
		r.note("ended early: %d messages that must come out were on their way, and no output came for %v", b.inFlight, b.wait)
	}
	if c.Lost > 0 && b.expect == "" {
		r.note("if rules drop some messages by design, say with --expect which must come out")
	}
	if c.Unnumbered > 0 {
		r.note("%d outputs have no number in the field %s that is known: results of windows, or of other messages, or of too long ago", c.Unnumbered, b.outID)
	}
	if c.Duplicates > 0 && len(b.outFilters) > 0 {
		r.note("two rules that send to one topic make what counts as duplicates; --out can name the topics of one of them")
	}
	if err := b.lastErr.Load(); err != nil && r.NotSent > 0 {
		r.note("not sent: %v", *err)
	}
	lost := uint64(0)
	for _, conn := range append(b.publishers, b.listener) {
		if n := conn.Stats().Connects; n > 1 {
			lost += n - 1
		}
	}
	if lost > 0 {
		r.note("connections of edge bench itself were lost %d times: what is lost or doubled may be its own", lost)
	}
}
