package bounded_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher/session/internal/bounded"
)

func TestDoReturnsWhatTheCallReturns(t *testing.T) {
	var calls bounded.Calls
	failure := errors.New("refused")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), ctx} {
		n, err := bounded.Do(ctx, &calls, func(context.Context) (int, error) { return 7, failure })
		if n != 7 || !errors.Is(err, failure) {
			t.Errorf("Do = %d, %v; want the call's results", n, err)
		}
	}
}

func TestDoStartsNothingOnceTheContextHasEnded(t *testing.T) {
	var calls bounded.Calls
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bounded.Do(ctx, &calls, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v; want the context's error", err)
	}
}

func TestDoTurnsAPanicIntoAnError(t *testing.T) {
	var calls bounded.Calls
	for _, end := range []func(){func() { panic("driver") }, runtime.Goexit} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := bounded.Do(ctx, &calls, func(context.Context) (int, error) { end(); return 0, nil })
		cancel()
		if err == nil {
			t.Error("Do returns no error for a call that has no result")
		}
	}
}

func TestDoPrefersTheCallsOwnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls bounded.Calls
		failure := errors.New("cancelled by the server")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := bounded.Do(ctx, &calls, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, failure })
		if !errors.Is(err, failure) {
			t.Errorf("Do: %v; want the error of a call that honours its context", err)
		}
	})
}

func TestDoAbandonsACallThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls bounded.Calls
		release := make(chan struct{})
		hang := func(context.Context) (int, error) { <-release; return 0, nil }
		began := time.Now()
		for n := 1; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := bounded.Do(ctx, &calls, hang)
			cancel()
			if errors.Is(err, bounded.ErrStuck) {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || calls.Stuck() != n {
				t.Fatalf("call %d: %v, %d stuck; want its context's error", n, err, calls.Stuck())
			}
			if n > 1000 {
				t.Fatal("calls that hang add up without limit")
			}
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("giving up took %s", took)
		}
		close(release)
		synctest.Wait()
		if n := calls.Stuck(); n != 0 {
			t.Errorf("%d calls are stuck after all have returned", n)
		}
		if n, err := bounded.Do(t.Context(), &calls, func(context.Context) (int, error) { return 1, nil }); n != 1 || err != nil {
			t.Errorf("Do afterwards = %d, %v", n, err)
		}
	})
}
