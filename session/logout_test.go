package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

func TestEndAcceptsAnyAuthenticTokenOfTheSession(t *testing.T) {
	for name, choose := range map[string]func(r1, r2, r3 string) string{
		"current":    func(_, _, r3 string) string { return r3 },
		"spent":      func(_, r2, _ string) string { return r2 },
		"long spent": func(r1, _, _ string) string { return r1 },
	} {
		w := newWorld(t, session.NewMemoryStore())
		r1 := w.mustStart(t).RefreshToken
		r2 := w.mustRefresh(t, r1).RefreshToken
		r3 := w.mustRefresh(t, r2).RefreshToken
		w.events.take()
		for range 2 {
			if err := w.End(t.Context(), choose(r1, r2, r3)); err != nil {
				t.Errorf("End with a %s token: %v", name, err)
			}
		}
		w.wantEvents(t, session.EventEnded)
		w.wantSessions(t, 0)
	}
}

func TestEndSessionEndsOnlySessionsOfTheSubject(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	tokens := w.mustStart(t)
	for _, bad := range []struct{ subject, id string }{
		{"mallory", tokens.SessionID}, {"", tokens.SessionID}, {subject, ""}, {subject, "x"}, {subject, tokens.SessionID + "\x00"},
	} {
		wantErr(t, "EndSession", w.EndSession(t.Context(), bad.subject, bad.id), session.ErrSessionEnded)
	}
	w.wantSessions(t, 1)
	if err := w.EndSession(t.Context(), subject, tokens.SessionID); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "EndSession again", w.EndSession(t.Context(), subject, tokens.SessionID), session.ErrSessionEnded)
	w.wantSessions(t, 0)
}

func TestEndOthersKeepsOneSessionAndRefusesEarlierLogins(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	began := w.clock.Now()
	keep, gone := w.mustStart(t), w.mustStart(t)
	w.clock.Advance(time.Second)
	if err := w.EndOthers(t.Context(), subject, keep.SessionID); err != nil {
		t.Fatal(err)
	}
	w.wantEvents(t, session.EventStarted, session.EventStarted, session.EventEnded)
	w.mustRefresh(t, keep.RefreshToken)
	_, err := w.Refresh(t.Context(), gone.RefreshToken)
	wantErr(t, "Refresh of another", err, session.ErrSessionEnded)
	_, err = w.Start(t.Context(), subject, session.About{AuthTime: began})
	wantErr(t, "Start of a login that began before", err, session.ErrSessionEnded)

	if err := w.EndOthers(t.Context(), subject, "not a session's id"); err != nil {
		t.Fatal(err)
	}
	w.wantSessions(t, 0)
}

func TestEndAllRefusesEarlierLogins(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	began := w.clock.Now()
	tokens := w.mustStart(t)
	w.clock.Advance(time.Second)
	if err := w.EndAll(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	_, err := w.Refresh(t.Context(), tokens.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrSessionEnded)
	for _, at := range []time.Time{began, w.clock.Now()} {
		_, err = w.Start(t.Context(), subject, session.About{AuthTime: at})
		wantErr(t, "Start of a login that began before", err, session.ErrSessionEnded)
	}
	w.clock.Advance(time.Microsecond)
	w.mustStart(t)
}

// With a clock that stands still, as in tests, a login after EndAll is not one that began before.
func TestALoginAfterEndAllIsAcceptedAtTheSameInstant(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	began := s.clock.Now()
	for range 3 {
		if err := s.EndAll(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
		s.wantSessions(t, 0)
		s.mustStart(t)
		s.send(t, "POST", "/login", login).tokens(t)
		s.wantSessions(t, 2)
		_, err := s.Start(t.Context(), subject, session.About{AuthTime: began})
		wantErr(t, "Start of a login that began before", err, session.ErrSessionEnded)
		if !strings.Contains(err.Error(), "EndAll") {
			t.Errorf("the error does not say why: %v", err)
		}
	}
	s.clock.Advance(-time.Hour) // a clock that is set back is followed
	if _, err := s.Start(t.Context(), "another", session.About{}); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context(), "another")
	if err != nil || !list[0].StartedAt.Equal(s.clock.Now().UTC().Truncate(time.Microsecond)) {
		t.Errorf("%v, %v; want a start at %s", list, err, s.clock.Now())
	}
}
