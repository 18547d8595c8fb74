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
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// try makes an attempt from an address with a check that returns answer.
func try(t *testing.T, attempts *session.Attempts, username, address string, answer error) (http.Header, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/password", nil)
	r.RemoteAddr = address
	w := httptest.NewRecorder()
	err := attempts.Try(w, r, username, func(context.Context) error { return answer })
	return w.Result().Header, err
}

func TestAttemptsCountTogetherWithLogins(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.Throttle = usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{Now: func() time.Time { return epoch }}))
	})
	attempts := usher.Must(session.NewAttempts(s.opts))
	for i, username := range []string{"ada@example.org", " Ada@Example.org", "ADA@example.org"} { // one account
		_, err := try(t, attempts, username, "[2001:db8::1]:1", fmt.Errorf("%w: attempt %d", usher.ErrPasswordMismatch, i))
		wantErr(t, username, err, usher.ErrPasswordMismatch)
	}
	for range 2 {
		s.send(t, "POST", "/login", wrong("ada@example.org"), from("[2001:db8::2]:1")).want(t, 401, "")
	}
	s.send(t, "POST", "/login", login, from("[2001:db8::3]:1")).want(t, 429, "Too many")

	header, err := try(t, attempts, "ada@example.org", "[2001:db8::4]:1", errors.New("asked for a password although no attempt was left"))
	var rej *usher.Rejection
	if !errors.As(err, &rej) || rej.Status != http.StatusTooManyRequests || header.Get("Retry-After") != "30" {
		t.Errorf("the sixth attempt: %v, Retry-After %q", err, header.Get("Retry-After"))
	}
	if _, err := try(t, attempts, "ada@example.org", "192.0.2.1:1", nil); err != nil {
		t.Errorf("an attempt from elsewhere: %v", err)
	}
}

func TestAttemptsReturnRightAndUndecidedAttempts(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.Throttle = usher.Must(session.NewMemoryThrottle(nil))
	})
	attempts := usher.Must(session.NewAttempts(s.opts))
	for _, answer := range []error{nil, usher.ErrUnavailable, errors.New("database on fire")} {
		for range 20 {
			if _, err := try(t, attempts, "ada", "192.0.2.1:1", answer); !errors.Is(err, answer) {
				t.Fatalf("%v; want the check's own %v", err, answer)
			}
		}
	}
}

func TestAttemptsNeedAThrottleThatAnswers(t *testing.T) {
	attempts := usher.Must(session.NewAttempts(&session.HandlerOptions{Throttle: broken{}}))
	_, err := try(t, attempts, "ada", "192.0.2.1:1", errors.New("asked for a password that nobody counted"))
	wantErr(t, "Try", err, usher.ErrUnavailable)
	wantErr(t, "Try", err, errBroken)

	_, err = try(t, new(session.Attempts), "ada", "192.0.2.1:1", errors.New("asked for a password that nobody counted"))
	wantConfigError(t, err, "Attempts")
	for _, opts := range []*session.HandlerOptions{nil, {}, {Throttle: (*session.MemoryThrottle)(nil)}} {
		_, err := session.NewAttempts(opts)
		wantConfigError(t, err, "Throttle")
	}
	_, err = session.NewAttempts(&session.HandlerOptions{UsernameField: "password"})
	wantConfigError(t, err, "Throttle")
	wantConfigError(t, err, "PasswordField")
}

func TestOfManySimultaneousGuessesOnlyTheAllowedOnesAreChecked(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var asked atomic.Int32
	guess := s.auth
	s.auth = func(ctx context.Context, username, password string) (string, error) {
		asked.Add(1)
		return guess(ctx, username, password)
	}
	s.opts.Observe = nil
	h := usher.Must(session.LoginHandler(s.Manager, func(ctx context.Context, username, password string) (string, error) {
		return s.auth(ctx, username, password)
	}, &session.HandlerOptions{UsernameField: "email"}))
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", h)
	for _, account := range []string{"ada@example.org", "nobody@example.org"} {
		asked.Store(0)
		var mu sync.Mutex
		answers := map[string]int{}
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() {
				a := s.send(t, "POST", "/login", wrong(account))
				mu.Lock()
				defer mu.Unlock()
				answers[fmt.Sprint(a.StatusCode, " ", a.Header.Get("Retry-After") != "", " ", a.body)]++
			})
		}
		group.Wait()
		if asked.Load() != 5 {
			t.Errorf("%d guesses at %s reached the password; want 5", asked.Load(), account)
		}
		for text, n := range answers {
			if want := map[string]int{"401": 5, "429": 195}[text[:3]]; n != want {
				t.Errorf("%s: %d times %s; want %d", account, n, text, want)
			}
			if strings.HasPrefix(text, "429") != strings.HasPrefix(text, "429 true") {
				t.Errorf("Retry-After: %s", text)
			}
		}
	}
}

func TestRightPasswordsAndFailuresCostNoAttempt(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for range 50 {
		s.send(t, "POST", "/login", login).want(t, 200, "")
	}
	right := s.auth
	for status, err := range map[int]error{503: usher.ErrUnavailable, 500: errBroken, 502: &usher.Rejection{Status: 502}} {
		s.auth = func(context.Context, string, string) (string, error) { return "", err }
		for range 50 {
			s.send(t, "POST", "/login", login).want(t, status, "")
		}
	}
	s.auth = right
	s.send(t, "POST", "/login", login).want(t, 200, "")

	// A client that disconnects before the response may still have guessed.
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		s.auth = func(ctx context.Context, _, _ string) (string, error) { cancel(); return "", ctx.Err() }
		s.send(t, "POST", "/login", login, func(r *http.Request) { *r = *r.WithContext(ctx) }).want(t, 503, "")
	}
	s.auth = right
	s.send(t, "POST", "/login", login).want(t, 429, "")
}

func TestAPanicCostsNoAttempt(t *testing.T) {
	var outcomes []session.Outcome
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.Throttle = settling{usher.Must(session.NewMemoryThrottle(nil)), func(_ context.Context, o session.Outcome) { outcomes = append(outcomes, o) }}
	})
	panics := func(change ...func(*http.Request)) {
		defer func() {
			if cause := recover(); cause != "nil map" {
				t.Errorf("recovered %v; want the authenticator's panic", cause)
			}
		}()
		s.send(t, "POST", "/login", login, change...)
	}
	right := s.auth
	s.auth = func(context.Context, string, string) (string, error) { panic("nil map") }
	for range 10 {
		panics()
	}
	s.auth = right
	s.send(t, "POST", "/login", login).want(t, 200, "")

	ctx, cancel := context.WithCancel(t.Context())
	s.auth = func(context.Context, string, string) (string, error) { cancel(); panic("nil map") }
	panics(func(r *http.Request) { *r = *r.WithContext(ctx) })
	want := append(slices.Repeat([]session.Outcome{session.Undecided}, 10), session.Right, session.Counted)
	if !slices.Equal(outcomes, want) {
		t.Errorf("outcomes %v; want %v", outcomes, want)
	}
}

// A refusal of the application itself, for example of a second factor, is a wrong guess too.
func TestEveryRefusalCostsAnAttempt(t *testing.T) {
	for _, err := range []error{
		&usher.Rejection{Status: 401, Description: "Wrong code."},
		&usher.Rejection{Status: 403, Description: "Wrong code."},
		usher.ErrForbidden,
		errors.Join(usher.ErrPasswordMismatch, usher.ErrUnavailable),
	} {
		s := newSite(t, session.NewMemoryStore())
		s.auth = func(context.Context, string, string) (string, error) { return "", err }
		for range 5 {
			if a := s.send(t, "POST", "/login", login); a.StatusCode == http.StatusTooManyRequests {
				t.Fatalf("%v: too early", err)
			}
		}
		s.send(t, "POST", "/login", login).want(t, 429, "")
	}
}

// broken is a throttle that does not answer, or with settle set only at Settle.
type broken struct{ settle bool }

var errBroken = errors.New("throttle out of reach")

func (b broken) Reserve(context.Context, session.Attempt) (session.Taken, time.Duration, error) {
	if b.settle {
		return "taken", 0, nil
	}
	return "", 0, errBroken
}

func (broken) Settle(context.Context, session.Taken, session.Outcome) error { return errBroken }

// settling is a throttle that calls settle before each Settle.
type settling struct {
	session.Throttle
	settle func(ctx context.Context, o session.Outcome)
}

func (s settling) Settle(ctx context.Context, taken session.Taken, o session.Outcome) error {
	s.settle(ctx, o)
	return s.Throttle.Settle(ctx, taken, o)
}

func TestSettleOutlivesItsClientForABoundedTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var outcomes []session.Outcome
	throttle := settling{usher.Must(session.NewMemoryThrottle(nil)), func(ctx context.Context, o session.Outcome) {
		outcomes = append(outcomes, o)
		if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
			t.Errorf("the context of Settle: %v, bounded %v", ctx.Err(), bounded)
		}
	}}
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = throttle })
	s.auth = func(context.Context, string, string) (string, error) { cancel(); return subject, nil }
	s.send(t, "POST", "/login", login, func(r *http.Request) { *r = *r.WithContext(ctx) }).want(t, 503, "")
	if !slices.Equal(outcomes, []session.Outcome{session.Right}) {
		t.Errorf("outcomes %v; want one, Right", outcomes)
	}
}

func TestLoginsAreRefusedWhileTheThrottleDoesNotAnswer(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = broken{} })
	s.send(t, "POST", "/login", login).want(t, 503, "")
	if cause := s.seen[0].Err; !errors.Is(cause, usher.ErrUnavailable) || !errors.Is(cause, errBroken) {
		t.Errorf("the operator reads %v", cause)
	}
	s = newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = broken{settle: true} })
	s.send(t, "POST", "/login", login).want(t, 200, "")
}

// A client that fills its share of the queue for passwords leaves the rest to others.
func TestChecksKnowTheirClient(t *testing.T) {
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4, Concurrency: 1}))
	hash := usher.Must(passwords.Hash(t.Context(), "correct horse"))
	attempts := usher.Must(session.NewAttempts(&session.HandlerOptions{
		Throttle:      usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{PerAddress: session.Limit{Burst: 10_000, Every: time.Second}, PerAccount: session.Limit{Burst: 10_000, Every: time.Second}, PerClient: session.Limit{Burst: 10_000, Every: time.Second}})),
		ClientAddress: func(r *http.Request) string { return r.RemoteAddr },
	}))
	var group sync.WaitGroup
	var mu sync.Mutex
	full := map[string]int{}
	for i := range 2000 {
		address := "198.51.100.1:1"
		if i%200 == 0 {
			address = fmt.Sprintf("203.0.113.%d:1", i/200)
		}
		group.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.RemoteAddr = address
			err := attempts.Try(httptest.NewRecorder(), r, "ada", func(ctx context.Context) error {
				_, err := passwords.Check(ctx, hash, "correct horse")
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, usher.ErrUnavailable) {
				full[address]++
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if full["198.51.100.1:1"] == 0 || len(full) != 1 {
		t.Errorf("refused for a full queue: %v; want some of the one client's alone", full)
	}
}
