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

func TestPruneRemovesExpiredSessions(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	w.mustStart(t)
	if n, err := w.Prune(t.Context()); n != 0 || err != nil {
		t.Fatalf("Prune = %d, %v; want nothing to do", n, err)
	}
	w.clock.Advance(idleTTL)
	if n, err := w.Prune(t.Context()); n != 1 || err != nil {
		t.Fatalf("Prune = %d, %v; want 1", n, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	w.mustStart(t)
	_, err := w.Prune(cancelled)
	wantErr(t, "Prune", err, usher.ErrUnavailable)
}

func TestPruneEveryRunsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: session.NewMemoryStore(), failAt: 2}
		w := newWorld(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		var failures []error
		done := make(chan error)
		go func() {
			done <- w.PruneEvery(ctx, time.Hour, func(err error) { failures = append(failures, err) })
		}()
		time.Sleep(150 * time.Minute) //nolint:forbidigo // of the bubble's own time
		cancel()
		wantErr(t, "PruneEvery", <-done, context.Canceled)
		if store.calls != 3 || len(failures) != 1 || !errors.Is(failures[0], usher.ErrUnavailable) {
			t.Errorf("%d calls, failures %v; want 3 calls, of which one failed", store.calls, failures)
		}
	})
	w := newWorld(t, session.NewMemoryStore())
	wantConfigError(t, w.PruneEvery(t.Context(), 0, nil), "interval")
}

// stuckStore answers reads and Prune only when their context ends.
type stuckStore struct {
	session.Store
	verify error
}

func (stuckStore) Lookup(ctx context.Context, _, _ string, _ time.Time) (session.Session, error) {
	<-ctx.Done()
	return session.Session{}, ctx.Err()
}

func (stuckStore) List(ctx context.Context, _ string, _ time.Time) ([]session.Session, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (stuckStore) Prune(ctx context.Context, _ time.Time) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func (s stuckStore) Verify(context.Context) error { return s.verify }

func TestReadsAndPruneEndAlthoughTheStoreDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, stuckStore{Store: session.NewMemoryStore()})
		tokens := w.mustStart(t)
		for name, test := range map[string]struct {
			limit time.Duration
			do    func() error
		}{
			"Check": {5 * time.Second, func() error {
				return w.Check(t.Context(), &usher.Claims{Subject: subject, SessionID: tokens.SessionID})
			}},
			"List":  {5 * time.Second, func() error { _, err := w.List(t.Context(), subject); return err }},
			"Prune": {time.Hour, func() error { _, err := w.Prune(t.Context()); return err }},
		} {
			began := time.Now()
			err := test.do()
			if took := time.Since(began); !errors.Is(err, usher.ErrUnavailable) || took != test.limit {
				t.Errorf("%s: %v after %s; want ErrUnavailable after %s", name, err, took, test.limit)
			}
		}
	})
}

func TestPruneEveryReportsWhatVerifyFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := errors.New("the clock is wrong")
		w := newWorld(t, stuckStore{session.NewMemoryStore(), wrong})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		reports := 0
		_ = w.PruneEvery(ctx, time.Minute, func(err error) {
			if errors.Is(err, wrong) {
				reports++
			}
		})
		if reports != 2 { // each Prune takes an hour
			t.Errorf("%d reports; want one of each of the two rounds", reports)
		}
	})
}
