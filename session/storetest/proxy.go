package storetest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy between a client and a real server, such as PostgreSQL, MariaDB or Redis. It works with every
// protocol in which the client sends a request and then waits for the answer. It counts round trips and simulates
// faults of the network. Create it with NewProxy. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	upstream string

	mu      sync.Mutex
	trips   int
	lose    bool
	repeat  bool
	delay   time.Duration
	resumed chan struct{} // closed, unless the proxy hangs
	closed  chan struct{}
	conns   map[net.Conn]bool
	done    sync.WaitGroup
}

var _ Network = (*Proxy)(nil)

// quiet is the time without further data after which an answer counts as complete.
const quiet = 50 * time.Millisecond

// NewProxy starts a proxy to the server at upstream (host:port). It stops when the test ends.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, upstream: upstream, conns: map[net.Conn]bool{}, closed: make(chan struct{}), resumed: make(chan struct{})}
	close(p.resumed)
	p.done.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// Addr returns the host:port that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// RoundTrips returns the number of round trips since the last call. A round trip is a request after which the client waits.
func (p *Proxy) RoundTrips() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.trips
	p.trips = 0
	return n
}

// LoseAnswer implements [Network]: the next answer is dropped and its connection closed.
func (p *Proxy) LoseAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = true
}

// RepeatRequest implements [Network]: the next request reaches the server twice, and only the second answer returns.
func (p *Proxy) RepeatRequest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.repeat = true
}

// Delay implements [Network]: every request reaches the server after d, even if its client has closed the connection.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Hang implements [Network]: connections stay open, new ones are accepted, and nothing passes until Resume.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.resumed:
		p.resumed = make(chan struct{})
	default:
	}
}

// Resume implements [Network]: held requests reach the server now.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.resumed:
	default:
		close(p.resumed)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close() // the server is down
			continue
		}
		if !p.add(client, server) {
			p.drop(client, server)
			return
		}
		l := &link{proxy: p, client: client, server: server}
		p.done.Go(l.requests)
		p.done.Go(l.answers)
	}
}

// link is one connection through the proxy.
type link struct {
	proxy          *Proxy
	client, server net.Conn

	mu       sync.Mutex
	speaking bool // the client has spoken, and the server has not answered yet
	swallow  bool // answers are dropped
	heard    time.Time
}

// requests forwards data of the client until either side closes.
func (l *link) requests() {
	defer l.proxy.drop(l.client, l.server)
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buffer)
		if n > 0 {
			if l.speaks() {
				l.proxy.count()
			}
			if !l.proxy.pause() || !l.deliver(buffer[:n]) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// speaks reports whether a round trip begins.
func (l *link) speaks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	begins := !l.speaking
	l.speaking = true
	return begins
}

// deliver sends a request to the server, twice if the next one is to be repeated.
func (l *link) deliver(request []byte) bool {
	if l.proxy.take(&l.proxy.repeat) {
		began := time.Now()
		l.setSwallow(true)
		if _, err := l.server.Write(request); err != nil {
			return false
		}
		if !l.answered(began) {
			return false
		}
		l.setSwallow(false)
	}
	_, err := l.server.Write(request)
	return err == nil
}

func (l *link) setSwallow(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swallow = on
}

// answered waits until the server has answered since began and its answer is complete.
func (l *link) answered(began time.Time) bool {
	tick := time.NewTicker(quiet / 5)
	defer tick.Stop()
	for {
		select {
		case <-l.proxy.closed:
			return false
		case now := <-tick.C:
			l.mu.Lock()
			heard := l.heard
			l.mu.Unlock()
			if heard.After(began) && now.Sub(heard) > quiet {
				return true
			}
			if now.Sub(began) > 10*time.Second {
				return false
			}
		}
	}
}

// answers forwards data of the server until either side closes.
func (l *link) answers() {
	defer l.proxy.drop(l.client, l.server)
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buffer)
		if n > 0 {
			l.mu.Lock()
			l.heard = time.Now()
			swallow := l.swallow
			if !swallow {
				l.speaking = false
			}
			l.mu.Unlock()
			if !swallow {
				if l.proxy.take(&l.proxy.lose) || !l.proxy.hold() {
					return
				}
				if _, err := l.client.Write(buffer[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// pause waits before a request is delivered. It returns false if the proxy stops meanwhile.
func (p *Proxy) pause() bool {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.closed:
			return false
		}
	}
	return p.hold()
}

// hold waits while the proxy hangs. It returns false if the proxy stops meanwhile.
func (p *Proxy) hold() bool {
	p.mu.Lock()
	resumed := p.resumed
	p.mu.Unlock()
	select {
	case <-resumed:
		return true
	case <-p.closed:
		return false
	}
}

func (p *Proxy) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trips++
}

// take reports whether the fault is set, and clears it.
func (p *Proxy) take(fault *bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := *fault
	*fault = false
	return taken
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // the other direction may have closed it already
		delete(p.conns, c)
	}
}

func (p *Proxy) stop() {
	_ = p.listener.Close() // ends accept
	p.mu.Lock()
	close(p.closed)
	for c := range p.conns {
		_ = c.Close() // ends both directions, which then drop it
	}
	p.mu.Unlock()
	p.done.Wait()
}
