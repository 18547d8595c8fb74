package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/go-usher/usher"
)

// Config is what NewManager needs. Printed or logged it shows no secret.
type Config[C any] struct {
	// Encoder issues the access tokens. Required.
	Encoder *usher.Encoder[C]
	// Store remembers the sessions. Required; NewMemoryStore for a single process.
	Store Store
	// Claims returns a subject's claims; it is asked afresh at every issue and refresh, so that roles never go
	// stale. The manager sets sub, sid and auth_time itself. usher.ErrNoUser ends the session that is being
	// refreshed; any other error, usher.ErrUnavailable together with it included, refuses the refresh and spends
	// nothing. Required.
	Claims func(ctx context.Context, subject string) (C, error)
	// Secret is random, of 32 bytes or more, and the same in every process that shares the store. It is used
	// for refresh tokens only. Required.
	Secret []byte
	// OldSecrets are still accepted while Secret is being replaced. To replace it without logging anybody out,
	// first add the new secret here in every process, then swap the two in every process.
	OldSecrets [][]byte
	// IdleTTL is how long a session lives without a refresh. 0: 14 days.
	IdleTTL time.Duration
	// MaxAge is how long a session lives at most, and how old an authentication may be that starts one. 0: 90
	// days.
	MaxAge time.Duration
	// Grace is how long after a refresh the spent token counts as a retry; at most 5 minutes. 0: 10 seconds;
	// negative: never. A store has three tenths of it, and 1 to 10 seconds, to answer a refresh.
	Grace time.Duration
	// MaxPerSubject is how many sessions a subject may have: a login beyond it ends the oldest. 0: no limit.
	MaxPerSubject int
	// Staleness is how old a positive answer Check may use instead of asking the store. What this manager ends
	// it knows at once; other processes' endings it sees when the answer is that old. 0: always ask.
	Staleness time.Duration
	// OnEvent is told what happened, after it happened and before the call returns. Its context has the
	// request's values, and ends after 10 seconds, not with the request: what happened, happened. It must be
	// safe for concurrent use. nil: nobody is.
	OnEvent func(ctx context.Context, e Event)
	// Now is the clock; those of processes that share a store must agree to well below Grace. nil: time.Now.
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
	const short = "has %d bytes and needs %d or more of random data; make one with: openssl rand -base64 32"
	bad(cfg.Encoder == nil, "Encoder", "is required: it issues the access tokens")
	bad(isNil(cfg.Store), "Store", "is required; NewMemoryStore serves a single process")
	bad(cfg.Claims == nil, "Claims", "is required: it returns a subject's claims")
	bad(len(cfg.Secret) < minSecret, "Secret", short, len(cfg.Secret), minSecret)
	for i, old := range cfg.OldSecrets {
		bad(len(old) < minSecret, fmt.Sprintf("OldSecrets[%d]", i), short, len(old), minSecret)
	}
	bad(cfg.IdleTTL < 0, "IdleTTL", "must not be negative, and is %s", cfg.IdleTTL)
	bad(cfg.MaxAge < 0, "MaxAge", "must not be negative, and is %s", cfg.MaxAge)
	bad(cfg.Grace > maxGrace, "Grace", "must be at most %s, and is %s: all that time a stolen spent token passes for a retry", maxGrace, cfg.Grace)
	bad(cfg.MaxPerSubject < 0, "MaxPerSubject", "must not be negative, and is %d", cfg.MaxPerSubject)
	bad(cfg.Staleness < 0, "Staleness", "must not be negative, and is %s", cfg.Staleness)
	return errors.Join(mistakes...)
}

// Format implements fmt.Formatter for every verb, without the secrets.
func (cfg Config[C]) Format(f fmt.State, _ rune) { fmt.Fprint(f, cfg.String()) }

// String names the type, without the secrets.
func (cfg Config[C]) String() string { return fmt.Sprintf("session.Config[%T]{…}", *new(C)) }

// LogValue names the type, without the secrets.
func (cfg Config[C]) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// required is the mistake of an argument that was left out.
func required(given bool, field string) error {
	if given {
		return nil
	}
	return &usher.ConfigError{Field: field, Reason: "is required"}
}

// isNil reports whether an interface holds nothing, or a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
