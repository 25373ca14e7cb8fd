package tlsoptions_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/internal/tlsoptions"
	"edge/internal/tlsoptions/tlstest"
)

// serve answers each handshake with the name in the client's certificate.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				c := conn.(*tls.Conn)
				if c.Handshake() == nil {
					name := "nobody"
					if certs := c.ConnectionState().PeerCertificates; len(certs) > 0 {
						name = certs[0].Subject.CommonName
					}
					io.WriteString(c, name)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// call says who the server took us for.
func call(address string, config *tls.Config) (string, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	name, err := io.ReadAll(conn)
	return string(name), err
}

func TestHandshake(t *testing.T) {
	ca, other := tlstest.New(t), tlstest.New(t)
	good := ca.Issue("127.0.0.1", time.Hour)
	client := ca.Issue("box-1", time.Hour)
	old := ca.Issue("127.0.0.1", -time.Minute)
	named := ca.Issue("broker.test", time.Hour)
	tests := []struct {
		name    string
		server  *tls.Config
		options *tlsoptions.Options
		want    string // who the server sees, or a part of the error
		fails   bool
	}{
		{"our authority", ca.Server(good, false), &tlsoptions.Options{CAFile: ca.File}, "nobody", false},
		{"no options", ca.Server(good, false), nil, "unknown authority", true},
		{"another authority", ca.Server(good, false), &tlsoptions.Options{CAFile: other.File}, "unknown authority", true},
		{"expired", ca.Server(old, false), &tlsoptions.Options{CAFile: ca.File}, "expired", true},
		{"wrong name", ca.Server(named, false), &tlsoptions.Options{CAFile: ca.File}, "127.0.0.1", true},
		{"server_name", ca.Server(named, false), &tlsoptions.Options{CAFile: ca.File, ServerName: "broker.test"}, "nobody", false},
		{"not checked", ca.Server(old, false), &tlsoptions.Options{InsecureSkipVerify: true}, "nobody", false},
		{"client certificate", ca.Server(good, true),
			&tlsoptions.Options{CAFile: ca.File, CertFile: client.CertFile, KeyFile: client.KeyFile}, "box-1", false},
		{"client certificate missing", ca.Server(good, true), &tlsoptions.Options{CAFile: ca.File}, "certificate required", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, err := tt.options.Config("127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			got, err := call(serve(t, tt.server), config)
			if tt.fails {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got %q, %v; want an error with %q", got, err, tt.want)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Fatalf("the server saw %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	ca := tlstest.New(t)
	server := ca.Server(ca.Issue("127.0.0.1", time.Hour), false)
	server.MinVersion, server.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	config, err := (&tlsoptions.Options{CAFile: ca.File}).Config("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(serve(t, server), config); err == nil {
		t.Fatal("a server with TLS 1.1 was accepted")
	}
}

func TestRenewedCertificateIsUsed(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Server(ca.Issue("127.0.0.1", time.Hour), true))
	pair := ca.Issue("first", time.Hour)
	config, err := (&tlsoptions.Options{CAFile: ca.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile}).Config("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	wantName := func(want string) {
		t.Helper()
		if got, err := call(address, config); err != nil || got != want {
			t.Fatalf("the server saw %q, %v; want %q", got, err, want)
		}
	}
	wantName("first")

	// Half of a renewal: the key does not fit yet, the old pair serves on.
	next := ca.Issue("second", time.Hour)
	replace(t, next.CertFile, pair.CertFile)
	wantName("first")
	replace(t, next.KeyFile, pair.KeyFile)
	wantName("second")

	if err := os.Remove(pair.CertFile); err != nil {
		t.Fatal(err)
	}
	wantName("second")
}

// replace moves from to to and makes it newer than it was, whatever the clock of the file system counts in.
func replace(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	later := info.ModTime().Add(time.Second)
	if err := os.Chtimes(to, later, later); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	ca := tlstest.New(t)
	a, b := ca.Issue("a", time.Hour), ca.Issue("b", time.Hour)
	dir := t.TempDir()
	text := filepath.Join(dir, "text.pem")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.pem")
	tests := []struct {
		name    string
		options tlsoptions.Options
		want    string
	}{
		{"no CA file", tlsoptions.Options{CAFile: missing}, "ca_file: open " + missing},
		{"CA file without certificate", tlsoptions.Options{CAFile: text}, "ca_file " + text + ": holds no PEM certificate"},
		{"cert without key", tlsoptions.Options{CertFile: a.CertFile}, "cert_file needs a key_file"},
		{"key without cert", tlsoptions.Options{KeyFile: a.KeyFile}, "key_file needs a cert_file"},
		{"no cert file", tlsoptions.Options{CertFile: missing, KeyFile: a.KeyFile}, missing},
		{"key of another", tlsoptions.Options{CertFile: a.CertFile, KeyFile: b.KeyFile}, "cert_file " + a.CertFile + " with key_file " + b.KeyFile},
		{"key is text", tlsoptions.Options{CertFile: a.CertFile, KeyFile: text}, text},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.options.Config("host")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}
