package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session/internal/reservation"
)

// MemoryThrottle is a Throttle in the memory of one process. It is safe for concurrent use.
type MemoryThrottle struct {
	opts ThrottleOptions

	mu       sync.Mutex
	counters counterTable
	known    counterTable // a client is known to an account until its counter is idle
}

// NewMemoryThrottle returns a Throttle for one process. If opts are invalid, it returns a usher.ConfigError for each
// mistake, joined.
func NewMemoryThrottle(opts *ThrottleOptions) (*MemoryThrottle, error) {
	complete, err := opts.Complete()
	if err != nil {
		return nil, err
	}
	return &MemoryThrottle{opts: complete, counters: newCounterTable(complete.Size), known: newCounterTable(complete.Size)}, nil
}

// usable returns an error if t was not made by NewMemoryThrottle.
func (t *MemoryThrottle) usable() error {
	if t == nil || t.opts.Now == nil {
		return &usher.ConfigError{Field: "MemoryThrottle", Reason: "was not made by NewMemoryThrottle"}
	}
	return nil
}

// Reserve implements [Throttle].
func (t *MemoryThrottle) Reserve(ctx context.Context, a Attempt) (Taken, time.Duration, error) {
	if err := t.usable(); err != nil {
		return "", 0, err
	}
	if err := ctx.Err(); err != nil {
		return "", 0, err
	}
	limits, err := t.opts.Limits(a.Kind)
	if err != nil {
		return "", 0, err
	}
	r := reservation.New(a.Kind, a.Account, a.Client)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	r.Known = r.Account != "" && t.known.idleAt(roleKnown.key(r), time.Time{}).After(now)
	counters := limitedCounters(r, limits)
	var wait time.Duration
	for _, c := range counters {
		wait = max(wait, c.limit.wait(t.idleAt(c, now), now))
	}
	if wait > 0 {
		return "", wait, nil
	}
	for _, c := range counters {
		if c.role != roleFailures {
			t.take(c, now)
		}
	}
	return Taken(r.Encode()), 0, nil
}

// Settle implements [Throttle]. It returns an error if taken was not returned by Reserve.
func (t *MemoryThrottle) Settle(_ context.Context, taken Taken, o Outcome) error {
	if err := t.usable(); err != nil {
		return err
	}
	r, ok := reservation.Decode(string(taken))
	limits, err := t.opts.Limits(r.Kind)
	if !ok || err != nil {
		return errors.New("session: Settle was called with a value that Reserve did not return")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	for _, c := range limitedCounters(r, limits) {
		switch {
		case c.role == roleInFlight, c.role != roleFailures && o != Counted:
			t.counters.refund(c.key, c.limit.Every)
		case c.role == roleFailures && o == Counted:
			t.take(c, now)
		}
	}
	if o == Right && limits.Knows != "" && r.Account != "" {
		r.Kind = limits.Knows
		t.known.set(roleKnown.key(r), now.Add(t.opts.Known))
	}
	return nil
}

// take takes one attempt from a counter, even if it has none left.
func (t *MemoryThrottle) take(c limitedCounter, now time.Time) {
	t.counters.set(c.key, c.limit.after(t.idleAt(c, now), now))
}

// idleAt returns when a counter will be idle. If the table is full, a missing counter may have been dropped. It then
// gets the value of the counter that will be idle soonest, which it can't have exceeded. Otherwise new accounts would
// not be counted while all counters are in use.
func (t *MemoryThrottle) idleAt(c limitedCounter, now time.Time) time.Time {
	full := now.Add(time.Duration(c.limit.Burst) * c.limit.Every) // the maximum for this limit
	return t.counters.idleAt(c.key, full)
}

// limitedCounter is a counter of an attempt, with its limit.
type limitedCounter struct {
	role  counterRole
	key   counterKey
	limit Limit
}

// limitedCounters returns the counters of an attempt, as [KindLimits] describes them.
func limitedCounters(r reservation.Reservation, limits KindLimits) []limitedCounter {
	var counters []limitedCounter
	add := func(role counterRole, l Limit) {
		if l != (Limit{}) {
			counters = append(counters, limitedCounter{role, role.key(r), l})
		}
	}
	if r.Known && limits.Allowance != (Limit{}) {
		add(roleAllowance, limits.Allowance)
		return counters
	}
	if r.Account != "" {
		add(roleAccount, limits.Account)
		add(rolePair, limits.Pair)
	}
	add(roleClient, limits.Client)
	add(roleInFlight, limits.InFlight)
	add(roleFailures, limits.Failures)
	return counters
}

// counterRole is what a counter is for: one of the limits of [KindLimits], or whether a client is known.
type counterRole byte

const (
	roleAccount counterRole = iota
	rolePair
	roleClient
	roleInFlight
	roleFailures
	roleAllowance
	roleKnown
)

// counterKey identifies a counter. It is a hash, so its size does not depend on the client's input.
type counterKey [sha256.Size]byte

// key returns the key of an attempt's counter.
func (role counterRole) key(r reservation.Reservation) counterKey {
	b := append(make([]byte, 0, 128), byte(role))
	if role != roleClient && role != roleInFlight && role != roleFailures {
		b = append(b, r.Account...)
	}
	if role != roleAccount {
		b = append(b, r.Client...)
	}
	return sha256.Sum256(append(b, r.Kind...))
}
