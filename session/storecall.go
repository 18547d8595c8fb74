package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// detachedTimeout limits operations that continue after their request has been canceled: changes in stores and
// throttles, and event callbacks.
const detachedTimeout = 10 * time.Second

// readTimeout limits reads of the store, which also end with their request.
const readTimeout = 5 * time.Second

// readContext returns a context for a read of the store. A MemoryStore needs no time limit.
func (m *Manager[C]) readContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := m.store.(*MemoryStore); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readTimeout)
}

// completeChange completes a change of the store even if the client disconnects, because the client may present the
// same token again. If the request has already ended, it changes nothing.
func completeChange(ctx context.Context, timeout time.Duration, change func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	ctx, cancel := detach(ctx, timeout)
	defer cancel()
	return wrapFailure(change(ctx))
}

// detach returns a context with the values of ctx that ends after timeout, even if ctx ends earlier.
func detach(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

// wrapFailure returns a store's answers unchanged and wraps its failures in usher.ErrUnavailable.
func wrapFailure(err error) error {
	if err == nil || isAnswer(err) {
		return err
	}
	return unavailable(err)
}

// isAnswer reports whether a store's error is an answer and not a failure.
func isAnswer(err error) bool {
	return errors.Is(err, ErrSessionEnded) || errors.Is(err, ErrReused) || errors.Is(err, ErrRefreshToken)
}

// unavailable wraps a store's failure in usher.ErrUnavailable.
func unavailable(err error) error {
	return fmt.Errorf("%w: session store: %w", usher.ErrUnavailable, err)
}

// isOutage reports whether err is an outage: no decision was made, whatever else err matches.
func isOutage(err error) bool {
	return errors.Is(err, usher.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
