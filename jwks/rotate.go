package jwks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// Rotate adds next to the ring, so that it is published and verifies, waits, and then lets it sign. Tokens of
// the old key still verify until KeyRing.Retire, which comes when the last of them has expired.
//
// Verifiers have the next key once the set that they know has aged: wait is at least HandlerOptions.MaxAge, and
// twice that if caches stand in between. If ctx ends first, the error is ctx's; next then stays in the ring, and
// Rotate with the same key waits anew. A key that can't sign, one whose ID is another key's, and a wait of less
// than a second are a [usher.ConfigError], and change nothing.
func Rotate(ctx context.Context, ring *usher.KeyRing, next usher.Key, wait time.Duration) error {
	if ring == nil {
		return configError("ring", "is nil")
	}
	var problems []error
	if wait < time.Second {
		problems = append(problems, configErrorf("wait", "is %v, but verifiers need time to fetch the key: the handler's MaxAge, which is at least 1s; is its unit missing, as in 15*time.Minute?", wait))
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
