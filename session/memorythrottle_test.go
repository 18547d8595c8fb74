package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
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

// passes takes attempts until none is left, and returns their number and the wait.
func passes(t *testing.T, throttle session.Throttle, account, address string) (n int, wait time.Duration) {
	t.Helper()
	for ; ; n++ {
		wait, err := throttle.Reserve(t.Context(), account, address)
		if err != nil {
			t.Fatal(err)
		}
		if wait > 0 {
			return n, wait
		}
	}
}

func TestMemoryThrottleCountsPerAddressAndPerAccount(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, nil)
	want := func(account, address string, attempts int, wait time.Duration) {
		t.Helper()
		if n, w := passes(t, throttle, account, address); n != attempts || w != wait {
			t.Fatalf("%s from %s: %d attempts, then %s; want %d, %s", account, address, n, w, attempts, wait)
		}
	}
	want("ada", "1", 3, 30*time.Second)
	want("ada", "2", 2, 10*time.Second) // of the account's five
	want("ada", "3", 0, 10*time.Second)
	want("bob", "1", 3, 30*time.Second) // another account is not concerned
	c.Advance(10 * time.Second)
	want("ada", "3", 1, 10*time.Second)
	want("ada", "1", 0, 20*time.Second)
	c.Advance(time.Hour)
	want("ada", "1", 3, 30*time.Second)
}

func TestMemoryThrottleNeverWaitsLongerThanOneInterval(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, nil)
	for range 1000 {
		wait, err := throttle.Reserve(t.Context(), "ada", "1")
		if err != nil || wait > 30*time.Second {
			t.Fatalf("wait %s, %v", wait, err)
		}
	}
}

func TestMemoryThrottleRefundReturnsTheAttempt(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, nil)
	for range 100 {
		if wait, err := throttle.Reserve(t.Context(), "ada", "1"); err != nil || wait > 0 {
			t.Fatal(wait, err)
		}
		if err := throttle.Refund(t.Context(), "ada", "1"); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // what was never taken can't be given back
		if err := throttle.Refund(t.Context(), "bob", "1"); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := passes(t, throttle, "bob", "1"); n != 3 {
		t.Errorf("%d attempts; want 3", n)
	}
}

func TestAFloodOfNewNamesDoesNotResetCountersInUse(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, func(o *session.ThrottleOptions) { o.Size = 100 })
	passes(t, throttle, "ada", "1")
	for i := range 10_000 {
		if _, err := throttle.Reserve(t.Context(), fmt.Sprint(i), "1"); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := passes(t, throttle, "ada", "1"); n != 0 {
		t.Errorf("the flood bought %d attempts", n)
	}
}

// When all counters are in use, new counters must not replace each other uncounted.
func TestAFloodThatFillsTheTableAllowsNoMoreGuesses(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, func(o *session.ThrottleOptions) { o.Size = 100 })
	passes(t, throttle, "bob", "1")
	for i := range 1000 {
		for range 3 {
			if wait, err := throttle.Reserve(t.Context(), fmt.Sprint(i), "1"); err != nil || wait > 30*time.Second {
				t.Fatal(wait, err)
			}
		}
	}
	for _, account := range []string{"ada", "bob"} {
		guesses := 0
		for range 1000 {
			wait, err := throttle.Reserve(t.Context(), account, "2")
			if err != nil || wait > 30*time.Second {
				t.Fatal(wait, err)
			}
			if wait <= 0 {
				guesses++
			}
		}
		if guesses > 3 {
			t.Errorf("the flood bought %d guesses at %s; want 3 at most", guesses, account)
		}
	}
	c.Advance(time.Hour)
	if n, _ := passes(t, throttle, "ada", "1"); n != 3 {
		t.Errorf("%d attempts after the flood; want 3", n)
	}
}
