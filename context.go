package usher

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-usher/usher/internal/nilcheck"
)

// UserFromContext returns the current user, which the innermost [Middleware] or [ContextWithUser] put into ctx. It returns
// false if there is none, or if it is not of type U. [Middleware.User] is stricter: it returns only users that its own
// middleware authenticated.
func UserFromContext[U any](ctx context.Context) (U, bool) {
	holder, ok := ctx.Value(userKey{}).(userHolder[U])
	if !ok {
		var none U
		return none, false
	}
	return holder.currentUser()
}

// ContextWithUser returns a context in which user is the current user. If user is nil, the context has none. Use it in
// tests of handlers, and in services that authenticate by other means. [Middleware.Require] ignores this user and
// authenticates the request itself.
func ContextWithUser[U any](ctx context.Context, user U) context.Context {
	exists := !nilcheck.IsNil(user)
	return context.WithValue(ctx, userKey{}, fixedUser[U](func() (U, bool) { return user, exists }))
}

// ClaimsFromContext returns the current claims, which the innermost [Middleware] or [ContextWithClaims] put into ctx.
// It returns false if there are none, or if they are not of type C. If C is [Claims], it returns the embedded Claims of
// any claims type.
func ClaimsFromContext[C any](ctx context.Context) (*C, bool) {
	holder := ctx.Value(claimsKey{})
	if typed, ok := holder.(typedClaims[C]); ok {
		return typed.currentClaims()
	}
	if holder, ok := holder.(claimsHolder); ok {
		claims, ok := any(holder.embedded()).(*C)
		return claims, ok && claims != nil
	}
	return nil, false
}

// ContextWithClaims returns a context in which claims are the current claims. If claims is nil, the context has none.
// Use it in tests of handlers and guards.
func ContextWithClaims[C any](ctx context.Context, claims *C) context.Context {
	return context.WithValue(ctx, claimsKey{}, fixedClaims[C](func() *C { return claims }))
}

// userKey is the context key of the innermost userHolder, claimsKey of the innermost claimsHolder.
type (
	userKey   struct{}
	claimsKey struct{}
)

type userHolder[U any] interface{ currentUser() (U, bool) }

type typedClaims[C any] interface{ currentClaims() (*C, bool) }

// claimsHolder holds claims of any type.
type claimsHolder interface{ embedded() *Claims }

// guardedClaims is a holder of claims that RequireScope and RequireRecentLogin can check.
type guardedClaims interface {
	hasScopes(scopes []string) bool
	authTime() time.Time // zero if it is unknown
	now() time.Time
}

// identity is the decision about an accepted request. One allocation holds it, its context, the claims, and the request
// that is passed to the handler.
type identity[C, U any] struct {
	context  identityContext[C, U]
	parent   context.Context
	root     *root[C, U]
	token    string
	user     U
	claims   *C           // for the user function and handlers, which may modify them; nil for anonymous requests
	checked  *C           // a copy for Confirm, Check and guards; nil if there are none of them
	reusable bool         // Require and Optional of the same root may reuse it for the same token
	storage  C            // claims points here if a Decoder decoded them
	request  http.Request // returned by withContext
}

func newIdentity[C, U any](parent context.Context, root *root[C, U]) *identity[C, U] {
	id := &identity[C, U]{parent: parent, root: root}
	id.context.id = id
	return id
}

// identityContext is the context of an accepted request. It has only a pointer to its identity, which it is part of.
//
// Contexts get logged, and the identity holds a valid token. Format hides it, but fmt does not call Format for a
// context in an unexported field. There it prints what the context's pointer points to if the verb does not fit, as
// in %s. It never prints what further pointers point to.
type identityContext[C, U any] struct{ id *identity[C, U] }

// Deadline, Done and Err are those of the parent.

func (c *identityContext[C, U]) Deadline() (time.Time, bool) { return c.id.parent.Deadline() }

func (c *identityContext[C, U]) Done() <-chan struct{} { return c.id.parent.Done() }

func (c *identityContext[C, U]) Err() error { return c.id.parent.Err() }

// Value returns the identity for both keys. An anonymous identity also hides users and claims of outer contexts.
func (c *identityContext[C, U]) Value(key any) any {
	switch key.(type) {
	case userKey, claimsKey:
		return c.id
	}
	return c.id.parent.Value(key)
}

// Format writes only a name, for every verb.
func (c *identityContext[C, U]) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "usher.Context")
}

func (id *identity[C, U]) anonymous() bool { return id.claims == nil }

func (id *identity[C, U]) currentUser() (U, bool) { return id.user, !id.anonymous() }

func (id *identity[C, U]) currentClaims() (*C, bool) { return id.claims, !id.anonymous() }

func (id *identity[C, U]) embedded() *Claims {
	if id.anonymous() {
		return nil
	}
	return id.root.claims(id.claims)
}

// forGuards returns the copy of the claims for guards.
func (id *identity[C, U]) forGuards() claimsForGuards[C, U] {
	return claimsForGuards[C, U]{&id.context}
}

func (id *identity[C, U]) hasScopes(scopes []string) bool { return id.forGuards().hasScopes(scopes) }

func (id *identity[C, U]) authTime() time.Time { return id.forGuards().authTime() }

func (id *identity[C, U]) now() time.Time { return id.root.opts.Now() }

// withContext returns a copy of r, stored in the identity, that has the identity's context. It is called at most
// once per identity. The request that r.WithContext allocates stays on the stack.
func (id *identity[C, U]) withContext(r *http.Request) *http.Request {
	id.request = *r.WithContext(&id.context)
	return &id.request
}

// claimsForGuards is the claims holder in the context of guards. It holds the copy that the user function can't modify.
// Like identityContext, it does not point to the identity directly.
type claimsForGuards[C, U any] struct{ ctx *identityContext[C, U] }

func (g claimsForGuards[C, U]) id() *identity[C, U] { return g.ctx.id }

func (g claimsForGuards[C, U]) currentClaims() (*C, bool) {
	claims := g.id().claims
	if g.id().checked != nil {
		claims = g.id().checked
	}
	return claims, claims != nil
}

func (g claimsForGuards[C, U]) embedded() *Claims {
	if claims, ok := g.currentClaims(); ok {
		return g.id().root.claims(claims)
	}
	return nil
}

func (g claimsForGuards[C, U]) hasScopes(scopes []string) bool {
	claims, ok := g.currentClaims()
	return ok && hasScopes(claims, scopes)
}

func (g claimsForGuards[C, U]) authTime() time.Time { return authTime(g.embedded()) }

func (g claimsForGuards[C, U]) now() time.Time { return g.id().now() }

// Format writes only a name, like identityContext.Format.
func (g claimsForGuards[C, U]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "usher.Claims") }

// hasScopes reports whether the claims' HasScope method returns true for each scope.
func hasScopes[C any](claims *C, scopes []string) bool {
	c, ok := any(claims).(interface{ HasScope(scope string) bool })
	return ok && !slices.ContainsFunc(scopes, func(scope string) bool { return !c.HasScope(scope) })
}

func authTime(claims *Claims) time.Time {
	if claims == nil {
		return time.Time{}
	}
	return claims.AuthTime.Time
}

// fixedUser is the userHolder of ContextWithUser. It is a function because fmt prints the user in any other type.
type fixedUser[U any] func() (U, bool)

func (f fixedUser[U]) currentUser() (U, bool) { return f() }

// fixedClaims is the claimsHolder of ContextWithClaims, a function too.
type fixedClaims[C any] func() *C

func (f fixedClaims[C]) currentClaims() (*C, bool) {
	claims := f()
	return claims, claims != nil
}

func (f fixedClaims[C]) embedded() *Claims {
	claims, ok := f.currentClaims()
	if c, embeds := any(claims).(interface{ mustEmbedUsherClaims() *Claims }); embeds && ok {
		return c.mustEmbedUsherClaims()
	}
	return nil
}

func (f fixedClaims[C]) hasScopes(scopes []string) bool {
	claims, ok := f.currentClaims()
	return ok && hasScopes(claims, scopes)
}

func (f fixedClaims[C]) authTime() time.Time { return authTime(f.embedded()) }

func (f fixedClaims[C]) now() time.Time { return time.Now() }
