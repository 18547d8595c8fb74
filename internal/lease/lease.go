// Package lease ends a context when the permission that it was given for is over: at a set time, or when somebody who is
// asked every so often says so.
package lease

import (
	"context"
	"sync"
	"time"
)

// Terms say how long a lease lasts.
type Terms struct {
	// End is when Renew is asked in any case; zero means never.
	End time.Time
	// Every is how often Renew is asked before that; 0 means not at all.
	Every time.Duration
	// Renew decides whether the lease goes on. Its error ends the lease. over says that End has passed; Renew is then asked
	// every second, or every Every if that is shorter, for as long as it returns nil. Its context ends with the lease, and
	// after a time limit. It is never called twice at a time, and must not panic.
	Renew func(ctx context.Context, over bool) error
}

const (
	overdue   = time.Second      // between two questions once End has passed
	timeLimit = 10 * time.Second // of a question
)

// Lease is a context that may end before its parent does. It is made by [Start].
type Lease struct {
	terms  Terms
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when Renew has returned an error
	asking sync.WaitGroup

	mu      sync.Mutex
	timer   *time.Timer // nil if there is nothing to wait for
	stopped bool
	err     error
}

// Start starts a lease. Its caller calls Stop at last.
func Start(ctx context.Context, terms Terms) *Lease {
	l := &Lease{terms: terms, ended: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait, ok := l.wait(); ok {
		l.timer = time.AfterFunc(wait, l.ask)
	}
	return l
}

// Context returns the context that ends with the lease. Its cause then is Renew's error.
func (l *Lease) Context() context.Context { return l.ctx }

// Err returns Renew's error if it has ended the lease.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stop ends the lease, and waits for a call of Renew that is under way, whose context it cancels. It returns Err; nothing
// ends the lease after that. It may be called twice.
func (l *Lease) Stop() error {
	l.mu.Lock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.cancel(nil)
	l.asking.Wait()
	return l.Err()
}

// ask calls Renew, and sets the timer anew or ends the lease.
func (l *Lease) ask() {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return
	}
	l.asking.Add(1)
	l.mu.Unlock()
	defer l.asking.Done()

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

// wait returns how long it is until Renew is asked, and false if it never is.
func (l *Lease) wait() (time.Duration, bool) {
	wait, ok := l.terms.Every, l.terms.Every > 0
	if l.terms.End.IsZero() {
		return wait, ok
	}
	last := overdue
	if !l.over() {
		last = time.Until(l.terms.End)
	}
	if !ok || last < wait {
		wait = last
	}
	return wait, true
}
