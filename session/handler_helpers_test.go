package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// site is a server with all handlers.
type site struct {
	*world
	mux  *http.ServeMux
	opts *session.HandlerOptions
	auth func(ctx context.Context, username, password string) (string, error)
	seen []*usher.Rejection
}

func newSite(t *testing.T, store session.Store, change ...func(*session.HandlerOptions)) *site {
	t.Helper()
	s := &site{world: newWorld(t, store)}
	s.auth = func(_ context.Context, username, password string) (string, error) {
		if username == "ada@example.org" && password == "correct horse" {
			return subject, nil
		}
		return "", usher.ErrPasswordMismatch
	}
	s.opts = &session.HandlerOptions{
		UsernameField: "email",
		Observe:       func(_ *http.Request, rej *usher.Rejection) { s.seen = append(s.seen, rej) },
	}
	for _, c := range change {
		c(s.opts)
	}
	s.mount(t)
	return s
}

// mount makes the handlers.
func (s *site) mount(t *testing.T) {
	t.Helper()
	middleware := usher.Must(usher.NewMiddleware(s.decoder, usher.ClaimsAsUser[claims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("__Host-access")},
		Check:   s.Check,
	}))
	sessions := middleware.Require(usher.Must(session.SessionsHandler(s.Manager, s.opts)))
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", usher.Must(session.LoginHandler(s.Manager, s.authenticate, s.opts)))
	s.mux.Handle("/refresh", usher.Must(session.RefreshHandler(s.Manager, s.opts)))
	s.mux.Handle("/logout", usher.Must(session.LogoutHandler(s.Manager, s.opts)))
	s.mux.Handle("/sessions", sessions)
	s.mux.Handle("/sessions/others", middleware.Require(usher.Must(session.EndOthersHandler(s.Manager, s.opts))))
	s.mux.Handle("/sessions/{id}", sessions)
}

func (s *site) authenticate(ctx context.Context, username, password string) (string, error) {
	return s.auth(ctx, username, password)
}

func withCookies(o *session.HandlerOptions) { o.Cookies = true }

type answer struct {
	*http.Response
	body string
}

// send makes a request. A body that begins with a brace is JSON; any other body is a form.
func (s *site) send(t *testing.T, method, target, body string, change ...func(*http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest(method, "https://example.org"+target, strings.NewReader(body))
	switch {
	case body == "":
		r = httptest.NewRequest(method, "https://example.org"+target, nil)
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	default:
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s may be cached", method, target)
	}
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("%s %s: %q does not end its line", method, target, b)
	}
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s: %d as %s; want problem+json", method, target, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return answer{res, string(b)}
}

func (a answer) want(t *testing.T, status int, text string) answer {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, text) {
		t.Fatalf("%d %s; want %d with %q", a.StatusCode, a.body, status, text)
	}
	return a
}

func (a answer) tokens(t *testing.T) session.Tokens {
	t.Helper()
	a.want(t, http.StatusOK, "access_token")
	var tokens session.Tokens
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(t session.Tokens) func(*http.Request) {
	return header("Authorization", "Bearer "+t.AccessToken)
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

const login = `{"email":" ada@example.org ","password":"correct horse","label":"phone"}`

func wrong(email string) string { return fmt.Sprintf(`{"email":%q,"password":"wrong"}`, email) }

func refreshBody(t session.Tokens) string {
	return fmt.Sprintf(`{"refresh_token":%q}`, t.RefreshToken)
}

// cookieJar keeps cookies as a browser would.
type cookieJar map[string]string

func (j cookieJar) keep(t *testing.T, a answer) {
	t.Helper()
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
}

func (j cookieJar) send(r *http.Request) {
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}
