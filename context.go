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

// UserFromContext returns the current user: the one that the innermost [Middleware] or [ContextWithUser] put into ctx.
// It returns false if there is none, or if it is not of type U. [Middleware.User] is stricter: it knows only the users
// that its own middleware let in.
func UserFromContext[U any](ctx context.Context) (U, bool) {
	holder, ok := ctx.Value(userKey{}).(userHolder[U])
	if !ok {
		var none U
		return none, false
	}
	return holder.currentUser()
}

// ContextWithUser returns a context in which user is the current user. It is for tests of handlers, and for services that
// authenticate by other means. A nil user is no user. [Middleware.Require] ignores it and decides for itself.
func ContextWithUser[U any](ctx context.Context, user U) context.Context {
	return context.WithValue(ctx, userKey{}, fixedUser[U]{user, !nilcheck.IsNil(user)})
}

// ClaimsFromContext returns the current claims: those that the innermost [Middleware] or [ContextWithClaims] put into ctx.
// It returns false if there are none, or if they are not of type C. If C is [Claims] it returns the Claims that they
// embed, whatever their own type.
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

// ContextWithClaims returns a context in which claims are the current claims. It is for tests of handlers and guards. If
// claims is nil the context has none.
func ContextWithClaims[C any](ctx context.Context, claims *C) context.Context {
	return context.WithValue(ctx, claimsKey{}, fixedClaims[C]{claims})
}

// userKey finds the innermost userHolder, claimsKey the innermost claimsHolder.
type (
	userKey   struct{}
	claimsKey struct{}
)

type userHolder[U any] interface{ currentUser() (U, bool) }

type typedClaims[C any] interface{ currentClaims() (*C, bool) }

// claimsHolder is what every holder of claims implements, whatever their type.
type claimsHolder interface{ embedded() *Claims }

// guardedClaims is what RequireScope and RequireRecentLogin need of a holder of claims.
type guardedClaims interface {
	hasScopes(scopes []string) bool
	authTime() time.Time // zero if it is unknown
	now() time.Time
}

// identity is the context of a request that was let in. One allocation holds it, the claims, and the request that the
// handler gets.
type identity[C, U any] struct {
	context.Context
	root     *root[C, U]
	token    string
	user     U
	claims   *C           // what the user function and handlers see, and may change; nil for anonymous requests
	checked  *C           // a copy for Confirm, Check and guards; nil where there are none of them
	reusable bool         // Require and Optional of the same root may reuse it for the same token
	storage  C            // claims points here if a Decoder read them
	request  http.Request // what withContext returns
}

func (id *identity[C, U]) anonymous() bool { return id.claims == nil }

// Value returns the identity itself for both keys. An anonymous one hides the users and claims of outer contexts too.
func (id *identity[C, U]) Value(key any) any {
	switch key.(type) {
	case userKey, claimsKey:
		return id
	}
	return id.Context.Value(key)
}

// Format writes a name, whatever the verb. Contexts get logged, and this one holds a valid token.
func (id *identity[C, U]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "usher.Context") }

func (id *identity[C, U]) currentUser() (U, bool) { return id.user, !id.anonymous() }

func (id *identity[C, U]) currentClaims() (*C, bool) { return id.claims, !id.anonymous() }

func (id *identity[C, U]) embedded() *Claims {
	if id.anonymous() {
		return nil
	}
	return id.root.claims(id.claims)
}

// forGuards returns the claims as guards see them.
func (id *identity[C, U]) forGuards() claimsForGuards[C, U] { return claimsForGuards[C, U]{id} }

func (id *identity[C, U]) hasScopes(scopes []string) bool { return id.forGuards().hasScopes(scopes) }

func (id *identity[C, U]) authTime() time.Time { return id.forGuards().authTime() }

func (id *identity[C, U]) now() time.Time { return id.root.opts.Now() }

// withContext returns r with the identity as its context. It is called at most once: the request is a part of the
// identity. What WithContext allocates stays on the stack.
func (id *identity[C, U]) withContext(r *http.Request) *http.Request {
	id.request = *r.WithContext(id)
	return &id.request
}

// claimsForGuards holds the claims in the context of guards: the copy that the user function can't have changed.
type claimsForGuards[C, U any] struct{ id *identity[C, U] }

func (g claimsForGuards[C, U]) currentClaims() (*C, bool) {
	claims := g.id.claims
	if g.id.checked != nil {
		claims = g.id.checked
	}
	return claims, claims != nil
}

func (g claimsForGuards[C, U]) embedded() *Claims {
	if claims, ok := g.currentClaims(); ok {
		return g.id.root.claims(claims)
	}
	return nil
}

func (g claimsForGuards[C, U]) hasScopes(scopes []string) bool {
	claims, ok := g.currentClaims()
	return ok && hasScopes(claims, scopes)
}

func (g claimsForGuards[C, U]) authTime() time.Time { return authTime(g.embedded()) }

func (g claimsForGuards[C, U]) now() time.Time { return g.id.now() }

// Format writes a name: see identity.Format.
func (g claimsForGuards[C, U]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "usher.Claims") }

// hasScopes asks the HasScope method of the claims about each scope.
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

// fixedUser is the user of ContextWithUser.
type fixedUser[U any] struct {
	user U
	ok   bool
}

func (f fixedUser[U]) currentUser() (U, bool) { return f.user, f.ok }

// fixedClaims are the claims of ContextWithClaims; nil if there are none.
type fixedClaims[C any] struct{ claims *C }

func (f fixedClaims[C]) currentClaims() (*C, bool) { return f.claims, f.claims != nil }

func (f fixedClaims[C]) embedded() *Claims {
	if c, ok := any(f.claims).(interface{ mustEmbedUsherClaims() *Claims }); ok && f.claims != nil {
		return c.mustEmbedUsherClaims()
	}
	return nil
}

func (f fixedClaims[C]) hasScopes(scopes []string) bool {
	return f.claims != nil && hasScopes(f.claims, scopes)
}

func (f fixedClaims[C]) authTime() time.Time { return authTime(f.embedded()) }

func (f fixedClaims[C]) now() time.Time { return time.Now() }
