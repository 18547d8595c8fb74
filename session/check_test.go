package session_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func claimsOf(t session.Tokens) *usher.Claims {
	return &usher.Claims{Subject: subject, SessionID: t.SessionID}
}

func TestCheckRefusesTokensWithoutALiveSession(t *testing.T) {
	store := &counting{Store: session.NewMemoryStore()}
	w := newWorld(t, store)
	tokens := w.mustStart(t)
	if err := w.Check(t.Context(), claimsOf(tokens)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]usher.Claims{
		"no session":            {Subject: subject},
		"no subject":            {SessionID: tokens.SessionID},
		"another's session":     {Subject: "mallory", SessionID: tokens.SessionID},
		"an unknown session":    {Subject: subject, SessionID: strings.Repeat("A", 22)},
		"no session's id":       {Subject: subject, SessionID: "x\x00"},
		"an id with line break": {Subject: subject, SessionID: tokens.SessionID + "\n"},
	} {
		wantErr(t, name, w.Check(t.Context(), &bad), usher.ErrTokenRevoked)
	}
	w.clock.Advance(idleTTL)
	wantErr(t, "an expired session", w.Check(t.Context(), claimsOf(tokens)), usher.ErrTokenRevoked)
}

func TestRefreshAndCheckAreOneStoreCallEach(t *testing.T) {
	store := &counting{Store: session.NewMemoryStore()}
	w := newWorld(t, store)
	tokens := w.mustStart(t)
	for name, step := range map[string]func(){
		"Refresh": func() { w.mustRefresh(t, tokens.RefreshToken) },
		"retry":   func() { w.mustRefresh(t, tokens.RefreshToken) },
		"Check": func() {
			if err := w.Check(t.Context(), claimsOf(tokens)); err != nil {
				t.Error(err)
			}
		},
	} {
		store.calls = 0
		step()
		if store.calls != 1 {
			t.Errorf("%s: %d calls; want 1", name, store.calls)
		}
	}
}

func TestCheckUsesAnswersYoungerThanStaleness(t *testing.T) {
	store := &counting{Store: session.NewMemoryStore()}
	w := newWorld(t, store, func(c *session.Config[claims]) { c.Staleness = 5 * time.Second })
	elsewhere := w.with(func(c *session.Config[claims]) { c.Staleness = 0 })
	tokens := w.mustStart(t)
	check := func(wantCalls int, want error) {
		t.Helper()
		store.calls = 0
		wantErr(t, "Check", w.Check(t.Context(), claimsOf(tokens)), want)
		if store.calls != wantCalls {
			t.Fatalf("%d calls; want %d", store.calls, wantCalls)
		}
	}
	check(1, nil)
	check(0, nil)
	w.clock.Advance(5*time.Second - time.Microsecond)
	check(0, nil)
	w.clock.Advance(time.Microsecond)
	check(1, nil)

	w.clock.Advance(-time.Second) // a clock that goes back makes no answer last longer
	check(1, nil)

	if err := elsewhere.EndSession(t.Context(), subject, tokens.SessionID); err != nil {
		t.Fatal(err)
	}
	check(0, nil)
	w.clock.Advance(5 * time.Second)
	check(1, usher.ErrTokenRevoked)
}

func TestCheckRefusesAnExpiredSessionWithinStaleness(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Staleness = time.Hour })
	tokens := w.mustStart(t)
	w.clock.Advance(idleTTL - time.Second)
	if err := w.Check(t.Context(), claimsOf(tokens)); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Second)
	wantErr(t, "Check", w.Check(t.Context(), claimsOf(tokens)), usher.ErrTokenRevoked)
}

func TestCheckRefusesAtOnceWhatThisManagerEnded(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, w *world, tokens session.Tokens) error{
		"End": func(ctx context.Context, w *world, t session.Tokens) error { return w.End(ctx, t.RefreshToken) },
		"EndSession": func(ctx context.Context, w *world, t session.Tokens) error {
			return w.EndSession(ctx, subject, t.SessionID)
		},
		"EndOthers": func(ctx context.Context, w *world, _ session.Tokens) error { return w.EndOthers(ctx, subject, "") },
		"EndAll":    func(ctx context.Context, w *world, _ session.Tokens) error { return w.EndAll(ctx, subject) },
		"beyond MaxPerSubject": func(ctx context.Context, w *world, _ session.Tokens) error {
			w.clock.Advance(time.Second)
			_, err := w.Start(ctx, subject, session.About{})
			return err
		},
		"reuse": func(ctx context.Context, w *world, t session.Tokens) error {
			token := t.RefreshToken
			for range 2 {
				next, err := w.Refresh(ctx, token)
				if err != nil {
					return err
				}
				token = next.RefreshToken
			}
			_, err := w.Refresh(ctx, t.RefreshToken)
			if err == nil {
				return fmt.Errorf("no reuse")
			}
			return nil
		},
	} {
		w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Staleness, c.MaxPerSubject = time.Hour, 1 })
		tokens := w.mustStart(t)
		if err := w.Check(t.Context(), claimsOf(tokens)); err != nil {
			t.Fatal(err)
		}
		if err := end(t.Context(), w, tokens); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantErr(t, name, w.Check(t.Context(), claimsOf(tokens)), usher.ErrTokenRevoked)
	}
}

// A step that ends a session may have been applied although the store returned an error.
func TestCheckAsksAgainAfterAFailedEnd(t *testing.T) {
	for name, end := range map[string]func(w *world, tokens session.Tokens) error{
		"End": func(w *world, tokens session.Tokens) error { return w.End(t.Context(), tokens.RefreshToken) },
		"EndSession": func(w *world, tokens session.Tokens) error {
			return w.EndSession(t.Context(), subject, tokens.SessionID)
		},
		"EndAll": func(w *world, _ session.Tokens) error { return w.EndAll(t.Context(), subject) },
		"a gone user": func(w *world, tokens session.Tokens) error {
			w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrNoUser }
			_, err := w.Refresh(t.Context(), tokens.RefreshToken)
			return err
		},
		"beyond MaxPerSubject": func(w *world, _ session.Tokens) error {
			w.clock.Advance(time.Second)
			_, err := w.Start(t.Context(), subject, session.About{})
			return err
		},
		"reuse": func(w *world, tokens session.Tokens) error {
			w.clock.Advance(grace)
			_, err := w.Refresh(t.Context(), tokens.RefreshToken)
			return err
		},
	} {
		store := &failing{Store: session.NewMemoryStore(), applied: true}
		w := newWorld(t, store, func(c *session.Config[claims]) { c.Staleness, c.MaxPerSubject = time.Hour, 1 })
		tokens := w.mustStart(t)
		w.mustRefresh(t, tokens.RefreshToken)
		if err := w.Check(t.Context(), claimsOf(tokens)); err != nil {
			t.Fatal(err)
		}
		store.failAt = store.calls + 1
		wantErr(t, name, end(w, tokens), usher.ErrUnavailable)
		wantErr(t, "Check after "+name, w.Check(t.Context(), claimsOf(tokens)), usher.ErrTokenRevoked)
	}
}

// ending is a store that ends the session while Check waits for its answer.
type ending struct {
	session.Store
	end func()
}

func (s *ending) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	found, err := s.Store.Lookup(ctx, subject, id, now)
	if s.end != nil {
		s.end()
		s.end = nil
	}
	return found, err
}

func TestCheckDropsAnAnswerIfTheSessionEndedMeanwhile(t *testing.T) {
	store := &ending{Store: session.NewMemoryStore()}
	w := newWorld(t, store, func(c *session.Config[claims]) { c.Staleness = time.Hour })
	tokens := w.mustStart(t)
	store.end = func() {
		if err := w.End(t.Context(), tokens.RefreshToken); err != nil {
			t.Error(err)
		}
	}
	_ = w.Check(t.Context(), claimsOf(tokens)) // it began before the logout: either answer is right
	wantErr(t, "Check after the logout", w.Check(t.Context(), claimsOf(tokens)), usher.ErrTokenRevoked)
}

// The cache of recent answers is bounded and keeps the sessions in use.
func TestCheckRemembersABoundedNumberOfSessions(t *testing.T) {
	store := &counting{Store: session.NewMemoryStore()}
	w := newWorld(t, store, func(c *session.Config[claims]) { c.Staleness = time.Hour })
	start := func(n int) *usher.Claims {
		claims := &usher.Claims{Subject: fmt.Sprintf("user-%d", n)}
		tokens, err := w.Start(t.Context(), claims.Subject, session.About{})
		if err != nil {
			t.Fatal(err)
		}
		claims.SessionID = tokens.SessionID
		return claims
	}
	check := func(claims *usher.Claims) (calls int) {
		store.calls = 0
		if err := w.Check(t.Context(), claims); err != nil {
			t.Fatal(err)
		}
		return store.calls
	}
	cold, hot := start(1), start(2)
	check(cold)
	check(hot)
	for i := range 70_000 {
		check(start(3 + i))
		if i%1000 == 0 && check(hot) != 0 {
			t.Fatalf("a session in use was forgotten after %d others", i)
		}
	}
	if check(cold) != 1 {
		t.Error("a session that was not in use is remembered after 70,000 others")
	}
}

// The cache of recent answers must not keep the checked tokens in memory.
func TestCheckDoesNotKeepTokensInMemory(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Staleness = time.Hour })
	w.user = func(context.Context, session.Grant) (claims, error) {
		return claims{Role: strings.Repeat("x", 5000)}, nil
	}
	const n = 1000
	issued := make([]session.Tokens, n)
	for i := range issued {
		issued[i] = w.mustStart(t)
	}
	inUse := func() uint64 {
		var stats runtime.MemStats
		for range 2 { // what a sync.Pool holds outlives one collection
			runtime.GC()
		}
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := inUse()
	for _, tokens := range issued {
		if err := w.Check(t.Context(), &w.mustDecode(t, tokens).Claims); err != nil {
			t.Fatal(err)
		}
	}
	if after := inUse(); after > before+n*1000 {
		t.Errorf("%d bytes for each session that was checked; want some 200", (after-before)/n)
	}
	runtime.KeepAlive(issued)
	runtime.KeepAlive(w)
}
