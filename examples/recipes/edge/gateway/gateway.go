// Package gateway is a reverse proxy in front of services that trust its headers: X-User is the user, and X-Scope has the scopes
// of the token.
package gateway

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// The names under which clients send their tokens. The backend does not get the tokens.
const (
	Cookie = "__Host-access"
	Marker = "access-token" // new WebSocket(url, ["access-token", token])
)

// Sources returns the token sources for the middleware.
func Sources() []usher.TokenSource {
	return []usher.TokenSource{usher.FromBearer(), usher.FromCookie(Cookie), usher.FromWebSocketProtocol(Marker)}
}

// Proxy returns a proxy that passes requests to the backend, with the identity that the middleware around it has verified. Behind
// Optional, a request without a token has no identity.
//
// Only the gateway may be able to reach the backend.
func Proxy(backend *url.URL) *httputil.ReverseProxy {
	// The proxy removes the headers that a client's Connection header names before it calls Rewrite, but after it has called
	// Director. With Director, "Connection: X-User" would make a client anonymous.
	rewrite := func(r *httputil.ProxyRequest) {
		r.SetURL(backend)
		r.Out.Host = r.In.Host // a backend compares it with Origin
		r.SetXForwarded()
		removeIdentity(r.Out.Header)
		removeTokens(r)
		if claims, ok := usher.ClaimsFromContext[usher.Claims](r.In.Context()); ok {
			r.Out.Header.Set("X-User", claims.Subject)
			r.Out.Header.Set("X-Scope", claims.Scope)
		}
	}
	return &httputil.ReverseProxy{Rewrite: rewrite, ModifyResponse: keepPrivate}
}

// keepPrivate sets the headers of the middleware again. If a backend sends a 1xx response first, such as 103 Early Hints, the
// proxy drops all headers that were set before.
func keepPrivate(response *http.Response) error {
	response.Header.Add("Vary", "Authorization, Cookie")
	_, known := usher.ClaimsFromContext[usher.Claims](response.Request.Context())
	if known && response.Header.Get("Cache-Control") == "" {
		response.Header.Set("Cache-Control", "private")
	}
	return nil
}

// removeIdentity removes the client's own identity headers. Many servers pass X_User to their applications under the same name
// as X-User.
func removeIdentity(header http.Header) {
	for name := range header {
		switch strings.Map(lettersAndDigits, name) {
		case "xuser", "xscope":
			delete(header, name)
		}
	}
}

func lettersAndDigits(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return r
	case 'A' <= r && r <= 'Z':
		return r - 'A' + 'a'
	}
	return -1
}

func removeTokens(r *httputil.ProxyRequest) {
	r.Out.Header.Del("Authorization")
	r.Out.Header.Del("Cookie")
	for _, cookie := range r.In.Cookies() {
		if cookie.Name != Cookie {
			r.Out.AddCookie(cookie)
		}
	}
	if _, found, err := usher.FromWebSocketProtocol(Marker).Find(r.In); found || err != nil {
		r.Out.Header.Del("Sec-WebSocket-Protocol") // the middleware has chosen Marker, so the backend can't choose another
	}
}

// PlainPaths refuses paths that two servers may read differently, with a 400. Put it around the routes. Without it, a stranger
// could request /public/..%2fadmin through the route /public/, and some backends read this as /admin.
func PlainPaths(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPlain(r.URL) {
			http.Error(w, "The path is not plain.", http.StatusBadRequest)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

func isPlain(u *url.URL) bool {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(u.Path, `\`) || strings.Contains(u.Path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		switch name, _, _ := strings.Cut(segment, ";"); name { // some servers ignore everything after a semicolon
		case ".", "..":
			return false
		}
	}
	return true
}

// UntilRefused ends the requests of next when their token expires or their session ends, which it checks after each interval.
// Otherwise streams and WebSockets would stay open. Put it between the middleware and the proxy.
func UntilRefused[C, U any](auth *usher.Middleware[C, U], every time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := auth.Claims(r.Context()); !ok { // anonymous, behind Optional
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := lifetime.Context(r, auth, every)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
