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

// Carrier sets the token of a request in the place where the service expects it, as [InBearer] and [InCookie] do. For
// other places, write your own function.
type Carrier func(r *http.Request, token string)

// InBearer returns a Carrier for the Authorization header with the scheme Bearer, where [usher.FromBearer] finds the token.
func InBearer() Carrier { return InAuthorization("Bearer") }

// InAuthorization returns a Carrier for the Authorization header with another scheme, or with the bare token if scheme
// is "".
func InAuthorization(scheme string) Carrier {
	return func(r *http.Request, token string) {
		r.Header.Set("Authorization", strings.TrimSpace(scheme+" "+token))
	}
}

// InHeader returns a Carrier for a header whose whole value is the token.
func InHeader(name string) Carrier {
	return func(r *http.Request, token string) { r.Header.Set(name, token) }
}

// InCookie returns a Carrier for a cookie. The request is not cross-origin.
func InCookie(name string) Carrier {
	return func(r *http.Request, token string) { r.AddCookie(&http.Cookie{Name: name, Value: token}) } //nolint:gosec // a request's cookie has no attributes
}

// Routes are the options of [Routes.RequireAuth]. Their zero value means the defaults of the function RequireAuth.
type Routes struct {
	// Carry sets the invalid token of a request. The default is InBearer().
	Carry Carrier
	// Statuses are the statuses that count as a refusal. The default is 401. Use 303 for a service that redirects to a
	// login, and 404 for one that hides its routes.
	Statuses []int
}

// RequireAuth checks that the handler protects these routes. It must respond with a 401 to a request without a token,
// and to one with an invalid bearer token. Any other response is reported as an error of the test. For services with
// another token source or another status, use [Routes.RequireAuth].
//
// Routes are patterns of [http.ServeMux] with a method: "GET /me", "POST /posts/{id}". Each wildcard is replaced by 1.
func RequireAuth(t testing.TB, handler http.Handler, routes ...string) {
	t.Helper()
	Routes{}.RequireAuth(t, handler, routes...)
}

// RequireAuth is like the function RequireAuth, for a service that expects its token where Carry sets it, and that
// refuses requests with one of Statuses.
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
		target = "http://" + target // for a pattern that begins with a host
	}
	return method, target, ok && method != ""
}
