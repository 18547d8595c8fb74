// Package authrequest is a verifier for reverse proxies that ask another service about each request: nginx's auth_request,
// Envoy's ext_authz over HTTP, and Traefik's ForwardAuth. nginx.conf is the configuration for nginx.
package authrequest

import (
	"net/http"

	"github.com/go-usher/usher"
)

// Verified returns a handler that responds with a 200, the only status with which Envoy lets a request pass. The response has the
// identity that the middleware around the handler has verified: X-User is the user, and X-Scope has the scopes of the token.
// Behind Optional, the response to a request without a token has no identity.
//
// The proxy must ask with the method and the headers of the request, because the middleware uses them. Only the proxy may be able
// to reach the verifier. Routes for the handler must accept every method.
func Verified() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context()); ok {
			w.Header().Set("X-User", claims.Subject)
			w.Header().Set("X-Scope", claims.Scope)
		}
		w.WriteHeader(http.StatusOK)
	})
}
