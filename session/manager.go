package session

import (
	"cmp"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
)

// Manager starts, refreshes, checks and ends sessions. It is safe for concurrent use.
type Manager[C any] struct {
	encoder       *usher.Encoder[C]
	store         Store
	claims        func(ctx context.Context, g Grant) (C, error)
	keys          []secretKeys // the first one signs refresh tokens, all verify them
	idleTTL       time.Duration
	maxAge        time.Duration
	grace         time.Duration
	maxPerSubject int
	recent        *recentChecks // nil if Staleness is 0
	onEvent       func(ctx context.Context, e Event)
	sealers       []cipher.AEAD // for login tickets; the first one encrypts, all decrypt
	clock         func() time.Time
	afterEndAll   atomic.Int64 // see now
}

// NewManager returns a Manager. If cfg is invalid, it returns a [usher.ConfigError] for each mistake, joined.
func NewManager[C any, P usher.EmbedsClaims[C]](cfg Config[C]) (*Manager[C], error) {
	if err := errors.Join(cfg.check(), checkClaimsType[C]()); err != nil {
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
		sealer, err := newTicketSealer(secret)
		if err != nil {
			return nil, fmt.Errorf("session: deriving keys: %w", err)
		}
		m.keys, m.sealers = append(m.keys, keys), append(m.sealers, sealer)
	}
	return m, nil
}

// usable returns an error if m was not made by NewManager.
func (m *Manager[C]) usable() error {
	if m == nil || m.store == nil {
		return &usher.ConfigError{Field: "Manager", Reason: "was not made by NewManager"}
	}
	return nil
}

// tokensCheck may refuse new tokens before a session is started or a refresh token is spent.
type tokensCheck func(Tokens) error

func acceptAny(Tokens) error { return nil }

// List returns the live sessions of the subject, oldest first. It returns usher.ErrUnavailable if the store does not
// respond.
func (m *Manager[C]) List(ctx context.Context, subject string) ([]Session, error) {
	if err := m.usable(); err != nil {
		return nil, err
	}
	if !isSubject(subject) {
		return nil, nil
	}
	ctx, cancel := m.readContext(ctx)
	defer cancel()
	sessions, err := m.store.List(ctx, subject, m.now())
	if err != nil {
		return nil, unavailable(err)
	}
	return sessions, nil
}

// issue returns Tokens without the refresh token.
func (m *Manager[C]) issue(ctx context.Context, token refreshToken) (Tokens, error) {
	tokens, err := issue(ctx, m.encoder, m.claims, Grant{
		Subject:   token.subject,
		SessionID: token.sessionID(),
		Data:      token.data,
		AuthTime:  time.Unix(token.authTime, 0).UTC(),
	})
	tokens.RefreshTTL = m.idleTTL
	tokens.untilBrowserCloses = token.flags&flagUntilBrowserCloses != 0
	return tokens, err
}

func (m *Manager[C]) ticketSealers() []cipher.AEAD { return m.sealers }

// now returns the time in microseconds, the precision of every store. If the clock has not advanced since EndAll, it
// returns a later time. Otherwise a login after EndAll would look as if it began before.
func (m *Manager[C]) now() time.Time {
	const maxLag = time.Millisecond // if the clock is further behind, it was set back
	now := m.clock().UTC().Truncate(time.Microsecond)
	if later := time.UnixMicro(m.afterEndAll.Load()).UTC(); later.After(now) && later.Sub(now) <= maxLag {
		return later
	}
	return now
}
