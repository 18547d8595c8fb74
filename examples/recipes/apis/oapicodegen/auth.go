// Package oapicodegen protects a server of oapi-codegen by what its OpenAPI description declares.
package oapicodegen

import (
	"net/http"

	"github.com/go-usher/usher"
)

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config codegen.yaml openapi.yaml

// Middleware returns a middleware for the Middlewares of the server's options. An operation requires a token, and
// guard(scopes) for the scopes that its security has; guard is usher.RequireScope, or knows roles too. The token is optional
// if the security includes the empty requirement, {}, or is itself empty.
//
// BearerAuthScopes exists if codegen.yaml has enable-auth-scopes-on-context. It is named after the security scheme.
func Middleware[C, U any](auth *usher.Middleware[C, U], guard func(scopes ...string) usher.Guard) MiddlewareFunc {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			operation := auth
			scopes, required := r.Context().Value(BearerAuthScopes).([]string)
			if len(scopes) > 0 {
				operation = auth.With(guard(scopes...))
			}
			if required {
				operation.Require(next).ServeHTTP(w, r)
			} else {
				operation.Optional(next).ServeHTTP(w, r)
			}
		})
	}
}
