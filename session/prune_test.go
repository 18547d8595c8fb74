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
