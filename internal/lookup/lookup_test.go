package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/go-usher/usher/internal/lookup"
)

var (
	errRefused = errors.New("there is no such key")
	errDown    = errors.New("the database is down")
)

func isRefusal(err error) bool { return errors.Is(err, errRefused) }

// finder finds the number of calls so far for each key, and counts.
type finder struct {
	mu      sync.Mutex
	total   int
	calls   map[string]int
	running int
	most    int              // calls that ran at the same time
	wait    time.Duration    // how long a call takes
	deaf    bool             // calls ignore the end of their context
	errs    map[string]error // the results for some keys
}

func (f *finder) find(ctx context.Context, key string) (int, error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.total++
	f.calls[key]++
	f.running++
	f.most = max(f.most, f.running)
	n, wait, deaf, err := f.calls[key], f.wait, f.deaf, f.errs[key]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	ended := ctx.Done()
	if deaf {
		ended = nil
	}
	select {
	case <-time.After(wait):
		return n, err
	case <-ended:
		return n, ctx.Err()
	}
}

// set changes the finder while calls may be running.
func (f *finder) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *finder) checkCalls(t *testing.T, want string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := fmt.Sprint(f.calls); got != "map["+want+"]" {
		t.Errorf("calls: %s, want %s", got, want)
	}
}

// checkCounts checks the number of calls so far, of those that run, and of those that ran at the same time.
func (f *finder) checkCounts(t *testing.T, total, running, most int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total != total || f.running != running || f.most != most {
		t.Errorf("%d calls, %d are running, %d ran at the same time", f.total, f.running, f.most)
	}
}

func defaults() lookup.Options {
	return lookup.Options{
		KeepFor: time.Minute, RefreshEvery: time.Hour, Timeout: 5 * time.Second,
		MaxEntries: 100, MaxCalls: 2, MaxWaiting: 3, MaxRefreshes: 1, Now: time.Now,
	}
}

func newCache(f *finder, opts lookup.Options) *lookup.Cache[int] {
	return lookup.New(f.find, isRefusal, opts)
}

func checkGet(t *testing.T, c *lookup.Cache[int], key string, want int, wantErr error) {
	t.Helper()
	if got, err := c.Get(t.Context(), key); got != want || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
		t.Errorf("%s: %d, %v, want %d, %v", key, got, err, want, wantErr)
	}
}

// pass lets time pass in a bubble of synctest, and waits for the goroutines that it has woken.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestSimultaneousCallsForAKeyShareOneCallOfFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: time.Second, errs: map[string]error{"no": errRefused}}
		c := newCache(f, defaults())
		for range 3 { // the second and third time from the cache
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { checkGet(t, c, "a", 1, nil) })
				all.Go(func() { checkGet(t, c, "no", 0, errRefused) })
			}
			all.Wait()
		}
		f.checkCalls(t, "a:1 no:1")
	})
}

func TestValuesAndRefusalsAreCachedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{errs: map[string]error{"no": errRefused}}
		c := newCache(f, defaults())
		get := func(wantValue int) {
			t.Helper()
			checkGet(t, c, "a", wantValue, nil)
			checkGet(t, c, "no", 0, errRefused)
		}
		get(1)
		pass(time.Minute - 1)
		get(1)
		f.checkCalls(t, "a:1 no:1")
		pass(1)
		get(2)
		f.checkCalls(t, "a:2 no:2")
	})
}

func TestExtendCachesAValueFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{errs: map[string]error{"no": errRefused}}
		c := newCache(f, defaults())
		checkGet(t, c, "a", 1, nil)
		checkGet(t, c, "no", 0, errRefused)
		pass(40 * time.Second)
		c.Extend("a")
		c.Extend("no") // a refusal lasts no longer
		c.Extend("unknown")
		pass(time.Minute - 1)
		checkGet(t, c, "a", 1, nil)
		checkGet(t, c, "no", 0, errRefused)
		f.checkCalls(t, "a:1 no:2")
		pass(1)
		checkGet(t, c, "a", 2, nil)
	})
}

func TestOtherErrorsAreNotCached(t *testing.T) {
	f := &finder{errs: map[string]error{"a": errDown}}
	c := newCache(f, defaults())
	checkGet(t, c, "a", 0, errDown)
	checkGet(t, c, "a", 0, errDown)
	f.set(func() { delete(f.errs, "a") })
	checkGet(t, c, "a", 3, nil)
}

func TestRefusalsDoNotEvictValues(t *testing.T) {
	opts := defaults()
	opts.MaxEntries = 2
	f := &finder{errs: map[string]error{"x": errRefused, "y": errRefused, "z": errRefused}}
	c := newCache(f, opts)
	for range 2 {
		checkGet(t, c, "a", 1, nil)
		checkGet(t, c, "b", 1, nil)
		for _, key := range []string{"x", "y", "z"} {
			checkGet(t, c, key, 0, errRefused)
		}
	}
	f.checkCalls(t, "a:1 b:1 x:2 y:2 z:2")
	checkGet(t, c, "c", 1, nil)
	checkGet(t, c, "b", 1, nil)
	checkGet(t, c, "a", 2, nil)
}

// inUse keeps a value cached for d, and returns after that.
func inUse(c *lookup.Cache[int], key string, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		pass(min(30*time.Second, time.Until(end)))
		c.Extend(key)
	}
}

func TestAValueInUseIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: time.Second, errs: map[string]error{}}
		c := newCache(f, defaults())
		getAtOnce := func() {
			t.Helper()
			start := time.Now()
			checkGet(t, c, "a", 1, nil)
			if d := time.Since(start); d != 0 {
				t.Errorf("it took %v", d)
			}
			synctest.Wait()
		}
		checkGet(t, c, "a", 1, nil)
		inUse(c, "a", time.Hour-1)
		getAtOnce()
		f.checkCalls(t, "a:1")
		inUse(c, "a", 1)
		for range 3 { // starts one refresh, whose new value is not used
			getAtOnce()
		}
		f.checkCalls(t, "a:2")
		inUse(c, "a", time.Second)

		f.set(func() { f.errs["a"] = errDown }) // changes nothing either
		inUse(c, "a", time.Hour-1)
		getAtOnce()
		f.checkCalls(t, "a:2")
		inUse(c, "a", 1)
		getAtOnce()
		f.checkCalls(t, "a:3")
		inUse(c, "a", time.Second)

		f.set(func() { f.errs["a"] = errRefused })
		inUse(c, "a", time.Hour-1)
		getAtOnce()
		f.checkCalls(t, "a:3")
		inUse(c, "a", 1)
		getAtOnce()
		getAtOnce() // until find has returned
		pass(time.Second)
		checkGet(t, c, "a", 0, errRefused)
		f.checkCalls(t, "a:4")
		pass(time.Minute - 1)
		checkGet(t, c, "a", 0, errRefused)
		f.set(func() { delete(f.errs, "a") })
		pass(1)
		checkGet(t, c, "a", 5, nil)
	})
}

// If a value expires during its refresh, callers wait for the refresh, and its result counts.
func TestARefreshOfAValueThatExpiresFindsItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.RefreshEvery = opts.KeepFor - time.Second
		f := new(finder)
		c := newCache(f, opts)
		checkGet(t, c, "a", 1, nil)
		f.set(func() { f.wait = 2 * time.Second })
		pass(opts.RefreshEvery)
		checkGet(t, c, "a", 1, nil)
		pass(time.Second)
		start := time.Now()
		checkGet(t, c, "a", 2, nil)
		if d := time.Since(start); d != time.Second {
			t.Errorf("it took %v", d)
		}
		f.checkCalls(t, "a:2")
	})
}

func TestTheNumbersOfCallsAndOfWaitingKeysAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: time.Second}
		c := newCache(f, defaults())
		var all sync.WaitGroup
		for key := range strings.SplitSeq("abcde", "") {
			all.Go(func() { checkGet(t, c, key, 1, nil) })
			synctest.Wait()
		}
		f.checkCounts(t, 2, 2, 2)
		checkGet(t, c, "f", 0, lookup.ErrFull)
		all.Go(func() { checkGet(t, c, "e", 1, nil) }) // which waits already
		pass(time.Second)
		f.checkCounts(t, 4, 2, 2)
		for key := range strings.SplitSeq("fg", "") { // in place of the two that have ended
			all.Go(func() { checkGet(t, c, key, 1, nil) })
			synctest.Wait()
		}
		checkGet(t, c, "h", 0, lookup.ErrFull)
		checkGet(t, c, "a", 1, nil)
		all.Wait()
		synctest.Wait()
		f.checkCounts(t, 7, 0, 2)
	})
}

func TestTheTimeOfACallIncludesItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: 3 * time.Second, deaf: true} // so that no place gets free when the time of the fifth ends
		c := newCache(f, defaults())
		start := time.Now()
		var all sync.WaitGroup
		for key := range strings.SplitSeq("abcde", "") {
			wantErr, wantTime := error(nil), 3*time.Second
			switch key {
			case "c", "d":
				wantErr, wantTime = lookup.ErrTimeout, 5*time.Second // during the call
			case "e":
				wantErr, wantTime = lookup.ErrTimeout, 5*time.Second // while it waits
			}
			all.Go(func() {
				want := 1
				if wantErr != nil {
					want = 0
				}
				checkGet(t, c, key, want, wantErr)
				if d := time.Since(start); d != wantTime {
					t.Errorf("%s took %v", key, d)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		synctest.Wait()
		f.checkCalls(t, "a:1 b:1 c:1 d:1")
		checkGet(t, c, "c", 2, nil) // a time limit is not cached
	})
}

func TestACallThatDoesNotReturnKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: time.Minute, deaf: true, errs: map[string]error{"a": errRefused}}
		c := newCache(f, defaults())
		var all sync.WaitGroup
		start := time.Now()
		for range 2 {
			all.Go(func() { checkGet(t, c, "a", 0, lookup.ErrTimeout) })
			all.Go(func() { checkGet(t, c, "b", 0, lookup.ErrTimeout) })
		}
		all.Wait()
		checkGet(t, c, "c", 0, lookup.ErrTimeout)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it took %v", d)
		}
		f.checkCalls(t, "a:1 b:1")
		pass(50 * time.Second)
		f.set(func() { f.wait, f.errs = 0, nil })
		checkGet(t, c, "c", 1, nil)
		checkGet(t, c, "a", 2, nil) // its refusal came too late
	})
}

func TestRefreshesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.KeepFor, opts.MaxCalls, opts.MaxRefreshes = 24*time.Hour, 5, 2
		f := new(finder)
		c := newCache(f, opts)
		get := func(keys string) {
			t.Helper()
			for key := range strings.SplitSeq(keys, "") {
				checkGet(t, c, key, 1, nil)
				synctest.Wait()
			}
		}
		get("abc")
		pass(time.Hour)
		f.set(func() { f.wait, f.deaf = 10*time.Minute, true })
		get("abc")
		f.checkCalls(t, "a:2 b:2 c:1")
		f.set(func() { f.wait, f.deaf = 0, false })
		checkGet(t, c, "d", 1, nil) // is not cached, so it does not wait
		pass(5*time.Second - 1)
		get("c")
		f.checkCalls(t, "a:2 b:2 c:1 d:1")
		pass(1) // the two that do not return no longer count
		get("c")
		f.checkCalls(t, "a:2 b:2 c:2 d:1")
		pass(10 * time.Minute) // until the two have returned
	})
}

func TestCallsForOtherKeysDoNotDelayARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.RefreshEvery = time.Second
		f := new(finder)
		c := newCache(f, opts)
		checkGet(t, c, "a", 1, nil)
		f.set(func() { f.wait, f.deaf = time.Minute, true })
		var all sync.WaitGroup
		for _, key := range []string{"b", "c", "d"} {
			all.Go(func() { checkGet(t, c, key, 0, lookup.ErrTimeout) })
			synctest.Wait()
		}
		f.checkCalls(t, "a:1 b:1 c:1")
		pass(time.Second)
		checkGet(t, c, "a", 1, nil)
		synctest.Wait()
		f.checkCalls(t, "a:2 b:1 c:1")
		all.Wait()
		pass(time.Minute) // until the calls have returned
	})
}

func TestAKeyIsNotRefreshedBeforeItsLastRefreshHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.KeepFor, opts.RefreshEvery = 24*time.Hour, time.Minute
		f := new(finder)
		c := newCache(f, opts)
		checkGet(t, c, "a", 1, nil)
		f.set(func() { f.wait, f.deaf = 10*time.Minute, true })
		pass(time.Minute)
		checkGet(t, c, "a", 1, nil)
		pass(10*time.Minute - 1)
		checkGet(t, c, "a", 1, nil)
		synctest.Wait()
		f.checkCalls(t, "a:2")
		pass(1)
		f.set(func() { f.wait = 0 })
		checkGet(t, c, "a", 1, nil)
		synctest.Wait()
		f.checkCalls(t, "a:3")
	})
}

func TestAContextEndsTheWaitButNotTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &finder{wait: 2 * time.Second}
		c := newCache(f, defaults())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		v, err := c.Get(ctx, "a")
		if v != 0 || !errors.Is(err, lookup.ErrContext) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", v, err, time.Since(start))
		}
		checkGet(t, c, "a", 1, nil)
		if time.Since(start) != 2*time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
		if v, err := c.Get(ctx, "a"); v != 1 || err != nil { // the cache needs no context
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestAContextThatEndsForAnotherReasonIsAnOrdinaryError(t *testing.T) {
	c := lookup.New(func(context.Context, string) (int, error) { return 1, context.Canceled }, isRefusal, defaults())
	if v, err := c.Get(t.Context(), "a"); v != 0 || err != context.Canceled { //nolint:errorlint // unchanged
		t.Errorf("%d, %v", v, err)
	}
}

func TestPanicsAreErrors(t *testing.T) {
	c := lookup.New(func(context.Context, string) (int, error) { panic("oh") }, isRefusal, defaults())
	for range 3 { // more than MaxCalls
		v, err := c.Get(t.Context(), "a")
		var p *lookup.PanicError
		if v != 0 || !errors.As(err, &p) || p.Value != "oh" || err.Error() != "the function panicked: oh" {
			t.Errorf("%d, %v", v, err)
		}
	}
}

func TestACallThatExitsItsGoroutineEndsAtTheTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lookup.New(func(context.Context, string) (int, error) { runtime.Goexit(); return 0, nil }, isRefusal, defaults())
		for range 3 {
			checkGet(t, c, "a", 0, lookup.ErrTimeout)
		}
	})
}

// A key may be a part of a large text, such as a token, which must not stay in memory.
func TestKeysAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := strings.Repeat("k", 10)
		opts := defaults()
		opts.RefreshEvery = 0
		calls := 0
		c := lookup.New(func(_ context.Context, k string) (int, error) {
			calls++
			if k != key || unsafe.StringData(k) == unsafe.StringData(key) {
				t.Errorf("%s is shared", k)
			}
			return 1, nil
		}, isRefusal, opts)
		for range 2 {
			checkGet(t, c, key, 1, nil)
			synctest.Wait()
		}
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}
