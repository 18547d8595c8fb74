package session_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/go-usher/usher/session"
)

func hashOf(token string) session.Hash { return sha256.Sum256([]byte(token)) }

// counting counts the calls of a store.
type counting struct {
	session.Store
	calls int
}

func (s *counting) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	s.calls++
	return s.Store.Start(ctx, r, limit, now)
}

func (s *counting) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	s.calls++
	return s.Store.Rotate(ctx, r)
}

func (s *counting) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	s.calls++
	return s.Store.Lookup(ctx, subject, id, now)
}

func (s *counting) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	s.calls++
	return s.Store.End(ctx, subject, id, now)
}

var errStore = errors.New("connection reset by peer")

// failing is a store that fails one call, or all calls from one on, before or after the step is applied.
type failing struct {
	session.Store
	failAt  int // number of the call that fails, from 1
	andOn   bool
	applied bool

	mu    sync.Mutex
	calls int
}

// step calls do unless this call fails before it is applied.
func (s *failing) step(do func() error) error {
	s.mu.Lock()
	s.calls++
	fail := s.calls == s.failAt || s.andOn && s.calls > s.failAt && s.failAt > 0
	s.mu.Unlock()
	if fail && !s.applied {
		return errStore
	}
	err := do()
	if fail {
		return errStore
	}
	return err
}

func (s *failing) Start(ctx context.Context, r session.Record, limit int, now time.Time) (ended []string, err error) {
	err = s.step(func() (err error) { ended, err = s.Store.Start(ctx, r, limit, now); return err })
	return ended, err
}

func (s *failing) Rotate(ctx context.Context, r session.Rotation) (rotated session.Rotated, err error) {
	err = s.step(func() (err error) { rotated, err = s.Store.Rotate(ctx, r); return err })
	return rotated, err
}

func (s *failing) Lookup(ctx context.Context, subject, id string, now time.Time) (found session.Session, err error) {
	err = s.step(func() (err error) { found, err = s.Store.Lookup(ctx, subject, id, now); return err })
	return found, err
}

func (s *failing) List(ctx context.Context, subject string, now time.Time) (list []session.Session, err error) {
	err = s.step(func() (err error) { list, err = s.Store.List(ctx, subject, now); return err })
	return list, err
}

func (s *failing) End(ctx context.Context, subject, id string, now time.Time) (ended bool, err error) {
	err = s.step(func() (err error) { ended, err = s.Store.End(ctx, subject, id, now); return err })
	return ended, err
}

func (s *failing) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) (ended []string, err error) {
	err = s.step(func() (err error) { ended, err = s.Store.EndAll(ctx, subject, keep, now, forget); return err })
	return ended, err
}

func (s *failing) Prune(ctx context.Context, now time.Time) (n int, err error) {
	err = s.step(func() (err error) { n, err = s.Store.Prune(ctx, now); return err })
	return n, err
}
