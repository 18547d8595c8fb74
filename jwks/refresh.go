package jwks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// maxWaiting is the maximum number of calls that wait for a fetch. Each of them holds a request.
const maxWaiting = 1000

// maxPatience is how long a call waits for the next fetch to begin if a fetch was already running when it came.
const maxPatience = time.Second

// attempt is one fetch.
type attempt struct {
	began time.Time
	done  chan struct{} // closed at the end
	ended time.Time     // ended and err are set before done is closed
	err   error
}

// refreshed is VerificationKeys for calls that the current set can't answer.
func (r *Remote) refreshed(ctx context.Context, kid string) ([]usher.Key, error) {
	c := call{remote: r, kid: kid}
	for {
		wait := c.next()
		if wait == nil {
			return c.keys, c.err
		}
		err := wait(ctx)
		r.mu.Lock()
		r.waiting--
		r.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// call is one call of VerificationKeys that the current set can't answer.
type call struct {
	remote *Remote
	kid    string
	joined bool // has waited for a fetch that began before the call
	served bool // has waited for a fetch that began after the call
	slept  bool // has waited for MinInterval to pass

	keys []usher.Key
	err  error
}

// next returns a function that waits, or nil when keys or err has been set. A call that waits has been counted.
func (c *call) next() func(context.Context) error {
	r := c.remote
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	set := r.current.Load()
	found := set.find(c.kid)
	switch {
	case found != nil && now.Before(set.freshUntil):
		c.keys = found
		return nil
	case found != nil && now.Before(r.lazy) && !r.expired(set, now):
		r.startIfDue(now)
		c.keys = found
		return nil
	case c.served, c.joined && found != nil:
		c.judge(set, found, now)
		return nil
	}
	wait := c.chooseWait(now, found != nil)
	if wait == nil {
		c.judge(set, found, now)
		return nil
	}
	if r.waiting >= maxWaiting {
		c.err = fmt.Errorf("%w: %d requests are already waiting for the keys of %s", usher.ErrUnavailable, maxWaiting, r.source)
		return nil
	}
	r.waiting++
	return wait
}

// chooseWait returns a function that waits for a fetch, or nil if none may begin now. A call for a known key can use
// any fetch. A call for an unknown key needs one that begins after the call.
func (c *call) chooseWait(now time.Time, known bool) func(context.Context) error {
	r := c.remote
	if running := r.running; running != nil {
		c.joined = true
		return running.wait
	}
	if r.startIfDue(now) {
		c.served = true
		return r.running.wait
	}
	patience := r.due().Sub(now)
	if known || !c.joined || c.slept || patience > maxPatience {
		return nil
	}
	c.slept = true
	return func(ctx context.Context) error { return sleep(ctx, patience) }
}

// judge sets the result without another fetch.
func (c *call) judge(set *snapshot, found []usher.Key, now time.Time) {
	r := c.remote
	switch {
	case found != nil && !r.expired(set, now):
		c.keys = found
	case r.last != nil && r.last.err != nil:
		c.err = r.last.err
	case set == nil || found != nil: // the keys are too old, and no fetch has ended since
		c.err = fmt.Errorf("%w: the keys of %s have not been fetched yet", usher.ErrUnavailable, r.source)
	default:
		_, c.err = set.all.VerificationKeys(context.Background(), c.kid)
	}
}

// refresh fetches the set for Refresh.
func (r *Remote) refresh(ctx context.Context) error {
	slept := false
	for {
		r.mu.Lock()
		now, due := r.now(), r.due()
		if slept && now.Before(due) {
			now = due // the injected clock does not advance
		}
		r.startIfDue(now)
		running := r.running
		r.mu.Unlock()
		if running != nil {
			if err := running.wait(ctx); err != nil {
				return err
			}
			return running.err
		}
		if err := sleep(ctx, due.Sub(now)); err != nil {
			return err
		}
		slept = true
	}
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
	r.settle()
	go r.run(r.running)
	return true
}

// run is the goroutine of one fetch. It is independent of requests and ends within the source's time limit.
func (r *Remote) run(a *attempt) {
	parsed, age, err := r.fetch(a.began)
	report := Fetch{Skipped: slices.Concat(parsed.wrong, parsed.irrelevant)}
	if err != nil {
		r.source.failed()
		// The cause is not wrapped, because a timeout of the fetch is not a timeout of the request.
		report.Err = fmt.Errorf("%w: fetching the keys of %s: %v", usher.ErrUnavailable, r.source, err) //nolint:errorlint // see above
	}
	r.mu.Lock()
	if err == nil {
		r.replace(parsed, a.began, age)
	}
	if lazy := a.began.Add(age + min(age, r.opts.MaxAge)); err == nil || lazy.After(r.lazy) {
		r.lazy = lazy
	}
	a.ended, a.err = r.now(), report.Err
	r.last = a
	r.mu.Unlock()

	if r.opts.OnFetch != nil {
		if set := r.current.Load(); set != nil {
			report.Keys = len(set.all)
		}
		r.opts.OnFetch(report)
	}
	r.mu.Lock()
	r.running = nil
	r.settle()
	r.mu.Unlock()
	close(a.done)
}

// fetch returns the set and how long it is fresh. If it fails, it returns MaxAge.
func (r *Remote) fetch(began time.Time) (parsedSet, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.source.limit)
	defer cancel()
	resp, err := r.source.fetch(ctx, began)
	if err != nil {
		return parsedSet{}, r.opts.MaxAge, err
	}
	parsed, err := parseRemote(resp.body, r.opts.DefaultAlgorithms)
	if err != nil {
		return parsed, r.opts.MaxAge, err
	}
	return parsed, freshness(resp.header, r.opts.MaxAge), nil
}

// replace makes a new set the current one. r.mu is held.
func (r *Remote) replace(parsed parsedSet, began time.Time, age time.Duration) {
	previous := r.current.Load()
	set := newSnapshot(parsed, previous)
	set.freshUntil = began.Add(age)
	set.settled.Store(int64(set.freshUntil.Sub(r.born)))
	if r.opts.Now == nil {
		set.startTimer(time.Until(set.freshUntil))
	}
	r.current.Store(set)
	previous.stop()
}

// settle stores the time until which a set that is no longer fresh is used without a lock: while a fetch is running, or
// while none may begin. r.mu is held.
func (r *Remote) settle() {
	set := r.current.Load()
	if set == nil {
		return
	}
	until := earlier(r.lazy, set.freshUntil.Add(r.opts.MaxStale))
	if r.running == nil {
		until = earlier(until, r.due())
	}
	if until.Before(set.freshUntil) {
		until = set.freshUntil
	}
	set.settled.Store(int64(until.Sub(r.born)))
}

func (r *Remote) isSettled(set *snapshot) bool {
	return int64(r.now().Sub(r.born)) < set.settled.Load()
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
