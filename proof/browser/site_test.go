package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/ushertest"
)

const (
	accessCookie  = "__Host-access"
	refreshCookie = "__Host-refresh"
	accessTTL     = 15 * time.Minute
	idleTTL       = 14 * 24 * time.Hour

	user, password     = "alice", "correct horse"
	attacker, attackPW = "mallory", "battery staple"
)

type claims struct {
	usher.Claims
	Padding string `json:"padding,omitempty"`
}

// site is an application that keeps its users logged in by cookies, on a server of its own.
type site struct {
	*session.Manager[claims]
	server  *httptest.Server
	origin  string // what browsers call it
	clock   *ushertest.Clock
	store   *store
	records records
	padding atomic.Int64   // makes access tokens longer
	notes   atomic.Int64   // how many were posted
	hold    atomic.Bool    // makes refreshes wait for leave
	held    chan *question // those that wait
	lose    atomic.Bool    // loses the answer to the next refresh
}

// newSite starts the application: usher as the documentation says, and a few pages and routes.
func newSite(t *testing.T) *site {
	t.Helper()
	// In whole seconds, as the dates of tokens are: they expire exactly when their TTL is over.
	s := &site{clock: ushertest.NewClock(time.Now().Truncate(time.Second)), store: &store{Store: session.NewMemoryStore()}, held: make(chan *question)}
	key := usher.Must(usher.NewKey(usher.HS256, bytes.Repeat([]byte("test key"), 4)))
	s.Manager = usher.Must(session.NewManager(session.Config[claims]{
		Encoder: usher.Must(usher.NewEncoder[claims](key, &usher.EncoderOptions{TTL: accessTTL, Now: s.clock.Now})),
		Store:   s.store,
		Claims: func(context.Context, session.Grant) (claims, error) {
			return claims{Padding: strings.Repeat("x", int(s.padding.Load()))}, nil
		},
		Secret:  bytes.Repeat([]byte("a secret"), 4),
		IdleTTL: idleTTL,
		Now:     s.clock.Now,
	}))
	decoder := usher.Must(usher.NewDecoder[claims](key, &usher.DecoderOptions{Now: s.clock.Now}))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[claims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie(accessCookie)},
		Check:   s.Check,
		Now:     s.clock.Now,
	}))
	opts := &session.HandlerOptions{Cookies: true}

	mux := http.NewServeMux()
	mux.Handle("POST /login", usher.Must(session.LoginHandler(s.Manager, authenticate, opts)))
	mux.Handle("POST /refresh", s.refreshes(usher.Must(session.RefreshHandler(s.Manager, opts))))
	mux.Handle("POST /logout", usher.Must(session.LogoutHandler(s.Manager, opts)))
	own := auth.Require(usher.Must(session.SessionsHandler(s.Manager, opts)))
	mux.Handle("GET /sessions", own)
	mux.Handle("DELETE /sessions", auth.Require(usher.Must(session.EndOthersHandler(s.Manager, opts))))
	mux.Handle("DELETE /sessions/{id}", own)

	mux.HandleFunc("GET /{$}", page(t, "testdata/app.html"))
	mux.HandleFunc("GET /login", page(t, "testdata/login.html"))
	mux.HandleFunc("GET /requests", page(t, "testdata/requests.html"))
	mux.HandleFunc("POST /redirect", redirect)
	mux.HandleFunc("GET /api.js", text("text/javascript", documentedWrapper(t)))
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *claims) {
		text("application/json", `{"user": "`+c.Subject+`"}`)(w, nil)
	}))
	mux.Handle("GET /account", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *claims) {
		text("text/html", "<!DOCTYPE html><p>The account of "+c.Subject)(w, nil)
	}))
	mux.Handle("POST /notes", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, _ *claims) {
		s.notes.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.Handle("GET /socket", auth.RequireFunc(greet))

	s.server = startServer(t, s.records.record(mux), true)
	s.origin = origin(t, s.server, "app.example")
	return s
}

func authenticate(_ context.Context, username, given string) (string, error) {
	if known := map[string]string{user: password, attacker: attackPW}; known[username] != given || given == "" {
		return "", usher.ErrPasswordMismatch
	}
	return username, nil
}

// startServer starts a server on the loopback that ends with the test.
func startServer(t *testing.T, h http.Handler, secure bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // browsers hang up on connections that they opened in advance
	server.EnableHTTP2 = true
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// origin is the server's under another name.
func origin(t *testing.T, server *httptest.Server, host string) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + host + ":" + u.Port()
}

// documentedWrapper is the wrapper of fetch that docs/sessions.md shows.
func documentedWrapper(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "\n```js\n")
	code, rest, found := strings.Cut(rest, "\n```\n")
	if !found || strings.Contains(rest, "\n```js\n") {
		t.Fatal("docs/sessions.md does not hold one block of JavaScript, the wrapper of fetch")
	}
	return code
}

func page(t *testing.T, file string) http.HandlerFunc {
	t.Helper()
	html, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text("text/html", string(html))
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, body)
	}
}

// greet opens a WebSocket (RFC 6455 §4.2.2) and sends one message, the user's name.
func greet(w http.ResponseWriter, r *http.Request, c *claims) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
	_, _ = buffered.Write([]byte{0x81, byte(len(c.Subject))})
	_, _ = buffered.WriteString(c.Subject)
	_ = buffered.Flush()
	_, _ = buffered.ReadByte() // until the browser closes it
}

// question is a refresh that waits for the test's leave.
type question struct {
	token string        // the refresh token that it came with
	leave chan struct{} // closed to give leave
}

// wantHeld waits for a refresh to arrive.
func (s *site) wantHeld(t *testing.T) *question {
	t.Helper()
	select {
	case q := <-s.held:
		return q
	case <-time.After(patience):
		t.Fatal("no refresh arrives")
		return nil
	}
}

// refreshes puts the tests' hands between the browser and the handler.
func (s *site) refreshes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.hold.Load() {
			q := &question{leave: make(chan struct{})}
			if cookie, err := r.Cookie(refreshCookie); err == nil {
				q.token = cookie.Value
			}
			select {
			case s.held <- q:
			case <-r.Context().Done():
				return
			}
			select {
			case <-q.leave:
			case <-r.Context().Done():
				return
			}
		}
		if s.lose.CompareAndSwap(true, false) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// record is what the server has seen of a request, and how it was answered.
type record struct {
	method, path string
	site         string   // Sec-Fetch-Site
	cookies      []string // the names of those that came along
	status       int
	sets         bool // cookies
}

// records are of all requests, in the order in which they were answered.
type records struct {
	mu  sync.Mutex
	all []record
}

func (rs *records) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record{method: r.Method, path: r.URL.Path, site: r.Header.Get("Sec-Fetch-Site")}
		for _, cookie := range r.Cookies() {
			rec.cookies = append(rec.cookies, cookie.Name)
		}
		slices.Sort(rec.cookies)
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			rec.status, rec.sets = answer.status, len(w.Header()["Set-Cookie"]) > 0
			rs.mu.Lock()
			defer rs.mu.Unlock()
			rs.all = append(rs.all, rec)
		}()
		next.ServeHTTP(answer, r)
	})
}

// of returns the records of a path, and forget what was recorded.
func (rs *records) of(path string) []record {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var its []record
	for _, rec := range rs.all {
		if rec.path == path {
			its = append(its, rec)
		}
	}
	return its
}

func (rs *records) forget() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.all = nil
}

// answer remembers the status of a response.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.status = http.StatusSwitchingProtocols
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// store is a store that can be out of reach.
type store struct {
	session.Store
	down atomic.Bool
}

var errDown = errors.New("connection refused")

func (s *store) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	if s.down.Load() {
		return session.Rotated{}, errDown
	}
	return s.Store.Rotate(ctx, r)
}

func (s *store) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	if s.down.Load() {
		return session.Session{}, errDown
	}
	return s.Store.Lookup(ctx, subject, id, now)
}

func (s *store) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	if s.down.Load() {
		return false, errDown
	}
	return s.Store.End(ctx, subject, id, now)
}
