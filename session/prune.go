package session

import (
	"context"
	"time"

	"github.com/go-usher/usher"
)

// Prune removes expired sessions from the store and returns their number. Stores also remove sessions lazily, but in
// memory and in databases the sessions of subjects who never return remain until Prune. It returns
// usher.ErrUnavailable if the store does not answer.
func (m *Manager[C]) Prune(ctx context.Context) (int, error) {
	n, err := m.store.Prune(ctx, m.now())
	if err != nil {
		return n, unavailable(err)
	}
	return n, nil
}

// PruneEvery calls Prune now and after every interval until ctx ends, and returns the context's error. It passes the
// errors of Prune to failed, unless failed is nil, and continues. It returns a usher.ConfigError if the interval is
// not positive.
func (m *Manager[C]) PruneEvery(ctx context.Context, interval time.Duration, failed func(error)) error {
	if interval <= 0 {
		return &usher.ConfigError{Field: "PruneEvery interval", Reason: "must be positive"}
	}
	for ctx.Err() == nil {
		if _, err := m.Prune(ctx); err != nil && ctx.Err() == nil && failed != nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
	return ctx.Err()
}
