package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestLoginHandlerMapsTheAuthenticatorsErrors(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{usher.ErrPasswordMismatch, 401, "Wrong email or password."},
		{usher.ErrNoUser, 401, "Wrong email or password."},
		{fmt.Errorf("%w: locked", usher.ErrForbidden), 403, "not allowed"},
		{usher.ErrUnavailable, 503, "Try again"},
		{context.DeadlineExceeded, 503, "Try again"},
		{errors.New("a secret of the database"), 500, "can't be served"},
		{&usher.Rejection{Status: 403, Description: "Confirm your address."}, 403, "Confirm your address."},
	} {
		s.auth = func(context.Context, string, string) (string, error) { return "", test.err }
		a := s.send(t, "POST", "/login", login).want(t, test.status, test.text)
		if strings.Contains(a.body, "secret") {
			t.Errorf("the cause is shown: %s", a.body)
		}
		if (a.StatusCode == http.StatusUnauthorized) != (a.Header.Get("WWW-Authenticate") != "") || (a.StatusCode == http.StatusServiceUnavailable) != (a.Header.Get("Retry-After") != "") {
			t.Errorf("%d with %v", a.StatusCode, a.Header)
		}
	}
	s.auth = func(context.Context, string, string) (string, error) { return subject, nil }
	s.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrNoUser }
	s.send(t, "POST", "/login", login).want(t, 401, "Wrong email or password.")
}

func TestLoginHandlerRefusesALoginThatBeganBeforeEndAll(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	s.auth = func(ctx context.Context, _, _ string) (string, error) {
		s.clock.Advance(1000)
		return subject, s.EndAll(ctx, subject)
	}
	s.send(t, "POST", "/login", login).want(t, 401, "Log in again")
	s.wantSessions(t, 0)
}

// 200 simultaneous logins of as many accounts at the default cost leave the rest of the service usable: only some cores
// check passwords, and logins that would wait too long are told to come back.
func TestManySimultaneousLoginsLeaveTheServiceUsable(t *testing.T) {
	if testing.Short() {
		t.Skip("computes bcrypt for seconds")
	}
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Now = time.Now })
	passwords := usher.Must(usher.NewPasswords(nil))
	hash := usher.Must(passwords.Hash(t.Context(), "correct horse"))
	authenticate := usher.Must(session.PasswordAuthenticator(passwords,
		func(_ context.Context, username string) (string, string, error) { return username, hash, nil },
		func(context.Context, string, string, string) error { return nil }))
	auth := usher.Must(usher.NewMiddleware(w.decoder, usher.ClaimsAsUser[claims], nil))
	mux := http.NewServeMux()
	mux.Handle("POST /login", usher.Must(session.LoginHandler(w.Manager, authenticate, nil)))
	mux.Handle("GET /plain", auth.RequireFunc(func(http.ResponseWriter, *http.Request, *claims) {}))
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	statuses := map[int]int{}
	var storm sync.WaitGroup
	for i := range 200 {
		storm.Go(func() {
			body := strings.NewReader(fmt.Sprintf(`{"username":"user-%d","password":"correct horse"}`, i))
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/login", body)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			answer, err := server.Client().Do(r)
			if err != nil {
				return // still waiting when the measuring was over
			}
			defer answer.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[answer.StatusCode]++
		})
	}
	tokens, err := w.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for range 500 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/plain", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		began := time.Now()
		answer, err := server.Client().Do(r)
		took = append(took, time.Since(began))
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v", answer.StatusCode, err)
		}
	}
	cancel()
	storm.Wait()
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("p99 of the plain route %s; logins answered meanwhile: %v", p99, statuses)
	for status := range statuses {
		if status != http.StatusOK && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
			t.Errorf("a login was answered with %d", status)
		}
	}
	if p99 > 100*time.Millisecond && statuses[http.StatusTooManyRequests]+statuses[http.StatusServiceUnavailable] == 0 {
		t.Errorf("the plain route's p99 is %s and no login was turned away", p99)
	}
}
