// Package wire stands between a client and a server in tests: it counts round trips, and loses answers.
package wire

import (
	"net"
	"sync"
	"testing"
)

// Proxy forwards connections to a server.
type Proxy struct {
	listener net.Listener
	upstream string

	mu     sync.Mutex
	trips  int
	lose   bool
	closed bool
	conns  map[net.Conn]bool
	done   sync.WaitGroup
}

// New starts a proxy to the server at upstream (host:port), and stops it when the test ends.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, upstream: upstream, conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// Addr is the host:port that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// RoundTrips returns how often a client has spoken and then waited for the server, since it was called last.
func (p *Proxy) RoundTrips() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.trips
	p.trips = 0
	return n
}

// LoseAnswer makes the next answer vanish, and the connection with it: the server has done what it was asked, and
// the client doesn't know.
func (p *Proxy) LoseAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = true
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
		// A round trip begins when a client speaks that was not speaking already.
		var mu sync.Mutex
		speaking := false
		p.done.Go(func() {
			p.forward(server, client, func() bool {
				mu.Lock()
				defer mu.Unlock()
				if !speaking {
					p.count()
				}
				speaking = true
				return true
			})
		})
		p.done.Go(func() {
			p.forward(client, server, func() bool {
				mu.Lock()
				defer mu.Unlock()
				speaking = false
				return !p.loses()
			})
		})
	}
}

// forward copies until either side closes, or before refuses.
func (p *Proxy) forward(to, from net.Conn, before func() bool) {
	defer p.drop(to, from)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && before() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		} else if n > 0 {
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trips++
}

func (p *Proxy) loses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	lose := p.lose
	p.lose = false
	return lose
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
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
		_ = c.Close() // the other direction may have closed it before
		delete(p.conns, c)
	}
}

func (p *Proxy) stop() {
	_ = p.listener.Close() // it only ever ends the accepting
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close() // both directions then drop it
	}
	p.mu.Unlock()
	p.done.Wait()
}
