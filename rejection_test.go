package usher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-usher/usher"
)

func TestRejectionIsAnError(t *testing.T) {
	cause := fmt.Errorf("%w: "+secretCause, usher.ErrTokenExpired)
	rej := &usher.Rejection{Status: 401, Code: "invalid_token", Description: "The access token has expired.", Err: cause}
	if !errors.Is(rej, usher.ErrTokenExpired) || !errors.Is(rej, usher.ErrInvalidToken) || errors.Unwrap(rej) != cause { //nolint:errorlint // the very one
		t.Error("it does not unwrap to its cause")
	}
	if got := rej.Error(); got != rej.Description {
		t.Errorf("the text is %q", got)
	}
	if got := (&usher.Rejection{Status: 500, Err: cause}).Error(); got == "" || strings.Contains(got, secretCause) {
		t.Errorf("the text without a description is %q", got)
	}
	if text := fmt.Sprintf("%v %s", rej, rej); strings.Contains(text, secretCause) {
		t.Errorf("it prints as %q", text)
	}
}

func TestChallenge(t *testing.T) {
	tests := []struct {
		name string
		rej  usher.Rejection
		want string
	}{
		{"a bad token", usher.Rejection{Status: 401, Code: "invalid_token", Description: "Sorry."},
			`Bearer error="invalid_token", error_description="Sorry."`},
		{"a bad request", usher.Rejection{Status: 400, Code: "invalid_request", Description: "No."},
			`Bearer error="invalid_request", error_description="No."`},
		{"a scope", usher.Rejection{Status: 403, Code: "insufficient_scope", Description: "No.", Scope: "read write"},
			`Bearer error="insufficient_scope", error_description="No.", scope="read write"`},
		{"a login", usher.Rejection{Status: 401, Code: "insufficient_user_authentication", Description: "Old.", MaxAge: 90 * time.Second},
			`Bearer error="insufficient_user_authentication", error_description="Old.", max_age="90"`},
		{"a login, in whole seconds", usher.Rejection{Status: 401, Code: "insufficient_user_authentication", Description: "Old.", MaxAge: 1999 * time.Millisecond},
			`Bearer error="insufficient_user_authentication", error_description="Old.", max_age="1"`},
		{"all that may be quoted, and more", usher.Rejection{Status: 401, Code: "invalid_token", Description: " !#[]~\x1f\x7f\"\\"},
			`Bearer error="invalid_token", error_description=" !#[]~????"`},
		{"no token", usher.Rejection{Status: 401, Description: "x"}, `Bearer realm=""`},
		{"no description without a code", usher.Rejection{Status: 401, Description: "x", Scope: "read"}, `Bearer scope="read"`},
		{"a negative age", usher.Rejection{Status: 401, Code: "invalid_token", Description: "No.", MaxAge: -1},
			`Bearer error="invalid_token", error_description="No."`},
		{"forbidden without a code", usher.Rejection{Status: 403, Description: "Cross-origin request."}, ""},
		{"a bad request without a code", usher.Rejection{Status: 400, Description: "No."}, ""},
		{"not the token's fault", usher.Rejection{Status: 500, Code: "invalid_token"}, ""},
		{"later perhaps", usher.Rejection{Status: 503, Code: "invalid_token"}, ""},
		{"another status", usher.Rejection{Status: 404, Code: "invalid_token"}, ""},
		{"the zero Rejection", usher.Rejection{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.rej.Challenge(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			w := httptest.NewRecorder()
			test.rej.ServeHTTP(w, requestWith(""))
			if got := w.Header().Get("WWW-Authenticate"); got != test.want {
				t.Errorf("the header is %s, want %s", got, test.want)
			}
		})
	}
}

// testChallenge is what RFC 6750 §3 allows: parameters whose values hold %x20-21 / %x23-5B / %x5D-7E.
var testChallenge = regexp.MustCompile(`^Bearer( [a-z_]+="[ !#-\[\]-~]*"(, [a-z_]+="[ !#-\[\]-~]*")*)?$`)

func testNasty() []string {
	nasty := []string{
		"", " ", `"`, `\`, `\"`, `", error="invalid_token`, "a\r\nSet-Cookie: a=b", "a\nb", "a\rb", "\x00", "\x1f", "\x7f", "\x80", "\xff\xfe",
		"tab\there", "Zürich", "日本語", "😀", "\u2028", "\ufeff", "\u202e", "\ufffd", "\xed\xa0\x80", "</script><script>alert(1)</script>",
		"%0d%0a", "a, b", "a=b", "{}", strings.Repeat("x", 1<<16), strings.Repeat("é", 1<<12),
	}
	for c := range 256 {
		nasty = append(nasty, "<"+string([]byte{byte(c)})+">")
	}
	return nasty
}

func TestChallengesHoldNoOtherCharacters(t *testing.T) {
	for _, text := range testNasty() {
		for _, rej := range []*usher.Rejection{
			{Status: 401, Code: text, Description: text, Scope: text, MaxAge: time.Hour},
			{Status: 403, Code: text, Description: text, Scope: text},
			{Status: 400, Code: "invalid_request", Description: text},
			{Status: 401, Code: "invalid_token", Description: text, Err: errors.New(secretCause)},
			{Status: 500, Description: text},
		} {
			checkRejection(t, rej)
		}
	}
}

// Whatever a Rejection holds, its challenge is one of RFC 6750's, its body a problem, and nothing panics.
func FuzzRejection(f *testing.F) {
	for i, text := range testNasty()[:40] {
		f.Add(400+i, text, text, text, int64(i)*int64(time.Second))
	}
	f.Add(math.MinInt, "invalid_token", "a", "b", int64(math.MinInt64))
	f.Add(math.MaxInt, "invalid_token", "a", "b", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, status int, code, description, scope string, maxAge int64) {
		checkRejection(t, &usher.Rejection{
			Status: status, Code: code, Description: description, Scope: scope, MaxAge: time.Duration(maxAge), Err: errors.New(secretCause),
		})
	})
}

func checkRejection(t *testing.T, rej *usher.Rejection) {
	t.Helper()
	challenge := rej.Challenge()
	if challenge != "" && !testChallenge.MatchString(challenge) {
		t.Errorf("%+v has the challenge %q", rej, challenge)
	}
	w := httptest.NewRecorder()
	rej.ServeHTTP(w, requestWith(""))
	if w.Code < 400 || w.Code > 599 {
		t.Errorf("status %d becomes %d", rej.Status, w.Code)
	}
	if got := w.Header().Get("WWW-Authenticate"); got != challenge {
		t.Errorf("the header is %q, the challenge %q", got, challenge)
	}
	var problem struct {
		Title, Detail string
		Status        int
	}
	body := w.Body.Bytes()
	if err := json.Unmarshal(body, &problem); err != nil || !utf8.Valid(body) || problem.Status != w.Code || problem.Detail == "" {
		t.Errorf("%+v becomes %s: %v", rej, body, err)
	}
	if utf8.ValidString(rej.Description) && rej.Description != "" && problem.Detail != rej.Description {
		t.Errorf("%q becomes %q", rej.Description, problem.Detail)
	}
	if strings.Contains(w.Body.String(), secretCause) && !strings.Contains(rej.Description, secretCause) {
		t.Errorf("the cause shows in %s", body)
	}
}

func TestRejectionOverTheNetwork(t *testing.T) {
	server := httptest.NewServer(&usher.Rejection{Status: 401, Code: "invalid_token", Description: "a\r\nSet-Cookie: a=b"})
	defer server.Close()
	response, err := server.Client().Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || len(response.Cookies()) > 0 ||
		response.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token", error_description="a??Set-Cookie: a=b"` {
		t.Errorf("%d, headers %v", response.StatusCode, response.Header)
	}
}

func TestOddStatusNeverPanicsNorSucceeds(t *testing.T) {
	for _, status := range []int{math.MinInt, -1, 0, 1, 99, 100, 101, 199, 200, 204, 301, 304, 399, 600, 999, 1000, math.MaxInt} {
		rej := &usher.Rejection{Status: status, Description: "Odd."}
		wantResponse(t, serveRequest(rej, requestWith("")), 500, "")

		d := openShopWith(t, nil, func(context.Context, *shopClaims) (*shopUser, error) { return &shopUser{}, rej }, usher.MiddlewareOptions{
			Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) { w.WriteHeader(rej.Status) },
		})
		wantResponse(t, serveRequest(d.RequireFunc(greet), requestWith(shopToken(t, nil))), 500, "")
		if got := d.refused(t); got.Status != 500 || got.Description != "Odd." {
			t.Errorf("status %d: observed %+v", status, got)
		}
	}
	for _, status := range []int{400, 401, 402, 403, 404, 409, 410, 418, 422, 423, 429, 451, 499, 500, 501, 503, 599} {
		w := serveRequest(&usher.Rejection{Status: status}, requestWith(""))
		wantResponse(t, w, status, "")
		if w.Header().Get("Cache-Control") != "no-store" || (w.Header().Get("Retry-After") != "") != (status == 503) {
			t.Errorf("%d: headers %v", status, w.Header())
		}
	}
}

func TestNilRejection(t *testing.T) {
	var rej *usher.Rejection
	if rej.Challenge() != "" || rej.Error() == "" || rej.Unwrap() != nil {
		t.Errorf("%q %q %v", rej.Challenge(), rej.Error(), rej.Unwrap())
	}
	wantResponse(t, serveRequest(rej, requestWith("")), 500, "")
}

func TestRetryAfterIsANumberOfSeconds(t *testing.T) {
	w := serveRequest(&usher.Rejection{Status: 503}, requestWith(""))
	if got := w.Header().Get("Retry-After"); !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(got) {
		t.Errorf("Retry-After is %q", got)
	}
}

func TestRejectionIsNotChangedByServing(t *testing.T) {
	rej := usher.Rejection{Status: 7, Code: "a\"", Description: "\xff", Scope: "\n", MaxAge: 5, Err: usher.ErrForbidden}
	before := rej
	serveRequest(&rej, requestWith(""))
	if !reflect.DeepEqual(rej, before) { //nolint:govet // the cause is the very same one
		t.Errorf("it became %+v", rej)
	}
}

// reasonError is an error of another package that brings a reason.
type reasonError struct {
	error
	reason string
}

func (e reasonError) Unwrap() error  { return e.error }
func (e reasonError) Reason() string { return e.reason }

// The words are fixed: dashboards and alerts count them.
func TestReasonIsOneOfTheDocumentedWords(t *testing.T) {
	wrap := func(err error) *usher.Rejection {
		return &usher.Rejection{Status: 401, Err: fmt.Errorf("wrapped: %w", err)}
	}
	own := func(err error, reason string) *usher.Rejection {
		return &usher.Rejection{Status: 401, Err: fmt.Errorf("wrapped: %w", reasonError{err, reason})}
	}
	var none *usher.Rejection
	tests := []struct {
		rej  *usher.Rejection
		want string
	}{
		{wrap(context.Canceled), "canceled"},
		{wrap(errors.Join(usher.ErrUnavailable, context.Canceled)), "canceled"},
		{wrap(context.DeadlineExceeded), "timeout"},
		{wrap(errors.Join(usher.ErrUnavailable, context.DeadlineExceeded)), "timeout"},
		{wrap(usher.ErrUnavailable), "unavailable"},
		{wrap(errors.Join(usher.ErrTokenExpired, usher.ErrUnavailable)), "unavailable"},
		{wrap(usher.ErrNoToken), "no_token"},
		{wrap(usher.ErrManyTokens), "many_tokens"},
		{wrap(usher.ErrTokenExpired), "expired"},
		{wrap(usher.ErrTokenNotYetValid), "not_yet_valid"},
		{wrap(usher.ErrTokenIssuer), "issuer"},
		{wrap(usher.ErrTokenAudience), "audience"},
		{wrap(usher.ErrTokenType), "type"},
		{wrap(usher.ErrTokenTooLarge), "too_large"},
		{wrap(usher.ErrTokenRevoked), "revoked"},
		{wrap(usher.ErrUnknownKey), "unknown_key"},
		{wrap(usher.ErrTokenSignature), "signature"},
		{wrap(usher.ErrTokenMalformed), "malformed"},
		{wrap(usher.ErrTokenClaims), "claims"},
		{wrap(usher.ErrInvalidToken), "token"},
		{wrap(usher.ErrNoUser), "no_user"},
		{wrap(usher.ErrPasswordUnfit), "password"},
		{wrap(usher.ErrPasswordTooShort), "password"},
		{wrap(usher.ErrPasswordMismatch), "password"},
		{wrap(usher.ErrForbidden), "forbidden"},
		{wrap(&usher.TokenError{Err: usher.ErrTokenRevoked}), "revoked"},
		{wrap(&usher.TokenError{}), "no_token"},
		{wrap(&usher.Rejection{Status: 403, Err: usher.ErrManyTokens}), "many_tokens"},
		{own(usher.ErrTokenRevoked, "session_ended"), "session_ended"},
		{own(usher.ErrUnavailable, "session_ended"), "unavailable"},
		{own(usher.ErrTokenRevoked, ""), "revoked"},
		{own(usher.ErrTokenRevoked, "Session ended"), "revoked"},
		{own(usher.ErrTokenRevoked, strings.Repeat("a", 65)), "revoked"},
		{own(usher.ErrTokenRevoked, strings.Repeat("a", 64)), strings.Repeat("a", 64)},
		{&usher.Rejection{Status: 401}, "no_token"},
		{&usher.Rejection{Status: 401, Code: "invalid_token", Err: errors.New("x")}, "token"},
		{&usher.Rejection{Status: 401, Code: "insufficient_user_authentication"}, "login_too_old"},
		{&usher.Rejection{Status: 403, Scope: "read"}, "scope"},
		{&usher.Rejection{Status: 403}, "forbidden"},
		{&usher.Rejection{Status: 429}, "too_many"},
		{&usher.Rejection{Status: 400}, "request"},
		{&usher.Rejection{Status: 404, Err: errors.New("x")}, "request"},
		{&usher.Rejection{Status: 422}, "request"},
		{&usher.Rejection{Status: 503}, "unavailable"},
		{&usher.Rejection{Status: 500}, "error"},
		{&usher.Rejection{}, "error"},
		{none, "error"},
	}
	for _, test := range tests {
		if got := test.rej.Reason(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.rej, got, test.want)
		}
	}
}

// Each refusal of the middleware's own has its reason.
func TestReasonsOfTheMiddlewaresRefusals(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
	good := shopToken(t, map[string]any{"scope": "read"})
	crossSite := requestCarrying(good, inCookie)
	crossSite.Method = http.MethodPost
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	unreadable := requestWith("")
	unreadable.URL.RawQuery = "%zz"
	bare := requestWith("")
	bare.Header.Set("Authorization", good)
	plain := d.RequireFunc(greet)
	tests := []struct {
		name    string
		handler http.Handler
		request *http.Request
		want    string
	}{
		{"no token", plain, requestWith(""), "no_token"},
		{"two tokens", plain, requestCarrying(good, inBearer, inQuery), "many_tokens"},
		{"an unreadable query", plain, unreadable, "request"},
		{"cross-origin", plain, crossSite, "cross_origin"},
		{"no scheme", plain, bare, "malformed"},
		{"malformed", plain, requestWith("a.b"), "malformed"},
		{"bound to a key", plain, requestWith(shopToken(t, map[string]any{"cnf": testBound()})), "unconfirmed"},
		{"no user", plain, requestWith(shopToken(t, map[string]any{"sub": "gone"})), "no_user"},
		{"no scope", d.With(usher.RequireScope("write")).RequireFunc(greet), requestWith(good), "scope"},
		{"no scope, and a stranger", d.With(usher.RequireScope("write")).Optional(http.HandlerFunc(sayHello)), requestWith(""), "no_token"},
		{"an old login", d.With(usher.RequireRecentLogin(time.Hour)).RequireFunc(greet), requestWith(good), "login_too_old"},
		{"no right", d.Allow(func(*shopUser) bool { return false }).RequireFunc(greet), requestWith(good), "forbidden"},
		{"a guard's own error", d.With(func(context.Context) error { return errors.New("x") }).RequireFunc(greet), requestWith(good), "forbidden"},
		{"a mistake", d.With(nil).RequireFunc(greet), requestWith(good), "error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			serveRequest(test.handler, test.request)
			rej := d.refused(t)
			if got := rej.Reason(); got != test.want {
				t.Errorf("%q, want %q: %v", got, test.want, rej.Err)
			}
		})
	}
}

func TestSetHeadersSetsWhatEveryRefusalNeeds(t *testing.T) {
	tests := []struct {
		name string
		rej  *usher.Rejection
		want http.Header
	}{
		{"401", &usher.Rejection{Status: 401}, http.Header{"Www-Authenticate": {`Bearer realm=""`}}},
		{"403", &usher.Rejection{Status: 403}, nil},
		{"429", &usher.Rejection{Status: 429}, nil},
		{"429 with a wait", &usher.Rejection{Status: 429, RetryAfter: 90 * time.Second}, http.Header{"Retry-After": {"90"}}},
		{"a part of a second is a second", &usher.Rejection{Status: 429, RetryAfter: 1001 * time.Millisecond}, http.Header{"Retry-After": {"2"}}},
		{"a nanosecond", &usher.Rejection{Status: 503, RetryAfter: 1}, http.Header{"Retry-After": {"1"}}},
		{"the longest wait", &usher.Rejection{Status: 503, RetryAfter: math.MaxInt64}, http.Header{"Retry-After": {"9223372037"}}},
		{"503", &usher.Rejection{Status: 503}, http.Header{"Retry-After": {"5"}}},
		{"503 with a negative wait", &usher.Rejection{Status: 503, RetryAfter: -1}, http.Header{"Retry-After": {"5"}}},
		{"403 with a wait", &usher.Rejection{Status: 403, RetryAfter: time.Second}, nil},
		{"headers of its own", &usher.Rejection{Status: 401, Header: http.Header{"dpop-nonce": {"n"}, "Cache-Control": {"no-cache"}}},
			http.Header{"Www-Authenticate": {`Bearer realm=""`}, "Dpop-Nonce": {"n"}, "Cache-Control": {"no-cache"}}},
		{"a challenge of its own", &usher.Rejection{Status: 401, Header: http.Header{"Www-Authenticate": {"DPoP", "Basic"}}},
			http.Header{"Www-Authenticate": {"DPoP", "Basic"}}},
		{"nil", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.want.Clone()
			if want == nil {
				want = http.Header{}
			}
			if want.Get("Cache-Control") == "" {
				want.Set("Cache-Control", "no-store")
			}
			got := http.Header{"Cache-Control": {"public"}}
			test.rej.SetHeaders(got)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			if test.rej != nil && test.rej.Challenge() != strings.Join(want["Www-Authenticate"], ", ") {
				t.Errorf("the challenge is %q", test.rej.Challenge())
			}
		})
	}
}

func TestChallengeNamesTheSchemesOfTheSources(t *testing.T) {
	tests := []struct {
		name    string
		sources []usher.TokenSource
		want    string
	}{
		{"default", nil, `Bearer realm="shop"`},
		{"another scheme", []usher.TokenSource{usher.FromAuthorization("JWT")}, `JWT realm="shop"`},
		{"two schemes", []usher.TokenSource{usher.FromBearer(), usher.FromAuthorization("DPoP")}, `Bearer realm="shop", DPoP realm="shop"`},
		{"no scheme", []usher.TokenSource{usher.FromAuthorization("")}, `Bearer realm="shop"`},
		{"no scheme, and one", []usher.TokenSource{usher.FromAuthorization(""), usher.FromAuthorization("JWT")}, `JWT realm="shop"`},
		{"a cookie", []usher.TokenSource{usher.FromCookie("session")}, `Bearer realm="shop"`},
		{"a cookie and a scheme", []usher.TokenSource{usher.FromCookie("session"), usher.FromAuthorization("JWT")}, `JWT realm="shop"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: test.sources})
			if got := serveRequest(d.RequireFunc(greet), requestWith("")).Header().Get("WWW-Authenticate"); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if got := d.Rejection(usher.ErrTokenExpired).Challenge(); strings.Count(got, "expired") != strings.Count(test.want, "realm") {
				t.Errorf("of a bad token: %s", got)
			}
		})
	}
}

// MCP clients find out from the challenge where to get a token (RFC 9728 §5.1), and with which scopes.
func TestChallengeNamesMetadataAndScopes(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{
		ResourceMetadata: "https://shop.example/.well-known/oauth-protected-resource", Scopes: []string{"read", "write"},
	})
	const metadata = `, resource_metadata="https://shop.example/.well-known/oauth-protected-resource"`
	challenge := func(h http.Handler, token string) string {
		return serveRequest(h, requestWith(token)).Header().Get("WWW-Authenticate")
	}
	if got := challenge(d.RequireFunc(greet), ""); got != `Bearer realm="shop", scope="read write"`+metadata {
		t.Errorf("to a stranger: %s", got)
	}
	if got := challenge(d.RequireFunc(greet), "bad"); !strings.HasSuffix(got, metadata) || strings.Contains(got, "scope") {
		t.Errorf("to a bad token: %s", got)
	}
	scoped := d.With(usher.RequireScope("admin")).RequireFunc(greet)
	if got := challenge(scoped, shopToken(t, nil)); !strings.HasSuffix(got, `scope="admin"`+metadata) {
		t.Errorf("to a token without the scope: %s", got)
	}
}
