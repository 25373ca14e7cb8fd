package mqttconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Options are the settings of a connection that sources and sinks share, as users write them. Both embed
// it, so that one page of documentation is right for both. The zero value works.
type Options struct {
	ClientID       string        `yaml:"client_id"`               // default: made of the name and the machine, so that the session is kept
	Username       string        `yaml:"username"`                //
	Keepalive      time.Duration `yaml:"keepalive,nonzero"`       // 30s
	ConnectTimeout time.Duration `yaml:"connect_timeout,nonzero"` // 10s, for each attempt and address
	SessionExpiry  time.Duration `yaml:"session_expiry,nonzero"`  // 24h: how long the broker keeps the session while we are away
	CleanStart     bool          `yaml:"clean_start"`             // forget the session at start
	MaxPacketSize  int64         `yaml:"max_packet_size,size,nonzero"`
	Will           *Will         `yaml:"will"`
}

// A Will is what the broker publishes when the connection ends without a word.
type Will struct {
	Topic   string `yaml:"topic,required"`
	Payload string `yaml:"payload"`
	QoS     int    `yaml:"qos"`
	Retain  bool   `yaml:"retain"`
}

// Config is everything a connection needs.
type Config struct {
	Options
	Name           string   // of the source or sink: for the log and the default client id
	URLs           []string // mqtt, mqtts, ws, wss; the next is tried when one does not answer
	Password       string
	TLS            func(host string) (*tls.Config, error) // nil: the system's roots
	ReceiveMaximum int                                    // how many messages may wait for our acknowledgement; 256
	UserProperties map[string]string                      // of CONNECT
	Log            *slog.Logger

	// Transport is put around each TCP connection; nil: nothing is. urgent is above zero while somebody waits for
	// an answer before he sends more.
	Transport func(nc net.Conn, urgent *atomic.Int32) net.Conn
}

// The defaults, and the bounds that MQTT sets.
const (
	defaultKeepalive      = 30 * time.Second
	defaultConnectTimeout = 10 * time.Second
	defaultSessionExpiry  = 24 * time.Hour
	defaultMaxPacketSize  = 16 << 20
	defaultReceiveMaximum = 256
	largestPacket         = 268_435_455 + 5
)

// Check names the first setting that cannot be, by its key in the file.
func (o *Options) Check() (key string, err error) {
	switch {
	case o.Keepalive != 0 && o.Keepalive < time.Second, o.Keepalive > math.MaxUint16*time.Second:
		return "keepalive", errors.New("keepalive wants 1s to 18h12m15s")
	case o.ConnectTimeout < 0:
		return "connect_timeout", errors.New("connect_timeout wants a duration above zero")
	case o.SessionExpiry != 0 && o.SessionExpiry < time.Second, o.SessionExpiry > (math.MaxUint32-1)*time.Second:
		return "session_expiry", errors.New("session_expiry wants 1s to 49710d")
	case o.MaxPacketSize != 0 && o.MaxPacketSize < 1024, o.MaxPacketSize > largestPacket:
		return "max_packet_size", errors.New("max_packet_size wants 1KiB to 256MiB")
	case len(o.ClientID) > math.MaxUint16:
		return "client_id", errors.New("client_id is longer than 65535 bytes")
	}
	if w := o.Will; w != nil {
		if err := CheckTopic(w.Topic); err != nil {
			return "will", fmt.Errorf("will: %w", err)
		}
		if w.QoS < 0 || w.QoS > 2 {
			return "will", fmt.Errorf("will: qos wants 0, 1 or 2, not %d", w.QoS)
		}
		if len(w.Payload) > math.MaxUint16 {
			return "will", errors.New("will: the payload is longer than 65535 bytes")
		}
	}
	return "", nil
}

// ParseURL checks an address and gives it its port. Errors do not repeat the address, which may hold a
// password.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("url is no address; write mqtt://host:1883, mqtts://host:8883, ws://host/path or wss://host/path")
	}
	port := map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}[u.Scheme]
	switch {
	case port == "" && (u.Scheme == "tcp" || u.Scheme == "ssl" || u.Scheme == "tls"):
		return nil, fmt.Errorf("url: scheme %q is not known, write mqtt or mqtts", u.Scheme)
	case port == "":
		return nil, fmt.Errorf("url: scheme %q is not known, write mqtt, mqtts, ws or wss (mqtt://host:1883)", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("url names no host; write mqtt://host:1883")
	case u.User != nil:
		return nil, errors.New("url holds a user name; use the keys username and password (or password_file)")
	case (u.Scheme == "mqtt" || u.Scheme == "mqtts") && strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("url: %s takes no path; paths are for ws and wss", u.Scheme)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Keepalive == 0 {
		c.Keepalive = defaultKeepalive
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.SessionExpiry == 0 {
		c.SessionExpiry = defaultSessionExpiry
	}
	if c.MaxPacketSize == 0 {
		c.MaxPacketSize = defaultMaxPacketSize
	}
	if c.ReceiveMaximum <= 0 {
		c.ReceiveMaximum = defaultReceiveMaximum
	}
	c.ReceiveMaximum = min(c.ReceiveMaximum, math.MaxUint16)
	if c.ClientID == "" {
		c.ClientID = defaultClientID(c.Name)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// defaultClientID is the same after every restart on this machine and differs between machines: the
// broker keeps the session under it.
func defaultClientID(name string) string {
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil || len(strings.TrimSpace(string(machine))) == 0 {
		host, _ := os.Hostname()
		machine = []byte(host)
	}
	h := fnv.New32a()
	h.Write([]byte(strings.TrimSpace(string(machine))))
	return fmt.Sprintf("edge-%s-%08x", name, h.Sum32())
}
