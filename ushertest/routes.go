package ushertest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A Carrier puts a token into a request, where the service expects it: see [InBearer] and [InCookie]. Any other place takes a
// function of one's own.
type Carrier func(r *http.Request, token string)

// InBearer returns a Carrier for the Authorization header with the scheme Bearer, where [usher.FromBearer] finds the token.
func InBearer() Carrier { return InAuthorization("Bearer") }

// InAuthorization returns a Carrier for the Authorization header with another scheme, or with the bare token if scheme is "".
func InAuthorization(scheme string) Carrier {
	return func(r *http.Request, token string) {
		r.Header.Set("Authorization", strings.TrimSpace(scheme+" "+token))
	}
}

// InHeader returns a Carrier for a header that holds the token alone.
func InHeader(name string) Carrier {
	return func(r *http.Request, token string) { r.Header.Set(name, token) }
}

// InCookie returns a Carrier for a cookie. The request is one of the service's own pages: it is not cross-origin.
func InCookie(name string) Carrier {
	return func(r *http.Request, token string) { r.AddCookie(&http.Cookie{Name: name, Value: token}) } //nolint:gosec // a request's cookie has no attributes
}

// Routes says how [Routes.RequireAuth] checks a service. The zero Routes are those of RequireAuth.
type Routes struct {
	// Carry puts a bad token into the request. The default is InBearer().
	Carry Carrier
	// Statuses are the responses that refuse a request. The default is 401 alone; a service whose pages redirect to a login
	// lists 303, and one that hides its routes 404.
	Statuses []int
}

// RequireAuth checks that the handler lets nobody into these routes without a token: it has to answer with a 401 to a request
// without a token, and to one with a bad bearer token. A route that answers otherwise is an error of the test.
// [Routes.RequireAuth] is for services that take their tokens elsewhere, or that refuse with another status.
//
// Routes are patterns of [http.ServeMux] with a method: "GET /me", "POST /posts/{id}". Every wildcard becomes a 1.
func RequireAuth(t testing.TB, handler http.Handler, routes ...string) {
	t.Helper()
	Routes{}.RequireAuth(t, handler, routes...)
}

// RequireAuth is the function RequireAuth for a service that takes its tokens where Carry puts them, and that refuses with one of
// Statuses.
func (o Routes) RequireAuth(t testing.TB, handler http.Handler, routes ...string) {
	t.Helper()
	if handler == nil || len(routes) == 0 {
		t.Fatalf("ushertest: RequireAuth needs a handler and at least one route")
	}
	if o.Carry == nil {
		o.Carry = InBearer()
	}
	if len(o.Statuses) == 0 {
		o.Statuses = []int{http.StatusUnauthorized}
	}
	for _, route := range routes {
		method, target, ok := parseRoute(route)
		if !ok {
			t.Fatalf("ushertest: the route %q is not a method and a path, such as \"GET /me\"", route)
		}
		o.check(t, handler, route, "a request without a token", newRequest(t, method, target))
		forged := newRequest(t, method, target)
		o.Carry(forged, "not.a.token")
		o.check(t, handler, route, "a bad token", forged)
	}
}

// check reports an error if the handler does not refuse the request.
func (o Routes) check(t testing.TB, handler http.Handler, route, what string, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if slices.Contains(o.Statuses, w.Code) {
		return
	}
	var statuses []string
	for _, status := range o.Statuses {
		statuses = append(statuses, strconv.Itoa(status))
	}
	t.Errorf("ushertest: %s answers %s with %d instead of %s", route, what, w.Code, strings.Join(statuses, " or "))
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
