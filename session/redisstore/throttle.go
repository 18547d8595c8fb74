package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher/session"
)

// Throttle is a session.Throttle in Redis, for services of several processes. It is safe for concurrent use.
type Throttle struct {
	caller
	prefix string
	limits session.ThrottleOptions
}

var _ session.Throttle = (*Throttle)(nil)

// NewThrottle returns a Throttle over client, which stays the caller's to close. If arguments are wrong, it returns
// every mistake as a usher.ConfigError; New says what the client must be like. limits may be nil. Their Size is
// ignored, because Redis removes idle counters.
func NewThrottle(client redis.UniversalClient, opts *Options, limits *session.ThrottleOptions) (*Throttle, error) {
	o, err := configure(client, opts)
	complete, limitsErr := limits.Complete()
	if err := errors.Join(err, limitsErr); err != nil {
		return nil, err
	}
	return &Throttle{caller: newCaller(client), prefix: o.Prefix, limits: complete}, nil
}

// Reserve implements [session.Throttle].
func (t *Throttle) Reserve(ctx context.Context, account, address string) (time.Duration, error) {
	wait, err := call(ctx, &t.caller, func(ctx context.Context) (int64, error) {
		return reserveScript.Run(ctx, t.client, t.keys(account, address), t.limits.Now().UnixMicro(),
			t.limits.PerAddress.Burst, t.limits.PerAddress.Every.Microseconds(),
			t.limits.PerAccount.Burst, t.limits.PerAccount.Every.Microseconds()).Int64()
	})
	return time.Duration(wait) * time.Microsecond, err
}

// Refund implements [session.Throttle].
func (t *Throttle) Refund(ctx context.Context, account, address string) error {
	_, err := call(ctx, &t.caller, func(ctx context.Context) (any, error) {
		return refundScript.Run(ctx, t.client, t.keys(account, address),
			t.limits.PerAddress.Every.Microseconds(), t.limits.PerAccount.Every.Microseconds()).Result()
	})
	return err
}

// keys returns the names of the two counters. Clients choose accounts, so the names have a fixed size. Both counters of
// an account are in one cluster slot.
func (t *Throttle) keys(account, address string) []string {
	key := t.prefix + "throttle:{" + digest(account) + "}"
	return []string{key + digest(address), key}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
