package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// maxAttempts is the maximum number of attempts of an operation that the database rolls back.
	maxAttempts = 20
	// The pause before another attempt is random, so that operations do not conflict again. Its upper limit doubles from
	// firstPause to longestPause.
	firstPause   = 2 * time.Millisecond
	longestPause = 32 * time.Millisecond
)

// retry runs do, and runs it again if the database rolls it back to resolve a conflict. Nothing has then been applied.
// InnoDB also rolls back single statements, if several wait for a row that another one deletes.
func retry(ctx context.Context, do func() error) error {
	err := do()
	pause := firstPause
	for range maxAttempts - 1 {
		if !rolledBack(err) || ctx.Err() != nil {
			return err
		}
		if waitErr := wait(ctx, rand.N(pause)); waitErr != nil { //nolint:gosec // not for security
			return errors.Join(waitErr, err)
		}
		pause = min(2*pause, longestPause)
		err = do()
	}
	return err
}

// wait returns nil after the pause, or the context's error if the context ends first.
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

// rolledBack reports whether err is a serialization failure or a deadlock. Errors of PostgreSQL drivers have a method
// for the SQLSTATE; the MySQL driver writes it into the text.
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
