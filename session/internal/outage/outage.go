// Package outage tests what clients observe when a store's server stops and starts under load.
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

// recoveryTime is how long a client retries after the server has started, because the store's client library needs a
// moment to reconnect.
const recoveryTime = 30 * time.Second

// clients is the number of clients that refresh at the same time, each in its own session.
const clients = 8

// Run lets clients refresh and use their tokens while the store's server stops and starts again. While it is down, they
// must get a 503, and no logout may report success. Afterwards each client must be able to continue with the token that
// it has, and clients that had logged out must stay logged out. So the store must keep what it has acknowledged.
func Run(t *testing.T, store session.Store, stop, start func()) {
	s := newService(t, store)
	tokens := make([]session.Tokens, clients)
	for i := range tokens {
		tokens[i] = s.mustLogIn(t, subject(i))
	}
	bystander, loggedOut := s.mustLogIn(t, "bystander"), s.mustLogIn(t, "leaver")
	s.want(t, "logout before", s.logout(loggedOut), http.StatusNoContent)

	done := make(chan struct{})
	sawOutage := make(chan struct{}, clients) // one value for each client that has got a 503
	var load sync.WaitGroup
	for i := range tokens {
		load.Go(func() {
			if err := s.refreshUntil(&tokens[i], done, sawOutage); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	stop()
	for range clients {
		<-sawOutage
	}
	s.wantUnavailable(t, "bystander", bystander)
	start()
	close(done)
	load.Wait()

	for i := range tokens {
		s.wantContinues(t, subject(i), tokens[i])
	}
	s.wantContinues(t, "bystander", bystander)
	_, status := s.refresh(loggedOut)
	s.want(t, "refresh after the earlier logout", status, http.StatusUnauthorized)
	s.want(t, "request after the earlier logout", s.request(loggedOut), http.StatusUnauthorized)
	if list, err := s.List(t.Context(), "late"); err != nil || len(list) != 0 {
		t.Errorf("a login that failed has left %v, %v", list, err)
	}
}

func subject(i int) string { return fmt.Sprintf("client-%d", i) }

// service is a web service that checks the session of each request.
type service struct {
	*session.Manager[usher.Claims]
	mux *http.ServeMux
}

func newService(t *testing.T, store session.Store) *service {
	t.Helper()
	key := usher.Must(usher.GenerateKey("HS256"))
	s := &service{mux: http.NewServeMux()}
	s.Manager = usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   store,
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("secret! "), 4),
		Grace:   5 * time.Minute, // so that a retry on a slow machine is not taken for reuse
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

// wantUnavailable checks that no operation succeeds while the server is down.
func (s *service) wantUnavailable(t *testing.T, subject string, tokens session.Tokens) {
	t.Helper()
	_, status := s.refresh(tokens)
	s.want(t, "refresh while it is down", status, http.StatusServiceUnavailable)
	s.want(t, "request while it is down", s.request(tokens), http.StatusServiceUnavailable)
	s.want(t, "logout while it is down", s.logout(tokens), http.StatusServiceUnavailable)
	for name, err := range map[string]error{
		"EndAll":     s.EndAll(t.Context(), subject),
		"EndOthers":  s.EndOthers(t.Context(), subject, ""),
		"EndSession": s.EndSession(t.Context(), subject, tokens.SessionID),
	} {
		if !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("%s while it is down: %v; want ErrUnavailable", name, err)
		}
	}
	if _, err := s.Start(t.Context(), "late", session.About{}); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("Start while it is down: %v; want ErrUnavailable", err)
	}
}

// wantContinues checks that a client can continue with its token, in its only session, until it logs out.
func (s *service) wantContinues(t *testing.T, subject string, tokens session.Tokens) {
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

func (s *service) mustLogIn(t *testing.T, subject string) session.Tokens {
	t.Helper()
	tokens, err := s.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// refreshUntil refreshes and uses the access token until done is closed, and reports the first 503.
func (s *service) refreshUntil(tokens *session.Tokens, done <-chan struct{}, sawOutage chan<- struct{}) error {
	var once sync.Once
	reportOutage := func() { once.Do(func() { sawOutage <- struct{}{} }) }
	defer reportOutage() // Run waits for it, even if there was an error
	for {
		select {
		case <-done:
			return nil
		default:
		}
		next, status := s.refresh(*tokens)
		switch status {
		case http.StatusOK:
			*tokens = next
		case http.StatusServiceUnavailable:
			reportOutage()
		default:
			return fmt.Errorf("refresh: %d", status)
		}
		if status := s.request(*tokens); status != http.StatusNoContent && status != http.StatusServiceUnavailable {
			return fmt.Errorf("request: %d", status)
		}
	}
}

func (s *service) refresh(tokens session.Tokens) (session.Tokens, int) {
	response := s.post("/refresh", tokens)
	if response.Code != http.StatusOK {
		return tokens, response.Code
	}
	next := session.Tokens{SessionID: tokens.SessionID}
	if err := json.Unmarshal(response.Body.Bytes(), &next); err != nil || next.RefreshToken == tokens.RefreshToken {
		return tokens, http.StatusInternalServerError
	}
	return next, response.Code
}

func (s *service) logout(tokens session.Tokens) int { return s.post("/logout", tokens).Code }

func (s *service) post(target string, tokens session.Tokens) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, target, bytes.NewBufferString(`{"refresh_token":"`+tokens.RefreshToken+`"}`))
	r.Header.Set("Content-Type", "application/json")
	response := httptest.NewRecorder()
	s.mux.ServeHTTP(response, r)
	return response
}

func (s *service) request(tokens session.Tokens) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/me", nil)
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	response := httptest.NewRecorder()
	s.mux.ServeHTTP(response, r)
	return response.Code
}

func (s *service) want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: status %d; want %d", what, got, want)
	}
}

func (s *service) untilAvailable(do func() int) int {
	for deadline := time.Now().Add(recoveryTime); ; {
		if status := do(); status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return status
		}
	}
}
