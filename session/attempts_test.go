package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// try makes an attempt from an address, at a check that returns answer.
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

func TestAttemptsThatWereRightOrNotDecidedAreGivenBack(t *testing.T) {
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

func TestAttemptsWithoutAThrottleThatAnswers(t *testing.T) {
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
