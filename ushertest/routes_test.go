package ushertest_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

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

func TestRequireAuthReportsEveryRouteThatStrangersGetInto(t *testing.T) {
	got := record(t, func(t testing.TB) {
		ushertest.RequireAuth(t, newService(t), "GET /forgotten", "GET /me", "GET /greeting", "GET /naive", "PUT /me", "GET /nowhere")
	})
	want := []string{
		"ushertest: GET /forgotten answers a request without a token with 200 instead of 401",
		"ushertest: GET /forgotten answers a token that is none with 200 instead of 401",
		"ushertest: GET /greeting answers a request without a token with 200 instead of 401",
		"ushertest: GET /naive answers a token that is none with 200 instead of 401",
		"ushertest: PUT /me answers a request without a token with 405 instead of 401",
		"ushertest: PUT /me answers a token that is none with 405 instead of 401",
		"ushertest: GET /nowhere answers a request without a token with 404 instead of 401",
		"ushertest: GET /nowhere answers a token that is none with 404 instead of 401",
	}
	if !slices.Equal(got.errors, want) {
		t.Errorf("it reports\n%s\nwant\n%s", strings.Join(got.errors, "\n"), strings.Join(want, "\n"))
	}
}

func TestRequireAuthEndsATestThatChecksNothing(t *testing.T) {
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
