package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher/session"
)

// Throttle is a session.Throttle in Redis, for services of several processes. It is safe for concurrent use.
//
// In Redis Cluster, the counters of a client and those of an account are on different nodes. Reserve takes from the
// account first, and gives this back if the client has no attempt left.
type Throttle struct {
	caller
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
	return &Throttle{caller: newCaller(client), prefix: o.Prefix, opts: complete}, nil
}

// Reserve implements [session.Throttle].
func (t *Throttle) Reserve(ctx context.Context, a session.Attempt) (session.Taken, time.Duration, error) {
	limits, err := t.opts.Limits(a.Kind)
	if err != nil {
		return "", 0, err
	}
	n := note{kind: a.Kind, client: digest(a.Client)}
	if a.Account != "" {
		n.account = digest(a.Account)
		if wait, err := t.reserveAccount(ctx, &n, limits); err != nil || wait > 0 {
			return "", wait, err
		}
	}
	if !n.known {
		wait, err := t.reserve(ctx, t.clientCounters(n, limits))
		if err != nil || wait > 0 {
			return "", wait, errors.Join(err, t.giveBack(ctx, n, limits))
		}
	}
	return n.encode(), 0, nil
}

// giveBackTimeout is the time limit for giving back an attempt of the account that the client's counters refused.
const giveBackTimeout = 5 * time.Second

func (t *Throttle) giveBack(ctx context.Context, n note, limits session.KindLimits) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	return t.settle(ctx, t.accountCounters(n, limits), session.Undecided)
}

// Settle implements [session.Throttle]. It returns an error if taken was not returned by Reserve.
func (t *Throttle) Settle(ctx context.Context, taken session.Taken, o session.Outcome) error {
	n, ok := decodeNote(taken)
	limits, err := t.opts.Limits(n.kind)
	if !ok || err != nil {
		return errors.New("redisstore: Settle was called with a value that Reserve did not return")
	}
	err = t.settle(ctx, t.accountCounters(n, limits), o)
	if !n.known {
		err = errors.Join(err, t.settle(ctx, t.clientCounters(n, limits), o))
	}
	if o == session.Right && limits.Knows != "" && n.account != "" {
		n.kind = limits.Knows
		forget := t.opts.Now().Add(t.opts.Known).UnixMicro()
		_, setErr := call(ctx, &t.caller, func(ctx context.Context) (string, error) {
			return t.client.Set(ctx, t.knownKey(n), forget, t.opts.Known).Result()
		})
		err = errors.Join(err, setErr)
	}
	return err
}

// counter is a key with its limit.
type counter struct {
	key    string
	limit  session.Limit
	take   bool // Reserve takes from it; otherwise Settle does
	always bool // Settle gives back whatever the outcome
}

// accountCounters returns the counters of the account, which share a cluster slot.
func (t *Throttle) accountCounters(n note, limits session.KindLimits) []counter {
	if n.account == "" {
		return nil
	}
	if n.known {
		return []counter{{key: t.accountKey(n, ":known:", n.client), limit: limits.Allowance, take: true}}
	}
	return present(
		counter{key: t.accountKey(n, ""), limit: limits.Account, take: true},
		counter{key: t.accountKey(n, ":", n.client), limit: limits.Pair, take: true},
	)
}

// clientCounters returns the counters of the client, which share a cluster slot.
func (t *Throttle) clientCounters(n note, limits session.KindLimits) []counter {
	key := t.prefix + "throttle:client:{" + n.client + "}" + n.kind
	return present(
		counter{key: key, limit: limits.Client, take: true},
		counter{key: key + ":inflight", limit: limits.InFlight, take: true, always: true},
		counter{key: key + ":failures", limit: limits.Failures},
	)
}

func present(counters ...counter) []counter {
	var list []counter
	for _, c := range counters {
		if c.limit != (session.Limit{}) {
			list = append(list, c)
		}
	}
	return list
}

// accountKey returns the name of a counter of the account. It contains a digest of fixed size, because clients choose
// account names.
func (t *Throttle) accountKey(n note, suffix ...string) string {
	return t.prefix + "throttle:{" + n.account + "}" + n.kind + strings.Join(suffix, "")
}

// knownKey returns the name of the key that exists while the client is known to the account.
func (t *Throttle) knownKey(n note) string { return t.accountKey(n, ":knows:", n.client) }

// reserveAccount takes from the account's counters, or from the client's allowance if the client is known to the
// account. It sets n.known.
func (t *Throttle) reserveAccount(ctx context.Context, n *note, limits session.KindLimits) (time.Duration, error) {
	counters := t.accountCounters(*n, limits)
	if limits.Allowance == (session.Limit{}) {
		return t.reserve(ctx, counters)
	}
	known := *n
	known.known = true
	keys := []string{t.knownKey(*n)}
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range append(t.accountCounters(known, limits), counters...) {
		keys = append(keys, c.key)
		args = append(args, c.limit.Burst, c.limit.Every.Microseconds(), 1)
	}
	wait, err := call(ctx, &t.caller, func(ctx context.Context) (int64, error) {
		return reserveAccountScript.Run(ctx, t.client, keys, args...).Int64()
	})
	n.known = err == nil && wait < 0
	return max(time.Duration(wait)*time.Microsecond, 0), err
}

// reserve takes one attempt from all counters. If one of them has none left, it takes from none and returns how long to
// wait.
func (t *Throttle) reserve(ctx context.Context, counters []counter) (time.Duration, error) {
	if len(counters) == 0 {
		return 0, nil
	}
	var keys []string
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range counters {
		keys = append(keys, c.key)
		args = append(args, c.limit.Burst, c.limit.Every.Microseconds(), flag(c.take))
	}
	wait, err := call(ctx, &t.caller, func(ctx context.Context) (int64, error) {
		return reserveScript.Run(ctx, t.client, keys, args...).Int64()
	})
	return time.Duration(wait) * time.Microsecond, err
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settle updates the counters that depend on the outcome. It gives back to those that Reserve took from, and takes from
// the others.
func (t *Throttle) settle(ctx context.Context, counters []counter, o session.Outcome) error {
	var keys []string
	args := []any{t.opts.Now().UnixMicro()}
	for _, c := range counters {
		every := c.limit.Every.Microseconds()
		switch {
		case c.always, c.take && o != session.Counted:
			keys, args = append(keys, c.key), append(args, -every)
		case !c.take && o == session.Counted:
			keys, args = append(keys, c.key), append(args, every)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	_, err := call(ctx, &t.caller, func(ctx context.Context) (any, error) {
		return settleScript.Run(ctx, t.client, keys, args...).Result()
	})
	return err
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// note is the content of a session.Taken.
type note struct {
	kind            string
	account, client string // digests; no account is empty
	known           bool   // the account knows the client
}

func (n note) encode() session.Taken {
	known := "-"
	if n.known {
		known = "k"
	}
	return session.Taken(strings.Join([]string{known, n.account, n.client, n.kind}, ":"))
}

func decodeNote(t session.Taken) (n note, ok bool) {
	parts := strings.Split(string(t), ":")
	if len(parts) != 4 {
		return note{}, false
	}
	size := len(digest(""))
	ok = (parts[0] == "-" || parts[0] == "k") && (parts[1] == "" || len(parts[1]) == size) && len(parts[2]) == size
	return note{kind: parts[3], account: parts[1], client: parts[2], known: parts[0] == "k"}, ok
}
