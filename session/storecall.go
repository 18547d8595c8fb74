package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// stepTimeout bounds what no longer depends on its request: store steps, refunds, and the telling of events.
const stepTimeout = 10 * time.Second

// step runs a store step that starts, rotates or ends to its end, even if the client goes away meanwhile: it may come
// back with the token that this step spends. A request that is over already starts nothing.
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

// answer tells a store's answers from its failures.
func answer(err error) error {
	if err == nil || isAnswer(err) {
		return err
	}
	return unavailable(err)
}

// isAnswer reports whether a store's error is its answer, and no failure.
func isAnswer(err error) bool {
	return errors.Is(err, ErrSessionEnded) || errors.Is(err, ErrReused) || errors.Is(err, ErrRefreshToken)
}

// unavailable reports a store's failure as what it means for the request.
func unavailable(err error) error {
	return fmt.Errorf("%w: session store: %w", usher.ErrUnavailable, err)
}

// outOfReach reports that nothing has been decided, whatever else the error says.
func outOfReach(err error) bool {
	return errors.Is(err, usher.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
