package usher

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Guard decides whether a request may go on, after the user is known; [Middleware.With] takes it. It finds the
// user and the claims in the context. A nil error lets the request pass; ErrForbidden and most other errors
// are answered with 403, ErrUnavailable and the context's errors with 503, and a [*Rejection] with what it
// says. It is called from many goroutines.
type Guard func(ctx context.Context) error

// RequireScope returns a guard that lets those pass whose token has all of these scopes. It asks the HasScope
// method of the claims, which is [Claims.HasScope] unless the claims type has its own. The refusal names the
// scopes (RFC 6750 §3). Without scopes, or with one that RFC 6749 §3.3 doesn't allow, it refuses everything
// with a 500.
func RequireScope(scopes ...string) Guard {
	scope := strings.Join(scopes, " ")
	if len(scopes) == 0 {
		return misuse("RequireScope was given no scope")
	}
	for _, s := range scopes {
		if s == "" || strings.ContainsFunc(s, notScope) {
			return misuse("RequireScope was given %s, which is no scope", quote(s))
		}
	}
	return func(ctx context.Context) error {
		claims, ok := ctx.Value(claimsKey{}).(guardedClaims)
		if !ok || !claims.hasScopes(scopes) {
			return &Rejection{
				Status:      http.StatusForbidden,
				Code:        codeScope,
				Description: "The access token lacks a scope.",
				Scope:       scope,
				Err:         fmt.Errorf("%w: the token lacks one of the scopes %q", ErrForbidden, scope),
			}
		}
		return nil
	}
}

// RequireRecentLogin returns a guard that lets those pass who logged in at most max ago, by the auth_time of
// their token; a missing or future one is not recent. The others are asked to log in again (RFC 9470 §3). If
// max is not positive it refuses everything with a 500.
func RequireRecentLogin(max time.Duration) Guard {
	if max <= 0 {
		return misuse("RequireRecentLogin was given %v", max)
	}
	return func(ctx context.Context) error {
		claims, ok := ctx.Value(claimsKey{}).(guardedClaims)
		if ok && claims.embedded() != nil {
			now, login := claims.now(), claims.embedded().AuthTime.Time
			if !login.IsZero() && !login.After(now) && now.Sub(login) <= max {
				return nil
			}
		}
		return &Rejection{
			Status:      http.StatusUnauthorized,
			Code:        codeAuthentication,
			Description: "A more recent login is required.",
			MaxAge:      max,
			Err:         fmt.Errorf("%w: the login is not within the last %v", ErrForbidden, max),
		}
	}
}

// misuse returns a guard that refuses everything, for mistakes that no constructor can report.
func misuse(format string, args ...any) Guard {
	err := &Rejection{
		Status:      http.StatusInternalServerError,
		Description: descriptionInternal,
		Err:         &ConfigError{"Guard", fmt.Sprintf(format, args...)},
	}
	return func(context.Context) error { return err }
}

// notScope is true for what may not be in a scope (RFC 6749 §3.3).
func notScope(r rune) bool { return r == ' ' || notQuotable(r) }
