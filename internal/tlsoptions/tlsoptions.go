// Package tlsoptions is the `tls:` block that every kind of connection has, and the tls.Config it makes.
package tlsoptions

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Options are the keys of a `tls:` block. The zero value, and nil, trust the system's authorities and
// show no certificate.
type Options struct {
	CAFile             string `yaml:"ca_file,present"`
	CertFile           string `yaml:"cert_file,present"`
	KeyFile            string `yaml:"key_file,present"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// Check says what is wrong without a look at the files, for whoever reads the settings.
func (o *Options) Check() error {
	switch {
	case o == nil:
	case o.CertFile != "" && o.KeyFile == "":
		return errors.New("tls: cert_file needs a key_file")
	case o.CertFile == "" && o.KeyFile != "":
		return errors.New("tls: key_file needs a cert_file")
	}
	return nil
}

// Insecure says whether the server is trusted unseen. Who opens such a connection logs a warning.
func (o *Options) Insecure() bool { return o != nil && o.InsecureSkipVerify }

// Config reads the files and makes the configuration of a client. host is the name that the server's
// certificate must bear unless server_name says another; "" leaves it to the client library, which knows
// which server of a list it dials. An error names the file that is wrong.
//
// The client's certificate is looked at again at each handshake, so that one renewed on disk is used
// without a restart.
func (o *Options) Config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if o == nil {
		return c, nil
	}
	if o.ServerName != "" {
		c.ServerName = o.ServerName
	}
	c.InsecureSkipVerify = o.InsecureSkipVerify
	if o.CAFile != "" {
		pool, err := authorities(o.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if o.CertFile == "" && o.KeyFile == "" {
		return c, nil
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	p := &pair{certFile: o.CertFile, keyFile: o.KeyFile}
	if err := p.load(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = p.get
	return c, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls: ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls: ca_file %s: holds no PEM certificate", file)
	}
	return pool, nil
}

// A pair is a certificate with its key, as read last.
type pair struct {
	certFile, keyFile string

	mu    sync.Mutex // handshakes come from the goroutines of several connections
	cert  *tls.Certificate
	state [2]fileState
}

type fileState struct {
	changed time.Time
	size    int64
}

// get is called at each handshake. A new pair that cannot be read, as while one of its two files is being
// replaced, leaves the old one in use; the next handshake tries again.
func (p *pair) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := p.look()
	if err == nil && now != p.state {
		_ = p.load()
	}
	return p.cert, nil
}

func (p *pair) look() (state [2]fileState, err error) {
	for i, name := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return state, err
		}
		state[i] = fileState{info.ModTime(), info.Size()}
	}
	return state, nil
}

func (p *pair) load() error {
	// Looked at before they are read: a change in between is then seen at the next handshake.
	state, err := p.look()
	if err != nil {
		return fmt.Errorf("tls: cert_file, key_file: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("tls: cert_file %s with key_file %s: %w", p.certFile, p.keyFile, err)
	}
	p.cert, p.state = &cert, state
	return nil
}
