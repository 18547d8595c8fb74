package ushertest

import (
	"sync"
	"time"
)

// Clock is a clock that advances only when it is told to. Pass its method Now as the Now option of usher, or of the
// service under test. Create it with [NewClock] or [New]. It is safe for concurrent use.
//
// Between calls of Advance and Set, all events have the same time. This matters if the order of events counts. For
// example, ending all sessions of a user also refuses sessions that begin at the same time. A test that then logs the
// user in again must advance the clock by a second first.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock with the time now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance advances the clock by d. If d is negative, it sets the clock back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set sets the clock to now.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
