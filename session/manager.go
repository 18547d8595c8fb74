package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// Manager starts, refreshes, checks and ends sessions. It is safe for concurrent use.
type Manager[C any] struct {
	encoder       *usher.Encoder[C]
	store         Store
	claims        func(ctx context.Context, subject string) (C, error)
	keys          []secretKeys // the first one seals, all open
	idleTTL       time.Duration
	maxAge        time.Duration
	grace         time.Duration
	maxPerSubject int
	recent        *recentChecks // nil without Staleness
	onEvent       func(ctx context.Context, e Event)
	clock         func() time.Time
}

// NewManager returns a Manager, or the joined [usher.ConfigError] values of all mistakes in cfg.
func NewManager[C any, P usher.EmbedsClaims[C]](cfg Config[C]) (*Manager[C], error) {
	if err := errors.Join(cfg.check(), ownClaims[C]()); err != nil {
		return nil, err
	}
	m := &Manager[C]{
		encoder:       cfg.Encoder,
		store:         cfg.Store,
		claims:        cfg.Claims,
		idleTTL:       cmp.Or(cfg.IdleTTL, defaultIdleTTL),
		maxAge:        cmp.Or(cfg.MaxAge, defaultMaxAge),
		grace:         max(cmp.Or(cfg.Grace, defaultGrace), 0),
		maxPerSubject: cfg.MaxPerSubject,
		onEvent:       cfg.OnEvent,
		clock:         cfg.Now,
	}
	if m.clock == nil {
		m.clock = time.Now
	}
	if cfg.Staleness > 0 {
		m.recent = newRecentChecks(cfg.Staleness)
	}
	for _, secret := range append([][]byte{cfg.Secret}, cfg.OldSecrets...) {
		keys, err := deriveKeys(secret)
		if err != nil {
			return nil, fmt.Errorf("session: deriving keys: %w", err)
		}
		m.keys = append(m.keys, keys)
	}
	return m, nil
}

// Start begins a session for a subject who has just authenticated, and returns its first tokens.
//
// ErrSessionEnded: the subject's sessions were all ended at or after about.AuthTime, so this authentication no
// longer counts, or it is older than MaxAge. usher.ErrUnavailable: the store can't answer; no session is left
// behind that could be used. Errors of the claims callback and of the encoder are returned as they are.
func (m *Manager[C]) Start(ctx context.Context, subject string, about About) (Tokens, error) {
	return m.start(ctx, subject, about, release)
}

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

// A checkpoint may refuse the tokens that are about to be issued, while nothing is spent yet.
type checkpoint func(Tokens) error

func release(Tokens) error { return nil }

func (m *Manager[C]) start(ctx context.Context, subject string, about About, fit checkpoint) (Tokens, error) {
	if !isSubject(subject) {
		return Tokens{}, errSubject
	}
	now := m.now()
	authTime := about.AuthTime.UTC().Truncate(time.Microsecond)
	if about.AuthTime.IsZero() || authTime.After(now) {
		authTime = now
	}
	if !authTime.After(now.Add(-m.maxAge)) {
		return Tokens{}, fmt.Errorf("%w: the authentication is older than %s", ErrSessionEnded, m.maxAge)
	}
	token := newRefreshToken(subject, authTime)
	tokens, err := m.issue(ctx, token, token.sessionID())
	if err != nil {
		return Tokens{}, err
	}
	tokens.RefreshToken = m.keys[0].seal(token)
	if err := fit(tokens); err != nil {
		return Tokens{}, err
	}
	record := Record{
		Session: Session{
			ID:         tokens.SessionID,
			Subject:    subject,
			UserAgent:  clean(about.UserAgent),
			Address:    clean(about.Address),
			Label:      clean(about.Label),
			AuthTime:   authTime,
			StartedAt:  now,
			LastUsedAt: now,
			ExpiresAt:  now.Add(min(m.idleTTL, m.maxAge)),
		},
		EndsAt: now.Add(m.maxAge),
		Token:  hashToken(tokens.RefreshToken),
	}
	ended, err := m.storeStart(ctx, record)
	if err != nil {
		return Tokens{}, err
	}
	m.recent.forget(subject, ended...)
	m.report(ctx, Event{Kind: EventStarted, Time: now, Subject: subject, SessionID: record.ID})
	m.reportEnded(ctx, now, subject, ended)
	return tokens, nil
}

func (m *Manager[C]) storeStart(ctx context.Context, record Record) (ended []string, err error) {
	err = m.step(ctx, func(ctx context.Context) (err error) {
		ended, err = m.store.Start(ctx, record, m.maxPerSubject, record.StartedAt)
		return err
	})
	if errors.Is(err, usher.ErrUnavailable) {
		// The session may be there, and nobody has its token: it would only confuse the user's list, whether or
		// not the client is still there. Others may have been ended for it.
		_ = m.step(context.WithoutCancel(ctx), func(ctx context.Context) error {
			_, err := m.store.End(ctx, record.Subject, record.ID, record.StartedAt)
			return err
		})
		if m.maxPerSubject > 0 {
			m.recent.forgetSubject(record.Subject)
		}
	}
	return ended, err
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

// issue makes the access token, and all of Tokens but the refresh token.
func (m *Manager[C]) issue(ctx context.Context, token refreshToken, id string) (Tokens, error) {
	tokens, err := issue(ctx, m.encoder, m.claims, token.subject, func(c *usher.Claims) {
		c.SessionID = id
		c.AuthTime = usher.NewNumericDate(time.Unix(token.authTime, 0))
	})
	tokens.SessionID = id
	tokens.RefreshTTL = m.idleTTL
	return tokens, err
}

// now is the manager's clock, as precise as every store keeps it.
func (m *Manager[C]) now() time.Time { return m.clock().UTC().Truncate(time.Microsecond) }
