// Package authrequest answers the questions of reverse proxies that let a service of their own decide: nginx's auth_request,
// Envoy's ext_authz over HTTP, Traefik's ForwardAuth. nginx.conf is the configuration for nginx.
package authrequest

import (
	"net/http"

	"github.com/go-usher/usher"
)

// Verified answers 200, the only status that Envoy takes for a yes, with the identity that the middleware around it has verified:
// X-User is who the user is, and X-Scope what the token allows. Behind Optional, a request without a token is answered without an
// identity.
//
// The proxy has to ask with the method and the headers of the request, since the middleware decides by them, and to let nobody
// else ask. Routes for it take every method.
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
