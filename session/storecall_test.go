package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// life is a client that tries again after every failure: it logs in, refreshes twice, logs in elsewhere, ends the other
// sessions, refreshes and logs out, then logs in twice, ends one session and ends all. It returns an error if the outcome
// differs from that without failures.
func life(ctx context.Context, w *world) error {
	var tries int
	again := func(do func() error) error {
		for tries = 1; ; tries++ {
			err := do()
			if !errors.Is(err, usher.ErrUnavailable) && !errors.Is(err, errStore) {
				return err
			}
			if tries == 10 {
				return fmt.Errorf("never succeeds: %w", err)
			}
		}
	}
	count := func(want int) error {
		return again(func() error {
			list, err := w.List(ctx, subject)
			if err == nil && len(list) != want {
				return fmt.Errorf("%d sessions; want %d", len(list), want)
			}
			return err
		})
	}
	start := func() (tokens session.Tokens, err error) {
		err = again(func() (err error) { tokens, err = w.Start(ctx, subject, session.About{}); return err })
		return tokens, err
	}
	refresh := func(token string) (tokens session.Tokens, err error) {
		err = again(func() (err error) { tokens, err = w.Refresh(ctx, token); return err })
		return tokens, err
	}
	check := func(id string) error {
		return again(func() error { return w.Check(ctx, &usher.Claims{Subject: subject, SessionID: id}) })
	}

	first, err := start()
	if err != nil {
		return err
	}
	if err := count(1); err != nil {
		return err
	}
	second, err := refresh(first.RefreshToken)
	if err != nil {
		return err
	}
	third, err := refresh(second.RefreshToken)
	if err != nil {
		return err
	}
	elsewhere, err := start()
	if err != nil {
		return err
	}
	if err := count(2); err != nil {
		return err
	}
	w.clock.Advance(1000)
	if err := again(func() error { return w.EndOthers(ctx, subject, third.SessionID) }); err != nil {
		return err
	}
	if err := check(elsewhere.SessionID); !errors.Is(err, usher.ErrTokenRevoked) {
		return fmt.Errorf("Check of an ended session: %w", err)
	}
	if err := check(third.SessionID); err != nil {
		return err
	}
	fourth, err := refresh(third.RefreshToken)
	if err != nil {
		return err
	}
	if err := again(func() error { return w.End(ctx, fourth.RefreshToken) }); err != nil {
		return err
	}
	if err := check(fourth.SessionID); !errors.Is(err, usher.ErrTokenRevoked) {
		return fmt.Errorf("Check after the logout: %w", err)
	}
	if _, err := refresh(fourth.RefreshToken); !errors.Is(err, session.ErrSessionEnded) {
		return fmt.Errorf("Refresh after the logout: %w", err)
	}
	if err := count(0); err != nil {
		return err
	}

	w.clock.Advance(1000)
	one, err := start()
	if err != nil {
		return err
	}
	two, err := start()
	if err != nil {
		return err
	}
	err = again(func() error { return w.EndSession(ctx, subject, one.SessionID) })
	if err != nil && (tries == 1 || !errors.Is(err, session.ErrSessionEnded)) { // ended by the try that failed
		return err
	}
	if err := check(one.SessionID); !errors.Is(err, usher.ErrTokenRevoked) {
		return fmt.Errorf("Check of the session that was ended: %w", err)
	}
	if err := count(1); err != nil {
		return err
	}
	if err := again(func() error { return w.EndAll(ctx, subject) }); err != nil {
		return err
	}
	if _, err := refresh(two.RefreshToken); !errors.Is(err, session.ErrSessionEnded) {
		return fmt.Errorf("Refresh after all were ended: %w", err)
	}
	return count(0)
}

// A failure of any call, before or after the step was applied, does not change the outcome for a client that tries
// again.
func TestAStoreFailureAtAnyCallLosesAndDoublesNothing(t *testing.T) {
	whole := &failing{Store: session.NewMemoryStore()}
	if err := life(t.Context(), newWorld(t, whole)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= whole.calls; n++ {
		for _, applied := range []bool{false, true} {
			store := &failing{Store: session.NewMemoryStore(), failAt: n, applied: applied}
			w := newWorld(t, store)
			if err := life(t.Context(), w); err != nil {
				t.Errorf("fault at call %d of %d, applied %v: %v", n, whole.calls, applied, err)
			}
			if store.calls <= whole.calls {
				t.Errorf("fault at call %d went unnoticed", n)
			}
		}
	}
}

// fault fails one of many calls.
type fault struct{ failAt, calls int }

func (f *fault) strikes() bool {
	f.calls++
	return f.calls == f.failAt
}

// A failure of the claims callback or the signing key comes before anything is spent, started or ended.
func TestAFailureOfClaimsOrKeyLosesAndDoublesNothing(t *testing.T) {
	for name, install := range map[string]func(w *world, f *fault){
		"claims": func(w *world, f *fault) {
			user := w.user
			w.user = func(ctx context.Context, g session.Grant) (claims, error) {
				if f.strikes() {
					return claims{}, errStore
				}
				return user(ctx, g)
			}
		},
		"key": func(w *world, f *fault) { w.keys.fault = f },
	} {
		live := func(f *fault) (*counting, error) {
			store := &counting{Store: session.NewMemoryStore()}
			w := newWorld(t, store)
			install(w, f)
			return store, life(t.Context(), w)
		}
		whole := &fault{}
		without, err := live(whole)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if whole.calls == 0 {
			t.Fatalf("%s: nobody asks", name)
		}
		for n := 1; n <= whole.calls; n++ {
			f := &fault{failAt: n}
			store, err := live(f)
			if err != nil {
				t.Errorf("%s, fault at call %d of %d: %v", name, n, whole.calls, err)
			}
			if f.calls != whole.calls+1 {
				t.Errorf("%s: fault at call %d went unnoticed", name, n)
			}
			if store.calls != without.calls {
				t.Errorf("%s, fault at call %d: %d calls of the store; want %d, as without", name, n, store.calls, without.calls)
			}
		}
	}
}

// While the store is down, every method returns usher.ErrUnavailable and reports no event of success.
func TestAStoreThatDoesNotAnswerIsErrUnavailable(t *testing.T) {
	for _, applied := range []bool{false, true} {
		memory := session.NewMemoryStore()
		up := newWorld(t, memory)
		tokens := up.mustStart(t)
		down := newWorld(t, &failing{Store: memory, failAt: 1, andOn: true, applied: applied})
		claims := &usher.Claims{Subject: subject, SessionID: tokens.SessionID}
		for name, step := range map[string]func() error{
			"Start":      func() error { _, err := down.Start(t.Context(), subject, session.About{}); return err },
			"Refresh":    func() error { _, err := down.Refresh(t.Context(), tokens.RefreshToken); return err },
			"End":        func() error { return down.End(t.Context(), tokens.RefreshToken) },
			"EndSession": func() error { return down.EndSession(t.Context(), subject, tokens.SessionID) },
			"EndOthers":  func() error { return down.EndOthers(t.Context(), subject, tokens.SessionID) },
			"EndAll":     func() error { return down.EndAll(t.Context(), subject) },
			"List":       func() error { _, err := down.List(t.Context(), subject); return err },
			"Check":      func() error { return down.Check(t.Context(), claims) },
			"Prune":      func() error { _, err := down.Prune(t.Context()); return err },
		} {
			err := step()
			if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, errStore) {
				t.Errorf("%s: %v; want ErrUnavailable and its cause", name, err)
			}
		}
		for _, kind := range down.events.take() {
			if kind != session.EventRefused {
				t.Errorf("event %s although the store was down", kind)
			}
		}
		if !applied {
			up.mustRefresh(t, tokens.RefreshToken)
		}
	}
}

func TestAFailedCheckIsA503(t *testing.T) {
	for _, applied := range []bool{false, true} { // whether the store found the session, and then failed to say so
		store := &failing{Store: session.NewMemoryStore(), failAt: 2, andOn: true, applied: applied}
		w := newWorld(t, store)
		tokens := w.mustStart(t)
		auth := usher.Must(usher.NewMiddleware(w.decoder, usher.ClaimsAsUser[claims], &usher.MiddlewareOptions{Check: w.Check}))
		protected := auth.RequireFunc(func(http.ResponseWriter, *http.Request, *claims) { t.Error("let through") })
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		answer := httptest.NewRecorder()
		protected.ServeHTTP(answer, r)
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("applied %v: status %d; want 503", applied, answer.Code)
		}
	}
}
