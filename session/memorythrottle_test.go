package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/storetest"
	"github.com/go-usher/usher/ushertest"
)

func newThrottle(t *testing.T, c *ushertest.Clock, change func(*session.ThrottleOptions)) *session.MemoryThrottle {
	t.Helper()
	opts := &session.ThrottleOptions{
		PerAddress: session.Limit{Burst: 3, Every: 30 * time.Second},
		PerAccount: session.Limit{Burst: 5, Every: 10 * time.Second},
		Now:        c.Now,
	}
	if change != nil {
		change(opts)
	}
	return usher.Must(session.NewMemoryThrottle(opts))
}

func loginAttempt(account, client string) session.Attempt {
	return session.Attempt{Kind: session.KindLogin, Account: account, Client: client}
}

// wrongAttempts makes wrong attempts until none is left, and returns their number and the wait.
func wrongAttempts(t *testing.T, throttle session.Throttle, a session.Attempt) (n int, wait time.Duration) {
	t.Helper()
	for ; ; n++ {
		taken, wait, err := throttle.Reserve(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if wait > 0 {
			return n, wait
		}
		if err := throttle.Settle(t.Context(), taken, session.Counted); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemoryThrottleMeetsTheContract(t *testing.T) {
	storetest.RunThrottle(t, func(t *testing.T, opts *session.ThrottleOptions) session.Throttle {
		return usher.Must(session.NewMemoryThrottle(opts))
	})
}

func TestMemoryThrottleRefusesWhatItHasNotTaken(t *testing.T) {
	throttle := newThrottle(t, ushertest.NewClock(epoch), nil)
	taken, _, err := throttle.Reserve(t.Context(), loginAttempt("ada", "1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []session.Taken{"", "x", taken[:10], "?" + taken[1:], taken + "x", taken[:1] + "+" + taken[2:]} {
		if err := throttle.Settle(t.Context(), bad, session.Right); err == nil {
			t.Errorf("Settle accepts %q", bad)
		}
	}
}

func TestAFloodOfNewNamesDoesNotResetCountersInUse(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, func(o *session.ThrottleOptions) { o.Size = 100 })
	wrongAttempts(t, throttle, loginAttempt("ada", "1"))
	for i := range 10_000 {
		if _, _, err := throttle.Reserve(t.Context(), loginAttempt(fmt.Sprint(i), fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := wrongAttempts(t, throttle, loginAttempt("ada", "1")); n != 0 {
		t.Errorf("the flood allowed %d attempts", n)
	}
}

// When all counters are in use, new counters must not replace each other uncounted.
func TestAFloodThatFillsTheTableAllowsNoMoreGuesses(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, func(o *session.ThrottleOptions) { o.Size = 100 })
	wrongAttempts(t, throttle, loginAttempt("bob", "1"))
	for i := range 1000 {
		for range 3 {
			_, wait, err := throttle.Reserve(t.Context(), loginAttempt(fmt.Sprint(i), fmt.Sprint(i)))
			if err != nil || wait > 30*time.Second {
				t.Fatal(wait, err)
			}
		}
	}
	for _, account := range []string{"ada", "bob"} {
		guesses := 0
		for range 1000 {
			_, wait, err := throttle.Reserve(t.Context(), loginAttempt(account, "2"))
			if err != nil || wait > 30*time.Second {
				t.Fatal(wait, err)
			}
			if wait <= 0 {
				guesses++
			}
		}
		if guesses > 3 {
			t.Errorf("the flood allowed %d guesses at %s; want 3 at most", guesses, account)
		}
	}
	c.Advance(time.Hour)
	if n, _ := wrongAttempts(t, throttle, loginAttempt("ada", "1")); n != 3 {
		t.Errorf("%d attempts after the flood; want 3", n)
	}
}

func TestKnownClientsAreBounded(t *testing.T) {
	throttle := newThrottle(t, ushertest.NewClock(epoch), func(o *session.ThrottleOptions) { o.Size = 4 })
	right := func(account, client string) {
		t.Helper()
		taken, wait, err := throttle.Reserve(t.Context(), loginAttempt(account, client))
		if err != nil || wait > 0 {
			t.Fatal(wait, err)
		}
		if err := throttle.Settle(t.Context(), taken, session.Right); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		right(fmt.Sprint(i), fmt.Sprint(i))
	}
	wrongAttempts(t, throttle, loginAttempt("999", "stranger"))
	right("999", "999") // still known, so the stranger's attempts don't matter
}

func TestReserveHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := usher.Must(session.NewMemoryThrottle(nil)).Reserve(ctx, loginAttempt("ada", "1"))
	wantErr(t, "Reserve", err, context.Canceled)
}
