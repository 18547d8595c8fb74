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

	mu         sync.Mutex
	roundTrips int
	loseNext   bool
	repeatNext bool
	delay      time.Duration
	resumed    chan struct{} // closed, unless the proxy hangs
	closed     chan struct{}
	conns      map[net.Conn]bool
	done       sync.WaitGroup
}

var _ Network = (*Proxy)(nil)

// answerPause is the time without further data after which an answer counts as complete.
const answerPause = 50 * time.Millisecond

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

// RoundTrips returns the number of round trips since the last call. A round trip is a request after which the client
// waits.
func (p *Proxy) RoundTrips() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.roundTrips
	p.roundTrips = 0
	return n
}

// LoseAnswer implements [Network]: the next answer is dropped and its connection closed.
func (p *Proxy) LoseAnswer() { p.update(func() { p.loseNext = true }) }

// RepeatRequest implements [Network]: the next request reaches the server twice, and only the second answer returns.
func (p *Proxy) RepeatRequest() { p.update(func() { p.repeatNext = true }) }

// Delay implements [Network]: every request reaches the server after d, even if its client has closed the connection.
func (p *Proxy) Delay(d time.Duration) { p.update(func() { p.delay = d }) }

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

func (p *Proxy) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
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
		if !p.register(client, server) {
			p.closeConns(client, server)
			return
		}
		c := &connection{proxy: p, client: client, server: server}
		p.done.Go(c.requests)
		p.done.Go(c.answers)
	}
}

// connection is one connection through the proxy.
type connection struct {
	proxy          *Proxy
	client, server net.Conn

	mu          sync.Mutex
	waiting     bool      // the client has sent a request, and the server has not answered yet
	dropAnswers bool      // answers do not reach the client
	lastAnswer  time.Time // when the server last sent data
}

// requests forwards data of the client until either side closes.
func (c *connection) requests() {
	defer c.proxy.closeConns(c.client, c.server)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buffer)
		if n > 0 {
			if c.beginRoundTrip() {
				c.proxy.update(func() { c.proxy.roundTrips++ })
			}
			if !c.proxy.delayRequest() || !c.deliver(buffer[:n]) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// beginRoundTrip reports whether a request begins a round trip.
func (c *connection) beginRoundTrip() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	begins := !c.waiting
	c.waiting = true
	return begins
}

// deliver sends a request to the server, twice if the next one is to be repeated.
func (c *connection) deliver(request []byte) bool {
	if c.proxy.consume(&c.proxy.repeatNext) {
		began := time.Now()
		c.setDropAnswers(true)
		if _, err := c.server.Write(request); err != nil {
			return false
		}
		if !c.waitForAnswer(began) {
			return false
		}
		c.setDropAnswers(false)
	}
	_, err := c.server.Write(request)
	return err == nil
}

func (c *connection) setDropAnswers(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropAnswers = on
}

// waitForAnswer waits until the server has answered since began and its answer is complete.
func (c *connection) waitForAnswer(began time.Time) bool {
	tick := time.NewTicker(answerPause / 5)
	defer tick.Stop()
	for {
		select {
		case <-c.proxy.closed:
			return false
		case now := <-tick.C:
			c.mu.Lock()
			lastAnswer := c.lastAnswer
			c.mu.Unlock()
			if lastAnswer.After(began) && now.Sub(lastAnswer) > answerPause {
				return true
			}
			if now.Sub(began) > 10*time.Second {
				return false
			}
		}
	}
}

// answers forwards data of the server until either side closes.
func (c *connection) answers() {
	defer c.proxy.closeConns(c.client, c.server)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if n > 0 {
			c.mu.Lock()
			c.lastAnswer = time.Now()
			dropAnswers := c.dropAnswers
			if !dropAnswers {
				c.waiting = false
			}
			c.mu.Unlock()
			if !dropAnswers {
				if c.proxy.consume(&c.proxy.loseNext) || !c.proxy.waitWhileHung() {
					return
				}
				if _, err := c.client.Write(buffer[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// delayRequest waits before a request is delivered. It returns false if the proxy stops meanwhile.
func (p *Proxy) delayRequest() bool {
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
	return p.waitWhileHung()
}

// waitWhileHung waits while the proxy hangs. It returns false if the proxy stops meanwhile.
func (p *Proxy) waitWhileHung() bool {
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

// consume reports whether the fault is set, and clears it.
func (p *Proxy) consume(fault *bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := *fault
	*fault = false
	return taken
}

func (p *Proxy) register(conns ...net.Conn) bool {
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

func (p *Proxy) closeConns(conns ...net.Conn) {
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
