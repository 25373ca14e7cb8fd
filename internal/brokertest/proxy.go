package brokertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands between a client and a broker, and can be cut.
type Proxy struct {
	t      testing.TB
	target string
	l      net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool
	toss  bool // what the client sends is read and thrown away
}

// NewProxy forwards to target (host:port) until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: target, l: l, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.SetDown(true)
		p.wg.Wait()
	})
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// URL is the address as edge.yaml has it.
func (p *Proxy) URL() string { return "mqtt://" + p.Addr() }

// Cut breaks all connections, as a pulled plug with a reset does. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toss = false
	for c := range p.conns {
		if t, ok := c.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		c.Close()
	}
}

// SetDown refuses connections, and cuts those there are, until SetDown(false).
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.Cut()
	}
}

// Toss throws away what clients send from now until the next Cut: acknowledgements are lost.
func (p *Proxy) Toss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toss = true
}

func (p *Proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		var broker net.Conn
		if !down {
			broker, err = net.Dial("tcp", p.target)
		}
		if down || err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[broker] = true, true
		down = p.down // it may have come while this one was dialled
		p.mu.Unlock()
		if down {
			p.forget(client, broker)
			continue
		}
		p.wg.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { p.pipe(client, broker, false) })
			both.Go(func() { p.pipe(broker, client, true) })
			both.Wait()
			p.forget(client, broker)
		})
	}
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

// pipe copies one direction. Its end is passed on as such, so that the other may still be finished: closing
// both with bytes unread would reset the connection.
func (p *Proxy) pipe(to, from net.Conn, fromClient bool) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		toss := p.toss && fromClient
		p.mu.Unlock()
		if n > 0 && !toss {
			if _, err := to.Write(b[:n]); err != nil {
				p.forget(to, from)
				return
			}
		}
		if err == io.EOF {
			to.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			p.forget(to, from)
			return
		}
	}
}
