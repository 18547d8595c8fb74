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

// A checkpoint may refuse the tokens that are about to be issued, while nothing is spent yet.
type checkpoint func(Tokens) error

func release(Tokens) error { return nil }

// List returns the live sessions of the subject, those started first to begin with. usher.ErrUnavailable: the
// store can't answer.
func (m *Manager[C]) List(ctx context.Context, subject string) ([]Session, error) {
	if !isSubject(subject) {
		return nil, nil
	}
	sessions, err := m.store.List(ctx, subject, m.now())
	if err != nil {
		return nil, unavailable(err)
	}
	return sessions, nil
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
