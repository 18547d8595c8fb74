// Package twirp lets usher's middleware refuse in the form of Twirp's errors.
package twirp

import (
	"context"
	"errors"
	"net/http"

	"github.com/twitchtv/twirp"

	"github.com/go-usher/usher"
)

// Reject is for MiddlewareOptions.Reject: it writes a refusal as an error of Twirp.
func Reject(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
	_ = twirp.WriteError(w, asError(rej)) // the client is gone
}

// Errors returns an interceptor for twirp.WithServerInterceptors. It maps what a method returns as auth.Deny does:
// usher.ErrForbidden is a permission_denied, and the texts of other errors never reach the client. Twirp's errors pass.
func Errors[C, U any](auth *usher.Middleware[C, U]) twirp.Interceptor {
	return func(next twirp.Method) twirp.Method {
		return func(ctx context.Context, request any) (any, error) {
			response, err := next(ctx, request)
			if _, own := errors.AsType[twirp.Error](err); err != nil && !own {
				return nil, asError(auth.Rejection(err))
			}
			return response, err
		}
	}
}

func asError(rej *usher.Rejection) twirp.Error {
	code := twirp.Internal
	switch {
	case rej.Status == http.StatusUnauthorized:
		code = twirp.Unauthenticated
	case rej.Status == http.StatusForbidden:
		code = twirp.PermissionDenied
	case rej.Status == http.StatusNotFound:
		code = twirp.NotFound
	case rej.Status == http.StatusTooManyRequests:
		code = twirp.ResourceExhausted
	case rej.Status == http.StatusServiceUnavailable:
		code = twirp.Unavailable
	case rej.Status < http.StatusInternalServerError:
		code = twirp.InvalidArgument
	}
	return twirp.NewError(code, rej.Error()).WithMeta("reason", rej.Reason())
}
