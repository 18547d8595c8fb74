package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

// RunThrottle tests a [session.Throttle]. The function newThrottle returns an empty one with these options.
func RunThrottle(t *testing.T, newThrottle func(t *testing.T, opts *session.ThrottleOptions) session.Throttle) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, th *throttle)
	}{
		{"counts logins per account and client, and per account", throttleCountsLogins},
		{"gives back right and undecided attempts", throttleGivesBack},
		{"gives a known client an allowance of its own", throttleKnowsClients},
		{"forgets a client that does not return", throttleForgetsClients},
		{"limits the wrong attempts of a client at all accounts", throttleCountsClients},
		{"permits many right passwords from one address", throttleServesMany},
		{"counts an attempt without account for its client alone", throttleCountsClientAlone},
		{"counts second steps per subject", throttleCountsSteps},
		{"counts mails per account", throttleCountsMails},
		{"counts signups per client", throttleCountsSignups},
		{"knows the client that reset a password", throttleKnowsAfterReset},
		{"counts each kind apart", throttleCountsKindsApart},
		{"refuses an unknown kind", throttleRefusesUnknownKinds},
		{"refuses to settle what it has not reserved", throttleRefusesForeignTaken},
		{"takes from all limits or from none", throttleTakesAllOrNone},
		{"allows no more at once than one after another", throttleIsAtomic},
	} {
		t.Run(test.name, func(t *testing.T) {
			th := &throttle{now: epoch}
			th.Throttle = newThrottle(t, &session.ThrottleOptions{
				PerAddress: session.Limit{Burst: 3, Every: 30 * time.Second},
				PerAccount: session.Limit{Burst: 5, Every: 10 * time.Second},
				PerClient:  session.Limit{Burst: 10, Every: time.Second},
				Step:       session.Limit{Burst: 2, Every: 10 * time.Minute},
				PerMail:    session.Limit{Burst: 2, Every: time.Hour},
				Signup:     session.Limit{Burst: 4, Every: time.Minute},
				Known:      24 * time.Hour,
				Now:        func() time.Time { return th.now },
			})
			test.run(t, th)
		})
	}
}

// throttle is a Throttle with a clock.
type throttle struct {
	session.Throttle
	now time.Time
}

func attempt(kind, account, client string) session.Attempt {
	return session.Attempt{Kind: kind, Account: account, Client: client}
}

// try makes an attempt and returns how long it had to wait.
func (th *throttle) try(t *testing.T, a session.Attempt, o session.Outcome) time.Duration {
	t.Helper()
	taken, wait, err := th.Reserve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if wait > 0 {
		if taken != "" {
			t.Errorf("a refused attempt took %q", taken)
		}
		return wait
	}
	if err := th.Settle(t.Context(), taken, o); err != nil {
		t.Fatal(err)
	}
	return 0
}

// wantWrong makes wrong attempts until one has to wait, and checks their number and the wait.
func (th *throttle) wantWrong(t *testing.T, a session.Attempt, attempts int, wait time.Duration) {
	t.Helper()
	for n := range 1000 {
		if got := th.try(t, a, session.Counted); got > 0 {
			if n != attempts || got != wait {
				t.Errorf("%+v: %d attempts, then a wait of %s; want %d, %s", a, n, got, attempts, wait)
			}
			return
		}
	}
	t.Errorf("%+v: no limit", a)
}

func throttleCountsLogins(t *testing.T, th *throttle) {
	th.wantWrong(t, attempt(session.KindLogin, "ada", "1"), 3, 30*time.Second)
	th.wantWrong(t, attempt(session.KindLogin, "ada", "2"), 2, 10*time.Second) // of the account's five
	th.wantWrong(t, attempt(session.KindLogin, "ada", "3"), 0, 10*time.Second)
	th.wantWrong(t, attempt(session.KindLogin, "bob", "1"), 3, 30*time.Second)
	th.now = th.now.Add(10 * time.Second)
	th.wantWrong(t, attempt(session.KindLogin, "ada", "3"), 1, 10*time.Second)
	th.wantWrong(t, attempt(session.KindLogin, "ada", "1"), 0, 20*time.Second)
	th.now = th.now.Add(time.Hour)
	th.wantWrong(t, attempt(session.KindLogin, "ada", "1"), 3, 30*time.Second)
}

func throttleGivesBack(t *testing.T, th *throttle) {
	for _, o := range []session.Outcome{session.Undecided, session.Right} {
		a := attempt(session.KindLogin, "ada", fmt.Sprint("client ", o))
		for range 100 {
			if wait := th.try(t, a, o); wait > 0 {
				t.Fatalf("outcome %d: a wait of %s", o, wait)
			}
		}
	}
	th.wantWrong(t, attempt(session.KindLogin, "ada", "3"), 3, 30*time.Second)
}

func throttleKnowsClients(t *testing.T, th *throttle) {
	owner := attempt(session.KindLogin, "ada", "home")
	th.try(t, owner, session.Right)
	th.try(t, attempt(session.KindLogin, "eve", "evil"), session.Right) // known to another account
	for _, client := range []string{"evil", "evil too", "evil three"} {
		for range 20 {
			th.try(t, attempt(session.KindLogin, "ada", client), session.Counted)
		}
	}
	for range 20 {
		th.try(t, attempt(session.KindLogin, "x", "home"), session.Counted) // a neighbour behind the same address
		th.try(t, attempt(session.KindLogin, "y", "home"), session.Counted)
		th.try(t, attempt(session.KindLogin, "z", "home"), session.Counted)
		th.try(t, attempt(session.KindLogin, "w", "home"), session.Counted)
	}
	if wait := th.try(t, attempt(session.KindLogin, "ada", "new"), session.Right); wait <= 0 {
		t.Error("the strangers did not use up the account's limit")
	}
	if wait := th.try(t, attempt(session.KindLogin, "q", "home"), session.Right); wait <= 0 {
		t.Error("the neighbour did not use up the client's limit")
	}
	if wait := th.try(t, owner, session.Right); wait > 0 {
		t.Errorf("the owner waits %s", wait)
	}
	th.wantWrong(t, owner, 3, 30*time.Second) // the allowance is a limit too
}

func throttleForgetsClients(t *testing.T, th *throttle) {
	owner := attempt(session.KindLogin, "ada", "home")
	th.try(t, owner, session.Right)
	exhaust := func() {
		for _, client := range []string{"1", "2", "3"} {
			for range 5 {
				th.try(t, attempt(session.KindLogin, "ada", client), session.Counted)
			}
		}
	}
	th.now = th.now.Add(23 * time.Hour)
	exhaust()
	if wait := th.try(t, owner, session.Undecided); wait > 0 {
		t.Errorf("the owner waits %s", wait)
	}
	th.now = th.now.Add(2 * time.Hour)
	exhaust()
	if wait := th.try(t, owner, session.Undecided); wait <= 0 {
		t.Error("the account knows the client for too long")
	}
}

func throttleCountsClients(t *testing.T, th *throttle) {
	guess := func(n, want int) {
		t.Helper()
		passed := 0
		for i := range n {
			if th.try(t, attempt(session.KindLogin, fmt.Sprint(th.now.Unix(), i), "evil"), session.Counted) <= 0 {
				passed++
			}
		}
		if passed != want {
			t.Errorf("%d guesses passed; want %d", passed, want)
		}
	}
	guess(50, 10)
	th.now = th.now.Add(time.Second)
	guess(50, 1)
	th.now = th.now.Add(5 * time.Second)
	guess(50, 5)
	if wait := th.try(t, attempt(session.KindLogin, "ada", "home"), session.Right); wait > 0 {
		t.Errorf("another client waits %s", wait)
	}
}

// Up to 5 times PerClient.Burst attempts of a client may be undecided. All that turn out wrong are counted.
func throttleServesMany(t *testing.T, th *throttle) {
	taken := th.reserveOffice(t, 60)
	if len(taken) != 50 {
		t.Errorf("%d people at once are served; want 50", len(taken))
	}
	th.settle(t, taken, session.Undecided)
	taken = th.reserveOffice(t, 60)
	if len(taken) != 50 {
		t.Errorf("then %d people at once are served; want 50", len(taken))
	}
	th.settle(t, taken, session.Counted)
	th.now = th.now.Add(39 * time.Second)
	if n := len(th.reserveOffice(t, 10)); n != 0 {
		t.Errorf("%d attempts passed; want none while the wrong ones count", n)
	}
	th.now = th.now.Add(2 * time.Second)
	th.settle(t, th.reserveOffice(t, 1), session.Undecided)
	if n := len(th.reserveOffice(t, 1)); n != 1 {
		t.Error("the client is refused for too long")
	}
}

// reserveOffice reserves logins of n users of one client, and returns those that do not have to wait.
func (th *throttle) reserveOffice(t *testing.T, n int) (taken []session.Taken) {
	t.Helper()
	for i := range n {
		id, wait, err := th.Reserve(t.Context(), attempt(session.KindLogin, fmt.Sprint("user ", i), "office"))
		if err != nil {
			t.Fatal(err)
		}
		if wait <= 0 {
			taken = append(taken, id)
		}
	}
	return taken
}

func (th *throttle) settle(t *testing.T, taken []session.Taken, o session.Outcome) {
	t.Helper()
	for _, id := range taken {
		if err := th.Settle(t.Context(), id, o); err != nil {
			t.Fatal(err)
		}
	}
}

func throttleCountsClientAlone(t *testing.T, th *throttle) {
	for range 5 {
		th.wantWrongOnce(t, attempt(session.KindLogin, "", "1"))
		th.wantWrongOnce(t, attempt(session.KindLogin, "", "2"))
	}
	for range 5 {
		th.wantWrongOnce(t, attempt(session.KindLogin, "", "1"))
	}
	if wait := th.try(t, attempt(session.KindLogin, "", "1"), session.Right); wait != time.Second {
		t.Errorf("a wait of %s; want one second", wait)
	}
}

func (th *throttle) wantWrongOnce(t *testing.T, a session.Attempt) {
	t.Helper()
	if wait := th.try(t, a, session.Counted); wait > 0 {
		t.Fatalf("%+v waits %s", a, wait)
	}
}

func throttleCountsSteps(t *testing.T, th *throttle) {
	th.try(t, attempt(session.KindLogin, "user-7", "evil"), session.Right) // the password is no second step
	th.wantWrong(t, attempt(session.KindStep, "user-7", "evil"), 2, 10*time.Minute)
	th.wantWrong(t, attempt(session.KindStep, "user-7", "evil too"), 0, 10*time.Minute)
	th.now = th.now.Add(10 * time.Minute)
	if wait := th.try(t, attempt(session.KindStep, "user-7", "home"), session.Right); wait > 0 {
		t.Fatalf("a wait of %s", wait)
	}
	th.wantWrong(t, attempt(session.KindStep, "user-7", "evil"), 1, 10*time.Minute)
	th.wantWrong(t, attempt(session.KindStep, "user-7", "home"), 2, 10*time.Minute) // an allowance of its own
}

func throttleCountsMails(t *testing.T, th *throttle) {
	th.wantWrong(t, attempt(session.KindMail, "ada", "1"), 2, time.Hour)
	th.wantWrong(t, attempt(session.KindMail, "ada", "2"), 0, time.Hour)
	th.wantWrong(t, attempt(session.KindMail, "bob", "1"), 2, time.Hour)
}

func throttleCountsSignups(t *testing.T, th *throttle) {
	for i := range 4 {
		th.wantWrongOnce(t, attempt(session.KindSignup, fmt.Sprint("name ", i), "1"))
	}
	if wait := th.try(t, attempt(session.KindSignup, "another", "1"), session.Counted); wait != time.Minute {
		t.Errorf("a wait of %s; want a minute", wait)
	}
	th.wantWrongOnce(t, attempt(session.KindSignup, "another", "2"))
}

func throttleKnowsAfterReset(t *testing.T, th *throttle) {
	for _, client := range []string{"1", "2", "3"} {
		for range 5 {
			th.try(t, attempt(session.KindLogin, "ada", client), session.Counted)
		}
	}
	owner := attempt(session.KindLogin, "ada", "new")
	if wait := th.try(t, owner, session.Right); wait <= 0 {
		t.Fatal("the strangers did not use up the account's limit")
	}
	if wait := th.try(t, attempt(session.KindReset, "ada", "new"), session.Right); wait > 0 {
		t.Fatalf("the reset waits %s", wait)
	}
	if wait := th.try(t, owner, session.Right); wait > 0 {
		t.Errorf("the owner waits %s after the reset", wait)
	}
}

func throttleCountsKindsApart(t *testing.T, th *throttle) {
	for _, kind := range []string{session.KindMail, session.KindStep, session.KindSignup} {
		for i := range 50 {
			th.try(t, attempt(kind, "ada", "1"), session.Counted)
			th.try(t, attempt(kind, fmt.Sprint(i), "1"), session.Counted)
		}
	}
	th.wantWrong(t, attempt(session.KindLogin, "ada", "1"), 3, 30*time.Second)
}

func throttleRefusesUnknownKinds(t *testing.T, th *throttle) {
	for _, kind := range []string{"", "Login", "other"} {
		if taken, _, err := th.Reserve(t.Context(), attempt(kind, "ada", "1")); err == nil || taken != "" {
			t.Errorf("Reserve of kind %q: %q, %v; want an error", kind, taken, err)
		}
	}
}

func throttleRefusesForeignTaken(t *testing.T, th *throttle) {
	for _, taken := range []session.Taken{"", "x", "login"} {
		if err := th.Settle(t.Context(), taken, session.Right); err == nil {
			t.Errorf("Settle of %q succeeded", taken)
		}
	}
}

// An attempt that one limit refuses is not counted by the others.
func throttleTakesAllOrNone(t *testing.T, th *throttle) {
	for i := range 5 {
		th.wantWrongOnce(t, attempt(session.KindLogin, "ada", fmt.Sprint("client ", i)))
	}
	for i := range 100 { // refused by the account's limit
		th.try(t, attempt(session.KindLogin, "ada", "1"), session.Counted)
		th.try(t, attempt(session.KindLogin, "ada", fmt.Sprint(i)), session.Counted)
	}
	for i := range 9 { // nine of the client's ten
		th.wantWrongOnce(t, attempt(session.KindLogin, fmt.Sprint("name ", i), "1"))
	}
	for i := range 100 {
		th.try(t, attempt(session.KindLogin, fmt.Sprint("flood ", i), "2"), session.Counted)
	}
	for range 100 { // refused by the client's limit
		th.try(t, attempt(session.KindLogin, "bob", "2"), session.Counted)
	}
	th.wantWrong(t, attempt(session.KindLogin, "bob", "1"), 1, time.Second)
	th.wantWrong(t, attempt(session.KindLogin, "bob", "3"), 3, 30*time.Second)
}

func throttleIsAtomic(t *testing.T, th *throttle) {
	var passed atomic.Int32
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			_, wait, err := th.Reserve(t.Context(), attempt(session.KindLogin, "ada", "1"))
			if err != nil {
				t.Error(err)
			}
			if wait <= 0 {
				passed.Add(1)
			}
		})
	}
	group.Wait()
	if passed.Load() != 3 {
		t.Errorf("%d of 200 attempts passed; want 3", passed.Load())
	}
}
