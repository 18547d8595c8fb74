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
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.Throttle = usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{PerAddress: session.Limit{Burst: 100, Every: time.Second}}))
	})
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{usher.ErrPasswordMismatch, 401, "Wrong email or password."},
		{usher.ErrNoUser, 401, "Wrong email or password."},
		{fmt.Errorf("%w: locked", usher.ErrForbidden), 403, "not allowed"},
		{usher.ErrUnavailable, 503, "Try again"},
		{usher.ErrPasswordTooShort, 422, "too short"},
		{context.DeadlineExceeded, 503, "Try again"},
		{errors.New("a secret of the database"), 500, "can't be served"},
		{&usher.Rejection{Status: 403, Description: "Confirm your address."}, 403, "Confirm your address."},
	} {
		s.auth = func(context.Context, string, string) (string, error) { return "", test.err }
		a := s.send(t, "POST", "/login", login).want(t, test.status, test.text)
		if strings.Contains(a.body, "secret") {
			t.Errorf("the cause is shown: %s", a.body)
		}
		challenged := a.StatusCode == http.StatusUnauthorized || errors.Is(test.err, usher.ErrForbidden)
		if challenged != (a.Header.Get("WWW-Authenticate") != "") || (a.StatusCode == http.StatusServiceUnavailable) != (a.Header.Get("Retry-After") != "") {
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

func TestAuthenticateReturnsWhoAndWhen(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	l := usher.Must(session.NewLogin(s.Manager, s.authenticate, s.opts))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("User-Agent", "UA")
	got, about, err := l.Authenticate(r, " ada@example.org ", "correct horse")
	want := session.About{UserAgent: "UA", Address: "192.0.2.1", AuthTime: epoch.Truncate(time.Microsecond)}
	if got != subject || about != want || err != nil {
		t.Errorf("%q, %+v, %v; want %+v", got, about, err, want)
	}
	got, about, err = l.Authenticate(r, "ada@example.org", "wrong")
	wantErr(t, "a wrong password", err, usher.ErrPasswordMismatch)
	if got != "" || about != (session.About{}) {
		t.Errorf("an error came with %q, %+v", got, about)
	}
	for _, missing := range [][2]string{{"", "x"}, {"  ", "x"}, {"ada@example.org", ""}} {
		_, _, err = l.Authenticate(r, missing[0], missing[1])
		var rej *usher.Rejection
		if !errors.As(err, &rej) || rej.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %v; want a 422", missing, err)
		}
	}
}

func TestTheStepsOfALoginCountTogether(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	l := usher.Must(session.NewLogin(s.Manager, s.authenticate, s.opts)) // with a throttle of its own
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	for range 2 {
		_, _, err := l.Authenticate(r, "ada@example.org", "wrong")
		wantErr(t, "Authenticate", err, usher.ErrPasswordMismatch)
		err = l.Attempts().Try(httptest.NewRecorder(), r, "Ada@example.org", func(context.Context) error { return usher.ErrPasswordMismatch })
		wantErr(t, "Try", err, usher.ErrPasswordMismatch)
	}
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", l)
	s.send(t, "POST", "/login", wrong("ADA@example.org")).want(t, 401, "")
	a := s.send(t, "POST", "/login", login).want(t, 429, "Too many")
	if a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	_, _, err := l.Authenticate(r, "ada@example.org", "correct horse")
	w := httptest.NewRecorder()
	l.Deny(w, r, err)
	if w.Code != 429 || w.Header().Get("Retry-After") != "30" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("Deny: %d, %v", w.Code, w.Header())
	}
}

func TestTheStepsOfALoginRefuseOtherOrigins(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	l := usher.Must(session.NewLogin(s.Manager, s.authenticate, &session.HandlerOptions{TrustedOrigins: []string{"https://id.example"}}))
	ticket := usher.Must(l.Pause(subject, session.About{}))
	steps := map[string]func(r *http.Request) error{
		"Authenticate": func(r *http.Request) error {
			_, _, err := l.Authenticate(r, "ada@example.org", "correct horse")
			return err
		},
		"Resume": func(r *http.Request) error { _, _, err := l.Resume(r, ticket, pass); return err },
		"Finish": func(r *http.Request) error { return l.Finish(httptest.NewRecorder(), r, subject, session.About{}) },
	}
	for name, step := range steps {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := httptest.NewRequest(method, "https://example.org/", nil)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "https://evil.example")
			err := step(r)
			var rej *usher.Rejection
			if redirect := name == "Finish" && method == http.MethodGet; redirect != (err == nil) || err != nil && (!errors.As(err, &rej) || rej.Status != 403) {
				t.Errorf("%s of a cross-site %s: %v", name, method, err)
			}
			r.Header.Set("Origin", "https://id.example")
			if err := step(r); err != nil {
				t.Errorf("%s of a trusted origin: %v", name, err)
			}
		}
	}
}

func TestFinishLogsInWithoutAPassword(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	l := usher.Must(session.NewLogin(s.Manager, nil, s.opts))
	r := httptest.NewRequest(http.MethodPost, "/callback", nil)
	w := httptest.NewRecorder()
	if err := l.Finish(w, r, subject, session.About{Label: "passkey", Address: "203.0.113.9"}); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || len(w.Result().Cookies()) != 2 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
	if got := s.wantSessions(t, 1)[0]; got.Label != "passkey" || got.Address != "203.0.113.9" {
		t.Errorf("session %+v", got)
	}

	s.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrUnavailable }
	w = httptest.NewRecorder()
	err := l.Finish(w, r, subject, session.About{})
	wantErr(t, "Finish", err, usher.ErrUnavailable)
	if len(w.Header()["Set-Cookie"]) > 0 || w.Body.Len() > 0 {
		t.Errorf("an error came with %v %s", w.Header(), w.Body)
	}
	_, _, err = l.Authenticate(r, "ada", "x")
	wantConfigError(t, err, "NewLogin authenticate")
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(login))
	r.Header.Set("Content-Type", "application/json")
	l.ServeHTTP(w, r)
	if w.Code != 500 {
		t.Errorf("ServeHTTP without a password: %d", w.Code)
	}
}

func TestALoginThatNewLoginDidNotMakeRefusesEverything(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	for _, l := range []*session.Login{nil, {}} {
		_, _, err := l.Authenticate(r, "ada", "x")
		wantConfigError(t, err, "NewLogin")
		_, err = l.Pause(subject, session.About{})
		wantConfigError(t, err, "NewLogin")
		_, _, err = l.Resume(r, "x", pass)
		wantConfigError(t, err, "NewLogin")
		w := httptest.NewRecorder()
		wantConfigError(t, l.Finish(w, r, subject, session.About{}), "NewLogin")
		l.Deny(w, r, usher.ErrForbidden)
		if w.Code < 400 {
			t.Errorf("Deny: %d", w.Code)
		}
		w = httptest.NewRecorder()
		l.ServeHTTP(w, r)
		if w.Code != 500 {
			t.Errorf("ServeHTTP: %d", w.Code)
		}
		err = l.Attempts().Try(w, r, "ada", func(context.Context) error { return nil })
		if err == nil {
			t.Error("Try succeeded without a throttle")
		}
	}
}
