// Package mqttconn is one MQTT 5 connection that a source and any number of sinks share.
//
// The client is paho: it connects and reconnects, subscribes and says who we are (paho.go). PUBLISH and its
// acknowledgements are taken out of the stream before paho sees them (link.go), because the promises of
// edge are made of what client libraries keep to themselves: which connection an acknowledgement belongs
// to, what the broker sends again after a reconnect, whether an acknowledgement has left before the
// connection is closed. So the way in (inbound.go) remembers what it was given and settles a redelivery
// without handing it on again; the way out (outbound.go) keeps the order across a reconnect. Neither polls,
// and a message costs two allocations.
package mqttconn

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"

	"edge/internal/pacing"
)

// A Conn keeps one MQTT session alive, over one network connection after another.
type Conn struct {
	cfg  Config
	urls []*url.URL
	log  *slog.Logger

	receive func(*Delivery) bool
	topics  topicNames // of the reading goroutine alone

	urgent pacing.Urgency

	stop context.CancelFunc
	work sync.WaitGroup // goroutines of ours, beside run
	done chan struct{}  // closed when run has ended

	// Of the goroutine that connects.
	first int    // of urls: where we were connected last
	tried int    // how many, from there on, since the last pause
	where string // the one tried last

	mu      sync.Mutex                  // for all below; never held across a call of receive or of the network
	link    *link                       // nil while there is no connection
	manager *autopaho.ConnectionManager // nil while no requests can be made
	state   state
	in      inbound
	out     outbound
	subs    subscriptions
	window  int // the Receive Maximum of the next connection
	retry   backoff
	lastErr error
	warned  map[string]bool // what the log has said since the last connection
	stats   Stats
}

// The states of a Conn, in their order.
type state int

const (
	idle    state = iota // nothing is dialled yet
	running              //
	paused               // connected, takes no more messages
	closing              // says goodbye
	closed
)

// Stats is what a Conn counts, and how it is.
type Stats struct {
	Connected   bool
	Subscribed  bool   // connected, and the broker has granted every filter
	Connects    uint64 // connections made; less one: reconnects
	Received    uint64 // messages from the broker, of any QoS, redelivered ones too
	Redelivered uint64 // of these, those the broker has marked as sent before
	Copies      uint64 // of these, those that came once more for another of our filters, and were left out
	SessionLost uint64 // how often the broker had forgotten the session
	Overruns    uint64 // how often the broker sent more than we could take, so that we resumed the session
	InFlight    int    // QoS 1 and 2 messages received and not settled
	Publishing  int    // QoS 1 and 2 messages sent and not answered
	Published   uint64 // messages the broker has accepted
}

// Errors of Send, beside *ReasonError.
var (
	ErrClosed   = errors.New("the mqtt connection is closed")
	ErrTooLarge = errors.New("the message is larger than the broker accepts")
)

// A DownError says that there is no connection, and why.
type DownError struct{ Err error }

func (e *DownError) Error() string {
	if e.Err == nil {
		return "not connected to the mqtt broker yet"
	}
	return "not connected to the mqtt broker: " + e.Err.Error()
}

func (e *DownError) Unwrap() error { return e.Err }

// New checks what can be checked without the broker. It dials nothing.
func New(cfg Config) (*Conn, error) {
	cfg = cfg.withDefaults()
	if _, err := cfg.Check(); err != nil {
		return nil, err
	}
	if len(cfg.URLs) == 0 {
		return nil, errors.New("url is missing; write mqtt://host:1883")
	}
	c := &Conn{cfg: cfg, done: make(chan struct{}), warned: map[string]bool{}, window: cfg.ReceiveMaximum}
	for _, s := range cfg.URLs {
		u, err := ParseURL(s)
		if err != nil {
			return nil, err
		}
		if _, err := c.tlsConfig(u); err != nil {
			return nil, err
		}
		c.urls = append(c.urls, u)
	}
	c.log = cfg.Log.With("client_id", cfg.ClientID)
	c.in.init()
	c.out.init()
	c.subs.init()
	return c, nil
}

// Start connects in the background and stays connected until Close. Each message goes to receive, in the
// order received, from one goroutine, which also reads pings and acknowledgements: receive must not
// block. It returns false when it cannot take a message of QoS 1 or 2; then that message and all of QoS 1 and 2
// after it are passed over, and when half of those taken before are settled the session is resumed on a new
// connection, which brings them again. receive may be nil.
//
// Start is called once; a call after Close does nothing.
func (c *Conn) Start(receive func(*Delivery) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != idle {
		return
	}
	c.state, c.receive = running, receive
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(ctx)
}

// Pause takes no more messages, of which the broker keeps those of QoS 1 and 2. Acknowledgements and
// what is published still go out.
func (c *Conn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = max(c.state, paused)
}

// Close sends what acknowledgements are due, says goodbye and ends the connection. The broker keeps the
// session. It returns when all goroutines have ended.
func (c *Conn) Close() error {
	c.mu.Lock()
	was := c.state
	c.state = max(was, closing)
	switch {
	case was == idle:
		c.state = closed
		close(c.done)
	case was < closing && c.link != nil:
		c.link.bye(0)
		c.link.kick()
		// A broker that neither reads nor answers is not waited for.
		timer := time.AfterFunc(2*time.Second, c.stop)
		defer timer.Stop()
	case was < closing:
		c.stop()
	}
	c.mu.Unlock()
	<-c.done
	return nil
}

// Urgent is raised by those who wait for the answer to one message before they send the next.
func (c *Conn) Urgent() *pacing.Urgency { return &c.urgent }

// Connected says whether the broker has accepted us and the connection lives.
func (c *Conn) Connected() bool { return c.Stats().Connected }

// Subscribed says whether the broker has granted all filters on this connection.
func (c *Conn) Subscribed() bool { return c.Stats().Subscribed }

// LastError is why there is no connection, or why a filter was not granted; nil when all is well.
func (c *Conn) LastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		return c.subs.err
	}
	return c.lastErr
}

// Stats is a snapshot.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Connected = c.link != nil && !c.link.leaving
	s.Subscribed = s.Connected && c.subs.complete()
	s.InFlight = c.in.pending
	s.Publishing = len(c.out.byID)
	return s
}

// run is the life of the Conn. autopaho connects, again and again, until over says that it is.
func (c *Conn) run(ctx context.Context) {
	defer close(c.done)
	defer c.end()
	manager, err := autopaho.NewConnection(ctx, c.settings())
	if err != nil {
		c.failed(err)
		return
	}
	<-manager.Done()
	c.work.Wait()
}

// pause is how long to wait before trying the addresses, the one that worked last first: the session is there.
func (c *Conn) pause(int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = 0
	if c.lastErr == nil { // the first time
		return 0
	}
	wait := c.retry.next()
	if takenOver(c.lastErr) && c.retry.takeover() {
		c.log.Error("the connection is taken away again and again, most likely by another client with the same client_id; give each its own", "error", c.lastErr)
		wait = longestWait
	}
	return wait
}

// over says whether no more connection is wanted: after Close, and where a successor has taken the
// session over from a connection that takes no more messages.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := c.state >= closing || c.state == paused && takenOver(c.lastErr)
	if over {
		c.stop()
	}
	return over
}

// end answers what waits, for the last time.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = closed
	c.out.failAll(ErrClosed)
	c.stop()
}

// up makes l the connection: the session goes on, or begins anew. Its error refuses the connection.
func (c *Conn) up(l *link, a *packets.Connack) error {
	may, resumed := a.Properties, a.SessionPresent
	l.receiveMaximum = int(given(may.ReceiveMaximum, math.MaxUint16))
	l.maximumQoS = given(may.MaximumQOS, 2)
	l.maximumPacket = int(min(given(may.MaximumPacketSize, largestPacket), largestPacket))
	l.noRetain = given(may.RetainAvailable, 1) == 0
	switch {
	case a.ReasonCode != 0:
		return &ReasonError{"refused the connection", a.ReasonCode, may.ReasonString}
	case l.receiveMaximum == 0:
		return errMalformed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	expected := c.stats.Connects > 0
	c.stats.Connects++
	if !resumed && expected {
		c.stats.SessionLost++
		c.log.Warn("the broker has lost the session; what was sent to it meanwhile may be gone", "broker", c.where)
	}
	c.log.Info("connected", "broker", c.where, "session", map[bool]string{true: "resumed", false: "new"}[resumed])
	c.link, c.lastErr = l, nil
	c.first, c.tried = (c.first+c.tried-1)%len(c.urls), 0
	clear(c.warned)
	c.in.resume(resumed)
	c.subs.resume(resumed, given(may.SubIDAvailable, 1) == 0)
	c.out.resume(resumed)
	c.pump(l)
	if c.state >= closing {
		l.bye(0)
	}
	l.kick()
	return nil
}

func given[T any](property *T, otherwise T) T {
	if property == nil {
		return otherwise
	}
	return *property
}

// down takes l away, if it was up.
func (c *Conn) down(l *link) {
	if c.link != l {
		return
	}
	c.link, c.manager, c.lastErr = nil, nil, l.err
	lasted := time.Since(l.since) > steady
	if lasted {
		c.retry.reset()
	}
	if l.overrun {
		// A broker that keeps to the window would not have come this far had it been smaller.
		c.window = max(1, min(c.window, c.in.pending)*3/4)
		c.log.Info("asking for fewer messages at once", "receive_maximum", c.window)
	} else if lasted {
		c.window = c.cfg.ReceiveMaximum
	}
	c.out.lost(l, &DownError{l.err}, c.giveUp)
	if c.state < closing {
		c.log.Warn("connection lost", "broker", c.where, "error", l.err)
	}
}

// giveUp answers those who have waited too long for a connection.
func (c *Conn) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		c.out.failAll(&DownError{c.lastErr})
	}
}

// failed reports an attempt. The log has a line when the reason is a new one, not for each attempt.
func (c *Conn) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= closing {
		return
	}
	level := slog.LevelDebug
	if !c.warned[err.Error()] {
		level = slog.LevelWarn
		c.warned[err.Error()] = true
	}
	c.lastErr = err
	c.log.Log(context.Background(), level, "cannot connect, trying again", "error", err)
}

// takenOver says whether another client has got the session. Mosquitto, at least up to 2.0.11, tells
// that to no one but closes the connection.
func takenOver(err error) bool {
	var reason *ReasonError
	return errors.As(err, &reason) && reason.Code == 0x8e || errors.Is(err, errClosed)
}
