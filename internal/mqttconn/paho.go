package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/log"
	"github.com/eclipse/paho.golang/paho/session"
)

// What autopaho and paho are told, and where they call us. Unless said otherwise they do so from the one
// goroutine that connects and waits.

const (
	willDelay = 3 // seconds: a reconnect within them takes the will back; it tells of an outage, not of a blip

	// A broker may have a great many retained messages to send before it answers SUBSCRIBE.
	longestAnswer = time.Minute
)

func (c *Conn) settings() autopaho.ClientConfig {
	conf := autopaho.ClientConfig{
		ServerUrls:                    slices.Repeat([]*url.URL{{}}, len(c.urls)), // a turn for each; attempt knows which
		KeepAlive:                     uint16(c.cfg.Keepalive.Seconds()),
		CleanStartOnInitialConnection: c.cfg.CleanStart,
		ConnectTimeout:                c.cfg.ConnectTimeout,
		ConnectUsername:               c.cfg.Username,
		ConnectPassword:               []byte(c.cfg.Password),
		ConnectPacketBuilder:          c.hello,
		ReconnectBackoff:              c.pause,
		AttemptConnection:             c.attempt,
		OnConnectError:                c.refused,
		OnConnectionUp:                c.ready,
		OnConnectionDown:              func() bool { return !c.over() },
		ClientConfig: paho.ClientConfig{
			ClientID:      c.cfg.ClientID,
			Session:       pahoSession{c},
			PingHandler:   pahoPinger{c},
			AuthHandler:   pahoAuth{},
			PacketTimeout: max(c.cfg.ConnectTimeout, longestAnswer),
		},
	}
	if w := c.cfg.Will; w != nil {
		conf.WillMessage = &paho.WillMessage{Topic: w.Topic, Payload: []byte(w.Payload), QoS: byte(w.QoS), Retain: w.Retain}
		conf.WillProperties = &paho.WillProperties{WillDelayInterval: new(uint32(willDelay))}
	}
	return conf
}

// hello completes CONNECT. Topic aliases stay off: brokers hardly use them, and a table of them would be
// one more thing that a reconnect can get wrong.
func (c *Conn) hello(p *paho.Connect, _ *url.URL) (*paho.Connect, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Properties = &paho.ConnectProperties{
		SessionExpiryInterval: new(uint32(min(c.cfg.SessionExpiry.Seconds(), math.MaxUint32-1))),
		ReceiveMaximum:        new(uint16(c.window)),
		MaximumPacketSize:     new(uint32(c.cfg.MaxPacketSize)),
		RequestProblemInfo:    true, // a broker may leave its reasons out otherwise
	}
	for _, h := range SortedHeaders(c.cfg.UserProperties) {
		p.Properties.User.Add(h.Name, h.Value)
	}
	return p, nil
}

// attempt dials the next address.
func (c *Conn) attempt(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
	u := c.urls[(c.first+c.tried)%len(c.urls)]
	c.tried++
	c.where = u.Scheme + "://" + u.Host // without the query
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	nc, err := c.dial(ctx, u)
	if err != nil {
		return nil, err
	}
	l := c.newLink(nc)
	c.work.Go(func() { c.write(l) })
	return l, nil
}

// refused finds the words for an attempt that failed, without those that paho puts around them.
func (c *Conn) refused(err error) {
	var refusal *autopaho.ConnackError
	cause := errors.Unwrap(err)
	switch {
	case errors.As(err, &refusal) && refusal.ReasonCode >= 0x80:
		cause = &ReasonError{"refused the connection", refusal.ReasonCode, refusal.Reason}
	case refusal != nil: // by up
		cause = errors.Unwrap(refusal.Err)
	case cause == context.DeadlineExceeded:
		cause = fmt.Errorf("no answer within %v", c.cfg.ConnectTimeout)
	case errors.Is(cause, errClosed), errors.Is(cause, io.EOF), errors.Is(cause, syscall.ECONNRESET):
		cause = errors.New("the broker closed the connection without an answer; is this an MQTT port, and is TLS right?")
	}
	c.failed(fmt.Errorf("%s: %w", c.where, cause))
}

// ready is told that requests can be made; the connection has been up since CONNACK.
func (c *Conn) ready(m *autopaho.ConnectionManager, _ *paho.Connack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil { // it may be gone again
		c.manager = m
		c.reconcile()
	}
}

// A pahoSession stands where paho keeps the state of a session. That is ours, in inbound and outbound; for
// paho there are the packet ids of what it asks the broker, and the beginning and the end of a connection.
type pahoSession struct{ c *Conn }

// ConAckReceived is called before the packet behind CONNACK is read.
func (s pahoSession) ConAckReceived(w io.Writer, _ *packets.Connect, a *packets.Connack) error {
	return s.c.up(w.(*link), a)
}

// ConnectionLost is called with the broker's goodbye, from the goroutine that reads, and then at the end of
// each connection.
func (s pahoSession) ConnectionLost(d *packets.Disconnect) error {
	s.c.mu.Lock()
	l := s.c.link
	if d == nil {
		for _, answer := range s.c.subs.answers {
			answer <- packets.ControlPacket{} // there is room for one, and paho knows this for the end
		}
		clear(s.c.subs.answers)
	}
	s.c.mu.Unlock()
	if d != nil && l != nil {
		l.end(&ReasonError{"closed the connection", d.ReasonCode, d.Properties.ReasonString})
	}
	return nil
}

// AddToSession gives SUBSCRIBE and UNSUBSCRIBE a packet id.
func (s pahoSession) AddToSession(_ context.Context, p session.Packet, answer chan<- packets.ControlPacket) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.link == nil {
		return session.ErrNoConnection
	}
	id := s.c.newID()
	s.c.subs.answers[id] = answer
	p.SetIdentifier(id)
	return nil
}

// PacketReceived is called from the goroutine that reads, with SUBACK and UNSUBACK.
func (s pahoSession) PacketReceived(p *packets.ControlPacket, _ chan<- *packets.Publish) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if answer, asked := s.c.subs.answers[p.PacketID()]; asked {
		delete(s.c.subs.answers, p.PacketID())
		answer <- *p
	}
	return nil
}

func (pahoSession) Ack(*packets.Publish) error { return nil }
func (pahoSession) Close() error               { return nil }
func (pahoSession) SetErrorLogger(log.Logger)  {}
func (pahoSession) SetDebugLogger(log.Logger)  {}

// A pahoPinger pings twice in a keepalive, always: the answer proves that the broker lives, and that it has
// read every acknowledgement sent before.
type pahoPinger struct{ c *Conn }

// Run has a goroutine of its own for each connection.
func (p pahoPinger) Run(ctx context.Context, nc net.Conn, keepalive uint16) error {
	every := p.c.cfg.Keepalive / 2
	if keepalive > 0 { // the broker may want another
		every = time.Duration(keepalive) * time.Second / 2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	l := nc.(*link)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.c.tick(l, every); err != nil {
			return l.end(err)
		}
	}
}

func (c *Conn) tick(l *link, every time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.link != l:
		return nil
	case l.pings >= 2:
		return errPing
	case c.out.flying > 0 && time.Since(c.out.heard) > 4*every:
		return errSilent
	}
	clear(c.subs.failed) // they are asked for once more
	c.reconcile()
	c.sendPing(l)
	l.kick()
	return nil
}

// PingResp is called from the goroutine that reads.
func (p pahoPinger) PingResp() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.link != nil {
		p.c.link.pings--
		p.c.in.ponged()
	}
}

func (pahoPinger) PacketSent()         {}
func (pahoPinger) PacketReceived()     {}
func (pahoPinger) SetDebug(log.Logger) {}

// A pahoAuth is there because paho calls it for any CONNACK that names a method, also one we did not ask for.
type pahoAuth struct{}

func (pahoAuth) Authenticate(*paho.Auth) *paho.Auth { return &paho.Auth{} }
func (pahoAuth) Authenticated()                     {}
