package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A server serves the API on one address.
type server struct {
	address string // as it stands in edge.yaml
	http    *http.Server
	done    chan struct{} // Serve has returned
}

// maxConns bounds the connections to the API: whoever opens many must not take memory from the messages.
const maxConns = 64

// serve opens address and serves handler there until close.
func serve(address string, handler http.Handler, log *slog.Logger) (*server, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("http.listen: %s is in use by another program; choose another address, or off: %w", address, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("http.listen: cannot listen on %s: %w", address, err)
	}
	if loopback(l.Addr()) {
		handler = knownHosts(address, handler)
	} else {
		log.Warn("http listens beyond this machine, and asks nobody for a password", "addr", l.Addr().String())
	}
	s := &server{address: address, done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           secured(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of clients that misbehave
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(limit(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("http stopped", "addr", address, "error", err)
		}
	}()
	log.Info("http listening", "addr", l.Addr().String())
	return s, nil
}

// close ends the server; answers that are under way have a second.
func (s *server) close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	<-s.done
}

// listen opens http.listen of config beside the server that runs, nil where it is off.
func (a *app) listen(config *Config) (*server, error) {
	if config.HTTP.Listen == "off" {
		return nil, nil
	}
	next, err := serve(config.HTTP.Listen, a.handler(), a.log)
	if !errors.Is(err, syscall.EADDRINUSE) || a.server == nil || !samePort(a.server.address, config.HTTP.Listen) {
		return next, err
	}
	// From 127.0.0.1:8080 to :8080 it is we who use the port, and only closing first helps.
	before := a.server.address
	a.server.close()
	if next, err = serve(config.HTTP.Listen, a.handler(), a.log); err == nil {
		return next, nil
	}
	again, failed := serve(before, a.handler(), a.log)
	if failed != nil {
		a.log.Error("the API is gone", "error", failed)
	}
	a.server = again
	return nil, err
}

func samePort(a, b string) bool {
	_, p, err := net.SplitHostPort(a)
	_, q, err2 := net.SplitHostPort(b)
	return err == nil && err2 == nil && p == q
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// knownHosts refuses requests that were meant for another name. A web page anywhere can have its own name
// point to 127.0.0.1 and then read what a browser on this machine fetches (DNS rebinding).
func knownHosts(address string, next http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		} else if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
			host = host[1 : n-1]
		}
		ip, err := netip.ParseAddr(host)
		if host == "localhost" || host == own && own != "" || err == nil && ip.IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this server is known as localhost only", http.StatusMisdirectedRequest)
	})
}

// secured tells browsers to take the answers for what they are and for nothing else.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// limit accepts at most n connections at a time; more wait in the kernel's queue.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	slots  chan struct{} // one taken for each connection
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slot{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type slot struct {
	net.Conn
	free func()
}

func (s *slot) Close() error {
	err := s.Conn.Close()
	s.free()
	return err
}
