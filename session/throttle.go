package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-usher/usher"
)

// Throttle counts attempts to log in, per account and address, and per account. Implementations are safe for
// concurrent use, and an attempt is one atomic step.
type Throttle interface {
	// Reserve takes one attempt for the account from the address, under both limits or none. If there is none
	// left it returns how long to wait for the next one. An error means that the throttle can't tell, and
	// refuses the login.
	Reserve(ctx context.Context, account, address string) (wait time.Duration, err error)
	// Refund gives an attempt back that Reserve took.
	Refund(ctx context.Context, account, address string) error
}

// Limit lets Burst attempts pass at once, and one more after every Every. Nobody waits longer than Every, for a
// lockout would be a weapon: against the account's owner.
type Limit struct {
	Burst int
	Every time.Duration
}

// ThrottleOptions are the options of a Throttle; nil means the defaults.
type ThrottleOptions struct {
	// PerAddress limits the attempts on one account from one address (IPv6: from one /64). Default: 5, and
	// one more every 30 seconds.
	PerAddress Limit
	// PerAccount limits the attempts on one account from everywhere. Default: 30, and one more every 15
	// seconds.
	PerAccount Limit
	// Size is how many counters are kept in memory; beyond it the ones that are nearest to being idle are
	// dropped, so that a flood of new names doesn't reset those that are in use. A counter that takes the
	// place of one still in use begins where that one was: a flood makes logins wait, and buys no guesses.
	// Default: 100,000.
	Size int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Complete returns the options with defaults in the place of what is zero, or all mistakes as usher.ConfigError. It
// is for implementations of Throttle.
func (o *ThrottleOptions) Complete() (ThrottleOptions, error) {
	var opts ThrottleOptions
	if o != nil {
		opts = *o
	}
	if opts.PerAddress == (Limit{}) {
		opts.PerAddress = Limit{Burst: 5, Every: 30 * time.Second}
	}
	if opts.PerAccount == (Limit{}) {
		opts.PerAccount = Limit{Burst: 30, Every: 15 * time.Second}
	}
	if opts.Size == 0 {
		opts.Size = 100_000
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var mistakes []error
	bad := func(wrong bool, field, reason string) {
		if wrong {
			mistakes = append(mistakes, &usher.ConfigError{Field: "ThrottleOptions." + field, Reason: reason})
		}
	}
	const limits = "must have a Burst of 1 to 1,000,000, an Every of a millisecond to a day, and fill again within 10 years"
	bad(!opts.PerAddress.valid(), "PerAddress", limits)
	bad(!opts.PerAccount.valid(), "PerAccount", limits)
	bad(opts.Size < 2, "Size", "must be 2 or more: every attempt has two counters")
	return opts, errors.Join(mistakes...)
}

func (l Limit) valid() bool {
	const decade = 10 * 365 * 24 * time.Hour // a time.Duration holds 292 years
	return l.Burst >= 1 && l.Burst <= 1_000_000 && l.Every >= time.Millisecond && l.Every <= 24*time.Hour &&
		time.Duration(l.Burst) <= decade/l.Every
}

// Limits are counted by the generic cell rate algorithm: all that a counter holds is the time at which it will be
// idle again if nothing else happens. Every attempt moves that time by Every, and it may lie ahead by at most
// Burst times Every.

// wait returns how long an attempt has to wait; 0 or less: it may pass.
func (l Limit) wait(idle, now time.Time) time.Duration {
	if idle.Before(now) {
		return 0 // and not minus centuries, for a counter that isn't there
	}
	return idle.Sub(now) - time.Duration(l.Burst-1)*l.Every
}

// after returns when the counter is idle after an attempt at now.
func (l Limit) after(idle, now time.Time) time.Time {
	if idle.Before(now) {
		idle = now
	}
	return idle.Add(l.Every)
}

// counterKey is the name of a counter, of one size whatever clients send.
type counterKey [sha256.Size]byte

func accountKey(account string) counterKey { return sha256.Sum256([]byte(account)) }

func addressKey(account, address string) counterKey {
	a := accountKey(account)
	return sha256.Sum256(append(a[:], address...))
}
