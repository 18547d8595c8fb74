package usher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
)

// Every line of the table of what a request gets, over a real socket.
func TestResponseOfEachRequest(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("session")},
		Check: func(_ context.Context, c *usher.Claims) error {
			switch c.SessionID {
			case "ended":
				return fmt.Errorf("%w: "+secretCause, usher.ErrTokenRevoked)
			case "unknown":
				return fmt.Errorf("%w: "+secretCause, usher.ErrUnavailable)
			case "odd":
				return errors.New(secretCause)
			}
			return nil
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/me", d.RequireFunc(greet))
	mux.Handle("/write", d.With(usher.RequireScope("read", "write")).RequireFunc(greet))
	mux.Handle("/admin", d.Allow(func(u *shopUser) bool { return u.Role == "admin" }).RequireFunc(greet))
	mux.Handle("/pay", d.With(usher.RequireRecentLogin(10*time.Minute)).RequireFunc(greet))
	mux.Handle("/odd", d.With(func(context.Context) error { return errors.New(secretCause) }).RequireFunc(greet))
	mux.Handle("/outage", d.With(func(context.Context) error {
		return fmt.Errorf("%w: "+secretCause, usher.ErrUnavailable)
	}).RequireFunc(greet))
	mux.Handle("/post", d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		d.Deny(w, r, fmt.Errorf("%w: "+secretCause, usher.ErrForbidden))
	}))
	mux.Handle("/home", d.Optional(http.HandlerFunc(sayHello)))
	server := httptest.NewServer(mux)
	defer server.Close()

	const (
		none       = `Bearer realm="shop"`
		invalid    = `Bearer realm="shop", error="invalid_token", error_description="The access token is not valid."`
		expired    = `Bearer realm="shop", error="invalid_token", error_description="The access token has expired."`
		many       = `Bearer realm="shop", error="invalid_request", error_description="The request carries more than one access token."`
		notAllowed = `Bearer realm="shop", error="insufficient_scope", error_description="This is not allowed."`
		noScope    = `Bearer realm="shop", error="insufficient_scope", error_description="The access token lacks a scope.", scope="read write"`
		notRecent  = `Bearer realm="shop", error="insufficient_user_authentication", error_description="A more recent login is required.", max_age="600"`
	)
	good := shopToken(t, nil)
	with := func(changes map[string]any) string { return "Bearer " + shopToken(t, changes) }
	header := func(name string, value any) string {
		h := map[string]any{"alg": "HS256", "typ": "JWT"}
		h[name] = value
		return "Bearer " + signShopToken(t, shopSecret, h, shopPayload(nil))
	}
	tests := []struct {
		name      string
		path      string
		header    http.Header
		method    string
		status    int
		challenge string
		cause     error
	}{
		{"no token", "/me", nil, "", 401, none, usher.ErrNoToken},
		{"Basic is no token", "/me", http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, "", 401, none, usher.ErrNoToken},
		{"another method", "/me", nil, "DELETE", 401, none, usher.ErrNoToken},
		{"an empty cookie is no token", "/me", http.Header{"Cookie": {"session="}}, "", 401, none, usher.ErrNoToken},
		{"an empty Bearer", "/me", http.Header{"Authorization": {"Bearer "}}, "", 401, invalid, usher.ErrTokenMalformed},
		{"malformed", "/me", http.Header{"Authorization": {"Bearer a.b"}}, "", 401, invalid, usher.ErrTokenMalformed},
		{"forged", "/me", http.Header{"Authorization": {"Bearer " + signShopToken(t, "another secret of sufficient length", map[string]any{"alg": "HS256"}, shopPayload(nil))}}, "", 401, invalid, usher.ErrTokenSignature},
		{"unsigned", "/me", http.Header{"Authorization": {header("alg", "none")}}, "", 401, invalid, usher.ErrTokenSignature},
		{"unknown key", "/me", http.Header{"Authorization": {header("kid", "elsewhere")}}, "", 401, invalid, usher.ErrUnknownKey},
		{"wrong type", "/me", http.Header{"Authorization": {header("typ", "refresh")}}, "", 401, invalid, usher.ErrTokenType},
		{"too large", "/me", http.Header{"Authorization": {"Bearer " + strings.Repeat("a", 9<<10)}}, "", 401, invalid, usher.ErrTokenTooLarge},
		{"expired", "/me", http.Header{"Authorization": {with(map[string]any{"exp": testClock().Unix()})}}, "", 401, expired, usher.ErrTokenExpired},
		{"not yet valid", "/me", http.Header{"Authorization": {with(map[string]any{"nbf": testClock().Unix() + 1})}}, "", 401, invalid, usher.ErrTokenNotYetValid},
		{"wrong issuer", "/me", http.Header{"Authorization": {with(map[string]any{"iss": "https://other.example"})}}, "", 401, invalid, usher.ErrTokenIssuer},
		{"wrong audience", "/me", http.Header{"Authorization": {with(map[string]any{"aud": "other"})}}, "", 401, invalid, usher.ErrTokenAudience},
		{"no subject", "/me", http.Header{"Authorization": {with(map[string]any{"sub": nil})}}, "", 401, invalid, usher.ErrTokenClaims},
		{"revoked", "/me", http.Header{"Authorization": {with(map[string]any{"sid": "ended"})}}, "", 401, invalid, usher.ErrTokenRevoked},
		{"unknown user", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "gone"})}}, "", 401, invalid, usher.ErrNoUser},
		{"a nil user", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "nil"})}}, "", 401, invalid, usher.ErrNoUser},
		{"a token in two places", "/me", http.Header{"Authorization": {"Bearer " + good}, "Cookie": {"session=" + good}}, "", 400, many, usher.ErrManyTokens},
		{"two Authorization headers", "/me", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, "", 400, many, usher.ErrManyTokens},
		{"Basic beside Bearer", "/me", http.Header{"Authorization": {"Basic dXNlcjpwYXNz", "Bearer " + good}}, "", 400, many, usher.ErrManyTokens},
		{"two cookies of the name", "/me", http.Header{"Cookie": {"session=" + good + "; session=" + good}}, "", 400, many, usher.ErrManyTokens},
		{"no scope", "/write", http.Header{"Authorization": {with(map[string]any{"scope": "read"})}}, "", 403, noScope, usher.ErrForbidden},
		{"no right", "/admin", http.Header{"Authorization": {with(map[string]any{"role": "editor"})}}, "", 403, notAllowed, usher.ErrForbidden},
		{"a guard's own error", "/odd", http.Header{"Authorization": {with(nil)}}, "", 403, notAllowed, nil},
		{"denied by the handler", "/post", http.Header{"Authorization": {with(nil)}}, "", 403, notAllowed, usher.ErrForbidden},
		{"forbidden by the user function", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "banned"})}}, "", 403, notAllowed, usher.ErrForbidden},
		{"an old login", "/pay", http.Header{"Authorization": {with(map[string]any{"auth_time": testClock().Add(-11 * time.Minute).Unix()})}}, "", 401, notRecent, nil},
		{"a cookie from another site", "/me", http.Header{"Cookie": {"session=" + good}, "Sec-Fetch-Site": {"cross-site"}}, "POST", 403, "", nil},
		{"the store is down", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "down"})}}, "", 503, "", usher.ErrUnavailable},
		{"the session store is down", "/me", http.Header{"Authorization": {with(map[string]any{"sid": "unknown"})}}, "", 503, "", usher.ErrUnavailable},
		{"a guard's store is down", "/outage", http.Header{"Authorization": {with(nil)}}, "", 503, "", usher.ErrUnavailable},
		{"the store is slow", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "slow"})}}, "", 503, "", context.DeadlineExceeded},
		{"the user lookup fails", "/me", http.Header{"Authorization": {with(map[string]any{"sub": "broken"})}}, "", 500, "", nil},
		{"the check fails", "/me", http.Header{"Authorization": {with(map[string]any{"sid": "odd"})}}, "", 500, "", nil},
		{"an optional route and a bad token", "/home", http.Header{"Authorization": {"Bearer a.b"}}, "", 401, invalid, usher.ErrTokenMalformed},
		{"an optional route and an empty Bearer", "/home", http.Header{"Authorization": {"Bearer"}}, "", 401, invalid, usher.ErrTokenMalformed},
		{"an optional route and two tokens", "/home", http.Header{"Authorization": {"Bearer a", "Bearer b"}}, "", 400, many, usher.ErrManyTokens},
		{"an optional route and an outage", "/home", http.Header{"Authorization": {with(map[string]any{"sub": "down"})}}, "", 503, "", usher.ErrUnavailable},

		{"an optional route and no token", "/home", nil, "", 200, "", nil},
		{"an optional route and Basic", "/home", http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, "", 200, "", nil},
		{"a good token", "/me", http.Header{"Authorization": {"Bearer " + good}}, "", 200, "", nil},
		{"a good cookie", "/me", http.Header{"Cookie": {"session=" + good}}, "", 200, "", nil},
		{"all scopes", "/write", http.Header{"Authorization": {with(map[string]any{"scope": "write read"})}}, "", 200, "", nil},
		{"a recent login", "/pay", http.Header{"Authorization": {with(map[string]any{"auth_time": testClock().Add(-9 * time.Minute).Unix()})}}, "", 200, "", nil},
		{"an admin", "/admin", http.Header{"Authorization": {with(map[string]any{"role": "admin"})}}, "", 200, "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			request, err := http.NewRequestWithContext(t.Context(), method, server.URL+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != nil {
				request.Header = test.header
			}
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status {
				t.Fatalf("status %d, want %d; body %s", response.StatusCode, test.status, body)
			}
			challenges := strings.Join(response.Header["Www-Authenticate"], "\n")
			if challenges != test.challenge {
				t.Errorf("WWW-Authenticate is\n%s, want\n%s", challenges, test.challenge)
			}
			if got := response.Header.Get("Retry-After") != ""; got != (test.status == 503) {
				t.Errorf("Retry-After is %q", response.Header.Get("Retry-After"))
			}
			rej := d.refused(t)
			if test.status == 200 {
				if rej != nil || !strings.HasPrefix(string(body), "hello ") ||
					strings.Trim(response.Header.Get("Cache-Control"), "private") != "" {
					t.Errorf("observed %v, body %s, headers %v", rej, body, response.Header)
				}
				return
			}
			if rej == nil {
				t.Fatal("Observe was not called")
			}
			if test.cause != nil && !errors.Is(rej, test.cause) {
				t.Errorf("observed %v, want %v", rej.Err, test.cause)
			}
			if rej.Err == nil {
				t.Error("observed no cause")
			}
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type is %q", got)
			}
			var problem map[string]any
			if err := json.Unmarshal(body, &problem); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if problem["status"] != float64(test.status) || problem["title"] != http.StatusText(test.status) ||
				problem["detail"] != rej.Error() || rej.Error() != rej.Description || rej.Description == "" {
				t.Errorf("problem %v of %+v", problem, rej)
			}
			var everything bytes.Buffer
			_ = response.Header.Write(&everything)
			everything.Write(body)
			if shown := everything.String(); strings.Contains(shown, secretCause) || strings.Contains(shown, rej.Err.Error()) ||
				strings.Contains(shown, good) {
				t.Errorf("the cause %q shows in\n%s", rej.Err, shown)
			}
		})
	}
}

func TestExpiredIsToldFromTheRest(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	describe := func(changes map[string]any) string {
		serveRequest(d.RequireFunc(greet), requestWith(shopToken(t, changes)))
		return d.refused(t).Description
	}
	expired := describe(map[string]any{"exp": testClock().Unix() - 1})
	if !strings.Contains(expired, "expired") {
		t.Errorf("an expired token is %q", expired)
	}
	other := describe(map[string]any{"iss": "other"})
	for _, changes := range []map[string]any{{"sub": "gone"}, {"aud": "x"}, {"nbf": testClock().Unix() + 9}, {"sub": nil}, {"sub": "nil"}} {
		if got := describe(changes); got != other || got == expired {
			t.Errorf("%v is described as %q, another as %q", changes, got, other)
		}
	}
}

// RFC 6750 §3: the scheme "MUST be followed by one or more auth-param values", so a realm is always there.
func TestChallengeWithoutRealm(t *testing.T) {
	m, err := usher.NewMiddleware(shopDecoder(t), findShopUser, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := serveRequest(m.RequireFunc(greet), requestWith(""))
	if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="`) || strings.Contains(got, "error") {
		t.Errorf("WWW-Authenticate is %q", got)
	}
}

// All errors are mapped by the same rules, wherever they come from.
func TestErrorsAreMappedAlikeWhereverTheyComeFrom(t *testing.T) {
	var noRejection *usher.Rejection
	own := &usher.Rejection{Status: http.StatusNotFound, Description: "No such page.", Err: errors.New(secretCause)}
	step := &usher.Rejection{Status: http.StatusUnauthorized, Code: "insufficient_user_authentication", MaxAge: time.Minute}
	tests := []struct {
		err    error
		status int // 0: 500, or 403 from a guard
		code   string
	}{
		{usher.ErrInvalidToken, 401, "invalid_token"},
		{usher.ErrTokenMalformed, 401, "invalid_token"},
		{usher.ErrTokenSignature, 401, "invalid_token"},
		{usher.ErrTokenExpired, 401, "invalid_token"},
		{usher.ErrTokenNotYetValid, 401, "invalid_token"},
		{usher.ErrTokenIssuer, 401, "invalid_token"},
		{usher.ErrTokenAudience, 401, "invalid_token"},
		{usher.ErrTokenClaims, 401, "invalid_token"},
		{usher.ErrTokenType, 401, "invalid_token"},
		{usher.ErrTokenTooLarge, 401, "invalid_token"},
		{usher.ErrTokenRevoked, 401, "invalid_token"},
		{usher.ErrUnknownKey, 401, "invalid_token"},
		{usher.ErrNoUser, 401, "invalid_token"},
		{fmt.Errorf("deep: %w", fmt.Errorf("deeper: %w", usher.ErrNoUser)), 401, "invalid_token"},
		{errors.Join(errors.New(secretCause), usher.ErrTokenRevoked), 401, "invalid_token"},
		{usher.ErrNoToken, 401, ""},
		{usher.ErrManyTokens, 400, "invalid_request"},
		{usher.ErrForbidden, 403, "insufficient_scope"},
		{fmt.Errorf(secretCause+": %w", usher.ErrForbidden), 403, "insufficient_scope"},
		{usher.ErrUnavailable, 503, ""},
		{fmt.Errorf(secretCause+": %w", usher.ErrUnavailable), 503, ""},
		{context.Canceled, 503, ""},
		{fmt.Errorf(secretCause+": %w", context.DeadlineExceeded), 503, ""},
		{own, 404, ""},
		{fmt.Errorf("wrapped: %w", own), 404, ""},
		{step, 401, "insufficient_user_authentication"},
		{errors.New(secretCause), 0, ""},
		{usher.ErrPasswordMismatch, 0, ""},
		{usher.ErrPasswordUnfit, 422, ""},
		{usher.ErrPasswordTooShort, 422, ""},
		{fmt.Errorf(secretCause+": %w", usher.ErrPasswordTooLong), 422, ""},
		{usher.ErrPasswordInvalid, 422, ""},
		{jwt.ErrTokenExpired, 0, ""}, // golang-jwt's own is not usher's
		{&usher.ConfigError{Field: "x", Reason: secretCause}, 0, ""},
		{noRejection, 0, ""},
		{fmt.Errorf("wrapped: %w", noRejection), 0, ""},
	}
	for _, test := range tests {
		failing := verifierFunc(func(context.Context, string) (*shopClaims, error) { return nil, test.err })
		noUser := func(context.Context, *shopClaims) (*shopUser, error) { return &shopUser{}, test.err }
		refuse := func(context.Context) error { return test.err }
		origins := map[string]http.Handler{}
		middlewares := map[string]*recordedShop{
			"verifier": openShopWith(t, failing, nil, usher.MiddlewareOptions{}),
			"Check":    openShop(t, usher.MiddlewareOptions{Check: func(context.Context, *usher.Claims) error { return test.err }}),
			"user":     openShopWith(t, nil, noUser, usher.MiddlewareOptions{}),
			"guard":    openShop(t, usher.MiddlewareOptions{}),
			"Deny":     openShop(t, usher.MiddlewareOptions{}),
		}
		for name, d := range middlewares {
			origins[name] = d.RequireFunc(greet)
		}
		origins["guard"] = middlewares["guard"].With(refuse).RequireFunc(greet)
		origins["Deny"] = middlewares["Deny"].RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
			middlewares["Deny"].Deny(w, r, test.err)
		})
		for name, handler := range origins {
			t.Run(fmt.Sprintf("%v/%s", test.err, name), func(t *testing.T) {
				status, code := test.status, test.code
				if status == 0 {
					status = http.StatusInternalServerError
					if name == "guard" {
						status, code = http.StatusForbidden, "insufficient_scope"
					}
				}
				if name == "Deny" && errors.Is(test.err, usher.ErrNoUser) { // of another user than the one that asks
					status, code = http.StatusNotFound, ""
				}
				w := serveRequest(handler, requestWith(shopToken(t, nil)))
				rej := middlewares[name].refused(t)
				if w.Code != status || rej == nil || rej.Status != status || rej.Code != code {
					t.Fatalf("status %d, observed %+v; want %d %q", w.Code, rej, status, code)
				}
				if errors.As(test.err, new(*usher.Rejection)) {
					if status == 404 && (rej.Description != own.Description || !errors.Is(rej, own.Err)) {
						t.Errorf("the Rejection was changed: %+v", rej)
					}
				} else if !errors.Is(rej, test.err) {
					t.Errorf("observed %v, which is not the cause", rej.Err)
				}
				if strings.Contains(w.Body.String(), secretCause) {
					t.Errorf("the cause shows: %s", w.Body)
				}
				if got := w.Header().Get("Retry-After") != ""; got != (status == 503) {
					t.Errorf("Retry-After is there: %v", got)
				}
				if got := w.Header().Get("WWW-Authenticate"); (got != "") != (status == 401 || code != "") ||
					code != "" && !strings.Contains(got, `error="`+code+`"`) {
					t.Errorf("WWW-Authenticate is %q", got)
				}
				if w.Header().Get("Cache-Control") != "no-store" {
					t.Error("the refusal may be stored")
				}
			})
		}
	}
}

func TestDenyWithoutAnErrorIsNoSuccess(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	w := httptest.NewRecorder()
	d.Deny(w, requestWith(""), nil)
	wantResponse(t, w, 500, "")
}

func TestSharedRejectionIsNeverChanged(t *testing.T) {
	shared := &usher.Rejection{Status: http.StatusUnauthorized}
	guard := func(context.Context) error { return shared }
	shop := openShop(t, usher.MiddlewareOptions{}).With(guard).RequireFunc(greet)
	bank := openShop(t, usher.MiddlewareOptions{Realm: "bank"}).With(guard).RequireFunc(greet)
	token := shopToken(t, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for realm, h := range map[string]http.Handler{"shop": shop, "bank": bank} {
				if got := serveRequest(h, requestWith(token)).Header().Get("WWW-Authenticate"); got != `Bearer realm="`+realm+`"` {
					t.Errorf("the challenge of %s is %q", realm, got)
				}
			}
		})
	}
	wg.Wait()
	if !reflect.DeepEqual(*shared, usher.Rejection{Status: http.StatusUnauthorized}) { //nolint:govet // neither has a cause
		t.Errorf("it became %+v", shared)
	}
}

// sources → cross-origin check → decode → Check → user → guards → next.
func TestOrderOfSteps(t *testing.T) {
	var d *recordedShop //nolint:staticcheck // what is opened looks at it
	d = openShop(t, usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("session"), usher.FromBearer()},
		Check: func(_ context.Context, c *usher.Claims) error {
			if c.SessionID != "" {
				return usher.ErrTokenRevoked
			}
			return nil
		},
	})
	h := d.With(func(ctx context.Context) error {
		d.step("guard1")
		if user, ok := d.User(ctx); ok && user.Role == "stop" {
			return usher.ErrForbidden
		}
		return nil
	}).With(func(context.Context) error {
		d.step("guard2")
		return nil
	}).RequireFunc(func(_ http.ResponseWriter, _ *http.Request, _ *shopUser) { d.step("next") })
	good := shopToken(t, nil)
	tests := []struct {
		name   string
		header http.Header
		steps  string
	}{
		{"a good cookie", http.Header{"Cookie": {"session=" + good}}, "decode check user guard1 guard2 next"},
		{"no token", nil, ""},
		{"two tokens", http.Header{"Cookie": {"session=" + good}, "Authorization": {"Bearer " + good}}, ""},
		{"a cookie from elsewhere", http.Header{"Cookie": {"session=" + good}, "Sec-Fetch-Site": {"cross-site"}}, ""},
		{"a bad cookie from elsewhere", http.Header{"Cookie": {"session=bad"}, "Sec-Fetch-Site": {"cross-site"}}, ""},
		{"two tokens from elsewhere", http.Header{"Cookie": {"session=a; session=b"}, "Sec-Fetch-Site": {"cross-site"}}, ""},
		{"a bad token", http.Header{"Cookie": {"session=bad"}}, "decode"},
		{"revoked and no user", http.Header{"Cookie": {"session=" + shopToken(t, map[string]any{"sid": "ended", "sub": "gone"})}}, "decode check"},
		{"no user", http.Header{"Cookie": {"session=" + shopToken(t, map[string]any{"sub": "gone"})}}, "decode check user"},
		{"refused by the first guard", http.Header{"Cookie": {"session=" + shopToken(t, map[string]any{"role": "stop"})}}, "decode check user guard1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "http://shop.example/", nil)
			r.Header = test.header
			serveRequest(h, r)
			if got := d.took(); got != test.steps {
				t.Errorf("took %q, want %q", got, test.steps)
			}
			if rej := d.refused(t); test.name == "two tokens from elsewhere" && rej.Status != 400 {
				t.Errorf("refused with %d: sources come first", rej.Status)
			}
		})
	}
}

func TestOptional(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.Optional(http.HandlerFunc(sayHello))
	tests := []struct {
		name          string
		authorization []string
		status        int
		body          string
	}{
		{"no token", nil, 200, "hello stranger"},
		{"Basic", []string{"Basic dXNlcjpwYXNz"}, 200, "hello stranger"},
		{"a scheme that begins alike", []string{"Bearertoken abc"}, 200, "hello stranger"},
		{"an empty header", []string{""}, 200, "hello stranger"},
		{"a good token", []string{"Bearer " + shopToken(t, nil)}, 200, "hello 7"},
		{"a bad token", []string{"Bearer nonsense"}, 401, ""},
		{"an empty Bearer", []string{"Bearer"}, 401, ""},
		{"an empty Bearer and a space", []string{"Bearer "}, 401, ""},
		{"a Bearer with a tab", []string{"Bearer\t" + shopToken(t, nil)}, 401, ""},
		{"two Basics", []string{"Basic a", "Basic b"}, 400, ""},
		{"a user who is gone", []string{"Bearer " + shopToken(t, map[string]any{"sub": "gone"})}, 401, ""},
		{"a store that is down", []string{"Bearer " + shopToken(t, map[string]any{"sub": "down"})}, 503, ""},
		{"a store that is broken", []string{"Bearer " + shopToken(t, map[string]any{"sub": "broken"})}, 500, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := requestWith("")
			if test.authorization != nil {
				r.Header["Authorization"] = test.authorization
			}
			wantResponse(t, serveRequest(h, r), test.status, test.body)
			rej := d.refused(t)
			if (rej != nil) != (test.status != 200) {
				t.Errorf("observed %+v", rej)
			}
			if test.status == 401 && (rej.Code != "invalid_token") {
				t.Errorf("the code is %q", rej.Code)
			}
		})
	}
}

func TestVaryNamesTheHeadersThatWereRead(t *testing.T) {
	query, form := usher.FromQuery("t"), usher.FromForm("t")
	nobody := func(*http.Request) (string, bool, error) { return "", false, nil }
	tests := []struct {
		name              string
		sources           []usher.TokenSource
		optional, require string
	}{
		{"default", nil, "Authorization", ""},
		{"header", []usher.TokenSource{usher.FromHeader("x-access-token")}, "X-Access-Token", "X-Access-Token"},
		{"cookie", []usher.TokenSource{usher.FromCookie("session")}, "Cookie", "Cookie"},
		{"bearer and cookie", []usher.TokenSource{usher.FromBearer(), usher.FromCookie("session")}, "Authorization, Cookie", "Authorization, Cookie"},
		{"two schemes", []usher.TokenSource{usher.FromBearer(), usher.FromAuthorization("JWT")}, "Authorization", ""},
		{"socket", []usher.TokenSource{usher.FromWebSocketProtocol("m")}, "Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol"},
		{"bearer and query", []usher.TokenSource{usher.FromBearer(), query}, "Authorization", "Authorization"},
		{"a function", []usher.TokenSource{usher.FromFunc(nobody, "x-a", "X-B")}, "X-A, X-B", "X-A, X-B"},
		{"a function of Authorization", []usher.TokenSource{usher.FromFunc(nobody, "authorization")}, "Authorization", ""},
		{"no header", []usher.TokenSource{query, form}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: test.sources})
			hello := http.HandlerFunc(sayHello)
			for name, h := range map[string]http.Handler{"Optional": d.Optional(hello), "Require": d.Require(hello), "RequireFunc": d.RequireFunc(greet)} {
				want := test.require
				if name == "Optional" {
					want = test.optional
				}
				for _, token := range []string{"", "bad", shopToken(t, nil)} {
					r := requestWith(token)
					w := httptest.NewRecorder()
					w.Header().Set("Vary", "Accept-Encoding")
					h.ServeHTTP(w, r)
					got, kept := strings.CutPrefix(strings.Join(w.Header()["Vary"], ", "), "Accept-Encoding")
					if !kept || strings.TrimPrefix(got, ", ") != want {
						t.Errorf("%s: Vary is %q, want %q besides", name, w.Header()["Vary"], want)
					}
				}
			}
		})
	}
}

func TestVaryIsSetBeforeACustomReject(t *testing.T) {
	var vary string
	d := openShop(t, usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("session")},
		Reject:  func(w http.ResponseWriter, _ *http.Request, _ *usher.Rejection) { vary = w.Header().Get("Vary") },
	})
	serveRequest(d.RequireFunc(greet), requestWith(""))
	if vary != "Cookie" {
		t.Errorf("Vary was %q", vary)
	}
}

func TestNilUsersDoNotExist(t *testing.T) {
	t.Run("pointer", nilUser(func() *shopUser { return nil }))
	t.Run("map", nilUser(func() map[string]string { return nil }))
	t.Run("slice", nilUser(func() []string { return nil }))
	t.Run("func", nilUser(func() func() { return nil }))
	t.Run("chan", nilUser(func() chan int { return nil }))
	t.Run("interface", nilUser(func() fmt.Stringer { return nil }))
	t.Run("any", nilUser(func() any { return nil }))
	t.Run("a nil pointer in an interface", nilUser(func() any { return (*shopUser)(nil) }))
	t.Run("a nil map in an interface", nilUser(func() any { return map[string]int(nil) }))
	t.Run("a nil pointer in an error", nilUser(func() error { return (*usher.ConfigError)(nil) }))
	t.Run("unsafe pointer", nilUser(func() unsafe.Pointer { return nil }))
	t.Run("a nil unsafe pointer in an interface", nilUser(func() any { return unsafe.Pointer(nil) }))
}

func nilUser[U any](nobody func() U) func(t *testing.T) {
	return func(t *testing.T) {
		var reason error
		m, err := usher.NewMiddleware(shopDecoder(t), func(context.Context, *shopClaims) (U, error) { return nobody(), nil },
			&usher.MiddlewareOptions{Observe: func(_ *http.Request, rej *usher.Rejection) { reason = rej.Err }})
		if err != nil {
			t.Fatal(err)
		}
		h := m.RequireFunc(func(http.ResponseWriter, *http.Request, U) { t.Error("the handler was called") })
		wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), 401, "")
		if !errors.Is(reason, usher.ErrNoUser) {
			t.Errorf("the reason is %v", reason)
		}
	}
}

func TestZeroUsersOfOtherKindsExist(t *testing.T) {
	t.Run("struct", zeroUser(shopUser{}))
	t.Run("string", zeroUser(""))
	t.Run("number", zeroUser(0))
	t.Run("array", zeroUser([2]int{}))
	t.Run("a struct in an interface", zeroUser[any](shopUser{}))
	t.Run("an empty slice", zeroUser([]string{}))
}

func zeroUser[U any](user U) func(t *testing.T) {
	return func(t *testing.T) {
		m, err := usher.NewMiddleware(shopDecoder(t), func(context.Context, *shopClaims) (U, error) { return user, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := m.User(r.Context()); !ok {
				t.Error("no user")
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), 204, "")
	}
}

func TestVerifierWithoutClaimsOrErrorFailsClosed(t *testing.T) {
	silent := verifierFunc(func(context.Context, string) (*shopClaims, error) { return nil, nil }) //nolint:nilnil // the point
	d := openShopWith(t, silent, nil, usher.MiddlewareOptions{})
	for _, h := range []http.Handler{d.RequireFunc(greet), d.Optional(http.HandlerFunc(sayHello))} {
		wantResponse(t, serveRequest(h, requestWith("x")), 500, "")
		if rej := d.refused(t); rej.Err == nil {
			t.Error("observed no cause")
		}
	}
	if got := d.took(); strings.Contains(got, "user") {
		t.Errorf("took %q", got)
	}
}

func TestUserThatComesWithAnErrorIsDropped(t *testing.T) {
	d := openShopWith(t, nil, func(context.Context, *shopClaims) (*shopUser, error) {
		return &shopUser{ID: "7"}, errors.New(secretCause)
	}, usher.MiddlewareOptions{})
	ctx, err := d.Authenticate(requestWith(shopToken(t, nil)))
	if user, ok := d.User(ctx); ok || err == nil {
		t.Errorf("got %v and %v", user, err)
	}
}

func TestRequireFuncHandsOverTheUser(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *shopUser) {
		same, ok := d.User(r.Context())
		claims, has := d.Claims(r.Context())
		if !ok || same != user || !has || claims.Subject != user.ID || claims.Role != "editor" {
			t.Errorf("context has %v and %v, argument is %v", same, claims, user)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"role": "editor"}))), 204, "")
}

func TestClaimsAsUser(t *testing.T) {
	m, err := usher.NewMiddleware(shopDecoder(t), usher.ClaimsAsUser, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := m.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *shopClaims) {
		if claims, ok := m.Claims(r.Context()); !ok || claims != user {
			t.Errorf("the claims are %p, the user is %p", claims, user)
		}
		_, _ = io.WriteString(w, user.Role)
	})
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"role": "editor"}))), 200, "editor")
}

func TestOwnCopyOfClaims(t *testing.T) {
	meddle := func(c *usher.Claims) {
		c.Subject, c.Scope = "root", "admin"
		c.AuthTime = usher.NewNumericDate(testClock())
		for i := range c.Audience {
			c.Audience[i] = "meddled"
		}
	}
	token := shopToken(t, map[string]any{"scope": "read", "aud": []string{"a", "b"}})
	key := usher.Must(usher.NewKey(usher.HS256, []byte(shopSecret)))
	decoder := usher.Must(usher.NewDecoder[shopClaims](key, &usher.DecoderOptions{Audience: usher.Audience{"a"}, Now: testClock, CacheSize: 10}))

	t.Run("guards do not see what the user function changed", func(t *testing.T) {
		d := openShopWith(t, decoder, func(_ context.Context, c *shopClaims) (*shopUser, error) {
			c.Claims.Subject, c.Claims.Scope, c.AuthTime = "root", "admin", usher.NewNumericDate(testClock())
			return &shopUser{ID: "7"}, nil
		}, usher.MiddlewareOptions{})
		wantResponse(t, serveRequest(d.With(usher.RequireScope("admin")).RequireFunc(greet), requestWith(token)), 403, "")
		wantResponse(t, serveRequest(d.With(usher.RequireScope("read")).RequireFunc(greet), requestWith(token)), 200, "")
		wantResponse(t, serveRequest(d.With(usher.RequireRecentLogin(time.Hour)).RequireFunc(greet), requestWith(token)), 401, "")
	})
	t.Run("a guard of one's own does not either", func(t *testing.T) {
		d := openShopWith(t, decoder, func(_ context.Context, c *shopClaims) (*shopUser, error) {
			c.Claims.Scope = "admin"
			return &shopUser{ID: "7"}, nil
		}, usher.MiddlewareOptions{})
		guard := func(ctx context.Context) error {
			if c, ok := usher.ClaimsFromContext[usher.Claims](ctx); !ok || c.Scope != "read" {
				return fmt.Errorf("the scope is %q", c.Scope)
			}
			return nil
		}
		wantResponse(t, serveRequest(d.With(guard).RequireFunc(greet), requestWith(token)), 200, "")
	})
	t.Run("inner guards do not see what an outer handler changed", func(t *testing.T) {
		d := openShopWith(t, decoder, nil, usher.MiddlewareOptions{})
		inner := d.With(usher.RequireScope("admin")).RequireFunc(greet)
		h := d.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, ok := d.Claims(r.Context()); ok {
				c.Claims.Scope = "admin"
			}
			inner.ServeHTTP(w, r)
		}))
		wantResponse(t, serveRequest(h, requestWith(token)), 403, "")
	})
	t.Run("what Check changes nobody else sees", func(t *testing.T) {
		d := openShopWith(t, decoder, nil, usher.MiddlewareOptions{Check: func(_ context.Context, c *usher.Claims) error {
			meddle(c)
			return nil
		}})
		for range 2 { // the second time from the cache
			h := d.RequireFunc(func(_ http.ResponseWriter, r *http.Request, user *shopUser) {
				c, _ := d.Claims(r.Context())
				if user.ID != "7" || c.Subject != "7" || c.Scope != "read" || strings.Join(c.Audience, " ") != "a b" {
					t.Errorf("user %v, claims %+v", user, c)
				}
			})
			wantResponse(t, serveRequest(h, requestWith(token)), 200, "")
		}
	})
	t.Run("Check sees the token's claims", func(t *testing.T) {
		d := openShopWith(t, decoder, nil, usher.MiddlewareOptions{Check: func(_ context.Context, c *usher.Claims) error {
			if c.Subject != "7" || c.Scope != "read" || strings.Join(c.Audience, " ") != "a b" || c.Issuer != shopIssuer {
				t.Errorf("claims %+v", c)
			}
			return nil
		}})
		wantResponse(t, serveRequest(d.RequireFunc(greet), requestWith(token)), 200, "hello 7")
	})
}

func TestNestedMiddleware(t *testing.T) {
	type bankUser struct{ Account string }
	const once, twice = "decode check user", "decode check user decode check user"
	token := shopToken(t, map[string]any{"scope": "read"})
	// between returns a handler that changes the request on its way to next.
	between := func(change func(*http.Request) *http.Request) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, change(r)) })
		}
	}
	bank := usher.Must(usher.NewMiddleware(shopDecoder(t), func(context.Context, *shopClaims) (*bankUser, error) {
		return &bankUser{"account"}, nil
	}, &usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromBearer(), usher.FromHeader("X-Bank")}}))
	pass := func(next http.Handler) http.Handler { return next }
	ok := func(context.Context) error { return nil }
	tests := []struct {
		name    string
		between func(http.Handler) http.Handler
		steps   string
	}{
		{"directly", pass, once},
		{"with other contexts in between", between(func(r *http.Request) *http.Request {
			type key struct{}
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, 1))
			t.Cleanup(cancel)
			return r.WithContext(ctx)
		}), once},
		{"in a context that can't be compared", between(func(r *http.Request) *http.Request {
			return r.WithContext(listContext{r.Context(), []string{"a"}})
		}), once},
		{"with another token", between(func(r *http.Request) *http.Request {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+shopToken(t, map[string]any{"scope": "read write"}))
			return r
		}), twice},
		{"with another user in between", between(func(r *http.Request) *http.Request {
			return r.WithContext(usher.ContextWithUser(r.Context(), &shopUser{ID: "somebody"}))
		}), twice},
		{"with a user of another type in between", between(func(r *http.Request) *http.Request {
			return r.WithContext(usher.ContextWithUser(r.Context(), bankUser{}))
		}), twice},
		{"with other claims in between", between(func(r *http.Request) *http.Request {
			return r.WithContext(usher.ContextWithClaims(r.Context(), &shopClaims{Claims: usher.Claims{Subject: "somebody", Scope: "all"}}))
		}), twice},
		{"with another root in between", func(next http.Handler) http.Handler { return bank.Require(next) }, twice},
		{"with another root's stranger in between", func(next http.Handler) http.Handler {
			other := usher.Must(usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{
				Sources: []usher.TokenSource{usher.FromCookie("session")}}))
			return other.Optional(next)
		}, twice},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{})
			end := d.With(usher.RequireScope("read")).RequireFunc(func(w http.ResponseWriter, r *http.Request, user *shopUser) {
				current, has := d.User(r.Context())
				claims, _ := d.Claims(r.Context())
				if !has || current != user || user.ID != "7" || claims == nil || claims.Subject != "7" {
					t.Errorf("argument %v, context %v and %+v", user, current, claims)
				}
				_, _ = io.WriteString(w, "end")
			})
			for name, outer := range map[string]func(http.Handler) http.Handler{
				"Require": d.Require, "Optional": d.Optional, "With": d.With(ok).Require,
			} {
				wantResponse(t, serveRequest(outer(test.between(end)), requestWith(token)), 200, "end")
				if got := d.took(); got != test.steps {
					t.Errorf("within %s: took %q, want %q", name, got, test.steps)
				}
			}
		})
	}
}

// listContext is a context that == can't compare.
type listContext struct {
	context.Context
	list []string
}

func TestNestedThreeTimesDecidesOnce(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.Optional(d.Require(d.With(usher.RequireScope("read")).RequireFunc(greet)))
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"scope": "read"}))), 200, "hello 7")
	if got := d.took(); got != "decode check user" {
		t.Errorf("took %q", got)
	}
}

// A call in a handler decides by the current state: the user may be deleted, or the session may have ended.
func TestAskingAgainInAHandlerDecidesAnew(t *testing.T) {
	var gone error
	d := openShopWith(t, nil, func(ctx context.Context, c *shopClaims) (*shopUser, error) {
		if gone != nil {
			return nil, gone
		}
		return findShopUser(ctx, c)
	}, usher.MiddlewareOptions{})
	token := shopToken(t, nil)
	h := d.RequireFunc(func(_ http.ResponseWriter, r *http.Request, _ *shopUser) {
		d.took()
		questions := map[string]func() error{
			"Authenticate": func() error { _, err := d.Authenticate(r); return err },
			"AuthenticateToken": func() error {
				_, err := d.AuthenticateToken(r.Context(), token)
				return err
			},
			"Decide": func() error {
				if _, _, rej := d.Decide(r, true); rej != nil {
					return rej
				}
				return nil
			},
		}
		for name, ask := range questions {
			gone = nil
			if err := ask(); err != nil || d.took() != "decode check user" {
				t.Errorf("%s: %v, and not asked anew", name, err)
			}
			gone = usher.ErrNoUser
			if err := ask(); !errors.Is(err, usher.ErrNoUser) {
				t.Errorf("%s: %v although the user is gone", name, err)
			}
			d.took()
			d.refused(t)
		}
		gone = nil
		// Nor does a decision that was asked for count for handlers further in.
		ctx, err := d.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		d.took()
		wantResponse(t, serveRequest(d.RequireFunc(greet), r.WithContext(ctx)), 200, "hello 7")
		if got := d.took(); got != "decode check user" {
			t.Errorf("within Authenticate's context: took %q", got)
		}
	})
	wantResponse(t, serveRequest(h, requestWith(token)), 200, "")
}

// Without Check and guards no copy of the claims is kept for them: that neither costs a second decision, nor does a
// guard that comes late go without.
func TestNestedWithoutGuards(t *testing.T) {
	loads := 0
	m := usher.Must(usher.NewMiddleware(shopDecoder(t), func(context.Context, *shopClaims) (*shopUser, error) {
		loads++
		return &shopUser{ID: "7"}, nil
	}, nil))
	token := shopToken(t, map[string]any{"scope": "read"})
	h := m.Require(m.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *shopUser) {
		if same, _ := m.User(r.Context()); same != user || loads != 1 {
			t.Errorf("%v, %d users loaded", same, loads)
		}
		late := m.With(usher.RequireScope("read"))
		if _, err := late.AuthenticateToken(r.Context(), token); err != nil {
			t.Errorf("a late guard of a token: %v", err)
		}
		late.RequireFunc(greet).ServeHTTP(w, r)
	}))
	wantResponse(t, serveRequest(h, requestWith(token)), 200, "hello 7")
}

func TestInnerGuardsAreAskedThoughTheDecisionIsReused(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.Require(d.With(usher.RequireScope("write")).RequireFunc(greet))
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"scope": "read"}))), 403, "")
	if rej := d.refused(t); rej == nil || rej.Scope != "write" {
		t.Errorf("observed %+v", rej)
	}
}

func TestInnerRequireWithinAnonymousIsRefused(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	wantResponse(t, serveRequest(d.Optional(d.RequireFunc(greet)), requestWith("")), 401, "")
	if rej := d.refused(t); !errors.Is(rej, usher.ErrNoToken) {
		t.Errorf("observed %v", rej)
	}
}

func TestOtherRootReplacesUserAndClaimsAsAPair(t *testing.T) {
	type bankClaims struct {
		usher.Claims
		Account string `json:"account"`
	}
	type bankUser struct{ Account string }
	key := usher.Must(usher.NewKey(usher.HS256, []byte(shopSecret)))
	decoder := usher.Must(usher.NewDecoder[bankClaims](key, &usher.DecoderOptions{Now: testClock}))
	bank := usher.Must(usher.NewMiddleware(decoder, func(_ context.Context, c *bankClaims) (bankUser, error) {
		return bankUser{c.Account}, nil
	}, &usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromHeader("X-Bank")}}))
	shop := openShop(t, usher.MiddlewareOptions{})

	h := shop.Require(bank.RequireFunc(func(_ http.ResponseWriter, r *http.Request, user bankUser) {
		ctx := r.Context()
		if user.Account != "DE7" {
			t.Errorf("user %v", user)
		}
		if c, ok := bank.Claims(ctx); !ok || c.Subject != "8" || c.Account != "DE7" {
			t.Errorf("claims %+v", c)
		}
		if c, ok := usher.ClaimsFromContext[usher.Claims](ctx); !ok || c.Subject != "8" {
			t.Errorf("embedded claims %+v", c)
		}
		if u, ok := shop.User(ctx); ok {
			t.Errorf("the outer user shows: %v", u)
		}
		if c, ok := shop.Claims(ctx); ok {
			t.Errorf("the outer claims show: %v", c)
		}
	}))
	r := requestWith(shopToken(t, map[string]any{"sub": "7"}))
	r.Header.Set("X-Bank", shopToken(t, map[string]any{"sub": "8", "account": "DE7"}))
	wantResponse(t, serveRequest(h, r), 200, "")
}

// Another root decides for itself even where all types and the token are the same: its Check may be stricter.
func TestOtherRootOfTheSameTypesDecidesForItself(t *testing.T) {
	outer := openShop(t, usher.MiddlewareOptions{})
	inner := openShop(t, usher.MiddlewareOptions{
		Check: func(context.Context, *usher.Claims) error { return usher.ErrTokenRevoked },
	})
	wantResponse(t, serveRequest(outer.Require(inner.RequireFunc(greet)), requestWith(shopToken(t, nil))), 401, "")
	if o, i := outer.took(), inner.took(); o != "decode check user" || i != "decode check" {
		t.Errorf("the outer one took %q, the inner one %q", o, i)
	}
}

func TestAnonymousHidesAnOuterUser(t *testing.T) {
	look := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if user, ok := usher.UserFromContext[*shopUser](ctx); ok {
			t.Errorf("the outer user shows: %v", user)
		}
		if claims, ok := usher.ClaimsFromContext[shopClaims](ctx); ok {
			t.Errorf("the outer claims show: %v", claims)
		}
		if claims, ok := usher.ClaimsFromContext[usher.Claims](ctx); ok {
			t.Errorf("the outer claims show: %v", claims)
		}
		if err := usher.RequireScope("read")(ctx); err == nil {
			t.Error("the outer scope counts")
		}
		if err := usher.RequireRecentLogin(time.Hour)(ctx); err == nil {
			t.Error("the outer login counts")
		}
		w.WriteHeader(http.StatusNoContent)
	})
	outer := openShop(t, usher.MiddlewareOptions{})
	inner := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromCookie("session")}})
	token := shopToken(t, map[string]any{"scope": "read", "auth_time": testClock().Unix()})
	wantResponse(t, serveRequest(outer.Require(inner.Optional(look)), requestWith(token)), 204, "")

	// The same middleware, with the token taken away in between.
	strip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
		outer.Optional(look).ServeHTTP(w, r)
	})
	wantResponse(t, serveRequest(outer.Require(strip), requestWith(token)), 204, "")

	// A user by other means.
	ctx := usher.ContextWithClaims(usher.ContextWithUser(t.Context(), &shopUser{ID: "9"}), &shopClaims{Claims: usher.Claims{Scope: "read"}})
	wantResponse(t, serveRequest(outer.Optional(look), requestWith("").WithContext(ctx)), 204, "")
}

func TestMiddlewareIgnoresContextWithUser(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	ctx := usher.ContextWithUser(t.Context(), &shopUser{ID: "9"})
	ctx = usher.ContextWithClaims(ctx, &shopClaims{Claims: usher.Claims{Subject: "9"}})
	wantResponse(t, serveRequest(d.RequireFunc(greet), requestWith("").WithContext(ctx)), 401, "")
	wantResponse(t, serveRequest(d.RequireFunc(greet), requestWith(shopToken(t, nil)).WithContext(ctx)), 200, "hello 7")
}

func TestWithCopies(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	var asked []string
	guard := func(name string) usher.Guard {
		return func(context.Context) error {
			asked = append(asked, name)
			return nil
		}
	}
	run := func(m *usher.Middleware[shopClaims, *shopUser]) string {
		asked = nil
		wantResponse(t, serveRequest(m.RequireFunc(greet), requestWith(shopToken(t, nil))), 200, "hello 7")
		return strings.Join(asked, " ")
	}
	base := d.With(guard("1"))
	for n := 2; n < 12; n++ { // past every capacity that append may have left over
		left, right := base.With(guard("left")), base.With(guard("right"))
		prefix := run(base)
		if got := run(left); got != prefix+" left" {
			t.Errorf("the left one asks %q", got)
		}
		if got := run(right); got != prefix+" right" {
			t.Errorf("the right one asks %q", got)
		}
		if got := run(base); got != prefix {
			t.Errorf("the base asks %q after that, %q before", got, prefix)
		}
		base = base.With(guard(fmt.Sprint(n)))
	}
	if got := run(d.Middleware); got != "" {
		t.Errorf("the root asks %q", got)
	}
	guards := []usher.Guard{guard("given"), guard("also")}
	given := d.With(guards...)
	guards[0], guards[1] = guard("changed"), nil
	if got := run(given); got != "given also" {
		t.Errorf("after the caller's slice changed it asks %q", got)
	}
	if got := run(given.With()); got != "given also" {
		t.Errorf("With() asks %q", got)
	}
}

func TestHandlersOfOneMiddlewareServeConcurrently(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
	h := d.Optional(d.With(usher.RequireScope("read")).RequireFunc(greet))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			for _, place := range []string{inBearer, inHeader, inCookie, inQuery} {
				r := requestCarrying(shopToken(t, map[string]any{"sub": id, "scope": "read"}), place)
				w := serveRequest(h, r)
				if w.Code != 200 || w.Body.String() != "hello "+id {
					t.Errorf("user %s got %d %s", id, w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
}

func TestContextOfTheRequestFlowsThrough(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	seen := 0
	look := func(ctx context.Context) {
		seen++
		if ctx.Value(key{}) != "value" || ctx.Err() != nil {
			t.Errorf("value %v, error %v", ctx.Value(key{}), ctx.Err())
		}
	}
	d := openShopWith(t,
		verifierFunc(func(ctx context.Context, _ string) (*shopClaims, error) {
			look(ctx)
			return &shopClaims{}, nil
		}),
		func(ctx context.Context, _ *shopClaims) (*shopUser, error) {
			look(ctx)
			return &shopUser{}, nil
		},
		usher.MiddlewareOptions{Check: func(ctx context.Context, _ *usher.Claims) error {
			look(ctx)
			return nil
		}})
	h := d.With(func(ctx context.Context) error {
		look(ctx)
		return nil
	}).RequireFunc(func(_ http.ResponseWriter, r *http.Request, _ *shopUser) {
		look(r.Context())
		cancel()
		if !errors.Is(r.Context().Err(), context.Canceled) {
			t.Error("cancelling does not arrive")
		}
	})
	wantResponse(t, serveRequest(h, requestWith("x").WithContext(ctx)), 200, "")
	if seen != 5 {
		t.Errorf("%d of 5 were called", seen)
	}
}

func TestPreflights(t *testing.T) {
	preflight := func() *http.Request {
		r := httptest.NewRequest(http.MethodOptions, "http://shop.example/", nil)
		r.Header.Set("Origin", "https://pages.example")
		r.Header.Set("Access-Control-Request-Method", "PUT")
		return r
	}
	with := func(name string, values ...string) *http.Request {
		r := preflight()
		r.Header[name] = values
		return r
	}
	method := func(name string) *http.Request {
		r := preflight()
		r.Method = name
		return r
	}
	body := httptest.NewRequest(http.MethodOptions, "http://shop.example/", strings.NewReader("x"))
	body.Header = preflight().Header
	chunked := httptest.NewRequest(http.MethodOptions, "http://shop.example/", io.MultiReader(strings.NewReader("")))
	chunked.Header, chunked.ContentLength, chunked.TransferEncoding = preflight().Header, 0, []string{"chunked"}
	unknown := httptest.NewRequest(http.MethodOptions, "http://shop.example/", io.MultiReader(strings.NewReader("")))
	unknown.Header, unknown.ContentLength = preflight().Header, -1
	tests := []struct {
		name    string
		request *http.Request
		status  int
	}{
		{"a genuine preflight", preflight(), 200},
		{"of a header too", with("Access-Control-Request-Headers", "authorization"), 200},
		{"GET", method(http.MethodGet), 401},
		{"POST", method(http.MethodPost), 401},
		{"lower case", method("options"), 401},
		{"no Origin", with("Origin"), 401},
		{"two Origins", with("Origin", "https://a.example", "https://b.example"), 401},
		{"an empty Origin", with("Origin", ""), 401},
		{"no method", with("Access-Control-Request-Method"), 401},
		{"two methods", with("Access-Control-Request-Method", "PUT", "GET"), 401},
		{"an empty method", with("Access-Control-Request-Method", ""), 401},
		{"a cookie", with("Cookie", "a=b"), 401},
		{"Basic", with("Authorization", "Basic dXNlcjpwYXNz"), 401},
		{"a bad token", with("Authorization", "Bearer bad"), 401},
		{"two tokens", with("Authorization", "Bearer a", "Bearer b"), 400},
		{"a body", body, 401},
		{"a body in chunks", chunked, 401},
		{"a body of unknown length", unknown, 401},
	}
	hello := http.HandlerFunc(sayHello)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{DangerouslyPassPreflight: true})
			guarded := d.With(usher.RequireScope("read"))
			strict := openShop(t, usher.MiddlewareOptions{})
			ctx := usher.ContextWithUser(t.Context(), &shopUser{ID: "outer"})
			wantResponse(t, serveRequest(d.Require(hello), test.request.WithContext(ctx)), test.status, "")
			if rej := d.refused(t); (rej == nil) != (test.status == 200) {
				t.Errorf("observed %+v", rej)
			}
			wantResponse(t, serveRequest(guarded.Require(hello), test.request), test.status, "")
			d.refused(t)
			if test.status == 200 {
				wantResponse(t, serveRequest(d.Require(hello), test.request.WithContext(ctx)), 200, "hello stranger")
			}
			refused := max(test.status, 401)
			if test.status == 400 {
				refused = 400
			}
			wantResponse(t, serveRequest(d.RequireFunc(greet), test.request), refused, "")
			d.refused(t)
			wantResponse(t, serveRequest(strict.Require(hello), test.request), refused, "")
			strict.refused(t)
			_, err := strict.Authenticate(test.request)
			if err == nil {
				t.Error("Authenticate passed it")
			}
			strict.refused(t)
		})
	}
}

func TestPreflightOfAnOptionalRoutePassesItsGuardsToo(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{DangerouslyPassPreflight: true})
	r := httptest.NewRequest(http.MethodOptions, "http://shop.example/", nil)
	r.Header.Set("Origin", "https://pages.example")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	hello := http.HandlerFunc(sayHello)
	wantResponse(t, serveRequest(d.Optional(hello), r), 200, "hello stranger")
	wantResponse(t, serveRequest(d.With(usher.RequireScope("read")).Optional(hello), r), 200, "hello stranger")
}

// What a token's own checks answer is no reason to take the request for one without credentials.
func TestPreflightWithATokenElsewhereIsNone(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{
		Sources:                  []usher.TokenSource{usher.FromHeader("X-Access-Token")},
		DangerouslyPassPreflight: true,
		Check:                    func(context.Context, *usher.Claims) error { return usher.ErrNoToken },
	})
	r := httptest.NewRequest(http.MethodOptions, "http://shop.example/", nil)
	r.Header.Set("Origin", "https://pages.example")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	r.Header.Set("X-Access-Token", shopToken(t, nil))
	wantResponse(t, serveRequest(d.Require(http.HandlerFunc(sayHello)), r), 401, "")
}

func TestAuthenticate(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	type key struct{}
	outer := context.WithValue(t.Context(), key{}, "value")

	r := requestWith(shopToken(t, nil)).WithContext(outer)
	ctx, err := d.Authenticate(r)
	if user, ok := d.User(ctx); err != nil || !ok || user.ID != "7" || ctx.Value(key{}) != "value" {
		t.Errorf("user %v, error %v", user, err)
	}
	if claims, ok := d.Claims(ctx); !ok || claims.Subject != "7" {
		t.Errorf("claims %v", claims)
	}
	if _, ok := d.User(r.Context()); ok {
		t.Error("the request itself was changed")
	}
	if rej := d.refused(t); rej != nil {
		t.Errorf("observed %v", rej)
	}

	for name, r := range map[string]*http.Request{
		"no token": requestWith(""), "a bad one": requestWith("bad"),
		"nobody": requestWith(shopToken(t, map[string]any{"sub": "gone"})),
	} {
		r = r.WithContext(outer)
		ctx, err := d.Authenticate(r)
		var rej *usher.Rejection
		if !errors.As(err, &rej) || rej.Status != 401 {
			t.Errorf("%s: %v", name, err)
		}
		if _, direct := err.(*usher.Rejection); !direct { //nolint:errorlint // the error itself is one
			t.Errorf("%s: the error is a %T", name, err)
		}
		if ctx != outer {
			t.Errorf("%s: the context is not the request's own", name)
		}
		if observed := d.refused(t); observed == nil || observed.Err != rej.Err { //nolint:errorlint // the same, not alike
			t.Errorf("%s: observed %v", name, observed)
		}
		w := httptest.NewRecorder()
		rej.ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.HasPrefix(got, `Bearer realm="shop"`) {
			t.Errorf("%s: responded %d %q", name, w.Code, got)
		}
	}

	// The guards decide too, and the context of a refusal shows no user.
	ctx, err = d.With(usher.RequireScope("read")).Authenticate(requestWith(shopToken(t, nil)).WithContext(outer))
	if _, ok := d.User(ctx); ok || ctx != outer || !errors.Is(err, usher.ErrForbidden) {
		t.Errorf("user %v, error %v", ok, err)
	}
}

// An adapter that responds with Deny refuses once.
func TestAuthenticateThenDenyIsObservedOnce(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	r := requestWith("bad")
	_, err := d.Authenticate(r)
	w := httptest.NewRecorder()
	d.Deny(w, r, err)
	wantResponse(t, w, 401, "")
	if d.refused(t) == nil {
		t.Error("never observed")
	}
}

// AuthenticateToken does not call Observe. If its caller passes the rejection to Deny, it is observed once.
func TestAuthenticateTokenThenDenyIsObservedOnce(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	_, err := d.AuthenticateToken(t.Context(), "bad")
	if rej := d.refused(t); rej != nil {
		t.Errorf("observed %v", rej)
	}
	d.Deny(httptest.NewRecorder(), requestWith(""), err)
	if rej := d.refused(t); !errors.Is(rej, usher.ErrTokenMalformed) {
		t.Errorf("observed %v", rej)
	}
}

// Where one middleware refuses for a reason that it has from another, both observe it.
func TestRefusalPassedOnIsObservedByBoth(t *testing.T) {
	inner := openShop(t, usher.MiddlewareOptions{})
	outer := openShop(t, usher.MiddlewareOptions{Realm: "bank", Sources: []usher.TokenSource{usher.FromHeader("X-Bank")}})
	h := outer.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		_, err := inner.Authenticate(r)
		outer.Deny(w, r, err)
	})
	r := requestWith("")
	r.Header.Set("X-Bank", shopToken(t, nil))
	w := serveRequest(h, r)
	wantResponse(t, w, 401, "")
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="bank"` {
		t.Errorf("the challenge is %q", got)
	}
	if inner.refused(t) == nil || outer.refused(t) == nil {
		t.Error("one of them did not observe it")
	}
}

func TestAuthenticateToken(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromCookie("session")}})
	guarded := d.With(usher.RequireScope("read"))
	type key struct{}
	outer := context.WithValue(t.Context(), key{}, "value")
	tests := []struct {
		name   string
		m      *usher.Middleware[shopClaims, *shopUser]
		token  string
		status int
		code   string
	}{
		{"good", d.Middleware, shopToken(t, nil), 0, ""},
		{"good for the guard", guarded, shopToken(t, map[string]any{"scope": "read"}), 0, ""},
		{"none", d.Middleware, "", 401, ""},
		{"malformed", d.Middleware, "Bearer x", 401, "invalid_token"},
		{"huge", d.Middleware, strings.Repeat(".", 1<<20), 401, "invalid_token"},
		{"revoked user", d.Middleware, shopToken(t, map[string]any{"sub": "gone"}), 401, "invalid_token"},
		{"broken", d.Middleware, shopToken(t, map[string]any{"sub": "broken"}), 500, ""},
		{"down", d.Middleware, shopToken(t, map[string]any{"sub": "down"}), 503, ""},
		{"refused by the guard", guarded, shopToken(t, nil), 403, "insufficient_scope"},
		{"refused by a nil guard", d.With(nil), shopToken(t, nil), 500, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, err := test.m.AuthenticateToken(outer, test.token)
			if rej := d.refused(t); rej != nil {
				t.Errorf("observed %v without a request", rej)
			}
			user, ok := d.User(ctx)
			if test.status == 0 {
				if err != nil || !ok || user.ID != "7" || ctx.Value(key{}) != "value" {
					t.Errorf("user %v, error %v", user, err)
				}
				return
			}
			rej, direct := err.(*usher.Rejection) //nolint:errorlint // the error itself is one
			if !direct || rej.Status != test.status || rej.Code != test.code || rej.Err == nil {
				t.Errorf("the error is %#v", err)
			}
			if ok || ctx != outer {
				t.Errorf("user %v, context %v", user, ctx)
			}
		})
	}
}

func TestObserveGetsTheRequest(t *testing.T) {
	var path string
	d := openShop(t, usher.MiddlewareOptions{Observe: func(r *http.Request, _ *usher.Rejection) { path = r.URL.Path }})
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/orders", nil)
	serveRequest(d.RequireFunc(greet), r)
	if path != "/orders" {
		t.Errorf("the path is %q", path)
	}
}

func TestRefusalOfANestedMiddlewareIsObservedOnce(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	for name, h := range map[string]http.Handler{
		"inner guard": d.Require(d.Allow(func(*shopUser) bool { return false }).RequireFunc(greet)),
		"outer guard": d.Allow(func(*shopUser) bool { return false }).Require(d.RequireFunc(greet)),
		"handler": d.Require(d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
			d.Deny(w, r, usher.ErrForbidden)
		})),
	} {
		wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), 403, "")
		if d.refused(t) == nil {
			t.Errorf("%s: never observed", name)
		}
	}
}

func TestCustomRejectCantForgetTheHeaders(t *testing.T) {
	var order []string
	d := openShop(t, usher.MiddlewareOptions{
		Observe: func(*http.Request, *usher.Rejection) { order = append(order, "observe") },
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			order = append(order, "reject")
			if got := w.Header().Get("WWW-Authenticate"); got != rej.Challenge() {
				t.Errorf("the challenge is %q, not %q", got, rej.Challenge())
			}
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(rej.Status)
			_, _ = io.WriteString(w, "sorry: "+rej.Error())
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/", d.RequireFunc(greet))
	mux.Handle("/deny", d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		d.Deny(w, r, usher.ErrForbidden)
	}))
	tests := []struct {
		path, token string
		status      int
		body        string
		challenge   string
		retry       bool
	}{
		{"/", "", 401, "sorry: An access token is required.", `Bearer realm="shop"`, false},
		{"/", shopToken(t, map[string]any{"sub": "down"}), 503, "sorry: Try again later.", "", true},
		{"/", shopToken(t, map[string]any{"sub": "broken"}), 500, "sorry: The request can't be served.", "", false},
		{"/deny", shopToken(t, nil), 403, "sorry: This is not allowed.", `Bearer realm="shop", error="insufficient_scope", error_description="This is not allowed."`, false},
	}
	for _, test := range tests {
		order = nil
		r := requestWith(test.token)
		r.URL.Path = test.path
		w := serveRequest(mux, r)
		wantResponse(t, w, test.status, test.body)
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("WWW-Authenticate") != test.challenge || (h.Get("Retry-After") != "") != test.retry {
			t.Errorf("%s: headers %v", test.path, h)
		}
		if strings.Join(order, " ") != "observe reject" {
			t.Errorf("called %v", order)
		}
	}
}

func TestCustomRejectMayFallBack(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{
		Reject: func(w http.ResponseWriter, r *http.Request, rej *usher.Rejection) { rej.ServeHTTP(w, r) },
	})
	plain := openShop(t, usher.MiddlewareOptions{})
	for _, token := range []string{"", "bad"} {
		a := serveRequest(d.RequireFunc(greet), requestWith(token))
		b := serveRequest(plain.RequireFunc(greet), requestWith(token))
		if a.Code != b.Code || a.Body.String() != b.Body.String() || fmt.Sprint(a.Header()) != fmt.Sprint(b.Header()) {
			t.Errorf("%v %v, by default %v %v", a.Header(), a.Body, b.Header(), b.Body)
		}
	}
}

func TestNewMiddlewareReportsEveryMistakeAtOnce(t *testing.T) {
	var noDecoder *usher.Decoder[shopClaims]
	var noVerifier verifierFunc
	decoder := shopDecoder(t)
	tests := []struct {
		name   string
		v      usher.Verifier[shopClaims]
		user   func(context.Context, *shopClaims) (*shopUser, error)
		opts   *usher.MiddlewareOptions
		fields string
	}{
		{"nothing wrong", decoder, findShopUser, nil, ""},
		{"zero options", decoder, findShopUser, &usher.MiddlewareOptions{}, ""},
		{"no verifier", nil, findShopUser, nil, "v"},
		{"a nil decoder", noDecoder, findShopUser, nil, "v"},
		{"a decoder of nobody's making", new(usher.Decoder[shopClaims]), findShopUser, nil, "v"},
		{"a nil verifier func", noVerifier, findShopUser, nil, "v"},
		{"no user", decoder, nil, nil, "user"},
		{"a quote in the realm", decoder, findShopUser, &usher.MiddlewareOptions{Realm: `my "shop"`}, "MiddlewareOptions.Realm"},
		{"a line in the realm", decoder, findShopUser, &usher.MiddlewareOptions{Realm: "a\r\nSet-Cookie: b"}, "MiddlewareOptions.Realm"},
		{"a backslash in the realm", decoder, findShopUser, &usher.MiddlewareOptions{Realm: `a\b`}, "MiddlewareOptions.Realm"},
		{"a letter beyond ASCII in the realm", decoder, findShopUser, &usher.MiddlewareOptions{Realm: "Zürich"}, "MiddlewareOptions.Realm"},
		{"metadata", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "https://a.example/.well-known/oauth-protected-resource?x=y"}, ""},
		{"metadata on loopback", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "http://127.0.0.1:8080/m"}, ""},
		{"metadata on localhost", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "http://localhost/m"}, ""},
		{"metadata over plain http", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "http://a.example/m"}, "MiddlewareOptions.ResourceMetadata"},
		{"metadata without a host", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "/.well-known/m"}, "MiddlewareOptions.ResourceMetadata"},
		{"metadata with a fragment", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "https://a.example/m#f"}, "MiddlewareOptions.ResourceMetadata"},
		{"metadata with a password", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: "https://u:p@a.example/m"}, "MiddlewareOptions.ResourceMetadata"},
		{"metadata with a quote", decoder, findShopUser, &usher.MiddlewareOptions{ResourceMetadata: `https://a.example/"`}, "MiddlewareOptions.ResourceMetadata"},
		{"scopes", decoder, findShopUser, &usher.MiddlewareOptions{Scopes: []string{"read", "write:all"}}, ""},
		{"an empty scope", decoder, findShopUser, &usher.MiddlewareOptions{Scopes: []string{""}}, "MiddlewareOptions.Scopes"},
		{"two scopes in one", decoder, findShopUser, &usher.MiddlewareOptions{Scopes: []string{"read write"}}, "MiddlewareOptions.Scopes"},
		{"bytes beyond UTF-8 in the realm", decoder, findShopUser, &usher.MiddlewareOptions{Realm: "\xff"}, "MiddlewareOptions.Realm"},
		{"everything wrong", nil, nil, &usher.MiddlewareOptions{
			Realm: "\x00", Sources: []usher.TokenSource{{}, usher.FromCookie("")}, TrustedOrigins: []string{"shop", "*"},
		}, "MiddlewareOptions.Realm MiddlewareOptions.Sources MiddlewareOptions.Sources MiddlewareOptions.TrustedOrigins MiddlewareOptions.TrustedOrigins user v"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := usher.NewMiddleware(test.v, test.user, test.opts)
			if got := strings.Join(configFields(t, err), " "); got != test.fields {
				t.Fatalf("reported %q, want %q: %v", got, test.fields, err)
			}
			if (m == nil) != (err != nil) {
				t.Errorf("got %v and %v", m, err)
			}
			var one *usher.ConfigError
			if err != nil && (!errors.As(err, &one) || one.Reason == "" || !strings.Contains(err.Error(), one.Field)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestOptionsCantBeChangedAfterwards(t *testing.T) {
	opts := &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer()}, TrustedOrigins: []string{"https://trusted.example"}, Realm: "before",
	}
	m := usher.Must(usher.NewMiddleware(shopDecoder(t), findShopUser, opts))
	opts.Sources[0], opts.Realm = usher.FromHeader("X-Token"), "after"
	opts.Check = func(context.Context, *usher.Claims) error { return usher.ErrForbidden }
	wantResponse(t, serveRequest(m.RequireFunc(greet), requestWith(shopToken(t, nil))), 200, "hello 7")
	if got := serveRequest(m.RequireFunc(greet), requestWith("")).Header().Get("WWW-Authenticate"); got != `Bearer realm="before"` {
		t.Errorf("the challenge is %q", got)
	}
}

// Mistakes that no constructor can report fail closed and never panic.
func TestMisuseIsA500(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	var nobody *usher.Middleware[shopClaims, *shopUser]
	zero := &usher.Middleware[shopClaims, *shopUser]{}
	hello := http.HandlerFunc(sayHello)
	for name, h := range map[string]func() http.Handler{
		"Require(nil)":                  func() http.Handler { return d.Require(nil) },
		"RequireFunc(nil)":              func() http.Handler { return d.RequireFunc(nil) },
		"Optional(nil)":                 func() http.Handler { return d.Optional(nil) },
		"Require of a nil HandlerFunc":  func() http.Handler { return d.Require(http.HandlerFunc(nil)) },
		"Require of a nil ServeMux":     func() http.Handler { return d.Require((*http.ServeMux)(nil)) },
		"the zero Middleware":           func() http.Handler { return zero.Require(hello) },
		"the zero Middleware, with":     func() http.Handler { return zero.With(usher.RequireScope("x")).RequireFunc(greet) },
		"the zero Middleware, optional": func() http.Handler { return zero.Optional(hello) },
		"a nil Middleware":              func() http.Handler { return nobody.Require(hello) },
		"a nil Middleware, with":        func() http.Handler { return nobody.With(usher.RequireScope("x")).RequireFunc(greet) },
		"a nil Middleware's Deny": func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { nobody.Deny(w, r, errors.New(secretCause)) })
		},
		"a nil Middleware's Authenticate": func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := nobody.Authenticate(r)
				_, err2 := zero.AuthenticateToken(r.Context(), "x")
				var rej *usher.Rejection
				if !errors.As(err, &rej) || !errors.As(err2, &rej) {
					t.Errorf("got %v and %v", err, err2)
				}
				rej.ServeHTTP(w, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("it panics: %v", p)
				}
			}()
			wantResponse(t, serveRequest(h(), requestWith(shopToken(t, nil))), 500, "")
			d.refused(t)
		})
	}
}

// Requests that servers never create, but adapters and tests do.
func TestOddRequestsDoNotPanic(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: allSources(), DangerouslyPassPreflight: true})
	for name, r := range map[string]*http.Request{
		"empty":          {},
		"a bare POST":    {Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}},
		"a bare OPTIONS": {Method: http.MethodOptions, Header: http.Header{"Origin": nil}},
		"a bare upgrade": {Header: http.Header{"Upgrade": {"websocket"}}},
		"nil values":     {Header: http.Header{"Authorization": nil, "Cookie": nil, "X-Access-Token": {}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := serveRequest(d.RequireFunc(greet), r)
			if w.Code != 401 && w.Code != 400 {
				t.Errorf("got %d", w.Code)
			}
			d.refused(t)
			serveRequest(d.Optional(http.HandlerFunc(sayHello)), r)
			d.refused(t)
		})
	}
}

func TestRejectionIsTheMappingThatDenyUses(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	var nobody *usher.Middleware[shopClaims, *shopUser] // session's handlers have no middleware
	own := &usher.Rejection{Status: 409, Description: "Taken."}
	for _, test := range []struct {
		err         error
		status      int
		description string
	}{
		{usher.ErrNoUser, 404, "There is no such user."},
		{usher.ErrForbidden, 403, "This is not allowed."},
		{usher.ErrPasswordTooShort, 422, "The password is too short."},
		{usher.ErrPasswordTooLong, 422, "The password is too long."},
		{usher.ErrPasswordInvalid, 422, "The password has a character that is not allowed."},
		{fmt.Errorf("%w: "+secretCause, usher.ErrPasswordUnfit), 422, "This password can't be used."},
		{usher.ErrUnavailable, 503, "Try again later."},
		{fmt.Errorf("wrapped: %w", own), 409, "Taken."},
		{errors.New(secretCause), 500, "The request can't be served."},
		{nil, 500, "The request can't be served."},
	} {
		w := httptest.NewRecorder()
		d.Deny(w, requestWith(""), test.err)
		d.refused(t)
		for name, rej := range map[string]*usher.Rejection{"its own": d.Rejection(test.err), "of no middleware": nobody.Rejection(test.err)} {
			if rej.Status != test.status || rej.Description != test.description || w.Code != test.status {
				t.Errorf("%v: %s is %d %q, Deny %d", test.err, name, rej.Status, rej.Description, w.Code)
			}
		}
	}
	if rej := d.Rejection(own); rej == own {
		t.Error("the caller's own Rejection is shared")
	}
	if rej := d.refused(t); rej != nil {
		t.Errorf("Rejection told Observe: %v", rej)
	}
}

// testLog collects what is logged, without the time.
func testLog(level slog.Level) (*slog.Logger, *strings.Builder) {
	var log strings.Builder
	return slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), &log
}

func TestFaultsAreLoggedWithoutObserve(t *testing.T) {
	before := slog.Default()
	logger, log := testLog(slog.LevelDebug)
	slog.SetDefault(logger)
	t.Cleanup(func() { slog.SetDefault(before) })
	m := usher.Must(usher.NewMiddleware(shopDecoder(t), findShopUser, nil))
	serve := func(token string, end bool) string {
		log.Reset()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if end {
			cancel()
		}
		mux := http.NewServeMux()
		mux.Handle("GET /orders/{id}", m.RequireFunc(greet))
		r := httptest.NewRequest(http.MethodGet, "http://shop.example/orders/7?access_token=secret", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		serveRequest(mux, r.WithContext(ctx))
		return log.String()
	}
	const broken = `level=ERROR msg="usher: request refused" status=500 reason=error method=GET route="GET /orders/{id}" sub=broken error="cause: dial tcp 10.1.2.3:5432"` + "\n"
	if got := serve(shopToken(t, map[string]any{"sub": "broken"}), false); got != broken {
		t.Errorf("a fault is logged as %s", got)
	}
	if got := serve(shopToken(t, map[string]any{"sub": "down"}), false); !strings.Contains(got, "status=503 reason=unavailable") {
		t.Errorf("an outage is logged as %s", got)
	}
	if got := serve(shopToken(t, map[string]any{"sub": "down"}), true); got != "" {
		t.Errorf("a client that hung up is logged as %s", got)
	}
	if got := serve("bad", false); got != "" {
		t.Errorf("a bad token is logged as %s", got)
	}
}

func TestLogRejectionsLogsEveryRefusal(t *testing.T) {
	logger, log := testLog(slog.LevelInfo)
	d := openShop(t, usher.MiddlewareOptions{Observe: usher.LogRejections(logger)})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	path := requestWith("")
	path.URL.Path, path.URL.RawQuery, path.Method = "/"+strings.Repeat("a", 1000), "token=secret", strings.Repeat("M", 1000)
	tests := []struct {
		name    string
		request *http.Request
		want    string
	}{
		{"no token", requestWith(""), `level=INFO msg="usher: request refused" status=401 reason=no_token method=GET route=/ error="usher: no token"`},
		{"whose it was", requestWith(shopToken(t, map[string]any{"sub": "gone", "sid": "s1"})),
			`level=INFO msg="usher: request refused" status=401 reason=no_user method=GET route=/ sub=gone sid=s1 error="usher: no such user: cause: dial tcp 10.1.2.3:5432"`},
		{"an outage", requestWith(shopToken(t, map[string]any{"sub": "down"})), `level=ERROR msg="usher: request refused" status=503 reason=unavailable `},
		{"a hang-up", requestWith(shopToken(t, map[string]any{"sub": "down"})).WithContext(ended), `level=INFO msg="usher: request refused" status=503 reason=canceled `},
		{"a line has its limits", path, "method=" + strings.Repeat("M", 256) + "... route=/" + strings.Repeat("a", 255) + "... error"},
	}
	for _, test := range tests {
		log.Reset()
		serveRequest(d.RequireFunc(greet), test.request)
		if got := log.String(); !strings.Contains(got, test.want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "secret") {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		d.refused(t)
	}
	quiet, log := testLog(slog.LevelError)
	usher.LogRejections(quiet)(requestWith(""), &usher.Rejection{Status: 401})
	usher.LogRejections(quiet)(&http.Request{}, &usher.Rejection{Status: 500})
	if got := log.String(); strings.Count(got, "\n") != 1 {
		t.Errorf("a quieter log has %s", got)
	}
}
