package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// RunFaults tests that a store keeps its contract over a faulty network: with lost answers, with requests that arrive
// late or twice, and with a server that does not respond. It calls newStore once for each test. newStore returns an
// empty store whose client reaches its server only through the Network, which is usually a Proxy. Time limits are long
// enough for slow machines. RunFaults takes about ten seconds.
func RunFaults(t *testing.T, newStore func(t *testing.T) (session.Store, Network)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, store session.Store, network Network)
	}{
		{"A retry after a lost answer succeeds", lostAnswers},
		{"A request that arrives twice counts once", repeatedRequests},
		{"A slow network changes nothing", slowNetwork},
		{"A rotation that arrives late does not end the session", lateRotation},
		{"An ending that arrives late stays an ending", lateEnding},
		{"Calls end with their context while the server hangs", hungServer},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, network := newStore(t)
			t.Cleanup(network.Resume) // for calls that still wait
			test.run(t, store, network)
		})
	}
}

// withFault causes a fault and calls do, and calls it again while the error is usher.ErrUnavailable.
func withFault(t *testing.T, what string, fault func(), do func() error) {
	t.Helper()
	fault()
	for range 10 {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, usher.ErrUnavailable) {
			t.Fatalf("%s after a fault: %v", what, err)
		}
	}
	t.Fatalf("%s does not succeed after a fault", what)
}

// sessionLife starts, refreshes, lists, checks and ends sessions, with a fault at each step.
func sessionLife(t *testing.T, store session.Store, fault func()) {
	m := newManager(t, store, time.Now)
	m.warmUp(t)
	wantCount := func(want int) {
		t.Helper()
		withFault(t, "List", fault, func() error {
			list, err := m.List(t.Context(), "ada")
			if err == nil && len(list) != want {
				t.Fatalf("%d sessions; want %d", len(list), want)
			}
			return err
		})
	}
	var tokens session.Tokens
	refresh := func() {
		t.Helper()
		withFault(t, "Refresh", fault, func() error {
			next, err := m.Refresh(t.Context(), tokens.RefreshToken)
			if err == nil {
				tokens = next
			}
			return err
		})
	}
	start := func() {
		t.Helper()
		withFault(t, "Start", fault, func() (err error) { tokens, err = m.Start(t.Context(), "ada", session.About{}); return err })
	}
	start()
	wantCount(1)
	for range 3 {
		refresh()
	}
	withFault(t, "Check", fault, func() error {
		return m.Check(t.Context(), &usher.Claims{Subject: "ada", SessionID: tokens.SessionID})
	})
	withFault(t, "End", fault, func() error { return m.End(t.Context(), tokens.RefreshToken) })
	wantCount(0)
	start()
	refresh()
	withFault(t, "EndAll", fault, func() error { return m.EndAll(t.Context(), "ada") })
	m.wantNothingAlive(t, "ada", tokens)
}

// warmUp calls every method once. The first calls open connections and prepare statements, which are round trips too.
func (m *manager) warmUp(t *testing.T) {
	t.Helper()
	tokens := m.mustStart(t, "warm")
	tokens = m.mustRefresh(t, tokens.RefreshToken)
	m.mustRefresh(t, tokens.RefreshToken)
	_, err := m.List(t.Context(), "warm")
	err = errors.Join(err, m.Check(t.Context(), &usher.Claims{Subject: "warm", SessionID: tokens.SessionID}),
		m.End(t.Context(), tokens.RefreshToken), m.EndAll(t.Context(), "warm"))
	if err != nil {
		t.Fatal(err)
	}
}

func lostAnswers(t *testing.T, store session.Store, network Network) {
	sessionLife(t, store, network.LoseAnswer)
}

func repeatedRequests(t *testing.T, store session.Store, network Network) {
	sessionLife(t, store, network.RepeatRequest)
}

func slowNetwork(t *testing.T, store session.Store, network Network) {
	network.Delay(5 * time.Millisecond)
	sessionLife(t, store, func() {})
}

const (
	// callTimeout is the time limit of calls whose requests arrive after requestDelay.
	callTimeout  = 250 * time.Millisecond
	requestDelay = 750 * time.Millisecond
	// returnLimit is how soon a call must return after its context has ended.
	returnLimit = 2 * time.Second
)

// lateRotation calls Rotate again after the first call has timed out. The request of the first call arrives last.
func lateRotation(t *testing.T, store session.Store, network Network) {
	m := newManager(t, store, time.Now)
	tokens := m.mustStart(t, "ada")
	tokens = m.mustRefresh(t, tokens.RefreshToken) // so that connections are open and statements are prepared
	mustStartNow(t, store, "bob")
	r := rotation("bob", 0, 1, time.Now())
	network.Delay(requestDelay)
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	if _, err := store.Rotate(ctx, r); isAnswer(err) || err == nil {
		t.Fatalf("Rotate with a context that ends before the request arrives: %v; want no answer", err)
	}
	network.Delay(0)
	r2 := withNonce(r, 1)
	got := untilAnswered(t, "Rotate again", func() (session.Rotated, error) { return store.Rotate(t.Context(), r2) })
	<-time.After(requestDelay + callTimeout)
	// Whichever arrived first has written the successor, and a retry gets the same.
	again := untilAnswered(t, "Rotate once more", func() (session.Rotated, error) { return store.Rotate(t.Context(), withNonce(r, 2)) })
	if again != got || got != successorOf(r) && got != successorOf(r2) {
		t.Fatalf("the successor changed: %x, then %x", got, again)
	}
	m.mustRefresh(t, tokens.RefreshToken)
}

// mustStartNow starts record(subject, 0) at the present time.
func mustStartNow(t *testing.T, store session.Store, subject string) {
	t.Helper()
	r := record(subject, 0)
	now := time.Now().UTC().Truncate(time.Microsecond)
	r.AuthTime, r.StartedAt, r.LastUsedAt, r.ExpiresAt, r.EndsAt = now, now, now, now.Add(idle), now.Add(maxAge)
	if _, err := store.Start(t.Context(), r, 0, now); err != nil {
		t.Fatal(err)
	}
}

// lateEnding calls End again after the first call has timed out. No session may be left, whichever request arrives
// first.
func lateEnding(t *testing.T, store session.Store, network Network) {
	m := newManager(t, store, time.Now)
	tokens := m.mustStart(t, "ada")
	tokens = m.mustRefresh(t, tokens.RefreshToken)
	network.Delay(requestDelay)
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	if ended, err := store.End(ctx, "ada", tokens.SessionID, time.Now()); err == nil {
		t.Fatalf("End with a context that ends before the request arrives = %v, nil; want an error", ended)
	}
	network.Delay(0)
	withFault(t, "End", func() {}, func() error { return m.End(t.Context(), tokens.RefreshToken) })
	<-time.After(requestDelay + callTimeout)
	m.wantNothingAlive(t, "ada", tokens)
}

// hungServer calls every method many times while the server does not respond.
func hungServer(t *testing.T, store session.Store, network Network) {
	m := newManager(t, store, time.Now)
	tokens := m.mustStart(t, "ada")
	tokens = m.mustRefresh(t, tokens.RefreshToken)
	now := time.Now()
	network.Hang()
	calls := map[string]func(ctx context.Context) error{
		"Start":  func(ctx context.Context) error { _, err := store.Start(ctx, record("bob", 0), 0, now); return err },
		"Rotate": func(ctx context.Context) error { _, err := store.Rotate(ctx, rotation("bob", 0, 1, now)); return err },
		"Lookup": func(ctx context.Context) error { _, err := store.Lookup(ctx, "bob", "b", now); return err },
		"List":   func(ctx context.Context) error { _, err := store.List(ctx, "bob", now); return err },
		"End":    func(ctx context.Context) error { _, err := store.End(ctx, "bob", "b", now); return err },
		"EndAll": func(ctx context.Context) error {
			_, err := store.EndAll(ctx, "bob", "", now, now.Add(maxAge))
			return err
		},
	}
	var group sync.WaitGroup
	for name, call := range calls {
		for range 8 {
			group.Go(func() {
				if err := endsInTime(t.Context(), call); err != nil {
					t.Errorf("%s while the server hangs: %v", name, err)
				}
			})
		}
	}
	group.Go(func() {
		if err := endsInTime(t.Context(), func(ctx context.Context) error { _, err := store.Prune(ctx, now); return err }); err != nil && !errors.Is(err, errSucceeded) {
			t.Errorf("Prune while the server hangs: %v", err)
		}
	})
	group.Wait()
	network.Resume()
	untilAnswered(t, "List once the server answers", func() ([]session.Session, error) { return store.List(t.Context(), "ada", time.Now()) })
	withFault(t, "Refresh", func() {}, func() (err error) { _, err = m.Refresh(t.Context(), tokens.RefreshToken); return err })
}

var errSucceeded = errors.New("it succeeded")

// endsInTime returns an error unless the call fails soon after its context has ended.
func endsInTime(ctx context.Context, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answers := make(chan error, 1)
	go func() { answers <- call(ctx) }()
	timer := time.NewTimer(callTimeout + returnLimit)
	defer timer.Stop()
	select {
	case err := <-answers:
		if err == nil {
			return errSucceeded
		}
		if isAnswer(err) {
			return fmt.Errorf("it answered %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("it has not returned %s after its context ended", returnLimit)
	}
}

func isAnswer(err error) bool {
	return errors.Is(err, session.ErrSessionEnded) || errors.Is(err, session.ErrReused) || errors.Is(err, session.ErrRefreshToken)
}

// untilAnswered repeats a call until it succeeds, because clients need time to notice that a connection is dead.
func untilAnswered[T any](t *testing.T, what string, call func() (T, error)) T {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		value, err := call()
		if err == nil {
			return value
		}
		if isAnswer(err) || time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}
