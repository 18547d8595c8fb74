// Package bounded gives calls a time limit even if the code they run ignores its context.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrStuck is returned by Do if too many abandoned calls are still running.
var ErrStuck = errors.New("too many earlier calls still wait for the server")

const (
	// maxStuck is the maximum number of abandoned calls that are running. It bounds the goroutines and connections that
	// a server that does not respond can occupy.
	maxStuck = 256
	// returnDelay is how long Do waits for a call after its context has ended. Code that honours its context returns
	// within that time, and its error says more than the context's.
	returnDelay = 100 * time.Millisecond
)

// Calls limits the calls of one client. The zero value is ready for use, and safe for concurrent use.
type Calls struct{ stuck atomic.Int64 }

// Stuck returns the number of abandoned calls that are still running.
func (c *Calls) Stuck() int { return int(c.stuck.Load()) }

type result[T any] struct {
	value T
	err   error
}

// The states of a call. It is abandoned if its caller gives up before it returns.
const (
	running = iota
	returned
	abandoned
)

// Do returns what call returns, or the context's error soon after the context has ended. In the second case the call is
// abandoned: it continues in its own goroutine until it returns. So call must not write to variables of its caller, and
// should return soon after its context has ended.
//
// If the context can't end, call runs in the caller's goroutine. If too many abandoned calls are still running, Do
// returns ErrStuck at once.
func Do[T any](ctx context.Context, c *Calls, call func(ctx context.Context) (T, error)) (T, error) {
	if ctx.Done() == nil {
		return call(ctx)
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if c.stuck.Load() >= maxStuck {
		return none, ErrStuck
	}
	results := make(chan result[T], 1)
	var state atomic.Int32
	go func() {
		r := result[T]{err: errors.New("the call ended without a result")} // if call calls runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the call panicked: %v", p)
			}
			results <- r
			if !state.CompareAndSwap(running, returned) {
				c.stuck.Add(-1)
			}
		}()
		r.value, r.err = call(ctx)
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(returnDelay)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-timer.C:
	}
	c.stuck.Add(1)
	if !state.CompareAndSwap(running, abandoned) {
		c.stuck.Add(-1) // it has returned in the meantime
		r := <-results
		return r.value, r.err
	}
	return none, ctx.Err()
}
