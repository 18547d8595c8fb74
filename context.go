package usher

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// UserFromContext returns the user that a [Middleware] or [ContextWithUser] put into ctx, and false if there
// is none, or none of type U.
func UserFromContext[U any](ctx context.Context) (U, bool) {
	holder, ok := ctx.Value(userKey{}).(userHolder[U])
	if !ok {
		var none U
		return none, false
	}
	return holder.currentUser()
}

// ContextWithUser returns a context in which user is the current user: for tests of handlers, and for
// authentication by other means. A nil user is none. It says nothing to a [Middleware], which decides for itself.
func ContextWithUser[U any](ctx context.Context, user U) context.Context {
	return context.WithValue(ctx, userKey{}, fixedUser[U]{user, !isNil(user)})
}

// ClaimsFromContext returns the claims that a [Middleware] or [ContextWithClaims] put into ctx, and false if
// there are none, or none of type C. Whatever their type, they can also be had as the [Claims] that they embed.
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

// ContextWithClaims returns a context in which claims are the current claims: for tests of handlers and guards.
// nil means that there are none.
func ContextWithClaims[C any](ctx context.Context, claims *C) context.Context {
	return context.WithValue(ctx, claimsKey{}, fixedClaims[C]{claims, time.Now})
}

// userKey finds the innermost userHolder, claimsKey the innermost claimsHolder.
type (
	userKey   struct{}
	claimsKey struct{}
)

type userHolder[U any] interface{ currentUser() (U, bool) }

type typedClaims[C any] interface{ currentClaims() (*C, bool) }

// claimsHolder is what every holder of claims is, whatever their type.
type claimsHolder interface{ embedded() *Claims }

// guardedClaims is what guards ask.
type guardedClaims interface {
	claimsHolder
	hasScopes(scopes []string) bool
	now() time.Time
}

// identity is the context of an authenticated request, in one allocation with all that was found out about it and the
// request that the handler gets.
type identity[C, U any] struct {
	context.Context
	root    *root[C, U]
	token   string
	user    U
	claims  *C           // to the user function and to handlers, which may change it; nil for a stranger
	checked *C           // what Check and guards go by; nil where there are neither
	storage C            // where a Decoder puts the claims; claims then leads here
	request http.Request // what clone returns
}

func (id *identity[C, U]) stranger() bool { return id.claims == nil }

// Value returns the identity itself for both keys: a stranger hides an outer user too.
func (id *identity[C, U]) Value(key any) any {
	switch key.(type) {
	case userKey, claimsKey:
		return id
	}
	return id.Context.Value(key)
}

// Format writes a name, whatever the verb: contexts get logged, and this one has a token that still is good.
func (id *identity[C, U]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "usher.Context") }

func (id *identity[C, U]) currentUser() (U, bool) { return id.user, !id.stranger() }

func (id *identity[C, U]) currentClaims() (*C, bool) { return id.claims, !id.stranger() }

func (id *identity[C, U]) embedded() *Claims {
	if id.stranger() {
		return nil
	}
	return id.root.claims(id.claims)
}

// clone returns r with the identity as its context, once at most: the request is a part of the identity. What
// WithContext allocates stays on the stack.
func (id *identity[C, U]) clone(r *http.Request) *http.Request {
	id.request = *r.WithContext(id)
	return &id.request
}

type fixedUser[U any] struct {
	user U
	ok   bool
}

func (f fixedUser[U]) currentUser() (U, bool) { return f.user, f.ok }

type fixedClaims[C any] struct {
	claims *C // nil if there are none
	clock  func() time.Time
}

func (f fixedClaims[C]) currentClaims() (*C, bool) { return f.claims, f.claims != nil }

func (f fixedClaims[C]) embedded() *Claims {
	if c, ok := any(f.claims).(interface{ mustEmbedUsherClaims() *Claims }); ok && f.claims != nil {
		return c.mustEmbedUsherClaims()
	}
	return nil
}

func (f fixedClaims[C]) hasScopes(scopes []string) bool {
	c, ok := any(f.claims).(interface{ HasScope(scope string) bool })
	return ok && f.claims != nil && !slices.ContainsFunc(scopes, func(scope string) bool { return !c.HasScope(scope) })
}

func (f fixedClaims[C]) now() time.Time { return f.clock() }
