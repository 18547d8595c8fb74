package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// maxAttempts limits how often a step is run that the database rolls back each time.
	maxAttempts = 20
	// The pause before another attempt is random, and its upper limit doubles from firstPause to longestPause: those
	// who collided must not collide again.
	firstPause   = 2 * time.Millisecond
	longestPause = 32 * time.Millisecond
)

// retrying runs do again while the database rolls it back to resolve a conflict. The database then says so, and has
// applied nothing. InnoDB also does this to single statements, if several wait for a row that another one deletes.
func retrying(ctx context.Context, do func() error) error {
	err := do()
	pause := firstPause
	for range maxAttempts - 1 {
		if !rolledBack(err) || ctx.Err() != nil {
			return err
		}
		if waitErr := wait(ctx, rand.N(pause)); waitErr != nil { //nolint:gosec // it spreads attempts, and guards nothing
			return errors.Join(waitErr, err)
		}
		pause = min(2*pause, longestPause)
		err = do()
	}
	return err
}

// wait returns nil after the pause, or the context's error if that ends first.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rolledBack recognizes serialization failures and deadlocks. The drivers of PostgreSQL have a method for the SQLSTATE,
// and that of MySQL puts it into the text.
func rolledBack(err error) bool {
	if err == nil {
		return false
	}
	if state, ok := sqlState(err); ok {
		return state == "40001" || state == "40P01"
	}
	return strings.Contains(err.Error(), "(40001)")
}

func sqlState(err error) (string, bool) {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState(), true
	}
	return "", false
}
