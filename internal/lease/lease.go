// Package lease provides a context that ends when a permission ends: at a certain time, or when a function that is
// called at intervals returns an error.
package lease

import (
	"context"
	"sync"
	"time"
)

// Terms determine how long a lease lasts.
type Terms struct {
	// End is when Renew is called in any case; zero means never.
	End time.Time
	// Every is the interval between calls of Renew before End; 0 means that it is not called.
	Every time.Duration
	// Renew decides whether the lease continues. If it returns an error, the lease ends. over reports whether End has
	// passed. From then on, Renew is called every second, or every Every if that is shorter, as long as it returns nil.
	// Its context ends with the lease, and after a time limit. Calls do not overlap. Renew must not panic.
	Renew func(ctx context.Context, over bool) error
}

const (
	overdue   = time.Second      // the interval between calls of Renew after End
	timeLimit = 10 * time.Second // the time limit of a call of Renew
)

// Lease has a context that may end before its parent. Create it with [Start].
type Lease struct {
	terms    Terms
	ctx      context.Context
	cancel   context.CancelCauseFunc
	ended    chan struct{} // closed when Renew has returned an error
	renewing sync.WaitGroup

	mu      sync.Mutex
	timer   *time.Timer // nil if Renew is never called
	stopped bool
	err     error
}

// Start starts a lease. Stop must be called in the end.
func Start(ctx context.Context, terms Terms) *Lease {
	l := &Lease{terms: terms, ended: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait, ok := l.wait(); ok {
		l.timer = time.AfterFunc(wait, l.renew)
	}
	return l
}

// Context returns the context that ends with the lease. Its cause is then Renew's error.
func (l *Lease) Context() context.Context { return l.ctx }

// Err returns Renew's error if it has ended the lease.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stop ends the lease. It cancels the context of a running call of Renew and waits until it returns. Stop returns Err,
// which does not change after that. It may be called more than once.
func (l *Lease) Stop() error {
	l.mu.Lock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.cancel(nil)
	l.renewing.Wait()
	return l.Err()
}

// renew calls Renew. It then resets the timer or ends the lease.
func (l *Lease) renew() {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return
	}
	l.renewing.Add(1)
	l.mu.Unlock()
	defer l.renewing.Done()

	ctx, cancel := context.WithTimeout(l.ctx, timeLimit)
	defer cancel()
	err := l.terms.Renew(ctx, l.over())

	l.mu.Lock()
	defer l.mu.Unlock()
	switch wait, ok := l.wait(); {
	case l.stopped:
	case err != nil:
		l.err = err
		l.cancel(err)
		close(l.ended)
	case ok:
		l.timer.Reset(wait)
	}
}

// over reports whether End has passed.
func (l *Lease) over() bool { return !l.terms.End.IsZero() && !time.Now().Before(l.terms.End) }

// wait returns the time until the next call of Renew, and false if there is none.
func (l *Lease) wait() (time.Duration, bool) {
	wait, ok := l.terms.Every, l.terms.Every > 0
	if l.terms.End.IsZero() {
		return wait, ok
	}
	last := overdue
	if !l.over() {
		last = time.Until(l.terms.End)
	}
	if !ok {
		return last, true
	}
	return min(wait, last), true
}
