package usher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// shopClaims and shopUser are the types of the service that the tests of the middleware protect.
type shopClaims struct {
	usher.Claims
	Role string `json:"role,omitempty"`
}

type shopUser struct{ ID, Role string }

const (
	shopSecret = "a secret of the tests, of 32 bytes or more"
	shopIssuer = "https://issuer.example"
	// secretCause stands in errors that no client may ever see.
	secretCause = "cause: dial tcp 10.1.2.3:5432"
)

// shopPayload is what a good token says; a nil value in changes removes a claim.
func shopPayload(changes map[string]any) map[string]any {
	payload := map[string]any{
		"iss": shopIssuer, "sub": "7", "iat": testClock().Unix(), "exp": testClock().Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		if payload[name] = value; value == nil {
			delete(payload, name)
		}
	}
	return payload
}

// shopToken signs a token by hand, so that these tests do not rest on the encoder.
func shopToken(t testing.TB, changes map[string]any) string {
	t.Helper()
	return signShopToken(t, shopSecret, map[string]any{"alg": "HS256", "typ": "JWT"}, shopPayload(changes))
}

func signShopToken(t testing.TB, secret string, header, payload map[string]any) string {
	t.Helper()
	text := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return signToken("HS256", []byte(secret), text(header), text(payload))
}

func shopDecoder(t testing.TB) *usher.Decoder[shopClaims] {
	t.Helper()
	return newDecoder[shopClaims](t, hmacKey(t, []byte(shopSecret), ""), usher.DecoderOptions{Issuer: shopIssuer})
}

// verifierFunc lets a test say what a verifier answers.
type verifierFunc func(ctx context.Context, token string) (*shopClaims, error)

func (v verifierFunc) Decode(ctx context.Context, token string) (*shopClaims, error) {
	return v(ctx, token)
}

// recordedShop is a middleware that records its steps and its refusals.
type recordedShop struct {
	*usher.Middleware[shopClaims, *shopUser]

	mu       sync.Mutex
	steps    []string // "decode", "check", "user" in the order in which they happened
	observed []*usher.Rejection
}

// openShop returns a middleware that records. opts.Check and opts.Observe are still called, after that. Without a Now the
// clock is testClock, and without a Realm the realm is "shop".
func openShop(t testing.TB, opts usher.MiddlewareOptions) *recordedShop {
	t.Helper()
	return openShopWith(t, nil, nil, opts)
}

func openShopWith(t testing.TB, verifier usher.Verifier[shopClaims],
	user func(context.Context, *shopClaims) (*shopUser, error), opts usher.MiddlewareOptions,
) *recordedShop {
	t.Helper()
	d := &recordedShop{}
	if verifier == nil {
		verifier = shopDecoder(t)
	}
	if user == nil {
		user = findShopUser
	}
	check, observe := opts.Check, opts.Observe
	opts.Check = func(ctx context.Context, c *usher.Claims) error {
		d.step("check")
		if check == nil {
			return nil
		}
		return check(ctx, c)
	}
	opts.Observe = func(r *http.Request, rej *usher.Rejection) {
		d.mu.Lock()
		d.observed = append(d.observed, rej)
		d.mu.Unlock()
		if observe != nil {
			observe(r, rej)
		}
	}
	if opts.Now == nil {
		opts.Now = testClock
	}
	if opts.Realm == "" {
		opts.Realm = "shop"
	}
	m, err := usher.NewMiddleware(
		verifierFunc(func(ctx context.Context, token string) (*shopClaims, error) {
			d.step("decode")
			return verifier.Decode(ctx, token)
		}),
		func(ctx context.Context, c *shopClaims) (*shopUser, error) {
			d.step("user")
			return user(ctx, c)
		}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Middleware = m
	return d
}

// findShopUser is the user function of a service whose users have telling ids.
func findShopUser(_ context.Context, c *shopClaims) (*shopUser, error) {
	switch c.Subject {
	case "gone":
		return nil, fmt.Errorf("%w: "+secretCause, usher.ErrNoUser)
	case "nil":
		return nil, nil //nolint:nilnil // what the middleware has to cope with
	case "down":
		return nil, fmt.Errorf("%w: "+secretCause, usher.ErrUnavailable)
	case "broken":
		return nil, errors.New(secretCause)
	case "banned":
		return nil, fmt.Errorf("%w: "+secretCause, usher.ErrForbidden)
	case "slow":
		return nil, fmt.Errorf(secretCause+": %w", context.DeadlineExceeded)
	}
	return &shopUser{ID: c.Subject, Role: c.Role}, nil
}

func (d *recordedShop) step(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append(d.steps, name)
}

// took returns the steps taken since the last call, as one string.
func (d *recordedShop) took() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	steps := strings.Join(d.steps, " ")
	d.steps = nil
	return steps
}

// refused returns the one refusal observed since the last call, nil if there was none.
func (d *recordedShop) refused(t testing.TB) *usher.Rejection {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	observed := d.observed
	d.observed = nil
	switch len(observed) {
	case 0:
		return nil
	case 1:
		return observed[0]
	}
	t.Fatalf("Observe was called %d times for one request", len(observed))
	return nil
}

// sayHello answers with the current user's id, or with "stranger".
func sayHello(w http.ResponseWriter, r *http.Request) {
	if user, ok := usher.UserFromContext[*shopUser](r.Context()); ok {
		_, _ = io.WriteString(w, "hello "+user.ID)
		return
	}
	_, _ = io.WriteString(w, "hello stranger")
}

// greet is sayHello for RequireFunc.
func greet(w http.ResponseWriter, _ *http.Request, user *shopUser) {
	_, _ = io.WriteString(w, "hello "+user.ID)
}

// requestWith is a GET with this bearer token, or without one if it is "".
func requestWith(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// serveRequest lets h answer r without a network. A panic is the status 0.
func serveRequest(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			w = &httptest.ResponseRecorder{Body: bytes.NewBufferString(fmt.Sprint("panic: ", p))}
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// wantResponse checks status and body at once; an empty body is not compared.
func wantResponse(t testing.TB, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || body != "" && w.Body.String() != body {
		t.Fatalf("got %d %q, want %d %q", w.Code, w.Body.String(), status, body)
	}
}

// The places where a request can carry a token, for requestCarrying; allSources finds them all.
const (
	inBearer = "bearer"
	inHeader = "header"
	inCookie = "cookie"
	inQuery  = "query"
	inForm   = "form"
	inSocket = "socket"
)

func allPlaces() []string {
	return []string{inBearer, inHeader, inCookie, inQuery, inForm, inSocket}
}

func sourceOf(place string) usher.TokenSource {
	switch place {
	case inHeader:
		return usher.FromHeader("x-access-token")
	case inCookie:
		return usher.FromCookie("session")
	case inQuery:
		return usher.FromQuery("access_token")
	case inForm:
		return usher.FromForm("access_token")
	case inSocket:
		return usher.FromWebSocketProtocol("usher.bearer")
	}
	return usher.FromBearer()
}

func allSources() []usher.TokenSource {
	var sources []usher.TokenSource
	for _, place := range allPlaces() {
		sources = append(sources, sourceOf(place))
	}
	return sources
}

// requestCarrying returns a request that carries token in each of these places, twice where one is named twice.
func requestCarrying(token string, places ...string) *http.Request {
	header, query, form := http.Header{}, url.Values{}, url.Values{}
	for _, place := range places {
		switch place {
		case inBearer:
			header.Add("Authorization", "Bearer "+token)
		case inHeader:
			header.Add("X-Access-Token", token)
		case inCookie:
			cookies := header["Cookie"]
			header.Set("Cookie", strings.Join(append(cookies, "session="+token), "; "))
		case inQuery:
			query.Add("access_token", token)
		case inForm:
			form.Add("access_token", token)
		case inSocket:
			header.Set("Connection", "Upgrade")
			header.Set("Upgrade", "websocket")
			header.Add("Sec-Websocket-Protocol", "usher.bearer, "+token)
		}
	}
	method, body := http.MethodGet, ""
	if len(form) > 0 {
		method, body = http.MethodPost, form.Encode()
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r := httptest.NewRequest(method, "http://shop.example/?"+query.Encode(), strings.NewReader(body))
	maps.Copy(r.Header, header)
	return r
}

// configFields returns the fields of the ConfigErrors that err joins, sorted.
func configFields(tb testing.TB, err error) []string {
	tb.Helper()
	var fields []string
	for _, mistake := range configErrors(tb, err) {
		fields = append(fields, mistake.Field)
	}
	slices.Sort(fields)
	return fields
}
