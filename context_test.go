package usher_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

func TestUserFromContext(t *testing.T) {
	type id string
	t.Run("pointer", roundTrip(&shopUser{ID: "7"}))
	t.Run("struct", roundTrip(shopUser{ID: "7"}))
	t.Run("string", roundTrip("7"))
	t.Run("named string", roundTrip(id("7")))
	t.Run("number", roundTrip(7))
	t.Run("zero", roundTrip(0))
	t.Run("interface", roundTrip[fmt.Stringer](usher.NumericDate{}))
	t.Run("any", roundTrip[any]("7"))
}

func roundTrip[U comparable](user U) func(t *testing.T) {
	return func(t *testing.T) {
		type other struct{ User U }
		ctx := usher.ContextWithUser(t.Context(), user)
		if got, ok := usher.UserFromContext[U](ctx); !ok || got != user {
			t.Errorf("got %v, %v", got, ok)
		}
		if got, ok := usher.UserFromContext[other](ctx); ok {
			t.Errorf("of another type: %v", got)
		}
		if got, ok := usher.UserFromContext[*U](ctx); ok || got != nil {
			t.Errorf("of the pointer's type: %v", got)
		}
		if got, ok := usher.UserFromContext[U](t.Context()); ok || got != *new(U) {
			t.Errorf("of an empty context: %v, %v", got, ok)
		}
		if _, ok := usher.ClaimsFromContext[usher.Claims](ctx); ok {
			t.Error("a user brought claims")
		}
	}
}

// Named types are not their underlying types, and the innermost user is the only one.
func TestUserFromContextGoesByTypeAndDepth(t *testing.T) {
	type id string
	ctx := usher.ContextWithUser(t.Context(), "7")
	if got, ok := usher.UserFromContext[id](ctx); ok {
		t.Errorf("got %v", got)
	}
	inner := usher.ContextWithUser(ctx, "8")
	if got, _ := usher.UserFromContext[string](inner); got != "8" {
		t.Errorf("got %q", got)
	}
	if got, _ := usher.UserFromContext[string](ctx); got != "7" {
		t.Errorf("the outer context now has %q", got)
	}
	if got, ok := usher.UserFromContext[string](usher.ContextWithUser(ctx, id("8"))); ok {
		t.Errorf("a user of another type leaves the outer one: %q", got)
	}
}

// A nil user is no user, in a context as in a middleware.
func TestANilUserInAContextIsNoUser(t *testing.T) {
	ctx := usher.ContextWithUser(t.Context(), &shopUser{ID: "outer"})
	if got, ok := usher.UserFromContext[*shopUser](usher.ContextWithUser[*shopUser](ctx, nil)); ok || got != nil {
		t.Errorf("got %v, %v", got, ok)
	}
	if got, ok := usher.UserFromContext[any](usher.ContextWithUser[any](ctx, nil)); ok || got != nil {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestClaimsFromContext(t *testing.T) {
	own := &shopClaims{Claims: usher.Claims{Subject: "7"}, Role: "editor"}
	plain := &usher.Claims{Subject: "8"}
	type foreign struct{ Subject string }
	tests := []struct {
		name     string
		ctx      context.Context //nolint:containedctx // what the functions are asked about
		own      *shopClaims
		embedded *usher.Claims
	}{
		{"nothing", t.Context(), nil, nil},
		{"claims of one's own", usher.ContextWithClaims(t.Context(), own), own, &own.Claims},
		{"usher's claims", usher.ContextWithClaims(t.Context(), plain), nil, plain},
		{"the inner ones", usher.ContextWithClaims(usher.ContextWithClaims(t.Context(), own), plain), nil, plain},
		{"nil", usher.ContextWithClaims[shopClaims](t.Context(), nil), nil, nil},
		{"nil of usher's", usher.ContextWithClaims[usher.Claims](t.Context(), nil), nil, nil},
		{"nil hides the outer ones", usher.ContextWithClaims[shopClaims](usher.ContextWithClaims(t.Context(), own), nil), nil, nil},
		{"claims that embed nothing", usher.ContextWithClaims(t.Context(), &foreign{"9"}), nil, nil},
		{"a user", usher.ContextWithUser(t.Context(), own), nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := usher.ClaimsFromContext[shopClaims](test.ctx); got != test.own || ok != (test.own != nil) {
				t.Errorf("own: %v, %v", got, ok)
			}
			if got, ok := usher.ClaimsFromContext[usher.Claims](test.ctx); got != test.embedded || ok != (test.embedded != nil) {
				t.Errorf("embedded: %v, %v", got, ok)
			}
			if got, ok := usher.ClaimsFromContext[listClaims](test.ctx); got != nil || ok {
				t.Errorf("of another type: %v", got)
			}
			if got, ok := usher.ClaimsFromContext[*shopClaims](test.ctx); got != nil || ok {
				t.Errorf("of the pointer's type: %v", got)
			}
			if got, ok := usher.ClaimsFromContext[any](test.ctx); got != nil || ok {
				t.Errorf("of any type: %v", got)
			}
		})
	}
	if got, ok := usher.ClaimsFromContext[foreign](usher.ContextWithClaims(t.Context(), &foreign{"9"})); !ok || got.Subject != "9" {
		t.Errorf("claims that embed nothing: %v, %v", got, ok)
	}
}

func TestUserAndClaimsAreSeparateInContexts(t *testing.T) {
	ctx := usher.ContextWithClaims(usher.ContextWithUser(t.Context(), "7"), &shopClaims{Role: "editor"})
	user, ok := usher.UserFromContext[string](ctx)
	claims, has := usher.ClaimsFromContext[shopClaims](ctx)
	if !ok || !has || user != "7" || claims.Role != "editor" {
		t.Errorf("user %v, claims %v", user, claims)
	}
}

// The middleware's own methods are the package's functions.
func TestMiddlewareReturnsUsersAndClaimsOfContexts(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	user, claims := &shopUser{ID: "9"}, &shopClaims{Role: "editor"}
	ctx := usher.ContextWithClaims(usher.ContextWithUser(t.Context(), user), claims)
	if got, ok := d.User(ctx); !ok || got != user {
		t.Errorf("user %v, %v", got, ok)
	}
	if got, ok := d.Claims(ctx); !ok || got != claims {
		t.Errorf("claims %v, %v", got, ok)
	}
	if got, ok := d.User(t.Context()); ok || got != nil {
		t.Errorf("nobody is %v, %v", got, ok)
	}
	if got, ok := d.Claims(t.Context()); ok || got != nil {
		t.Errorf("nobody's claims are %v, %v", got, ok)
	}
}

// Strings, and keys of other packages, never collide with usher's.
func TestContextKeysDoNotCollide(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	type userKey struct{}
	outer := context.WithValue(t.Context(), userKey{}, "mine")
	ctx, err := d.Authenticate(requestWith(shopToken(t, nil)).WithContext(outer))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{"user", "claims", "token", "jwt", nil, 0} {
		if got := ctx.Value(key); got != nil {
			t.Errorf("%v finds %v", key, got)
		}
	}
	if ctx.Value(userKey{}) != "mine" {
		t.Error("a value of another package is lost")
	}
}

// Logging a context of a guard or a handler shows no token and no claims.
func TestContextsDoNotShowWhatTheyHold(t *testing.T) {
	token := shopToken(t, map[string]any{"role": "a secret role"})
	type inner struct{ ctx context.Context }
	type holder struct { // fmt calls no methods of what unexported fields hold
		ctx     context.Context
		pointer *context.Context
		inner   inner
		any     any
	}
	show := func(ctx context.Context) {
		t.Helper()
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, nil))
		for _, c := range []any{ctx, context.WithValue(ctx, new(int), 0), struct{ Context context.Context }{ctx},
			holder{ctx, &ctx, inner{ctx}, ctx}, &holder{ctx: ctx}, []holder{{any: context.WithValue(ctx, new(int), 0)}}} {
			logger.Info("a request", "ctx", c)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("a request", "ctx", c)
			for _, verb := range "vsdxXqTtbcoOUeEfFgGp" {
				for _, flag := range []string{"", "+", "#"} {
					fmt.Fprintf(&log, "%"+flag+string(verb), c)
				}
			}
		}
		if text := log.String(); strings.Contains(text, token) || strings.Contains(text, hex.EncodeToString([]byte(token))) ||
			strings.Contains(text, "a secret role") {
			t.Errorf("it shows %s", text)
		}
	}
	m := usher.Must(usher.NewMiddleware(shopDecoder(t), findShopUser, nil)).
		With(func(ctx context.Context) error { show(ctx); return nil })
	h := m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { show(r.Context()) }))
	wantResponse(t, serveRequest(h, requestWith(token)), http.StatusOK, "")
	show(usher.ContextWithUser(t.Context(), shopUser{Role: "a secret role"}))
	show(usher.ContextWithClaims(t.Context(), &shopClaims{Role: "a secret role"}))
}
