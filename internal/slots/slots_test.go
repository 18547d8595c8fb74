package slots_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-usher/usher/internal/slots"
)

func TestQueueLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const running, waiting, perClient = 2, 6, 3
		q := slots.New(running, waiting, perClient)
		var runs atomic.Int64
		release := make(chan struct{})
		enter := func(client string) {
			go func() {
				if err := q.Enter(t.Context(), client); err != nil {
					t.Errorf("%q: %v", client, err)
					return
				}
				runs.Add(1)
				<-release
				runs.Add(-1)
				q.Leave(client)
			}()
			synctest.Wait()
		}
		for range perClient {
			enter("a")
		}
		if err := q.Enter(t.Context(), "a"); !errors.Is(err, slots.ErrClientFull) {
			t.Errorf("a call too many of one client: %v", err)
		}
		for range running + waiting - perClient {
			enter("")
		}
		if got := runs.Load(); got != running {
			t.Errorf("%d run, want %d", got, running)
		}
		for range 5 { // a refused call keeps no place of its client's
			if err := q.Enter(t.Context(), "b"); !errors.Is(err, slots.ErrFull) {
				t.Errorf("a call too many: %v", err)
			}
		}
		close(release)
		synctest.Wait()
		for range perClient {
			if err := q.Enter(t.Context(), "b"); err != nil {
				t.Fatal(err)
			}
			q.Leave("b")
		}
	})
}

func TestEndedContextGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := slots.New(1, 1, 1)
		if err := q.Enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- q.Enter(ctx, "b") }()
			synctest.Wait()
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
			if err := q.Enter(ctx, "b"); !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
		}
		q.Leave("a")
		if err := q.Enter(t.Context(), "b"); err != nil {
			t.Error(err)
		}
	})
}

func TestQueueUnderLoad(t *testing.T) {
	q := slots.New(3, 1000, 1000)
	var runs atomic.Int64
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			client := fmt.Sprint(i % 7)
			if err := q.Enter(t.Context(), client); err != nil {
				t.Error(err)
				return
			}
			if now := runs.Add(1); now > 3 {
				t.Errorf("%d run", now)
			}
			runs.Add(-1)
			q.Leave(client)
		})
	}
	wg.Wait()
}

func TestALeavingCallDoesNotResetItsClient(t *testing.T) {
	q := slots.New(10, 0, 2)
	enter := func() error { return q.Enter(t.Context(), "a") }
	if err := errors.Join(enter(), enter()); err != nil {
		t.Fatal(err)
	}
	q.Leave("a")
	if err := enter(); err != nil {
		t.Fatal(err)
	}
	if err := enter(); !errors.Is(err, slots.ErrClientFull) {
		t.Errorf("a third call of a client that may have two: %v", err)
	}
}
