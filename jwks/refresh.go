package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// A call of VerificationKeys that the current set can't answer without a lock goes through these steps, and repeats them
// after each wait:
//
//  1. A known key of a fresh set is returned.
//  2. A known key of a stale set is returned while refreshing in the background is allowed (Remote.backgroundUntil). A
//     fetch is started if one is due.
//  3. Otherwise the call waits for a fetch: the running one, or one that it starts. For a known key, any fetch will do.
//     An unknown key may have been published after the running fetch began, so the call then waits for another one,
//     and first for MinInterval to pass if that takes no longer than maxIntervalWait.
//  4. When there is nothing left to wait for, the call returns what the last fetch found.

// maxWaiting is the maximum number of calls that wait for a fetch. Each of them holds a request.
const maxWaiting = 1000

// maxIntervalWait is how long a call waits for the next fetch to begin if a fetch was already running when it came.
const maxIntervalWait = time.Second

// attempt is one fetch.
type attempt struct {
	began time.Time
	done  chan struct{} // closed at the end
	ended time.Time     // ended and err are set before done is closed
	err   error
}

// waitForKeys is VerificationKeys for calls that the current set can't answer without a lock.
func (r *Remote) waitForKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	l := lookup{remote: r, kid: kid}
	for {
		wait, keys, err := l.next()
		if wait == nil {
			return keys, err
		}
		err = wait(ctx)
		r.mu.Lock()
		r.waiting--
		r.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// lookup is a call of VerificationKeys that the current set can't answer without a lock.
type lookup struct {
	remote         *Remote
	kid            string
	joinedFetch    bool // has waited for a fetch that was already running
	startedFetch   bool // has waited for a fetch that it started
	waitedInterval bool // has waited for MinInterval to pass
}

// waitFunc waits for a fetch, or until one may begin. It fails if ctx ends first.
type waitFunc func(ctx context.Context) error

// next returns either a function that waits, or the result. It counts a call that waits.
func (l *lookup) next() (waitFunc, []usher.Key, error) {
	r := l.remote
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	set := r.current.Load()
	keys := set.find(l.kid)
	switch {
	case keys != nil && now.Before(set.freshUntil):
		return nil, keys, nil
	case keys != nil && now.Before(r.backgroundUntil) && !r.expired(set, now):
		r.startIfDue(now)
		return nil, keys, nil
	}
	wait := l.chooseWait(now, keys != nil)
	if wait == nil {
		keys, err := r.lastResult(set, l.kid, now)
		return nil, keys, err
	}
	if r.waiting >= maxWaiting {
		return nil, nil, fmt.Errorf("%w: %d requests are already waiting for the keys of %s", usher.ErrUnavailable, maxWaiting, r.source)
	}
	r.waiting++
	return wait, nil, nil
}

// chooseWait returns what the call waits for, or nil if there is nothing left to wait for. known is true if the set has
// the key. r.mu is held.
func (l *lookup) chooseWait(now time.Time, known bool) waitFunc {
	r := l.remote
	if l.startedFetch || l.joinedFetch && known {
		return nil
	}
	if running := r.running; running != nil {
		l.joinedFetch = true
		return running.wait
	}
	if r.startIfDue(now) {
		l.startedFetch = true
		return r.running.wait
	}
	interval := r.due().Sub(now)
	if known || !l.joinedFetch || l.waitedInterval || interval > maxIntervalWait {
		return nil
	}
	l.waitedInterval = true
	return func(ctx context.Context) error { return sleep(ctx, interval) }
}

// lastResult returns the keys of set, which may be nil, or the reason why it can't be used. r.mu is held.
func (r *Remote) lastResult(set *snapshot, kid string, now time.Time) ([]usher.Key, error) {
	keys := set.find(kid)
	switch {
	case keys != nil && !r.expired(set, now):
		return keys, nil
	case r.last != nil && r.last.err != nil:
		return nil, r.last.err
	case set == nil || keys != nil: // there are no keys, or they are too old, and no fetch has ended since
		return nil, fmt.Errorf("%w: the keys of %s have not been fetched yet", usher.ErrUnavailable, r.source)
	default:
		_, err := set.all.VerificationKeys(context.Background(), kid)
		return nil, err
	}
}

// refresh fetches the set for Refresh.
func (r *Remote) refresh(ctx context.Context) error {
	waitedInterval := false
	for {
		running, interval := r.startForRefresh(waitedInterval)
		if running != nil {
			if err := running.wait(ctx); err != nil {
				return err
			}
			return running.err
		}
		if err := sleep(ctx, interval); err != nil {
			return err
		}
		waitedInterval = true
	}
}

// startForRefresh returns the running fetch. If none is running, it starts one, or returns how long until one is due.
func (r *Remote) startForRefresh(waitedInterval bool) (*attempt, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock() // even if the injected clock panics
	now, due := r.now(), r.due()
	if waitedInterval && now.Before(due) {
		now = due // the injected clock does not advance
	}
	r.startIfDue(now)
	return r.running, due.Sub(now)
}

// due returns when the next attempt may begin. r.mu is held.
func (r *Remote) due() time.Time {
	if r.last == nil {
		return time.Time{}
	}
	return r.last.ended.Add(r.opts.MinInterval)
}

// startIfDue starts a fetch if none is running and MinInterval has passed. It reports whether it did. r.mu is held.
func (r *Remote) startIfDue(now time.Time) bool {
	if r.running != nil || now.Before(r.due()) {
		return false
	}
	r.running = &attempt{done: make(chan struct{}), began: now}
	r.updateLockFree()
	go r.run(r.running)
	return true
}

// fetched is the result of a fetch.
type fetched struct {
	parsed parsedSet
	age    time.Duration // how long the set is fresh; MaxAge if the fetch failed
	ended  time.Time
	err    error
}

// run is the goroutine of one fetch. It is independent of requests and ends within the source's time limit. It continues
// by defer if the client, the clock or OnFetch panics or calls runtime.Goexit.
func (r *Remote) run(a *attempt) {
	defer r.release(a)
	f := fetched{age: r.opts.MaxAge, ended: a.began, err: errors.New("the fetch ended without a result")}
	defer func() {
		if p := recover(); p != nil {
			f.err = fmt.Errorf("the fetch panicked: %v", p)
		}
		r.report(r.finish(a, f))
	}()
	f = r.fetch(a.began)
}

// fetch fetches the set.
func (r *Remote) fetch(began time.Time) fetched {
	ctx, cancel := context.WithTimeout(context.Background(), r.source.limit)
	defer cancel()
	f := fetched{age: r.opts.MaxAge}
	var resp response
	if resp, f.err = r.source.fetch(ctx, began); f.err == nil {
		f.parsed, f.err = parseRemote(resp.body, r.opts.DefaultAlgorithms)
	}
	if f.err == nil {
		f.age = freshness(resp.header, r.opts.MaxAge)
	}
	f.ended = r.now()
	return f
}

// finish stores the result of a fetch and returns what OnFetch is called with.
func (r *Remote) finish(a *attempt, f fetched) Fetch {
	report := Fetch{Skipped: slices.Concat(f.parsed.wrong, f.parsed.irrelevant)}
	if f.err != nil {
		r.source.failed()
		// The cause is not wrapped, because a timeout of the fetch is not a timeout of the request.
		report.Err = fmt.Errorf("%w: fetching the keys of %s: %v", usher.ErrUnavailable, r.source, f.err) //nolint:errorlint // see above
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.err == nil {
		r.replace(f.parsed, a.began, f.age)
	}
	if until := a.began.Add(f.age + min(f.age, r.opts.MaxAge)); f.err == nil || until.After(r.backgroundUntil) {
		r.backgroundUntil = until
	}
	a.ended, a.err = f.ended, report.Err
	r.last = a
	if set := r.current.Load(); set != nil {
		report.Keys = len(set.all)
	}
	return report
}

// report calls OnFetch. It logs a panic, because in this goroutine it would end the process.
func (r *Remote) report(f Fetch) {
	if r.opts.OnFetch == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Error("jwks: OnFetch panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	r.opts.OnFetch(f)
}

// release lets the next fetch begin and ends the waiting for this one.
func (r *Remote) release(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = nil
	r.updateLockFree()
	close(a.done)
}

// replace makes a new set the current one. r.mu is held.
func (r *Remote) replace(parsed parsedSet, began time.Time, age time.Duration) {
	previous := r.current.Load()
	set := newSnapshot(parsed, previous)
	set.freshUntil = began.Add(age)
	set.lockFreeUntil.Store(int64(set.freshUntil.Sub(r.born)))
	if r.opts.Now == nil {
		set.startTimer(time.Until(set.freshUntil))
	}
	r.current.Store(set)
	previous.stop()
}

// updateLockFree stores the time until which a set that is no longer fresh is used without a lock: while a fetch is
// running, or while none may begin. r.mu is held.
func (r *Remote) updateLockFree() {
	set := r.current.Load()
	if set == nil {
		return
	}
	until := earlier(r.backgroundUntil, set.freshUntil.Add(r.opts.MaxStale))
	if r.running == nil {
		until = earlier(until, r.due())
	}
	if until.Before(set.freshUntil) {
		until = set.freshUntil
	}
	set.lockFreeUntil.Store(int64(until.Sub(r.born)))
}

// lockFree reports whether the set may be used without a lock.
func (r *Remote) lockFree(set *snapshot) bool {
	return int64(r.now().Sub(r.born)) < set.lockFreeUntil.Load()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// expired reports whether the set is too old to be used. r.mu is held.
func (r *Remote) expired(set *snapshot, now time.Time) bool {
	return !now.Before(set.freshUntil.Add(r.opts.MaxStale))
}

func (a *attempt) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return interrupted(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return interrupted(ctx)
	}
}

func interrupted(ctx context.Context) error {
	return fmt.Errorf("%w: waiting for keys: %w", usher.ErrUnavailable, context.Cause(ctx))
}
