package usher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// testBound is the cnf of a token that is bound to a key.
func testBound() map[string]any { return map[string]any{"jkt": testThumbprint("a key")} }

func testThumbprint(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestBoundTokensAreRefusedUnlessConfirmed(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	bound := shopToken(t, map[string]any{"cnf": testBound()})
	w := serveRequest(d.RequireFunc(greet), requestWith(bound))
	wantResponse(t, w, 401, "")
	rej := d.refused(t)
	if rej.Reason() != "unconfirmed" || rej.Code != "invalid_token" || !errors.Is(rej, usher.ErrTokenClaims) ||
		!strings.Contains(rej.Err.Error(), "MiddlewareOptions.Confirm") {
		t.Errorf("observed %q, %q, %v", rej.Reason(), rej.Code, rej.Err)
	}
	if got := d.took(); got != "decode" {
		t.Errorf("took %q", got)
	}
	wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), requestWith(bound)), 401, "")
}

// A token without a request has no proof of possession, and Confirm also decides about tokens that are not bound.
func TestAuthenticateTokenRefusesWhatConfirmWouldDecide(t *testing.T) {
	for name, confirm := range map[string]func(*http.Request, string, *usher.Claims) (http.Header, error){
		"without Confirm": nil,
		"with Confirm": func(*http.Request, string, *usher.Claims) (http.Header, error) {
			t.Error("Confirm was called without a request")
			return nil, nil
		},
	} {
		d := openShop(t, usher.MiddlewareOptions{Confirm: confirm})
		for kind, test := range map[string]struct {
			claims  map[string]any
			refused bool
		}{
			"a bound token":  {map[string]any{"cnf": testBound()}, true},
			"a bearer token": {nil, confirm != nil},
		} {
			_, err := d.AuthenticateToken(t.Context(), shopToken(t, test.claims))
			rej, ok := errors.AsType[*usher.Rejection](err)
			isUnconfirmed := ok && rej.Status == 401 && rej.Reason() == "unconfirmed" && errors.Is(err, usher.ErrTokenClaims)
			if isUnconfirmed != test.refused || !test.refused && err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if ok && !strings.Contains(rej.Err.Error(), "use Authenticate") {
				t.Errorf("%s, %s: the error does not say what to call instead: %v", name, kind, rej.Err)
			}
		}
	}
}

func TestConfirmDecidesAboutEveryToken(t *testing.T) {
	var answer error
	token := shopToken(t, map[string]any{"cnf": testBound(), "aud": nil})
	d := openShop(t, usher.MiddlewareOptions{
		Confirm: func(r *http.Request, got string, c *usher.Claims) (http.Header, error) {
			if r.URL.Path != "/" || got != token || c.Subject != "7" || c.Confirmation == nil || c.Confirmation.KeyThumbprint == "" {
				t.Errorf("asked about %q and %+v", got, c)
			}
			c.Confirmation.KeyThumbprint, c.Subject = "", "meddled"
			return http.Header{"dpop-nonce": {"n"}, "Www-Authenticate": {`DPoP algs="ES256"`}}, answer
		},
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) { w.WriteHeader(rej.Status) },
	})
	tests := []struct {
		name      string
		err       error
		status    int
		reason    string
		challenge string
	}{
		{"confirmed", nil, 200, "", `DPoP algs="ES256"`},
		{"refused", fmt.Errorf("%w: no proof", usher.ErrTokenClaims), 401, "unconfirmed", `DPoP algs="ES256"`},
		{"out of reach", usher.ErrUnavailable, 503, "unavailable", `DPoP algs="ES256"`},
		{"a Rejection of its own", &usher.Rejection{Status: 401, Code: "use_dpop_nonce", Header: http.Header{
			"Www-Authenticate": {"DPoP error=\"use_dpop_nonce\""}}}, 401, "token", `DPoP error="use_dpop_nonce"`},
		{"an error of its own", errors.New(secretCause), 500, "error", `DPoP algs="ES256"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer = test.err
			w := serveRequest(d.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *shopUser) {
				if c, _ := d.Claims(r.Context()); c.Confirmation == nil || c.Confirmation.KeyThumbprint == "" || user.ID != "7" {
					t.Errorf("Confirm changed the claims: %+v", c)
				}
			}), requestWith(token))
			wantResponse(t, w, test.status, "")
			if got := w.Header()["Dpop-Nonce"]; len(got) != 1 || got[0] != "n" {
				t.Errorf("the header is lost: %v", w.Header())
			}
			if got := w.Header().Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("the challenge is %q", got)
			}
			if rej := d.refused(t); test.status != 200 && rej.Reason() != test.reason {
				t.Errorf("the reason is %q", rej.Reason())
			}
			ctx, headers, rej := d.Decide(requestWith(token), false)
			if _, ok := d.User(ctx); headers.Get("Dpop-Nonce") != "n" || ok != (test.status == 200) || (rej == nil) != ok {
				t.Errorf("Decide: %v, %v", headers, rej)
			}
			d.refused(t)
		})
	}
}

// Each request needs a proof of its own, so with Confirm nothing is reused.
func TestConfirmIsAskedByEveryHandler(t *testing.T) {
	asked := 0
	d := openShop(t, usher.MiddlewareOptions{Confirm: func(*http.Request, string, *usher.Claims) (http.Header, error) {
		asked++
		return nil, nil
	}})
	wantResponse(t, serveRequest(d.Require(d.RequireFunc(greet)), requestWith(shopToken(t, nil))), 200, "hello 7")
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// Mutual TLS by hand (RFC 8705 §3): the certificate of the connection is the one that the token is bound to.
func TestMutualTLSByHand(t *testing.T) {
	confirm := func(r *http.Request, _ string, c *usher.Claims) (http.Header, error) {
		if c.Confirmation == nil || c.Confirmation.CertificateThumbprint == "" || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return nil, fmt.Errorf("%w: no certificate, or no token that is bound to one", usher.ErrTokenClaims)
		}
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		if base64.RawURLEncoding.EncodeToString(sum[:]) != c.Confirmation.CertificateThumbprint {
			return nil, fmt.Errorf("%w: the token is bound to another certificate", usher.ErrTokenClaims)
		}
		return nil, nil
	}
	d := openShop(t, usher.MiddlewareOptions{Confirm: confirm})
	server := httptest.NewUnstartedServer(d.RequireFunc(greet))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	certificate := server.TLS.Certificates[0] // any will do
	sum := sha256.Sum256(certificate.Certificate[0])
	thumbprint := base64.RawURLEncoding.EncodeToString(sum[:])

	tests := []struct {
		name        string
		cnf         any
		certificate bool
		status      int
	}{
		{"its own certificate", map[string]any{"x5t#S256": thumbprint}, true, 200},
		{"another certificate", map[string]any{"x5t#S256": testThumbprint("another")}, true, 401},
		{"no certificate", map[string]any{"x5t#S256": thumbprint}, false, 401},
		{"a token that is bound to a key", testBound(), true, 401},
		{"a bearer token", nil, true, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			if test.certificate {
				config.Certificates = []tls.Certificate{certificate}
			}
			transport := &http.Transport{TLSClientConfig: config}
			defer transport.CloseIdleConnections()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+shopToken(t, map[string]any{"cnf": test.cnf}))
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("got %d", response.StatusCode)
			}
			if rej := d.refused(t); test.status == 401 && rej.Reason() != "unconfirmed" {
				t.Errorf("the reason is %q", rej.Reason())
			}
		})
	}
}

// The error of a refusal says whose token was refused. An outage refuses no token.
func TestRefusalsSayWhoseTokenItWas(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Check: func(_ context.Context, c *usher.Claims) error {
		switch c.SessionID {
		case "ended":
			return usher.ErrTokenRevoked
		case "unknown":
			return usher.ErrUnavailable
		}
		return nil
	}})
	own := &usher.Rejection{Status: 402, Description: "Pay first."}
	refuse := func(err error) http.Handler {
		return d.With(func(context.Context) error { return err }).RequireFunc(greet)
	}
	plain := d.RequireFunc(greet)
	tests := []struct {
		name    string
		handler http.Handler
		changes map[string]any
		subject string // "": nobody's
	}{
		{"expired", plain, map[string]any{"exp": testClock().Unix()}, "7"},
		{"another issuer", plain, map[string]any{"iss": "https://other.example"}, "7"},
		{"bound to a key", plain, map[string]any{"cnf": testBound()}, "7"},
		{"revoked", plain, map[string]any{"sid": "ended"}, "7"},
		{"a user who is gone", plain, map[string]any{"sub": "gone"}, "gone"},
		{"a nil user", plain, map[string]any{"sub": "nil"}, "nil"},
		{"a user who is banned", plain, map[string]any{"sub": "banned"}, "banned"},
		{"no scope", d.With(usher.RequireScope("write")).RequireFunc(greet), nil, "7"},
		{"an old login", d.With(usher.RequireRecentLogin(time.Minute)).RequireFunc(greet), nil, "7"},
		{"no right", d.Allow(func(*shopUser) bool { return false }).RequireFunc(greet), nil, "7"},
		{"a guard's Rejection", refuse(own), nil, "7"},
		{"a guard's own error", refuse(errors.New(secretCause)), nil, "7"},
		{"denied by the handler", d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
			d.Deny(w, r, usher.ErrForbidden)
		}), nil, "7"},
		{"an outage of Check", plain, map[string]any{"sid": "unknown"}, ""},
		{"an outage of the user store", plain, map[string]any{"sub": "down"}, ""},
		{"a slow user store", plain, map[string]any{"sub": "slow"}, ""},
		{"an outage that a guard sees", refuse(usher.ErrUnavailable), nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			serveRequest(test.handler, requestWith(shopToken(t, test.changes)))
			rej := d.refused(t)
			if rej == nil {
				t.Fatal("not refused")
			}
			token, ok := errors.AsType[*usher.TokenError](rej)
			if ok != (test.subject != "") || ok && token.Claims.Subject != test.subject {
				t.Errorf("%v leads to %+v", rej.Err, token)
			}
			if strings.Contains(rej.Error(), "7") {
				t.Errorf("the client is told %q", rej.Error())
			}
		})
	}
	if _, ok := errors.AsType[*usher.TokenError](own); ok || own.Err != nil {
		t.Error("the guard's own Rejection was changed")
	}
	serveRequest(plain, requestWith(signShopToken(t, "another secret of sufficient length", map[string]any{"alg": "HS256"}, shopPayload(nil))))
	if token, ok := errors.AsType[*usher.TokenError](d.refused(t)); ok {
		t.Errorf("a forged token is said to be %q's", token.Claims.Subject)
	}
}

// Many stores return their own error when the client has closed the connection.
func TestClosedConnectionsAreNotOutages(t *testing.T) {
	odd := errors.New("pq: canceling statement due to user request")
	tests := []struct {
		name   string
		err    error
		end    error // of the request's context
		reason string
		status int
	}{
		{"a hang-up", context.Canceled, context.Canceled, "canceled", 503},
		{"a hang-up in a driver's words", odd, context.Canceled, "canceled", 503},
		{"a hang-up during an outage", usher.ErrUnavailable, context.Canceled, "canceled", 503},
		{"a time limit", context.DeadlineExceeded, context.DeadlineExceeded, "timeout", 503},
		{"a time limit in a driver's words", odd, context.DeadlineExceeded, "timeout", 503},
		{"an outage", usher.ErrUnavailable, nil, "unavailable", 503},
		{"a fault", odd, nil, "error", 500},
		{"a mistake", &usher.ConfigError{Field: "x", Reason: "is wrong"}, context.Canceled, "error", 500},
		{"a refusal", usher.ErrNoUser, context.Canceled, "no_user", 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if errors.Is(test.end, context.DeadlineExceeded) {
				ctx, cancel = context.WithDeadline(t.Context(), time.Unix(0, 0))
			} else if test.end != nil {
				cancel()
			}
			defer cancel()
			fail := func(context.Context, *shopClaims) (*shopUser, error) { return nil, test.err }
			d := openShopWith(t, nil, fail, usher.MiddlewareOptions{})
			serveRequest(d.RequireFunc(greet), requestWith(shopToken(t, nil)).WithContext(ctx))
			rej := d.refused(t)
			if rej.Reason() != test.reason || rej.Status != test.status || !errors.Is(rej, test.err) {
				t.Errorf("%q, %d, %v", rej.Reason(), rej.Status, rej.Err)
			}
		})
	}
	t.Run("in a guard", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := openShop(t, usher.MiddlewareOptions{})
		h := d.With(func(context.Context) error { return odd }).RequireFunc(greet)
		serveRequest(h, requestWith(shopToken(t, nil)).WithContext(ctx))
		if rej := d.refused(t); rej.Reason() != "canceled" {
			t.Errorf("%q, %v", rej.Reason(), rej.Err)
		}
	})
}

// net/http removes an upload's temporary files from the request that it made, which is not the one that handlers get.
func TestUploadsLeaveNoFiles(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	d := openShop(t, usher.MiddlewareOptions{})
	stored := 0
	h := d.Optional(d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		files, _ := filepath.Glob(filepath.Join(folder, "*"))
		stored = len(files)
		w.WriteHeader(http.StatusNoContent)
	}))
	server := httptest.NewServer(h)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, strings.Repeat("x", 1<<20)); err != nil || form.Close() != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+shopToken(t, nil))
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	server.Close() // waits for the handler
	if response.StatusCode != http.StatusNoContent || stored != 1 {
		t.Fatalf("got %d, and %d files while it was served", response.StatusCode, stored)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A logger around the middleware sees the pattern of a mux inside.
func TestPatternOfAnInnerMuxIsSeenOutside(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	mux := http.NewServeMux()
	mux.Handle("GET /posts/{id}", http.HandlerFunc(sayHello))
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	for path, want := range map[string]string{"/posts/7": "GET /posts/{id}", "/panic": "GET /panic", "/nowhere": ""} {
		for name, h := range map[string]http.Handler{"Require": d.Require(mux), "Optional within": d.Require(d.Optional(mux))} {
			r := requestWith(shopToken(t, nil))
			r.URL.Path = path
			serveRequest(h, r)
			if r.Pattern != want {
				t.Errorf("%s of %s: the pattern is %q", name, path, r.Pattern)
			}
		}
	}
}

// A middleware returns only users that its own root authenticated: an admin of one service is unknown to the other.
func TestUserAndClaimsAreThoseOfTheMiddlewaresOwnRoot(t *testing.T) {
	staff, admins := openShop(t, usher.MiddlewareOptions{}), openShop(t, usher.MiddlewareOptions{})
	derived := staff.With(usher.RequireScope("read"))
	h := staff.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if user, ok := admins.User(ctx); ok || user != nil {
			t.Errorf("the other root knows %v", user)
		}
		if claims, ok := admins.Claims(ctx); ok || claims != nil {
			t.Errorf("the other root knows %v", claims)
		}
		if user, ok := staff.User(ctx); !ok || user.ID != "7" {
			t.Errorf("its own root does not know %v", user)
		}
		if user, ok := derived.User(ctx); !ok || user.ID != "7" {
			t.Errorf("a middleware of the same root does not know %v", user)
		}
		if claims, ok := derived.Claims(ctx); !ok || claims.Subject != "7" {
			t.Errorf("a middleware of the same root does not know %v", claims)
		}
		if user, ok := usher.UserFromContext[*shopUser](ctx); !ok || user.ID != "7" {
			t.Errorf("UserFromContext does not know %v", user)
		}
		ctx = usher.ContextWithClaims(usher.ContextWithUser(ctx, &shopUser{ID: "8"}), &shopClaims{Role: "test"})
		if user, ok := admins.User(ctx); !ok || user.ID != "8" {
			t.Errorf("ContextWithUser is ignored: %v", user)
		}
		if claims, ok := admins.Claims(ctx); !ok || claims.Role != "test" {
			t.Errorf("ContextWithClaims is ignored: %v", claims)
		}
	}))
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), 200, "")

	// The guards of one root see nothing of the other's.
	guarded := staff.With(func(ctx context.Context) error {
		if _, ok := admins.User(ctx); ok {
			t.Error("the other root knows the user")
		}
		if _, ok := admins.Claims(ctx); ok {
			t.Error("the other root knows the claims")
		}
		return nil
	})
	wantResponse(t, serveRequest(guarded.RequireFunc(greet), requestWith(shopToken(t, nil))), 200, "hello 7")
	if got := serveRequest(staff.Require(admins.Allow(func(*shopUser) bool { return true }).RequireFunc(greet)),
		requestWith(shopToken(t, nil))); got.Code != 200 {
		t.Errorf("Allow within another root: %d", got.Code)
	}
	var nobody *usher.Middleware[shopClaims, *shopUser]
	if _, ok := nobody.User(t.Context()); ok {
		t.Error("a nil Middleware knows somebody")
	}
}

// A GraphQL directive, for example, calls guards with the context of a request.
func TestGuardsWorkInAHandlersContext(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	token := shopToken(t, map[string]any{"scope": "read", "auth_time": testClock().Add(-time.Minute).Unix()})
	ask := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		for name, test := range map[string]struct {
			guard usher.Guard
			ok    bool
		}{
			"a scope":             {usher.RequireScope("read"), true},
			"a scope that lacks":  {usher.RequireScope("write"), false},
			"a recent login":      {usher.RequireRecentLogin(2 * time.Minute), true},
			"a login that is old": {usher.RequireRecentLogin(30 * time.Second), false},
		} {
			if err := test.guard(ctx); (err == nil) != test.ok {
				t.Errorf("%s: %v", name, err)
			}
		}
		if rej := d.Rejection(usher.RequireScope("write")(ctx)); rej.Status != 403 || rej.Reason() != "scope" || rej.Scope != "write" {
			t.Errorf("denied with %+v", rej)
		}
	})
	wantResponse(t, serveRequest(d.Require(ask), requestWith(token)), 200, "")
	wantResponse(t, serveRequest(d.With(usher.RequireScope("read")).Require(ask), requestWith(token)), 200, "")
	ctx, err := d.AuthenticateToken(t.Context(), token)
	if err != nil || usher.RequireScope("read")(ctx) != nil || usher.RequireScope("write")(ctx) == nil {
		t.Errorf("in AuthenticateToken's context: %v", err)
	}
}

// Without Check and guards of the middleware itself, there is no copy of the claims.
func TestGuardsInAHandlerSeeItsChangesWithoutCheckAndGuards(t *testing.T) {
	m, err := usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{Now: testClock})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, _ := m.Claims(r.Context())
		c.Scope = "admin"
		if err := usher.RequireScope("admin")(r.Context()); err != nil {
			t.Errorf("the guard did not see the change: %v", err)
		}
	}))
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, nil))), 200, "")
}

// Changes that the user function and handlers make to their copy of the claims do not affect the guards.
func TestGuardsInAHandlerDoNotSeeWhatItChanged(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	h := d.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, _ := d.Claims(r.Context())
		c.Scope, c.AuthTime = "admin", usher.NewNumericDate(testClock())
		if usher.RequireScope("admin")(r.Context()) == nil || usher.RequireRecentLogin(time.Hour)(r.Context()) == nil {
			t.Error("a guard saw the change")
		}
	}))
	wantResponse(t, serveRequest(h, requestWith(shopToken(t, map[string]any{"scope": "read"}))), 200, "")
}

func TestAQueryThatCannotBeReadIsRefusedWithAnyOtherToken(t *testing.T) {
	query, bearer := usher.FromQuery("access_token"), usher.FromBearer()
	for _, sources := range [][]usher.TokenSource{{query, bearer}, {bearer, query}} {
		d := openShop(t, usher.MiddlewareOptions{Sources: sources})
		r := requestWith(shopToken(t, nil))
		r.URL.RawQuery = "access_token=%zz"
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), 400, "")
		if rej := d.refused(t); rej.Reason() != "request" || rej.Description != "The query can't be read." {
			t.Errorf("observed %q, %q", rej.Reason(), rej.Description)
		}
	}
}

func TestResponsesToTokensFromElsewhereArePrivate(t *testing.T) {
	token := shopToken(t, nil)
	fromFunc := usher.FromFunc(func(r *http.Request) (string, bool, error) {
		value := r.Header.Get("X-Custom")
		return value, value != "", nil
	}, "X-Custom")
	sources := append(allSources(), fromFunc)
	request := func(place string) *http.Request {
		if place == "func" {
			r := requestWith("")
			r.Header.Set("X-Custom", token)
			return r
		}
		return requestCarrying(token, place)
	}
	d := openShop(t, usher.MiddlewareOptions{Sources: sources})
	for _, place := range append(allPlaces(), "func") {
		for name, test := range map[string]struct{ outer, handler, want string }{
			"the default":                   {"", "", "private"},
			"the handler says otherwise":    {"", "public, max-age=60", "public, max-age=60"},
			"an outer handler is stricter":  {"no-store", "", "no-store"},
			"an outer handler says private": {"private, max-age=9", "", "private, max-age=9"},
			"an outer handler says public":  {"public, max-age=9", "", "private"},
		} {
			h := d.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.handler != "" {
					w.Header().Set("Cache-Control", test.handler)
				}
			}))
			w := httptest.NewRecorder()
			if test.outer != "" {
				w.Header().Set("Cache-Control", test.outer)
			}
			h.ServeHTTP(w, request(place))
			want := test.want
			if place == inBearer {
				want = test.handler + strings.Repeat(test.outer, 1-min(1, len(test.handler)))
			}
			if got := w.Header().Get("Cache-Control"); got != want || w.Code != 200 {
				t.Errorf("%s, %s: %d, Cache-Control is %q, want %q", place, name, w.Code, got, want)
			}
		}
	}
	// Pages for everybody may still be kept.
	w := serveRequest(d.Optional(http.HandlerFunc(sayHello)), requestWith(""))
	if got := w.Header(); got.Get("Cache-Control") != "" || got.Get("Vary") == "" {
		t.Errorf("an anonymous page has the headers %v", got)
	}
	// A refusal is never stored.
	r := requestCarrying("bad", inCookie)
	if got := serveRequest(d.RequireFunc(greet), r).Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("a refusal has Cache-Control %q", got)
	}
}

func TestDecideReturnsNoHeadersForATokenInAuthorization(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{})
	for _, token := range []string{shopToken(t, nil), "bad", ""} {
		if _, headers, _ := d.Decide(requestWith(token), false); headers != nil {
			t.Errorf("%q: %v", token, headers)
		}
	}
}

func TestDecideIsAllThatRequireAndOptionalDo(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: allSources(), DangerouslyPassPreflight: true})
	good := shopToken(t, nil)
	preflight := httptest.NewRequest(http.MethodOptions, "http://shop.example/", nil)
	preflight.Header.Set("Origin", "https://pages.example")
	preflight.Header.Set("Access-Control-Request-Method", "PUT")
	crossSite := requestCarrying(good, inCookie)
	crossSite.Method = http.MethodPost
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	for name, r := range map[string]*http.Request{
		"good": requestWith(good), "none": requestWith(""), "bad": requestWith("bad"), "cookie": requestCarrying(good, inCookie),
		"query": requestCarrying(good, inQuery), "socket": requestCarrying(good, inSocket), "two": requestCarrying(good, inBearer, inQuery),
		"bare": {Header: http.Header{"Authorization": {"a.b.c"}}}, "preflight": preflight, "cross-site": crossSite,
	} {
		for _, optional := range []bool{false, true} {
			h := d.Require(http.HandlerFunc(sayHello))
			if optional {
				h = d.Optional(http.HandlerFunc(sayHello))
			}
			want := serveRequest(h, r)
			observed := d.refused(t)
			ctx, headers, rej := d.Decide(r, optional)
			again := d.refused(t)
			w := httptest.NewRecorder()
			for name, values := range headers {
				w.Header()[name] = append(w.Header()[name], values...)
			}
			if rej != nil {
				if ctx != r.Context() {
					t.Errorf("%s: the context of a refusal is not the request's own", name)
				}
				rej.ServeHTTP(w, r)
			} else {
				sayHello(w, r.WithContext(ctx))
			}
			if w.Code != want.Code || w.Body.String() != want.Body.String() || fmt.Sprint(w.Header()) != fmt.Sprint(want.Header()) {
				t.Errorf("%s, optional %v: %d %v %v, want %d %v %v", name, optional, w.Code, w.Header(), w.Body, want.Code, want.Header(), want.Body)
			}
			if (rej == nil) != (again == nil) || (observed == nil) != (again == nil) || rej != nil && again.Reason() != observed.Reason() {
				t.Errorf("%s, optional %v: observed %v, want %v", name, optional, again, observed)
			}
		}
	}
}
