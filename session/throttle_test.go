package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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

// passes takes attempts until none is left, and returns how many there were and how long to wait.
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

func TestThrottleCountsPerAddressThenPerAccount(t *testing.T) {
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

func TestNobodyWaitsLongerThanOneInterval(t *testing.T) {
	c := ushertest.NewClock(epoch)
	throttle := newThrottle(t, c, nil)
	for range 1000 {
		wait, err := throttle.Reserve(t.Context(), "ada", "1")
		if err != nil || wait > 30*time.Second {
			t.Fatalf("wait %s, %v", wait, err)
		}
	}
}

func TestARefundGivesTheAttemptBack(t *testing.T) {
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

func TestAFloodOfNewNamesDoesNotResetHotCounters(t *testing.T) {
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

// Once all counters are hotter than a new one could be, new ones must not drive each other out unseen.
func TestAFloodOfHotCountersBuysNoGuesses(t *testing.T) {
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

func TestThrottleOptionsAreChecked(t *testing.T) {
	_, err := session.NewMemoryThrottle(&session.ThrottleOptions{
		PerAddress: session.Limit{Burst: 0, Every: time.Second}, PerAccount: session.Limit{Burst: 1}, Size: 1,
	})
	for _, field := range []string{"PerAddress", "PerAccount", "Size"} {
		wantConfigError(t, err, field)
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: 24 * time.Hour}, {Burst: 3651, Every: 24 * time.Hour}} {
		_, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l})
		wantConfigError(t, err, "PerAccount")
	}
	for _, l := range []session.Limit{{Burst: 1_000_000, Every: time.Minute}, {Burst: 3650, Every: 24 * time.Hour}} {
		if _, err := session.NewMemoryThrottle(&session.ThrottleOptions{PerAccount: l}); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = usher.Must(session.NewMemoryThrottle(nil)).Reserve(ctx, "ada", "1")
	wantErr(t, "Reserve", err, context.Canceled)
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func wrong(email string) string { return fmt.Sprintf(`{"email":%q,"password":"wrong"}`, email) }

func TestTwoHundredParallelGuesses(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var asked atomic.Int32
	guess := s.auth
	s.auth = func(ctx context.Context, username, password string) (string, error) {
		asked.Add(1)
		return guess(ctx, username, password)
	}
	s.opts.Observe = nil
	h := usher.Must(session.LoginHandler(s.Manager, func(ctx context.Context, username, password string) (string, error) {
		return s.auth(ctx, username, password)
	}, &session.HandlerOptions{UsernameField: "email"}))
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", h)
	for _, account := range []string{"ada@example.org", "nobody@example.org"} {
		asked.Store(0)
		var mu sync.Mutex
		answers := map[string]int{}
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() {
				a := s.send(t, "POST", "/login", wrong(account))
				mu.Lock()
				defer mu.Unlock()
				answers[fmt.Sprint(a.StatusCode, " ", a.Header.Get("Retry-After") != "", " ", a.body)]++
			})
		}
		group.Wait()
		if asked.Load() != 5 {
			t.Errorf("%d guesses at %s reached the password; want 5", asked.Load(), account)
		}
		for text, n := range answers {
			if want := map[string]int{"401": 5, "429": 195}[text[:3]]; n != want {
				t.Errorf("%s: %d times %s; want %d", account, n, text, want)
			}
			if strings.HasPrefix(text, "429") != strings.HasPrefix(text, "429 true") {
				t.Errorf("Retry-After: %s", text)
			}
		}
	}
}

func TestEverySpellingAndEveryAddressOfANetworkCounts(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for i, address := range []string{"[2001:db8::1]:1", "[2001:db8::2]:2", "[2001:db8:0:0:ffff::1]:3", "[2001:db8::1%eth0]:4", "[2001:db8::1]:5"} {
		email := []string{"ada@example.org", "ADA@example.org", " ada@example.org", "Ada@Example.Org\t", "ada@example.org "}[i]
		s.send(t, "POST", "/login", wrong(email), from(address)).want(t, 401, "")
	}
	a := s.send(t, "POST", "/login", login, from("[2001:db8::9]:1")).want(t, 429, "Too many")
	if a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	s.send(t, "POST", "/login", login, from("[2001:db8::9]:1"), header("X-Forwarded-For", "198.51.100.7"), header("Forwarded", "for=198.51.100.7")).want(t, 429, "")
	s.send(t, "POST", "/login", login, from("[2001:db8:0:1::1]:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("192.0.2.7:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("[::ffff:192.0.2.7]:1")).want(t, 200, "")
	s.send(t, "POST", "/login", login, from("pipe")).want(t, 200, "")
}

func TestTheApplicationMaySayWhereAClientIs(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-Real-IP") }
	})
	for range 5 {
		s.send(t, "POST", "/login", wrong("ada@example.org"), header("X-Real-IP", "198.51.100.1")).want(t, 401, "")
	}
	s.send(t, "POST", "/login", login, header("X-Real-IP", "198.51.100.1")).want(t, 429, "")
	s.send(t, "POST", "/login", login, header("X-Real-IP", "198.51.100.2")).want(t, 200, "")
	if got := s.wantSessions(t, 1)[0].Address; got != "198.51.100.2" {
		t.Errorf("address %s", got)
	}
}

// The headers of some proxies have the port of the connection, which a client changes at will.
func TestEveryPortOfAnAddressCounts(t *testing.T) {
	for _, addresses := range [][]string{
		{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1", "[::ffff:198.51.100.1]:3", "198.51.100.1:4", "198.51.100.1:5"},
		{"[2001:db8::1]:1", "[2001:db8::2]:2", "2001:db8::3", "[2001:db8::4]", "[2001:db8::5%eth0]:4", "[2001:db8::6]:5"},
	} {
		s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
			o.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
		})
		for i, address := range addresses {
			want := http.StatusUnauthorized
			if i == 5 {
				want = http.StatusTooManyRequests
			}
			s.send(t, "POST", "/login", wrong("ada@example.org"), header("X-Forwarded-For", address)).want(t, want, "")
		}
	}
}

func TestOnlyWrongPasswordsCost(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for range 50 {
		s.send(t, "POST", "/login", login).want(t, 200, "")
	}
	right := s.auth
	for status, err := range map[int]error{503: usher.ErrUnavailable, 500: errBroken, 502: &usher.Rejection{Status: 502}} {
		s.auth = func(context.Context, string, string) (string, error) { return "", err }
		for range 50 {
			s.send(t, "POST", "/login", login).want(t, status, "")
		}
	}
	s.auth = right
	s.send(t, "POST", "/login", login).want(t, 200, "")

	// Who hangs up before the answer may have had a guess all the same.
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		s.auth = func(ctx context.Context, _, _ string) (string, error) { cancel(); return "", ctx.Err() }
		s.send(t, "POST", "/login", login, func(r *http.Request) { *r = *r.WithContext(ctx) }).want(t, 503, "")
	}
	s.auth = right
	s.send(t, "POST", "/login", login).want(t, 429, "")
}

// An application's own refusal, of a second factor say, is a guess that was wrong all the same.
func TestEveryRefusalCosts(t *testing.T) {
	for _, err := range []error{
		&usher.Rejection{Status: 401, Description: "Wrong code."},
		&usher.Rejection{Status: 403, Description: "Wrong code."},
		usher.ErrForbidden,
		errors.Join(usher.ErrPasswordMismatch, usher.ErrUnavailable),
	} {
		s := newSite(t, session.NewMemoryStore())
		s.auth = func(context.Context, string, string) (string, error) { return "", err }
		for range 5 {
			if a := s.send(t, "POST", "/login", login); a.StatusCode == http.StatusTooManyRequests {
				t.Fatalf("%v: too early", err)
			}
		}
		s.send(t, "POST", "/login", login).want(t, 429, "")
	}
}

// broken is a throttle that is out of reach.
type broken struct{ refund bool }

var errBroken = errors.New("throttle out of reach")

func (b broken) Reserve(context.Context, string, string) (time.Duration, error) {
	if b.refund {
		return 0, nil
	}
	return 0, errBroken
}

func (broken) Refund(context.Context, string, string) error { return errBroken }

// refunding is a throttle that watches its refunds.
type refunding struct {
	session.Throttle
	refund func(ctx context.Context)
}

func (r refunding) Refund(ctx context.Context, account, address string) error {
	r.refund(ctx)
	return r.Throttle.Refund(ctx, account, address)
}

func TestARefundOutlivesItsClientButNotForever(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	refunds := 0
	throttle := refunding{usher.Must(session.NewMemoryThrottle(nil)), func(ctx context.Context) {
		refunds++
		if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
			t.Errorf("the refund's context: %v, bounded %v", ctx.Err(), bounded)
		}
	}}
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = throttle })
	s.auth = func(context.Context, string, string) (string, error) { cancel(); return subject, nil }
	s.send(t, "POST", "/login", login, func(r *http.Request) { *r = *r.WithContext(ctx) }).want(t, 503, "")
	if refunds != 1 {
		t.Errorf("%d refunds; want one", refunds)
	}
}

func TestAThrottleOutOfReachRefusesLogins(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = broken{} })
	s.send(t, "POST", "/login", login).want(t, 503, "")
	if cause := s.seen[0].Err; !errors.Is(cause, usher.ErrUnavailable) || !errors.Is(cause, errBroken) {
		t.Errorf("the operator reads %v", cause)
	}
	s = newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Throttle = broken{refund: true} })
	s.send(t, "POST", "/login", login).want(t, 200, "")
}
