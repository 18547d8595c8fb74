package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-usher/usher"
)

// Throttle counts login attempts per account and address, and per account. Implementations are safe for concurrent
// use. An attempt is one atomic step.
type Throttle interface {
	// Reserve takes one attempt for the account from the address, from both limits or from none. If none is left, it
	// returns how long to wait for the next one. If it returns an error, the login is refused.
	Reserve(ctx context.Context, account, address string) (wait time.Duration, err error)
	// Refund returns an attempt that Reserve took.
	Refund(ctx context.Context, account, address string) error
}

// Limit allows Burst attempts at once, and one more after each interval of Every. Nobody waits longer than Every,
// because an attacker could use longer lockouts against the owner of an account.
type Limit struct {
	Burst int
	Every time.Duration
}

// ThrottleOptions are the options of a Throttle; nil means the defaults.
type ThrottleOptions struct {
	// PerAddress limits the attempts on one account from one address (for IPv6 from one /64). The default is 5, and
	// one more every 30 seconds.
	PerAddress Limit
	// PerAccount limits the attempts on one account from all addresses. The default is 30, and one more every 15
	// seconds.
	PerAccount Limit
	// Size is the maximum number of counters in memory. Beyond it, the counters that would be idle soonest are
	// dropped, so a flood of new names does not reset those in use. A counter that replaces one still in use starts
	// from its value: a flood makes logins wait but allows no additional guesses. The default is 100,000.
	Size int
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Complete returns the options with defaults for zero fields, or a usher.ConfigError for each mistake, joined. It is
// for implementations of Throttle.
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

// Limits use the generic cell rate algorithm. A counter holds only the time at which it will be idle again. Each
// attempt moves that time ahead by Every, and it may be ahead of now by at most Burst times Every.

// wait returns how long an attempt must wait. If it is 0 or negative, the attempt may pass.
func (l Limit) wait(idle, now time.Time) time.Duration {
	if idle.Before(now) {
		return 0 // not minus centuries for a counter that does not exist
	}
	return idle.Sub(now) - time.Duration(l.Burst-1)*l.Every
}

// after returns when the counter will be idle after an attempt at now.
func (l Limit) after(idle, now time.Time) time.Time {
	if idle.Before(now) {
		idle = now
	}
	return idle.Add(l.Every)
}

// counterKey is the name of a counter. Its size does not depend on what clients send.
type counterKey [sha256.Size]byte

func accountKey(account string) counterKey { return sha256.Sum256([]byte(account)) }

func addressKey(account, address string) counterKey {
	a := accountKey(account)
	return sha256.Sum256(append(a[:], address...))
}
