package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/go-usher/usher/session"
)

// rounds returns the number of times that a race is run.
func rounds(all int) int {
	if testing.Short() {
		return all / 20
	}
	return all
}

// concurrently runs n calls at once and waits for all of them.
func concurrently(n int, call func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			call(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// raceRotate spends one token many times at once, each with its own nonce. All get the successor that one of them
// wrote.
func raceRotate(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 0))
	r := rotation("ada", 0, 1, epoch)
	for range rounds(100) {
		got := make([]session.Rotated, 16)
		errs := make([]error, len(got))
		concurrently(len(got), func(i int) { got[i], errs[i] = store.Rotate(t.Context(), withNonce(r, byte(i))) })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, g := range got {
			if g != got[0] {
				t.Fatalf("generation %d has two successors", r.Generation)
			}
		}
		next := rotation("ada", 0, r.Generation+1, epoch)
		next.Token = got[0].Successor
		r = next
	}
}

// raceReuse presents an old spent token many times at once. Exactly one of them ends the session.
func raceReuse(t *testing.T, store session.Store) {
	for n := range rounds(100) {
		mustStart(t, store, record("ada", n))
		mustRotate(t, store, rotation("ada", n, 1, epoch))
		mustRotate(t, store, rotation("ada", n, 2, epoch))
		errs := make([]error, 16)
		concurrently(len(errs), func(i int) {
			_, errs[i] = store.Rotate(t.Context(), withNonce(rotation("ada", n, 1, epoch), byte(i+1)))
		})
		reused := 0
		for _, err := range errs {
			if errors.Is(err, session.ErrReused) {
				reused++
			} else {
				wantErr(t, "a reuse that came second", err, session.ErrSessionEnded)
			}
		}
		if reused != 1 {
			t.Fatalf("%d calls report the reuse; want exactly one", reused)
		}
	}
}

// raceLimit starts many sessions at once. Never more than the limit remain.
func raceLimit(t *testing.T, store session.Store) {
	const limit, logins = 3, 8
	for round := range rounds(40) {
		ended := make([][]string, logins)
		errs := make([]error, logins)
		concurrently(logins, func(i int) {
			r := record("ada", round*logins+i)
			r.StartedAt = epoch // all in the same instant
			ended[i], errs[i] = store.Start(t.Context(), r, limit, epoch)
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		list, err := store.List(t.Context(), "ada", epoch)
		if err != nil || len(list) != limit {
			t.Fatalf("round %d: %d sessions, %v; want %d", round, len(list), err, limit)
		}
	}
}
