package jwks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// Rotate adds next to the ring, which publishes it, waits, and then makes it the signing key. Tokens of the old key are
// still accepted until KeyRing.Retire, which you call when the last of them has expired.
//
// wait is the time until all verifiers have fetched the new set: at least HandlerOptions.MaxAge, and twice as long if
// there are caches in between. If ctx ends first, Rotate returns ctx's error and next stays in the ring; another call
// with the same key waits again. Rotate returns a [usher.ConfigError] and changes nothing if next can't sign, if
// another key has its ID, or if wait is less than a second.
func Rotate(ctx context.Context, ring *usher.KeyRing, next usher.Key, wait time.Duration) error {
	if ring == nil {
		return configError("ring", "is nil")
	}
	var problems []error
	if wait < time.Second {
		problems = append(problems, configErrorf("wait", "is %v, but verifiers need time to fetch the key: the handler's MaxAge, which is a second or more; durations have a unit, as in 15*time.Minute", wait))
	}
	if _, err := next.SigningKey(ctx); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if !slices.Contains(ring.Keys(), next) {
		if err := ring.Add(next); err != nil {
			return err
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ring.Rotate(next)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
