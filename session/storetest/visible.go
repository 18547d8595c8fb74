package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

// visible reads what was just written, as the next request of a client does. A store fails if it reads from replicas,
// or returns before it has committed.
func visible(t *testing.T, store session.Store) {
	const clients = 16
	errs := make([]error, clients)
	concurrently(clients, func(i int) {
		subject := fmt.Sprint("reader-", i)
		for n := range rounds(100) {
			if errs[i] = checkVisibility(t, store, subject, n); errs[i] != nil {
				return
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// checkVisibility starts a session, refreshes it and ends it, and looks it up after each change.
func checkVisibility(t *testing.T, store session.Store, subject string, n int) error {
	r := record(subject, n)
	now := r.StartedAt
	wantVisible := func(step string, want bool) error {
		_, err := store.Lookup(t.Context(), subject, r.ID, now)
		if want && err != nil || !want && !errors.Is(err, session.ErrSessionEnded) {
			return fmt.Errorf("Lookup after %s: %w; want the session to be alive: %v", step, err, want)
		}
		list, err := store.List(t.Context(), subject, now)
		listed := slices.ContainsFunc(list, func(s session.Session) bool { return s.ID == r.ID })
		if err != nil || listed != want {
			return fmt.Errorf("List after %s has the session: %v, %w; want %v", step, listed, err, want)
		}
		return nil
	}
	if _, err := store.Start(t.Context(), r, 0, now); err != nil {
		return fmt.Errorf("Start: %w", err)
	}
	if err := wantVisible("Start", true); err != nil {
		return err
	}
	if _, err := store.Rotate(t.Context(), rotation(subject, n, 1, now)); err != nil {
		return fmt.Errorf("Rotate: %w", err)
	}
	if err := wantVisible("Rotate", true); err != nil {
		return err
	}
	if ended, err := store.End(t.Context(), subject, r.ID, now); err != nil || !ended {
		return fmt.Errorf("End = %v, %w; want true", ended, err)
	}
	return wantVisible("End", false)
}

// coldStart lets many clients use a new store at once, before it has opened connections or prepared statements.
func coldStart(t *testing.T, store session.Store) {
	const clients = 64
	errs := make([]error, clients)
	done := make(chan struct{})
	go func() {
		defer close(done)
		concurrently(clients, func(i int) { errs[i] = checkVisibility(t, store, fmt.Sprint("cold-", i), 0) })
	}()
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatal("clients that start at the same time still wait after a minute")
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// raceLogins starts sessions of different subjects at once, each of which has an expired session to remove. No login
// may make another one fail.
func raceLogins(t *testing.T, store session.Store) {
	const clients = 32
	errs := make([]error, clients)
	concurrently(clients, func(i int) {
		subject := fmt.Sprint("login-", i)
		for n := range rounds(100) {
			r := record(subject, n)
			r.ExpiresAt = r.StartedAt.Add(time.Second)
			if _, err := store.Start(t.Context(), r, 2, r.StartedAt); err != nil {
				errs[i] = fmt.Errorf("login %d of %s: %w", n, subject, err)
				return
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		subject, last := fmt.Sprint("login-", i), rounds(100)-1
		wantSessions(t, store, subject, record(subject, last).StartedAt, sessionID(subject, last))
	}
}

// longPrune removes many sessions while a client refreshes.
func longPrune(t *testing.T, store session.Store) {
	const clients = 4
	startManyShort(t, store)
	for i := range clients {
		mustStart(t, store, record(fmt.Sprint("client-", i), 0))
	}
	now := epoch.Add(time.Hour)
	pruned := make(chan struct{})
	go func() {
		defer close(pruned)
		if _, err := store.Prune(t.Context(), now); err != nil {
			t.Errorf("Prune: %v", err)
		}
	}()
	longest := make([]time.Duration, clients)
	concurrently(clients, func(i int) {
		for generation := int64(1); ; generation++ {
			began := time.Now()
			if _, err := store.Rotate(t.Context(), rotation(fmt.Sprint("client-", i), 0, generation, now)); err != nil {
				t.Errorf("Rotate during Prune: %v", err)
				return
			}
			longest[i] = max(longest[i], time.Since(began))
			select {
			case <-pruned:
				return
			default:
			}
		}
	})
	<-pruned
	if worst := slices.Max(longest); worst > pruneWait {
		t.Errorf("a refresh waited %s for Prune; want at most %s", worst.Round(time.Millisecond), pruneWait)
	}
}

// startManyShort starts thousands of sessions that expire after a minute.
func startManyShort(t *testing.T, store session.Store) {
	t.Helper()
	perSubject := rounds(100) * 4
	concurrently(64, func(i int) {
		for n := range perSubject {
			r := record(fmt.Sprint("gone-", i), n)
			r.StartedAt, r.ExpiresAt = epoch, epoch.Add(time.Minute)
			if _, err := store.Start(t.Context(), r, 0, epoch); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

// pruneWait is how long a refresh may take while Prune runs, on a slow machine.
const pruneWait = time.Second
