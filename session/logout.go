package session

import (
	"context"
	"time"
)

// End ends the session of a refresh token: it logs the user out. Any authentic token of the session works, even a spent
// one. If there is no session to end, for example because the token is malformed or forged, End returns nil. It returns
// usher.ErrUnavailable if the store does not respond. The session may then still be alive; try again.
func (m *Manager[C]) End(ctx context.Context, refreshToken string) error {
	if err := m.usable(); err != nil {
		return err
	}
	token, ok := openToken(m.keys, refreshToken)
	if !ok {
		return nil
	}
	_, err := m.end(ctx, token.subject, token.sessionID())
	return err
}

// EndSession ends one session of the subject. It returns ErrSessionEnded if the subject has no live session with this
// ID. It never ends another subject's session. It returns usher.ErrUnavailable if the store does not respond. The
// session may then still be alive; try again.
func (m *Manager[C]) EndSession(ctx context.Context, subject, sessionID string) error {
	if err := m.usable(); err != nil {
		return err
	}
	if !isSubject(subject) || !isSessionID(sessionID) {
		return ErrSessionEnded
	}
	ended, err := m.end(ctx, subject, sessionID)
	if err == nil && !ended {
		return ErrSessionEnded
	}
	return err
}

// EndOthers ends all sessions of the subject except one, for example after a change of password. A login that began
// before the call can no longer start a session. If keepSessionID is not a session of the subject, all sessions are
// ended. EndOthers returns usher.ErrUnavailable if the store does not respond. Sessions may then still be alive; try
// again.
func (m *Manager[C]) EndOthers(ctx context.Context, subject, keepSessionID string) error {
	return m.endAll(ctx, subject, keepSessionID)
}

// EndAll ends all sessions of the subject. A login that began before the call, or in another process in the same
// microsecond, can no longer start a session. EndAll returns usher.ErrUnavailable if the store does not respond.
// Sessions may then still be alive; try again.
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
	if err := m.usable(); err != nil {
		return err
	}
	if !isSubject(subject) {
		return nil
	}
	if !isSessionID(keep) {
		keep = ""
	}
	now := m.now()
	defer m.afterEndAll.Store(now.Add(time.Microsecond).UnixMicro())
	var ended []string
	err := completeChange(ctx, detachedTimeout, func(ctx context.Context) (err error) {
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
	err = completeChange(ctx, detachedTimeout, func(ctx context.Context) (err error) {
		ended, err = m.store.End(ctx, subject, id, now)
		return err
	})
	m.recent.forget(subject, id)
	return ended && err == nil, err
}
