package usher_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

func TestRequireScope(t *testing.T) {
	tests := []struct {
		name     string
		granted  any
		required []string
		status   int
	}{
		{"one of one", "read", []string{"read"}, 200},
		{"one of several", "read write", []string{"write"}, 200},
		{"all of several", "a b c", []string{"c", "a"}, 200},
		{"not all", "a b", []string{"a", "c"}, 403},
		{"none granted", nil, []string{"read"}, 403},
		{"an empty grant", "", []string{"read"}, 403},
		{"the beginning of one", "reader", []string{"read"}, 403},
		{"another case", "Read", []string{"read"}, 403},
		{"the required twice", "read", []string{"read", "read"}, 200},
		{"the first and the last character of ASCII", "!~", []string{"!~"}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{})
			h := d.With(usher.RequireScope(test.required...)).RequireFunc(greet)
			w := serveRequest(h, requestWith(shopToken(t, map[string]any{"scope": test.granted})))
			wantResponse(t, w, test.status, "")
			if test.status == 200 {
				return
			}
			rej, scope := d.refused(t), strings.Join(test.required, " ")
			if rej.Code != "insufficient_scope" || rej.Scope != scope || !errors.Is(rej, usher.ErrForbidden) {
				t.Errorf("observed %+v", rej)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasSuffix(got, `, scope="`+scope+`"`) {
				t.Errorf("the challenge is %q", got)
			}
		})
	}
}

// listClaims are the claims of a provider that writes its scopes as an array.
type listClaims struct {
	usher.Claims
	Scopes []string `json:"scope"`
}

func (c listClaims) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// pointerClaims have their method on the pointer.
type pointerClaims struct {
	usher.Claims
	Granted string `json:"granted"`
}

func (c *pointerClaims) HasScope(scope string) bool { return c.Granted == scope }

func TestRequireScopeAsksTheClaimsOwnHasScope(t *testing.T) {
	t.Run("on the value", ownScope[listClaims](map[string]any{"scope": []string{"read", "write"}}))
	t.Run("on the pointer", ownScope[pointerClaims](map[string]any{"scope": "admin", "granted": "read"}))
}

func ownScope[C any, P usher.EmbedsClaims[C]](changes map[string]any) func(t *testing.T) {
	return func(t *testing.T) {
		key := usher.Must(usher.NewKey(usher.HS256, []byte(shopSecret)))
		decoder := usher.Must(usher.NewDecoder[C, P](key, &usher.DecoderOptions{Now: testClock}))
		m := usher.Must(usher.NewMiddleware[C, *C, P](decoder, usher.ClaimsAsUser, nil))
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		r := requestWith(shopToken(t, changes))
		wantResponse(t, serveRequest(m.With(usher.RequireScope("read")).Require(next), r), 204, "")
		wantResponse(t, serveRequest(m.With(usher.RequireScope("admin")).Require(next), r), 403, "")

		claims, err := decoder.Decode(t.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			t.Fatal(err)
		}
		ctx := usher.ContextWithClaims(t.Context(), claims)
		if err := usher.RequireScope("read")(ctx); err != nil {
			t.Errorf("of claims in a context: %v", err)
		}
		if err := usher.RequireScope("admin")(ctx); err == nil {
			t.Error("of claims in a context: passed")
		}
	}
}

func TestRequireRecentLogin(t *testing.T) {
	const limit = 10 * time.Minute
	at := func(ago time.Duration) any { return testClock().Add(-ago).Unix() }
	tests := []struct {
		name     string
		authTime any
		status   int
	}{
		{"just now", at(0), 200},
		{"a moment ago", at(time.Second), 200},
		{"just within", at(limit), 200},
		{"just too long ago", at(limit + time.Second), 401},
		{"long ago", 0, 401},
		{"unknown", nil, 401},
		{"in the future", at(-time.Second), 401},
		{"far in the future", int64(253402300799), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{})
			h := d.With(usher.RequireRecentLogin(limit)).RequireFunc(greet)
			w := serveRequest(h, requestWith(shopToken(t, map[string]any{"auth_time": test.authTime})))
			wantResponse(t, w, test.status, "")
			if test.status == 200 {
				return
			}
			rej := d.refused(t)
			if rej.Code != "insufficient_user_authentication" || rej.MaxAge != limit || rej.Err == nil {
				t.Errorf("observed %+v", rej)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) ||
				!strings.HasSuffix(got, `, max_age="600"`) {
				t.Errorf("the challenge is %q", got)
			}
		})
	}
}

func TestRequireRecentLoginTakesASecond(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.With(usher.RequireRecentLogin(time.Second)).RequireFunc(greet)
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"auth_time": testClock().Unix()}))), 200, "")
}

func TestGuardsKeepTheirOwnScopes(t *testing.T) {
	scopes := []string{"read"}
	guard := usher.RequireScope(scopes...)
	scopes[0] = "write"
	if err := guard(usher.ContextWithClaims(t.Context(), &usher.Claims{Scope: "read"})); err != nil {
		t.Errorf("after the caller's slice changed: %v", err)
	}
}

func TestRequireRecentLoginGoesByTheMiddlewaresClock(t *testing.T) {
	now := testClock()
	d := openShop(t, usher.MiddlewareOptions{Now: func() time.Time { return now }})
	h := d.With(usher.RequireRecentLogin(time.Minute)).RequireFunc(greet)
	r := requestWith(shopToken(t, map[string]any{"auth_time": now.Unix()}))
	wantResponse(t, serveRequest(h, r), 200, "")
	now = now.Add(time.Minute + time.Nanosecond)
	wantResponse(t, serveRequest(h, r), 401, "")
}

func TestMisusedGuardsRefuseEverythingWithAReason(t *testing.T) {
	token := shopToken(t, map[string]any{"scope": "read", "auth_time": testClock().Unix()})
	d := openShop(t, usher.MiddlewareOptions{})
	tests := []struct {
		name   string
		m      *usher.Middleware[shopClaims, *shopUser]
		reason string
	}{
		{"nil", d.With(nil), "nil guard"},
		{"nil among others", d.With(usher.RequireScope("read"), nil), "nil guard"},
		{"RequireScope()", d.With(usher.RequireScope()), "RequireScope"},
		{"RequireScope of a nil list", d.With(usher.RequireScope([]string(nil)...)), "RequireScope"},
		{"RequireScope of nothing", d.With(usher.RequireScope("")), "RequireScope"},
		{"RequireScope of two in one", d.With(usher.RequireScope("read write")), "RequireScope"},
		{"RequireScope of a quote", d.With(usher.RequireScope(`read"`)), "RequireScope"},
		{"RequireScope beyond ASCII", d.With(usher.RequireScope("read", "lesen für alle")), "RequireScope"},
		{"RequireRecentLogin(0)", d.With(usher.RequireRecentLogin(0)), "RequireRecentLogin"},
		{"RequireRecentLogin(-1)", d.With(usher.RequireRecentLogin(-time.Second)), "RequireRecentLogin"},
		{"RequireRecentLogin(300)", d.With(usher.RequireRecentLogin(300)), "RequireRecentLogin"},
		{"RequireRecentLogin just below a second", d.With(usher.RequireRecentLogin(time.Second - 1)), "RequireRecentLogin"},
		{"Allow(nil)", d.Allow(nil), "Allow"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, h := range map[string]http.Handler{
				"Require": test.m.Require(http.HandlerFunc(sayHello)), "Optional": test.m.Optional(http.HandlerFunc(sayHello)),
			} {
				w := serveRequest(h, requestWith(token))
				wantResponse(t, w, 500, "")
				rej := d.refused(t)
				if rej == nil || rej.Err == nil || !strings.Contains(rej.Err.Error(), test.reason) {
					t.Fatalf("%s: observed %+v", name, rej)
				}
				if strings.Contains(w.Body.String(), test.reason) || w.Header().Get("WWW-Authenticate") != "" {
					t.Errorf("%s: told the client %v %s", name, w.Header(), w.Body)
				}
			}
			if test.name != "nil among others" { // there the first guard asks a stranger for a token
				wantResponse(t, serveRequest(test.m.Optional(http.HandlerFunc(sayHello)), requestWith("")), 500, "")
				d.refused(t)
			}
		})
	}
}

// Guards under Optional run for the anonymous too, and what would be a 403 is a 401 for them.
func TestGuardsAndAnonymousRequests(t *testing.T) {
	refuse := func(err error) usher.Guard { return func(context.Context) error { return err } }
	tests := []struct {
		name             string
		guard            usher.Guard
		stranger, member int
	}{
		{"passes", refuse(nil), 200, 200},
		{"RequireScope", usher.RequireScope("write"), 401, 403},
		{"RequireRecentLogin", usher.RequireRecentLogin(time.Minute), 401, 401},
		{"ErrForbidden", refuse(usher.ErrForbidden), 401, 403},
		{"an error of its own", refuse(errors.New(secretCause)), 401, 403},
		{"a Rejection with 403", refuse(&usher.Rejection{Status: 403, Code: "insufficient_scope", Scope: "x", Err: errors.New(secretCause)}), 401, 403},
		{"ErrTokenRevoked", refuse(usher.ErrTokenRevoked), 401, 401},
		{"ErrUnavailable", refuse(usher.ErrUnavailable), 503, 503},
		{"a Rejection with 500", refuse(&usher.Rejection{Status: 500}), 500, 500},
		{"a Rejection with 503", refuse(&usher.Rejection{Status: 503}), 503, 503},
		{"a cancelled context", refuse(context.Canceled), 503, 503},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{})
			called := 0
			h := d.With(func(ctx context.Context) error {
				called++
				return test.guard(ctx)
			}).Optional(http.HandlerFunc(sayHello))
			w := serveRequest(h, requestWith(""))
			wantResponse(t, w, test.stranger, "")
			rej := d.refused(t)
			if (rej != nil) != (test.stranger != 200) {
				t.Errorf("observed %+v", rej)
			}
			// A stranger brought no token: no error code (RFC 6750 §3).
			if got := w.Header().Get("WWW-Authenticate"); test.stranger == 401 && got != `Bearer realm="shop"` {
				t.Errorf("the challenge to a stranger is %q", got)
			}
			if test.name == "an error of its own" && !strings.Contains(rej.Err.Error(), secretCause) {
				t.Errorf("the reason is lost: %v", rej.Err)
			}
			wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), test.member, "")
			d.refused(t)
			if called != 2 {
				t.Errorf("the guard was called %d times", called)
			}
		})
	}
}

func TestAllow(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	asked := 0
	admins := d.Allow(func(u *shopUser) bool {
		asked++
		return u.Role == "admin"
	})
	for role, status := range map[string]int{"admin": 200, "editor": 403, "": 403} {
		w := serveRequest(admins.RequireFunc(greet), requestWith(shopToken(t, map[string]any{"role": role})))
		wantResponse(t, w, status, "")
		if rej := d.refused(t); status == 403 && (rej.Code != "insufficient_scope" || !errors.Is(rej, usher.ErrForbidden)) {
			t.Errorf("observed %+v", rej)
		}
	}
	wantResponse(t, serveRequest(admins.Optional(http.HandlerFunc(sayHello)), requestWith("")), 401, "")
	if asked != 3 {
		t.Errorf("asked %d times, a stranger included", asked)
	}
	wantResponse(t, serveRequest(d.RequireFunc(greet), requestWith(shopToken(t, nil))), 200, "hello 7")
}

func TestGuardsFindUserAndClaims(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	guard := func(ctx context.Context) error {
		user, ok := d.User(ctx)
		claims, has := d.Claims(ctx)
		embedded, hasEmbedded := usher.ClaimsFromContext[usher.Claims](ctx)
		if !ok || !has || !hasEmbedded || user.ID != "7" || claims.Subject != "7" || embedded.Subject != "7" {
			t.Errorf("user %v, claims %v, %v", user, claims, embedded)
		}
		return nil
	}
	wantResponse(t, serveRequest(d.With(guard).RequireFunc(greet), requestWith(shopToken(t, nil))), 200, "hello 7")
}

// Guards can be tested, and used, without a middleware.
func TestGuardsOutsideAMiddleware(t *testing.T) {
	scope, login := usher.RequireScope("read"), usher.RequireRecentLogin(time.Hour)
	claims := func(c usher.Claims) context.Context {
		return usher.ContextWithClaims(t.Context(), &shopClaims{Claims: c})
	}
	recent := usher.NewNumericDate(time.Now())
	tests := []struct {
		name          string
		ctx           context.Context //nolint:containedctx // what the guard is given
		scope, recent bool
	}{
		{"nothing", t.Context(), false, false},
		{"a user alone", usher.ContextWithUser(t.Context(), &shopUser{}), false, false},
		{"empty claims", claims(usher.Claims{}), false, false},
		{"nil claims", usher.ContextWithClaims[shopClaims](t.Context(), nil), false, false},
		{"claims of another kind", usher.ContextWithClaims(t.Context(), &struct{ Scope string }{"read"}), false, false},
		{"a scope", claims(usher.Claims{Scope: "read"}), true, false},
		{"a recent login", claims(usher.Claims{AuthTime: recent}), false, true},
		{"both", usher.ContextWithClaims(t.Context(), &usher.Claims{Scope: "a read b", AuthTime: recent}), true, true},
		{"an old login", claims(usher.Claims{AuthTime: usher.NewNumericDate(time.Now().Add(-2 * time.Hour))}), false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := scope(test.ctx); (err == nil) != test.scope {
				t.Errorf("RequireScope: %v", err)
			}
			if err := login(test.ctx); (err == nil) != test.recent {
				t.Errorf("RequireRecentLogin: %v", err)
			}
		})
	}
}
