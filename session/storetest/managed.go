package storetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// The tests in this file run twice: with a running clock, and with one that does not advance.

// manager is a Manager over the store, and counts its events.
type manager struct {
	*session.Manager[usher.Claims]
	now    func() time.Time
	frozen bool
	mu     sync.Mutex
	counts map[session.EventKind]int
}

func newManager(t *testing.T, store session.Store, now func() time.Time) *manager {
	t.Helper()
	key, err := usher.GenerateKey("HS256")
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := usher.NewEncoder[usher.Claims](key, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{now: now, counts: map[session.EventKind]int{}}
	m.Manager, err = session.NewManager(session.Config[usher.Claims]{
		Encoder: encoder,
		Store:   store,
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("secret! "), 4),
		Grace:   5 * time.Minute, // so that a retry on a slow machine is not taken for reuse
		Now:     now,
		OnEvent: func(_ context.Context, e session.Event) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.counts[e.Kind]++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// count returns how many events of a kind there were since the last call for that kind.
func (m *manager) count(kind session.EventKind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.counts[kind]
	m.counts[kind] = 0
	return n
}

func (m *manager) mustStart(t *testing.T, subject string) session.Tokens {
	t.Helper()
	tokens, err := m.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (m *manager) mustRefresh(t *testing.T, token string) session.Tokens {
	t.Helper()
	tokens, err := m.Refresh(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// wantNothingAlive checks that a subject has no session, and that none of the tokens refreshes one.
func (m *manager) wantNothingAlive(t *testing.T, subject string, tokens ...session.Tokens) {
	t.Helper()
	list, err := m.List(t.Context(), subject)
	if err != nil || len(list) != 0 {
		t.Fatalf("List = %v, %v; want none", list, err)
	}
	for _, tk := range tokens {
		if tk.RefreshToken == "" {
			continue
		}
		_, err := m.Refresh(t.Context(), tk.RefreshToken)
		wantErr(t, "Refresh afterwards", err, session.ErrSessionEnded)
		err = m.Check(t.Context(), &usher.Claims{Subject: subject, SessionID: tk.SessionID})
		wantErr(t, "Check afterwards", err, usher.ErrTokenRevoked)
	}
}

func withClocks(t *testing.T, store session.Store, run func(t *testing.T, m *manager)) {
	t.Run("clock running", func(t *testing.T) { run(t, newManager(t, store, time.Now)) })
	t.Run("clock frozen", func(t *testing.T) {
		m := newManager(t, store, func() time.Time { return epoch })
		m.frozen = true
		run(t, m)
	})
}

// rounds returns the number of times that a race is run. With the frozen clock, which changes little, it is a tenth.
func (m *manager) rounds(all int) int {
	if m.frozen {
		all /= 10
	}
	return rounds(all)
}

// raceRefresh: 64 requests with one token, as from 64 tabs, get one successor, and nobody is logged out.
func raceRefresh(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		subject := t.Name()
		current := m.mustStart(t, subject).RefreshToken
		for round := range m.rounds(300) {
			got := make([]session.Tokens, 64)
			errs := make([]error, len(got))
			concurrently(len(got), func(i int) { got[i], errs[i] = m.Refresh(t.Context(), current) })
			if err := errors.Join(errs...); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			for _, g := range got {
				if g.RefreshToken != got[0].RefreshToken || g.RefreshToken == current {
					t.Fatalf("round %d: two successors", round)
				}
			}
			if refreshed, retried := m.count(session.EventRefreshed), m.count(session.EventRetried); refreshed != 1 || retried != len(got)-1 {
				t.Fatalf("round %d: %d refreshed, %d retried; want 1 and the others", round, refreshed, retried)
			}
			current = got[0].RefreshToken
		}
		if list, err := m.List(t.Context(), subject); err != nil || len(list) != 1 {
			t.Fatalf("List = %v, %v; want the one session", list, err)
		}
	})
}

// raceLogout: after a logout, tokens of a simultaneous refresh are not accepted.
func raceLogout(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		subject := t.Name()
		for range m.rounds(1000) {
			tokens := m.mustStart(t, subject)
			m.raceAgainst(t, subject, tokens, func() error { return m.End(t.Context(), tokens.RefreshToken) })
		}
	})
}

func raceRefreshEndAll(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		for round := range m.rounds(200) {
			subject := fmt.Sprintf("%s %d", t.Name(), round) // a frozen clock's cut-off would forbid the next start
			tokens := m.mustStart(t, subject)
			m.raceAgainst(t, subject, tokens, func() error { return m.EndAll(t.Context(), subject) })
		}
	})
}

// raceAgainst refreshes twice in succession while end runs. Then it checks that no session is left.
func (m *manager) raceAgainst(t *testing.T, subject string, tokens session.Tokens, end func() error) {
	t.Helper()
	var got [4]session.Tokens
	var errs [4]error
	var endErr error
	concurrently(3, func(i int) {
		if i == 2 {
			endErr = end()
			return
		}
		got[i], errs[i] = m.Refresh(t.Context(), tokens.RefreshToken)
		if i == 0 && errs[i] == nil {
			got[3], errs[3] = m.Refresh(t.Context(), got[i].RefreshToken)
		}
	})
	if endErr != nil {
		t.Fatal(endErr)
	}
	for _, err := range errs {
		// Reuse: the second tab came after the first had used its successor.
		if err != nil && !errors.Is(err, session.ErrSessionEnded) && !errors.Is(err, session.ErrReused) {
			t.Fatal(err)
		}
	}
	m.wantNothingAlive(t, subject, append(got[:], tokens)...)
}

// raceEndAllStart: a login that began before EndAll leaves no session behind, whichever comes first.
func raceEndAllStart(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		subject := t.Name()
		for range m.rounds(1000) {
			began := m.now()
			var got [3]session.Tokens
			var errs [4]error
			concurrently(len(errs), func(i int) {
				if i == len(got) {
					errs[i] = m.EndAll(t.Context(), subject)
					return
				}
				got[i], errs[i] = m.Start(t.Context(), subject, session.About{AuthTime: began})
				if errors.Is(errs[i], session.ErrSessionEnded) {
					errs[i] = nil
				}
			})
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			m.wantNothingAlive(t, subject, got[:]...)
		}
	})
}

// reuse presents R1, R2, R3, then R1 again. Two parties have the session's tokens, so it ends.
func reuse(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		r1 := m.mustStart(t, t.Name())
		r2 := m.mustRefresh(t, r1.RefreshToken)
		r3 := m.mustRefresh(t, r2.RefreshToken)
		_, err := m.Refresh(t.Context(), r1.RefreshToken)
		wantErr(t, "R1 after R3", err, session.ErrReused)
		m.wantNothingAlive(t, t.Name(), r3, r2, r1)
		if n := m.count(session.EventReused); n != 1 {
			t.Fatalf("%d reused events; want exactly one", n)
		}
	})
}

// forged: an attacker who knows a session's ID and the format of tokens, but not the secret, can't end the session.
func forged(t *testing.T, store session.Store) {
	withClocks(t, store, func(t *testing.T, m *manager) {
		tokens := m.mustStart(t, t.Name())
		b, err := base64.RawURLEncoding.DecodeString(tokens.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			changed := bytes.Clone(b)
			changed[i] ^= 1
			text := base64.RawURLEncoding.EncodeToString(changed)
			_, err := m.Refresh(t.Context(), text)
			wantErr(t, "Refresh of a forged token", err, session.ErrRefreshToken)
			if err := m.End(t.Context(), text); err != nil {
				t.Fatalf("End of a forged token: %v", err)
			}
		}
		m.mustRefresh(t, tokens.RefreshToken)
		if n := m.count(session.EventEnded) + m.count(session.EventReused); n != 0 {
			t.Fatalf("forged tokens ended %d sessions", n)
		}
	})
}
