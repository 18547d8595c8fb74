package usher_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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

// httpClaims and httpUser are the types of a service of its own.
type httpClaims struct {
	usher.Claims
	Role string `json:"role,omitempty"`
}

type httpUser struct{ ID, Role string }

const (
	httpSecret = "a secret of the tests, of 32 bytes or more"
	httpIssuer = "https://issuer.example"
	// httpCause stands in errors that no client may ever see.
	httpCause = "cause: dial tcp 10.1.2.3:5432"
)

// httpNow is the time at which all the tests take place.
func httpNow() time.Time { return time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC) }

// httpPayload is what a good token says; a nil value in changes removes a claim.
func httpPayload(changes map[string]any) map[string]any {
	payload := map[string]any{
		"iss": httpIssuer, "sub": "7", "iat": httpNow().Unix(), "exp": httpNow().Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		if payload[name] = value; value == nil {
			delete(payload, name)
		}
	}
	return payload
}

// httpToken signs a token by hand, so that these tests do not rest on the encoder.
func httpToken(t testing.TB, changes map[string]any) string {
	t.Helper()
	return httpSign(t, httpSecret, map[string]any{"alg": "HS256", "typ": "JWT"}, httpPayload(changes))
}

func httpSign(t testing.TB, secret string, header, payload map[string]any) string {
	t.Helper()
	segment := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := segment(header) + "." + segment(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, signed)
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func httpDecoder(t testing.TB) *usher.Decoder[httpClaims] {
	t.Helper()
	key, err := usher.NewKey(usher.HS256, []byte(httpSecret))
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := usher.NewDecoder[httpClaims](key, &usher.DecoderOptions{Issuer: httpIssuer, Now: httpNow})
	if err != nil {
		t.Fatal(err)
	}
	return decoder
}

// httpVerifier lets a test say what a verifier answers.
type httpVerifier func(ctx context.Context, token string) (*httpClaims, error)

func (v httpVerifier) Decode(ctx context.Context, token string) (*httpClaims, error) {
	return v(ctx, token)
}

// httpRecorder is a middleware that records its steps and its refusals.
type httpRecorder struct {
	*usher.Middleware[httpClaims, *httpUser]

	mu       sync.Mutex
	steps    []string // "decode", "check", "user" in the order in which they happened
	observed []*usher.Rejection
}

// httpOpen returns a middleware that records. opts.Check and opts.Observe are still called, after that. Without a Now the
// clock is httpNow, and without a Realm the realm is "shop".
func httpOpen(t testing.TB, opts usher.MiddlewareOptions) *httpRecorder {
	t.Helper()
	return httpOpenWith(t, nil, nil, opts)
}

func httpOpenWith(t testing.TB, verifier usher.Verifier[httpClaims],
	user func(context.Context, *httpClaims) (*httpUser, error), opts usher.MiddlewareOptions,
) *httpRecorder {
	t.Helper()
	d := &httpRecorder{}
	if verifier == nil {
		verifier = httpDecoder(t)
	}
	if user == nil {
		user = httpFindUser
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
		opts.Now = httpNow
	}
	if opts.Realm == "" {
		opts.Realm = "shop"
	}
	m, err := usher.NewMiddleware(
		httpVerifier(func(ctx context.Context, token string) (*httpClaims, error) {
			d.step("decode")
			return verifier.Decode(ctx, token)
		}),
		func(ctx context.Context, c *httpClaims) (*httpUser, error) {
			d.step("user")
			return user(ctx, c)
		}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Middleware = m
	return d
}

// httpFindUser is the user function of a service whose users have telling ids.
func httpFindUser(_ context.Context, c *httpClaims) (*httpUser, error) {
	switch c.Subject {
	case "gone":
		return nil, fmt.Errorf("%w: "+httpCause, usher.ErrNoUser)
	case "nil":
		return nil, nil //nolint:nilnil // what the middleware has to cope with
	case "down":
		return nil, fmt.Errorf("%w: "+httpCause, usher.ErrUnavailable)
	case "broken":
		return nil, errors.New(httpCause)
	case "banned":
		return nil, fmt.Errorf("%w: "+httpCause, usher.ErrForbidden)
	case "slow":
		return nil, fmt.Errorf(httpCause+": %w", context.DeadlineExceeded)
	}
	return &httpUser{ID: c.Subject, Role: c.Role}, nil
}

func (d *httpRecorder) step(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append(d.steps, name)
}

// took returns the steps taken since the last call, as one string.
func (d *httpRecorder) took() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	steps := strings.Join(d.steps, " ")
	d.steps = nil
	return steps
}

// refused returns the one refusal observed since the last call, nil if there was none.
func (d *httpRecorder) refused(t testing.TB) *usher.Rejection {
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

// httpHello answers with the current user's id, or with "stranger".
func httpHello(w http.ResponseWriter, r *http.Request) {
	if user, ok := usher.UserFromContext[*httpUser](r.Context()); ok {
		_, _ = io.WriteString(w, "hello "+user.ID)
		return
	}
	_, _ = io.WriteString(w, "hello stranger")
}

// httpGreet is httpHello for RequireFunc.
func httpGreet(w http.ResponseWriter, _ *http.Request, user *httpUser) {
	_, _ = io.WriteString(w, "hello "+user.ID)
}

// httpRequest is a GET with this bearer token, or without one if it is "".
func httpRequest(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// httpServe lets h answer r without a network. A panic is the status 0.
func httpServe(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			w = &httptest.ResponseRecorder{Body: bytes.NewBufferString(fmt.Sprint("panic: ", p))}
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// httpWant checks status and body at once; an empty body is not compared.
func httpWant(t testing.TB, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || body != "" && w.Body.String() != body {
		t.Fatalf("got %d %q, want %d %q", w.Code, w.Body.String(), status, body)
	}
}

// The places where a request can carry a token, for httpCarry; httpSources finds them all.
const (
	inBearer = "bearer"
	inHeader = "header"
	inCookie = "cookie"
	inQuery  = "query"
	inForm   = "form"
	inSocket = "socket"
)

func httpPlaces() []string {
	return []string{inBearer, inHeader, inCookie, inQuery, inForm, inSocket}
}

func httpSource(place string) usher.TokenSource {
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

func httpSources() []usher.TokenSource {
	var sources []usher.TokenSource
	for _, place := range httpPlaces() {
		sources = append(sources, httpSource(place))
	}
	return sources
}

// httpCarry returns a request that carries token in each of these places, twice where one is named twice.
func httpCarry(token string, places ...string) *http.Request {
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

// httpFields returns the fields of all the ConfigErrors that are joined in err, sorted.
func httpFields(err error) []string {
	var fields []string
	var collect func(error)
	collect = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				collect(one)
			}
			return
		}
		if mistake, ok := errors.AsType[*usher.ConfigError](err); ok {
			fields = append(fields, mistake.Field)
		}
	}
	collect(err)
	slices.Sort(fields)
	return fields
}
