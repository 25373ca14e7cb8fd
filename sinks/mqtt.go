package sinks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"edge/engine"
	"edge/internal/mqttconn"
	"edge/internal/strictyaml"
	"edge/internal/tlsoptions"
)

// MQTT is the settings of a sink that publishes to an MQTT 5 broker: over the connection of a source, or
// over one of its own.
type MQTT struct {
	Source string `yaml:"source"` // the source whose connection to use; then none of the next block is set

	URL              strictyaml.List[string] `yaml:"url"` // mqtt, mqtts, ws, wss; a list fails over
	mqttconn.Options `yaml:",inline"`
	Password         strictyaml.Secret   `yaml:"password"`
	TLS              *tlsoptions.Options `yaml:"tls"`

	QoS             *int              `yaml:"qos"` // 1
	Retain          bool              `yaml:"retain"`
	MessageExpiry   time.Duration     `yaml:"message_expiry"`
	ContentType     string            `yaml:"content_type"`
	ResponseTopic   string            `yaml:"response_topic"`
	CorrelationData string            `yaml:"correlation_data"`
	UserProperties  map[string]string `yaml:"user_properties"` // of each message, before its own headers
}

// Validate checks what a type cannot say.
func (c *MQTT) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	own := len(c.URL) > 0 || c.Password.IsSet() || c.TLS != nil || c.Options != (mqttconn.Options{})
	switch {
	case c.Source == "" && len(c.URL) == 0:
		errs.Add(pos(""), "mqtt wants source: NAME, to use that source's connection, or a url of its own")
	case c.Source != "" && own:
		errs.Add(pos("source"), "source: %s brings its connection along; leave out url, client_id, username, password, tls and the like", c.Source)
	}
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
	if c.MessageExpiry != 0 && c.MessageExpiry < time.Second || c.MessageExpiry > math.MaxUint32*time.Second {
		errs.Add(pos("message_expiry"), "message_expiry wants 1s or more")
	}
	if c.ResponseTopic != "" {
		if err := mqttconn.CheckTopic(c.ResponseTopic); err != nil {
			errs.Add(pos("response_topic"), "%v", err)
		}
	}
	for key, text := range map[string]string{"content_type": c.ContentType, "correlation_data": c.CorrelationData} {
		if len(text) > math.MaxUint16 {
			errs.Add(pos(key), "%s is longer than 65535 bytes", key)
		}
	}
	if err := checkUserProperties(mqttconn.SortedHeaders(c.UserProperties)); err != nil {
		errs.Add(pos("user_properties"), "%v", err)
	}
}

// What was not answered when the program ended is the engine's to send again, so the session of a sink
// need not last; it must outlive a reconnect.
const sinkSession = 10 * time.Minute

func (c *MQTT) open(name string, deps Deps) (engine.Sink, error) {
	s := &mqttSink{qos: 1, retain: c.Retain}
	if c.QoS != nil {
		s.qos = byte(*c.QoS)
	}
	s.properties = mqttconn.AppendProperties(nil, uint32(c.MessageExpiry.Seconds()),
		c.ContentType, c.ResponseTopic, c.CorrelationData, mqttconn.SortedHeaders(c.UserProperties))
	if c.Source != "" {
		conn, err := deps.MQTT(c.Source)
		if err != nil {
			return nil, err
		}
		s.conn = conn
		return s, nil
	}
	conf := mqttconn.Config{Options: c.Options, Name: "sink-" + name, URLs: c.URL, Password: c.Password.Reveal(), Log: deps.Log}
	if conf.SessionExpiry == 0 {
		conf.SessionExpiry = sinkSession
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
	s.conn, s.own = conn, true
	conn.Start(nil)
	return s, nil
}

// An mqttSink publishes. QoS 1 and 2: accepted when the broker has answered; QoS 0: when written to the
// connection.
type mqttSink struct {
	conn       *mqttconn.Conn
	own        bool
	qos        byte
	retain     bool
	properties []byte

	pipe pipeline
}

// Write sends in the order of the batch. The window of what may be under way is the broker's.
func (s *mqttSink) Write(ctx context.Context, batch []*engine.Message, result []error) {
	out := make([]mqttconn.Outgoing, len(batch))
	ended := make(chan end, len(batch))
	done := func(p *mqttconn.Outgoing) { ended <- end{p.Tag, s.reason(p.Topic, p.Err)} }
	s.pipe.limit, s.pipe.ended, s.pipe.hurry = len(batch), ended, s.conn.Urgent()
	s.pipe.start = func(i int) error {
		m, p := batch[i], &out[i]
		if err := checkPublish(m); err != nil {
			return fmt.Errorf("%w: %w", engine.ErrRejected, err)
		}
		*p = mqttconn.Outgoing{
			Topic: m.Address, Payload: m.Payload, Headers: m.Headers, Properties: s.properties,
			QoS: s.qos, Retain: s.retain, Tag: i, Done: done,
		}
		return s.reason(p.Topic, s.conn.Send(ctx, p))
	}
	s.pipe.run(ctx, batch, result)
	s.conn.Forsake(out) // what came to no end may not be looked at after Write
}

func (s *mqttSink) Close() error {
	if s.own {
		return s.conn.Close()
	}
	return nil
}

// reason says what an error of the connection means to the engine.
func (s *mqttSink) reason(topic string, err error) error {
	var down *mqttconn.DownError
	var reason *mqttconn.ReasonError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &down), errors.Is(err, mqttconn.ErrClosed):
		return &awayError{err} // the reason that a DownError may hold is the connection's
	case errors.Is(err, mqttconn.ErrTooLarge):
		return fmt.Errorf("%w: %w", engine.ErrRejected, err)
	case errors.As(err, &reason):
		switch err = fmt.Errorf("topic %q: %w", topic, err); reason.Code {
		case 0x90, 0x95, 0x99: // the topic, the size, the payload: no other try mends them
			return fmt.Errorf("%w: %w", engine.ErrRejected, err)
		}
	}
	return err
}

// checkPublish finds what a broker would close the connection for, again and again.
func checkPublish(m *engine.Message) error {
	if err := mqttconn.CheckTopic(m.Address); err != nil {
		return err
	}
	return checkUserProperties(m.Headers)
}

func checkUserProperties(headers []engine.Header) error {
	for _, h := range headers {
		for _, text := range []string{h.Name, h.Value} {
			if len(text) > math.MaxUint16 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return fmt.Errorf("user property %q is longer than 65535 bytes, not UTF-8, or holds NUL", h.Name)
			}
		}
	}
	return nil
}
