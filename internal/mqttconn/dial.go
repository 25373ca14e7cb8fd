package mqttconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"edge/internal/pacing"
)

// A peer that is gone without a word is noticed by TCP within about this, also while we have data to send.
const silence = 20 * time.Second

// dial opens the transport that u's scheme names. ctx bounds the whole of it.
func (c *Conn) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 4, Count: 2}}
	tcp := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := d.DialContext(ctx, network, addr)
		if err == nil {
			setUserTimeout(nc, silence)
			nc = pacing.New(nc, &c.urgent)
		}
		return nc, err
	}
	switch u.Scheme {
	case "mqtt":
		return tcp(ctx, "tcp", u.Host)
	case "mqtts":
		conf, err := c.tlsConfig(u)
		if err != nil {
			return nil, err
		}
		nc, err := tcp(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		t := tls.Client(nc, conf)
		if err := t.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, err
		}
		return t, nil
	}
	conf, err := c.tlsConfig(u)
	if err != nil {
		return nil, err
	}
	ws := websocket.Dialer{Proxy: http.ProxyFromEnvironment, NetDialContext: tcp, TLSClientConfig: conf, Subprotocols: []string{"mqtt"}}
	w, resp, err := ws.DialContext(ctx, u.String(), nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: HTTP status %s", err, resp.Status)
		}
		return nil, err
	}
	// A packet may come in many frames, a frame hold many packets; this bounds what one frame may hold.
	w.SetReadLimit(c.cfg.MaxPacketSize + 1<<20)
	return &wsConn{Conn: w}, nil
}

func (c *Conn) tlsConfig(u *url.URL) (*tls.Config, error) {
	if u.Scheme == "mqtt" || u.Scheme == "ws" {
		return nil, nil
	}
	if c.cfg.TLS == nil {
		return &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}, nil
	}
	return c.cfg.TLS(u.Hostname())
}

// wsConn makes a stream of the frames of a WebSocket.
type wsConn struct {
	*websocket.Conn
	frame io.Reader
}

func (w *wsConn) Read(b []byte) (int, error) {
	for {
		if w.frame == nil {
			_, frame, err := w.NextReader()
			if err != nil {
				return 0, err
			}
			w.frame = frame
		}
		n, err := w.frame.Read(b)
		if err == io.EOF {
			w.frame, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (w *wsConn) Write(b []byte) (int, error) {
	if err := w.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *wsConn) SetDeadline(t time.Time) error {
	if err := w.SetReadDeadline(t); err != nil {
		return err
	}
	return w.SetWriteDeadline(t)
}
