package session

import (
	"context"
	"time"

	"github.com/go-usher/usher"
)

// Prune removes from the store what has expired, and returns how many sessions that were. Stores also forget
// lazily; memory and databases want Prune now and then for subjects who never come back.
func (m *Manager[C]) Prune(ctx context.Context) (int, error) {
	n, err := m.store.Prune(ctx, m.now())
	if err != nil {
		return n, unavailable(err)
	}
	return n, nil
}

// PruneEvery runs Prune now and at every interval until ctx ends, and returns the context's error. failed, if not
// nil, is told of each Prune that didn't work; the next one is tried all the same. An interval that is not
// above zero is a usher.ConfigError.
func (m *Manager[C]) PruneEvery(ctx context.Context, interval time.Duration, failed func(error)) error {
	if interval <= 0 {
		return &usher.ConfigError{Field: "PruneEvery interval", Reason: "must be above zero"}
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
