package ushertest_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/ushertest"
)

// newService has routes that are protected, and some that should be.
func newService(t testing.TB) http.Handler {
	t.Helper()
	auth := newMiddleware(t, ushertest.New[myClaims](t, nil).Decoder)
	protected := auth.RequireFunc(sayHello)
	open := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	mux := http.NewServeMux()
	for _, pattern := range []string{
		"GET /me", "POST /posts/{id}", "GET /posts/{id}/comments/{n}", "GET /files/{path...}", "GET /exact/{$}",
		"GET api.example.com/v1/{id}", "DELETE\t/tabbed",
	} {
		mux.Handle(pattern, protected)
	}
	mux.Handle("GET /forgotten", open)
	mux.Handle("GET /greeting", auth.Optional(open))
	mux.HandleFunc("GET /naive", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return mux
}

func TestRequireAuthPassesForProtectedRoutes(t *testing.T) {
	routes := []string{"GET /me", "POST /posts/{id}", "GET  /posts/{id}/comments/{n}", "GET /files/{path...}",
		"GET /exact/{$}", "GET api.example.com/v1/{id}"}
	got := record(t, func(t testing.TB) { ushertest.RequireAuth(t, newService(t), routes...) })
	if got.errors != nil || got.fatal != "" {
		t.Errorf("it reports %q, %q", got.errors, got.fatal)
	}
}

func TestRequireAuthReportsEveryUnprotectedRoute(t *testing.T) {
	got := record(t, func(t testing.TB) {
		ushertest.RequireAuth(t, newService(t), "GET /forgotten", "GET /me", "GET /greeting", "GET /naive", "PUT /me", "GET /nowhere")
	})
	want := []string{
		"ushertest: GET /forgotten answers a request without a token with 200 instead of 401",
		"ushertest: GET /forgotten answers a bad token with 200 instead of 401",
		"ushertest: GET /greeting answers a request without a token with 200 instead of 401",
		"ushertest: GET /naive answers a bad token with 200 instead of 401",
		"ushertest: PUT /me answers a request without a token with 405 instead of 401",
		"ushertest: PUT /me answers a bad token with 405 instead of 401",
		"ushertest: GET /nowhere answers a request without a token with 404 instead of 401",
		"ushertest: GET /nowhere answers a bad token with 404 instead of 401",
	}
	if !slices.Equal(got.errors, want) {
		t.Errorf("it reports\n%s\nwant\n%s", strings.Join(got.errors, "\n"), strings.Join(want, "\n"))
	}
}

func TestRequireAuthFailsATestThatChecksNothing(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.Handler
		routes  []string
	}{
		"no handler":  {nil, []string{"GET /me"}},
		"no routes":   {newService(t), nil},
		"no method":   {newService(t), []string{"/me"}},
		"no path":     {newService(t), []string{"GET"}},
		"empty path":  {newService(t), []string{"GET "}},
		"no slash":    {newService(t), []string{"GET me"}},
		"blank first": {newService(t), []string{" /me"}},
		"bad target":  {newService(t), []string{"GET /a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := record(t, func(t testing.TB) { ushertest.RequireAuth(t, test.handler, test.routes...) })
			if !strings.HasPrefix(got.fatal, "ushertest: ") {
				t.Errorf("the test goes on, with %q", got.errors)
			}
		})
	}
}

// A service may take its tokens from a cookie, and redirect its pages' visitors to a login.
func TestRoutesRequireAuthKnowsOtherSourcesAndStatuses(t *testing.T) {
	decoder := ushertest.New[myClaims](t, nil).Decoder
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[myClaims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("session")},
		Reject: func(w http.ResponseWriter, r *http.Request, _ *usher.Rejection) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		},
	}))
	// This one looks at the cookie, and believes whatever is in it.
	naive := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("session"); err != nil {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}
	})
	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.RequireFunc(sayHello))
	mux.Handle("GET /naive", naive)
	routes := ushertest.Routes{Carry: ushertest.InCookie("session"), Statuses: []int{303, 404}}
	got := record(t, func(t testing.TB) { routes.RequireAuth(t, mux, "GET /me", "GET /nowhere", "GET /naive") })
	want := []string{"ushertest: GET /naive answers a bad token with 200 instead of 303 or 404"}
	if !slices.Equal(got.errors, want) || got.fatal != "" {
		t.Errorf("it reports %q, %q, want %q", got.errors, got.fatal, want)
	}
}

func TestNewRequestPutsTheTokenWhereTheServiceExpectsIt(t *testing.T) {
	for name, test := range map[string]struct {
		carry  ushertest.Carrier
		source usher.TokenSource
	}{
		"by default":     {nil, usher.FromBearer()},
		"bearer":         {ushertest.InBearer(), usher.FromBearer()},
		"another scheme": {ushertest.InAuthorization("JWT"), usher.FromAuthorization("JWT")},
		"bare":           {ushertest.InAuthorization(""), usher.FromAuthorization("")},
		"a header":       {ushertest.InHeader("X-Access-Token"), usher.FromHeader("X-Access-Token")},
		"a cookie":       {ushertest.InCookie("session"), usher.FromCookie("session")},
		"a function": {func(r *http.Request, token string) { r.URL.RawQuery = "token=" + token },
			usher.FromQuery("token")},
	} {
		t.Run(name, func(t *testing.T) {
			kit := ushertest.New[myClaims](t, &ushertest.Options{Carry: test.carry})
			auth := usher.Must(usher.NewMiddleware(kit.Decoder, usher.ClaimsAsUser[myClaims], &usher.MiddlewareOptions{
				Sources: []usher.TokenSource{test.source},
			}))
			if got := status(auth.RequireFunc(sayHello), kit.NewRequest(t, "POST", "/me", alice())); got != http.StatusOK {
				t.Errorf("got %d", got)
			}
		})
	}
}
