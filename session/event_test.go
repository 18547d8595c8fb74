package session_test

import (
	"context"
	"errors"
	"testing"

	"github.com/go-usher/usher/session"
)

// goneAtReuse cancels the client's context when a token is reused.
type goneAtReuse struct {
	session.Store
	cancel context.CancelFunc
}

func (s *goneAtReuse) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	rotated, err := s.Store.Rotate(ctx, r)
	if errors.Is(err, session.ErrReused) {
		s.cancel()
	}
	return rotated, err
}

func TestReuseIsReportedEvenIfTheClientDisconnects(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "request 7"))
	reported := 0
	w := newWorld(t, &goneAtReuse{session.NewMemoryStore(), cancel}, func(c *session.Config[claims]) {
		c.OnEvent = func(ctx context.Context, e session.Event) {
			if e.Kind != session.EventReused {
				return
			}
			reported++
			if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil || ctx.Value(key{}) != "request 7" {
				t.Errorf("reported with a context of %v, %v, bounded %v; want the request's values, and an end of its own", ctx.Err(), ctx.Value(key{}), bounded)
			}
		}
	})
	first := w.mustStart(t)
	w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace)
	_, err := w.Refresh(ctx, first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
	if reported != 1 || ctx.Err() == nil {
		t.Errorf("reported %d times; want once, to a client that had gone", reported)
	}
}
