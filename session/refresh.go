package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// Refresh spends a refresh token and returns new tokens with the subject's current claims.
//
// It returns ErrRefreshToken for a malformed, forged or unknown token. It returns ErrSessionEnded if the session has
// ended; if the user no longer exists, the error is also usher.ErrNoUser. If the token is spent and its grace period is
// over, it ends the session and returns ErrReused. It returns usher.ErrUnavailable if the store does not respond, and
// the errors of the claims callback and of the encoder.
//
// After usher.ErrUnavailable, or an error of the callback or the encoder, the caller may try again with the same token.
// If it was spent nevertheless, its successor is returned within the grace period.
func (m *Manager[C]) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	return m.refresh(ctx, refreshToken, acceptAny)
}

func (m *Manager[C]) refresh(ctx context.Context, text string, check tokensCheck) (Tokens, error) {
	if err := m.usable(); err != nil {
		return Tokens{}, err
	}
	now := m.now()
	token, ok := openToken(m.keys, text)
	if !ok {
		m.report(ctx, Event{Kind: EventRefused, Time: now, Err: ErrRefreshToken})
		return Tokens{}, ErrRefreshToken
	}
	event := Event{Kind: EventRefreshed, Time: now, Subject: token.subject, SessionID: token.sessionID()}
	tokens, err := m.refreshAuthentic(ctx, now, token, text, check, &event)
	if err != nil {
		event.Err = err
		if event.Kind == EventRefreshed {
			event.Kind = EventRefused
		}
		tokens = Tokens{}
	}
	m.report(ctx, event)
	return tokens, err
}

// refreshAuthentic refreshes with an authentic token. It spends the token last, so the caller can try again after an
// error. It sets event.Kind if the outcome is neither a refresh nor a refusal.
func (m *Manager[C]) refreshAuthentic(ctx context.Context, now time.Time, token refreshToken, text string, check tokensCheck, event *Event) (Tokens, error) {
	tokens, err := m.issue(ctx, token)
	if errors.Is(err, usher.ErrNoUser) && !isOutage(err) {
		return Tokens{}, m.endOfDeletedUser(ctx, now, token, err, event)
	}
	if err != nil {
		return Tokens{}, err
	}
	rotation := m.newRotation(token, text, now)
	tokens.RefreshToken = m.keys[0].successorOf(token, text, rotation.Nonce)
	if err := check(tokens); err != nil {
		return Tokens{}, err
	}
	rotation.Successor = hashToken(tokens.RefreshToken)
	stored, err := m.storeRotate(ctx, rotation)
	if err != nil {
		if errors.Is(err, ErrReused) {
			event.Kind = EventReused
		}
		m.recent.forget(token.subject, event.SessionID) // even if the store's answer is lost, because it may be reuse
		return Tokens{}, err
	}
	if stored.Nonce != rotation.Nonce {
		if tokens.RefreshToken, err = m.earlierSuccessor(token, text, stored); err != nil {
			return Tokens{}, err
		}
		event.Kind = EventRetried
	}
	return tokens, nil
}

// endOfDeletedUser ends the session of a user who no longer exists and returns the error of the refresh. err is the
// error of the claims callback.
func (m *Manager[C]) endOfDeletedUser(ctx context.Context, now time.Time, token refreshToken, err error, event *Event) error {
	ended, endErr := m.storeEnd(ctx, now, token.subject, event.SessionID)
	if endErr != nil {
		return endErr
	}
	if ended {
		event.Kind = EventEnded
	}
	return fmt.Errorf("%w: %w", ErrSessionEnded, err)
}

// newRotation returns the rotation of a token that arrived at arrivedAt, without its successor.
//
// A retry is accepted if it arrived within the grace period, however long the claims callback has taken since. The
// store compares Rotation.Grace with the time from the earlier rotation to Rotation.Now. So the time since the arrival
// is added to Rotation.Grace.
func (m *Manager[C]) newRotation(token refreshToken, text string, arrivedAt time.Time) Rotation {
	rotatedAt, grace := m.now(), m.grace
	if grace > 0 {
		grace += max(rotatedAt.Sub(arrivedAt), 0)
	}
	return Rotation{
		SessionID:  token.sessionID(),
		Subject:    token.subject,
		Generation: token.generation,
		Token:      hashToken(text),
		Nonce:      newNonce(),
		Now:        rotatedAt,
		ExpiresAt:  rotatedAt.Add(m.idleTTL),
		Grace:      grace,
	}
}

// earlierSuccessor returns the successor that the first rotation of the token derived, in this process or another.
func (m *Manager[C]) earlierSuccessor(token refreshToken, text string, rotated Rotated) (string, error) {
	for _, k := range m.keys {
		successor := k.successorOf(token, text, rotated.Nonce)
		if hashToken(successor) == rotated.Successor {
			return successor, nil
		}
	}
	return "", fmt.Errorf("%w: session: another process spent the token with a Secret that this process does not have; add it to Config.OldSecrets", usher.ErrUnavailable)
}

func (m *Manager[C]) storeRotate(ctx context.Context, r Rotation) (rotated Rotated, err error) {
	err = completeChange(ctx, rotateTimeout(m.grace), func(ctx context.Context) (err error) {
		rotated, err = m.store.Rotate(ctx, r)
		return err
	})
	return rotated, err
}

// rotateTimeout returns the store's time limit for a rotation. It leaves most of the grace period to the client. If the
// rotation was applied but the answer was lost, the client gets a 503 with a Retry-After of 5 seconds, and its retry
// must still be within the grace period.
func rotateTimeout(grace time.Duration) time.Duration {
	const retryAfter, margin = 5 * time.Second, 500 * time.Millisecond
	switch {
	case grace == 0:
		return detachedTimeout
	case grace < retryAfter+2*margin: // too short for a retry after 5 seconds
		return time.Second
	default:
		return min(grace*3/10, grace-retryAfter-margin, detachedTimeout)
	}
}
