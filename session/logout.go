package session

import (
	"context"
	"time"
)

// End ends the session that a refresh token belongs to: logout. Any authentic token of the session will do, a
// spent one as well. A token that no session is known for, malformed and forged ones included, is no error:
// there is nothing to log out of. usher.ErrUnavailable: the session may live on; try again.
func (m *Manager[C]) End(ctx context.Context, refreshToken string) error {
	token, ok := open(m.keys, refreshToken)
	if !ok {
		return nil
	}
	_, err := m.end(ctx, token.subject, token.sessionID())
	return err
}

// EndSession ends one session of the subject. ErrSessionEnded: the subject has no such session, or not any
// more; somebody else's session is left alone. usher.ErrUnavailable: the session may live on; try again.
func (m *Manager[C]) EndSession(ctx context.Context, subject, sessionID string) error {
	if !isSubject(subject) || !isSessionID(sessionID) {
		return ErrSessionEnded
	}
	ended, err := m.end(ctx, subject, sessionID)
	if err == nil && !ended {
		return ErrSessionEnded
	}
	return err
}

// EndOthers ends all sessions of the subject except one: after a change of password, say. A login that is
// under way, because it began before, won't start a session. If keepSessionID is not a session of the
// subject, none is kept. usher.ErrUnavailable: sessions may live on; try again.
func (m *Manager[C]) EndOthers(ctx context.Context, subject, keepSessionID string) error {
	return m.endAll(ctx, subject, keepSessionID)
}

// EndAll ends all sessions of the subject. A login that is under way, because it began before, won't start a
// session; one that begins in the very instant of EndAll counts as begun before. usher.ErrUnavailable:
// sessions may live on; try again.
func (m *Manager[C]) EndAll(ctx context.Context, subject string) error {
	return m.endAll(ctx, subject, "")
}

func (m *Manager[C]) end(ctx context.Context, subject, id string) (bool, error) {
	now := m.now()
	ended, err := m.storeEnd(ctx, now, subject, id)
	if ended {
		m.reportEnded(ctx, now, subject, []string{id})
	}
	return ended, err
}

func (m *Manager[C]) endAll(ctx context.Context, subject, keep string) error {
	if !isSubject(subject) {
		return nil
	}
	if !isSessionID(keep) {
		keep = ""
	}
	now := m.now()
	var ended []string
	err := m.step(ctx, func(ctx context.Context) (err error) {
		ended, err = m.store.EndAll(ctx, subject, keep, now, now.Add(m.maxAge))
		return err
	})
	m.recent.forgetSubject(subject)
	if err != nil {
		return err
	}
	m.reportEnded(ctx, now, subject, ended)
	return nil
}

func (m *Manager[C]) storeEnd(ctx context.Context, now time.Time, subject, id string) (ended bool, err error) {
	err = m.step(ctx, func(ctx context.Context) (err error) {
		ended, err = m.store.End(ctx, subject, id, now)
		return err
	})
	m.recent.forget(subject, id)
	return ended && err == nil, err
}
