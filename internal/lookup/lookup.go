// Package lookup finds values by key with a function that may be slow or may not return, such as a query of a database,
// and caches its results. Keys may be untrusted. The number of simultaneous calls, the number of waiting keys and the
// memory are therefore limited, and keys without a value can't evict the values of others.
package lookup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-usher/usher/internal/expiring"
)

// Errors of [Cache.Get] that the function has not returned. A [PanicError] is another.
var (
	ErrFull    = errors.New("too many keys are waiting for a call")
	ErrTimeout = errors.New("the function did not return in time")
	ErrContext = errors.New("the context ended before the function returned") // wraps the context's error too
)

// PanicError is the error of a call that panicked.
type PanicError struct {
	Value any // what the function panicked with
}

// Error returns the value of the panic as text.
func (e *PanicError) Error() string { return fmt.Sprintf("the function panicked: %v", e.Value) }

// Options are the limits of a [Cache]. All of them are required.
type Options struct {
	// KeepFor is how long a value is cached after it was found or Extend was called, and how long a refusal is cached.
	KeepFor time.Duration
	// RefreshEvery is the minimum interval between calls for a key whose value is cached.
	RefreshEvery time.Duration
	// Timeout is the time limit of a call, including the time that it waits for other calls.
	Timeout time.Duration
	// MaxEntries is the maximum number of cached values, and also of cached refusals.
	MaxEntries int
	// MaxCalls is the maximum number of simultaneous calls for keys whose value is not cached.
	MaxCalls int
	// MaxWaiting is the maximum number of keys that wait for such a call.
	MaxWaiting int
	// MaxRefreshes is the maximum number of simultaneous calls for keys whose value is cached. Other keys can't delay
	// these calls.
	MaxRefreshes int
	// Now is the clock.
	Now func() time.Time
}

// Cache finds values and caches them. Create it with [New]. It is safe for concurrent use.
type Cache[V any] struct {
	find      func(ctx context.Context, key string) (V, error)
	isRefusal func(error) bool
	opts      Options
	calls     chan struct{} // one element for each call for a key that is not cached, until find returns
	refreshes chan struct{} // one element for each refresh, until find returns or the time limit has passed

	mu         sync.Mutex // guards the fields below
	pending    map[string]*call[V]
	refreshing map[string]bool // keys for which find has not returned from a refresh
	values     *expiring.Map[string, *value[V]]
	refusals   *expiring.Map[[sha256.Size]byte, error] // by the key's hash, because keys may be long
}

// value is a cached value, with the time from which it is refreshed.
type value[V any] struct {
	value     V
	refreshAt time.Time
}

// call is a running or waiting call of find. Its value and err are set before done is closed.
type call[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// New returns a cache of the results of find. isRefusal reports whether an error of find means that the key has no
// value. Such errors are cached; others are not.
//
// find is called for several keys at once. A call for a key ends when find returns or the time limit has passed, and
// only then find is called for this key again. If find does not return by then, although its context has ended, it
// still counts as one of MaxCalls, and a key is not refreshed again before find has returned from its last refresh.
func New[V any](find func(ctx context.Context, key string) (V, error), isRefusal func(error) bool, opts Options) *Cache[V] {
	return &Cache[V]{
		find: find, isRefusal: isRefusal, opts: opts,
		calls:      make(chan struct{}, opts.MaxCalls),
		refreshes:  make(chan struct{}, opts.MaxRefreshes),
		pending:    map[string]*call[V]{},
		refreshing: map[string]bool{},
		values:     expiring.New[string, *value[V]](opts.MaxEntries),
		refusals:   expiring.New[[sha256.Size]byte, error](opts.MaxEntries),
	}
}

// Get returns the cached value or refusal of key, or else the result of find. Simultaneous calls for the same key share
// one call of find. Its context is not ctx: it ends when the time limit has passed.
//
// If the cached value is due for a refresh, Get starts one and does not wait for it. If the refresh is refused, the value
// is dropped. Its other results are ignored.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, error) {
	v, pending, err := c.look(key)
	if pending == nil {
		return v, err
	}
	select {
	case <-pending.done:
		return pending.value, pending.err
	case <-ctx.Done():
		return v, fmt.Errorf("%w: %w", ErrContext, ctx.Err())
	}
}

// Extend caches the value of key for KeepFor from now, if it is still cached.
func (c *Cache[V]) Extend(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values.Extend(key, c.opts.Now().Add(c.opts.KeepFor))
}

// look returns the cached value or refusal of key. If there is none, it returns the pending call, which it starts if
// necessary.
func (c *Cache[V]) look(key string) (v V, pending *call[V], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	if cached, ok := c.values.Get(key, now); ok {
		if !now.Before(cached.refreshAt) && c.pending[key] == nil && !c.refreshing[key] {
			c.refresh(strings.Clone(key))
		}
		return cached.value, nil, nil
	}
	if err, ok := c.refusals.Get(sha256.Sum256([]byte(key)), now); ok {
		return v, nil, err
	}
	if pending := c.pending[key]; pending != nil {
		return v, pending, nil
	}
	if len(c.pending) >= c.opts.MaxCalls+c.opts.MaxWaiting {
		return v, nil, ErrFull
	}
	return v, c.start(strings.Clone(key)), nil
}

// start starts a call for a key that is not cached. The caller holds the lock.
func (c *Cache[V]) start(key string) *call[V] {
	p := c.newCall(key)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.opts.Timeout)
		defer cancel()
		select {
		case c.calls <- struct{}{}:
			c.run(ctx, key, p, func() { <-c.calls })
		case <-ctx.Done():
			var none V
			c.end(key, p, none, ErrTimeout)
		}
	}()
	return p
}

// refresh starts a call for a key that is cached, unless MaxRefreshes of them are running. A call of find that ignores
// the end of its context does not count after that. Otherwise a few such calls would prevent all other refreshes. The
// caller holds the lock.
func (c *Cache[V]) refresh(key string) {
	select {
	case c.refreshes <- struct{}{}:
	default:
		return
	}
	p := c.newCall(key)
	c.refreshing[key] = true
	go func() {
		defer func() { <-c.refreshes }()
		ctx, cancel := context.WithTimeout(context.Background(), c.opts.Timeout)
		defer cancel()
		c.run(ctx, key, p, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.refreshing, key)
		})
	}()
}

func (c *Cache[V]) newCall(key string) *call[V] {
	p := &call[V]{done: make(chan struct{})}
	c.pending[key] = p
	return p
}

// run calls find and ends p with its result, at the latest when ctx ends. It calls returned when find has returned.
func (c *Cache[V]) run(ctx context.Context, key string, p *call[V], returned func()) {
	type result struct {
		value V
		err   error
	}
	results := make(chan result, 1)
	go func() {
		defer returned()
		v, err := c.callFind(ctx, key)
		results <- result{v, err}
	}()
	select {
	case r := <-results:
		c.end(key, p, r.value, r.err)
	case <-ctx.Done():
		var none V
		c.end(key, p, none, ErrTimeout)
	}
}

// callFind calls find. It turns a panic into an error, because in this goroutine it would end the program.
func (c *Cache[V]) callFind(ctx context.Context, key string) (v V, err error) {
	var none V
	defer func() {
		if r := recover(); r != nil {
			v, err = none, &PanicError{r}
		}
	}()
	v, err = c.find(ctx, key)
	switch {
	case err == nil:
		return v, nil
	case ctx.Err() != nil && !c.isRefusal(err):
		return none, ErrTimeout
	}
	return none, err
}

// end caches the result of a call and returns it to the waiting callers.
func (c *Cache[V]) end(key string, p *call[V], v V, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	expiry, refreshAt := now.Add(c.opts.KeepFor), now.Add(c.opts.RefreshEvery)
	cached, isCached := c.values.Get(key, now)
	switch {
	case err != nil && c.isRefusal(err):
		c.values.Delete(key)
		c.refusals.Put(sha256.Sum256([]byte(key)), err, expiry)
	case isCached: // stays cached, whatever find has returned; no caller waits for this call
		cached.refreshAt = refreshAt
	case err == nil:
		c.values.Put(key, &value[V]{v, refreshAt}, expiry)
	}
	delete(c.pending, key)
	p.value, p.err = v, err
	close(p.done)
}
