package usher

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-usher/usher/internal/httpfield"
	"github.com/go-usher/usher/internal/quote"
)

// Guard decides after authentication whether a request may proceed. Pass it to [Middleware.With]. The context holds the
// user and the claims. If the error is nil, the request proceeds. ErrForbidden and unknown errors are a 403,
// ErrUnavailable and the context's errors a 503, and a [*Rejection] is used as it is. A Guard must be safe for
// concurrent use.
//
// A handler may also call a guard with its request's context: RequireScope("write")(ctx). If the middleware has no
// Confirm, no Check and no guards of its own, this guard sees changes that the user function and the handlers made to the
// claims.
type Guard func(ctx context.Context) error

// RequireScope returns a guard that requires all of these scopes in the token. It calls the HasScope method of the
// claims: [Claims.HasScope], unless the claims type has its own. The challenge names the scopes (RFC 6750 §3). Without
// scopes, or with one that RFC 6749 §3.3 does not allow, the guard refuses every request with a 500.
func RequireScope(scopes ...string) Guard {
	if len(scopes) == 0 {
		return invalidGuard("RequireScope was given no scope")
	}
	for _, s := range scopes {
		if !isScope(s) {
			return invalidGuard("RequireScope was given %s, which is not a scope", quote.Text(s))
		}
	}
	scopes = slices.Clone(scopes)
	return func(ctx context.Context) error {
		if claims, ok := ctx.Value(claimsKey{}).(guardedClaims); ok && claims.hasScopes(scopes) {
			return nil
		}
		return &Rejection{
			Status:      http.StatusForbidden,
			Code:        codeScope,
			Description: "The access token lacks a scope.",
			Scope:       strings.Join(scopes, " "),
			Err:         &reasonError{fmt.Errorf("%w: the token lacks one of the scopes %q", ErrForbidden, strings.Join(scopes, " ")), "scope"},
		}
	}
}

// RequireRecentLogin returns a guard that requires a login within the last max, by the token's auth_time. It refuses
// tokens without auth_time or with one in the future. The challenge tells the client to log the user in again (RFC 9470
// §3). If max is less than a second, as in RequireRecentLogin(300), which is 300 nanoseconds, the guard refuses every
// request with a 500.
func RequireRecentLogin(max time.Duration) Guard {
	if max < time.Second {
		return invalidGuard("RequireRecentLogin was given %v; it takes a second or more", max)
	}
	return func(ctx context.Context) error {
		if claims, ok := ctx.Value(claimsKey{}).(guardedClaims); ok {
			now, login := claims.now(), claims.authTime()
			if !login.IsZero() && !login.After(now) && now.Sub(login) <= max {
				return nil
			}
		}
		return &Rejection{
			Status:      http.StatusUnauthorized,
			Code:        codeAuthentication,
			Description: "A more recent login is required.",
			MaxAge:      max,
			Err:         &reasonError{fmt.Errorf("%w: the login is not within the last %v", ErrForbidden, max), "login_too_old"},
		}
	}
}

// invalidGuard returns a guard that refuses every request with a 500. It reports mistakes that no constructor can
// return.
func invalidGuard(format string, args ...any) Guard {
	err := &Rejection{
		Status:      http.StatusInternalServerError,
		Description: descriptionInternal,
		Err:         &ConfigError{"Guard", fmt.Sprintf(format, args...)},
	}
	return func(context.Context) error { return err }
}

// isScope reports whether text is a single scope (RFC 6749 §3.3).
func isScope(text string) bool {
	return text != "" && httpfield.IsQuotable(text) && !strings.Contains(text, " ")
}
