// Package bounded gives calls a time limit even if the code they run ignores its context.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrStuck is returned by Do when too many earlier calls are still running although their time was up.
var ErrStuck = errors.New("too many earlier calls still wait for the server")

const (
	// maxStuck limits how many calls that nobody waits for any more may be running. It bounds what a server that
	// never answers can cost.
	maxStuck = 256
	// patience is how long Do waits for a call after its context has ended. Code that honours its context returns
	// within that time, and its error says more than the context's.
	patience = 100 * time.Millisecond
)

// Calls limits the calls of one client. The zero value is ready for use, and safe for concurrent use.
type Calls struct{ stuck atomic.Int64 }

// Stuck returns how many calls are running whose callers have given up.
func (c *Calls) Stuck() int { return int(c.stuck.Load()) }

type result[T any] struct {
	value T
	err   error
}

// The states of a call. The caller that gives up and the call that returns each try to leave running.
const (
	running = iota
	returned
	abandoned
)

// Do returns what call returns, or the context's error soon after the context has ended. In the second case call
// goes on, in its own goroutine, until it returns by itself. call must therefore not write to variables of its
// caller, and must stop at its next chance when its context has ended.
//
// A context that can't end sets no limit, and call then runs in the caller's goroutine. If too many abandoned calls
// are still running, Do returns ErrStuck at once.
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
	answer := make(chan result[T], 1)
	var state atomic.Int32
	go func() {
		r := result[T]{err: errors.New("the call ended without a result")} // if call ends its goroutine
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the call panicked: %v", p)
			}
			answer <- r
			if !state.CompareAndSwap(running, returned) {
				c.stuck.Add(-1)
			}
		}()
		r.value, r.err = call(ctx)
	}()
	select {
	case r := <-answer:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-answer:
		return r.value, r.err
	case <-timer.C:
	}
	c.stuck.Add(1)
	if !state.CompareAndSwap(running, abandoned) {
		c.stuck.Add(-1) // it has returned after all
		r := <-answer
		return r.value, r.err
	}
	return none, ctx.Err()
}
