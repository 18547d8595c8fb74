package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher/internal/lease"
)

var errOver = errors.New("over")

// question is a call of Renew.
type question struct {
	after time.Duration
	over  bool
}

func TestWhenRenewIsCalled(t *testing.T) {
	for name, row := range map[string]struct {
		end, every time.Duration // end 0 is none
		refuse     time.Duration // from then on
		want       []question
	}{
		"at the end":                  {90 * time.Second, 0, 0, []question{{90 * time.Second, true}}},
		"every so often":              {0, 40 * time.Second, 120 * time.Second, []question{{40 * time.Second, false}, {80 * time.Second, false}, {120 * time.Second, false}}},
		"both":                        {90 * time.Second, 40 * time.Second, 90 * time.Second, []question{{40 * time.Second, false}, {80 * time.Second, false}, {90 * time.Second, true}}},
		"every second after the end":  {90 * time.Second, 0, 92 * time.Second, []question{{90 * time.Second, true}, {91 * time.Second, true}, {92 * time.Second, true}}},
		"more often if told to":       {90 * time.Second, 600 * time.Millisecond, 0, []question{{600 * time.Millisecond, false}}},
		"a second after a past end":   {-time.Hour, 0, 0, []question{{time.Second, true}}},
		"a past end, every so often":  {-time.Hour, time.Minute, 0, []question{{time.Second, true}}},
		"an end that is out of reach": {100 * 365 * 24 * time.Hour, time.Hour, 0, []question{{time.Hour, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []question
				terms := lease.Terms{Every: row.every, Renew: func(ctx context.Context, over bool) error {
					got = append(got, question{time.Since(began), over})
					if _, limited := ctx.Deadline(); !limited {
						t.Error("a question without a time limit")
					}
					if time.Since(began) >= row.refuse {
						return errOver
					}
					return nil
				}}
				if row.end != 0 {
					terms.End = began.Add(row.end)
				}
				l := lease.Start(t.Context(), terms)
				<-l.Context().Done()
				if err := l.Err(); !errors.Is(err, errOver) || !errors.Is(context.Cause(l.Context()), errOver) || !errors.Is(l.Stop(), errOver) {
					t.Errorf("it ended with %v, the cause is %v", err, context.Cause(l.Context()))
				}
				if len(got) != len(row.want) {
					t.Fatalf("asked %v, want %v", got, row.want)
				}
				for i := range got {
					if got[i] != row.want[i] {
						t.Errorf("asked %v, want %v", got, row.want)
					}
				}
			})
		})
	}
}

func TestWithoutTermsALeaseLastsAsLongAsItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		l := lease.Start(parent, lease.Terms{})
		<-time.After(1000 * time.Hour)
		if err := l.Context().Err(); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-l.Context().Done()
		if err := l.Stop(); err != nil {
			t.Errorf("Renew ended it: %v", err)
		}
	})
}

func TestNothingEndsALeaseThatWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, began := 0, time.Now()
		l := lease.Start(t.Context(), lease.Terms{End: began.Add(time.Minute), Renew: func(context.Context, bool) error {
			asked++
			return errOver
		}})
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
		if l.Context().Err() == nil {
			t.Error("the context is still open")
		}
		<-time.After(time.Hour)
		if err := l.Stop(); err != nil || asked > 0 {
			t.Errorf("%v, asked %d times", err, asked)
		}
	})
}

func TestARunningRenewDoesNotEndAStoppedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := false
		l := lease.Start(t.Context(), lease.Terms{Every: time.Second, Renew: func(ctx context.Context, _ bool) error {
			<-ctx.Done()
			answered = true
			return errOver
		}})
		<-time.After(2 * time.Second)
		if err := l.Stop(); err != nil || !answered {
			t.Errorf("%v, answered %v: Stop has to wait", err, answered)
		}
	})
}

func TestRenewHasATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := lease.Start(t.Context(), lease.Terms{Every: time.Second, Renew: func(ctx context.Context, _ bool) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		<-l.Context().Done()
		if err := l.Stop(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
