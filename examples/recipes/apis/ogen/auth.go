// Package ogen protects a server of ogen by what its OpenAPI description declares.
package ogen

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ogen-go/ogen/ogenerrors"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/ogen/api"
)

//go:generate go run github.com/ogen-go/ogen/cmd/ogen@v1.25.0 --config ogen.yaml --target api --package api --clean openapi.yaml

// NewServer returns the generated server behind auth. Where an operation's security names scopes, guard(scopes) runs too;
// guard is usher.RequireScope, or knows roles too. The middleware's Reject option is this package's Reject.
func NewServer[C, U any](
	handler api.Handler, auth *usher.Middleware[C, U], guard func(scopes ...string) usher.Guard,
) (http.Handler, error) {
	// auth.Optional judges the token. The SecurityHandler sees only one token even if there are two, and has no response for
	// headers. ogen itself answers each of its errors with a 401, even that of an outage.
	server, err := api.NewServer(handler, security[C, U]{auth, guard}, api.WithErrorHandler(
		func(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
			_, refused := errors.AsType[*ogenerrors.SecurityError](err)
			switch {
			case errors.Is(err, ogenerrors.ErrSecurityRequirementIsNotSatisfied):
				auth.Deny(w, r, usher.ErrNoToken)
			case refused || ogenerrors.ErrorCode(err) == http.StatusInternalServerError: // a guard's, or a handler's
				auth.Deny(w, r, err)
			default:
				ogenerrors.DefaultErrorHandler(ctx, w, r, err)
			}
		}))
	if err != nil {
		return nil, err
	}
	return auth.Optional(server), nil
}

type security[C, U any] struct {
	auth  *usher.Middleware[C, U]
	guard func(scopes ...string) usher.Guard
}

// HandleBearerAuth is called for requests with a token, which Optional has found good.
func (s security[C, U]) HandleBearerAuth(ctx context.Context, _ api.OperationName, t api.BearerAuth) (context.Context, error) {
	if _, ok := s.auth.User(ctx); !ok {
		return nil, usher.ErrNoToken
	}
	if len(t.Roles) > 0 {
		if err := s.guard(t.Roles...)(ctx); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

// Reject writes refusals in the form of ogen's own errors.
func Reject(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rej.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error_message": rej.Error(), "reason": rej.Reason()})
}
