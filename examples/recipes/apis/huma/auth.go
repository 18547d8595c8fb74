// Package huma protects the operations of a huma API by what they declare: their Security.
package huma

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/go-usher/usher"
)

// Middleware returns a middleware for huma.API.UseMiddleware. Every operation requires a token, and guard(scopes) for the
// scopes that its Security has under this scheme; guard is usher.RequireScope, or knows roles too. If the Security includes
// the empty requirement, {}, the token is optional.
func Middleware[C, U any](
	api huma.API, auth *usher.Middleware[C, U], scheme string, guard func(scopes ...string) usher.Guard,
) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		operation, optional := auth, false
		for _, requirement := range ctx.Operation().Security {
			optional = optional || len(requirement) == 0
			if scopes := requirement[scheme]; len(scopes) > 0 {
				operation = operation.With(guard(scopes...))
			}
		}
		r, w := humago.Unwrap(ctx) // of the adapter in use: humachi.Unwrap and others
		decided, header, rej := operation.Decide(r.WithContext(ctx.Context()), optional)
		for name, values := range header {
			w.Header()[name] = append(w.Header()[name], values...)
		}
		if rej != nil {
			rej.SetHeaders(w.Header())
			_ = huma.WriteErr(api, ctx, rej.Status, rej.Error()) // huma has logged the error
			return
		}
		next(huma.WithContext(ctx, decided))
	}
}
