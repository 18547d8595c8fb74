package storetest

import (
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

// rotate presents tokens to a session of generation 3, whose second rotation was an hour after epoch.
func rotate(t *testing.T, store session.Store) {
	rotatedAt := epoch.Add(time.Hour)
	first := rotation("ada", 0, 1, epoch)
	second := rotation("ada", 0, 2, rotatedAt)
	current := rotation("ada", 0, 3, rotatedAt)
	modified := func(r session.Rotation, change func(*session.Rotation)) session.Rotation {
		r = withNonce(r, 1)
		change(&r)
		return r
	}
	for _, test := range []rotationTest{
		{"the current token", current, successorOf(current), nil, true},
		{"the spent token within the grace period", modified(second, func(r *session.Rotation) { r.Now = rotatedAt.Add(grace - 1000) }), successorOf(second), nil, true},
		{"the spent token within the grace period, by a clock that is behind", modified(second, func(r *session.Rotation) { r.Now = rotatedAt.Add(-time.Minute) }), successorOf(second), nil, true},
		{"the spent token at the end of the grace period", modified(second, func(r *session.Rotation) { r.Now = rotatedAt.Add(grace) }), session.Rotated{}, session.ErrReused, false},
		{"the spent token without a grace period", modified(second, func(r *session.Rotation) { r.Grace = 0 }), session.Rotated{}, session.ErrReused, false},
		{"the spent token without a grace period, by a clock that is behind", modified(second, func(r *session.Rotation) { r.Now, r.Grace = rotatedAt.Add(-time.Minute), 0 }), session.Rotated{}, session.ErrReused, false},
		{"another token of the spent generation", modified(second, func(r *session.Rotation) { r.Token[0] ^= 1 }), session.Rotated{}, session.ErrReused, false},
		{"a token whose successor is spent", modified(first, func(r *session.Rotation) { r.Now = rotatedAt }), session.Rotated{}, session.ErrReused, false},
		{"another token of the current generation", modified(current, func(r *session.Rotation) { r.Token[31] ^= 1 }), session.Rotated{}, session.ErrRefreshToken, true},
		{"a generation above the current", modified(current, func(r *session.Rotation) { r.Generation++ }), session.Rotated{}, session.ErrRefreshToken, true},
		{"another subject's session", modified(current, func(r *session.Rotation) { r.Subject = "bob" }), session.Rotated{}, session.ErrSessionEnded, true},
		{"an unknown session", modified(current, func(r *session.Rotation) { r.SessionID = sessionID("ada", 9) }), session.Rotated{}, session.ErrSessionEnded, true},
		{"an expired session", modified(current, func(r *session.Rotation) { r.Now = rotatedAt.Add(idle) }), session.Rotated{}, session.ErrSessionEnded, false},
		{"an expired session, with a spent token", modified(first, func(r *session.Rotation) { r.Now = rotatedAt.Add(idle) }), session.Rotated{}, session.ErrSessionEnded, false},
		{"the current token with another nonce", withNonce(current, 1), successorOf(withNonce(current, 1)), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := store.End(t.Context(), "ada", sessionID("ada", 0), epoch); err != nil { // of the previous test
				t.Fatal(err)
			}
			mustStart(t, store, record("ada", 0))
			mustRotate(t, store, first)
			mustRotate(t, store, second)
			test.run(t, store, current)
		})
	}
}

type rotationTest struct {
	name     string
	rotation session.Rotation
	want     session.Rotated
	err      error
	live     bool // whether the session is alive afterwards
}

// run presents the token to the session. current is the rotation of the session's current token.
func (test rotationTest) run(t *testing.T, store session.Store, current session.Rotation) {
	t.Helper()
	got, err := store.Rotate(t.Context(), test.rotation)
	wantErr(t, "Rotate", err, test.err)
	if test.err == nil && got != test.want {
		t.Errorf("Rotate = %x; want %x", got, test.want)
	}
	wantLive(t, store, "ada", current.SessionID, test.rotation.Now, test.live)
	if test.err != nil && test.live {
		mustRotate(t, store, current) // nothing was spent
	}
	expired := !test.rotation.Now.Before(current.Now.Add(idle)) // the store may still have an expired session
	if !test.live && !expired {
		_, err := store.Rotate(t.Context(), current)
		wantErr(t, "Rotate of the current token afterwards", err, session.ErrSessionEnded)
	}
}

func rotateExpiry(t *testing.T, store session.Store) {
	r := record("ada", 0)
	mustStart(t, store, r)
	now := epoch
	for generation := int64(1); ; generation++ {
		now = now.Add(idle - time.Microsecond)
		if !now.Before(r.EndsAt) {
			break
		}
		mustRotate(t, store, rotation("ada", 0, generation, now))
		s, err := store.Lookup(t.Context(), "ada", r.ID, now)
		if err != nil {
			t.Fatal(err)
		}
		want := now.Add(idle)
		if want.After(r.EndsAt) {
			want = r.EndsAt
		}
		if !s.LastUsedAt.Equal(now) || !s.ExpiresAt.Equal(want) || !s.StartedAt.Equal(r.StartedAt) || !s.AuthTime.Equal(r.AuthTime) {
			t.Fatalf("after the refresh of generation %d at %v:\n%+v\nwant expiry at %v", generation, now, s, want)
		}
	}
	wantLive(t, store, "ada", r.ID, r.EndsAt.Add(-time.Microsecond), true)
	wantLive(t, store, "ada", r.ID, r.EndsAt, false)
}

// rotateAgain sends one Rotation twice, as a client library does after a lost answer.
func rotateAgain(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 0))
	r := rotation("ada", 0, 1, epoch)
	r.Grace = 0
	mustRotate(t, store, r)
	mustRotate(t, store, r)
	mustRotate(t, store, rotation("ada", 0, 2, epoch))
}

func rotateReuse(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 0), record("ada", 1))
	mustRotate(t, store, rotation("ada", 0, 1, epoch))
	mustRotate(t, store, rotation("ada", 0, 2, epoch)) // the clock stands still
	stolen := withNonce(rotation("ada", 0, 1, epoch), 1)
	_, err := store.Rotate(t.Context(), stolen)
	wantErr(t, "the first reuse", err, session.ErrReused)
	_, err = store.Rotate(t.Context(), stolen)
	wantErr(t, "the second reuse", err, session.ErrSessionEnded)
	_, err = store.Rotate(t.Context(), rotation("ada", 0, 3, epoch))
	wantErr(t, "the current token", err, session.ErrSessionEnded)
	wantSessions(t, store, "ada", epoch, sessionID("ada", 1))
}
