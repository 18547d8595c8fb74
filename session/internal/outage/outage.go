// Package outage tests what clients see when a store's server stops and starts under load.
package outage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// patience is how long a client tries again. Its library needs a moment to notice that the server is back.
const patience = 30 * time.Second

// clients is how many clients refresh at once, each in its own session.
const clients = 8

// Run lets clients refresh and use their tokens while the store's server stops and starts again. While it is down they
// get a 503, and no logout reports success. Afterwards each client continues with the token it has, and clients that
// had logged out stay logged out. The store must keep what it has acknowledged.
func Run(t *testing.T, store session.Store, stop, start func()) {
	s := newSite(t, store)
	tokens := make([]session.Tokens, clients)
	for i := range tokens {
		tokens[i] = s.mustLogIn(t, subject(i))
	}
	bystander, leaver := s.mustLogIn(t, "bystander"), s.mustLogIn(t, "leaver")
	s.want(t, "logout before", s.logout(leaver), http.StatusNoContent)

	over := make(chan struct{})
	told := make(chan struct{}, clients) // who has heard of the outage
	var load sync.WaitGroup
	for i := range tokens {
		load.Go(func() {
			if err := s.goOn(&tokens[i], over, told); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	stop()
	for range clients {
		<-told
	}
	_, status := s.refresh(bystander)
	s.want(t, "refresh while it is down", status, http.StatusServiceUnavailable)
	s.want(t, "request while it is down", s.request(bystander), http.StatusServiceUnavailable)
	s.want(t, "logout while it is down", s.logout(bystander), http.StatusServiceUnavailable)
	for name, err := range map[string]error{
		"EndAll":     s.EndAll(t.Context(), "bystander"),
		"EndOthers":  s.EndOthers(t.Context(), "bystander", ""),
		"EndSession": s.EndSession(t.Context(), "bystander", bystander.SessionID),
	} {
		if !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("%s while it is down: %v; want ErrUnavailable", name, err)
		}
	}
	if _, err := s.Start(t.Context(), "late", session.About{}); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("Start while it is down: %v; want ErrUnavailable", err)
	}
	start()
	close(over)
	load.Wait()

	for i := range tokens {
		s.wantOn(t, subject(i), tokens[i])
	}
	s.wantOn(t, "bystander", bystander)
	_, status = s.refresh(leaver)
	s.want(t, "refresh of whoever had logged out", status, http.StatusUnauthorized)
	s.want(t, "request of whoever had logged out", s.request(leaver), http.StatusUnauthorized)
	if list, err := s.List(t.Context(), "late"); err != nil || len(list) != 0 {
		t.Errorf("a login that failed has left %v, %v", list, err)
	}
}

func subject(i int) string { return fmt.Sprintf("client-%d", i) }

// site is a service whose requests all check their session.
type site struct {
	*session.Manager[usher.Claims]
	mux *http.ServeMux
}

func newSite(t *testing.T, store session.Store) *site {
	t.Helper()
	key := usher.Must(usher.GenerateKey("HS256"))
	s := &site{mux: http.NewServeMux()}
	s.Manager = usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   store,
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("secret! "), 4),
		Grace:   5 * time.Minute, // slow machines don't turn a lost answer into a theft
	}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Check: s.Check}))
	s.mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(s.Manager, nil)))
	s.mux.Handle("POST /logout", usher.Must(session.LogoutHandler(s.Manager, nil)))
	s.mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, _ *usher.Claims) {
		w.WriteHeader(http.StatusNoContent)
	}))
	return s
}

// wantOn checks that a client continues with the token it has, in its one session, until it logs out.
func (s *site) wantOn(t *testing.T, subject string, tokens session.Tokens) {
	t.Helper()
	status := s.untilAvailable(func() (status int) { tokens, status = s.refresh(tokens); return status })
	s.want(t, subject+"'s refresh afterwards", status, http.StatusOK)
	s.want(t, subject+"'s request afterwards", s.request(tokens), http.StatusNoContent)
	if list, err := s.List(t.Context(), subject); err != nil || len(list) != 1 {
		t.Errorf("%s afterwards: sessions %v, %v; want one", subject, list, err)
	}
	s.want(t, subject+"'s logout afterwards", s.logout(tokens), http.StatusNoContent)
	s.want(t, subject+"'s request after the logout", s.request(tokens), http.StatusUnauthorized)
}

func (s *site) mustLogIn(t *testing.T, subject string) session.Tokens {
	t.Helper()
	tokens, err := s.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// goOn refreshes and uses the access token until over is closed, and reports the first 503.
func (s *site) goOn(tokens *session.Tokens, over <-chan struct{}, told chan<- struct{}) error {
	var once sync.Once
	tell := func() { once.Do(func() { told <- struct{}{} }) }
	defer tell() // whoever waits for it must not wait for ever
	for {
		select {
		case <-over:
			return nil
		default:
		}
		next, status := s.refresh(*tokens)
		switch status {
		case http.StatusOK:
			*tokens = next
		case http.StatusServiceUnavailable:
			tell()
		default:
			return fmt.Errorf("refresh: %d", status)
		}
		if status := s.request(*tokens); status != http.StatusNoContent && status != http.StatusServiceUnavailable {
			return fmt.Errorf("request: %d", status)
		}
	}
}

func (s *site) refresh(tokens session.Tokens) (session.Tokens, int) {
	answer := s.post("/refresh", tokens)
	if answer.Code != http.StatusOK {
		return tokens, answer.Code
	}
	next := session.Tokens{SessionID: tokens.SessionID}
	if err := json.Unmarshal(answer.Body.Bytes(), &next); err != nil || next.RefreshToken == tokens.RefreshToken {
		return tokens, http.StatusInternalServerError
	}
	return next, answer.Code
}

func (s *site) logout(tokens session.Tokens) int { return s.post("/logout", tokens).Code }

func (s *site) post(target string, tokens session.Tokens) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, target, bytes.NewBufferString(`{"refresh_token":"`+tokens.RefreshToken+`"}`))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	s.mux.ServeHTTP(answer, r)
	return answer
}

func (s *site) request(tokens session.Tokens) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/me", nil)
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	answer := httptest.NewRecorder()
	s.mux.ServeHTTP(answer, r)
	return answer.Code
}

func (s *site) want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: status %d; want %d", what, got, want)
	}
}

func (s *site) untilAvailable(do func() int) int {
	for deadline := time.Now().Add(patience); ; {
		if status := do(); status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return status
		}
	}
}
