// Package tlstest makes certificates for tests, with an authority that exists for one test only.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A CA signs certificates. Its own is in File.
type CA struct {
	File string

	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Pair is a certificate with its key, in files.
type Pair struct{ CertFile, KeyFile string }

// New makes an authority of its own.
func New(t testing.TB) *CA {
	ca := &CA{t: t}
	ca.cert = &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	ca.key, der = sign(t, ca.cert, ca.cert, nil)
	ca.File = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca.File, "CERTIFICATE", der)
	return ca
}

// Issue signs a certificate for a name or an IP address, good for servers and clients, from an hour ago
// until the given time from now.
func (ca *CA) Issue(name string, good time.Duration) Pair {
	dir := ca.t.TempDir()
	p := Pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	ca.IssueTo(p, name, good)
	return p
}

// IssueTo does the same into given files, as a renewal does.
func (ca *CA) IssueTo(p Pair, name string, good time.Duration) {
	cert := &x509.Certificate{
		SerialNumber: serial(ca.t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(good),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	} else {
		cert.DNSNames = []string{name}
	}
	key, der := sign(ca.t, cert, ca.cert, ca.key)
	write(ca.t, p.CertFile, "CERTIFICATE", der)
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		ca.t.Fatal(err)
	}
	write(ca.t, p.KeyFile, "EC PRIVATE KEY", text)
}

// Server is the configuration of a server that shows p and, with clients set, wants a certificate of ca.
func (ca *CA) Server(p Pair, clients bool) *tls.Config {
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		ca.t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if clients {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(ca.cert)
	}
	return c
}

// sign makes a key and a certificate for it. Without a signer it signs itself.
func sign(t testing.TB, cert, by *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert.IsCA { // what it signs needs its own identifiers
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		*cert = *made
	}
	return key, der
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t testing.TB, file, kind string, der []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
