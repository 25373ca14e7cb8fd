package sinks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"edge/engine"
	"edge/internal/pacing"
	"edge/internal/strictyaml"
	"edge/internal/tlsoptions"
)

// HTTP sends messages in the bodies of requests to one server.
type HTTP struct {
	Method      string              `yaml:"method"` // POST
	URL         string              `yaml:"url,required"`
	Format      string              `yaml:"format"` // single, json_array or ndjson; single
	Gzip        bool                `yaml:"gzip"`
	Headers     map[string]string   `yaml:"headers"`
	Timeout     time.Duration       `yaml:"timeout,nonzero"`       // of a request with its answer, 10s
	MaxInFlight int                 `yaml:"max_in_flight,nonzero"` // requests at one time, 4
	BearerToken strictyaml.Secret   `yaml:"bearer_token"`
	BasicAuth   *BasicAuth          `yaml:"basic_auth"`
	TLS         *tlsoptions.Options `yaml:"tls"`
}

// BasicAuth is a user name and password for HTTP.
type BasicAuth struct {
	Username string            `yaml:"username,required"`
	Password strictyaml.Secret `yaml:"password,required"`
}

// The formats of a body: one message, or a batch as a JSON array or as lines.
const (
	single    = "single"
	jsonArray = "json_array"
	ndjson    = "ndjson"
)

// Validate checks the address and the choices.
func (c *HTTP) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if _, err := parseHTTPURL(c.URL); err != nil {
		errs.Add(pos("url"), "url %v", err)
	}
	switch c.Method {
	case "", "POST", "PUT", "PATCH", "DELETE":
	default:
		errs.Add(pos("method"), "method wants POST, PUT, PATCH or DELETE, not %q", c.Method)
	}
	switch c.Format {
	case "", single, jsonArray, ndjson:
	default:
		errs.Add(pos("format"), "format wants single, json_array or ndjson, not %q", c.Format)
	}
	if c.Timeout < 0 {
		errs.Add(pos("timeout"), "timeout wants a duration above 0, not %s", c.Timeout)
	}
	if c.MaxInFlight < 0 {
		errs.Add(pos("max_in_flight"), "max_in_flight wants a number above 0, not %d", c.MaxInFlight)
	}
	if c.BearerToken.IsSet() && c.BasicAuth != nil {
		errs.Add(pos("basic_auth"), "set one of bearer_token and basic_auth")
	}
	if err := c.TLS.Check(); err != nil {
		errs.Add(pos("tls"), "%v", err)
	}
	checkHeaders(c.Headers, pos, errs)
}

// parseHTTPURL repeats nothing of the text in its errors: it may hold a password.
func parseHTTPURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("wants an address such as https://host/path")
	case strings.Contains(s, "{{"):
		return nil, errors.New("is one for all messages; what differs goes into path: of a route, a template")
	case u.Fragment != "":
		return nil, errors.New("has a # part, which is never sent: leave it out")
	}
	return u, nil
}

func (c *HTTP) open(name string, deps Deps) (engine.Sink, error) {
	base, err := parseHTTPURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	config, err := c.TLS.Config("") // the client fills in the host
	if err != nil {
		return nil, err
	}
	s := &httpOut{
		base: base, method: c.Method, format: c.Format, gzip: c.Gzip,
		headers: http.Header{}, limit: c.MaxInFlight,
	}
	if s.method == "" {
		s.method = http.MethodPost
	}
	if s.format == "" {
		s.format = single
	}
	if s.limit == 0 {
		s.limit = 4
	}
	s.shown = base.Scheme + "://" + base.Host
	s.setHeaders(c)
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	s.client = &http.Client{
		Timeout:       timeout,
		Transport:     transport(config, s.limit),
		CheckRedirect: checkRedirect,
	}
	if c.TLS.Insecure() {
		deps.Log.Warn("insecure_skip_verify: this sink does not check who it talks to", "server", s.shown)
	}
	return s, nil
}

// setHeaders makes the headers that each request has, and notes what of them must never be shown.
func (s *httpOut) setHeaders(c *HTTP) {
	s.headers.Set("User-Agent", "edge")
	s.headers.Set("Content-Type", "application/json")
	if s.format == ndjson {
		s.headers.Set("Content-Type", "application/x-ndjson")
	}
	for name, value := range c.Headers {
		s.headers.Set(name, value)
		if len(value) >= 8 { // it may be a key; a shorter one is none, and stands in many a text by chance
			s.secrets = append(s.secrets, value)
		}
	}
	user := s.base.User
	s.base.User = nil
	if c.BasicAuth != nil {
		user = url.UserPassword(c.BasicAuth.Username, c.BasicAuth.Password.Reveal())
	}
	var r http.Request
	r.Header = http.Header{}
	switch password, _ := user.Password(); {
	case c.BearerToken.IsSet():
		s.secrets = append(s.secrets, c.BearerToken.Reveal())
		s.auth = "Bearer " + c.BearerToken.Reveal()
	case user != nil:
		r.SetBasicAuth(user.Username(), password)
		s.auth = r.Header.Get("Authorization")
		s.secrets = append(s.secrets, password, strings.TrimPrefix(s.auth, "Basic "))
	}
}

func transport(config *tls.Config, inFlight int) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialHTTP,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: inFlight,
		IdleConnTimeout:     90 * time.Second,
		// A server's answer is read as far as an error's text goes.
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func dialHTTP(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return pacing.New(conn, pacing.Always), nil
}

// checkRedirect follows a redirect only where the request stays the same in all but its path. Otherwise the
// first answer stands: another host must not get our credentials, and 301, 302 and 303 make of a POST a GET,
// whose 200 would count as a delivery.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first, code := via[0].URL, r.Response.StatusCode
	same := r.URL.Scheme == first.Scheme && r.URL.Host == first.Host
	if same && len(via) <= 5 && (code == http.StatusTemporaryRedirect || code == http.StatusPermanentRedirect) {
		return nil
	}
	return http.ErrUseLastResponse
}
