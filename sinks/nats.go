package sinks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"edge/engine"
	"edge/internal/strictyaml"
	"edge/internal/tlsoptions"
)

// NATS publishes on subjects: to who listens now, or into JetStream, which keeps messages.
type NATS struct {
	URL            strictyaml.List[string] `yaml:"url,required"`
	User           string                  `yaml:"user"`
	Password       strictyaml.Secret       `yaml:"password"`
	Token          strictyaml.Secret       `yaml:"token"`
	CredsFile      string                  `yaml:"creds_file,present"`
	NkeyFile       string                  `yaml:"nkey_file,present"`
	TLS            *tlsoptions.Options     `yaml:"tls"`
	JetStream      bool                    `yaml:"jetstream"`
	MaxPending     int                     `yaml:"max_pending,nonzero"` // JetStream: messages without an answer yet, 256
	Headers        map[string]string       `yaml:"headers"`
	ConnectTimeout time.Duration           `yaml:"connect_timeout,nonzero"` // for one attempt at one server, 5s
}

// natsAnswer is how long a server may take to answer before what was published counts as lost.
const natsAnswer = 5 * time.Second

// natsLongest leaves room beside a subject for the rest of the line that it stands in, which servers accept
// up to 4096 bytes; a longer one ends the connection.
const natsLongest = 4096 - 256

// Validate checks the addresses and that there is one way to log in.
func (c *NATS) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	for _, s := range c.URL {
		if err := checkNATSURL(s); err != nil {
			errs.Add(pos("url"), "url %v", err)
		}
	}
	ways := 0
	for _, set := range []bool{c.User != "" || c.Password.IsSet(), c.Token.IsSet(), c.CredsFile != "", c.NkeyFile != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		errs.Add(pos(""), "set one of user with password, token, creds_file, nkey_file")
	}
	if c.Password.IsSet() && c.User == "" {
		errs.Add(pos("password"), "password needs a user")
	}
	if c.MaxPending < 0 {
		errs.Add(pos("max_pending"), "max_pending wants a number above 0, not %d", c.MaxPending)
	}
	if c.ConnectTimeout < 0 {
		errs.Add(pos("connect_timeout"), "connect_timeout wants a duration above 0, not %s", c.ConnectTimeout)
	}
	if err := c.TLS.Check(); err != nil {
		errs.Add(pos("tls"), "%v", err)
	}
	checkHeaders(c.Headers, pos, errs)
}

func checkNATSURL(s string) error {
	u, err := url.Parse(s)
	// The text itself is not repeated: it may hold a password.
	if err != nil || u.Host == "" {
		return errors.New("wants an address such as nats://host:4222")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return nil
	}
	return fmt.Errorf("wants nats, tls, ws or wss before ://, not %s", u.Scheme)
}

func (c *NATS) open(name string, deps Deps) (engine.Sink, error) {
	opts, err := c.options(name)
	if err != nil {
		return nil, err
	}
	if c.TLS.Insecure() {
		deps.Log.Warn("insecure_skip_verify: this sink does not check who it talks to", "server", shown(c.URL))
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn := &natsConn{
		opts: opts, log: deps.Log, server: shown(c.URL),
		cancel: cancel, done: make(chan struct{}), first: make(chan struct{}),
	}
	out := natsOut{conn: conn, headers: c.Headers, msg: nats.Msg{Header: nats.Header{}}}
	var sink engine.Sink
	if c.JetStream {
		sink = newJetStream(out, c.MaxPending)
	} else {
		sink = newNATSCore(out)
	}
	go conn.run(ctx)
	return sink, nil
}

// options reads the files, so that what is wrong with them is said at once.
func (c *NATS) options(name string) (nats.Options, error) {
	opts := nats.GetDefaultOptions()
	opts.Name = "edge " + name
	opts.Servers = c.URL
	opts.NoRandomize = true // a list is in the order of preference
	opts.SkipHostLookup = true
	opts.AllowReconnect = false
	opts.RetryOnFailedConnect = false
	opts.Timeout = c.ConnectTimeout
	if opts.Timeout == 0 {
		opts.Timeout = 5 * time.Second
	}
	// A link that died without a word is found after the third ping, within half a minute.
	opts.PingInterval, opts.MaxPingsOut = 10*time.Second, 2
	opts.FlusherTimeout = natsAnswer
	for _, s := range c.URL {
		if err := checkNATSURL(s); err != nil {
			return opts, fmt.Errorf("url %w", err)
		}
		if u, _ := url.Parse(s); u.Scheme == "tls" || u.Scheme == "wss" {
			opts.Secure = true
		}
	}
	// Where the server asks for TLS, this is used even with nats:// and without a tls block.
	config, err := c.TLS.Config("")
	if err != nil {
		return opts, err
	}
	opts.TLSConfig = config
	opts.Secure = opts.Secure || c.TLS != nil
	opts.User, opts.Password = c.User, c.Password.Reveal()
	opts.Token = c.Token.Reveal()
	if c.CredsFile != "" {
		if err := checkCreds(c.CredsFile); err != nil {
			return opts, err
		}
		if err := nats.UserCredentials(c.CredsFile)(&opts); err != nil {
			return opts, fmt.Errorf("creds_file %s: %w", c.CredsFile, err)
		}
	}
	if c.NkeyFile != "" {
		set, err := nats.NkeyOptionFromSeed(c.NkeyFile)
		if err != nil {
			return opts, fmt.Errorf("nkey_file %s: %w", c.NkeyFile, err)
		}
		if err := set(&opts); err != nil {
			return opts, fmt.Errorf("nkey_file %s: %w", c.NkeyFile, err)
		}
	}
	return opts, nil
}

func checkCreds(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("creds_file: %w", err)
	}
	defer clear(text)
	if _, err := nkeys.ParseDecoratedJWT(text); err != nil {
		return fmt.Errorf("creds_file %s: holds no user JWT", file)
	}
	key, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return fmt.Errorf("creds_file %s: holds no user seed", file)
	}
	key.Wipe()
	return nil
}

// natsOut is what core and JetStream have in common: a connection, and how a message looks on it.
type natsOut struct {
	conn    *natsConn
	headers map[string]string
	msg     nats.Msg // filled anew for each message; the client copies it as it publishes
}

// publish hands m to the client. What the error wraps tells whether another try can help.
func (o *natsOut) publish(nc *nats.Conn, m *engine.Message, reply string) error {
	if err := checkSubject(m.Address); err != nil {
		return err
	}
	clear(o.msg.Header)
	for name, value := range o.headers {
		o.msg.Header[name] = []string{value}
	}
	for _, h := range m.Headers {
		if err := checkHeader(h.Name, h.Value); err != nil {
			return err
		}
		o.msg.Header[h.Name] = []string{h.Value}
	}
	if m.ID != "" {
		if err := checkHeader(nats.MsgIdHdr, m.ID); err != nil {
			return err
		}
		o.msg.Header[nats.MsgIdHdr] = []string{m.ID}
	}
	o.msg.Subject, o.msg.Reply, o.msg.Data = m.Address, reply, m.Payload
	err := nc.PublishMsg(&o.msg)
	o.msg.Data = nil
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %d bytes with headers are more than the server takes (max_payload %d)",
			engine.ErrRejected, len(m.Payload), nc.MaxPayload())
	case errors.Is(err, nats.ErrBadSubject):
		return fmt.Errorf("%w: subject %q is not allowed", engine.ErrRejected, m.Address)
	case errors.Is(err, nats.ErrHeadersNotSupported):
		return errors.New("the server is too old: headers need nats-server 2.2 or later")
	}
	return err
}

// checkSubject refuses what a server would not take, take for a wildcard, or close the connection for.
func checkSubject(s string) error {
	if s == "" {
		return fmt.Errorf("%w: the subject is empty", engine.ErrRejected)
	}
	if len(s) > natsLongest {
		return fmt.Errorf("%w: a subject of %d bytes is longer than %d", engine.ErrRejected, len(s), natsLongest)
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if s[i] <= ' ' || s[i] == 0x7f {
				return fmt.Errorf("%w: subject %q has white space or a control character", engine.ErrRejected, s)
			}
			continue
		}
		switch token := s[start:i]; token {
		case "":
			return fmt.Errorf("%w: subject %q has an empty part", engine.ErrRejected, s)
		case "*", ">":
			return fmt.Errorf("%w: subject %q has a wildcard", engine.ErrRejected, s)
		}
		start = i + 1
	}
	return nil
}

// natsDenied is the result of a message on a subject that the server does not let us publish on.
func natsDenied(subject string) error {
	return fmt.Errorf("%w: the server does not permit this user to publish on %q", engine.ErrRejected, subject)
}
