package ushertest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// RequireAuth checks that the handler lets no stranger into these routes: it has to answer 401 to a request
// without a token, and to one whose bearer token is none. A route that answers otherwise is an error of the test.
//
// Routes are patterns of [http.ServeMux] with a method: "GET /me", "POST /posts/{id}". Every wildcard becomes a 1.
func RequireAuth(t testing.TB, handler http.Handler, routes ...string) {
	t.Helper()
	if handler == nil || len(routes) == 0 {
		t.Fatalf("ushertest: RequireAuth needs a handler and at least one route")
	}
	for _, route := range routes {
		method, target, ok := parseRoute(route)
		if !ok {
			t.Fatalf("ushertest: the route %q is not a method and a path, such as \"GET /me\"", route)
		}
		check := func(visitor string, r *http.Request) {
			t.Helper()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("ushertest: %s answers %s with %d instead of 401", route, visitor, w.Code)
			}
		}
		check("a request without a token", newRequest(t, method, target))
		forger := newRequest(t, method, target)
		forger.Header.Set("Authorization", "Bearer not-a-token")
		check("a token that is none", forger)
	}
}

var wildcard = regexp.MustCompile(`\{[^{}]*\}`)

// parseRoute returns a method and a target that match a pattern.
func parseRoute(pattern string) (method, target string, ok bool) {
	method, target, ok = strings.Cut(pattern, " ")
	target = strings.TrimLeft(target, " \t")
	if !strings.Contains(target, "/") {
		return "", "", false
	}
	target = wildcard.ReplaceAllString(strings.ReplaceAll(target, "{$}", ""), "1")
	if !strings.HasPrefix(target, "/") {
		target = "http://" + target // the pattern begins with a host
	}
	return method, target, ok && method != ""
}
