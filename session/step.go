package session

import (
	"context"
	"time"
)

// stepTimeout bounds what no longer depends on its request: store steps, refunds, and the telling of events.
const stepTimeout = 10 * time.Second

// rotateTimeout leaves most of the grace to the client: one whose rotation was applied, but not answered, gets a 503 that
// says to come back after 5 seconds, and must then still pass for a retry.
func rotateTimeout(grace time.Duration) time.Duration {
	if grace == 0 {
		return stepTimeout
	}
	return min(max(grace*3/10, time.Second), stepTimeout)
}

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

func (m *Manager[C]) storeRotate(ctx context.Context, r Rotation) (rotated Rotated, err error) {
	err = stepWithin(ctx, rotateTimeout(m.grace), func(ctx context.Context) (err error) {
		rotated, err = m.store.Rotate(ctx, r)
		return err
	})
	return rotated, err
}

func (m *Manager[C]) storeEnd(ctx context.Context, now time.Time, subject, id string) (ended bool, err error) {
	err = m.step(ctx, func(ctx context.Context) (err error) {
		ended, err = m.store.End(ctx, subject, id, now)
		return err
	})
	m.recent.forget(subject, id)
	return ended && err == nil, err
}
