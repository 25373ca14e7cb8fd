package sinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"edge/internal/pacing"
)

const (
	natsBackoffMin = 250 * time.Millisecond
	natsBackoffMax = 30 * time.Second
)

// A natsConn keeps a connection to one of several NATS servers.
//
// A connection that ends is replaced by a new one, never revived: the client's own reconnect would flush
// on the new connection what was published on the old one and lost with it, and the answer would count for
// both. So a nats.Conn stands for one TCP connection, and a flush that it answers covers all that was
// published on it.
type natsConn struct {
	opts   nats.Options
	log    *slog.Logger
	server string                                  // the servers as logs and errors may show them
	setup  func(*natsLink) error                   // runs on each new connection before it is used; may be nil
	denied func(l *natsLink, e error, subj string) // the server refused a publish on subj

	urgent pacing.Urgency
	cancel context.CancelFunc
	done   chan struct{} // run has ended
	first  chan struct{} // the first attempt has ended, well or badly

	mu  sync.Mutex
	now *natsLink // nil while away
	err error     // why it is away
}

// A natsLink is one connection, from its start to its end.
type natsLink struct {
	nc   *nats.Conn
	gone chan struct{} // closed when it ended

	inbox string // what reply subjects begin with; set by setup

	mu     sync.Mutex
	broken error // the server will not let us hear its answers
}

func (c *natsConn) run(ctx context.Context) {
	defer close(c.done)
	once := sync.OnceFunc(func() { close(c.first) })
	defer once()
	wait, logged := natsBackoffMin, ""
	servers := c.opts.Servers
	for ctx.Err() == nil {
		link, err := c.dial(ctx, servers)
		if err == nil {
			c.set(link, nil)
			once()
			logged = ""
			c.log.Info("connected to NATS", "server", shown([]string{link.nc.ConnectedUrl()}))
			began := time.Now()
			select {
			case <-link.gone:
			case <-ctx.Done():
			}
			if time.Since(began) > natsBackoffMax {
				wait = natsBackoffMin // it was no flicker: the first attempt comes soon
			}
			err = link.why()
			servers = c.known(link.nc)
			c.set(nil, err)
			link.nc.Close()
		}
		if ctx.Err() != nil {
			return
		}
		c.set(nil, err)
		once()
		if err.Error() != logged {
			logged = err.Error()
			c.report(err)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
		}
		wait = min(2*wait, natsBackoffMax)
	}
}

// report logs why there is no connection. A wrong password needs a human; an absent server comes back.
func (c *natsConn) report(err error) {
	level := slog.LevelWarn
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) {
		level = slog.LevelError
	}
	c.log.Log(context.Background(), level, "no connection to NATS", "server", c.server, "err", err)
}

// dial makes one attempt at each of the servers, in their order.
func (c *natsConn) dial(ctx context.Context, servers []string) (*natsLink, error) {
	link := &natsLink{gone: make(chan struct{})}
	d := &natsDialer{ctx: ctx, timeout: c.opts.Timeout, urgent: &c.urgent}
	opts := c.opts
	opts.Servers, opts.CustomDialer = servers, d
	opts.ClosedCB = func(*nats.Conn) { close(link.gone) }
	opts.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) { c.asyncError(link, err) }
	nc, err := opts.Connect()
	if errors.Is(err, nats.ErrNoServers) && d.err != nil {
		err = d.err // says which server, and what is the matter with it
	}
	if err != nil {
		return nil, err
	}
	link.nc = nc
	if c.setup != nil {
		if err := c.setup(link); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return link, nil
}

// known is the configured servers, then what others the cluster told of. With TLS these are left out, as
// they come as bare addresses that no certificate names.
func (c *natsConn) known(nc *nats.Conn) []string {
	servers := slices.Clone(c.opts.Servers)
	if c.opts.Secure || strings.HasPrefix(servers[0], "ws") {
		return servers
	}
	for _, s := range nc.DiscoveredServers() {
		if !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
	}
	return servers
}

// asyncError gets what the server says without being asked.
func (c *natsConn) asyncError(l *natsLink, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		c.log.Warn("NATS reports an error", "server", c.server, "err", err)
		return
	}
	if subject, ok := quoted(err.Error(), "Publish to "); ok {
		c.denied(l, err, subject)
		return
	}
	c.log.Error("NATS refuses a subscription", "server", c.server, "err", err)
	l.mu.Lock()
	l.broken = err
	l.mu.Unlock()
}

// quoted is the quoted text after prefix.
func quoted(text, prefix string) (string, bool) {
	_, rest, ok := strings.Cut(text, prefix)
	if !ok {
		return "", false
	}
	rest, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", false
	}
	rest, err = strconv.Unquote(rest)
	return rest, err == nil
}

func (c *natsConn) set(l *natsLink, err error) {
	c.mu.Lock()
	c.now, c.err = l, err
	c.mu.Unlock()
}

// link is the connection, or an error that says why there is none. It waits for the end of the first
// attempt only, so that what comes right after the start finds a connection.
func (c *natsConn) link(ctx context.Context) (*natsLink, error) {
	select {
	case <-c.first:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil {
		return c.now, nil
	}
	if c.err == nil {
		return nil, fmt.Errorf("not connected to %s", c.server)
	}
	return nil, fmt.Errorf("not connected to %s: %w", c.server, c.err)
}

func (c *natsConn) close() {
	c.cancel()
	<-c.done
}

// why is the reason of the connection's end.
func (l *natsLink) why() error {
	if err := l.nc.LastError(); err != nil {
		return err
	}
	return nats.ErrConnectionClosed
}

// A natsDialer makes connections that end with its context, also while they are set up, and remembers what
// went wrong last: nats.go forgets it.
type natsDialer struct {
	ctx     context.Context
	timeout time.Duration
	urgent  *pacing.Urgency
	err     error
}

// Dial is called by one goroutine at a time.
func (d *natsDialer) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.timeout, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(d.ctx, network, address)
	if err != nil {
		d.err = err
		return nil, err
	}
	stop := context.AfterFunc(d.ctx, func() { conn.Close() })
	return &natsNetConn{pacing.New(conn, d.urgent), stop}, nil
}

type natsNetConn struct {
	net.Conn
	stop func() bool
}

func (c *natsNetConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// shown is the URLs without their user names and passwords.
func shown(urls []string) string {
	var list []string
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil {
			list = append(list, u.Scheme+"://"+u.Host)
		}
	}
	return strings.Join(list, ", ")
}
