package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// Throttle counts attempts and refuses those beyond its limits. [NewMemoryThrottle] returns one for a single process,
// and package redisstore one for several. Implementations must be safe for concurrent use. [ThrottleOptions.Limits]
// returns their limits, and package storetest tests them.
type Throttle interface {
	// Reserve takes an attempt before it is made, atomically from all of its limits or from none. If a limit is
	// exhausted, it returns how long to wait for the next attempt. If it returns an error, the attempt is refused.
	Reserve(ctx context.Context, a Attempt) (taken Taken, wait time.Duration, err error)
	// Settle records the outcome of an attempt that Reserve took. It is called once for each Taken.
	Settle(ctx context.Context, taken Taken, o Outcome) error
}

// Attempt is what a Throttle counts.
type Attempt struct {
	Kind string // one of the kinds, such as KindLogin
	// Account is the name of the account in lower case, or its subject for KindStep. If it is empty, only the client is
	// counted.
	Account string
	Client  string // the network of the client: an IPv4 address or the /64 of an IPv6 address
}

// The kinds of attempts. Each kind has its own counters.
const (
	KindLogin  = "login"  // a password is checked
	KindStep   = "step"   // a second step of a login is checked, such as a code
	KindSignup = "signup" // an account is created
	KindMail   = "mail"   // a mail is sent to an account's address, for example for a forgotten password
	KindReset  = "reset"  // a password is set by a link from such a mail
)

// Taken identifies an attempt for Settle, in the Throttle's own format. It contains no secrets.
type Taken string

// Outcome is the result of an attempt.
type Outcome int

// The outcomes.
const (
	Counted   Outcome = iota // wrong, or counted for another reason: the attempt is spent
	Undecided                // a failure left the result open: the attempt is given back
	Right                    // right: the attempt is given back, and the client becomes known to the account
)

// Limit permits Burst attempts at once, and one more after each interval of Every.
type Limit struct {
	Burst int
	Every time.Duration
}

// ThrottleOptions are the options of a Throttle. Nil means the defaults, and so does a zero field.
//
// A client is known to an account if a login or a password reset succeeded from it. Attempts of a known client have
// their own allowance for this account, and no other limit applies to them. So attackers can't lock the account's owner
// out.
type ThrottleOptions struct {
	// PerAddress limits the logins to one account from one client. It is also the allowance of a known client. The
	// default is 5, and one more every 30 seconds.
	PerAddress Limit
	// PerAccount limits the logins to one account from all clients that are not known. The default is 30, and one more
	// every 15 seconds.
	PerAccount Limit
	// PerClient limits the wrong attempts of one client at all accounts, for each kind except KindSignup. Only attempts
	// that turned out wrong are counted, so many people behind one address can log in at once. Up to 5 times Burst
	// attempts may be undecided at a time. The default is 100, and one more every second.
	PerClient Limit
	// Step limits the second steps of one account. Clients that have passed it before each have their own limit. The
	// default is 5, and one more every 10 minutes.
	Step Limit
	// PerMail limits the mails to one account. The default is 3, and one more every hour.
	PerMail Limit
	// Signup limits the signups of one client. The default is 20, and one more every minute.
	Signup Limit
	// Known is how long a client stays known after its last login. The default is 90 days.
	Known time.Duration
	// Size is the maximum number of counters in memory, and also of known clients. Beyond it, the counters that would
	// be idle soonest are dropped, so a flood of new names does not reset those in use. A counter that replaces one
	// still in use starts from its value: a flood makes logins wait but allows no additional guesses. The default is
	// 100,000.
	Size int
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Complete returns the options with defaults for zero fields, or a usher.ConfigError for each mistake, joined.
// Implementations of Throttle call it.
func (o *ThrottleOptions) Complete() (ThrottleOptions, error) {
	var opts ThrottleOptions
	if o != nil {
		opts = *o
	}
	var mistakes []error
	bad := func(wrong bool, field, reason string, args ...any) {
		if wrong {
			mistakes = append(mistakes, &usher.ConfigError{Field: "ThrottleOptions." + field, Reason: fmt.Sprintf(reason, args...)})
		}
	}
	for _, l := range opts.defaults() {
		if *l.limit == (Limit{}) {
			*l.limit = l.value
		}
		bad(!l.limit.valid(), l.field, "must have a Burst of 1 to 1,000,000, an Every of a millisecond to a day, and fill again within 10 years")
	}
	if opts.Known == 0 {
		opts.Known = 90 * 24 * time.Hour
	}
	bad(opts.Known < time.Second || opts.Known > decade, "Known", "must be a second to 10 years, and is %s", opts.Known)
	if opts.Size == 0 {
		opts.Size = 100_000
	}
	bad(opts.Size < 4, "Size", "must be 4 or more: an attempt has up to four counters")
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return opts, errors.Join(mistakes...)
}

type defaultLimit struct {
	field string
	limit *Limit
	value Limit
}

func (o *ThrottleOptions) defaults() []defaultLimit {
	return []defaultLimit{
		{"PerAddress", &o.PerAddress, Limit{Burst: 5, Every: 30 * time.Second}},
		{"PerAccount", &o.PerAccount, Limit{Burst: 30, Every: 15 * time.Second}},
		{"PerClient", &o.PerClient, Limit{Burst: 100, Every: time.Second}},
		{"Step", &o.Step, Limit{Burst: 5, Every: 10 * time.Minute}},
		{"PerMail", &o.PerMail, Limit{Burst: 3, Every: time.Hour}},
		{"Signup", &o.Signup, Limit{Burst: 20, Every: time.Minute}},
	}
}

const decade = 10 * 365 * 24 * time.Hour

func (l Limit) valid() bool {
	return l.Burst >= 1 && l.Burst <= 1_000_000 && l.Every >= time.Millisecond && l.Every <= 24*time.Hour &&
		time.Duration(l.Burst) <= decade/l.Every
}

// KindLimits are the limits of one kind of attempts. A zero Limit means no limit.
//
// Reserve takes an attempt from Account, Pair and Client, and Settle gives it back unless the outcome is Counted.
// Reserve takes one from InFlight, and Settle always gives it back. Reserve only checks Failures; Settle takes an
// attempt from it if the outcome is Counted, even if later attempts then wait for longer than Every. Limits per account
// do not apply to an Attempt without Account.
type KindLimits struct {
	Account  Limit // for all clients of the account
	Pair     Limit // for the account and the client
	Client   Limit // for all accounts of the client
	InFlight Limit // for the client's undecided attempts
	Failures Limit // for the client's wrong attempts
	// Allowance replaces the other limits for a client that is known to the account for this kind.
	Allowance Limit
	// Knows is the kind for which the client becomes known after the outcome Right. If empty, it does not become known.
	Knows string
}

const (
	inFlightFactor = 5           // undecided attempts, as a multiple of PerClient.Burst
	inFlightTime   = time.Minute // the time after which unsettled attempts no longer count
)

// Limits returns the limits of a kind of attempts, or an error for an unknown kind. Implementations of Throttle call
// it, on options that Complete has returned.
func (o ThrottleOptions) Limits(kind string) (KindLimits, error) {
	inFlight := inFlightFactor * o.PerClient.Burst
	limits := KindLimits{
		InFlight: Limit{Burst: inFlight, Every: max(inFlightTime/time.Duration(inFlight), time.Microsecond)},
		Failures: o.PerClient,
	}
	switch kind {
	case KindLogin:
		limits.Account, limits.Pair = o.PerAccount, o.PerAddress
		limits.Allowance, limits.Knows = o.PerAddress, KindLogin
	case KindStep:
		limits.Account = o.Step
		limits.Allowance, limits.Knows = o.Step, KindStep
	case KindMail:
		limits.Account = o.PerMail
	case KindReset:
		limits.Knows = KindLogin
	case KindSignup:
		return KindLimits{Client: o.Signup}, nil
	default:
		return KindLimits{}, fmt.Errorf("session: unknown kind of attempt %q", kind)
	}
	return limits, nil
}

// Limits use the generic cell rate algorithm. The value of a counter is the time at which it will be idle. Each attempt
// adds Every to this time. An attempt is permitted if the time is less than Burst times Every in the future.

// wait returns how long an attempt must wait. If it is 0 or negative, the attempt is permitted.
func (l Limit) wait(idleAt, now time.Time) time.Duration {
	if idleAt.Before(now) {
		return 0 // the counter does not exist
	}
	return idleAt.Sub(now) - time.Duration(l.Burst-1)*l.Every
}

// after returns when a counter will be idle if an attempt is made at now.
func (l Limit) after(idleAt, now time.Time) time.Time {
	if idleAt.Before(now) {
		idleAt = now
	}
	return idleAt.Add(l.Every)
}
