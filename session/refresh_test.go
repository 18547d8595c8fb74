package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestRefreshUsesCurrentClaimsAndKeepsAuthTime(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	w.clock.Advance(time.Hour)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{Role: "admin"}, nil }
	second := w.mustRefresh(t, first.RefreshToken)
	c := w.mustDecode(t, second)
	if c.Role != "admin" || c.AuthTime.Unix() != epoch.Unix() || c.SessionID != first.SessionID || c.IssuedAt.Unix() != epoch.Add(time.Hour).Unix() {
		t.Errorf("claims %+v", c)
	}
	w.wantEvents(t, session.EventStarted, session.EventRefreshed)
}

func TestASpentTokenYieldsTheSameSuccessorWithinTheGracePeriod(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	second := w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace - time.Microsecond)
	again := w.mustRefresh(t, first.RefreshToken)
	if again.RefreshToken != second.RefreshToken || again.AccessToken == "" {
		t.Fatal("the retry has another successor")
	}
	w.wantEvents(t, session.EventStarted, session.EventRefreshed, session.EventRetried)

	w.clock.Advance(time.Microsecond)
	tokens, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh after the grace", err, session.ErrReused)
	if tokens != (session.Tokens{}) {
		t.Errorf("an error came with %#v", tokens)
	}
	_, err = w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh of the successor", err, session.ErrSessionEnded)
	w.wantEvents(t, session.EventReused, session.EventRefused)
	w.wantSessions(t, 0)
}

// Even if the claims callback takes longer than the grace period, a retry after a lost response is no reuse, and neither
// is the slower of two tabs.
func TestTheGracePeriodBeginsWithTheRotation(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	slow := func(context.Context, session.Grant) (claims, error) { w.clock.Advance(2 * grace); return claims{}, nil }
	w.user = slow
	second := w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace - time.Microsecond)
	if again := w.mustRefresh(t, first.RefreshToken); again.RefreshToken != second.RefreshToken {
		t.Error("a retry after slow claims has another successor")
	}

	var third session.Tokens
	w.user = func(ctx context.Context, g session.Grant) (claims, error) {
		w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, nil }
		third = w.mustRefresh(t, second.RefreshToken)
		return slow(ctx, g)
	}
	if again := w.mustRefresh(t, second.RefreshToken); again.RefreshToken != third.RefreshToken {
		t.Error("the slower tab has another successor")
	}
	_, err := w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh after the grace", err, session.ErrReused)
}

func TestANegativeGraceMeansNoGracePeriod(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Grace = -1 })
	first := w.mustStart(t)
	w.mustRefresh(t, first.RefreshToken)
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
}

func TestTheSuccessorsFirstUseEndsTheGracePeriod(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	third := w.mustRefresh(t, w.mustRefresh(t, first.RefreshToken).RefreshToken)
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
	_, err = w.Refresh(t.Context(), third.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrSessionEnded)
}

func TestATokenNewerThanTheStoreIsNoReuse(t *testing.T) {
	restored := session.NewMemoryStore()
	w := newWorld(t, restored)
	first := w.mustStart(t)
	live := session.NewMemoryStore()
	ahead := w.with(func(c *session.Config[claims]) { c.Store = live })
	record := session.Record{Session: w.wantSessions(t, 1)[0], EndsAt: epoch.Add(maxAge)}
	record.Token = hashOf(first.RefreshToken)
	if _, err := live.Start(t.Context(), record, 0, epoch); err != nil {
		t.Fatal(err)
	}
	second, err := ahead.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	w.events.take()
	_, err = w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh of a generation that the backup doesn't know", err, session.ErrRefreshToken)
	w.wantEvents(t, session.EventRefused)
	w.mustRefresh(t, first.RefreshToken)
}

func TestSessionsExpire(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*session.Config[claims])
		pause  time.Duration
		lives  int // how many refreshes after such pauses succeed
	}{
		{"idle", nil, idleTTL, 0},
		{"used just in time, until the absolute limit", nil, idleTTL - time.Microsecond, 6},
		{"idle limit set", func(c *session.Config[claims]) { c.IdleTTL = time.Hour }, time.Hour, 0},
		{"absolute limit below the idle one", func(c *session.Config[claims]) { c.MaxAge = time.Hour }, 20 * time.Minute, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := test.change
			if change == nil {
				change = func(*session.Config[claims]) {}
			}
			w := newWorld(t, session.NewMemoryStore(), change)
			token := w.mustStart(t).RefreshToken
			for range test.lives {
				w.clock.Advance(test.pause)
				token = w.mustRefresh(t, token).RefreshToken
			}
			w.clock.Advance(test.pause)
			_, err := w.Refresh(t.Context(), token)
			wantErr(t, "Refresh", err, session.ErrSessionEnded)
			w.wantSessions(t, 0)
		})
	}
}

func TestRefreshSpendsTheTokenLast(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	cause := errors.New("database on fire")

	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, cause }
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh while the claims fail", err, cause)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, nil }

	w.keys.err = usher.ErrUnavailable
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh while the key fails", err, usher.ErrUnavailable)
	w.keys.err = nil

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Refresh(cancelled, first.RefreshToken)
	wantErr(t, "Refresh for a client that has gone", err, usher.ErrUnavailable)

	w.clock.Advance(2 * grace) // had it been spent, this would be a reuse
	w.mustRefresh(t, first.RefreshToken)

	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, cause }
	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start while the claims fail", err, cause)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, nil }
	w.keys.err = cause
	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start while the key fails", err, cause)
	w.wantSessions(t, 1)
}

// One of two user databases doesn't know the user, and the other one doesn't answer.
func TestRefreshKeepsTheSessionIfTheUserMayStillExist(t *testing.T) {
	for _, cause := range []error{usher.ErrUnavailable, context.DeadlineExceeded} {
		w := newWorld(t, session.NewMemoryStore())
		first := w.mustStart(t)
		w.user = func(context.Context, session.Grant) (claims, error) {
			return claims{}, errors.Join(usher.ErrNoUser, cause)
		}
		_, err := w.Refresh(t.Context(), first.RefreshToken)
		wantErr(t, "Refresh", err, cause)
		w.wantEvents(t, session.EventStarted, session.EventRefused)
		w.wantSessions(t, 1)
	}
}

func TestRefreshEndsTheSessionOfADeletedUser(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrSessionEnded)
	wantErr(t, "Refresh", err, usher.ErrNoUser)
	w.wantEvents(t, session.EventStarted, session.EventEnded)
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh again", err, session.ErrSessionEnded)
	w.wantEvents(t, session.EventRefused)
	w.wantSessions(t, 0)

	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start", err, usher.ErrNoUser)
}

// A deleted user's session must not be reported as ended unless the store said so.
func TestRefreshOfADeletedUserNeedsTheStore(t *testing.T) {
	store := &failing{Store: session.NewMemoryStore(), failAt: 2}
	w := newWorld(t, store)
	tokens := w.mustStart(t)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err := w.Refresh(t.Context(), tokens.RefreshToken)
	wantErr(t, "Refresh", err, usher.ErrUnavailable)
	if errors.Is(err, session.ErrSessionEnded) {
		t.Error("it reports an ending that didn't happen")
	}
	_, err = w.Refresh(t.Context(), tokens.RefreshToken)
	wantErr(t, "Refresh again", err, session.ErrSessionEnded)
}

// gone cancels the client's context during a rotation, and fails the test if the store's context is cancelled too.
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

func TestARotationCompletesAfterTheClientDisconnects(t *testing.T) {
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

// If a store applies a rotation and then hangs, the client is told to come back after 5 seconds, and its token is still
// accepted then.
func TestAHangingStoreLeavesTimeForARetry(t *testing.T) {
	for _, test := range []struct{ grace, want time.Duration }{
		{0, 3 * time.Second}, {-1, 10 * time.Second}, {8 * time.Second, 2400 * time.Millisecond}, {6 * time.Second, 500 * time.Millisecond}, {time.Second, time.Second}, {time.Minute, 10 * time.Second},
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

// hanging applies its first rotation and then blocks until the context ends.
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
