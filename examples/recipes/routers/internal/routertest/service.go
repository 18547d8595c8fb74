// Package routertest sends every recipe the same requests, over a socket.
package routertest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/ushertest"
)

// CookieName is the cookie that may carry a token.
const CookieName = "__Host-token"

// Service is what a recipe's server is made of, with a clock that the test moves.
type Service struct {
	Auth     *users.Auth
	Sessions *users.Sessions
	Ticks    chan struct{} // each lets the stream write a line
	Clock    *ushertest.Clock

	mu     sync.Mutex
	routes []string // of refused requests
}

// NewService returns a service that takes tokens from the Authorization header and from a cookie. Its Confirm adds a header to
// every response to a token. edit changes the options.
func NewService(t testing.TB, edit ...func(*usher.MiddlewareOptions)) *Service {
	t.Helper()
	kit := ushertest.New[usher.Claims](t, nil)
	sessions, err := session.NewManager(session.Config[usher.Claims]{
		Encoder: kit.Encoder,
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("32 bytes that only tests may know"),
		Now:     kit.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Sessions: sessions, Ticks: make(chan struct{}), Clock: kit.Clock}
	opts := &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie(CookieName)},
		Realm:   "recipes",
		Check:   sessions.Check,
		Confirm: func(*http.Request, string, *usher.Claims) (http.Header, error) {
			return http.Header{"Dpop-Nonce": {"fresh"}}, nil
		},
		Observe: s.observe,
		Now:     kit.Clock.Now,
	}
	for _, change := range edit {
		change(opts)
	}
	if s.Auth, err = usher.NewMiddleware(kit.Decoder, users.Load, opts); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Service) observe(r *http.Request, _ *usher.Rejection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes = append(s.routes, r.Pattern)
}

// lastRoute returns the pattern of the request that was refused last.
func (s *Service) lastRoute() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.routes) == 0 {
		return "no request was refused"
	}
	return s.routes[len(s.routes)-1]
}

// tick lets the stream write a line.
func (s *Service) tick(t testing.TB) {
	t.Helper()
	select {
	case s.Ticks <- struct{}{}:
	case <-time.After(patience):
		t.Fatal("no stream waits for a tick")
	}
}

// Login starts a session and returns its access token and its ID.
func (s *Service) Login(t testing.TB, subject string) (token, id string) {
	t.Helper()
	tokens, err := s.Sessions.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens.AccessToken, tokens.SessionID
}

// Serve serves a handler until the test ends, and returns its URL.
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
