package ushertest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until it is moved. Its method Now goes wherever usher, or the service under test, takes a
// clock. It is made by [NewClock], or by [New], and is safe for concurrent use.
//
// While it stands still, everything happens at the same instant. That matters where the order of two events counts: ending all
// sessions of a user refuses every session that began at that instant or before, so a test that logs the user in again has to move
// the clock first, by a second.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d: forward, or backward if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set moves the clock to now.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
