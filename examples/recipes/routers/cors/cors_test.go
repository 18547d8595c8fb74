package corsrecipe_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	corsrecipe "github.com/go-usher/usher/examples/recipes/routers/cors"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
)

const app = "https://app.example"

var (
	fromApp   = routertest.Header("Origin", app)
	fromEvil  = routertest.Header("Origin", "https://evil.example")
	asks      = routertest.Header("Access-Control-Request-Method", "GET")
	withToken = routertest.Header("Access-Control-Request-Headers", "authorization")
)

func serve(t *testing.T) (*routertest.Service, *routertest.Client) {
	t.Helper()
	s := routertest.NewService(t, func(o *usher.MiddlewareOptions) { o.TrustedOrigins = []string{app} })
	return s, routertest.NewClient(t, routertest.Serve(t, corsrecipe.New(s.Auth, []string{app})))
}

func TestAPreflightNeedsNoToken(t *testing.T) {
	_, c := serve(t)
	got := c.Do("OPTIONS /me", fromApp, asks, withToken)
	if got.Status != http.StatusNoContent || got.Header.Get("Access-Control-Allow-Origin") != app ||
		!strings.EqualFold(got.Header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("a preflight: %d %v, want 204 and the permission to send Authorization", got.Status, got.Header)
	}
	got = c.Do("OPTIONS /me", fromEvil, asks, withToken)
	if allowed := got.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("a stranger's preflight is allowed to %q", allowed)
	}
}

func TestPagesCanReadRefusals(t *testing.T) {
	s, c := serve(t)
	unreachable, _ := s.Login(t, "unreachable")
	for _, test := range []struct {
		token  string
		status int
		header string
	}{
		{"bad", http.StatusUnauthorized, "WWW-Authenticate"},
		{unreachable, http.StatusServiceUnavailable, "Retry-After"},
	} {
		got := c.Do("GET /me", fromApp, routertest.Bearer(test.token))
		exposed := strings.Split(strings.ToLower(got.Header.Get("Access-Control-Expose-Headers")), ", ")
		if got.Status != test.status || got.Header.Get("Access-Control-Allow-Origin") != app ||
			got.Header.Get(test.header) == "" || !slices.Contains(exposed, strings.ToLower(test.header)) {
			t.Errorf("%d %v, want %d that pages may read, with %s", got.Status, got.Header, test.status, test.header)
		}
	}
}

func TestVaryNamesWhatBothRead(t *testing.T) {
	s, c := serve(t)
	token, _ := s.Login(t, "1")
	for _, token := range []string{token, "bad"} {
		got := c.Do("GET /me", fromApp, routertest.Bearer(token))
		vary := strings.Join(got.Header.Values("Vary"), ", ")
		for _, name := range []string{"Origin", "Authorization", "Cookie"} {
			if !strings.Contains(vary, name) {
				t.Errorf("%d with Vary %q, which lacks %s", got.Status, vary, name)
			}
		}
	}
}

// TestCookiesCountFromTrustedOriginsOnly: CORS lets a page read; what a page may cause is TrustedOrigins' matter.
func TestCookiesCountFromTrustedOriginsOnly(t *testing.T) {
	s, c := serve(t)
	token, _ := s.Login(t, "1")
	crossSite := routertest.Header("Sec-Fetch-Site", "cross-site")
	if got := c.Do("POST /echo", fromApp, crossSite, routertest.Cookie(token), routertest.Body("x")); got.Status != http.StatusOK {
		t.Errorf("the app's POST: %d, want 200", got.Status)
	}
	got := c.Do("POST /echo", fromEvil, crossSite, routertest.Cookie(token), routertest.Body("x"))
	if got.Status != http.StatusForbidden || got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a stranger's POST: %d %v, want 403 that the stranger can't read", got.Status, got.Header)
	}
}

// TestInsideTheMiddlewareCORSComesTooLate is the wrong way.
func TestInsideTheMiddlewareCORSComesTooLate(t *testing.T) {
	s := routertest.NewService(t)
	inside := corsrecipe.CORS([]string{app}).Handler(http.NotFoundHandler())
	c := routertest.NewClient(t, routertest.Serve(t, s.Auth.Require(inside)))
	got := c.Do("OPTIONS /me", fromApp, asks, withToken)
	if got.Status != http.StatusUnauthorized || got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight: %d %v: the order no longer matters", got.Status, got.Header)
	}
}
