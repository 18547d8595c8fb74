package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/weakkey"
)

// Config configures a [Manager]. It prints and logs without its secrets.
type Config[C any] struct {
	// Encoder signs the access tokens. Required.
	Encoder *usher.Encoder[C]
	// Store keeps the sessions. Required. NewMemoryStore suits a single process.
	Store Store
	// Claims returns the claims of an access token. It is called for every login and every refresh, so roles are
	// current in each new token. The manager sets sub, sid and auth_time itself. Required.
	//
	// If it returns usher.ErrNoUser during a refresh, the session is ended. Any other error refuses the refresh without
	// spending the refresh token, and so does usher.ErrNoUser joined with usher.ErrUnavailable.
	Claims func(ctx context.Context, g Grant) (C, error)
	// Secret protects refresh tokens. It is at least 32 random bytes, and the same in every process that shares the
	// store. Do not use a signing key. Required.
	Secret []byte
	// OldSecrets are also accepted while Secret is being replaced. To replace Secret without logging anyone out, first
	// add the new secret to OldSecrets in every process, then swap the two in every process.
	OldSecrets [][]byte
	// IdleTTL is how long a session lasts without a refresh. The default is 14 days.
	IdleTTL time.Duration
	// MaxAge is the maximum lifetime of a session, however often it is refreshed. It is also the maximum age of an
	// authentication that starts a session. The default is 90 days.
	MaxAge time.Duration
	// Grace is the grace period, in which a spent refresh token still returns its successor. It is at most 5 minutes. The
	// default is 10 seconds, and a negative value means no grace period. The store has three tenths of the grace period to
	// respond to a refresh, at most 10 seconds. With 6 seconds or more, a client that gets a 503 and tries again after its
	// Retry-After of 5 seconds is still within the grace period.
	Grace time.Duration
	// MaxPerSubject is the maximum number of sessions of a subject. A login beyond it ends the oldest session. 0
	// means no limit.
	MaxPerSubject int
	// Staleness is how long Check may use an earlier positive answer instead of querying the store. Access tokens of a
	// session that this manager ends are refused at once; if another process ends it, after Staleness at the latest. 0
	// means that Check always queries the store.
	Staleness time.Duration
	// OnEvent is called for each event, before the manager's method returns. Its context has the values of the
	// request's context but not its cancellation, and ends after 10 seconds. OnEvent must be safe for concurrent use.
	// If nil, events are discarded.
	OnEvent func(ctx context.Context, e Event)
	// Now is the clock, time.Now by default. The clocks of processes that share a store must differ by less
	// than 2 seconds: see [Manager.PruneEvery].
	Now func() time.Time
}

const (
	defaultIdleTTL = 14 * 24 * time.Hour
	defaultMaxAge  = 90 * 24 * time.Hour
	defaultGrace   = 10 * time.Second
	maxGrace       = 5 * time.Minute
	minSecret      = 32
)

func (cfg Config[C]) check() error {
	var mistakes []error
	bad := func(wrong bool, field, reason string, args ...any) {
		if wrong {
			mistakes = append(mistakes, &usher.ConfigError{Field: "Config." + field, Reason: fmt.Sprintf(reason, args...)})
		}
	}
	bad(cfg.Encoder == nil, "Encoder", "is required: it signs the access tokens")
	bad(nilcheck.IsNil(cfg.Store), "Store", "is required; use NewMemoryStore for a single process")
	bad(cfg.Encoder != nil && cfg.Encoder.TTL() == 0, "Encoder", "was not made by NewEncoder")
	if memory, ok := cfg.Store.(*MemoryStore); ok {
		bad(memory != nil && memory.sessions == nil, "Store", "was not made by NewMemoryStore")
	}
	bad(cfg.Claims == nil, "Claims", "is required: it returns the claims of an access token")
	mistakes = append(mistakes, checkSecret("Config.Secret", cfg.Secret))
	for i, old := range cfg.OldSecrets {
		mistakes = append(mistakes, checkSecret(fmt.Sprintf("Config.OldSecrets[%d]", i), old))
	}
	for _, d := range []struct {
		field        string
		value, least time.Duration
	}{
		{"IdleTTL", cfg.IdleTTL, time.Second},
		{"MaxAge", cfg.MaxAge, time.Second},
		{"Grace", max(cfg.Grace, 0), time.Millisecond}, // negative means no grace period
		{"Staleness", cfg.Staleness, time.Millisecond},
	} {
		bad(d.value < 0, d.field, "must not be negative, and is %s", d.value)
		bad(d.value > 0 && d.value < d.least, d.field, "is %s, but must be at least %s; durations have a unit, as in 10*time.Minute", d.value, d.least)
	}
	bad(cfg.Grace > maxGrace, "Grace", "must be at most %s, and is %s: during the grace period a stolen spent token is accepted as a retry", maxGrace, cfg.Grace)
	bad(cfg.MaxPerSubject < 0, "MaxPerSubject", "must not be negative, and is %d", cfg.MaxPerSubject)
	return errors.Join(mistakes...)
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (cfg Config[C]) Format(f fmt.State, _ rune) { fmt.Fprint(f, cfg.String()) }

// String returns the type's name, without the secrets.
func (cfg Config[C]) String() string { return fmt.Sprintf("session.Config[%T]{…}", *new(C)) }

// LogValue returns the type's name, without the secrets.
func (cfg Config[C]) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// required returns an error for a missing argument.
func required(present bool, field string) error {
	if present {
		return nil
	}
	return &usher.ConfigError{Field: field, Reason: "is required"}
}

// checkSecret returns an error for a secret that is too short or not random.
func checkSecret(field string, secret []byte) error {
	const remedy = "make one with: openssl rand -base64 32"
	if len(secret) < minSecret {
		return &usher.ConfigError{Field: field, Reason: fmt.Sprintf("has %d bytes and needs %d or more of random data; %s", len(secret), minSecret, remedy)}
	}
	if err := weakkey.Secret(secret); err != nil {
		return &usher.ConfigError{Field: field, Reason: err.Error() + "; " + remedy}
	}
	return nil
}
