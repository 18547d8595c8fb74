// Package sitetest drives the recipes of this module over sockets.
package sitetest

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
)

// Cookie is the cookie that carries a token.
const Cookie = "__Host-access"

// New returns a site.
func New(t testing.TB) *site.Site {
	t.Helper()
	s, err := site.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Auth returns a middleware of the site that takes tokens from Authorization, from the cookie, and from other sources.
func Auth(t testing.TB, s *site.Site, more ...usher.TokenSource) *site.Auth {
	t.Helper()
	auth, err := s.Auth(usher.MiddlewareOptions{
		Sources: append([]usher.TokenSource{usher.FromBearer(), usher.FromCookie(Cookie)}, more...),
		Observe: func(*http.Request, *usher.Rejection) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// Login logs a user in for as long as ttl says.
func Login(t testing.TB, s *site.Site, subject string, ttl time.Duration) site.Login {
	t.Helper()
	login, err := s.Login(t.Context(), subject, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return login
}

// Discard returns a log for servers whose handlers panic on purpose.
func Discard() *log.Logger { return log.New(io.Discard, "", 0) }

// Server is a server that a test asks.
type Server struct {
	URL    string
	Client *http.Client
}

// Serve serves a handler on a socket until the test ends. The test fails if goroutines are left then.
func Serve(t testing.TB, handler http.Handler) Server {
	t.Helper()
	before := runtime.NumGoroutine()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = Discard()
	server.Start()
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines are left instead of %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
	return Server{server.URL, server.Client()}
}

// Response is the response to a request of a test, which closes its body.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       io.ReadCloser
}

// Get sends a GET request with these headers.
func Get(t testing.TB, server Server, path string, header http.Header) Response {
	t.Helper()
	return Do(t, server, http.MethodGet, path, header)
}

// Do sends a request with these headers and no body.
func Do(t testing.TB, server Server, method, path string, header http.Header) Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	response, err := server.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return Response{response.StatusCode, response.Header, response.Body}
}

// Bearer returns a request's headers with a token.
func Bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// InCookie returns a request's headers with a token in the cookie, as a browser sends them from the site's own pages.
func InCookie(token string) http.Header {
	return http.Header{"Cookie": {Cookie + "=" + token}, "Sec-Fetch-Site": {"same-origin"}}
}

// With returns the headers of both.
func With(header, more http.Header) http.Header {
	header = header.Clone()
	for name, values := range more {
		header[name] = append(header[name], values...)
	}
	return header
}

// Refusals checks what a route of Require answers to the requests that it refuses, and to all when the users' database is
// down. more are headers of every request.
func Refusals(t *testing.T, s *site.Site, server Server, path string, more http.Header) {
	t.Helper()
	ann, ghost := Login(t, s, "1", time.Hour), Login(t, s, "3", time.Hour)
	ended, old := Login(t, s, "1", time.Hour), Login(t, s, "1", -time.Minute)
	if err := ended.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	crossOrigin := InCookie(ann.Token)
	crossOrigin.Set("Sec-Fetch-Site", "cross-site")
	for _, test := range []struct {
		name, method string
		header       http.Header
		status       int
		challenge    string
		down         bool
	}{
		{"no token", "GET", http.Header{}, 401, `Bearer realm=""`, false},
		{"a forged token", "GET", Bearer(ann.Token[:len(ann.Token)-4] + "AAAA"), 401, "not valid", false},
		{"an expired token", "GET", Bearer(old.Token), 401, "has expired", false},
		{"a token whose session has ended", "GET", Bearer(ended.Token), 401, "invalid_token", false},
		{"a token whose user is gone", "GET", Bearer(ghost.Token), 401, "invalid_token", false},
		{"two tokens", "GET", With(Bearer(ann.Token), InCookie(ann.Token)), 400, "invalid_request", false},
		{"a cookie that another site sends", "POST", crossOrigin, 403, "", false},
		{"a good token in an outage", "GET", Bearer(ann.Token), 503, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Down.Store(test.down)
			defer s.Down.Store(false)
			response := Do(t, server, test.method, path, With(test.header, more))
			if response.StatusCode != test.status {
				t.Errorf("the status is %d, want %d", response.StatusCode, test.status)
			}
			challenge := response.Header.Get("WWW-Authenticate")
			if !strings.Contains(challenge, test.challenge) || (challenge == "") != (test.challenge == "") {
				t.Errorf("the challenge is %q, want %q", challenge, test.challenge)
			}
			if response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control is %q", response.Header.Get("Cache-Control"))
			}
			if (response.Header.Get("Retry-After") != "") != test.down {
				t.Errorf("Retry-After is %q", response.Header.Get("Retry-After"))
			}
		})
	}
}
