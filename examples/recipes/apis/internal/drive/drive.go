// Package drive sends requests to the services of the recipes, over a socket, and checks what they answer. All services
// have the same routes, each as its framework calls them, and so pass the same table.
package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
	"github.com/go-usher/usher/ushertest"
)

// Scope is what the service's Scoped route requires.
const Scope = "posts:write"

// Kit has a middleware for a service, and the tokens that it accepts and refuses.
type Kit struct {
	Auth *people.Auth

	kit *ushertest.Kit[usher.Claims]

	mu      sync.Mutex
	refused []string
}

// New returns a kit. Its middleware has these options, and others that show whether a framework loses anything: headers
// that every response with a good token gets, and a count of the refusals.
func New(t *testing.T, opts usher.MiddlewareOptions) *Kit {
	t.Helper()
	k := &Kit{kit: ushertest.New[usher.Claims](t, nil)}
	decoder, err := usher.NewDecoder[usher.Claims](keys{k.kit.Key}, &usher.DecoderOptions{
		Issuer: k.kit.Encoder.Fill(&usher.Claims{}).Issuer, Audience: k.kit.Encoder.Fill(&usher.Claims{}).Audience, Now: k.kit.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	opts.Confirm = func(*http.Request, string, *usher.Claims) (http.Header, error) {
		return http.Header{"Dpop-Nonce": {"fresh"}}, nil
	}
	opts.Observe = func(_ *http.Request, rej *usher.Rejection) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.refused = append(k.refused, rej.Reason())
	}
	if k.Auth, err = usher.NewMiddleware(decoder, find, &opts); err != nil {
		t.Fatal(err)
	}
	return k
}

// Ann returns the token of an administrator who may write.
func (k *Kit) Ann(t *testing.T) string { return k.token(t, "1", Scope) }

// Bob returns the token of a user who may only read.
func (k *Kit) Bob(t *testing.T) string { return k.token(t, "2", "posts:read") }

func (k *Kit) token(t *testing.T, subject, scope string) string {
	t.Helper()
	return k.kit.Token(t, usher.Claims{Subject: subject, Scope: scope})
}

// refusals returns the reasons that the middleware has observed since the last call.
func (k *Kit) refusals() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() { k.refused = nil }()
	return k.refused
}

// keys is a source that is out of reach for one kid.
type keys struct{ usher.Key }

func (s keys) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	if kid == "unreachable" {
		return nil, fmt.Errorf("%w: secret detail of the key source", usher.ErrUnavailable)
	}
	return s.Key.VerificationKeys(ctx, kid)
}

// find is people.Find of a database that fails for some users.
func find(ctx context.Context, c *usher.Claims) (*people.User, error) {
	switch c.Subject {
	case "outage":
		return nil, fmt.Errorf("%w: secret detail of the database", usher.ErrUnavailable)
	case "bug":
		return nil, errors.New("secret detail of the database")
	}
	return people.Find(ctx, c)
}

// Request is how a framework's clients call a route.
type Request struct{ Method, Path, ContentType, Accept, Body string }

// Response is what a client received.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Service is a service under test.
type Service struct {
	Kit     *Kit
	Handler http.Handler

	// Required greets the user, Optional also strangers. Scoped requires the Scope, Admins an administrator. Panics requires
	// a token and panics. A service may lack any but Required.
	Required, Optional, Scoped, Admins, Panics Request

	// Status returns what the response says in the framework's own words, as a status. The default is the response's status.
	Status func(t *testing.T, resp Response) int
	// Refusal checks the form of a refusal, whose Rejection has this status, reason and description.
	Refusal func(t *testing.T, resp Response, want Refusal)
	// Soft says that the service refuses inside a response with the status 200: it has no challenge, and Observe has no request.
	Soft bool
}

// Refusal is what a client learns about a refusal.
type Refusal struct {
	Status       int
	Reason, Text string
}

const (
	needed   = "An access token is required."
	invalid  = "The access token is not valid."
	later    = "Try again later."
	internal = "The request can't be served."
)

// Run sends the table of requests.
func Run(t *testing.T, s Service) {
	base := Serve(t, func(string) http.Handler { return s.Handler })
	if s.Status == nil {
		s.Status = func(_ *testing.T, resp Response) int { return resp.Status }
	}

	good := func(token string) []string { return []string{"Bearer " + token} }
	ann, bob := good(s.Kit.Ann(t)), good(s.Kit.Bob(t))
	claims := usher.Claims{Subject: "1", Scope: Scope}
	broken := map[string][]string{}
	for _, b := range s.Kit.kit.BrokenTokens(t, claims) {
		broken[b.Name] = good(b.Token)
	}
	unreachable, err := usher.NewEncoder[usher.Claims](s.Kit.kit.Key.WithID("unreachable"), &usher.EncoderOptions{Now: s.Kit.kit.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	keysDown, err := unreachable.Encode(t.Context(), claims)
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name          string
		route         Request
		authorization []string
		want          int
		reason, text  string // of a refusal, else text is in the body
		guard         bool   // the refusal is a guard's
	}{
		{"a user is greeted", s.Required, ann, 200, "", "Ann", false},
		{"another user is greeted by their own name", s.Required, bob, 200, "", "Bob", false},
		{"a stranger is refused", s.Required, nil, 401, "no_token", needed, true},
		{"another scheme is no token", s.Required, []string{"Basic YTpi"}, 401, "no_token", needed, true},
		{"an empty token is refused", s.Required, []string{"Bearer "}, 401, "malformed", invalid, false},
		{"an expired token is refused", s.Required, broken["expired"], 401, "expired", "The access token has expired.", false},
		{"a forged token is refused", s.Required, broken["forged"], 401, "signature", invalid, false},
		{"another audience's token is refused", s.Required, broken["wrong audience"], 401, "audience", invalid, false},
		{"a user who is gone is refused", s.Required, good(s.Kit.token(t, "404", Scope)), 401, "no_user", invalid, false},
		{"two tokens are refused", s.Required, slices.Concat(ann, bob), 400, "many_tokens", "The request carries more than one access token.", false},
		{"an outage of the keys stays a 503", s.Required, good(keysDown), 503, "unavailable", later, false},
		{"an outage of the users stays a 503", s.Required, good(s.Kit.token(t, "outage", Scope)), 503, "unavailable", later, false},
		{"a failed look-up stays a 500", s.Required, good(s.Kit.token(t, "bug", Scope)), 500, "error", internal, false},

		{"an optional route greets a stranger", s.Optional, nil, 200, "", "stranger", false},
		{"an optional route greets a user", s.Optional, ann, 200, "", "Ann", false},
		{"an optional route refuses a bad token", s.Optional, broken["expired"], 401, "expired", "The access token has expired.", false},
		{"an optional route refuses two tokens", s.Optional, slices.Concat(ann, bob), 400, "many_tokens", "The request carries more than one access token.", false},
		{"an optional route says that keys are out of reach", s.Optional, good(keysDown), 503, "unavailable", later, false},

		{"a scope lets in", s.Scoped, ann, 200, "", "Ann", false},
		{"a missing scope is refused", s.Scoped, bob, 403, "scope", "The access token lacks a scope.", true},
		{"a stranger has no scope", s.Scoped, nil, 401, "no_token", needed, true},
		{"an outage is no missing scope", s.Scoped, good(keysDown), 503, "unavailable", later, false},
		{"a stranger does not reach the handler that panics", s.Panics, nil, 401, "no_token", needed, true},
		{"a role lets in", s.Admins, ann, 200, "", "Ann", false},
		{"a missing role is refused", s.Admins, bob, 403, "forbidden", "This is not allowed.", true},
		{"a stranger has no role", s.Admins, nil, 401, "no_token", needed, true},
	}
	for _, test := range tests {
		if test.route == (Request{}) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			s.Kit.refusals()
			resp, err := test.route.send(t, base, test.authorization)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Status(t, resp); got != test.want {
				t.Fatalf("the status is %d (HTTP %d), want %d; the body is %s", got, resp.Status, test.want, resp.Body)
			}
			s.checkHeaders(t, test.route, resp, test.authorization)
			if strings.Contains(resp.Body, "secret detail") {
				t.Errorf("the body shows the cause: %s", resp.Body)
			}
			if test.reason == "" {
				if !strings.Contains(resp.Body, test.text) {
					t.Errorf("the body is %s, want %q in it", resp.Body, test.text)
				}
				return
			}
			s.Refusal(t, resp, Refusal{test.want, test.reason, test.text})
			if s.Soft && test.guard {
				return
			}
			s.checkRefusal(t, resp, test.want, test.reason)
		})
	}
	if s.Panics == (Request{}) {
		return
	}
	t.Run("a panic is no answer, and the next request is served", func(t *testing.T) {
		resp, err := s.Panics.send(t, base, ann)
		if err == nil && s.Status(t, resp) != http.StatusInternalServerError {
			t.Errorf("a panic is answered with %d: %s", s.Status(t, resp), resp.Body)
		}
		if strings.Contains(resp.Body, "secret detail") {
			t.Errorf("the body shows the panic: %s", resp.Body)
		}
		(&http.Client{}).CloseIdleConnections() // one whose handler has panicked is about to be closed by the server
		resp, err = s.Required.send(t, base, bob)
		if err != nil || s.Status(t, resp) != http.StatusOK || !strings.Contains(resp.Body, "Bob") {
			t.Errorf("after a panic, the answer is %s (%v)", resp.Body, err)
		}
	})
}

// checkHeaders checks the headers that have nothing to do with refusals.
func (s Service) checkHeaders(t *testing.T, route Request, resp Response, authorization []string) {
	t.Helper()
	if route == s.Optional && !slices.Contains(resp.Header.Values("Vary"), "Authorization") {
		t.Errorf("Vary is %q, want Authorization in it", resp.Header.Values("Vary"))
	}
	status := resp.Status
	verified := len(authorization) == 1 && strings.HasPrefix(authorization[0], "Bearer ")
	if verified && (status == http.StatusOK || status == http.StatusForbidden) {
		if got := resp.Header.Values("DPoP-Nonce"); !slices.Equal(got, []string{"fresh"}) {
			t.Errorf("DPoP-Nonce is %q: Confirm's headers are lost or doubled", got)
		}
	}
}

// checkRefusal checks what the middleware says of a refusal: its headers, and one call of Observe.
func (s Service) checkRefusal(t *testing.T, resp Response, status int, reason string) {
	t.Helper()
	challenge := resp.Header.Values("WWW-Authenticate")
	switch status {
	case 400, 401, 403:
		if len(challenge) != 1 || !strings.HasPrefix(challenge[0], "Bearer ") {
			t.Errorf("WWW-Authenticate is %q, want one challenge", challenge)
		}
	default:
		if len(challenge) != 0 {
			t.Errorf("WWW-Authenticate is %q, want none", challenge)
		}
	}
	if reason == "scope" && !strings.Contains(strings.Join(challenge, ""), `scope="`+Scope+`"`) {
		t.Errorf("WWW-Authenticate is %q, want the scope in it", challenge)
	}
	if got := resp.Header.Get("Retry-After"); (got != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("Retry-After is %q with the status %d", got, status)
	}
	if got := resp.Header.Values("Cache-Control"); !slices.Equal(got, []string{"no-store"}) {
		t.Errorf("Cache-Control is %q, want no-store", got)
	}
	if got := s.Kit.refusals(); !slices.Equal(got, []string{reason}) {
		t.Errorf("Observe was called for %q, want %q once", got, reason)
	}
}

// send sends the request with these Authorization headers.
func (r Request) send(t *testing.T, base string, authorization []string) (Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, base+r.Path, strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	if r.Accept != "" {
		req.Header.Set("Accept", r.Accept)
	}
	if len(authorization) > 0 {
		req.Header["Authorization"] = authorization
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{resp.StatusCode, resp.Header, string(body)}, err
}
