package lease

import (
	"errors"
	"sync"
)

// Caller calls a function that may block for a long time, such as one that receives a message, but returns when a lease
// ends. Create it with [NewCaller]. Call must not be called concurrently; Rest and Stop may be called by any goroutine.
//
// The calls run in a separate goroutine, which is reused. This costs half as much as a new goroutine for each call, and
// allocates nothing.
type Caller struct {
	lease *Lease
	f     func(arg any) error

	mu      sync.Mutex
	worker  *worker // nil if there is no goroutine
	stopped bool
}

// worker has the channels of a goroutine that makes calls. Both have a buffer of one, because there is at most one call.
type worker struct {
	args     chan any
	outcomes chan outcome
}

// outcome is the result of a call.
type outcome struct {
	err      error
	panicked any
}

var errExited = errors.New("lease: the goroutine exited")

// NewCaller returns a Caller of f. Stop must be called in the end.
func NewCaller(l *Lease, f func(arg any) error) *Caller { return &Caller{lease: l, f: f} }

// Call calls f and returns its error. If the lease has ended, or ends before f returns, Call returns the lease's Err. f
// then continues to run, and must be ended by other means. If f panics, Call panics.
func (c *Caller) Call(arg any) error {
	if err := c.lease.Err(); err != nil {
		return err
	}
	w := c.start(arg)
	if w == nil {
		return c.f(arg)
	}
	select {
	case result := <-w.outcomes:
		if result.panicked != nil {
			panic(result.panicked) //nolint:forbidigo // the panic of f, for the caller's recover
		}
		return result.err
	case <-c.lease.ended:
		return c.lease.Err()
	}
}

// Rest ends the goroutine as soon as f has returned. The next Call starts another.
func (c *Caller) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest()
}

// Stop is like Rest, but no other goroutine is started: a later Call calls f directly and waits for it.
func (c *Caller) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.rest()
}

func (c *Caller) rest() {
	if c.worker != nil {
		close(c.worker.args)
		c.worker = nil
	}
}

// start passes arg to the goroutine and returns its worker. After Stop it returns nil.
func (c *Caller) start(arg any) *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	if c.worker == nil {
		c.worker = &worker{make(chan any, 1), make(chan outcome, 1)}
		go c.work(c.worker)
	}
	c.worker.args <- arg
	return c.worker
}

// work makes calls until there are no more. If f exits the goroutine, another one continues.
func (c *Caller) work(w *worker) {
	done := false
	defer func() {
		if !done {
			go c.work(w)
		}
	}()
	for arg := range w.args {
		w.outcomes <- c.call(arg, w)
	}
	done = true
}

// call makes one call.
func (c *Caller) call(arg any, w *worker) (result outcome) {
	returned := false
	defer func() {
		if result.panicked = recover(); result.panicked == nil && !returned {
			w.outcomes <- outcome{err: errExited} // runtime.Goexit
		}
	}()
	result.err = c.f(arg)
	returned = true
	return result
}
