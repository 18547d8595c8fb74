package session_test

import (
	"net/http"
	"testing"

	"github.com/go-usher/usher/session"
)

func TestSpellingsAndAddressesOfANetworkCountTogether(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for i, address := range []string{"[2001:db8::1]:1", "[2001:db8::2]:2", "[2001:db8:0:0:ffff::1]:3", "[2001:db8::1%eth0]:4", "[2001:db8::1]:5"} {
		email := []string{"ada@example.org", "ADA@example.org", " ada@example.org", "Ada@Example.Org\t", "ada@example.org "}[i]
		s.send(t, "POST", "/login", wrong(email), from(address)).want(t, 401, "")
	}
	a := s.send(t, "POST", "/login", login, from("[2001:db8::9]:1")).want(t, 429, "Too many")
	if a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	s.send(t, "POST", "/login", login, from("[2001:db8::9]:1"), header("X-Forwarded-For", "198.51.100.7"), header("Forwarded", "for=198.51.100.7")).want(t, 429, "")
	s.send(t, "POST", "/login", login, from("[2001:db8:0:1::1]:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("192.0.2.7:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("[::ffff:192.0.2.7]:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("pipe")).want(t, 200, "")
}

func TestClientAddressIsUsedForCountingAndForTheSession(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-Real-IP") }
	})
	for range 5 {
		s.send(t, "POST", "/login", wrong("ada@example.org"), header("X-Real-IP", "198.51.100.1")).want(t, 401, "")
	}
	s.send(t, "POST", "/login", login, header("X-Real-IP", "198.51.100.1")).want(t, 429, "")
	s.send(t, "POST", "/login", login, header("X-Real-IP", "198.51.100.2")).want(t, 200, "")
	if got := s.wantSessions(t, 1)[0].Address; got != "198.51.100.2" {
		t.Errorf("address %s", got)
	}
}

// The headers of some proxies include the connection's port, which a client can change at will.
func TestPortsOfAnAddressCountTogether(t *testing.T) {
	for _, addresses := range [][]string{
		{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1", "[::ffff:198.51.100.1]:3", "198.51.100.1:4", "198.51.100.1:5"},
		{"[2001:db8::1]:1", "[2001:db8::2]:2", "2001:db8::3", "[2001:db8::4]", "[2001:db8::5%eth0]:4", "[2001:db8::6]:5"},
	} {
		s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
			o.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
		})
		for i, address := range addresses {
			want := http.StatusUnauthorized
			if i == 5 {
				want = http.StatusTooManyRequests
			}
			s.send(t, "POST", "/login", wrong("ada@example.org"), header("X-Forwarded-For", address)).want(t, want, "")
		}
	}
}
