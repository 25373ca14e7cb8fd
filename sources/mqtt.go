package sources

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"edge/engine"
	"edge/internal/mqttconn"
	"edge/internal/pacing"
	"edge/internal/strictyaml"
	"edge/internal/tlsoptions"
)

// MQTT is the settings of a source that subscribes at an MQTT 5 broker.
type MQTT struct {
	URL              strictyaml.List[string] `yaml:"url,required"` // mqtt, mqtts, ws, wss; a list fails over
	mqttconn.Options `yaml:",inline"`
	Password         strictyaml.Secret       `yaml:"password"`
	TLS              *tlsoptions.Options     `yaml:"tls"`
	Topics           strictyaml.List[string] `yaml:"topics"`                  // for rules without a topic of their own
	QoS              *int                    `yaml:"qos"`                     // of subscriptions; 1
	ReceiveMaximum   int                     `yaml:"receive_maximum,nonzero"` // 256
	Share            string                  `yaml:"share"`                   // subscribe to $share/SHARE/filter
	UserProperties   map[string]string       `yaml:"user_properties"`         // of CONNECT
}

// Validate checks what a type cannot say.
func (c *MQTT) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	for _, u := range c.URL {
		if _, err := mqttconn.ParseURL(u); err != nil {
			errs.Add(pos("url"), "%v", err)
		}
	}
	if key, err := c.Options.Check(); err != nil {
		errs.Add(pos(key), "%v", err)
	}
	if err := c.TLS.Check(); err != nil {
		errs.Add(pos("tls"), "%v", err)
	}
	if c.QoS != nil && (*c.QoS < 0 || *c.QoS > 2) {
		errs.Add(pos("qos"), "qos wants 0, 1 or 2, not %d", *c.QoS)
	}
	if c.ReceiveMaximum < 0 || c.ReceiveMaximum > math.MaxUint16 {
		errs.Add(pos("receive_maximum"), "receive_maximum wants 1 to 65535, not %d", c.ReceiveMaximum)
	}
	for _, filter := range c.Topics {
		if err := mqttconn.CheckFilter(filter); err != nil {
			errs.Add(pos("topics"), "%v", err)
		}
	}
	if strings.ContainsAny(c.Share, "/+#") {
		errs.Add(pos("share"), "share wants the name of a group, without /, + and #")
	}
}

func (c *MQTT) open(name string, deps Deps) (*MQTTSource, error) {
	s := &MQTTSource{qos: 1, share: c.Share, log: deps.Log, wake: make(chan struct{}, 1)}
	if c.QoS != nil {
		s.qos = byte(*c.QoS)
	}
	conf := mqttconn.Config{
		Options: c.Options, Name: name, URLs: c.URL, Password: c.Password.Reveal(),
		ReceiveMaximum: c.ReceiveMaximum, UserProperties: c.UserProperties, Transport: pacing.New, Log: deps.Log,
	}
	if conf.ReceiveMaximum == 0 {
		conf.ReceiveMaximum = 256
	}
	if deps.InflightMessages > 0 {
		conf.ReceiveMaximum = min(conf.ReceiveMaximum, deps.InflightMessages)
	}
	if c.TLS != nil {
		conf.TLS = func(host string) (*tls.Config, error) { return c.TLS.Config(host) }
		if c.TLS.Insecure() {
			deps.Log.Warn("the broker's certificate is not checked (insecure_skip_verify)")
		}
	}
	conn, err := mqttconn.New(conf)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return s, nil
}

// An MQTTSource receives messages from a broker. Its Message is acknowledged when it is settled.
type MQTTSource struct {
	conn  *mqttconn.Conn
	log   *slog.Logger
	qos   byte
	share string

	wake    chan struct{} // something was settled while messages wait
	holding atomic.Bool   // messages wait

	mu       sync.Mutex // one message at a time is handed over, so that they stay in order
	next     func(*engine.Message) bool
	waiting  []*mqttconn.Delivery // QoS 1 and 2, refused by next or behind one that was
	bytes    int                  // that they take
	overload uint64
}

// MQTTStats is what a source counts beside its connection.
type MQTTStats struct {
	mqttconn.Stats
	Overload uint64 // QoS 0 messages dropped because there was no room
	Waiting  int    // QoS 1 and 2 messages that wait for room
}

// Messages for which the engine has no room wait here, so that a stall costs no reconnect. They are those that
// the broker was allowed to send, or, of one that does not keep to Receive Maximum (Mosquitto before 2.0.13
// sends its whole backlog), as many as packet ids can tell apart. So what bounds them is their size.
const (
	mostBytes  = 16 << 20
	perMessage = 512                   // that a message takes beside its payload and topic
	lookAgain  = 50 * time.Millisecond // room may also come from another source's messages
)

// Conn is the connection, for sinks that share it.
func (s *MQTTSource) Conn() *mqttconn.Conn { return s.conn }

// Stats is a snapshot.
func (s *MQTTSource) Stats() MQTTStats {
	stats := MQTTStats{Stats: s.conn.Stats()}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Overload, stats.Waiting = s.overload, len(s.waiting)
	return stats
}

// Full says that the broker sends no more messages of QoS 1 and 2 before some are acknowledged.
func (s *MQTTSource) Full() bool { return s.conn.Full() }

// Subscribe replaces the set of topic filters.
func (s *MQTTSource) Subscribe(_ context.Context, filters []string) error {
	if s.share != "" {
		shared := make([]string, len(filters))
		for i, f := range filters {
			shared[i] = f
			if !strings.HasPrefix(f, "$share/") {
				shared[i] = "$share/" + s.share + "/" + f
			}
		}
		filters = shared
	}
	return s.conn.Subscribe(filters, s.qos)
}

// Run is called once.
func (s *MQTTSource) Run(ctx context.Context, next func(*engine.Message) bool) error {
	s.mu.Lock()
	if s.next != nil {
		s.mu.Unlock()
		return errors.New("mqtt source: Run was called twice")
	}
	s.next = next
	s.mu.Unlock()
	s.conn.Start(s.take)
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.conn.Pause()
			s.mu.Lock()
			defer s.mu.Unlock()
			// What waits was never handed on: it stays with the broker.
			s.next, s.waiting, s.bytes = func(*engine.Message) bool { return false }, nil, 0
			return nil
		case <-s.wake:
		case <-tick.C:
		}
		if s.handOver() {
			tick.Reset(time.Hour)
		} else {
			tick.Reset(lookAgain)
		}
	}
}

// Close sends what acknowledgements are due and ends the connection; the broker keeps the session.
func (s *MQTTSource) Close() error { return s.conn.Close() }

// take is given each message by the connection, whose pings wait meanwhile.
func (s *MQTTSource) take(d *mqttconn.Delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 && s.give(d) {
		return true
	}
	if d.Message.Meta.QoS == 0 {
		s.overload++
		return true
	}
	size := sizeOf(d)
	if len(s.waiting) > 0 && s.bytes+size > mostBytes {
		s.log.Warn("the broker sends more than there is room for; it is asked for the rest once there is room", "waiting", len(s.waiting), "bytes", s.bytes)
		return false
	}
	s.waiting = append(s.waiting, d)
	s.bytes += size
	s.holding.Store(true)
	s.stir() // room may have come before holding was set
	return true
}

func sizeOf(d *mqttconn.Delivery) int {
	return perMessage + len(d.Message.Payload) + len(d.Message.Topic)
}

func (s *MQTTSource) give(d *mqttconn.Delivery) bool {
	d.Message.Receive(func(*engine.Message, engine.Outcome) {
		d.Settle()
		if s.holding.Load() {
			s.stir()
		}
	})
	return s.next(&d.Message)
}

func (s *MQTTSource) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// handOver offers what waits, and says whether nothing waits any more.
func (s *MQTTSource) handOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.waiting) && s.give(s.waiting[n]) {
		s.bytes -= sizeOf(s.waiting[n])
		s.waiting[n] = nil
		n++
	}
	s.waiting = s.waiting[n:]
	if len(s.waiting) > 0 {
		return false
	}
	s.waiting = nil
	s.holding.Store(false)
	return true
}
