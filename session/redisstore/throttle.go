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
	client redis.UniversalClient
	prefix string
	limits session.ThrottleOptions
}

var _ session.Throttle = (*Throttle)(nil)

// NewThrottle returns a Throttle over client, which stays the caller's to close, or all mistakes as
// usher.ConfigError. limits may be nil; their Size doesn't matter, for Redis forgets idle counters.
func NewThrottle(client redis.UniversalClient, opts *Options, limits *session.ThrottleOptions) (*Throttle, error) {
	prefix, err := configure(client, opts)
	complete, limitsErr := limits.Complete()
	if err := errors.Join(err, limitsErr); err != nil {
		return nil, err
	}
	return &Throttle{client: client, prefix: prefix, limits: complete}, nil
}

// Reserve implements [session.Throttle].
func (t *Throttle) Reserve(ctx context.Context, account, address string) (time.Duration, error) {
	wait, err := reserveScript.Run(ctx, t.client, t.keys(account, address), t.limits.Now().UnixMicro(),
		t.limits.PerAddress.Burst, t.limits.PerAddress.Every.Microseconds(),
		t.limits.PerAccount.Burst, t.limits.PerAccount.Every.Microseconds()).Int64()
	return time.Duration(wait) * time.Microsecond, err
}

// Refund implements [session.Throttle].
func (t *Throttle) Refund(ctx context.Context, account, address string) error {
	return refundScript.Run(ctx, t.client, t.keys(account, address),
		t.limits.PerAddress.Every.Microseconds(), t.limits.PerAccount.Every.Microseconds()).Err()
}

// keys names the two counters. Clients choose accounts, so names have one size; and both counters of an account
// live in one cluster slot.
func (t *Throttle) keys(account, address string) []string {
	key := t.prefix + "throttle:{" + digest(account) + "}"
	return []string{key + digest(address), key}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
