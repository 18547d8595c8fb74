package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// Refresh spends a refresh token and returns new tokens, with claims as they are now.
//
// ErrRefreshToken: malformed, forged or unknown. ErrSessionEnded: the session has ended; also usher.ErrNoUser
// if that is because its user is gone. ErrReused: the token had been spent, and the session has now been
// ended. usher.ErrUnavailable: the store can't answer. Any other error is the claims callback's or the
// encoder's. After those last two the same token can be presented again: if it had been spent, it yields the
// same successor within the grace.
func (m *Manager[C]) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	return m.refresh(ctx, refreshToken, release)
}

func (m *Manager[C]) refresh(ctx context.Context, text string, fit checkpoint) (Tokens, error) {
	now := m.now()
	token, ok := open(m.keys, text)
	if !ok {
		m.report(ctx, Event{Kind: EventRefused, Time: now, Err: ErrRefreshToken})
		return Tokens{}, ErrRefreshToken
	}
	event := Event{Kind: EventRefreshed, Time: now, Subject: token.subject, SessionID: token.sessionID()}
	tokens, err := m.refreshAuthentic(ctx, now, token, text, fit, &event)
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

// refreshAuthentic does what can fail before it spends the token: whoever gets an error can try again. It sets
// event.Kind where the outcome is neither a refresh nor a refusal.
func (m *Manager[C]) refreshAuthentic(ctx context.Context, now time.Time, token refreshToken, text string, fit checkpoint, event *Event) (Tokens, error) {
	tokens, err := m.issue(ctx, token, event.SessionID)
	if errors.Is(err, usher.ErrNoUser) && !outOfReach(err) {
		ended, endErr := m.storeEnd(ctx, now, token.subject, event.SessionID)
		if endErr != nil {
			return Tokens{}, endErr
		}
		if ended {
			event.Kind = EventEnded
		}
		return Tokens{}, fmt.Errorf("%w: %w", ErrSessionEnded, err)
	}
	if err != nil {
		return Tokens{}, err
	}
	// The grace is for answers that get lost, so it begins with the rotation, however long the claims took. Whether
	// the token came within it is a matter of when it came, and not of how long its own claims took.
	rotated := m.now()
	grace := m.grace
	if grace > 0 {
		grace += max(rotated.Sub(now), 0)
	}
	rotation := Rotation{
		SessionID:  event.SessionID,
		Subject:    token.subject,
		Generation: token.generation,
		Token:      hashToken(text),
		Nonce:      newNonce(),
		Now:        rotated,
		ExpiresAt:  rotated.Add(m.idleTTL),
		Grace:      grace,
	}
	tokens.RefreshToken = m.keys[0].successorOf(token, text, rotation.Nonce)
	if err := fit(tokens); err != nil {
		return Tokens{}, err
	}
	rotation.Successor = hashToken(tokens.RefreshToken)
	stored, err := m.storeRotate(ctx, rotation)
	if err != nil {
		if errors.Is(err, ErrReused) {
			event.Kind = EventReused
		}
		m.recent.forget(token.subject, event.SessionID) // also where the store's answer is lost: it may have been reuse
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

// earlierSuccessor derives what the rotation derived that spent the token first, in this process or another.
func (m *Manager[C]) earlierSuccessor(token refreshToken, text string, rotated Rotated) (string, error) {
	for _, k := range m.keys {
		successor := k.successorOf(token, text, rotated.Nonce)
		if hashToken(successor) == rotated.Successor {
			return successor, nil
		}
	}
	return "", fmt.Errorf("%w: session: the token was spent by a process whose Secret this one doesn't know", usher.ErrUnavailable)
}

func (m *Manager[C]) storeRotate(ctx context.Context, r Rotation) (rotated Rotated, err error) {
	err = stepWithin(ctx, rotateTimeout(m.grace), func(ctx context.Context) (err error) {
		rotated, err = m.store.Rotate(ctx, r)
		return err
	})
	return rotated, err
}

// rotateTimeout leaves most of the grace to the client: one whose rotation was applied, but not answered, gets a 503 that
// says to come back after 5 seconds, and must then still pass for a retry.
func rotateTimeout(grace time.Duration) time.Duration {
	if grace == 0 {
		return stepTimeout
	}
	return min(max(grace*3/10, time.Second), stepTimeout)
}
