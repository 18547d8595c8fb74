package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// life is what a client does that tries again whenever something fails: log in, refresh, refresh again, log in
// elsewhere, end the others, refresh, log out; log in twice, end one session, end all. It returns an error where the
// outcome is not what it would be without faults.
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

// A fault at any call, before or after the step was applied, changes nothing about the outcome for a client that
// tries again.
func TestAFaultAtAnyCallLosesAndDoublesNothing(t *testing.T) {
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

// A fault of the claims callback or of the signing key comes before anything is spent, started or ended.
func TestAFaultOfTheClaimsOrTheKeyLosesAndDoublesNothing(t *testing.T) {
	for name, install := range map[string]func(w *world, f *fault){
		"claims": func(w *world, f *fault) {
			user := w.user
			w.user = func(ctx context.Context, subject string) (claims, error) {
				if f.strikes() {
					return claims{}, errStore
				}
				return user(ctx, subject)
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

// While the store is down, everything says so, and nothing reports a success that didn't happen.
func TestAStoreThatIsDownIsUnavailable(t *testing.T) {
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

// The gone user's session must not be reported as ended when the store didn't say so.
func TestAGoneUsersSessionThatCantBeEndedIsUnavailable(t *testing.T) {
	store := &failing{Store: session.NewMemoryStore(), failAt: 2}
	w := newWorld(t, store)
	tokens := w.mustStart(t)
	w.user = func(context.Context, string) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err := w.Refresh(t.Context(), tokens.RefreshToken)
	wantErr(t, "Refresh", err, usher.ErrUnavailable)
	if errors.Is(err, session.ErrSessionEnded) {
		t.Error("it reports an ending that didn't happen")
	}
	_, err = w.Refresh(t.Context(), tokens.RefreshToken)
	wantErr(t, "Refresh again", err, session.ErrSessionEnded)
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

// gone cancels the client's context while the store is at work, and insists on not seeing it.
type gone struct {
	session.Store
	cancel context.CancelFunc
	t      *testing.T
}

func (s *gone) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	s.cancel()
	if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
		s.t.Errorf("the step's context: %v, bounded %v; want it to outlive the client, but not forever", ctx.Err(), bounded)
	}
	return s.Store.Rotate(ctx, r)
}

func TestARotationRunsToItsEndWhenTheClientHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, &gone{session.NewMemoryStore(), cancel, t})
	first := w.mustStart(t)
	second, err := w.Refresh(ctx, first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if again := w.mustRefresh(t, first.RefreshToken); again.RefreshToken != second.RefreshToken {
		t.Error("the client that comes back gets another successor")
	}
}

// The answer to a rotation may be lost in a store that hangs. Its client is told to come back after 5 seconds, and is
// no thief then.
func TestAStoreThatHangsLeavesTimeForARetry(t *testing.T) {
	for _, test := range []struct{ grace, want time.Duration }{
		{0, 3 * time.Second}, {-1, 10 * time.Second}, {8 * time.Second, 2400 * time.Millisecond}, {time.Second, time.Second}, {time.Minute, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &hanging{Store: session.NewMemoryStore()}
			w := newWorld(t, store, func(c *session.Config[claims]) { c.Grace, c.Now = test.grace, time.Now })
			first := w.mustStart(t)
			began := time.Now()
			_, err := w.Refresh(t.Context(), first.RefreshToken)
			wantErr(t, "Refresh while the store hangs", err, usher.ErrUnavailable)
			if took := time.Since(began); took != test.want {
				t.Errorf("grace %s: given up after %s; want %s", test.grace, took, test.want)
			}
			if test.grace < 0 || test.grace == time.Second {
				return // shorter than the 5 seconds
			}
			time.Sleep(5 * time.Second) //nolint:forbidigo // of the bubble's own time
			w.mustRefresh(t, first.RefreshToken)
		})
	}
}

// hanging applies its first rotation, and then says nothing until the context ends.
type hanging struct {
	session.Store
	hung bool
}

func (s *hanging) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	rotated, err := s.Store.Rotate(ctx, r)
	if !s.hung {
		s.hung = true
		<-ctx.Done()
		return session.Rotated{}, ctx.Err()
	}
	return rotated, err
}

// goneAtReuse cancels the client's context once a token is found to be reused.
type goneAtReuse struct {
	session.Store
	cancel context.CancelFunc
}

func (s *goneAtReuse) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	rotated, err := s.Store.Rotate(ctx, r)
	if errors.Is(err, session.ErrReused) {
		s.cancel()
	}
	return rotated, err
}

func TestAThiefWhoHangsUpIsReportedAllTheSame(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "request 7"))
	reported := 0
	w := newWorld(t, &goneAtReuse{session.NewMemoryStore(), cancel}, func(c *session.Config[claims]) {
		c.OnEvent = func(ctx context.Context, e session.Event) {
			if e.Kind != session.EventReused {
				return
			}
			reported++
			if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil || ctx.Value(key{}) != "request 7" {
				t.Errorf("reported with a context of %v, %v, bounded %v; want the request's values, and an end of its own", ctx.Err(), ctx.Value(key{}), bounded)
			}
		}
	})
	first := w.mustStart(t)
	w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace)
	_, err := w.Refresh(ctx, first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
	if reported != 1 || ctx.Err() == nil {
		t.Errorf("reported %d times; want once, to a client that had gone", reported)
	}
}

// goneAtStart starts sessions whose client then leaves, and whose answer is lost.
type goneAtStart struct {
	session.Store
	cancel context.CancelFunc
}

func (s *goneAtStart) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	if _, err := s.Store.Start(ctx, r, limit, now); err != nil {
		return nil, err
	}
	s.cancel()
	return nil, errStore
}

func TestASessionThatNobodyHasATokenOfDoesNotStay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, &goneAtStart{session.NewMemoryStore(), cancel})
	_, err := w.Start(ctx, subject, session.About{})
	wantErr(t, "Start", err, usher.ErrUnavailable)
	w.wantSessions(t, 0)
}
