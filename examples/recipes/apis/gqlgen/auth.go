// Package gqlgen protects the fields of a GraphQL schema that have the directive @auth, in a server of gqlgen.
package gqlgen

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/go-usher/usher"
)

//go:generate go run github.com/99designs/gqlgen@v0.17.98 generate

// Directive returns the function of @auth. The field requires a user, and guard(scope) if a scope is named; guard is
// usher.RequireScope, or knows roles too. The user comes from an auth.Optional around the server, which refuses bad tokens.
func Directive[C, U any](
	auth *usher.Middleware[C, U], guard func(scopes ...string) usher.Guard,
) func(ctx context.Context, obj any, next graphql.Resolver, scope *string) (any, error) {
	return func(ctx context.Context, _ any, next graphql.Resolver, scope *string) (any, error) {
		if _, ok := auth.User(ctx); !ok {
			return nil, usher.ErrNoToken
		}
		if scope != nil {
			if err := guard(*scope)(ctx); err != nil {
				return nil, err
			}
		}
		return next(ctx)
	}
}

// ErrorPresenter returns a function for Server.SetErrorPresenter. What a guard or a resolver returned is mapped as by
// auth.Deny: its text never reaches the client, and usher.ErrForbidden is a refusal. Errors of GraphQL itself pass.
func ErrorPresenter[C, U any](auth *usher.Middleware[C, U]) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		presented := graphql.DefaultErrorPresenter(ctx, err)
		if cause := errors.Unwrap(presented); cause != nil {
			refusal := asError(auth.Rejection(cause))
			refusal.Path, refusal.Locations = presented.Path, presented.Locations
			return refusal
		}
		return presented
	}
}

// Reject is for MiddlewareOptions.Reject: it writes the refusal of a request as GraphQL has it, with its own status.
func Reject(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rej.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": gqlerror.List{asError(rej)}})
}

func asError(rej *usher.Rejection) *gqlerror.Error {
	code := "INTERNAL_SERVER_ERROR"
	switch {
	case rej.Status == http.StatusUnauthorized:
		code = "UNAUTHENTICATED"
	case rej.Status == http.StatusForbidden:
		code = "FORBIDDEN"
	case rej.Status < http.StatusInternalServerError:
		code = "BAD_REQUEST"
	case rej.Status == http.StatusServiceUnavailable:
		code = "UNAVAILABLE"
	}
	return &gqlerror.Error{Message: rej.Error(), Extensions: map[string]any{"code": code, "reason": rej.Reason()}}
}
