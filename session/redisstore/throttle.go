package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/internal/reservation"
)

// Throttle is a session.Throttle in Redis, for services of several processes. It is safe for concurrent use.
//
// In Redis Cluster, the counters of a client and those of an account are on different nodes. Reserve takes from the
// account first, and gives this back if the client has no attempt left.
type Throttle struct {
	boundedClient
	prefix string
	opts   session.ThrottleOptions
}

var _ session.Throttle = (*Throttle)(nil)

// NewThrottle returns a Throttle that uses client. The caller closes the client; see New for its requirements. limits
// may be nil. Their Size is ignored, because Redis removes idle counters. If arguments are invalid, NewThrottle returns
// a usher.ConfigError for each mistake, joined.
func NewThrottle(client redis.UniversalClient, opts *Options, limits *session.ThrottleOptions) (*Throttle, error) {
	o, err := configure(client, opts)
	complete, limitsErr := limits.Complete()
	if err := errors.Join(err, limitsErr); err != nil {
		return nil, err
	}
	return &Throttle{boundedClient: newBoundedClient(client), prefix: o.Prefix, opts: complete}, nil
}

// Reserve implements [session.Throttle].
func (t *Throttle) Reserve(ctx context.Context, a session.Attempt) (session.Taken, time.Duration, error) {
	limits, err := t.opts.Limits(a.Kind)
	if err != nil {
		return "", 0, err
	}
	r := reservation.New(a.Kind, a.Account, a.Client)
	if r.Account != "" {
		if wait, err := t.reserveAccount(ctx, &r, limits); err != nil || wait > 0 {
			return "", wait, err
		}
	}
	if !r.Known {
		wait, err := t.reserve(ctx, t.clientCounters(r, limits))
		if err != nil || wait > 0 {
			return "", wait, errors.Join(err, t.refundAccount(ctx, r, limits))
		}
	}
	return session.Taken(r.Encode()), 0, nil
}

// refundTimeout is the time limit of refundAccount.
const refundTimeout = 5 * time.Second

// refundAccount gives back the attempt of the account after the client's counters have refused it.
func (t *Throttle) refundAccount(ctx context.Context, r reservation.Reservation, limits session.KindLimits) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refundTimeout)
	defer cancel()
	return t.settle(ctx, t.accountCounters(r, limits), session.Undecided)
}

// Settle implements [session.Throttle]. It returns an error if taken was not returned by Reserve.
func (t *Throttle) Settle(ctx context.Context, taken session.Taken, o session.Outcome) error {
	r, ok := reservation.Decode(string(taken))
	limits, err := t.opts.Limits(r.Kind)
	if !ok || err != nil {
		return errors.New("redisstore: Settle was called with a value that Reserve did not return")
	}
	err = t.settle(ctx, t.accountCounters(r, limits), o)
	if !r.Known {
		err = errors.Join(err, t.settle(ctx, t.clientCounters(r, limits), o))
	}
	if o == session.Right && limits.Knows != "" && r.Account != "" {
		r.Kind = limits.Knows
		err = errors.Join(err, t.setKnown(ctx, r))
	}
	return err
}

// setKnown makes the client known to the account.
func (t *Throttle) setKnown(ctx context.Context, r reservation.Reservation) error {
	until := t.opts.Now().Add(t.opts.Known).UnixMicro()
	_, err := call(ctx, &t.boundedClient, func(ctx context.Context) (string, error) {
		return t.client.Set(ctx, t.knownKey(r), until, t.opts.Known).Result()
	})
	return err
}

// limitedCounter is a counter of an attempt, with its limit.
type limitedCounter struct {
	key          string
	limit        session.Limit
	reserve      bool // Reserve takes from it; otherwise Reserve only checks it, and Settle takes from it
	alwaysRefund bool // Settle gives back, whatever the outcome
}

// accountCounters returns the counters of the account, which share a cluster slot. See [session.KindLimits].
func (t *Throttle) accountCounters(r reservation.Reservation, limits session.KindLimits) []limitedCounter {
	if r.Account == "" {
		return nil
	}
	if r.Known {
		return []limitedCounter{{key: t.accountKey(r, ":known:", r.Client), limit: limits.Allowance, reserve: true}}
	}
	return withLimits(
		limitedCounter{key: t.accountKey(r, ""), limit: limits.Account, reserve: true},
		limitedCounter{key: t.accountKey(r, ":", r.Client), limit: limits.Pair, reserve: true},
	)
}

// clientCounters returns the counters of the client, which share a cluster slot. See [session.KindLimits].
func (t *Throttle) clientCounters(r reservation.Reservation, limits session.KindLimits) []limitedCounter {
	key := t.prefix + "throttle:client:{" + r.Client + "}" + r.Kind
	return withLimits(
		limitedCounter{key: key, limit: limits.Client, reserve: true},
		limitedCounter{key: key + ":inflight", limit: limits.InFlight, reserve: true, alwaysRefund: true},
		limitedCounter{key: key + ":failures", limit: limits.Failures},
	)
}

// withLimits returns the counters whose limit is not zero.
func withLimits(counters ...limitedCounter) []limitedCounter {
	return slices.DeleteFunc(counters, func(c limitedCounter) bool { return c.limit == session.Limit{} })
}

// accountKey returns the name of a counter of the account.
func (t *Throttle) accountKey(r reservation.Reservation, suffix ...string) string {
	return t.prefix + "throttle:{" + r.Account + "}" + r.Kind + strings.Join(suffix, "")
}

// knownKey returns the name of the key that exists while the client is known to the account.
func (t *Throttle) knownKey(r reservation.Reservation) string {
	return t.accountKey(r, ":knows:", r.Client)
}

// reserveAccount takes from the account's counters, or from the client's allowance if the client is known to the
// account. It sets r.Known.
func (t *Throttle) reserveAccount(ctx context.Context, r *reservation.Reservation, limits session.KindLimits) (time.Duration, error) {
	counters := t.accountCounters(*r, limits)
	if limits.Allowance == (session.Limit{}) {
		return t.reserve(ctx, counters)
	}
	ifKnown := *r
	ifKnown.Known = true
	keys := []string{t.knownKey(*r)}
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range append(t.accountCounters(ifKnown, limits), counters...) {
		keys = append(keys, c.key)
		args = append(args, c.limit.Burst, c.limit.Every.Microseconds(), 1)
	}
	wait, err := call(ctx, &t.boundedClient, func(ctx context.Context) (int64, error) {
		return reserveAccountScript.Run(ctx, t.client, keys, args...).Int64()
	})
	r.Known = err == nil && wait < 0
	return max(time.Duration(wait)*time.Microsecond, 0), err
}

// reserve takes one attempt from all counters. If one of them has none left, it takes from none and returns how long to
// wait.
func (t *Throttle) reserve(ctx context.Context, counters []limitedCounter) (time.Duration, error) {
	if len(counters) == 0 {
		return 0, nil
	}
	var keys []string
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range counters {
		take := 0
		if c.reserve {
			take = 1
		}
		keys = append(keys, c.key)
		args = append(args, c.limit.Burst, c.limit.Every.Microseconds(), take)
	}
	wait, err := call(ctx, &t.boundedClient, func(ctx context.Context) (int64, error) {
		return reserveScript.Run(ctx, t.client, keys, args...).Int64()
	})
	return time.Duration(wait) * time.Microsecond, err
}

// settle updates the counters that depend on the outcome. It gives back to those that Reserve took from, and takes from
// the others.
func (t *Throttle) settle(ctx context.Context, counters []limitedCounter, o session.Outcome) error {
	var keys []string
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range counters {
		every := c.limit.Every.Microseconds()
		switch {
		case c.alwaysRefund, c.reserve && o != session.Counted:
			keys, args = append(keys, c.key), append(args, -every)
		case !c.reserve && o == session.Counted:
			keys, args = append(keys, c.key), append(args, every)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	_, err := call(ctx, &t.boundedClient, func(ctx context.Context) (any, error) {
		return settleScript.Run(ctx, t.client, keys, args...).Result()
	})
	return err
}
