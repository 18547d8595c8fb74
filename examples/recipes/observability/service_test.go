package observability_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/observability"
	"github.com/go-usher/usher/session"
)

type user struct {
	Name  string
	Admin bool
}

// service is a small service with all that the package has.
type service struct {
	server *httptest.Server
	spans  *tracetest.InMemoryExporter
	log    *buffer
	down   atomic.Bool
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newService(t *testing.T) *service {
	t.Helper()
	before := runtime.NumGoroutine()
	s := &service{spans: tracetest.NewInMemoryExporter(), log: &buffer{}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))
	public := func(*http.Request) bool { return true }
	s.server = httptest.NewUnstartedServer(observability.Spans(s.routes(t),
		otelhttp.WithTracerProvider(provider), otelhttp.WithPublicEndpointFn(public)))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.Start()
	t.Cleanup(func() {
		s.server.Client().CloseIdleConnections()
		s.server.Close()
		_ = provider.Shutdown(context.Background())
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines are left instead of %d", runtime.NumGoroutine(), before)
			}
		}
	})
	return s
}

func (s *service) routes(t *testing.T) http.Handler {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics, err := observability.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(observability.LogTraces(slog.NewTextHandler(s.log, nil)))
	observe := metrics.Observe(log)
	key := usher.Must(usher.GenerateKey(usher.HS256))
	sessions := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("0123456789abcdef0123456789ABCDEF"),
		Grace:   -1,
		OnEvent: metrics.OnEvent(log),
	}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, observability.User(metrics, s.load), &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("__Host-access")},
		Check:   metrics.Check(sessions.Check),
		Observe: observe,
	}))
	opts := &session.HandlerOptions{Observe: observe}
	hello := func(w http.ResponseWriter, _ *http.Request, u *user) { _, _ = io.WriteString(w, "Hello, "+u.Name+"!") }

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("POST /login", usher.Must(session.LoginHandler(sessions, authenticate, opts)))
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(sessions, opts)))
	mux.Handle("POST /logout", usher.Must(session.LogoutHandler(sessions, opts)))
	mux.Handle("GET /users/{id}", auth.RequireFunc(hello))
	mux.Handle("GET /admin", auth.Allow(func(u *user) bool { return u.Admin }).RequireFunc(hello))
	mux.Handle("GET /open", auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := auth.User(r.Context()); ok {
			hello(w, r, u)
		}
	})))
	mux.Handle("GET /panic", auth.RequireFunc(func(http.ResponseWriter, *http.Request, *user) { panic("on purpose") }))
	// A service behind its middleware as a whole: the route is known only once somebody was let in.
	inner := http.NewServeMux()
	inner.HandleFunc("GET /inner/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/inner/", auth.Require(inner))
	return mux
}

func (s *service) load(_ context.Context, c *usher.Claims) (*user, error) {
	if s.down.Load() {
		return nil, usher.ErrUnavailable
	}
	switch c.Subject {
	case "1":
		return &user{Name: "Ann", Admin: true}, nil
	case "2":
		return &user{Name: "Bob"}, nil
	case "4":
		return nil, errors.New("a bug")
	}
	return nil, usher.ErrNoUser
}

func authenticate(_ context.Context, username, password string) (string, error) {
	if password != "right" {
		return "", usher.ErrPasswordMismatch
	}
	return username, nil
}

// send sends a request with a token, and returns the status and the body. A panic is the status 0.
func (s *service) send(t *testing.T, method, path string, header http.Header, form string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if r.Header = header.Clone(); r.Header == nil {
		r.Header = http.Header{}
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.server.Client().Do(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (s *service) get(t *testing.T, path, token string) (int, string) {
	t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return s.send(t, http.MethodGet, path, header, "")
}

// login returns an access token and a refresh token.
func (s *service) login(t *testing.T, subject string) (access, refresh string) {
	t.Helper()
	status, body := s.send(t, http.MethodPost, "/login", nil, "username="+subject+"&password=right")
	var tokens session.Tokens
	if err := json.Unmarshal([]byte(body), &tokens); err != nil || status != http.StatusOK {
		t.Fatalf("the login is a %d, %v: %s", status, err, body)
	}
	return tokens.AccessToken, tokens.RefreshToken
}

// use does a bit of everything: requests that are let in and refused, logins, refreshes, and a stolen refresh token.
func (s *service) use(t *testing.T) {
	t.Helper()
	ann, refresh := s.login(t, "1")
	bob, _ := s.login(t, "2")
	s.get(t, "/users/1", ann)
	s.get(t, "/users/1", "")
	s.get(t, "/admin", bob)
	s.get(t, "/open", "")
	s.send(t, http.MethodPost, "/login", nil, "username=1&password=wrong")
	s.send(t, http.MethodPost, "/refresh", nil, "refresh_token="+refresh)
	s.send(t, http.MethodPost, "/refresh", nil, "refresh_token="+refresh) // a copy
	s.get(t, "/users/1", ann)                                             // its session has been ended
	s.down.Store(true)
	s.get(t, "/users/2", bob)
	s.down.Store(false)
}
