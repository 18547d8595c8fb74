package session_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestStartReturnsTokensOfTheSession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	began := epoch.Add(-3 * time.Second)
	tokens, err := w.Start(t.Context(), subject, session.About{UserAgent: "UA", Address: "192.0.2.1", Label: "phone", AuthTime: began})
	if err != nil {
		t.Fatal(err)
	}
	c := w.mustDecode(t, tokens)
	if c.Subject != subject || c.SessionID != tokens.SessionID || c.AuthTime.Unix() != began.Unix() || c.Role != "reader" {
		t.Errorf("claims %+v; want sub, sid and auth_time of the session, and the application's own", c)
	}
	if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 15*60 || tokens.RefreshTTL != idleTTL {
		t.Errorf("type %s, expires in %d, refresh TTL %s", tokens.TokenType, tokens.ExpiresIn, tokens.RefreshTTL)
	}
	now := epoch.Truncate(time.Microsecond)
	want := session.Session{
		ID: tokens.SessionID, Subject: subject, UserAgent: "UA", Address: "192.0.2.1", Label: "phone",
		AuthTime: began.Truncate(time.Microsecond), StartedAt: now, LastUsedAt: now, ExpiresAt: now.Add(idleTTL),
	}
	if got := w.wantSessions(t, 1)[0]; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	w.wantEvents(t, session.EventStarted)
}

func TestStartRefusesSubjectsThatStoresCannotKeep(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for _, bad := range []string{"", strings.Repeat("s", 256), "a\x00b", "a\nb", "\xff"} {
		if _, err := w.Start(t.Context(), bad, session.About{}); err == nil {
			t.Errorf("Start(%q) succeeded", bad)
		}
		if list, err := w.List(t.Context(), bad); err != nil || list != nil {
			t.Errorf("List(%q) = %v, %v", bad, list, err)
		}
		if err := w.EndAll(t.Context(), bad); err != nil {
			t.Errorf("EndAll(%q): %v", bad, err)
		}
	}
	if _, err := w.Start(t.Context(), strings.Repeat("s", 255), session.About{}); err != nil {
		t.Error(err)
	}
}

func TestAboutIsCleanedAndCut(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	_, err := w.Start(t.Context(), subject, session.About{UserAgent: "a\x00\r\nb\xff", Label: strings.Repeat("x", 255) + "ü"})
	if err != nil {
		t.Fatal(err)
	}
	s := w.wantSessions(t, 1)[0]
	if s.UserAgent != "ab\uFFFD" || s.Label != strings.Repeat("x", 255) {
		t.Errorf("user agent %q, label of %d bytes", s.UserAgent, len(s.Label))
	}
}

func TestStartChecksTheAgeOfTheAuthentication(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for _, test := range []struct {
		name  string
		began time.Time
		want  error
		claim time.Time
	}{
		{"now, if it isn't said", time.Time{}, nil, epoch},
		{"now, if it lies ahead", epoch.Add(time.Hour), nil, epoch},
		{"just young enough", epoch.Add(time.Second - maxAge), nil, epoch.Add(time.Second - maxAge)},
		{"too old", epoch.Add(-maxAge), session.ErrSessionEnded, time.Time{}},
	} {
		tokens, err := w.Start(t.Context(), subject, session.About{AuthTime: test.began})
		wantErr(t, test.name, err, test.want)
		if err == nil {
			if c := w.mustDecode(t, tokens); c.AuthTime.Unix() != test.claim.Unix() {
				t.Errorf("%s: auth_time %v; want %v", test.name, c.AuthTime, test.claim)
			}
		}
	}
}

func TestMaxPerSubjectEndsTheOldestSession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.MaxPerSubject = 2 })
	var tokens []session.Tokens
	for range 3 {
		tokens = append(tokens, w.mustStart(t))
		w.clock.Advance(time.Second)
	}
	_, err := w.Refresh(t.Context(), tokens[0].RefreshToken)
	wantErr(t, "Refresh of the oldest", err, session.ErrSessionEnded)
	w.mustRefresh(t, tokens[1].RefreshToken)
	w.mustRefresh(t, tokens[2].RefreshToken)
	w.wantEvents(t, session.EventStarted, session.EventStarted, session.EventStarted, session.EventEnded,
		session.EventRefused, session.EventRefreshed, session.EventRefreshed)
}

// goneAtStart starts a session, then cancels the client's context and loses the answer.
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

func TestStartRemovesASessionWhoseTokenWasNeverReturned(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, &goneAtStart{session.NewMemoryStore(), cancel})
	_, err := w.Start(ctx, subject, session.About{})
	wantErr(t, "Start", err, usher.ErrUnavailable)
	w.wantSessions(t, 0)
}
