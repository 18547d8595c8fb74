package session

import (
	"context"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// pruneTimeout limits a call of Prune. Most stores delete in short steps with their own time limits; this one is for
// others.
const pruneTimeout = time.Hour

// Prune removes expired sessions from the store and returns their number. Stores also remove some expired sessions in
// other calls, but in memory and in databases those of users who never return remain until Prune. It returns
// usher.ErrUnavailable if the store does not respond.
func (m *Manager[C]) Prune(ctx context.Context) (int, error) {
	if err := m.usable(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	n, err := m.store.Prune(ctx, m.now())
	if err != nil {
		return n, unavailable(err)
	}
	return n, nil
}

// PruneEvery calls Prune now and after every interval until ctx ends, and then returns the context's error. If Prune
// returns an error, PruneEvery passes it to failed, unless failed is nil, and continues. It returns a usher.ConfigError
// if the interval is shorter than a second.
//
// If the store has a method Verify(context.Context) error, as those in databases and Redis do, PruneEvery calls it
// first and passes its errors to failed too. It reports, for example, a wrong clock or a server whose configuration
// loses sessions.
func (m *Manager[C]) PruneEvery(ctx context.Context, interval time.Duration, failed func(error)) error {
	if err := m.usable(); err != nil {
		return err
	}
	if interval < time.Second {
		return &usher.ConfigError{
			Field:  "PruneEvery interval",
			Reason: fmt.Sprintf("is %s, but must be a second or more; durations have a unit, as in 10*time.Minute", interval),
		}
	}
	report := func(err error) {
		if err != nil && ctx.Err() == nil && failed != nil {
			failed(err)
		}
	}
	for ctx.Err() == nil {
		report(m.verifyStore(ctx))
		_, err := m.Prune(ctx)
		report(err)
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
	return ctx.Err()
}

func (m *Manager[C]) verifyStore(ctx context.Context) error {
	v, ok := m.store.(interface {
		Verify(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, detachedTimeout)
	defer cancel()
	return v.Verify(ctx)
}
