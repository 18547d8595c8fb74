package routertest

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// Recipe is a recipe's server, and what depends on its router.
type Recipe struct {
	// Serve starts the server of a service until the test ends, and returns its URL.
	Serve func(t *testing.T, s *Service) string
	// Options changes the options of the middleware.
	Options func(*usher.MiddlewareOptions)
	// Refusal returns the body of a refusal in the framework's own format.
	Refusal func(status int, description string) string
	// Head is the status of a HEAD request with a token for a route that is mounted for GET.
	Head int
	// Preflight is the status of a browser's preflight for a protected route.
	Preflight int
	// Route is what the middleware's logs call the route of GET /me.
	Route string
}

// Problem is the Refusal of net/http's routers: the problem that usher writes (RFC 9457).
func Problem(status int, description string) string {
	return `{"title":"` + http.StatusText(status) + `","status":` + strconv.Itoa(status) + `,"detail":"` + description + `"}`
}

// What refusals say to clients.
const (
	required  = "An access token is required."
	invalid   = "The access token is not valid."
	expired   = "The access token has expired."
	several   = "The request carries more than one access token."
	forbidden = "This is not allowed."
	later     = "Try again later."
)

// Run sends the requests that every recipe has to answer alike.
func Run(t *testing.T, recipe Recipe) {
	t.Helper()
	tests := map[string]func(*testing.T, *Recipe, *Service, *Client){
		"requests get the responses of the table":             requests,
		"refusals have their headers":                         refusalHeaders,
		"responses to users have their headers":               successHeaders,
		"the cross-origin check sees the request":             crossOrigin,
		"a panic leaves no user behind":                       panics,
		"other methods let nobody in":                         otherMethods,
		"a stream flushes, and ends with its token":           streams,
		"a user ends exactly the session that the path names": sessions,
		"a refusal's log names the route":                     routes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var edit []func(*usher.MiddlewareOptions)
			if recipe.Options != nil {
				edit = append(edit, recipe.Options)
			}
			s := NewService(t, edit...)
			test(t, &recipe, s, NewClient(t, recipe.Serve(t, s)))
		})
	}
}

func requests(t *testing.T, recipe *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	bob, _ := s.Login(t, "2")
	nobody, _ := s.Login(t, "3")
	unreachable, _ := s.Login(t, "unreachable")
	tests := []struct {
		name, request string
		parts         []Part
		status        int
		body          string // of a success; the description of a refusal
	}{
		{"a public route", "GET /public", nil, 200, "Hello, stranger!"},
		{"a public route ignores tokens", "GET /public", []Part{Bearer("no token")}, 200, "Hello, stranger!"},
		{"required, without a token", "GET /me", nil, 401, required},
		{"required, with a token", "GET /me", []Part{Bearer(alice)}, 200, "Alice"},
		{"required, with another user's token", "GET /me", []Part{Bearer(bob)}, 200, "Bob"},
		{"required, with a token in the cookie", "GET /me", []Part{Cookie(bob)}, 200, "Bob"},
		{"required, with another scheme", "GET /me", []Part{Header("Authorization", "Basic eDp5")}, 401, required},
		{"required, with a bad token", "GET /me", []Part{Bearer("x" + alice)}, 401, invalid},
		{"required, with an empty token", "GET /me", []Part{Header("Authorization", "Bearer")}, 401, invalid},
		{"required, with a token of nobody", "GET /me", []Part{Bearer(nobody)}, 401, invalid},
		{"two tokens", "GET /me", []Part{Bearer(alice), Bearer(bob)}, 400, several},
		{"the same token twice", "GET /me", []Part{Bearer(alice), Bearer(alice)}, 400, several},
		{"a token in two places", "GET /me", []Part{Bearer(alice), Cookie(alice)}, 400, several},
		{"two tokens in cookies", "GET /me", []Part{Header("Cookie", CookieName+"="+alice+"; "+CookieName+"="+bob)}, 400, several},
		{"optional, without a token", "GET /hello", nil, 200, "Hello, stranger!"},
		{"optional, with a token", "GET /hello", []Part{Bearer(alice)}, 200, "Hello, Alice!"},
		{"optional, with a bad token", "GET /hello", []Part{Bearer("x" + alice)}, 401, invalid},
		{"optional, with two tokens", "GET /hello", []Part{Bearer(alice), Bearer(bob)}, 400, several},
		{"a role, with it", "GET /admin", []Part{Bearer(alice)}, 200, "Alice"},
		{"a role, without it", "GET /admin", []Part{Bearer(bob)}, 403, forbidden},
		{"a role, without a token", "GET /admin", nil, 401, required},
		{"an outage", "GET /me", []Part{Bearer(unreachable)}, 503, later},
		{"the body is the handler's", "POST /echo", []Part{Bearer(alice), Body("a body")}, 200, "a body"},
		{"a body without a token", "POST /echo", []Part{Body("a body")}, 401, required},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.body
			if test.status >= 400 {
				want = recipe.Refusal(test.status, test.body)
			}
			got := c.Do(test.request, test.parts...)
			if got.Status != test.status || strings.TrimSuffix(got.Body, "\n") != want {
				t.Errorf("%s: %d %q, want %d %q", test.request, got.Status, got.Body, test.status, want)
			}
		})
	}
	s.Clock.Advance(time.Hour)
	if got := c.Do("GET /me", Bearer(alice)); got.Status != 401 || strings.TrimSuffix(got.Body, "\n") != recipe.Refusal(401, expired) {
		t.Errorf("an expired token: %d %q, want %q", got.Status, got.Body, recipe.Refusal(401, expired))
	}
}

func refusalHeaders(t *testing.T, recipe *Recipe, s *Service, c *Client) {
	bob, _ := s.Login(t, "2")
	unreachable, _ := s.Login(t, "unreachable")
	for _, test := range []struct {
		request            string
		parts              []Part
		challenge, retryIn string
	}{
		{"GET /me", nil, `Bearer realm="recipes"`, ""},
		{"GET /me", []Part{Bearer("x")}, `Bearer realm="recipes", error="invalid_token", error_description="` + invalid + `"`, ""},
		{"GET /me", []Part{Bearer(bob), Cookie(bob)}, `Bearer realm="recipes", error="invalid_request", error_description="` + several + `"`, ""},
		{"GET /hello", []Part{Bearer("x")}, `Bearer realm="recipes", error="invalid_token", error_description="` + invalid + `"`, ""},
		{"GET /admin", []Part{Bearer(bob)}, `Bearer realm="recipes", error="insufficient_scope", error_description="` + forbidden + `"`, ""},
		{"GET /me", []Part{Bearer(unreachable)}, "", "5"},
	} {
		got := c.Do(test.request, test.parts...)
		if got.Status < 400 {
			t.Errorf("%s: %d, want a refusal", test.request, got.Status)
		}
		for name, want := range map[string]string{
			"WWW-Authenticate": test.challenge, "Retry-After": test.retryIn, "Cache-Control": "no-store",
		} {
			if has := strings.Join(got.Header.Values(name), " | "); has != want {
				t.Errorf("%s: %d with %s: %q, want %q", test.request, got.Status, name, has, want)
			}
		}
		wantVary(t, test.request, got)
	}
	if got := c.Do("GET /admin", Bearer(bob)).Header.Get("Dpop-Nonce"); got != "fresh" {
		t.Errorf("a refusal has Confirm's header %q, want fresh", got)
	}
}

func successHeaders(t *testing.T, _ *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	for _, request := range []string{"GET /me", "GET /hello", "GET /admin", "GET /sessions"} {
		got := c.Do(request, Bearer(alice))
		wantVary(t, request, got)
		if nonces := got.Header.Values("Dpop-Nonce"); len(nonces) != 1 || nonces[0] != "fresh" {
			t.Errorf("%s: Confirm's headers are %q, want one that says fresh", request, nonces)
		}
	}
	wantVary(t, "GET /hello of a stranger", c.Do("GET /hello"))
	if got := c.Do("GET /me", Cookie(alice)); got.Header.Get("Cache-Control") != "private" {
		t.Errorf("a response to a token in a cookie has Cache-Control %q, want private", got.Header.Get("Cache-Control"))
	}
	if got := c.Do("GET /public").Header.Get("Vary"); strings.Contains(got, "Authorization") {
		t.Errorf("a public response has Vary: %s", got)
	}
}

// wantVary checks that caches are told which headers the middleware read.
func wantVary(t *testing.T, request string, got Response) {
	t.Helper()
	vary := strings.Split(strings.Join(got.Header.Values("Vary"), ", "), ", ")
	if !slices.Contains(vary, "Authorization") || !slices.Contains(vary, "Cookie") {
		t.Errorf("%s: %d with Vary %q, want Authorization and Cookie", request, got.Status, vary)
	}
}

func crossOrigin(t *testing.T, _ *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	got := c.Do("POST /echo", Cookie(alice), Body("x"), Header("Sec-Fetch-Site", "cross-site"), Header("Origin", "https://evil.example"))
	if got.Status != http.StatusForbidden {
		t.Errorf("another site's POST with a cookie: %d, want 403", got.Status)
	}
	if got := c.Do("POST /echo", Cookie(alice), Body("x"), Header("Origin", c.base)); got.Status != http.StatusOK {
		t.Errorf("a POST of the site's own page: %d, want 200", got.Status)
	}
	if got := c.Do("GET /me", Cookie(alice), Header("Origin", "https://evil.example"), Header("Upgrade", "websocket"),
		Header("Connection", "Upgrade")); got.Status != http.StatusForbidden {
		t.Errorf("another site's WebSocket with a cookie: %d, want 403", got.Status)
	}
}

func panics(t *testing.T, _ *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	for range 3 { // on one connection, so that whatever a framework reuses is reused
		if got := c.Do("GET /panic", Bearer(alice)); got.Status != http.StatusInternalServerError {
			t.Errorf("a panic: %d, want 500", got.Status)
		}
		if got := c.Do("GET /hello"); got.Body != "Hello, stranger!" {
			t.Errorf("after a panic, a stranger is greeted with %q", got.Body)
		}
		if got := c.Do("GET /me"); got.Status != http.StatusUnauthorized {
			t.Errorf("after a panic, a stranger's request: %d, want 401", got.Status)
		}
	}
}

func otherMethods(t *testing.T, recipe *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	if got := c.Do("HEAD /me", Bearer(alice)); got.Status != recipe.Head {
		t.Errorf("HEAD /me with a token: %d, want %d", got.Status, recipe.Head)
	}
	without := recipe.Head
	if recipe.Head == http.StatusOK {
		without = http.StatusUnauthorized
	}
	if got := c.Do("HEAD /me"); got.Status != without || got.Body != "" {
		t.Errorf("HEAD /me without a token: %d %q, want %d and no body", got.Status, got.Body, without)
	}
	preflight := []Part{Header("Origin", "https://app.example"), Header("Access-Control-Request-Method", "GET")}
	for _, parts := range [][]Part{preflight, nil} {
		if got := c.Do("OPTIONS /me", parts...); got.Status != recipe.Preflight || strings.Contains(got.Body, "Alice") {
			t.Errorf("OPTIONS /me: %d %q, want %d", got.Status, got.Body, recipe.Preflight)
		}
	}
	for _, method := range []string{"PATCH", "TRACE"} {
		if got := c.Do(method + " /me"); got.Status < 400 {
			t.Errorf("%s /me without a token: %d", method, got.Status)
		}
	}
}

func streams(t *testing.T, _ *Recipe, s *Service, c *Client) {
	alice, _ := s.Login(t, "1")
	if got := c.Do("GET /stream"); got.Status != http.StatusUnauthorized {
		t.Errorf("a stream without a token: %d, want 401", got.Status)
	}
	response := c.Open("GET /stream", Bearer(alice))
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	next := func() (string, error) { return lines.ReadString('\n') }
	// The handler waits for a tick before it writes another line: this one arrives only if it was flushed.
	if line, err := next(); line != "tick\n" {
		t.Fatalf("the first line is %q, %v", line, err)
	}
	s.tick(t)
	if line, err := next(); line != "tick\n" {
		t.Fatalf("the second line is %q, %v", line, err)
	}
	s.Clock.Advance(time.Hour)
	s.tick(t)
	if line, err := next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the token has expired, the stream goes on with %q, %v", line, err)
	}
}

func sessions(t *testing.T, _ *Recipe, s *Service, c *Client) {
	alice, current := s.Login(t, "1")
	other, otherID := s.Login(t, "1")
	bob, bobs := s.Login(t, "2")
	wantStatus := func(request, token string, want int) {
		t.Helper()
		if got := c.Do(request, Bearer(token)); got.Status != want {
			t.Errorf("%s: %d %s, want %d", request, got.Status, got.Body, want)
		}
	}
	list := c.Do("GET /sessions", Bearer(alice))
	if list.Status != http.StatusOK || !strings.Contains(list.Body, current) || !strings.Contains(list.Body, otherID) || strings.Contains(list.Body, bobs) {
		t.Errorf("the list of sessions is %d %s", list.Status, list.Body)
	}
	for _, empty := range []string{"DELETE /sessions/", "DELETE /sessions", "DELETE /sessions//", "DELETE /sessions/%20"} {
		if got := c.Do(empty, Bearer(alice)); got.Status < 300 {
			t.Errorf("%s: %d, want no success", empty, got.Status)
		}
	}
	wantStatus("DELETE /sessions/"+bobs, alice, http.StatusNotFound)
	for _, token := range []string{alice, other, bob} {
		wantStatus("GET /me", token, http.StatusOK)
	}
	wantStatus("DELETE /sessions/"+otherID, alice, http.StatusNoContent)
	wantStatus("GET /me", other, http.StatusUnauthorized)
	wantStatus("GET /me", alice, http.StatusOK)
	wantStatus("GET /me", bob, http.StatusOK)
}

func routes(t *testing.T, recipe *Recipe, s *Service, c *Client) {
	c.Do("GET /me")
	if got := s.lastRoute(); got != recipe.Route {
		t.Errorf("Observe sees the pattern %q, want %q", got, recipe.Route)
	}
}
