package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// grants makes w record the grants that the claims callback gets.
func grants(w *world) *[]session.Grant {
	var got []session.Grant
	w.user = func(_ context.Context, g session.Grant) (claims, error) {
		got = append(got, g)
		return claims{Role: g.Data}, nil
	}
	return &got
}

func TestDataReachesTheClaimsOfEveryRefresh(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	got := grants(w)
	const data = `{"tenant":"acme","amr":["pwd","otp"]}`
	tokens, err := w.Start(t.Context(), subject, session.About{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	first := tokens
	for range 3 {
		w.clock.Advance(time.Hour)
		tokens = w.mustRefresh(t, tokens.RefreshToken)
		if c := w.mustDecode(t, tokens); c.Role != data {
			t.Errorf("role %q; want %q", c.Role, data)
		}
	}
	want := session.Grant{Subject: subject, SessionID: first.SessionID, Data: data, AuthTime: epoch.Truncate(time.Second)}
	if len(*got) != 4 {
		t.Fatalf("%d grants; want 4", len(*got))
	}
	for i, g := range *got {
		if g != want {
			t.Errorf("grant %d: %+v; want %+v", i, g, want)
		}
	}
	// A retry within the grace period yields the same successor, with data too.
	again := w.mustRefresh(t, tokens.RefreshToken)
	if retry := w.mustRefresh(t, tokens.RefreshToken); retry.RefreshToken != again.RefreshToken {
		t.Error("a retry has another successor")
	}
}

func TestTheLongestDataAndSubjectFitIntoTheRefreshToken(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	got := grants(w)
	long := strings.Repeat("s", 255)
	data := strings.Repeat("ü", 127) + "x"
	tokens, err := w.Start(t.Context(), long, session.About{Data: data, UntilBrowserCloses: true})
	if err != nil {
		t.Fatal(err)
	}
	tokens = w.mustRefresh(t, tokens.RefreshToken)
	w.mustRefresh(t, tokens.RefreshToken)
	for _, g := range *got {
		if g.Subject != long || g.Data != data {
			t.Errorf("subject %q, data %q", g.Subject, g.Data)
		}
	}
}

func TestStartRefusesDataThatDoesNotFit(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	plain := usher.Must(session.NewAccessTokens(w.config.Encoder, w.config.Claims))
	for _, data := range []string{strings.Repeat("x", 256), "\xff"} {
		for _, start := range []session.Starter{w.Manager, plain} {
			if tokens, err := start.Start(t.Context(), subject, session.About{Data: data}); err == nil || tokens != (session.Tokens{}) {
				t.Errorf("%T started with data %q", start, data)
			}
		}
	}
	w.wantSessions(t, 0)
}

func TestAccessTokensPassDataToTheClaims(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	got := grants(w)
	plain := usher.Must(session.NewAccessTokens(w.config.Encoder, w.config.Claims))
	if _, err := plain.Start(t.Context(), subject, session.About{Data: "acme"}); err != nil {
		t.Fatal(err)
	}
	if want := (session.Grant{Subject: subject, Data: "acme", AuthTime: epoch.Truncate(time.Second)}); (*got)[0] != want {
		t.Errorf("got %+v; want %+v", (*got)[0], want)
	}
}

func TestDataInARefreshTokenIsAuthenticated(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	tokens, err := w.Start(t.Context(), subject, session.About{Data: "amr=pwd"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(tokens.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	for i := 32; i < len(b); i++ {
		_, err := w.Refresh(t.Context(), flipped(tokens.RefreshToken, i))
		wantErr(t, "Refresh", err, session.ErrRefreshToken)
	}
	w.mustRefresh(t, tokens.RefreshToken)
}

// This token was issued before refresh tokens could contain data.
const earlierToken = "9UeyA6PXVpJuYcBJqMsZL02QURk-lMUFt-beg4vrk6MBbu_xHcDbd60LAl5NktMhLQAAAABzDxC_AAAAAAAAAAGpwOoNGp0majf5SujKavCd-Rrjp6rhSrl3aWf1kPayDXVzZXItNw"

func TestTokensWithoutDataKeepTheEarlierForm(t *testing.T) {
	store := session.NewMemoryStore()
	w := newWorld(t, store)
	now := epoch.Truncate(time.Microsecond)
	_, err := store.Start(t.Context(), session.Record{
		Session: session.Session{ID: "bu_xHcDbd60LAl5NktMhLQ", Subject: subject, AuthTime: now, StartedAt: now, LastUsedAt: now, ExpiresAt: now.Add(idleTTL)},
		EndsAt:  now.Add(maxAge), Token: hashOf(earlierToken),
	}, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	got := grants(w)
	tokens := w.mustRefresh(t, earlierToken)
	if want := (session.Grant{Subject: subject, SessionID: "bu_xHcDbd60LAl5NktMhLQ", AuthTime: epoch.Truncate(time.Second)}); (*got)[0] != want {
		t.Errorf("got %+v; want %+v", (*got)[0], want)
	}
	// Only the tag, the generation and the secret part differ.
	earlier, _ := base64.RawURLEncoding.DecodeString(earlierToken)
	issued, err := base64.RawURLEncoding.DecodeString(tokens.RefreshToken)
	if err != nil || len(issued) != len(earlier) {
		t.Fatalf("%d bytes, %v; want %d", len(issued), err, len(earlier))
	}
	if !bytes.Equal(issued[32:57], earlier[32:57]) || !bytes.Equal(issued[97:], earlier[97:]) {
		t.Errorf("the form has changed: %x", issued)
	}
}

func TestUntilBrowserClosesOmitsMaxAgeAlsoAfterRefreshes(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	tokens, err := s.Start(t.Context(), subject, session.About{UntilBrowserCloses: true})
	if err != nil {
		t.Fatal(err)
	}
	jar := cookieJar{"__Host-refresh": tokens.RefreshToken}
	for range 2 {
		a := s.send(t, "POST", "/refresh", "", jar.send).want(t, 200, "")
		jar.keep(t, a)
		for _, line := range a.Header["Set-Cookie"] {
			if strings.Contains(line, "Max-Age") || strings.Contains(line, "Expires") {
				t.Errorf("cookie outlives the browser: %s", line)
			}
		}
	}
	for _, c := range s.send(t, "POST", "/logout", "", jar.send).want(t, 204, "").Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("not cleared: %s", c)
		}
	}
}

func TestReplacesEndsTheEarlierSession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	stranger, err := w.Start(t.Context(), "mallory", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	w.events.take()
	second, err := w.Start(t.Context(), subject, session.About{Replaces: first.SessionID})
	if err != nil {
		t.Fatal(err)
	}
	w.wantEvents(t, session.EventStarted, session.EventEnded)
	if list := w.wantSessions(t, 1); list[0].ID != second.SessionID {
		t.Error("the wrong session ended")
	}
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh of the replaced session", err, session.ErrSessionEnded)

	for _, other := range []string{stranger.SessionID, "x", "", first.SessionID} {
		if _, err := w.Start(t.Context(), subject, session.About{Replaces: other}); err != nil {
			t.Errorf("Replaces %q: %v", other, err)
		}
	}
	w.mustRefresh(t, stranger.RefreshToken)
	w.wantSessions(t, 5)
}

func TestReplacesThatFailsLeavesTheEarlierSessionAlone(t *testing.T) {
	store := &failing{Store: session.NewMemoryStore()}
	w := newWorld(t, store)
	first := w.mustStart(t)
	store.calls, store.failAt = 0, 2 // the call after Start
	tokens, err := w.Start(t.Context(), subject, session.About{Replaces: first.SessionID})
	wantErr(t, "Start", err, usher.ErrUnavailable)
	if tokens != (session.Tokens{}) {
		t.Error("an error came with tokens")
	}
	if list := w.wantSessions(t, 1); list[0].ID != first.SessionID {
		t.Error("the earlier session ended, or the new one remains")
	}
}
