package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// stepTimeout limits operations that continue after their request has been canceled: changes in stores and throttles,
// and event callbacks.
const stepTimeout = 10 * time.Second

// readTimeout limits reads of the store, which also end with their request.
const readTimeout = 5 * time.Second

// reading returns a context for a read of the store. A MemoryStore needs no time limit.
func (m *Manager[C]) reading(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := m.store.(*MemoryStore); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readTimeout)
}

// step completes a store operation even if the client disconnects, because the client may present the same token again.
// If the request has already ended, step does nothing.
func (m *Manager[C]) step(ctx context.Context, do func(context.Context) error) error {
	return stepWithin(ctx, stepTimeout, do)
}

func stepWithin(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return answer(do(ctx))
}

// answer returns a store's answers unchanged and wraps its failures in usher.ErrUnavailable.
func answer(err error) error {
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

// outOfReach reports whether err is an outage: no decision was made, whatever else err matches.
func outOfReach(err error) bool {
	return errors.Is(err, usher.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
