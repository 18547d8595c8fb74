package lease

import (
	"errors"
	"sync"
)

// Caller calls a function that may wait for long, such as one that receives a message, and does not wait for it beyond the
// end of a lease. It is made by [NewCaller]. Call is called by one goroutine at a time, Rest and Stop by any.
//
// A goroutine of its own makes the calls. It is kept from one call to the next, which costs half as much as a goroutine a
// call, and no memory.
type Caller struct {
	lease *Lease
	f     func(arg any) error

	mu      sync.Mutex
	worker  *worker // nil if there is no goroutine
	stopped bool
}

// worker are the channels of a goroutine that makes calls. Both have room for the only call that there can be.
type worker struct {
	args     chan any
	outcomes chan outcome
}

// outcome is how a call ended.
type outcome struct {
	err      error
	panicked any
}

var errExited = errors.New("lease: the goroutine exited")

// NewCaller returns a Caller of f. The lease's holder calls its Stop at last.
func NewCaller(l *Lease, f func(arg any) error) *Caller { return &Caller{lease: l, f: f} }

// Call calls f and returns its error, or the lease's Err if that has ended, or ends before f returns. Then f goes on, and
// what it waits for has to be ended by other means. If f panics, so does Call.
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
			panic(result.panicked) //nolint:forbidigo // it is f's own, on its way to the caller's recover
		}
		return result.err
	case <-c.lease.ended:
		return c.lease.Err()
	}
}

// Rest ends the goroutine, once f has returned. The next Call starts another.
func (c *Caller) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest()
}

// Stop is Rest for good: a Call that comes after it calls f itself, and waits for it.
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

// start passes arg to a goroutine, and returns nil if there may be none.
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

// work makes calls until there are no more. If f ends the goroutine, another one goes on.
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
