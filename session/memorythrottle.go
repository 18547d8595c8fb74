package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-usher/usher"
)

// MemoryThrottle is a Throttle in the memory of one process. It is safe for concurrent use.
type MemoryThrottle struct {
	opts ThrottleOptions

	mu       sync.Mutex
	counters counterTable
	known    counterTable // a counter is idle when the client is no longer known
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
	n := newNote(a)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	n.known = n.hasAccount && t.known.idle(n.key(roleKnown), time.Time{}).After(now)
	uses := n.uses(limits)
	var wait time.Duration
	for _, u := range uses {
		wait = max(wait, u.limit.wait(t.idle(u, now), now))
	}
	if wait > 0 {
		return "", wait, nil
	}
	for _, u := range uses {
		if u.role != roleFailures {
			t.counters.set(u.key, u.limit.after(t.idle(u, now), now))
		}
	}
	return n.encode(), 0, nil
}

// Settle implements [Throttle]. It returns an error if taken was not returned by Reserve.
func (t *MemoryThrottle) Settle(_ context.Context, taken Taken, o Outcome) error {
	if err := t.usable(); err != nil {
		return err
	}
	n, ok := decodeNote(taken)
	limits, err := t.opts.Limits(n.kind)
	if !ok || err != nil {
		return errors.New("session: Settle was called with a value that Reserve did not return")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	for _, u := range n.uses(limits) {
		switch {
		case u.role == roleInFlight, u.role != roleFailures && o != Counted:
			t.counters.giveBack(u.key, u.limit.Every)
		case u.role == roleFailures && o == Counted:
			t.counters.set(u.key, u.limit.after(t.idle(u, now), now))
		}
	}
	if o == Right && limits.Knows != "" && n.hasAccount {
		n.kind = limits.Knows
		t.known.set(n.key(roleKnown), now.Add(t.opts.Known))
	}
	return nil
}

// idle returns when a counter will be idle. If the table is full, a missing counter may have been dropped. It then gets
// the value of the counter that will be idle soonest, which it can't have exceeded. Otherwise new accounts would not be
// counted while all counters are in use.
func (t *MemoryThrottle) idle(u use, now time.Time) time.Time {
	full := now.Add(time.Duration(u.limit.Burst) * u.limit.Every) // the maximum for this limit
	return t.counters.idle(u.key, full)
}

// role is the purpose of a counter.
type role byte

const (
	roleAccount role = iota
	rolePair
	roleClient
	roleInFlight
	roleFailures
	roleAllowance
	roleKnown
)

// use is a counter that an attempt uses.
type use struct {
	role  role
	key   counterKey
	limit Limit
}

// note is the content of a Taken.
type note struct {
	kind            string
	hasAccount      bool
	known           bool // the account knows the client
	account, client [sha256.Size]byte
}

func newNote(a Attempt) note {
	return note{
		kind:       a.Kind,
		hasAccount: a.Account != "",
		account:    sha256.Sum256([]byte(a.Account)),
		client:     sha256.Sum256([]byte(a.Client)),
	}
}

func (n note) uses(limits KindLimits) []use {
	var uses []use
	add := func(r role, l Limit) {
		if l != (Limit{}) {
			uses = append(uses, use{r, n.key(r), l})
		}
	}
	if n.known && limits.Allowance != (Limit{}) {
		add(roleAllowance, limits.Allowance)
		return uses
	}
	if n.hasAccount {
		add(roleAccount, limits.Account)
		add(rolePair, limits.Pair)
	}
	add(roleClient, limits.Client)
	add(roleInFlight, limits.InFlight)
	add(roleFailures, limits.Failures)
	return uses
}

// counterKey identifies a counter. It is a hash, so its size does not depend on the client's input.
type counterKey [sha256.Size]byte

func (n note) key(r role) counterKey {
	b := append(make([]byte, 0, 128), byte(r))
	if r != roleClient && r != roleInFlight && r != roleFailures {
		b = append(b, n.account[:]...)
	}
	if r != roleAccount {
		b = append(b, n.client[:]...)
	}
	return sha256.Sum256(append(b, n.kind...))
}

func (n note) encode() Taken {
	flags := "-"
	if n.hasAccount {
		flags = "a"
	}
	if n.known {
		flags = "k"
	}
	sums := append(n.account[:], n.client[:]...)
	return Taken(flags + base64.RawURLEncoding.EncodeToString(sums) + n.kind)
}

func decodeNote(t Taken) (n note, ok bool) {
	const sums = 2 * sha256.Size
	size := base64.RawURLEncoding.EncodedLen(sums)
	if len(t) <= 1+size {
		return note{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(string(t[1 : 1+size]))
	if err != nil || strings.IndexByte("-ak", t[0]) < 0 {
		return note{}, false
	}
	return note{
		kind:       string(t[1+size:]),
		hasAccount: t[0] != '-',
		known:      t[0] == 'k',
		account:    [sha256.Size]byte(b[:sha256.Size]),
		client:     [sha256.Size]byte(b[sha256.Size:]),
	}, true
}
