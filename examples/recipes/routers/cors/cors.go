// Package corsrecipe puts rs/cors around a service whose pages are at another origin.
package corsrecipe

import (
	"fmt"
	"net/http"
	"time"

	"github.com/rs/cors"

	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
)

// glue:

// CORS lets the pages of these origins call the service. It goes around everything, the middleware included: then it answers
// preflights, which have no token, and pages can read refusals. With tokens in cookies, these are also the TrustedOrigins.
func CORS(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins:   origins, // never "*" together with AllowCredentials
		AllowedMethods:   []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		ExposedHeaders:   []string{"WWW-Authenticate", "Retry-After"},
		AllowCredentials: true, // only for tokens in cookies
		MaxAge:           int((10 * time.Minute).Seconds()),
	})
}

// end of glue

// New returns the routes of a service whose pages are at these origins.
func New(auth *users.Auth, origins []string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *users.User) {
		fmt.Fprint(w, user.Name)
	}))
	mux.Handle("POST /echo", auth.Require(http.HandlerFunc(users.Echo)))
	return CORS(origins).Handler(mux)
}
